# SPDX-License-Identifier: Apache-2.0
"""Roads of a book and their edges: freezes, parity, what may pass through, hours and ties."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.test_routes import NOW, edge, need, net, sources
from tests.risk import desk
from tests.risk.desk import BETA_BTC, held
from tidegate.costs.financing import Passage
from tidegate.execution.routes import Edge, best_route, landed_by, landing_law, roads, ways
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, DayWindow
from tidegate.model.units import MICRO

TERMS = desk.terms()


@pytest.mark.parametrize("frozen", ["alpha", "beta", "vault"])
def test_road_that_begins_or_ends_at_a_frozen_venue_is_closed(frozen: str) -> None:
    book = desk.situation(desk.portfolio({"alpha": 100_000, "beta": 50_000}), frozen=(frozen,))
    found = {(e.passage.source, e.passage.destination) for e in roads(TERMS, book).edges}
    assert found == {ends for ends in desk.PASSAGES if frozen not in ends}


def test_money_passes_through_a_venue_that_lets_it_go_or_holds_no_position() -> None:
    short = {BETA_BTC: held(BETA_BTC, -1_000_000)}
    for beta_usd, through in ((100, {"alpha", "vault"}), (400_000, {"alpha", "beta", "vault"})):
        book = desk.situation(desk.portfolio({"alpha": 100_000, "beta": beta_usd}, short))
        here = roads(TERMS, book)
        assert here.through == through
        assert (here.available_quanta["beta"] > 0) == ("beta" in through)
        assert all(quanta >= 0 for quanta in here.available_quanta.values())
        assert here.look_ms == TERMS.mandate.mandate.watch_interval_s * 1_000


@pytest.mark.parametrize(("sent", "received"), [(900_000, 950_000), (1_000_000, 1_100_000),
                                                (1_100_000, 1_000_000)])  # fmt: skip
def test_coins_are_exchanged_at_their_price_of_now_which_never_adds(
    sent: int, received: int
) -> None:
    """A hundredth of a percent and a dollar are taken off on the way."""
    book = desk.situation(desk.portfolio({"alpha": 100_000}))
    coins = {"USDT": sent, "USDC": received}
    snapshot = msgspec.structs.replace(book.snapshot, stable_micro=coins)
    here = roads(TERMS, msgspec.structs.replace(book, snapshot=snapshot))
    (way,) = ways(here, "beta", 9_000 * MICRO)
    share = min(1.0, sent / received) * 0.9999
    assert way.sent_quanta == pytest.approx(9_000 * MICRO / share + MICRO, abs=2)
    cost_usd = (way.sent_quanta * sent - way.received_quanta * received) / MICRO**2
    assert way.cost_usd == pytest.approx(cost_usd, abs=1e-6)


@settings(max_examples=40)
@given(
    st.integers(1, 10**9),
    st.tuples(st.sampled_from(["USDC", "BTC"]), st.sampled_from(["USDC", "BTC"])),
    st.integers(0, 10**6),
    st.integers(0, 10**7),
    st.fractions(Fraction(1, 3), 1),
    st.fractions(Fraction(1, 3), 1),
)
def test_least_to_deliver_is_the_least_of_which_so_much_arrives(
    quanta: int, assets: tuple[str, str], fee: int, least: int, share: Fraction, parity: Fraction
) -> None:
    made = Edge(Passage("a", "c", *assets, fee, least, share, 60, 90), 1e9, parity)
    amount = made.to_deliver(quanta)
    assert made.delivered(amount) >= quanta
    assert amount >= least
    assert amount == max(least, fee + 1) or made.delivered(amount - 1) < quanta


def test_edge_of_which_nothing_arrives_is_no_way() -> None:
    assert ways(net(edge("a", "c", share=Fraction(0))), "c", MICRO) == []


@pytest.mark.parametrize("turned", [False, True])
def test_of_ways_that_cost_the_same_the_sooner_departs_first(turned: bool) -> None:
    later = edge("a", "c", 60, 60, window=DayWindow(23 * HOUR_MS, DAY_MS))
    edges = [later, edge("b", "c", 60, 60)]
    here = net(*(edges[::-1] if turned else edges))
    assert [way.hops[0].source for way in ways(here, "c", MICRO)] == ["b", "a"]
    assert sources(best_route(here, need(1_000, 200))) == ["b"]


@pytest.mark.parametrize("short", [0, 1])
def test_every_edge_must_take_what_goes_over_it(short: int) -> None:
    for lacking, found in ((0.5, 0), (0.0, 1)):
        rooms = [1_002.0, 1_001.0]
        rooms[short] -= lacking
        path = (edge(*ends, room_usd=room) for ends, room in zip(("ab", "bc"), rooms, strict=True))
        here = msgspec.structs.replace(net(*path), available_quanta={"a": 10**12})
        assert len(ways(here, "c", 1_000 * MICRO)) == found


@pytest.mark.parametrize(("minutes", "departs_h"), [(58, 22 + 59 / 60), (59, 24 + 20)])
def test_second_edge_departs_in_its_hours_which_end_before_their_end(
    minutes: int, departs_h: float
) -> None:
    """It is 22:00, a look takes a minute, and the second edge is open from 20:00 to 23:00."""
    path = (
        edge("a", "b", minutes * 60, minutes * 60),
        edge("b", "c", 60, 60, window=DayWindow(20 * HOUR_MS, 23 * HOUR_MS)),
    )
    here = msgspec.structs.replace(net(*path), available_quanta={"a": 10**12})
    (way,) = ways(here, "c", MICRO)
    lands_ms = round(NOW + (departs_h - 22) * HOUR_MS) + MINUTE_MS
    assert [landed_by(way, lands_ms + ms) for ms in (-1, 0)] == pytest.approx([0.0, 1.0], abs=1e-9)
    law = landing_law(way, NOW)
    assert law.seconds[law.weights > 0].tolist() == [(lands_ms - NOW) / 1_000]
    assert NOW % DAY_MS == 22 * HOUR_MS


def test_need_of_one_quantum_is_one() -> None:
    here = net(edge("a", "c", 60, 60, fee=0))
    way = best_route(here, msgspec.structs.replace(need(1, 60), quanta=1))
    assert way is not None
    assert (way.sent_quanta, way.received_quanta) == (1, 1)
