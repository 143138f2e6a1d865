# SPDX-License-Identifier: Apache-2.0
"""A venue's dead-man's switch is armed while an order rests, and a lapse is said at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.drill import NOW, house, slow
from tidegate.execution.dead_man import Arming, armed, to_arm, unguarded, window_s
from tidegate.model.replies import Armed, Device, NotTaken, Unclear

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


def test_each_venue_is_armed_by_its_own_window_and_known_by_itself_on_our_clock() -> None:
    """The venues' clock is far ahead of ours, and what they say of theirs is not taken for ours."""
    devices = {"alpha": DEVICE, "beta": Device("beta", 30, 60, cancels_protective=True)}
    resting = ["beta", "alpha", "gamma", "alpha"]
    assert to_arm(Arming(), devices, resting, NOW, 10) == (("alpha", 10), ("beta", 30))
    arming = Arming()
    for venue, seconds in (("alpha", 10), ("beta", 30)):
        arming = armed(arming, venue, seconds, Armed(venue, NOW + 10**9, NOW + 5_000), NOW)
    assert arming == Arming({"alpha": NOW + 10_000, "beta": NOW + 30_000})
    due = [
        [venue for venue, _ in to_arm(arming, devices, resting, NOW + ms, 10)]
        for ms in (3_999, 4_000, 11_999, 12_000)
    ]
    assert due == [[], ["alpha"], ["alpha"], ["alpha", "beta"]]
    for tells_nothing in (Unclear("TimeoutError"), NotTaken("status 429")):
        assert armed(arming, "beta", 30, tells_nothing, NOW + 1) == arming
    assert unguarded(arming, devices, resting, NOW + 9_999) == ("gamma",)
    disarmed = armed(arming, "alpha", 0, Armed("alpha", None, NOW + 5_001), NOW + 1)
    assert unguarded(disarmed, devices, resting, NOW + 1) == ("alpha", "gamma")


@pytest.mark.parametrize(
    ("wanted_s", "seconds"), [(0, 5), (5, 5), (60, 60), (300, 300), (301, 300)]
)
def test_window_is_what_is_wanted_within_what_the_device_takes(wanted_s: int, seconds: int) -> None:
    assert window_s(DEVICE, wanted_s) == seconds
    after = armed(Arming(), "alpha", seconds, Armed("alpha", NOW, NOW), NOW)
    assert after == Arming({"alpha": NOW + 1_000 * seconds})
    assert to_arm(Arming(), DEVICES, ["alpha"], NOW, wanted_s) == (("alpha", seconds),)
