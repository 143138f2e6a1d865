# SPDX-License-Identifier: Apache-2.0
"""The lives of an order and of a transfer: what may follow what, and the truth comes through."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.execution import orders, transfers
from tidegate.execution.orders import (
    CLOCK_STEP_MS,
    MATCHING_MS,
    News,
    OrderRecord,
    State,
    filled,
    hear,
    learn,
)
from tidegate.execution.transfers import Leg, TransferRecord, Word
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.replies import NotTaken, OrderStatus, TransferStatus, Unclear

EXPIRES_MS = 1_000
ORDER = Order("o", "alpha:BTC", 10, reduce_only=False, reason="test")
INTENDED = OrderRecord(ORDER, "alpha", EXPIRES_MS)
SENT = TransferRecord(Transfer("t", "alpha", "beta", "USDC", 5, "test"), EXPIRES_MS)


def status(state: orders.OrderState, lots: int, ts_ms: int = 0) -> OrderStatus:
    return OrderStatus("o", state, lots, ts_ms)


@pytest.mark.parametrize(("state", "news"), list(itertools.product(State, News)))
def test_order_takes_what_the_table_names_and_refuses_all_else(state: State, news: News) -> None:
    record = OrderRecord(ORDER, "alpha", EXPIRES_MS, state)
    if (state, news) in orders.TRANSITIONS:
        assert learn(record, news).state is orders.TRANSITIONS[state, news]
    else:
        with pytest.raises(InvariantError, match=f"order o: {news.value} while {state.value}"):
            learn(record, news)


@pytest.mark.parametrize(("leg", "word"), list(itertools.product(Leg, Word)))
def test_transfer_takes_what_the_table_names_and_refuses_all_else(leg: Leg, word: Word) -> None:
    record = TransferRecord(SENT.transfer, EXPIRES_MS, leg)
    if (leg, word) in transfers.TRANSITIONS:
        assert transfers.learn(record, word).leg is transfers.TRANSITIONS[leg, word]
    else:
        with pytest.raises(InvariantError, match=f"transfer t: {word.value} while {leg.value}"):
            transfers.learn(record, word)


def test_nothing_opens_what_is_closed_and_nothing_returns_to_intended() -> None:
    closed = {after for (state, _), after in orders.TRANSITIONS.items() if state is State.CLOSED}
    assert closed == {State.CLOSED}
    assert State.INTENDED not in orders.TRANSITIONS.values()
    assert Leg.INTENDED not in transfers.TRANSITIONS.values()


@given(
    fills=st.lists(st.integers(1, 2), max_size=5),
    data=st.data(),
)
def test_order_ends_with_the_venues_truth_whatever_comes_first(
    fills: list[int], data: st.DataObject
) -> None:
    total = sum(fills)
    last = status("cancelled", total, ts_ms=MATCHING_MS)
    told = [*fills, status("cancelled", total), Unclear("lost"), status("working", 0), last]
    record = INTENDED
    for news in data.draw(st.permutations(told)):
        record = filled(record, news) if isinstance(news, int) else hear(record, news)
    record = hear(record, status("cancelled", total, ts_ms=2 * MATCHING_MS))
    assert (record.state, record.filled_lots) == (State.CLOSED, total)
    assert record.open_lots == 0


@given(
    fills=st.lists(st.integers(1, 2), max_size=4),
    later=st.integers(0, 4),
)
def test_open_lots_hold_whatever_may_still_come(fills: list[int], later: int) -> None:
    record = hear(INTENDED, Unclear("no answer"))
    for lots in fills[:later]:
        record = filled(record, lots)
    assert record.open_lots == ORDER.lots - sum(fills[:later])
    assert hear(record, status("filled", 10)).open_lots == 10 - sum(fills[:later])


@pytest.mark.parametrize("late_ms", [0, 1])
def test_absence_is_believed_only_after_the_venue_refuses_latecomers(late_ms: int) -> None:
    unknown = hear(INTENDED, Unclear("no answer"))
    absent = hear(unknown, status("absent", 0, EXPIRES_MS + CLOCK_STEP_MS + late_ms))
    assert absent.is_open == (late_ms == 0)
    sent = transfers.hear(SENT, Unclear("no answer"))
    gone = transfers.hear(sent, TransferStatus("t", "absent", EXPIRES_MS + CLOCK_STEP_MS + late_ms))
    assert gone.may_leave == (late_ms == 0)


def test_cancellation_counts_when_its_venue_says_it_again_with_the_same_lots() -> None:
    working = hear(INTENDED, status("working", 0))
    once = hear(working, status("cancelled", 3))
    soon = hear(once, status("cancelled", 3, MATCHING_MS - 1))
    more = hear(once, status("cancelled", 4, MATCHING_MS))
    assert (soon.state, more.state) == (State.WORKING, State.WORKING)
    assert (soon.open_lots, more.open_lots) == (10, 10)
    assert hear(soon, status("cancelled", 3, MATCHING_MS)).open_lots == 3


def test_order_that_was_certainly_not_taken_is_closed_and_an_unknown_one_stays_unknown() -> None:
    busy = NotTaken("too many requests")
    assert hear(INTENDED, busy).state is State.CLOSED
    assert hear(hear(INTENDED, Unclear("")), busy).state is State.UNKNOWN


def test_money_that_was_debited_is_under_way_whatever_was_known_before() -> None:
    for leg in (Leg.INTENDED, Leg.UNKNOWN, Leg.ACCEPTED):
        record = TransferRecord(SENT.transfer, EXPIRES_MS, leg)
        after = transfers.learn(record, Word.DEBITED)
        assert (after.leg, after.may_leave) == (Leg.UNDER_WAY, False)
        assert not transfers.learn(after, Word.CREDITED).is_open


@pytest.mark.parametrize("reply", [NotTaken(""), TransferStatus("t", "refused", 1, reason="")])
def test_transfer_that_was_refused_without_a_word_has_a_reason_and_is_not_done(
    reply: NotTaken | TransferStatus,
) -> None:
    gone = transfers.hear(SENT, reply)
    assert not gone.is_open
    assert gone.reason


SIDES = st.sampled_from([1, -1])


@given(
    side=SIDES,
    told=st.lists(
        st.one_of(
            st.integers(-3, 15).filter(bool),
            st.tuples(st.sampled_from(["filled", "cancelled", "working"]), st.integers(-3, 15)),
        ),
        max_size=8,
    ),
)
def test_order_never_awaits_lots_against_its_side_whatever_is_told(
    side: int, told: list[int | tuple[orders.OrderState, int]]
) -> None:
    record, ts_ms = OrderRecord(msgspec.structs.replace(ORDER, lots=10 * side), "alpha", 1_000), 0
    for news in told:
        ts_ms += MATCHING_MS
        if isinstance(news, int):
            record = filled(record, side * news)
        else:
            record = hear(record, status(news[0], side * news[1], ts_ms))
        assert record.open_lots * side >= 0
        if record.filled_lots * side > 10:
            assert record.overfilled


@given(side=SIDES, more=st.integers(1, 5), cancelled=st.booleans())
def test_order_closes_and_says_so_when_more_fills_than_can_be(
    side: int, more: int, cancelled: bool
) -> None:
    record, final = OrderRecord(msgspec.structs.replace(ORDER, lots=10 * side), "alpha", 1_000), 10
    if cancelled:
        final = 3
        for ts_ms in (0, MATCHING_MS):
            record = hear(record, status("cancelled", 3 * side, ts_ms))
    record = filled(record, side)
    assert record.is_open
    assert not record.overfilled
    record = filled(record, side * (final - 1 + more))
    assert (record.state, record.open_lots) == (State.CLOSED, 0)
    assert record.filled_lots == record.final_lots == side * (final + more)
    assert record.overfilled


def test_fill_after_the_end_or_against_the_side_contradicts_the_order() -> None:
    closed = filled(hear(INTENDED, status("filled", 5)), 5)
    assert not closed.overfilled
    assert filled(closed, 1).overfilled
    against = filled(INTENDED, -1)
    assert (against.overfilled, against.is_open, against.open_lots) == (True, True, 11)


def test_venues_later_word_of_the_end_replaces_the_earlier() -> None:
    closing = hear(filled(INTENDED, 4), status("filled", 6))
    assert hear(closing, status("filled", 9)).open_lots == 5
    assert hear(closing, status("filled", 4)).state is State.CLOSED
    assert hear(closing, status("absent", 0, ts_ms=10**9)) == closing


def test_absence_told_to_a_placing_closes_past_the_expiry_and_else_tells_nothing() -> None:
    late_ms = EXPIRES_MS + CLOCK_STEP_MS + 1
    assert hear(INTENDED, status("absent", 0, late_ms - 1)).state is State.UNKNOWN
    assert hear(INTENDED, status("absent", 0, late_ms)).state is State.CLOSED
    absent = TransferStatus("t", "absent", late_ms)
    assert transfers.hear(SENT, absent).leg is Leg.CLOSED


BUSY = NotTaken("too many requests")
SHARED_LOTS = st.integers(-12, 12).filter(bool)


def test_clock_step_is_ten_seconds_and_a_cancellation_is_matched_within_two() -> None:
    """Both are assumptions of the design that an operator reads: a change must be seen."""
    assert (CLOCK_STEP_MS, MATCHING_MS) == (10_000, 2_000)
    unknown = hear(INTENDED, Unclear("no answer"))
    assert hear(unknown, status("absent", 0, EXPIRES_MS + 10_000)).is_open
    assert not hear(unknown, status("absent", 0, EXPIRES_MS + 10_001)).is_open


def test_two_words_of_a_cancellation_are_apart_by_their_difference_at_any_time_of_the_clock() -> (
    None
):
    now_ms = 1_700_000_000_000
    once = hear(INTENDED, status("cancelled", 3, now_ms))
    assert hear(once, status("cancelled", 3, now_ms + MATCHING_MS - 1)).state is State.WORKING
    assert hear(once, status("cancelled", 3, now_ms + MATCHING_MS)).state is State.CLOSING


def test_order_that_was_not_taken_awaits_nothing_and_a_fill_of_it_is_a_contradiction() -> None:
    closed = hear(INTENDED, BUSY)
    assert (closed.open_lots, closed.overfilled) == (0, False)
    for lots in (1, 10):
        after = filled(closed, lots)
        assert (after.state, after.open_lots) == (State.CLOSED, 0)
        assert (after.overfilled, after.reason) == (True, BUSY.reason)
        assert after.final_lots is None


@pytest.mark.parametrize("word", ["filled", "refused", "cancelled"])
def test_word_of_the_end_that_comes_after_the_end_changes_nothing(word: orders.OrderState) -> None:
    closed = filled(INTENDED, 10)
    again = hear(closed, status(word, 12))
    assert msgspec.structs.replace(again, cancelled=None) == closed


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (OrderStatus("o", "refused", 0, 0, "below the least size"), "below the least size"),
        (OrderStatus("o", "refused", 0, 0), "refused"),
        (OrderStatus("o", "filled", 10, 0), "filled"),
    ],
)
def test_reason_of_an_end_is_the_venues_own_or_else_the_state_it_told(
    word: OrderStatus, reason: str
) -> None:
    assert hear(INTENDED, word).reason == reason


@given(side=SIDES, traded=st.integers(1, 10), told=st.integers(0, 10))
def test_end_with_less_than_has_traded_is_a_contradiction_and_what_traded_stands(
    side: int, traded: int, told: int
) -> None:
    order = msgspec.structs.replace(ORDER, lots=12 * side)
    after = hear(
        filled(OrderRecord(order, "alpha", EXPIRES_MS), traded * side),
        status("refused", told * side),
    )
    assert after.final_lots == max(traded, told) * side
    assert after.overfilled == (told < traded)


@given(
    first=SHARED_LOTS,
    told=st.lists(st.one_of(SHARED_LOTS, st.tuples(SHARED_LOTS)), max_size=6),
)
def test_contradiction_is_never_forgotten(first: int, told: list[int | tuple[int]]) -> None:
    record = filled(INTENDED, -abs(first))
    assert record.overfilled
    for news in told:
        lots = news if isinstance(news, int) else news[0]
        record = (
            filled(record, lots) if isinstance(news, int) else hear(record, status("filled", lots))
        )
        assert record.overfilled


def test_fills_beyond_the_order_contradict_it_though_its_venue_told_as_many() -> None:
    told = hear(INTENDED, status("filled", 15))
    within = filled(told, 10)
    assert not within.overfilled
    assert filled(within, 2).overfilled
    assert filled(filled(within, 2), 3).state is State.CLOSED


@pytest.mark.parametrize(
    ("leg", "word", "reason"),
    [
        (Leg.INTENDED, Word.NOT_TAKEN, "why"),
        (Leg.UNKNOWN, Word.NOT_TAKEN, ""),
        (Leg.ACCEPTED, Word.REFUSED, "why"),
        (Leg.UNDER_WAY, Word.RETURNED, "why"),
        (Leg.UNDER_WAY, Word.REFUSED, ""),
    ],
)
def test_reason_stands_where_a_transfer_ended_and_not_where_it_may_go_on(
    leg: Leg, word: Word, reason: str
) -> None:
    record = TransferRecord(SENT.transfer, EXPIRES_MS, leg)
    assert transfers.learn(record, word, "why").reason == reason


@pytest.mark.parametrize("word", [Word.REFUSED, Word.NOT_TAKEN, Word.ABSENT, Word.ACCEPTED])
def test_first_reason_of_a_transfers_end_stands(word: Word) -> None:
    ended = transfers.learn(SENT, Word.REFUSED, "address not on the list")
    assert transfers.learn(ended, word, "something else") == ended


def test_transfer_that_was_certainly_not_taken_is_closed_with_the_reason() -> None:
    ended = transfers.hear(SENT, BUSY)
    assert (ended.leg, ended.reason, ended.may_leave) == (Leg.CLOSED, BUSY.reason, False)
    assert transfers.hear(SENT, TransferStatus("t", "accepted", 0)).leg is Leg.ACCEPTED
    refused = transfers.hear(SENT, TransferStatus("t", "refused", 0, "closed for the day"))
    assert (refused.leg, refused.reason) == (Leg.CLOSED, "closed for the day")


@given(side=SIDES)
def test_fill_of_nothing_contradicts_an_order_of_either_side(side: int) -> None:
    order = msgspec.structs.replace(ORDER, lots=10 * side)
    after = filled(OrderRecord(order, "alpha", EXPIRES_MS), 0)
    assert (after.overfilled, after.open_lots) == (True, 10 * side)
    single = msgspec.structs.replace(ORDER, lots=side)
    assert not filled(OrderRecord(single, "alpha", EXPIRES_MS), side).overfilled
    assert filled(OrderRecord(single, "alpha", EXPIRES_MS), 2 * side).overfilled
