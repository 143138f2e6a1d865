# SPDX-License-Identifier: Apache-2.0
"""Cross margin of linear perpetuals on one collateral: Hyperliquid and Binance USD-M.

Both take equity = wallet + unrealised profit and tiered maintenance; they differ in what can be
withdrawn and in how they liquidate. Sources: hyperliquid.gitbook.io, margining and liquidations
(stored copies, Nov 2026); Binance USD-M documentation on brackets, maxWithdrawAmount and the
liquidation protocol (stored copies, Nov 2026).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.margin.rule import Lines, LiquidationStep, MarginState, Marks
from tidegate.margin.tiers import TierTable
from tidegate.model.account import Account
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.units import MICRO, asset_decimals, ceil_div

HYPERLIQUID_PARTIAL_ABOVE_USD = 100_000
HYPERLIQUID_PARTIAL_SHARE = 5
HYPERLIQUID_WITHDRAW_FLOOR = 10


@dataclass(frozen=True, slots=True)
class LinearCross(ABC):
    """State common to both venues; `leverage` is the one chosen there, capped by the tier, where
    `leverages` has none for the instrument itself."""

    collateral: str
    instruments: Mapping[InstrumentId, Instrument]
    tiers: Mapping[InstrumentId, TierTable]
    leverage: int
    leverages: Mapping[InstrumentId, int] = field(default_factory=dict, kw_only=True)

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Equity and maintenance requirement in collateral quanta."""
        equity = account.balances.get(self.collateral, 0)
        maintenance = 0
        for name, position in account.positions.items():
            value = self.instruments[name].value(position.lots, marks[name])
            equity += value - position.cost
            maintenance += self.tiers[name].maintenance(abs(value))
        return equity, maintenance

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """The tiers themselves, which hold at every price and size."""
        return self.tiers[name].lines()

    def _initial(self, account: Account, marks: Marks) -> tuple[int, int, InstrumentId | None]:
        """Initial requirement, total notional, and the instrument that requires most."""
        initial, total, most, binding = 0, 0, -1, None
        for name, position in account.positions.items():
            notional = abs(self.instruments[name].value(position.lots, marks[name]))
            chosen = self.leverages.get(name, self.leverage)
            leverage = min(chosen, self.tiers[name].at(notional).max_leverage)
            required = ceil_div(notional, leverage)
            initial, total = initial + required, total + notional
            if required > most:
                most, binding = required, name
        return initial, total, binding

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact state of the account; see `MarginState`."""
        equity, maintenance = self.health_at(account, marks)
        initial, total, binding = self._initial(account, marks)
        wallet = account.balances.get(self.collateral, 0)
        withdrawable = self._withdrawable(wallet, equity, initial, total)
        return MarginState(equity, initial, maintenance, max(0, withdrawable), binding)

    @abstractmethod
    def _withdrawable(self, wallet: int, equity: int, initial: int, total: int) -> int:
        """What may leave now; negative when nothing may."""


@dataclass(frozen=True, slots=True)
class HyperliquidCross(LinearCross):
    """Hyperliquid cross margin: unrealised profit may leave, down to the larger of initial margin
    and a tenth of total notional."""

    def _withdrawable(self, wallet: int, equity: int, initial: int, total: int) -> int:
        return equity - max(initial, ceil_div(total, HYPERLIQUID_WITHDRAW_FLOOR))

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Below maintenance: a fifth of each position above 100k USDC first, and after the 30 s
        cooldown (any later attempt) all of it; below two thirds of maintenance the liquidator
        vault takes over and what is left of the margin is forfeited."""
        equity, maintenance = self.health_at(account, marks)
        if equity >= maintenance:
            return None
        if 3 * equity < 2 * maintenance:
            return LiquidationStep((), True, {})
        closes = tuple(
            (name, -(position.lots if attempt else self._portion(name, position.lots, marks)))
            for name, position in account.positions.items()
        )
        return LiquidationStep(closes, False, {})

    def _portion(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        notional = abs(self.instruments[name].value(lots, marks[name]))
        if notional <= HYPERLIQUID_PARTIAL_ABOVE_USD * MICRO:
            return lots
        part = ceil_div(abs(lots), HYPERLIQUID_PARTIAL_SHARE)
        return part if lots > 0 else -part


@dataclass(frozen=True, slots=True)
class BinanceUsdm(LinearCross):
    """Binance USD-M, single-asset cross margin: unrealised profit carries positions but cannot
    leave; `clearance_ppm` is the liquidation fee on the closed notional."""

    clearance_ppm: Mapping[InstrumentId, int]

    def _withdrawable(self, wallet: int, equity: int, initial: int, total: int) -> int:
        return min(wallet, equity - initial)

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Below maintenance the largest requirement is cut to the tier below, or closed when it is
        in the first tier; the clearance fee is taken on what was closed."""
        equity, maintenance = self.health_at(account, marks)
        if equity >= maintenance or not account.positions:
            return None
        if equity <= 0:
            closes = tuple((name, -p.lots) for name, p in account.positions.items())
            return LiquidationStep(closes, False, self.clearance_ppm)
        name = max(account.positions, key=lambda n: (self._maintenance(account, n, marks), n))
        lots = account.positions[name].lots
        keep = self._lots_of_tier_below(name, lots, marks)
        close = lots - keep if lots > 0 else lots + keep
        return LiquidationStep(((name, -close),), False, self.clearance_ppm)

    def _maintenance(self, account: Account, name: InstrumentId, marks: Marks) -> int:
        lots = account.positions[name].lots
        return self.tiers[name].maintenance(self.instruments[name].notional(lots, marks[name]))

    def _lots_of_tier_below(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        instrument = self.instruments[name]
        floor = self.tiers[name].at(instrument.notional(lots, marks[name])).floor
        one = instrument.notional(1, marks[name])
        return min(abs(lots) - 1, floor // one) if floor else 0


@dataclass(frozen=True, slots=True)
class SpotWallet:
    """A wallet without borrowing: no requirement, and every positive dollar balance may leave."""

    collateral: str
    coins: Mapping[str, Instrument]

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Value of all balances in collateral quanta, and no requirement."""
        equity = account.balances.get(self.collateral, 0)
        for coin, instrument in self.coins.items():
            quanta = account.balances.get(coin, 0)
            if quanta:
                equity += self._coin_value(instrument, quanta, marks)
        return equity, 0

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """None: nothing is required of a coin held outright."""
        return ()

    @staticmethod
    def _coin_value(instrument: Instrument, quanta: int, marks: Marks) -> int:
        lot_quanta = int(instrument.lot.scaleb(asset_decimals(instrument.base)))
        return instrument.value(quanta, marks[instrument.id]) // lot_quanta

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact state; only the dollar balance is withdrawable, the coin must be sold first."""
        equity, _ = self.health_at(account, marks)
        wallet = account.balances.get(self.collateral, 0)
        return MarginState(equity, 0, 0, max(0, wallet), None)

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Never: nothing is borrowed."""
        return None
