# SPDX-License-Identifier: Apache-2.0
"""Ways for money to a venue in need: over one edge, or over two through a venue between.

An edge costs its fee and its conversion, takes what its minimum, its daily cap and its hours
allow, and lands after a lognormal time. Over two edges the second departs one look of the engine
after the first has landed, in its own hours. The probability of landing in time is then

    P(T <= d) = E[F2(d - departure(T1))] >= sum_i P(T1 in cell i) F2(d - departure(end of cell i))

a bound from below, since whoever arrives later departs no sooner: each cell of T1 (0.004 of a
deviation wide, 8 each side) counts at its late end. It is short by at most a cell's probability,
0.0016. Money that rests at the venue between is margin there and may be seized with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil, log

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from tidegate.costs.financing import Passage
from tidegate.execution.planning import LEAVING_SHARE
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, SECOND_MS, DayWindow
from tidegate.model.units import MICRO, asset_decimals, unit_quanta
from tidegate.risk.plan import Situation, Terms, capped_room_usd
from tidegate.risk.settlement import DiscreteLatency

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_CELLS = np.linspace(-8.0, 8.0, 4_001)
_COARSE = _CELLS[::4]
# Landing times at which a law is written down; between them it counts as the later one.
_NODES = np.linspace(-8.0, 8.0, 321)


class Edge(msgspec.Struct, frozen=True):
    """A route as it stands now: its terms, what its daily cap leaves, and what the market takes off
    its conversion beyond the mandate's rate (1: nothing; it is never let to add)."""

    passage: Passage
    room_usd: float
    parity: Fraction

    def to_deliver(self, quanta: int) -> int:
        """The least to send so that `quanta` arrive."""
        passage = self.passage
        shift = asset_decimals(passage.asset_received) - asset_decimals(passage.asset_sent)
        survives = passage.received_share * self.parity * Fraction(10) ** shift
        fee = passage.fee_quanta
        return max(ceil(quanta / survives) + fee, passage.minimum_quanta, fee + 1)

    def delivered(self, quanta: int) -> int:
        """What arrives of an amount sent."""
        return self.passage.received(quanta - self.passage.fee_quanta, self.parity)


class Roads(msgspec.Struct, frozen=True):
    """What money can travel on now: edges between venues that are not frozen, what may leave each
    venue, the venues that money may pass through (what arrives may leave again), micro-dollars of
    each coin, and how long the engine takes to see what has landed."""

    now_ms: int
    edges: tuple[Edge, ...]
    available_quanta: Mapping[str, int]
    through: frozenset[str]
    coin_micro: Mapping[str, int]
    look_ms: int


class Need(msgspec.Struct, frozen=True):
    """Quanta of its collateral that a venue needs by a time, with at least a probability."""

    destination: str
    quanta: int
    deadline_ms: int
    probability: float


class Way(msgspec.Struct, frozen=True):
    """Edges in order, what is sent over the first and reaches the end, what that costs, and when
    the first departs; `look_ms` passes between the edges."""

    hops: tuple[Passage, ...]
    sent_quanta: int
    received_quanta: int
    cost_usd: float
    departs_ms: int
    look_ms: int


def roads(terms: Terms, situation: Situation) -> Roads:
    """The roads of a book: what its rules let go, less a hundredth as the planner leaves it."""
    snapshot, accounts = situation.snapshot, situation.portfolio.accounts
    opened = [
        Edge(passage, capped_room_usd(passage, situation), _parity(passage, snapshot.stable_micro))
        for ends, passage in terms.passages.items()
        if not set(ends).intersection(snapshot.frozen_venues)
    ]
    free = {v: terms.rules[v].state(a, situation.marks).withdrawable for v, a in accounts.items()}
    said = {
        asset: int(Decimal(stable.price_usd.value) * MICRO)
        for asset, stable in terms.mandate.stable.items()
    }
    return Roads(
        snapshot.ts_ms,
        tuple(opened),
        {venue: max(0, int(quanta * LEAVING_SHARE)) for venue, quanta in free.items()},
        frozenset(v for v, a in accounts.items() if free[v] > 0 or not a.positions),
        said | dict(snapshot.stable_micro),
        terms.mandate.mandate.watch_interval_s * SECOND_MS,
    )


def _parity(passage: Passage, coin_micro: Mapping[str, int]) -> Fraction:
    sent, received = (coin_micro.get(a) for a in (passage.asset_sent, passage.asset_received))
    return min(Fraction(1), Fraction(sent, received)) if sent and received else Fraction(1)


def best_route(here: Roads, need: Need) -> Way | None:
    """The cheapest way that brings what is needed in time, from whichever venue; None where none
    does. Amounts are not split over ways. Of two that cost the same the sooner departs.

    Raises: `InputError` for a need of nothing or a probability outside (0, 1).
    """
    if need.quanta < 1:
        raise InputError("route", "quanta", f"expected at least 1, got {need.quanta}")
    if not 0.0 < need.probability < 1.0:
        expected = f"expected between 0 and 1, got {need.probability}"
        raise InputError("route", "probability", expected)
    for way in ways(here, need.destination, need.quanta):
        if landed_by(way, need.deadline_ms) >= need.probability:
            return way
    return None


def ways(here: Roads, destination: str, quanta: int) -> list[Way]:
    """Every way that brings at least so many quanta, whenever that may be; the cheapest first."""
    found = (_way(here, hops, quanta) for hops in _paths(here, destination))
    return sorted((way for way in found if way is not None), key=_rank)


def landed_by(way: Way, ts_ms: int) -> float:
    """Probability that all of it has landed by a time: exact for one edge, for two at most 0.0016
    below the truth and never above it."""
    return float(_landed(way, np.array([ts_ms], dtype=np.float64), _CELLS)[0])


def landing_law(way: Way, now_ms: int) -> DiscreteLatency:
    """When it lands, in seconds from now, later than the truth by up to 0.07 of a deviation."""
    times = _stretched(way, _NODES)
    reached = np.maximum.accumulate(_landed(way, times, _COARSE))
    return DiscreteLatency((times - now_ms) / SECOND_MS, np.diff(reached, prepend=0.0))


def _paths(here: Roads, destination: str) -> Iterator[tuple[Edge, ...]]:
    for last in here.edges:
        if last.passage.destination != destination:
            continue
        yield (last,)
        middle = last.passage.source
        for first in here.edges if middle in here.through else ():
            if first.passage.destination == middle and first.passage.source != destination:
                yield first, last


def _way(here: Roads, path: tuple[Edge, ...], quanta: int) -> Way | None:
    """The least that brings `quanta`; None where it is more than may leave or an edge takes."""
    hops = tuple(edge.passage for edge in path)
    if any(hop.received_share == 0 for hop in hops):
        return None
    sent = quanta
    for edge in reversed(path):
        sent = edge.to_deliver(sent)
    amount, fits = sent, sent <= here.available_quanta.get(hops[0].source, 0)
    for edge in path:
        fits = fits and amount <= edge.room_usd * MICRO
        amount = edge.delivered(amount)
    if not fits:
        return None
    paid_usd, got_usd = (
        _usd(here, sent, hops[0].asset_sent),
        _usd(here, amount, hops[-1].asset_received),
    )
    departs_ms = hops[0].window.next_ms(here.now_ms)
    return Way(hops, sent, amount, paid_usd - got_usd, departs_ms, here.look_ms)


def _usd(here: Roads, quanta: int, asset: str) -> float:
    return quanta * here.coin_micro[asset] / MICRO / unit_quanta(asset)


def _rank(way: Way) -> tuple[float, int, int, tuple[str, ...]]:
    return way.cost_usd, way.departs_ms, len(way.hops), tuple(hop.source for hop in way.hops)


def _landed(way: Way, times_ms: FloatArray, cells: FloatArray) -> FloatArray:
    """P(landed by t) for each time; see the module's formula for two edges, whose cells end at
    these deviations."""
    first, rest = way.hops[0], way.hops[1:]
    if not rest:
        return _passed(first, times_ms - way.departs_ms)
    arrivals = way.departs_ms + _latency_ms(first, cells)
    weights = np.diff(ndtr(cells), prepend=0.0)
    departures = _departures(rest[0], arrivals + way.look_ms)
    late = times_ms[:, None] - departures[None, :]
    return np.asarray(_passed(rest[0], late) @ weights)


def _stretched(way: Way, deviations: FloatArray) -> FloatArray:
    """Landing times were every latency so many deviations from its median."""
    times = way.departs_ms + _latency_ms(way.hops[0], deviations)
    for hop in way.hops[1:]:
        times = _departures(hop, times + way.look_ms) + _latency_ms(hop, deviations)
    return times


def _latency_ms(hop: Passage, deviations: FloatArray) -> FloatArray:
    seconds = hop.latency_median_s * np.exp(hop.latency_sigma_log * deviations)
    return np.asarray(np.ceil(seconds * SECOND_MS))


def _passed(hop: Passage, waited_ms: FloatArray) -> FloatArray:
    """The latency's distribution: Phi(log(t / median) / sigma), a step where sigma is 0."""
    median_ms, sigma = hop.latency_median_s * SECOND_MS, hop.latency_sigma_log
    if sigma == 0.0:
        return np.where(waited_ms >= median_ms, 1.0, 0.0)
    logs = np.log(np.maximum(waited_ms, 1e-300)) - log(median_ms)
    return np.asarray(ndtr(logs / sigma))


def _departures(hop: Passage, ready_ms: FloatArray) -> FloatArray:
    """The first times in an edge's hours that are not before these."""
    window: DayWindow = hop.window
    inside = (ready_ms - window.open_ms) % DAY_MS < window.length_ms
    return np.asarray(np.where(inside, ready_ms, ready_ms + (window.open_ms - ready_ms) % DAY_MS))
