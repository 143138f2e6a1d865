# SPDX-License-Identifier: Apache-2.0
"""A book as it stands, seen from outside: what was given, and by name what was not.

A venue is *known* where its rule, marks, entries and collateral balance were all given. One that
is not has no health and no distance here: it is UNKNOWN, which is neither safe nor zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import msgspec

from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.margin.rule import MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import unit_quanta
from tidegate.risk.distance import Book


class Unknown(msgspec.Struct, frozen=True):
    """Something that could not be seen: where it is missing, and what therefore is unknown."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One holding: signed lots, and what is known of its mark, costs, quote asset and ADL rank.

    `rank` is the venue's own light, 1 to 5, where 5 is deleveraged first.
    """

    instrument: Instrument
    lots: int
    mark_ticks: int | None
    costs: TradingCosts | None
    quote: str | None
    rank: int | None

    @property
    def coins(self) -> Fraction:
        """Signed amount of the base coin."""
        return Fraction(self.instrument.lot) * self.lots


@dataclass(frozen=True, slots=True)
class Margined:
    """A known account under its rule, with the marks (ticks) that it is judged on."""

    rule: MarginRule
    account: Account
    marks: Marks


@dataclass(frozen=True, slots=True)
class SeenVenue:
    """One venue: its holdings, and its account where all that margins it was given.

    `initial_known` says that initial margin, and so what can be withdrawn, is known too.
    """

    name: str
    collateral: str
    spot: bool
    legs: tuple[Leg, ...]
    margined: Margined | None
    initial_known: bool

    @property
    def coins(self) -> tuple[str, ...]:
        """Base coins held, sorted."""
        return tuple(sorted({leg.instrument.base for leg in self.legs if leg.lots}))

    def book(self) -> Book | None:
        """This venue alone, as distances are measured on; None where it is not known."""
        if self.margined is None:
            return None
        instruments = {leg.instrument.id: leg.instrument for leg in self.legs}
        known = self.margined
        return Book({self.name: known.account}, {self.name: known.rule}, instruments, known.marks)

    def with_account(self, account: Account) -> SeenVenue:
        """The same venue with another account; holdings follow it."""
        known = self.margined
        legs = tuple(replace(leg, lots=_lots(leg, account)) for leg in self.legs)
        return replace(self, legs=legs, margined=known and replace(known, account=account))


def _lots(leg: Leg, account: Account) -> int:
    instrument = leg.instrument
    if isinstance(instrument, Spot):
        return account.balances.get(instrument.base, 0) // instrument.base_quanta(1)
    position = account.positions.get(instrument.id)
    return position.lots if position else 0


@dataclass(frozen=True, slots=True)
class Way:
    """A route for money; without a passage its fee, minimum, latency or conversion is UNKNOWN.

    `frozen` without `blocked_until_ms` means that nobody knows when it opens.
    """

    source: str
    destination: str
    passage: Passage | None
    frozen: bool
    blocked_until_ms: int | None


@dataclass(frozen=True, slots=True)
class SeenBook:
    """All venues at one time, routes, dollar prices of collaterals, betas and volatilities.

    `target` is the beta-parallel move that every account should survive, both ways.
    """

    ts_ms: int
    venues: Mapping[str, SeenVenue]
    ways: tuple[Way, ...]
    stable_usd: Mapping[str, Fraction]
    betas: Mapping[str, float]
    vol_annual: Mapping[str, float]
    target: float
    unknown: tuple[Unknown, ...]

    def usd(self, quanta: int, asset: str) -> float | None:
        """Dollars of quanta of a collateral; None where its price was not given."""
        price = self.stable_usd.get(asset)
        return None if price is None else float(quanta * price / unit_quanta(asset))

    def betas_of(self, venue: SeenVenue) -> dict[str, float] | None:
        """Betas of every coin held at a venue; None where one was not given."""
        if any(coin not in self.betas for coin in venue.coins):
            return None
        return {coin: self.betas[coin] for coin in venue.coins}

    @property
    def market_vol_annual(self) -> float | None:
        """Volatility of the move that betas multiply: that of the coin of beta 1, the largest if
        there are several; None where no such coin has one."""
        found = [self.vol_annual.get(coin) for coin, beta in self.betas.items() if beta == 1.0]
        return max((vol for vol in found if vol is not None), default=None)

    def with_venue(self, venue: SeenVenue) -> SeenBook:
        """The same book with one venue replaced."""
        return replace(self, venues={**self.venues, venue.name: venue})

    def net_coins(self, coin: str) -> Fraction:
        """Signed amount of a coin over all venues: what is not hedged."""
        legs = (leg for venue in self.venues.values() for leg in venue.legs)
        return sum((leg.coins for leg in legs if leg.instrument.base == coin), Fraction(0))

    def leg(self, name: InstrumentId) -> Leg:
        """The holding of an instrument."""
        legs = (leg for venue in self.venues.values() for leg in venue.legs)
        return next(leg for leg in legs if leg.instrument.id == name)
