# SPDX-License-Identifier: Apache-2.0
"""What a book as it stands amounts to: health, what kills it, who goes first, the cheapest fix.

All of it is a function of the given book. Decisions are by the venues' exact rules; what could
not be seen is named, and stands in no sum as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tidegate.engine.deaths import (
    Death,
    deaths,
    insolvent,
    likeliest,
    nearest,
    threat,
    uncounted,
    venue_deaths,
)
from tidegate.engine.observed_book import Leg, SeenBook, SeenVenue, Unknown
from tidegate.engine.remedy import Remedy, remedies
from tidegate.engine.rescue import Passing, available, passings, shortfall
from tidegate.model.instruments import Spot
from tidegate.risk.stress import stressed_health

ORPHAN_MOVE = 0.10
_MODEL_LIMITS = (
    Unknown("gaps", "chances of a wire are a diffusion's; real prices gap, so they are higher"),
    Unknown("depth", "costs of cuts are fee and half spread; their impact is UNKNOWN"),
    Unknown("orders", "open orders, money under way and funding due are not in a book file"),
)


class VenueHealth(msgspec.Struct, frozen=True):
    """One account in dollars, `health_ratio` equity over maintenance; None is UNKNOWN, but a
    ratio is None too where nothing is required.

    `survives_target` is of the beta-parallel move both ways, `survives_worst_side` of the same
    sizes against every position at once.
    """

    venue: str
    collateral: str
    insolvent: bool | None
    equity_usd: float | None
    maintenance_usd: float | None
    health_usd: float | None
    health_ratio: float | None
    withdrawable_usd: float | None
    survives_target: bool | None
    survives_worst_side: bool | None


class Exposure(msgspec.Struct, frozen=True):
    """One contract held: the venue's ADL light, and what would stand unhedged in dollars if it
    were taken away at the mark."""

    venue: str
    symbol: str
    coin: str
    rank: int | None
    naked_usd: float | None


class Vanishing(msgspec.Struct, frozen=True):
    """What is lost if a venue vanishes: its equity with unrealised profit, and on the legs it
    leaves unhedged per 10 % adverse move of each of its coins."""

    venue: str
    equity_usd: float | None
    orphaned_usd: float | None
    loss_per_tenth_usd: float | None


class First(msgspec.Struct, frozen=True):
    """Who goes first, by volatility where that was given, else by distance.

    `perhaps_sooner` are venues about which something is UNKNOWN, so that they may go before.
    """

    death: Death | None
    counted_in: str
    perhaps_sooner: tuple[str, ...]
    needed_usd: float | None
    passings: tuple[Passing, ...]


class Observation(msgspec.Struct, frozen=True):
    """Everything that `tidegate observe` shows."""

    ts_ms: int
    target: float
    solvent: bool
    venues: tuple[VenueHealth, ...]
    deaths: tuple[Death, ...]
    first: First
    exposures: tuple[Exposure, ...]
    vanishings: tuple[Vanishing, ...]
    remedies: tuple[Remedy, ...]
    short_after: tuple[str, ...]
    unknown: tuple[Unknown, ...]


def observe(book: SeenBook) -> Observation:
    """Everything about a book; `solvent` is False when any account is known to be insolvent."""
    found, after = deaths(book), remedies(book)
    return Observation(
        book.ts_ms,
        book.target,
        not any(insolvent(venue) for venue in book.venues.values()),
        tuple(_health(book, venue) for venue in book.venues.values()),
        found,
        _first(book, found),
        tuple(_exposures(book)),
        tuple(_vanishing(book, venue) for venue in book.venues.values()),
        after[0],
        tuple(name for name, venue in after[1].venues.items() if shortfall(after[1], venue)),
        (*book.unknown, *_unseen(book), *_MODEL_LIMITS),
    )


def _health(book: SeenBook, venue: SeenVenue) -> VenueHealth:
    known, asset = venue.margined, venue.collateral
    if known is None:
        return VenueHealth(venue.name, asset, *(None,) * 8)
    state = known.rule.state(known.account, known.marks)
    leaves = state.withdrawable if venue.initial_known else None
    short = shortfall(book, venue)
    return VenueHealth(
        venue.name,
        asset,
        state.health < 0,
        book.usd(state.equity, asset),
        book.usd(state.maintenance, asset),
        book.usd(state.health, asset),
        state.equity / state.maintenance if state.maintenance else None,
        None if leaves is None else book.usd(leaves, asset),
        None if short is None else short == 0,
        _survives_worst_side(book, venue),
    )


def _survives_worst_side(book: SeenBook, venue: SeenVenue) -> bool | None:
    known, betas = venue.margined, book.betas_of(venue)
    if known is None or betas is None:
        return None
    moves = {coin: beta * book.target for coin, beta in betas.items()}
    held = {leg.instrument.id: leg.instrument for leg in venue.legs if leg.lots}
    return stressed_health(known.rule, known.account, known.marks, held, moves) >= 0


def _first(book: SeenBook, found: tuple[Death, ...]) -> First:
    by_vol = likeliest(found)
    death = by_vol or nearest(found)
    unsure = dict.fromkeys(
        d.venue for d in found if d.status == "unknown" or (by_vol is not None and uncounted(d))
    )
    if death is None:
        return First(None, "nothing", tuple(unsure), None, ())
    venue = book.venues[death.venue]
    need = shortfall(book, venue)
    return First(
        death,
        "daily volatilities" if by_vol else "distance",
        tuple(unsure),
        None if need is None else book.usd(need, venue.collateral),
        passings(book, venue, threat(venue_deaths(book, venue))),
    )


def _exposures(book: SeenBook) -> Iterator[Exposure]:
    for venue in book.venues.values():
        for leg in venue.legs:
            if leg.lots and not isinstance(leg.instrument, Spot):
                coin = leg.instrument.base
                naked = _naked_usd(book, venue, (leg,))
                yield Exposure(venue.name, leg.instrument.symbol, coin, leg.rank, naked)


def _naked_usd(book: SeenBook, venue: SeenVenue, taken: Iterable[Leg]) -> float | None:
    """Dollars of what is unhedged per coin once holdings are gone, at the marks they had."""
    gone: dict[str, list[Leg]] = {}
    for leg in taken:
        gone.setdefault(leg.instrument.base, []).append(leg)
    price, total = book.stable_usd.get(venue.collateral), 0.0
    for coin, legs in gone.items():
        mark = legs[0].mark_ticks
        if mark is None or price is None:
            return None
        left = book.net_coins(coin) - sum(leg.coins for leg in legs)
        total += abs(float(left)) * legs[0].instrument.price(mark) * float(price)
    return total


def _vanishing(book: SeenBook, venue: SeenVenue) -> Vanishing:
    equity = None
    if venue.margined is not None:
        quanta, _ = venue.margined.rule.health_at(venue.margined.account, venue.margined.marks)
        equity = book.usd(max(0, quanta), venue.collateral)
    orphaned = _naked_usd(book, venue, [leg for leg in venue.legs if leg.lots])
    loss = None if orphaned is None else ORPHAN_MOVE * orphaned
    return Vanishing(venue.name, equity, orphaned, loss)


def _unseen(book: SeenBook) -> Iterator[Unknown]:
    """What follows from what was not given, each named once."""
    held = sorted({coin for venue in book.venues.values() for coin in venue.coins})
    for coin in held:
        if coin not in book.betas:
            what = "crash and rally by beta, the target and fixes of every venue that holds it"
            yield Unknown(f"betas.{coin}", what)
        if coin not in book.vol_annual:
            yield Unknown(f"vol_annual.{coin}", "how likely its moves are")
    if held and book.market_vol_annual is None:
        yield Unknown("vol_annual", "how likely a move by beta is: no coin of beta 1 has one")
    for venue in book.venues.values():
        if venue.collateral not in book.stable_usd:
            yield Unknown(f"stable.{venue.collateral}", f"dollar amounts at {venue.name}")
        if venue.margined and available(book, venue) is None:
            yield Unknown(venue.name, "what may leave it without endangering it")
