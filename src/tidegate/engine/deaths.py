# SPDX-License-Identifier: Apache-2.0
"""The moves that kill each account: one coin alone, all coins by beta, a collateral's depeg.

Every answer is one of three: it dies at a move, no move kills it, or that is UNKNOWN. Moves are
counted in daily volatilities too, so that the likeliest death can be told from the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log, sqrt
from typing import Literal

import msgspec

from tidegate.engine.observed_book import Leg, Margined, SeenBook, SeenVenue
from tidegate.margin.liquidation import liquidation_prices
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.risk.distance import distance

Side = Literal["down", "up", "depeg"]
ALL_COINS = "all coins by beta"
_LEAST_RATIO = 1e-12


class Death(msgspec.Struct, frozen=True):
    """What one venue's account does under one cause: `dies` at `move`, `never`, or `unknown`.

    `move` is relative (a depeg's is the fall of the asset's dollar price). A coin alone has the
    first insolvent tick and its price where one contract carries it. `vols_day` is the log move
    in daily volatilities, `vol_annual` the volatility it was counted in.
    """

    venue: str
    cause: str
    side: Side
    status: Literal["dies", "never", "unknown"]
    move: float | None = None
    ticks: int | None = None
    price: float | None = None
    vols_day: float | None = None
    vol_annual: float | None = None

    @property
    def log_distance(self) -> float:
        """Size of the move in logs; zero where there is none."""
        return abs(log(max(1.0 + (self.move or 0.0), _LEAST_RATIO)))


def deaths(book: SeenBook) -> tuple[Death, ...]:
    """Every cause of death of every venue that holds contracts."""
    found: list[Death] = []
    for venue in book.venues.values():
        if not venue.spot and venue.coins:
            found += venue_deaths(book, venue)
    return tuple(found)


def venue_deaths(book: SeenBook, venue: SeenVenue) -> list[Death]:
    """Deaths of one venue: each coin alone, all by beta, and each dollar coin it depends on."""
    sides: tuple[Side, Side] = ("down", "up")
    found = [_coin_alone(book, venue, coin, side) for coin in venue.coins for side in sides]
    found += [_by_beta(book, venue, side) for side in sides]
    return found + [_depeg(venue, asset) for asset in _dollar_coins(venue)]


def insolvent(venue: SeenVenue) -> bool | None:
    """Whether the account is below maintenance now; None where that is UNKNOWN."""
    if venue.margined is None:
        return None
    equity, maintenance = venue.margined.rule.health_at(
        venue.margined.account, venue.margined.marks
    )
    return equity < maintenance


def likeliest(found: Iterable[Death]) -> Death | None:
    """The death that is the fewest daily volatilities away; None where none could be counted."""
    counted = [death for death in found if death.vols_day is not None]
    return min(counted, key=lambda death: death.vols_day or 0.0, default=None)


def threat(found: Iterable[Death]) -> Death | None:
    """The likeliest death of one account, or None where any cause by price is UNKNOWN or has no
    volatility: the likeliest of what is left would be too late a one."""
    by_price = [death for death in found if death.side != "depeg"]
    first = likeliest(by_price)
    if first is not None and first.move == 0.0:
        return first
    unsure = any(d.status == "unknown" or uncounted(d) for d in by_price)
    return None if unsure else first


def uncounted(death: Death) -> bool:
    """Whether a death by price has no volatility to count it in."""
    return death.status == "dies" and death.side != "depeg" and death.vols_day is None


def nearest(found: Iterable[Death]) -> Death | None:
    """The death by price that the smallest relative log move brings."""
    dying = [death for death in found if death.status == "dies" and death.side != "depeg"]
    return min(dying, key=lambda death: death.log_distance, default=None)


def _coin_alone(book: SeenBook, venue: SeenVenue, coin: str, side: Side) -> Death:
    legs = [leg for leg in venue.legs if leg.instrument.base == coin and leg.lots]
    known, vol = venue.margined, book.vol_annual.get(coin)
    if known is None:
        return Death(venue.name, coin, side, "unknown")
    if len(legs) > 1:
        return _judged(venue.name, coin, side, _crossing(venue, {coin: 1.0}, side), vol)
    ticks, move = _exact(known, legs[0], side)
    death = _judged(venue.name, coin, side, move, vol)
    if ticks is None:
        return death
    return msgspec.structs.replace(death, ticks=ticks, price=legs[0].instrument.price(ticks))


def _exact(known: Margined, leg: Leg, side: Side) -> tuple[int | None, float | None]:
    """First insolvent tick on a side, to the tick by the exact rule, and its relative move."""
    name = leg.instrument.id
    prices = liquidation_prices(known.rule, known.account, known.marks, name)
    ticks = prices.below_ticks if side == "down" else prices.above_ticks
    return ticks, None if ticks is None else ticks / known.marks[name] - 1.0


def _by_beta(book: SeenBook, venue: SeenVenue, side: Side) -> Death:
    betas = book.betas_of(venue)
    if venue.margined is None or betas is None:
        return Death(venue.name, ALL_COINS, side, "unknown")
    move = _crossing(venue, betas, side)
    return _judged(venue.name, ALL_COINS, side, move, book.market_vol_annual)


def _dollar_coins(venue: SeenVenue) -> list[str]:
    quotes = {leg.quote for leg in venue.legs if leg.lots and leg.quote is not None}
    return sorted((quotes | {venue.collateral}) - {"USD"})


def _depeg(venue: SeenVenue, asset: str) -> Death:
    """A fall d of an asset's dollar price lifts the marks quoted in it to 1 / (1 - d).

    Coins' dollar prices stand still, so shorts quoted in the falling asset lose. A holding whose
    quote asset was not given leaves the answer UNKNOWN.
    """
    legs = [leg for leg in venue.legs if leg.lots]
    quoted = {leg.instrument.base for leg in legs if leg.quote == asset}
    others = {leg.instrument.base for leg in legs if leg.quote != asset}
    if venue.margined is None or quoted & others or any(leg.quote is None for leg in legs):
        return Death(venue.name, asset, "depeg", "unknown")
    rise = _crossing(venue, dict.fromkeys(quoted, 1.0), "up")
    if rise is None:
        return Death(venue.name, asset, "depeg", "never")
    return Death(venue.name, asset, "depeg", "dies", -rise / (1.0 + rise))


def _crossing(venue: SeenVenue, betas: dict[str, float], side: Side) -> float | None:
    """The move along betas at which the account dies; 0 where it is dead already."""
    book = venue.book()
    if insolvent(venue):
        return 0.0
    if book is None or not betas:
        return None
    return distance(book, "", betas, up=side == "up").move


def _judged(venue: str, cause: str, side: Side, move: float | None, vol: float | None) -> Death:
    if move is None:
        return Death(venue, cause, side, "never")
    death = Death(venue, cause, side, "dies", move)
    if move == 0.0:
        return msgspec.structs.replace(death, vols_day=0.0, vol_annual=vol)
    if vol is None:
        return death
    counted = death.log_distance / (vol * sqrt(DAY_MS / YEAR_MS))
    return msgspec.structs.replace(death, vols_day=counted, vol_annual=vol)
