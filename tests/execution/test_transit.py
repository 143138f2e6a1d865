# SPDX-License-Identifier: Apache-2.0
"""Where money is that is at no venue, and what left within a day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tidegate.execution.transit import in_transit, lost, sent_day_usd
from tidegate.model.account import Shipment
from tidegate.model.events import Event, TransferLanded, TransferSent
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO

NOW = desk.NOW_MS


def shipment(name: str, destination: str = "beta", age_ms: int = 0) -> Shipment:
    return Shipment(name, "alpha", destination, "USDT", 5_000 * MICRO, NOW - age_ms)


def sent(ts_ms: int, usd: int, destination: str = "beta") -> TransferSent:
    return TransferSent(ts_ms, "t", "alpha", destination, "USDT", usd * MICRO, MICRO)


def test_parcels_say_when_they_are_expected_and_what_is_late_and_are_margin_nowhere() -> None:
    """Median 600 s and 95 % within 1,800 s, so 99 % within 2,838 s."""
    late, young = shipment("late", age_ms=2_840_000), shipment("young", "vault", age_ms=2_830_000)
    book = desk.portfolio({}, shipments=(young, late))
    first, second = in_transit(book, desk.PASSAGES, NOW)
    assert (first.id, first.overdue, second.id, second.overdue) == ("late", True, "young", False)
    assert first.p50_ms == late.sent_ms + 600_000
    assert first.p99_ms is not None
    assert 2_837_000 < first.p99_ms - late.sent_ms < 2_838_500
    assert (second.destination, second.quanta, second.asset) == ("vault", 5_000 * MICRO, "USDT")
    assert first.margin_quanta == second.margin_quanta == 0


def test_shipment_is_lost_a_day_after_it_was_overdue_and_of_an_unknown_route_at_once() -> None:
    ages = {"late": 2_837_000 + DAY_MS, "lost": 2_838_500 + DAY_MS}
    book = desk.portfolio({}, shipments=tuple(shipment(n, age_ms=a) for n, a in ages.items()))
    assert lost(book, desk.PASSAGES, NOW) == {"lost"}
    assert lost(book, {}, NOW) == set(ages)


def test_parcel_of_a_route_that_nobody_knows_is_overdue_at_once() -> None:
    (parcel,) = in_transit(desk.portfolio({}, shipments=(shipment("s"),)), {}, NOW)
    assert (parcel.p50_ms, parcel.p99_ms, parcel.overdue) == (None, None, True)


@given(st.lists(st.tuples(st.integers(0, 3 * DAY_MS), st.integers(1, 10**6), st.booleans())))
def test_sent_within_a_day_is_the_sum_of_what_left_in_the_last_24_hours(
    drawn: list[tuple[int, int, bool]],
) -> None:
    events: list[Event] = [
        sent(NOW - age, usd, "beta" if beta else "vault") for age, usd, beta in drawn
    ]
    found = sent_day_usd(events, NOW)
    for destination, beta in (("beta", True), ("vault", False)):
        recent = [usd for age, usd, to_beta in drawn if age < DAY_MS and to_beta == beta]
        assert found.get(("alpha", destination), 0.0) == sum(recent)


def test_landing_and_what_is_yet_to_come_are_not_sent() -> None:
    landed = TransferLanded(NOW, "t", "beta", "USDT", MICRO, "USDC", MICRO, 0)
    assert sent_day_usd([landed, sent(NOW + 1, 9), sent(NOW, 7)], NOW) == {("alpha", "beta"): 7.0}


def test_bounds_of_lateness_and_of_the_day_belong_to_what_is_before_them() -> None:
    young = shipment("young")
    (parcel,) = in_transit(desk.portfolio({}, shipments=(young,)), desk.PASSAGES, NOW)
    assert parcel.p99_ms is not None
    for late_ms in (0, 1):
        book = desk.portfolio({}, shipments=(young,))
        (seen,) = in_transit(book, desk.PASSAGES, parcel.p99_ms + late_ms)
        assert seen.overdue == (late_ms == 1)
    assert sent_day_usd([sent(NOW - DAY_MS, 9)], NOW) == {}
    assert sent_day_usd([sent(NOW - DAY_MS + 1, 9)], NOW) == {("alpha", "beta"): 9.0}
