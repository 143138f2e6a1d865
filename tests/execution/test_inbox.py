# SPDX-License-Identifier: Apache-2.0
"""Lines of venues' logs come in any order and any number of times, and are taken once in order."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tidegate.execution.inbox import Inbox
from tidegate.execution.patience import FIRST_MS, LONGEST_MS, Patience
from tidegate.model.events import Deposited
from tidegate.model.replies import Entry


def line(number: int) -> Entry:
    return Entry("alpha", number, Deposited(number, "alpha", "USDC", number))


@given(
    begun=st.integers(0, 3),
    told=st.lists(st.integers(1, 8)),
    data=st.data(),
)
def test_lines_are_taken_once_and_in_order_whatever_comes(
    begun: int, told: list[int], data: st.DataObject
) -> None:
    inbox, taken = Inbox({"alpha": begun}), list[int]()
    for number in told:
        inbox.put([line(number)])
        if data.draw(st.booleans()):
            taken += [event.ts_ms for event in inbox.take("alpha", lambda _: True)]
    taken += [event.ts_ms for event in inbox.take("alpha", lambda _: True)]
    reached = begun
    while reached + 1 in told:
        reached += 1
    assert taken == list(range(begun + 1, reached + 1))
    assert inbox.cursors == {"alpha": reached}
    assert bool(inbox.gaps) == any(number > reached for number in told)


def test_line_that_may_not_be_taken_holds_up_those_after_it() -> None:
    inbox = Inbox({"alpha": 0})
    inbox.put([line(1), line(2), line(3)])
    assert [event.ts_ms for event in inbox.take("alpha", lambda event: event.ts_ms != 2)] == [1]
    assert [event.ts_ms for event in inbox.take("alpha", lambda _: True)] == [2, 3]


@given(times=st.integers(1, 12))
def test_waits_double_up_to_the_longest(times: int) -> None:
    patience = Patience()
    assert patience.is_over("o", 0)
    for _ in range(times):
        patience.asked("o", 0)
    wait_ms = min(LONGEST_MS, FIRST_MS * 2 ** (times - 1))
    assert not patience.is_over("o", wait_ms - 1)
    assert patience.is_over("o", wait_ms)


def test_venue_that_is_stopped_goes_back_to_its_line_and_takes_nothing_more() -> None:
    inbox = Inbox({"alpha": 0})
    inbox.put([line(1), line(2), line(3), line(5)])
    assert len(inbox.take("alpha", lambda _: True)) == 3
    inbox.stop("alpha", 1)
    assert inbox.cursors == {"alpha": 1}
    assert inbox.gaps == ()
    inbox.put([line(2), line(3)])
    assert inbox.take("alpha", lambda _: True) == []
    assert inbox.gaps == ()


def test_line_that_only_waits_leaves_no_gap() -> None:
    inbox = Inbox({"alpha": 0})
    inbox.put([line(1), line(2)])
    assert inbox.take("alpha", lambda _: False) == []
    assert inbox.gaps == ()
    inbox.put([line(4)])
    assert inbox.gaps == ()
    inbox.take("alpha", lambda _: True)
    assert inbox.gaps == ("alpha",)


def test_waits_are_of_2_4_8_16_and_then_30_seconds_whatever_the_clock_says() -> None:
    patience, now_ms = Patience(), 1_700_000_000_000
    for wait_s in (2, 4, 8, 16, 30, 30):
        patience.asked("o", now_ms)
        assert not patience.is_over("o", now_ms + wait_s * 1_000 - 1)
        now_ms += wait_s * 1_000
        assert patience.is_over("o", now_ms)


def test_what_was_told_anew_is_asked_about_soon_and_what_is_forgotten_at_once() -> None:
    patience = Patience()
    for _ in range(4):
        patience.asked("o", 0)
    patience.begin("o", 0)
    assert not patience.is_over("o", 1_999)
    assert patience.is_over("o", 2_000)
    patience.asked("o", 2_000)
    patience.forget("o")
    patience.forget("never asked about")
    assert patience.is_over("o", 2_000)


def test_venues_are_kept_apart_in_order_gaps_and_when_they_are_stopped() -> None:
    inbox = Inbox({"alpha": 0, "beta": 4})
    told = [msgspec.structs.replace(line(n), venue=v) for v in ("alpha", "beta") for n in (3, 6)]
    inbox.put(told)
    assert inbox.gaps == ("alpha", "beta")
    inbox.put([msgspec.structs.replace(line(5), venue="beta")])
    assert [event.ts_ms for event in inbox.take("beta", lambda _: True)] == [5, 6]
    assert (inbox.gaps, inbox.cursors) == (("alpha",), {"alpha": 0, "beta": 6})
    inbox.stop("beta", 5)
    inbox.stop("alpha", 0)
    inbox.put([line(1), *(msgspec.structs.replace(line(n), venue="beta") for n in (6, 7))])
    assert [inbox.take(venue, lambda _: True) for venue in ("alpha", "beta")] == [[], []]
    assert (inbox.gaps, inbox.cursors) == ((), {"alpha": 0, "beta": 5})
