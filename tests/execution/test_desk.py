# SPDX-License-Identifier: Apache-2.0
"""The desk over a session that may fail: nothing is sent twice, and nothing is forgotten."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.scripted import NOW_MS, TAKES, Office, approval, office
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, MARKS
from tidegate.execution.desk import Senses, Steps
from tidegate.execution.orders import State
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Filled
from tidegate.model.replies import NotTaken, OrderStatus, Unclear

LONG = Order("alpha.long", ALPHA_BTC, 100, reduce_only=False, reason="test")
SHORT = Order("beta.short", BETA_BTC, -10_000, reduce_only=False, reason="test")
PAIR: Steps = ((approval(LONG), approval(SHORT, place="1.1")),)
LOST = Unclear("no answer")


def begun(built: Office, steps: Steps = PAIR) -> Office:
    built.desk.begin(steps, NOW_MS)
    return built


@settings(max_examples=60)
@given(st.lists(st.sampled_from([LOST, TAKES]), max_size=12), st.booleans())
def test_action_is_sent_once_whatever_is_answered(
    replies: list[Unclear | str], arrives: bool
) -> None:
    built = office(list(replies))
    built.venues.takes = lambda _: arrives
    begun(built)
    built.wait(100)
    assert len(built.venues.placed) == len(set(built.venues.placed))
    assert (len(built.venues.asked) + len(built.venues.cancelled) > 0) == bool(built.venues.placed)


def test_partner_waits_until_the_venue_has_the_first_leg_for_sure() -> None:
    built = begun(office([LOST]))
    assert built.venues.placed == [LONG.id]
    built.wait(3)
    assert built.venues.placed == [LONG.id, SHORT.id]


def test_partner_of_a_refused_leg_is_not_sent_and_the_plan_ends() -> None:
    built = begun(office([NotTaken("too many requests")]))
    assert built.venues.placed == [LONG.id]
    standing = built.desk.standing(NOW_MS)
    assert standing.unfinished
    assert not standing.busy
    built.desk.heeded()
    assert not built.desk.standing(NOW_MS).unfinished


def test_step_waits_for_the_fills_of_the_step_before() -> None:
    built = begun(office(), ((approval(LONG),), (approval(SHORT, place="1.1"),)))
    built.wait(2)
    assert built.venues.placed == [LONG.id]
    built.venues.fill(LONG, 99)
    built.wait(1)
    assert built.venues.placed == [LONG.id]
    built.venues.fill(LONG, 1)
    built.wait(1)
    assert built.venues.placed == [LONG.id, SHORT.id]


def test_leg_that_stays_alone_too_long_is_cancelled_and_its_coin_told() -> None:
    built = begun(office())
    built.venues.fill(LONG, 100)
    built.wait(29)
    assert not built.desk.standing(built.venues.now_ms).loose
    built.wait(8)
    assert set(built.venues.cancelled) == {SHORT.id}
    standing = built.desk.standing(built.venues.now_ms)
    assert standing.loose == {"BTC"}
    assert standing.unfinished
    assert not standing.unsettled.lots
    built.desk.mended(frozenset({"BTC"}))
    assert not built.desk.standing(built.venues.now_ms).loose


def test_lots_that_may_come_are_a_range_until_the_venue_has_ended_the_order() -> None:
    built = begun(office([LOST]), ((approval(LONG),),))
    built.venues.statements = True
    assert built.desk.standing(NOW_MS).unsettled.lots == {ALPHA_BTC: (0, 100)}
    built.venues.fill(LONG, 30)
    built.wait(1)
    assert built.desk.standing(built.venues.now_ms).unsettled.lots == {ALPHA_BTC: (0, 70)}
    built.venues.fill(LONG, 70)
    built.wait(10)
    assert built.desk.standing(built.venues.now_ms).unsettled.lots == {}


def test_order_that_never_arrived_is_given_up_only_after_its_expiry() -> None:
    built = office([LOST])
    built.venues.takes = lambda _: False
    begun(built, ((approval(LONG, life_ms=40_000),),))
    built.wait(50)
    assert built.desk.books.order(LONG.id).state is State.UNKNOWN
    built.wait(35)
    assert not built.desk.books.order(LONG.id).is_open
    assert built.venues.placed == [LONG.id]


def test_money_that_may_have_left_is_missing_until_its_absence_is_proved() -> None:
    sent = Transfer("t", "alpha", "beta", "USDT", 5_000_000, "test")
    built = begun(office([LOST]), ((approval(sent, life_ms=10_000),),))
    assert built.desk.standing(NOW_MS).unsettled.missing == {"alpha": {"USDT": 5_000_000}}
    built.wait(60)
    assert built.desk.standing(built.venues.now_ms).unsettled.missing == {}


def test_venue_that_does_not_answer_is_unseen_from_the_start_and_again_after_a_while() -> None:
    built = office()
    built.venues.statements = False
    assert {"alpha", "beta"} <= built.desk.standing(NOW_MS).unsettled.unseen
    built.venues.statements = True
    assert not built.desk.standing(NOW_MS).unsettled.unseen
    built.venues.statements = False
    assert not built.desk.standing(NOW_MS + 120_000).unsettled.unseen
    assert {"alpha", "beta"} <= built.desk.standing(NOW_MS + 120_001).unsettled.unseen


def test_order_that_is_not_ours_makes_its_venue_doubtful_until_it_is_gone() -> None:
    built = office()
    built.venues.truth["alpha.stranger"] = OrderStatus("alpha.stranger", "working", 0, NOW_MS)
    assert "alpha" in built.desk.standing(NOW_MS).unsettled.unseen
    del built.venues.truth["alpha.stranger"]
    assert "alpha" not in built.desk.standing(NOW_MS).unsettled.unseen


@pytest.mark.parametrize(("moved", "sent"), [(0.009, 2), (0.011, 1), (-0.009, 2), (-0.011, 1)])
def test_later_step_is_dropped_when_prices_moved_since_the_plan_was_made(
    moved: float, sent: int
) -> None:
    marks = {ALPHA_BTC: 1_000, BETA_BTC: 1_000}
    built = office(senses=Senses(marks_at=lambda _: dict(marks)))
    begun(built, ((approval(LONG),), (approval(SHORT, place="1.1"),)))
    marks[BETA_BTC] = round(1_000 * (1 + moved))
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert len(built.venues.placed) == sent


def test_halted_desk_sends_nothing_more_and_cancels_what_works() -> None:
    why: list[str] = []
    built = office(senses=Senses(halted=lambda: why[0] if why else None))
    begun(built, ((approval(LONG),), (approval(SHORT, place="1.1"),)))
    why.append("by hand")
    built.wait(3)
    assert built.venues.placed == [LONG.id]
    assert set(built.venues.cancelled) == {LONG.id}
    assert built.desk.standing(built.venues.now_ms).halted == "by hand"


def test_lost_cancellation_is_asked_for_again_until_the_venue_has_ended_the_order() -> None:
    built = begun(office(), ((approval(LONG),),))
    built.venues.replies = [LOST, LOST, LOST]
    real = built.venues.cancel

    def lost(venue: str, order: str) -> Unclear:
        built.venues.cancelled.append(order)
        return LOST

    built.venues.cancel = lost  # type: ignore[method-assign]
    built.desk.stop(NOW_MS, "test")
    built.venues.cancel = real  # type: ignore[method-assign]
    built.wait(40)
    assert built.venues.truth[LONG.id].state == "cancelled"
    assert not built.desk.books.order(LONG.id).is_open


def test_submission_is_in_the_journal_before_the_venue_hears_of_it() -> None:
    built = office()
    heard: list[int] = []
    size = built.record.journal
    place = built.venues.place

    def listen(granted):  # type: ignore[no-untyped-def]
        heard.append(size.content().count(b"submitted"))
        return place(granted)

    built.venues.place = listen  # type: ignore[method-assign]
    begun(built)
    assert heard == [1, 2]


def test_step_waits_for_its_time_and_is_then_given_its_own() -> None:
    late = approval(SHORT, life_ms=100_000, place="1.1")
    built = office()
    built.desk.begin(((approval(LONG),), (late,)), NOW_MS, (0, 40_000))
    built.venues.fill(LONG, 100)
    built.wait(39)
    assert built.venues.placed == [LONG.id]
    built.wait(1)
    assert built.venues.placed == [LONG.id, SHORT.id]
    built.wait(29)
    assert built.venues.cancelled == []
    built.wait(3)
    assert set(built.venues.cancelled) == {SHORT.id}


def test_legs_that_a_plan_left_apart_are_told_whatever_steps_they_stood_in() -> None:
    built = begun(office(), ((approval(LONG),), (approval(SHORT, place="1.1"),)))
    built.venues.fill(LONG, 100)
    built.venues.replies = [NotTaken("too many requests")]
    built.wait(1)
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC"}


def test_leg_of_an_earlier_step_is_told_where_the_plan_ends_in_the_step_of_another_coin() -> None:
    other = Order("alpha.eth", ALPHA_ETH, 1, reduce_only=False, reason="test")
    built = begun(office(), ((approval(LONG),), (approval(other, place="1.1"),)))
    built.venues.fill(LONG, 100)
    built.venues.replies = [NotTaken("too many requests")]
    built.wait(1)
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC", "ETH"}


def test_order_said_to_be_absent_stays_open_while_its_venues_log_cannot_be_read() -> None:
    built = office([LOST])
    built.venues.takes = lambda _: False
    read = built.venues.entries
    built.venues.entries = lambda venue, after: LOST  # type: ignore[method-assign,assignment]
    begun(built, ((approval(LONG),),))
    built.wait(300)
    assert built.desk.books.order(LONG.id).is_open
    built.venues.entries = read  # type: ignore[method-assign]
    built.wait(300)
    assert not built.desk.books.order(LONG.id).is_open


def test_plan_that_takes_the_place_of_another_ends_it_and_its_legs_are_told() -> None:
    built = begun(office())
    built.venues.fill(LONG, 100)
    other = Order("alpha.other", ALPHA_BTC, -1, reduce_only=True, reason="test")
    built.desk.begin(((approval(other, place="2.0"),),), NOW_MS)
    built.venues.fill(other, -1)
    built.wait(8)
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC"}
    assert set(built.venues.cancelled) == {SHORT.id}


@pytest.mark.parametrize("steps", [(), ((),), ((), ())])
def test_plan_without_an_order_ends_the_plan_before_it_and_is_done(steps: Steps) -> None:
    built = begun(office())
    begun(built, steps)
    standing = built.desk.standing(NOW_MS)
    assert not standing.busy
    assert not standing.unfinished
    assert standing.loose == {"BTC"}
    assert built.venues.placed == [LONG.id, SHORT.id]


def test_price_that_was_missing_when_the_plan_was_made_counts_as_moved() -> None:
    marks = {ALPHA_BTC: 1_000}
    built = office(senses=Senses(marks_at=lambda _: dict(marks)))
    begun(built, ((approval(LONG),), (approval(SHORT, place="1.1"),)))
    marks[BETA_BTC] = 1_000
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id]
    assert built.desk.standing(built.venues.now_ms).unfinished


def test_second_leg_is_not_sent_on_a_price_that_went_stale_since_the_plan_was_made() -> None:
    marks = {ALPHA_BTC: 1_000, BETA_BTC: 1_000}
    built = begun(office([LOST], senses=Senses(marks_at=lambda _: dict(marks))))
    del marks[BETA_BTC]
    built.wait(3)
    assert built.venues.placed == [LONG.id]
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC"}


@pytest.mark.parametrize(("reduces", "sent"), [(True, 2), (False, 1)])
def test_plan_that_does_more_than_reduce_ends_when_its_venue_disagrees(
    reduces: bool, sent: int
) -> None:
    built = office()
    later = msgspec.structs.replace(SHORT, reduce_only=reduces)
    begun(built, ((approval(LONG),), (approval(later, place="1.1"),)))
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    assert built.desk.standing(NOW_MS).unsettled.unseen == {"beta"}
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert len(built.venues.placed) == sent


def test_money_does_not_leave_a_venue_that_disagrees_after_the_plan_has_reduced() -> None:
    built = office()
    sending = Transfer("t", "beta", "alpha", "USDC", 5_000_000, "test")
    begun(built, ((approval(LONG),), (approval(sending, place="1.1"),)))
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    assert built.desk.standing(NOW_MS).unsettled.unseen == {"beta"}
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id]


def test_venue_is_asked_on_about_an_order_whose_last_fills_do_not_come() -> None:
    built = begun(office(), ((approval(LONG),),))
    built.venues.truth[LONG.id] = OrderStatus(LONG.id, "filled", 100, NOW_MS)
    built.wait(120)
    assert built.desk.books.order(LONG.id).state is State.CLOSING
    before = len(built.venues.asked)
    built.venues.truth[LONG.id] = OrderStatus(LONG.id, "filled", 0, NOW_MS)
    built.wait(60)
    assert len(built.venues.asked) > before
    assert built.desk.books.order(LONG.id).state is State.CLOSED


def test_line_of_a_venue_whose_clock_is_behind_does_not_turn_the_journals_time_back() -> None:
    built = begun(office(), ((approval(LONG),),))
    built.wait(5)
    ticks = MARKS[ALPHA_BTC]
    told = (ALPHA_BTC, 100, ticks, ticks, 0, 0, 0, LONG.id, "order")
    built.venues.log("alpha", Filled(NOW_MS + 1, *told))
    built.wait(1)
    times = [payload["ts_ms"] for _, payload in built.frames() if "ts_ms" in payload]
    assert times == sorted(times)


def test_halted_desk_lets_no_money_go_either() -> None:
    why: list[str] = []
    sent = Transfer("t", "alpha", "beta", "USDT", 5_000_000, "test")
    built = office(senses=Senses(halted=lambda: why[0] if why else None))
    begun(built, ((approval(LONG),), (approval(sent, place="1.1"),)))
    why.append("by hand")
    built.venues.fill(LONG, 100)
    built.wait(3)
    assert built.venues.placed == [LONG.id]
