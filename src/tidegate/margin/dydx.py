# SPDX-License-Identifier: Apache-2.0
"""dYdX v4 cross margin of linear USDC perpetuals, in the chain's integers.

    N = |position| at the oracle price, whole quote quantums (1e-6 USDC), truncated
    initial = ceil(N f / 1e6)        maintenance = ceil(ceil(N f_0 / 1e6) g / 1e6)

f_0 is the tier's initial fraction and g its maintenance fraction, both in parts per million. f is
f_0 up to the lower cap on open notional and rises linearly to 1 at the upper one, the rise divided
with floor; a leverage chosen by the account, for all markets or for one, can only raise it.

Source: dydxprotocol/v4-chain: margin as in its module perpetuals at commit 84d4664b, liquidation
as in clob at 014223b6 with the genesis limits of 12 December 2024; read in November 2026.
Governance changes tiers and limits, so tiers are given and dated. Not pinned: the order of
positions within a block is pseudo-random there and by name here; isolated markets need an account
of their own; the limits of liquidation that governance has set since genesis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.margin.rule import Lines, LiquidationStep, MarginState, Marks
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.units import MICRO, asset_decimals, ceil_div

WHERE = "dydx margin"
QUOTE_DECIMALS = 6
LIQUIDATION_FEE_MAX_PPM = 15_000
BLOCK_POSITION_SHARE = 10
BLOCK_POSITION_MIN = 1_000 * MICRO
BLOCK_ACCOUNT_MAX = 100_000 * MICRO
# An exchange that plays blocks at one mark stops taking parts after about a minute of them.
BLOCKS_IN_PARTS = 48


@dataclass(frozen=True, slots=True)
class LiquidityTier:
    """One tier: fractions in ppm, caps on open notional in quote quantums (upper 0: no caps)."""

    initial_ppm: int
    maintenance_fraction_ppm: int
    open_notional_lower: int
    open_notional_upper: int
    as_of: str
    source: str

    def __post_init__(self) -> None:
        for name in ("initial_ppm", "maintenance_fraction_ppm"):
            if not 0 < getattr(self, name) <= MICRO:
                raise InputError(self.source, name, "expected above 0 and at most 1000000")
        if not 0 <= self.open_notional_lower <= self.open_notional_upper:
            raise InputError(self.source, "open_notional_lower", "expected from 0 to the upper cap")

    def scaled_initial_ppm(self, open_notional: int) -> int:
        """The initial fraction in force at an open notional in quote quantums."""
        lower, upper = self.open_notional_lower, self.open_notional_upper
        if upper == 0 or (open_notional <= lower and open_notional < upper):
            return self.initial_ppm
        if open_notional >= upper:
            return MICRO
        rise = (open_notional - lower) * (MICRO - self.initial_ppm) // (upper - lower)
        return self.initial_ppm + rise

    def maintenance(self, notional: int) -> int:
        """Maintenance in quote quantums, rounded up twice as the chain does."""
        initial = ceil_div(notional * self.initial_ppm, MICRO)
        return ceil_div(initial * self.maintenance_fraction_ppm, MICRO)


@dataclass(frozen=True, slots=True)
class DydxCross:
    """Cross margin of one subaccount.

    `open_interest_lots` is the market's, and must be there for every tier with caps: unknown open
    interest could hide an initial fraction of 1. `leverage` is the one chosen by the account, and
    `chosen_ppm` the initial fraction that it chose for a market (the chain's custom_imf_ppm).
    Profit is collateral and may leave: withdrawable is equity less initial margin. The chain's
    pause of all withdrawals while some account is negative is the venue's freeze, not a margin.
    """

    collateral: str
    instruments: Mapping[InstrumentId, Instrument]
    tiers: Mapping[InstrumentId, LiquidityTier]
    open_interest_lots: Mapping[InstrumentId, int]
    leverage: int
    chosen_ppm: Mapping[InstrumentId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if asset_decimals(self.collateral) != QUOTE_DECIMALS:
            raise InputError(WHERE, "collateral", f"expected USDC, got {self.collateral}")
        if self.leverage < 1:
            raise InputError(WHERE, "leverage", f"expected at least 1, got {self.leverage}")
        for name, chosen in self.chosen_ppm.items():
            if name not in self.instruments or not 0 < chosen <= MICRO:
                raise InputError(WHERE, name, f"expected a market's share of 1000000, got {chosen}")
        for name, instrument in self.instruments.items():
            self._check(name, instrument)

    def _check(self, name: InstrumentId, instrument: Instrument) -> None:
        linear = isinstance(instrument, Perpetual) and not instrument.inverse
        if not linear or instrument.settle != self.collateral:
            raise InputError(WHERE, name, f"expected a linear perpetual in {self.collateral}")
        if name not in self.tiers:
            raise InputError(WHERE, name, "expected its liquidity tier")
        capped = self.tiers[name].open_notional_upper > 0
        if self.open_interest_lots.get(name, -1 if capped else 0) < 0:
            raise InputError(WHERE, name, "expected its open interest, which its tier is scaled by")

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Equity and maintenance requirement in quote quantums."""
        equity, maintenance = account.balances.get(self.collateral, 0), 0
        for name, position in account.positions.items():
            notional = self._notional(name, position.lots, marks)
            equity += (notional if position.lots > 0 else -notional) - position.cost
            maintenance += self.tiers[name].maintenance(notional)
        return equity, maintenance

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact state of the account; see `MarginState`."""
        equity, maintenance = self.health_at(account, marks)
        required = {
            name: ceil_div(
                self._notional(name, position.lots, marks) * self.initial_ppm(name, marks), MICRO
            )
            for name, position in account.positions.items()
        }
        initial = sum(required.values())
        binding = max(required, key=lambda name: (required[name], name), default=None)
        return MarginState(equity, initial, maintenance, max(0, equity - initial), binding)

    def initial_ppm(self, name: InstrumentId, marks: Marks) -> int:
        """The initial fraction of one market at these marks, as the account has it."""
        open_notional = self._notional(name, self.open_interest_lots.get(name, 0), marks)
        scaled = self.tiers[name].scaled_initial_ppm(open_notional)
        return max(scaled, ceil_div(MICRO, self.leverage), self.chosen_ppm.get(name, 0))

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """Convex maintenance of one leg, meant as `TierTable.lines`: one line, since the rate
        depends on neither price nor size. The two roundings up, under 2 quanta, are not in it."""
        tier = self.tiers[name]
        return ((tier.initial_ppm * tier.maintenance_fraction_ppm / MICRO**2, 0.0),)

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Below maintenance each block closes up to a tenth of every position, or 1k USDC of it
        where that is more, and 100k USDC in all.

        The fee goes to the insurance fund: at most 1.5 %, and never more than the closed part's
        share of the equity, so that closing cannot bankrupt (the bankruptcy price, at the mark).
        Without equity the positions are deleveraged at that price, and nothing is left.
        """
        equity, maintenance = self.health_at(account, marks)
        if equity >= maintenance or not account.positions:
            return None
        if equity <= 0:
            return LiquidationStep((), True, {})
        if attempt >= BLOCKS_IN_PARTS:
            closes = tuple((name, -p.lots) for name, p in account.positions.items())
        else:
            closes = self._block(account.positions, marks)
        fees = {
            name: self._fee_ppm(name, account.positions[name].lots, marks, (equity, maintenance))
            for name, _ in closes
        }
        return LiquidationStep(closes, False, fees)

    def _block(
        self, positions: Mapping[InstrumentId, Position], marks: Marks
    ) -> tuple[tuple[InstrumentId, int], ...]:
        """Signed lots that one block may close, positions in order of name."""
        closes: list[tuple[InstrumentId, int]] = []
        room = BLOCK_ACCOUNT_MAX
        for name in sorted(positions):
            lots = positions[name].lots
            part = self._part(name, abs(lots), marks, room)
            if closes and self._notional(name, part, marks) > room:
                break
            closes.append((name, -part if lots > 0 else part))
            room -= self._notional(name, part, marks)
        return tuple(closes)

    def _part(self, name: InstrumentId, lots: int, marks: Marks, room: int) -> int:
        """Lots of one position within the limits, at least one."""
        notional = self._notional(name, lots, marks)
        limit = min(room, max(notional // BLOCK_POSITION_SHARE, BLOCK_POSITION_MIN))
        return lots if notional <= limit else max(1, lots * limit // notional)

    def _fee_ppm(self, name: InstrumentId, lots: int, marks: Marks, health: tuple[int, int]) -> int:
        equity, maintenance = health
        notional = self._notional(name, lots, marks)
        if notional == 0:
            return 0
        share = equity * self.tiers[name].maintenance(notional) * MICRO // (maintenance * notional)
        return min(LIQUIDATION_FEE_MAX_PPM, share)

    def _notional(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        return self.instruments[name].value(abs(lots), marks[name])
