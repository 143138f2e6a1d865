# SPDX-License-Identifier: Apache-2.0
"""The cheapest way in time against every path worked out another way."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, inf
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import lognorm, norm

from tests.risk import desk
from tidegate.costs.financing import Passage
from tidegate.execution.routes import (
    Edge,
    Need,
    Roads,
    Way,
    best_route,
    landed_by,
    landing_law,
    roads,
    ways,
)
from tidegate.model.errors import InputError
from tidegate.model.times import ALWAYS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, DayWindow
from tidegate.model.units import MICRO

NOW = desk.NOW_MS
VENUES = ("a", "b", "c")
# What a bound from below may lack: no cell of the first latency is likelier.
SHORT = 0.0017
ONE = Fraction(1)


def edge(
    source: str, destination: str, median_s: float = 600, p95_s: float = 1_800, **terms: object
) -> Edge:
    """An edge of a dollar's fee in one coin."""
    said: dict[str, Any] = {
        "room_usd": inf,
        "share": ONE,
        "fee": MICRO,
        "minimum": 0,
        "window": ALWAYS,
    } | terms
    passage = Passage(
        source, destination, "USDC", "USDC", said["fee"], said["minimum"], said["share"],
        median_s, p95_s, None, said["window"],
    )  # fmt: skip
    return Edge(passage, said["room_usd"], ONE)


def net(*edges: Edge) -> Roads:
    free = dict.fromkeys(VENUES, 10**12)
    return Roads(NOW, edges, free, frozenset(VENUES), {"USDC": MICRO}, MINUTE_MS)


def need(usd: int, minutes: float, probability: float = 0.95) -> Need:
    return Need("c", usd * MICRO, NOW + round(minutes * MINUTE_MS), probability)


def sources(way: Way | None) -> list[str]:
    assert way is not None
    return [hop.source for hop in way.hops]


HOURS = st.sampled_from([ALWAYS, DayWindow(20 * HOUR_MS, DAY_MS), DayWindow(0, 8 * HOUR_MS)])


@st.composite
def nets(draw: st.DrawFn) -> Roads:
    ends = [(s, d) for s in VENUES for d in VENUES if s != d]
    edges = [
        edge(
            source, destination, median := draw(st.floats(30, 3_000)),
            median * draw(st.just(1.0) | st.floats(1.0, 6.0)),
            fee=draw(st.integers(0, 30)) * MICRO,
            minimum=draw(st.sampled_from([0, 10, 2_000])) * MICRO,
            share=1 - Fraction(draw(st.integers(0, 50)), 10_000),
            room_usd=draw(st.sampled_from([inf, 1_500.0, 0.0])),
            window=draw(HOURS),
        )
        for source, destination in draw(st.lists(st.sampled_from(ends), unique=True))
    ]  # fmt: skip
    free = {venue: draw(st.integers(0, 3_000)) * MICRO for venue in VENUES}
    through = frozenset(draw(st.sets(st.sampled_from(VENUES))))
    return Roads(NOW, tuple(edges), free, through, {"USDC": MICRO}, MINUTE_MS)


def delivered(path: tuple[Edge, ...], amount: int) -> int | None:
    """What arrives, or None where an edge does not take it."""
    for each in path:
        fee, least = each.passage.fee_quanta, each.passage.minimum_quanta
        if amount <= fee or amount < least or amount > each.room_usd * MICRO:
            return None
        amount = int((amount - fee) * each.passage.received_share)
    return amount


def least_sent(path: tuple[Edge, ...], quanta: int, most: int) -> int | None:
    """The least amount that brings so much, by halving: what arrives grows with what is sent."""
    unlimited = tuple(msgspec.structs.replace(each, room_usd=inf) for each in path)
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        enough = (delivered(unlimited, middle) or 0) >= quanta
        low, high = (low, middle) if enough else (middle, high)
    return high if high <= most and (delivered(path, high) or 0) >= quanta else None


def in_time(path: tuple[Edge, ...], wanted: Need) -> float:
    """The probability of landing in time, by the middles of many cells of the first latency."""
    z = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    departs = path[0].passage.window.next_ms(NOW)
    arrives = departs + at_deviations(path[0].passage, z) * SECOND_MS
    if len(path) == 1:
        return float((arrives <= wanted.deadline_ms).mean())
    last = path[1].passage
    leaves = np.array([last.window.next_ms(ceil(t) + MINUTE_MS) for t in arrives])
    left_s = (wanted.deadline_ms - leaves) / SECOND_MS
    if last.latency_sigma_log == 0.0:
        return float((left_s >= last.latency_median_s).mean())
    law = lognorm(last.latency_sigma_log, scale=last.latency_median_s)
    return float(law.cdf(left_s).mean())


def at_deviations(passage: Passage, z: np.ndarray) -> np.ndarray:
    return np.asarray(passage.latency_median_s * np.exp(passage.latency_sigma_log * z))


@settings(max_examples=60)
@given(nets(), st.integers(1, 2_500), st.floats(5, 1_500), st.sampled_from([0.5, 0.9, 0.99]))
def test_route_is_the_cheapest_of_all_paths_that_land_in_time(
    here: Roads, usd: int, minutes: float, probability: float
) -> None:
    wanted = need(usd, minutes, probability)
    into = [each for each in here.edges if each.passage.destination == "c"]
    paths: list[tuple[Edge, ...]] = [(each,) for each in into]
    paths += [
        (first, last)
        for last in into
        for first in here.edges
        if first.passage.destination == last.passage.source in here.through
        and first.passage.source != "c"
    ]
    costs, certain = {}, []
    for path in paths:
        sent = least_sent(path, wanted.quanta, here.available_quanta[path[0].passage.source])
        if sent is not None:
            hops = tuple(each.passage for each in path)
            costs[hops] = (sent, (sent - (delivered(path, sent) or 0)) / MICRO)
            if in_time(path, wanted) >= probability + SHORT:
                certain.append(costs[hops][1])
    way = best_route(here, wanted)
    if way is None:
        assert certain == []
        return
    sent, cost_usd = costs[way.hops]
    assert way.sent_quanta == sent
    assert way.received_quanta >= wanted.quanta
    assert way.cost_usd == pytest.approx(cost_usd, abs=1e-6)
    assert way.cost_usd <= min(certain, default=inf) + 1e-6
    path = tuple(each for hop in way.hops for each in here.edges if each.passage == hop)
    assert in_time(path, wanted) >= probability - 1e-4


def test_cheaper_way_is_taken_where_it_lands_in_time_and_the_dearer_where_it_does_not() -> None:
    here = net(edge("a", "c", 60, 90, fee=50 * MICRO), edge("b", "c", 3_600, 7_200))
    assert sources(best_route(here, need(1_000, 180))) == ["b"]
    assert sources(best_route(here, need(1_000, 10))) == ["a"]
    assert best_route(here, need(1_000, 1)) is None


def test_two_edges_are_taken_where_one_is_too_slow_and_the_look_between_them_counts() -> None:
    fast = edge("a", "b", 60, 60), edge("b", "c", 60, 60)
    here = msgspec.structs.replace(
        net(*fast, edge("a", "c", 3_600, 7_200)), available_quanta={"a": 10**12}
    )
    assert sources(best_route(here, need(1_000, 3))) == ["a", "b"]
    assert best_route(here, need(1_000, 2.99)) is None
    nowhere = msgspec.structs.replace(here, through=frozenset({"a", "c"}))
    assert best_route(nowhere, need(1_000, 3)) is None


def test_venue_in_need_is_not_helped_by_its_own_money() -> None:
    round_trip = net(edge("c", "a", 60, 60), edge("a", "c", 60, 60))
    own = msgspec.structs.replace(round_trip, available_quanta={"c": 10**12})
    assert best_route(own, need(1_000, 60)) is None


def test_route_that_opens_later_departs_then() -> None:
    """It is 22:00; the only edge opens at midnight."""
    here = net(edge("a", "c", 60, 60, window=DayWindow(0, 8 * HOUR_MS)))
    assert best_route(here, need(1_000, 120)) is None
    way = best_route(here, need(1_000, 121))
    assert way is not None
    assert way.departs_ms == NOW + 2 * HOUR_MS


@pytest.mark.parametrize("hops", [1, 2])
def test_law_of_landing_is_never_sooner_than_the_truth(hops: int) -> None:
    path = (edge("a", "b", 600, 1_800), edge("b", "c", 300, 2_400))[-hops:]
    way = next(way for way in ways(net(*path), "c", MICRO) if len(way.hops) == hops)
    law = landing_law(way, NOW)
    assert law.weights.sum() == pytest.approx(1.0, abs=1e-9)
    for minutes in (5, 20, 60, 300):
        wanted = need(1, minutes)
        by_law = law.weights[law.seconds <= minutes * 60].sum()
        truth, said = in_time(path, wanted), landed_by(way, wanted.deadline_ms)
        assert by_law <= said + 1e-9
        assert truth - SHORT - 1e-4 <= said <= truth + 1e-4
        assert truth - by_law < 0.05


def test_roads_of_a_book_are_what_its_rules_let_go_over_routes_that_are_not_frozen() -> None:
    book = desk.situation(desk.portfolio({"alpha": 100_000, "beta": 50_000}), frozen=("vault",))
    capped = msgspec.structs.replace(book, sent_day_usd={("alpha", "beta"): 30_000.0})
    here = roads(desk.routed(100_000), capped)
    assert {(e.passage.source, e.passage.destination): e.room_usd for e in here.edges} == {
        ("alpha", "beta"): 70_000.0,
        ("beta", "alpha"): 100_000.0,
    }
    assert here.available_quanta["alpha"] == 99_000 * MICRO
    assert all(e.room_usd == 0.0 for e in roads(desk.routed(100_000), book).edges)


def test_coin_that_is_worth_less_now_takes_more_of_it_to_bring_the_same() -> None:
    book = desk.situation(desk.portfolio({"alpha": 100_000}))
    snapshot = msgspec.structs.replace(
        book.snapshot, stable_micro={"USDT": 900_000, "USDC": 1_000_000}
    )
    fallen = msgspec.structs.replace(book, snapshot=snapshot)
    sent = [ways(roads(desk.terms(), s), "beta", 9_000 * MICRO)[0] for s in (book, fallen)]
    assert sent[1].sent_quanta / sent[0].sent_quanta == pytest.approx(1 / 0.9, rel=1e-4)
    assert [way.cost_usd for way in sent] == pytest.approx([1.9, 1.8], abs=0.01)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"quanta": 0}, "quanta"), ({"probability": 0.0}, "probability"),
     ({"probability": 1.0}, "probability"), ({"probability": float("nan")}, "probability")],
)  # fmt: skip
def test_need_that_cannot_be_met_is_refused_by_its_field(
    change: dict[str, float], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        best_route(net(), msgspec.structs.replace(need(1, 1), **change))
    assert caught.value.field == field
