# SPDX-License-Identifier: Apache-2.0
"""The desk's rules in the places that one order, one step or one venue alone does not reach."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.scripted import NOW_MS, TAKES, Office, approval, office
from tests.execution.test_desk_asks import begin, cancels
from tests.execution.test_desk_braked import EQUITY_USD, braked
from tests.execution.test_desk_braked import begin as begin_braked
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, INSTRUMENTS
from tidegate.execution.bookkeeping import Past
from tidegate.execution.books import Books
from tidegate.execution.brake import Day, Weight
from tidegate.execution.desk import Senses
from tidegate.execution.orders import State
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.events import Deposited, LiquidationStarted, TransferSent
from tidegate.model.replies import NotTaken, OrderReply, OrderStatus, Unclear
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO
from tidegate.risk.gate import Approval

LONG = Order("alpha.long", ALPHA_BTC, 100, reduce_only=False, reason="test")
SHORT = Order("beta.short", BETA_BTC, -10_000, reduce_only=False, reason="test")
ETHER = Order("alpha.ether", ALPHA_ETH, 10, reduce_only=False, reason="test")
SENDING = Transfer("t", "alpha", "beta", "USDT", 5_000_000, "test")
LOST = Unclear("no answer")


def stopped(built: Office) -> list[object]:
    return [payload["why"] for kind, payload in built.frames() if kind == "stopped"]


def days(built: Office) -> list[Day]:
    return [msgspec.convert(p["day"], Day) for kind, p in built.frames() if kind == "day"]


def deposit(built: Office, usd: int, *, push: bool) -> None:
    event = Deposited(built.venues.now_ms, "beta", "USDC", usd * MICRO)
    built.venues.log("beta", event, push=push)


def test_each_leg_waits_until_its_venue_has_the_one_before_for_sure() -> None:
    built = begin(office([TAKES, LOST]), (LONG, SHORT, ETHER))
    assert built.venues.placed == [LONG.id, SHORT.id]
    built.wait(3)
    assert built.venues.placed == [LONG.id, SHORT.id, ETHER.id]


def test_plan_ends_when_any_of_its_orders_has_failed_and_not_the_last_alone() -> None:
    built = begin(office(), (LONG, SHORT), (ETHER,))
    built.venues.told.append(OrderStatus(LONG.id, "refused", 0, NOW_MS))
    built.wait(1)
    assert built.venues.cancelled == [SHORT.id]
    assert stopped(built) == ["an action was not done in full"]


def test_positions_that_are_closed_while_the_first_leg_is_sent_end_the_plan() -> None:
    built = office()
    built.venues.log("alpha", LiquidationStarted(NOW_MS, "alpha", 1, 2))
    begin(built, (LONG, SHORT))
    assert built.venues.placed == [LONG.id]
    assert stopped(built) == ["a venue closed positions of ours"]


@pytest.mark.parametrize(("seconds", "sent"), [(9, 2), (11, 1)])
def test_next_action_is_the_one_whose_approval_must_hold(seconds: int, sent: int) -> None:
    steps = (
        (approval(LONG),),
        (approval(SHORT, life_ms=10_000, place="1.1"),),
        (approval(ETHER, life_ms=5_000, place="1.2"),),
    )
    built = office()
    built.desk.begin(steps, NOW_MS)
    built.wait(seconds - 1)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert len(built.venues.placed) == sent


def test_any_venue_that_disagrees_ends_what_is_left_wherever_it_stands() -> None:
    built = begin(office(), (LONG,), (ETHER, SHORT))
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    built.desk.standing(NOW_MS)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id]


@pytest.mark.parametrize(
    ("name", "ticks", "sent"),
    [
        (BETA_BTC, 99_005, 2),
        (BETA_BTC, 101_005, 1),
        (ALPHA_BTC, 99_005, 2),
        (ALPHA_BTC, 102_000, 1),
        (ALPHA_BTC, 98_000, 1),
    ],
)
@pytest.mark.parametrize("reduces", [False, True])
def test_price_of_any_order_of_the_plan_may_move_by_so_much_of_what_it_was(
    name: str, ticks: int, sent: int, reduces: bool
) -> None:
    """Of an order that has filled too, since its hedge was sized by it."""
    marks = {ALPHA_BTC: 100_000, BETA_BTC: 100_000}
    built = office(senses=Senses(marks_at=lambda _: dict(marks)))
    later = msgspec.structs.replace(SHORT, reduce_only=reduces)
    begin(built, (msgspec.structs.replace(LONG, reduce_only=reduces),), (later,))
    built.venues.fill(LONG, 100)
    marks[name] = ticks
    built.wait(1)
    assert len(built.venues.placed) == sent


def test_price_of_what_has_filled_may_not_move_while_its_hedge_waits_for_its_time() -> None:
    marks = {ALPHA_BTC: 100_000, BETA_BTC: 100_000}
    built = office(senses=Senses(marks_at=lambda _: dict(marks)))
    steps = (approval(LONG),), (approval(SHORT, place="1.1"),)
    built.desk.begin(steps, NOW_MS, (0, 10_000))
    built.venues.fill(LONG, 100)
    built.wait(5)
    marks[ALPHA_BTC] = 102_000
    built.wait(5)
    assert built.venues.placed == [LONG.id]
    assert stopped(built) == ["prices moved"]


def test_times_of_all_steps_count_from_the_plans_beginning() -> None:
    built = office()
    steps = tuple((approval(a, place=f"1.{n}"),) for n, a in enumerate((LONG, SHORT, ETHER)))
    built.desk.begin(steps, NOW_MS, (0, 10_000, 20_000))
    for order, second in ((LONG, 0), (SHORT, 10), (ETHER, 20)):
        built.wait(max(0, second - 1 - (built.venues.now_ms - NOW_MS) // 1_000))
        assert (order.id in built.venues.placed) == (second == 0)
        built.wait(1 if second else 0)
        assert order.id in built.venues.placed
        built.venues.fill(order, order.lots)


def test_order_of_a_later_step_works_on_though_it_is_asked_about() -> None:
    built = begin(office(), (LONG,), (SHORT,))
    built.venues.fill(LONG, 100)
    built.wait(20)
    assert SHORT.id in built.venues.asked
    assert built.venues.cancelled == []


def test_what_a_venue_tells_with_its_answer_to_an_order_is_booked_at_once() -> None:
    built = office()
    real = built.venues.place

    def fills(granted: Approval) -> OrderReply:
        reply = real(granted)
        assert isinstance(granted.action, Order)
        built.venues.fill(granted.action, granted.action.lots)
        return reply

    built.venues.place = fills  # type: ignore[method-assign]
    begin(built, (LONG,))
    assert built.record.ledger.position(ALPHA_BTC).lots == 100
    assert not built.desk.standing(NOW_MS).busy


def test_fill_that_is_told_answers_a_question_before_it_is_asked() -> None:
    built = begin(office(), (LONG,))
    built.wait(1)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.asked == []


def test_coins_of_ended_plans_stay_apart_until_each_is_mended() -> None:
    built = office()
    for number, order in enumerate((LONG, ETHER)):
        built.desk.begin(((approval(order, place=f"{number}.0"),),), NOW_MS)
        built.desk.stop(NOW_MS, "test")
    assert built.desk.standing(NOW_MS).loose == {"BTC", "ETH"}


def test_coins_are_not_told_apart_while_a_plan_is_on_its_way() -> None:
    built = begin(office(past=Past(Books())), (LONG,))
    assert built.desk.standing(NOW_MS).loose == frozenset()
    built.desk.stop(NOW_MS, "test")
    assert built.desk.standing(NOW_MS).loose == {i.base for i in INSTRUMENTS.values()}


def test_plan_of_which_nothing_was_sent_was_not_finished() -> None:
    built = begin(office(senses=Senses(halted=lambda: "by hand")), (LONG,))
    standing = built.desk.standing(NOW_MS)
    assert (built.venues.placed, standing.unfinished, standing.busy) == ([], True, False)


def test_stop_asks_to_cancel_what_may_work_and_nothing_that_has_ended() -> None:
    built = begin(office([LOST]), (LONG,))
    built.desk.stop(NOW_MS, "test")
    assert built.venues.cancelled == [LONG.id]
    ended = begin(office(), (LONG,))
    ended.venues.told.append(OrderStatus(LONG.id, "filled", 100, NOW_MS))
    ended.desk.tick(NOW_MS)
    assert ended.desk.books.order(LONG.id).state is State.CLOSING
    ended.desk.stop(NOW_MS, "test")
    assert ended.venues.cancelled == []


def test_stop_cancels_orders_of_the_process_before_though_no_plan_is_on_its_way() -> None:
    books = Books()
    books.intend_order(LONG, "alpha", NOW_MS + 60_000)
    books.restarted()
    built = office(past=Past(books))
    built.desk.stop(NOW_MS, "test")
    assert built.venues.cancelled == [LONG.id]


def test_order_of_which_nothing_is_known_is_asked_to_be_cancelled_on_and_on() -> None:
    built = begin(office([LOST]), (LONG,))
    heard = cancels(built, lambda _: LOST)
    built.desk.stop(NOW_MS, "test")
    built.wait(14)
    assert built.desk.books.order(LONG.id).state is State.UNKNOWN
    assert (heard, built.venues.asked) == ([0, 2, 6, 14], [])


def test_every_venue_with_an_instrument_is_compared() -> None:
    built = office()
    built.venues.statements = False
    venues = {i.venue for i in INSTRUMENTS.values()}
    assert built.desk.standing(NOW_MS).unsettled.unseen == venues == {"alpha", "beta", "vault"}


def test_plan_of_several_steps_is_braked_by_the_lots_of_all_of_them() -> None:
    built = braked()
    steps = (LONG,), (SHORT,), (msgspec.structs.replace(LONG, id="alpha.more", lots=-30),)
    begin_braked(built, *steps)
    for (order,) in steps:
        assert order.id in built.venues.placed
        built.venues.fill(order, order.lots)
        built.wait(1)
    assert not built.desk.standing(built.venues.now_ms).unfinished


def test_order_that_only_reduces_is_braked_by_repeats_too() -> None:
    built = braked(None, None, repeats=2)
    reducing = (Order(f"alpha.{n}", ALPHA_BTC, -1, True, "test") for n in range(3))
    begin_braked(built, tuple(reducing))
    assert built.venues.placed == ["alpha.0", "alpha.1"]


def test_transfer_waits_for_room_among_questions_as_well() -> None:
    built = braked(messages_per_s=3)
    orders = tuple(Order(f"alpha.{n}", ALPHA_BTC, 1, False, "test") for n in range(2))
    begin_braked(built, orders, (SENDING,))
    for order in orders:
        built.venues.fill(order, 1, push=False)
    built.venues.now_ms += 2_000
    built.desk.tick(built.venues.now_ms)
    assert "t" not in built.venues.placed
    built.wait(2)
    assert "t" in built.venues.placed


@pytest.mark.parametrize("push", [False, True])
def test_capital_that_comes_within_a_look_hides_no_loss_of_it(push: bool) -> None:
    worth: dict[str, float | None] = {"usd": EQUITY_USD}
    built = braked(worth, loss_per_day=0.1)
    built.desk.standing(NOW_MS)
    deposit(built, 50_000, push=push)
    worth["usd"] = EQUITY_USD + 50_000 - 20_000
    built.desk.standing(NOW_MS)
    day = NOW_MS // DAY_MS
    assert days(built) == [Day(day, EQUITY_USD), Day(day, EQUITY_USD + 50_000, 0.0, lost=True)]


def test_capital_that_was_booked_since_the_last_look_hides_no_loss_from_an_order() -> None:
    worth: dict[str, float | None] = {"usd": EQUITY_USD}
    built = braked(worth, loss_per_day=0.1)
    built.desk.standing(NOW_MS)
    built.desk.begin(((approval(LONG),),), NOW_MS, (5_000,))
    built.wait(4)
    deposit(built, 50_000, push=True)
    worth["usd"] = EQUITY_USD + 50_000 - 20_000
    built.wait(1)
    assert built.venues.placed == []
    assert days(built)[-1] == Day(NOW_MS // DAY_MS, EQUITY_USD + 50_000, 0.0, lost=True)


def test_loss_that_an_order_meets_is_journalled_though_it_is_not_sent() -> None:
    worth: dict[str, float | None] = {"usd": EQUITY_USD}
    built = braked(worth, loss_per_day=0.1)
    built.desk.standing(NOW_MS)
    worth["usd"] = EQUITY_USD * 0.8
    begin_braked(built, (LONG,))
    assert (built.venues.placed, days(built)[-1].lost) == ([], True)


@pytest.mark.parametrize(("known", "moved_usd"), [(None, 0), (49_000 * MICRO, 1_000)])
def test_capital_of_before_a_start_counts_as_what_the_journal_knew_of_it(
    known: int | None, moved_usd: int
) -> None:
    day, first = Day(NOW_MS // DAY_MS, EQUITY_USD), office()
    deposit(first, 50_000, push=True)
    first.desk.tick(NOW_MS)
    senses = Senses(weigh=lambda o, _: Weight("alpha", 1.0, EQUITY_USD),
                    equity_usd=lambda _: EQUITY_USD)  # fmt: skip
    past = Past(Books(), {"beta": 1}, day, known)
    again = office(past=past, senses=senses, record=first.record)
    again.venues.lines = first.venues.lines
    again.desk.standing(NOW_MS)
    expected = [] if not moved_usd else [Day(day.number, EQUITY_USD + moved_usd)]
    assert days(again) == expected


@pytest.mark.parametrize("action", [LONG, SHORT, SENDING])
def test_action_that_was_certainly_not_taken_ends_the_plan_whatever_it_is(action: Action) -> None:
    built = begin(office([NotTaken("busy")]), (action,), (ETHER,))
    assert built.venues.placed == [action.id]
    assert stopped(built) == ["an action was not done in full"]


def test_prices_are_held_against_those_of_the_plans_beginning_at_every_step() -> None:
    marks = dict.fromkeys((ALPHA_BTC, ALPHA_ETH, BETA_BTC), 100000)
    built = office(senses=Senses(marks_at=lambda _: dict(marks)))
    begin(built, (LONG,), (ETHER,), (SHORT,))
    for order in (LONG, ETHER):
        marks[BETA_BTC] += 600
        built.venues.fill(order, order.lots)
        built.wait(1)
    assert built.venues.placed == [LONG.id, ETHER.id]
    assert stopped(built) == ["prices moved"]


def test_step_waits_until_the_money_of_the_step_before_has_left() -> None:
    built = begin(office(), (SENDING,), (ETHER,))
    deposit_at_alpha = Deposited(NOW_MS, "alpha", "USDT", 50 * MICRO)
    built.venues.log("alpha", deposit_at_alpha)
    built.wait(3)
    assert built.venues.placed == ["t"]
    left = TransferSent(NOW_MS, "t", "alpha", "beta", "USDT", 5_000_000, 1)
    built.venues.log("alpha", left)
    built.wait(1)
    assert built.venues.placed == ["t", ETHER.id]


def test_transfer_of_an_ended_plan_is_asked_about_until_its_fate_is_known() -> None:
    built = begin(office([LOST]), (SENDING,))
    built.desk.stop(NOW_MS, "test")
    built.wait(14)
    assert built.venues.asked == ["t"] * 3
    assert built.desk.standing(built.venues.now_ms).unsettled.missing
    built.wait(100)
    assert not built.desk.standing(built.venues.now_ms).unsettled.missing


def test_cancellation_is_in_the_journal_before_its_venue_hears_of_it() -> None:
    built = begin(office(), (LONG,))
    heard = list[int]()
    real = built.venues.cancel

    def listen(venue: str, order: str) -> OrderReply:
        heard.append(built.record.journal.content().count(b"cancelling"))  # type: ignore[attr-defined]
        return real(venue, order)

    built.venues.cancel = listen  # type: ignore[method-assign]
    built.desk.stop(NOW_MS, "test")
    assert heard == [1]


def test_plan_that_was_not_finished_is_forgotten_with_the_next_and_its_coins_are_not() -> None:
    built = begin(office(), (LONG,))
    built.desk.stop(NOW_MS, "test")
    built.desk.heeded()
    assert built.desk.standing(NOW_MS).loose == {"BTC"}
    built.desk.begin(((approval(ETHER, place="2.0"),),), NOW_MS)
    built.desk.begin(((approval(SHORT, place="3.0"),),), NOW_MS)
    standing = built.desk.standing(NOW_MS)
    assert (standing.unfinished, standing.busy) == (False, True)
    built.desk.stop(NOW_MS, "test")
    assert built.desk.standing(NOW_MS).loose == {"BTC", "ETH"}


def test_venue_that_the_money_would_reach_holds_up_no_transfer_by_its_own_disagreement() -> None:
    built = begin(office(), (LONG,), (SENDING,))
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    assert built.desk.standing(NOW_MS).unsettled.unseen == {"beta"}
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert built.venues.placed == [LONG.id, "t"]


def test_statement_that_comes_late_is_compared_before_the_plan_goes_on() -> None:
    built = office()
    built.venues.statements = False
    built.desk.standing(NOW_MS)
    begin(built, (LONG,), (SHORT,))
    built.wait(1)
    built.venues.statements = True
    built.venues.truth["beta.stranger"] = OrderStatus("beta.stranger", "working", 0, NOW_MS)
    built.venues.fill(LONG, 100)
    built.wait(1)
    assert set(built.desk.breaks) == {"beta"}
    assert built.venues.placed == [LONG.id]


def test_frames_of_a_braked_desk_bear_the_times_at_which_they_were_written() -> None:
    built = braked()
    built.desk.standing(NOW_MS)
    built.wait(1)
    built.desk.begin(((approval(LONG),),), built.venues.now_ms)
    built.wait(1)
    built.desk.stop(built.venues.now_ms, "test")
    built.wait(3)
    seconds = [
        ((payload["ts_ms"] - NOW_MS) / 1_000, kind)  # type: ignore[operator]
        for kind, payload in built.frames()
        if "ts_ms" in payload
    ]
    assert seconds == sorted(seconds, key=lambda pair: pair[0])
    assert [(at, kind) for at, kind in seconds if kind in ("day", "submitted", "stopped")] == [
        (0.0, "day"),
        (1.0, "day"),
        (1.0, "submitted"),
        (2.0, "stopped"),
    ]


def test_venue_that_may_only_be_reduced_is_unseen_to_the_checks_while_it_is_so() -> None:
    doubted = {"alpha"}
    built = office(senses=Senses(reduce_only=lambda _: frozenset(doubted)))
    assert built.desk.standing(NOW_MS).unsettled.unseen == {"alpha"}
    doubted.clear()
    assert built.desk.standing(NOW_MS).unsettled.unseen == frozenset()
