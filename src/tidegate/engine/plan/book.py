# SPDX-License-Identifier: Apache-2.0
"""A book to plan over: accounts under their rules, ways for money, edges, costs, prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.past import Past
from tidegate.margin.market_values import index_of, mark_of
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Option, Spot

USD = "USD"
# What dealing is taken to cost where that is not known, so that it is the last thing done; an
# answer that counts it says so.
WORST_RATE = 0.05


@dataclass(frozen=True, slots=True)
class CarryTerms:
    """Expected carry of being long, a year, as a share of the underlying's notional; its standard
    error and half-life."""

    carry_annual: float
    error_annual: float
    half_life_days: float


@dataclass(frozen=True, slots=True)
class DealingCosts:
    """Relative fee and half spread; volume and volatility of a day, for impact by the square-root
    law and for what may be traded at once."""

    taker_fee: float
    half_spread: float
    volume_day_usd: float
    vol_daily: float

    @property
    def linear_rate(self) -> float:
        """Fee and half spread per dollar traded."""
        return self.taker_fee + self.half_spread


@dataclass(frozen=True, slots=True)
class Way:
    """A route for money from one account's collateral to another's; None is UNKNOWN, and then the
    route is not used. `received_share` survives conversion; `closes_ms` is when it is known to
    close, None where that is not."""

    source: str
    destination: str
    fee: float
    minimum: float
    latency_median_s: float
    latency_p95_s: float
    received_share: float
    frozen: bool
    closes_ms: int | None = None

    @property
    def name(self) -> str:
        """Source and destination."""
        return f"{self.source} -> {self.destination}"


@dataclass(frozen=True, slots=True)
class PlanAccount:
    """One account; `asset` is what is moved in and out of it, `usd` prices assets of the book."""

    book: AccountBook
    asset: str
    usd: Mapping[str, float]

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self.book.venue

    @property
    def dealt(self) -> tuple[Instrument, ...]:
        """Contracts and options, held or not; coins in a wallet are not dealt in."""
        return tuple(i for i in self.book.instruments.values() if not isinstance(i, Spot))

    @property
    def coins(self) -> tuple[str, ...]:
        """Underlyings of its instruments and the coins that it owns, sorted."""
        owned = {*self.book.holdings.collateral, *self.book.holdings.realised} - {*self.usd}
        return tuple(sorted({each.base for each in self.book.instruments.values()} | owned))

    def held(self, name: InstrumentId) -> float:
        """Size held, as of `Holding`."""
        return sum(h.size for h in self.book.holdings.positions if h.instrument.id == name)

    def price(self, asset: str) -> float:
        """USD of one unit of an asset now."""
        return asset_usd(self, asset)

    def notional_per_size(self, instrument: Instrument) -> float:
        """USD of underlying that one unit of size stands for."""
        if instrument.inverse:
            return 1.0
        market = self.book.market
        if isinstance(instrument, Option):
            return market.positive(index_of(instrument.base))
        return market.positive(mark_of(instrument.id)) * self.price(instrument.settle)

    def statement(self) -> Statement:
        """The account now, under its rule."""
        return self.book.statement()


def asset_usd(account: PlanAccount, asset: str) -> float:
    """USD of one unit of a dollar coin or coin at the account's market; raises `InputError`."""
    if asset in account.usd:
        return account.usd[asset]
    try:
        return account.book.market.positive(index_of(asset))
    except InputError:
        field = f"coins.{asset}.index"
        expected = f"expected the price of {asset} in USD, or stable.{asset} where it is a dollar"
        raise InputError(account.book.where, field, expected) from None


@dataclass(frozen=True, slots=True)
class PlanBook:
    """All accounts at one time. What is missing from `edges` and `costs` is UNKNOWN: `unknown`
    names it, and such an instrument may only be reduced. `history` is None where none is named."""

    where: str
    ts_ms: int
    accounts: Mapping[str, PlanAccount]
    ways: tuple[Way, ...]
    edges: Mapping[InstrumentId, CarryTerms]
    costs: Mapping[InstrumentId, DealingCosts]
    yields: Mapping[str, float]
    correlation: float | None
    unknown: tuple[Unknown, ...]
    history: Past | None = None

    def dealt(self) -> Iterator[tuple[PlanAccount, Instrument]]:
        """Every instrument that may be held, account by account."""
        for account in self.accounts.values():
            for instrument in account.dealt:
                yield account, instrument

    def dealing_rate(self, name: InstrumentId) -> float:
        """Fee and half spread per dollar traded; the worst there is where that is not known."""
        costs = self.costs.get(name)
        return WORST_RATE if costs is None else costs.linear_rate

    @property
    def coins(self) -> tuple[str, ...]:
        """Underlyings and coins owned, over all accounts."""
        return tuple(sorted({coin for each in self.accounts.values() for coin in each.coins}))
