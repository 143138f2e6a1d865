# SPDX-License-Identifier: Apache-2.0
"""Money on its way to an account in need: how much, from where, and whether it lands in time.

The probability of death before landing is that of a diffusion at the given volatility. Prices
gap, so the truth is worse; that is said among what a book file cannot show.
"""

from __future__ import annotations

from math import exp, log
from statistics import NormalDist

import msgspec

from tidegate.costs.financing import Passage
from tidegate.engine.deaths import Death
from tidegate.engine.observed_book import SeenBook, SeenVenue, Way
from tidegate.model.units import ceil_div
from tidegate.risk.settlement import (
    FixedLatency,
    Latency,
    LogMotion,
    LognormalLatency,
    hit_probability,
)

LATE_ALLOWED = 0.01
_LATENCY_NODES = 400
_P95 = NormalDist().inv_cdf(0.95)


class Wire(msgspec.Struct, frozen=True):
    """Quanta sent from a venue, what of them arrives, and the cost in dollars if prices are
    known."""

    source: str
    destination: str
    sent: int
    received: int
    cost_usd: float | None


class Passing(msgspec.Struct, frozen=True):
    """One way of money to a venue in need: what it can carry now and when that lands.

    `p50_s` and `p99_s` count from the book's time, waiting for `blocked_until_ms` included;
    `dies_before` is the probability that the account dies first. None is UNKNOWN.
    """

    source: str
    available_usd: float | None
    p50_s: float | None
    p99_s: float | None
    blocked_until_ms: int | None
    dies_before: float | None
    in_time: bool | None


def shortfall(book: SeenBook, venue: SeenVenue) -> int | None:
    """Least quanta of collateral with which the account survives the target both ways by the
    exact rule; None where that is UNKNOWN."""
    room = room_at_target(book, venue)
    return None if room is None else max(0, -room)


def room_at_target(book: SeenBook, venue: SeenVenue) -> int | None:
    """Worst health in quanta now and after the target move down and up, by the exact rule.

    Money adds to health one for one, so this is also what could leave. None is UNKNOWN.
    """
    alone, betas = venue.book(), book.betas_of(venue)
    if alone is None or betas is None:
        return None
    sizes = (0.0, -book.target, book.target)
    return min(alone.health_after(venue.name, betas, size) for size in sizes)


def available(book: SeenBook, venue: SeenVenue) -> int | None:
    """Quanta that may leave a venue now without taking it below the target itself."""
    known, room = venue.margined, room_at_target(book, venue)
    if known is None or room is None or not venue.initial_known:
        return None
    withdrawable = known.rule.state(known.account, known.marks).withdrawable
    return withdrawable if venue.spot else max(0, min(withdrawable, room))


def passings(book: SeenBook, venue: SeenVenue, death: Death | None) -> tuple[Passing, ...]:
    """Every way of money to a venue, against the death that threatens it most."""
    return tuple(_passing(book, way, death) for way in book.ways if way.destination == venue.name)


def _passing(book: SeenBook, way: Way, death: Death | None) -> Passing:
    source = book.venues[way.source]
    amount = available(book, source)
    risk = dies_before(book, way, death)
    return Passing(
        way.source,
        None if amount is None else book.usd(amount, source.collateral),
        landing_s(book, way, 0.5),
        landing_s(book, way, 0.99),
        way.blocked_until_ms,
        risk,
        None if risk is None else risk <= LATE_ALLOWED,
    )


def landing_s(book: SeenBook, way: Way, probability: float) -> float | None:
    """Seconds from now until money has landed with a probability; None where UNKNOWN."""
    wait = wait_s(book, way)
    if way.passage is None or wait is None:
        return None
    return wait + way.passage.latency_quantile_s(probability)


def wait_s(book: SeenBook, way: Way) -> float | None:
    """Seconds until the way opens; None where it is frozen until nobody knows when."""
    if way.blocked_until_ms is None:
        return None if way.frozen else 0.0
    return max(0.0, (way.blocked_until_ms - book.ts_ms) / 1_000)


def dies_before(book: SeenBook, way: Way, death: Death | None) -> float | None:
    """Probability that an account dies before money sent now has landed.

    With a wait W the latency is W + L, integrated over quantiles of the lognormal L.
    """
    wait = wait_s(book, way)
    if death is not None and death.move == 0.0:
        return 1.0
    if way.passage is None or wait is None or death is None or death.vol_annual is None:
        return None
    motion, distance_log = LogMotion(death.vol_annual), death.log_distance
    if wait == 0.0:
        return hit_probability(distance_log, motion, _latency(way.passage))
    nodes = [(index + 0.5) / _LATENCY_NODES for index in range(_LATENCY_NODES)]
    landings = [FixedLatency(wait + way.passage.latency_quantile_s(node)) for node in nodes]
    hits = [hit_probability(distance_log, motion, landing) for landing in landings]
    return sum(hits) / _LATENCY_NODES


def _latency(passage: Passage) -> Latency:
    """The lognormal law of a median and a 95 % point; without spread it is a fixed time."""
    sigma = log(passage.latency_p95_s / passage.latency_median_s) / _P95
    if sigma == 0.0:
        return FixedLatency(passage.latency_median_s)
    return LognormalLatency(passage.latency_median_s * exp(0.5 * sigma**2), sigma)


def wires(book: SeenBook, venue: SeenVenue, need: int) -> tuple[tuple[Wire, Way], ...] | None:
    """Wires that bring at least `need` quanta, the soonest landing first; None where all known
    ways together cannot, or none is known to open."""
    found: list[tuple[Wire, Way]] = []
    for way in _soonest_first(book, venue.name):
        wire = _wire(book, way, need - sum(wire.received for wire, _ in found))
        if wire is not None:
            found.append((wire, way))
        if sum(wire.received for wire, _ in found) >= need:
            return tuple(found)
    return None


def _soonest_first(book: SeenBook, destination: str) -> list[Way]:
    into = [way for way in book.ways if way.destination == destination]
    timed = [(landing_s(book, way, 0.99), way) for way in into]
    known = [(seconds, way) for seconds, way in timed if seconds is not None]
    return [way for _, way in sorted(known, key=lambda pair: (pair[0], pair[1].source))]


def _wire(book: SeenBook, way: Way, need: int) -> Wire | None:
    """The least that brings `need`, or all that may leave if that is less."""
    passage, source = way.passage, book.venues[way.source]
    amount = available(book, source)
    if passage is None or amount is None or passage.received_share == 0:
        return None
    share = passage.received_share
    travelling = ceil_div(need * share.denominator, share.numerator)
    sent = min(amount, max(travelling + passage.fee_quanta, passage.minimum_quanta))
    if sent < max(passage.minimum_quanta, passage.fee_quanta + 1):
        return None
    received = passage.received(sent - passage.fee_quanta)
    paid = book.usd(sent, passage.asset_sent)
    got = book.usd(received, passage.asset_received)
    cost = None if paid is None or got is None else paid - got
    return Wire(way.source, way.destination, sent, received, cost)
