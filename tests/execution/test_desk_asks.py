# SPDX-License-Identifier: Apache-2.0
"""What a desk asks its venues, how often, and what it lets go once a plan has ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.execution.scripted import NOW_MS, TAKES, Office, approval, office
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, INSTRUMENTS, MARKS
from tidegate.execution.bookkeeping import Past
from tidegate.execution.books import Books
from tidegate.execution.desk import Senses
from tidegate.execution.orders import State
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.events import Filled, TransferSent
from tidegate.model.replies import NotTaken, OrderReply, OrderStatus, Unclear
from tidegate.risk.gate import ApprovalError

LONG = Order("alpha.long", ALPHA_BTC, 100, reduce_only=False, reason="test")
OTHER = Order("alpha.other", ALPHA_BTC, 50, reduce_only=False, reason="test")
SHORT = Order("beta.short", BETA_BTC, -10_000, reduce_only=False, reason="test")
ETHER = Order("alpha.ether", ALPHA_ETH, 10, reduce_only=False, reason="test")
SENDING = Transfer("t", "alpha", "beta", "USDT", 5_000_000, "test")
LOST = Unclear("no answer")


def begin(built: Office, *steps: tuple[Action, ...], life_ms: int = 60_000) -> Office:
    granted = tuple(
        tuple(approval(a, life_ms, f"{s}.{n}") for n, a in enumerate(step))
        for s, step in enumerate(steps)
    )
    built.desk.begin(granted, NOW_MS)
    return built


def cancels(built: Office, reply: Callable[[str], OrderReply]) -> list[int]:
    """Notes when cancellations are asked for (seconds since the start), answered by `reply`."""
    heard: list[int] = []

    def cancel(_: str, order: str) -> OrderReply:
        heard.append((built.venues.now_ms - NOW_MS) // 1_000)
        return reply(order)

    built.venues.cancel = cancel  # type: ignore[method-assign,assignment]
    return heard


def test_order_without_news_is_asked_about_less_and_less_often() -> None:
    built, seen = begin(office(), (LONG,)), list[int]()
    for second in range(1, 31):
        before = len(built.venues.asked)
        built.wait(1)
        seen += [second] * (len(built.venues.asked) - before)
    assert seen == [2, 6, 14, 30]


def test_transfer_is_asked_about_until_its_money_has_left_and_then_no_more() -> None:
    built = begin(office(), (SENDING,))
    built.wait(20)
    assert built.venues.asked == ["t"] * 3
    built.venues.log("alpha", TransferSent(NOW_MS, "t", "alpha", "beta", "USDT", 5_000_000, 1))
    built.venues.asked.clear()
    built.wait(90)
    assert built.venues.asked == []


def test_cancellation_that_is_lost_is_asked_for_less_and_less_often() -> None:
    built = begin(office(), (LONG,))
    heard = cancels(built, lambda _: LOST)
    built.desk.stop(NOW_MS, "test")
    assert built.desk.books.order(LONG.id).state is State.CANCELLING
    built.wait(31)
    assert heard == [0, 2, 6, 14, 30]


def test_cancellation_that_its_venue_has_told_is_asked_about_again_soon() -> None:
    """However long the order was asked about before: its last fills come within two seconds."""
    built = begin(office(), (LONG,))
    built.wait(20)
    built.desk.stop(built.venues.now_ms, "test")
    assert built.desk.books.order(LONG.id).is_open
    built.wait(2)
    assert not built.desk.books.order(LONG.id).is_open


def test_order_that_the_answer_about_another_has_closed_is_not_asked_about() -> None:
    built = begin(office(), (LONG, OTHER))
    built.wait(1)
    del built.venues.truth[LONG.id]
    built.venues.fill(OTHER, 50, push=False)
    built.wait(1)
    assert built.venues.asked == [LONG.id]
    assert built.desk.books.order(OTHER.id).state is State.CLOSED


def test_cancellation_goes_on_after_the_halt_that_began_it_was_lifted() -> None:
    why: list[str] = []
    built = begin(office(senses=Senses(halted=lambda: why[0] if why else None)), (LONG,))
    heard = cancels(built, lambda _: LOST)
    why.append("by hand")
    built.wait(2)
    assert (heard, built.desk.standing(built.venues.now_ms).busy) == ([2], True)
    why.clear()
    built.wait(4)
    assert (heard, built.venues.asked) == ([2, 6], [])


def test_coins_of_steps_that_were_not_begun_are_not_apart() -> None:
    built = begin(office(), (LONG,), (ETHER,))
    built.desk.stop(NOW_MS, "test")
    built.wait(5)
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC"}


def test_ended_plan_of_transfers_alone_leaves_no_coin_apart() -> None:
    built = begin(office(), (SENDING,), (LONG,))
    built.desk.stop(NOW_MS, "test")
    standing = built.desk.standing(NOW_MS)
    assert (standing.loose, standing.unfinished, standing.busy) == (frozenset(), True, False)


@pytest.mark.parametrize(("seconds", "sent"), [(10, 2), (11, 1)])
def test_step_whose_approval_has_expired_is_not_sent(seconds: int, sent: int) -> None:
    built = begin(office(), (LONG,), (SHORT,), life_ms=10_000)
    built.wait(seconds - 1)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert len(built.venues.placed) == sent
    stopped = [p["why"] for kind, p in built.frames() if kind == "stopped"]
    assert stopped == ([] if sent == 2 else ["the approval expired"])


@pytest.mark.parametrize(("seconds", "ends"), [(30, False), (31, True)])
def test_action_may_take_as_long_as_the_mandate_says(seconds: int, ends: bool) -> None:
    built = begin(office(), (LONG,), (SHORT,))
    built.wait(seconds)
    stopped = [p["why"] for kind, p in built.frames() if kind == "stopped"]
    assert stopped == (["an action took too long"] if ends else [])


def test_partner_follows_its_leg_though_the_clock_was_set_back_behind_the_steps_time() -> None:
    built = office([LOST])
    built.desk.begin(((approval(LONG), approval(SHORT, place="1.1")),), NOW_MS, (5_000,))
    assert built.venues.placed == []
    built.wait(5)
    assert built.venues.placed == [LONG.id]
    built.venues.told = [OrderStatus(LONG.id, "working", 0, NOW_MS)]
    built.desk.tick(NOW_MS + 4_000)
    assert built.venues.placed == [LONG.id, SHORT.id]


def test_what_a_venue_tells_with_its_answer_to_a_cancellation_is_booked_at_once() -> None:
    built = begin(office(), (LONG,))
    ticks = MARKS[ALPHA_BTC]

    def told(order: str) -> OrderReply:
        traded = Filled(NOW_MS, ALPHA_BTC, 30, ticks, ticks, 0, 0, 0, order, "order")
        built.venues.log("alpha", traded)
        return OrderStatus(order, "cancelled", 30, NOW_MS)

    cancels(built, told)
    built.desk.stop(NOW_MS, "test")
    assert built.record.ledger.position(ALPHA_BTC).lots == 30


def test_approval_that_the_gate_no_longer_knows_is_certainly_not_sent() -> None:
    built = office()

    def refuse(_: object) -> OrderReply:
        raise ApprovalError("used before")

    built.venues.place = refuse  # type: ignore[method-assign,assignment]
    begin(built, (LONG,))
    record = built.desk.books.order(LONG.id)
    assert (record.is_open, record.reason) == (False, "used before")
    assert built.desk.standing(NOW_MS).unfinished


def test_loose_coins_call_for_a_look_again_and_again_until_they_are_mended() -> None:
    built = begin(office(), (LONG,))
    assert not built.desk.calls(NOW_MS)
    built.desk.stop(NOW_MS, "test")
    called = [s for s in range(31) if built.desk.calls(NOW_MS + s * 1_000)]
    assert called == [0, 2, 6, 14, 30]
    built.desk.mended(frozenset({"BTC"}))
    assert not built.desk.calls(NOW_MS + 10**6)
    begin(built, (ETHER,))
    built.desk.stop(NOW_MS + 10**6, "test")
    assert built.desk.calls(NOW_MS + 10**6)


def test_coin_that_is_mended_leaves_the_others_apart_and_their_patience() -> None:
    built = begin(office(), (LONG,), (ETHER,))
    built.venues.fill(LONG, 100)
    built.wait(1)
    built.desk.stop(built.venues.now_ms, "test")
    assert built.desk.calls(built.venues.now_ms)
    built.desk.mended(frozenset({"ETH"}))
    assert not built.desk.calls(built.venues.now_ms)
    assert built.desk.standing(built.venues.now_ms).loose == {"BTC"}


def test_halted_desk_and_one_that_is_busy_call_for_no_look() -> None:
    why: list[str] = []
    built = begin(office(senses=Senses(halted=lambda: why[0] if why else None)), (LONG,))
    built.desk.stop(NOW_MS, "test")
    why.append("by hand")
    assert not built.desk.calls(NOW_MS)
    why.clear()
    begin(built, (ETHER,))
    assert not built.desk.calls(NOW_MS)


def test_process_that_starts_anew_takes_every_coin_for_apart_until_it_is_looked_at() -> None:
    built = office(past=Past(Books()))
    assert built.desk.standing(NOW_MS).loose == {i.base for i in INSTRUMENTS.values()}
    assert office().desk.standing(NOW_MS).loose == frozenset()


def test_plan_that_is_done_leaves_nothing_to_do() -> None:
    built = begin(office(), (LONG,))
    assert built.desk.standing(NOW_MS).busy
    built.venues.fill(LONG, 100)
    built.wait(1)
    standing = built.desk.standing(built.venues.now_ms)
    assert (standing.busy, standing.unfinished, standing.loose) == (False, False, frozenset())
    assert "stopped" not in built.kinds()


@pytest.mark.parametrize("replies", [[NotTaken("busy")], [TAKES, NotTaken("busy")]])
def test_leg_that_was_not_taken_ends_the_plan_and_cancels_its_partner(
    replies: list[NotTaken | Unclear | str],
) -> None:
    built = begin(office(list(replies)), (LONG, SHORT), (ETHER,))
    assert built.venues.placed == [LONG.id, SHORT.id][: len(replies)]
    assert built.venues.cancelled == [LONG.id][: len(replies) - 1]
    stopped = [p for kind, p in built.frames() if kind == "stopped"]
    assert stopped == [{"ts_ms": NOW_MS, "why": "an action was not done in full", "step": 0}]


def test_missing_mark_of_one_leg_alone_ends_a_plan_at_its_next_step() -> None:
    marks = {ALPHA_BTC: 1_000, BETA_BTC: 1_000}
    built = begin(office(senses=Senses(marks_at=lambda _: dict(marks))), (LONG,), (SHORT,))
    del marks[BETA_BTC]
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id]
    assert built.desk.standing(built.venues.now_ms).unfinished


def test_one_venue_that_disagrees_ends_a_plan_of_which_others_are_part_too() -> None:
    built = begin(office(), (LONG,), (SHORT, ETHER))
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    built.desk.standing(NOW_MS)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id]
    stopped = [p["why"] for kind, p in built.frames() if kind == "stopped"]
    assert stopped == ["a venue disagrees about what the plan stands on"]


def test_plan_ends_as_soon_as_its_next_step_may_not_go_though_this_one_still_works() -> None:
    marks = {ALPHA_BTC: 1_000, BETA_BTC: 1_000}
    built = begin(office(senses=Senses(marks_at=lambda _: dict(marks))), (LONG,), (SHORT,))
    marks[BETA_BTC] = 1_100
    built.wait(1)
    assert built.venues.cancelled == [LONG.id]
    assert [p["why"] for kind, p in built.frames() if kind == "stopped"] == ["prices moved"]


def test_time_of_a_step_counts_from_its_first_order_and_not_from_its_last() -> None:
    built = begin(office([LOST]), (LONG, SHORT))
    built.wait(40)
    assert built.venues.placed == [LONG.id, SHORT.id]
    stopped = [p["ts_ms"] for kind, p in built.frames() if kind == "stopped"]
    assert stopped == [NOW_MS + 31_000]
