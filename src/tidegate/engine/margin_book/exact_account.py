# SPDX-License-Identifier: Apache-2.0
"""A rule of integers asked as rules of floats are: holdings become lots, ticks and quanta.

Numbers of at most 15 digits come back from floats exactly, so what a file says is margined to the
quantum; costs are rounded up, balances down, marks against the holding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor

from tidegate.engine.margin_book.session import with_losses_paid
from tidegate.margin.holding_values import settled
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule import LiquidationStep, MarginRule, MarginState
from tidegate.margin.statement import Statement
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, Instrument, InstrumentId, Option
from tidegate.model.units import unit_quanta

WHERE = "holdings"


@dataclass(frozen=True, slots=True)
class ExactAccount:
    """A venue's integer rule over the `instruments` that it has terms for.

    `underlyings` are the prices that options are margined on: the forward at their expiry.
    `with_orders` has orders reserve initial margin, as the worse side executing. With `session`
    profit waits for a settlement, see `session`; without, profit that waits is refused.
    """

    name: str
    rule: MarginRule
    instruments: Mapping[InstrumentId, Instrument]
    least_confidence: float = 1.0
    underlyings: Mapping[InstrumentId, Index] = field(default_factory=dict)
    with_orders: bool = False
    session: bool = False

    @property
    def unit(self) -> str:
        """The asset that margins the account."""
        return self.rule.collateral

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The account now, exact before it became floats; see `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        if self.with_orders:
            return with_orders(self._plain, holdings, prices)
        return self._plain(replace(holdings, orders=()), prices)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        account, marks = self.account(holdings), self.marks(holdings, prices)
        found = stated(self.name, self.rule, account, marks)
        if not self.session or found.withdrawable is None:
            return found
        cash = with_losses_paid(holdings).collateral.get(self.unit, 0.0)
        free = owned(cash, self.unit) / unit_quanta(self.unit) - found.initial
        return replace(found, withdrawable=max(0.0, min(found.withdrawable, free)))

    def account(self, holdings: Holdings) -> Account:
        """The holdings in quanta and lots; a debt that the rule does not count is refused."""
        balances = {asset: owned(amount, asset) for asset, amount in self._balances(holdings)}
        positions = {
            held.instrument.id: Position(self._lots(held), entry_cost(held))
            for held in holdings.positions
        }
        return Account("", balances, positions)

    def _balances(self, holdings: Holdings) -> list[tuple[str, float]]:
        if not self.session:
            settled(holdings)
        balances = dict(holdings.collateral)
        for asset, amount in holdings.realised.items():
            balances[asset] = float(exact(balances.get(asset, 0.0)) + exact(amount))
        for asset, amount in balances.items():
            if amount < 0.0 and asset != self.unit:
                expected = f"expected at least 0: {self.name} does not count what is borrowed"
                raise InputError(WHERE, f"balances.{asset}", expected)
        return list(balances.items())

    def marks(self, holdings: Holdings, prices: Prices) -> dict[str, int]:
        """Marks in ticks, rounded against the holding; those of underlyings to the nearest."""
        marks = {}
        for held in holdings.positions:
            instrument = held.instrument
            is_option = isinstance(instrument, Option)
            price = (prices.option_mark if is_option else prices.mark)(instrument.id)
            ticks = exact(price) / Fraction(instrument.tick)
            marks[instrument.id] = ceil(ticks) if held.size < 0 else floor(ticks)
            if not is_option and marks[instrument.id] < 1:
                expected = f"expected at least one tick of {instrument.tick}"
                raise InputError("market", f"mark {instrument.id}", expected)
            if isinstance(instrument, Option) and instrument.id in self.underlyings:
                index = self.underlyings[instrument.id]
                forward = prices.forward(instrument.base, instrument.expiry_ms)
                marks[index.id] = round(exact(forward) / Fraction(index.tick))
        return marks

    def step(self, holdings: Holdings, market: MarketValues) -> LiquidationStep | None:
        """What the venue does first, or None while solvent."""
        prices = Prices(market, self.least_confidence)
        return self.rule.liquidation_step(
            self.account(holdings), self.marks(holdings, prices), attempt=0
        )

    def size_of(self, name: InstrumentId, lots: int) -> float:
        """Lots as a size of `Holding`."""
        return float(lots * lot_of(self.instruments[name]))

    def _lots(self, held: Holding) -> int:
        if held.instrument.id not in self.instruments:
            expected = f"expected an instrument that {self.name} margins, with its terms"
            raise InputError(WHERE, held.instrument.symbol, expected)
        return round(exact(held.size) / lot_of(held.instrument))


@dataclass(frozen=True, slots=True)
class WalletAccount:
    """A wallet without borrowing; each coin is priced in the asset that it is counted in."""

    name: str
    rule: MarginRule
    coins: Mapping[str, Instrument]
    least_confidence: float = 1.0

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The wallet now; see `AccountRule`."""
        if holdings.positions or holdings.orders:
            raise InputError(WHERE, "positions", "expected none: a wallet holds balances alone")
        settled(holdings)
        prices = Prices(market, self.least_confidence)
        balances, marks = {}, {}
        for asset, amount in holdings.collateral.items():
            if amount < 0 or asset not in (*self.coins, self.rule.collateral):
                raise InputError(WHERE, asset, "expected a balance of at least 0, of the book's")
            balances[asset] = owned(amount, asset)
            if asset in self.coins and amount:
                price = exact(prices.usd(asset)) / exact(prices.usd(self.rule.collateral))
                coin = self.coins[asset]
                marks[coin.id] = floor(price / Fraction(coin.tick))
        return stated(self.name, self.rule, Account("", balances, {}), marks)


def stated(name: str, rule: MarginRule, account: Account, marks: Mapping[str, int]) -> Statement:
    """An integer rule's state in whole units, with each position's maintenance as its part."""
    state: MarginState = rule.state(account, marks)
    unit = unit_quanta(rule.collateral)
    parts = {}
    for each, position in account.positions.items():
        alone = Account("", {}, {each: position})
        parts[each] = rule.health_at(alone, marks)[1] / unit
    return Statement(
        rule=name,
        unit=rule.collateral,
        equity=state.equity / unit,
        initial=state.initial / unit,
        maintenance=state.maintenance / unit,
        withdrawable=state.withdrawable / unit,
        binding=state.binding or "none",
        parts=parts,
    )


def exact(number: float) -> Fraction:
    """The number that was written, of at most 15 digits."""
    return Fraction(repr(number))


def owned(amount: float, asset: str) -> int:
    """Quanta of a balance, rounded down."""
    return floor(exact(amount) * unit_quanta(asset))


def entry_cost(held: Holding) -> int:
    """What a position cost in settlement quanta, rounded up, less what is accrued; of an option
    nothing, as its premium has left the balance."""
    instrument, unit = held.instrument, unit_quanta(held.instrument.settle)
    accrued = floor(exact(held.funding) * unit)
    if isinstance(instrument, Option):
        return -accrued
    size, entry = exact(held.size), exact(held.entry)
    return ceil((-size / entry if instrument.inverse else size * entry) * unit) - accrued


def lot_of(instrument: Instrument) -> Fraction:
    """What one lot adds to a size: coins, or dollars of face."""
    return Fraction(instrument.lot) * Fraction(instrument.inverse_face_usd or 1)
