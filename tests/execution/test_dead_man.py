# SPDX-License-Identifier: Apache-2.0
"""A venue's dead-man's switch is armed while an order rests, and a lapse is said at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.venues.drill import NOW, house, slow
from tidegate.execution.dead_man import Arming, armed, to_arm, unguarded, window_s
from tidegate.model.replies import Device, NotTaken, Unclear

DEVICE = Device("alpha", 5, 300, cancels_protective=True)
DEVICES = {"alpha": DEVICE}


@given(st.integers(0, 400), st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_order_that_rests_stays_while_the_desk_keeps_the_switch_armed(
    wanted_s: int, ticks_ms: list[int]
) -> None:
    venues, arming, (order,) = house(), Arming(), slow(1)
    for tick_ms in [0, *ticks_ms]:
        venues.advance(venues.now_ms + tick_ms)
        now_ms = venues.now_ms
        for venue, seconds in to_arm(arming, DEVICES, ["alpha"], now_ms, wanted_s):
            arming = armed(arming, venue, seconds, venues.arm(venue, seconds), now_ms)
        venues.place(order)
        assert unguarded(arming, DEVICES, ["alpha"], now_ms) == ()
        assert venues.order("alpha", order.action.id).state == "working"
    venues.advance(NOW + sum(ticks_ms) + 1_000 * window_s(DEVICE, wanted_s))
    assert venues.order("alpha", order.action.id).state in ("cancelled", "filled")


def test_switch_is_armed_anew_when_much_of_its_window_is_over() -> None:
    arming = Arming({"alpha": NOW + 10_000})
    assert to_arm(arming, DEVICES, ["alpha"], NOW, 10) == ()
    assert to_arm(arming, DEVICES, ["alpha"], NOW + 4_000, 10) == (("alpha", 10),)


def test_venue_where_nothing_rests_or_that_has_no_device_is_not_armed() -> None:
    assert to_arm(Arming(), DEVICES, [], NOW, 10) == ()
    assert to_arm(Arming(), DEVICES, ["beta"], NOW, 10) == ()


def test_reply_that_tells_nothing_leaves_the_venue_unguarded() -> None:
    arming = Arming()
    for reply in (Unclear("TimeoutError"), NotTaken("status 429")):
        arming = armed(arming, "alpha", 10, reply, NOW)
    assert unguarded(arming, DEVICES, ["alpha", "beta"], NOW) == ("alpha", "beta")
    assert to_arm(arming, DEVICES, ["alpha"], NOW, 10) == (("alpha", 10),)


def test_switch_that_lapsed_is_said_to_be_so() -> None:
    arming = Arming({"alpha": NOW})
    assert unguarded(arming, DEVICES, ["alpha"], NOW - 1) == ()
    assert unguarded(arming, DEVICES, ["alpha"], NOW) == ("alpha",)
