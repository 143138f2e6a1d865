# SPDX-License-Identifier: Apache-2.0
"""Following venues' logs and statements: what is read when, what is believed, and doubted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.execution.scripted import NOW_MS, Office, approval, office
from tests.risk.desk import ALPHA_BTC, BETA_BTC, MARKS
from tidegate.execution.orders import State
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import (
    Deposited,
    Filled,
    FillReason,
    LiquidationStarted,
    TransferLanded,
    TransferSent,
)
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import Entry, OrderStatus, Statement, Unclear

LONG = Order("alpha.long", ALPHA_BTC, 100, reduce_only=False, reason="test")
SHORT = Order("beta.short", BETA_BTC, -10_000, reduce_only=False, reason="test")
SENDING = Transfer("t", "alpha", "vault", "USDT", 5_000_000, "test")
SENT = TransferSent(NOW_MS, "t", "alpha", "vault", "USDT", 5_000_000, 1_000_000)
LANDED = TransferLanded(NOW_MS, "t", "vault", "USDT", 4_000_000, "USDT", 4_000_000, 0)
UNREAD = Unclear("no answer")
Readable = Callable[[], bool]


def fill(lots: int, order: str, instrument: InstrumentId = ALPHA_BTC,
         reason: FillReason = "order") -> Filled:  # fmt: skip
    ticks = MARKS[instrument]
    return Filled(NOW_MS, instrument, lots, ticks, ticks, 0, 0, 0, order, reason)


def working(*actions: Order | Transfer) -> Office:
    """A desk with money at alpha whose plan is under way, of which nothing has traded."""
    built = office()
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 50_000_000))
    built.desk.tick(NOW_MS)
    granted = tuple(approval(a, place=f"1.{n}") for n, a in enumerate(actions))
    built.desk.begin((granted,), NOW_MS)
    return built


def listen(built: Office, readable: Readable = lambda: True) -> list[tuple[str, int]]:
    """Notes when each venue's log is asked for (ms since the start); it may be unreadable."""
    heard, real = list[tuple[str, int]](), built.venues.entries

    def entries(venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        heard.append((venue, built.venues.now_ms - NOW_MS))
        return real(venue, after) if readable() else UNREAD

    built.venues.entries = entries  # type: ignore[method-assign,assignment]
    return heard


def listen_for_statements(built: Office, silent: set[str]) -> list[tuple[str, int]]:
    """Notes when each venue is asked for its statement; `silent` ones do not answer."""
    heard, real = list[tuple[str, int]](), built.venues.statement

    def statement(venue: str) -> Statement | Unclear:
        heard.append((venue, built.venues.now_ms - NOW_MS))
        return UNREAD if venue in silent else real(venue)

    built.venues.statement = statement  # type: ignore[method-assign]
    return heard


def test_log_of_a_venue_with_something_open_is_read_every_five_seconds() -> None:
    built = working(LONG)
    heard = listen(built)
    built.wait(17)
    assert heard == [("alpha", s * 1_000) for s in (1, 6, 11, 16)]


def test_log_of_a_transfers_source_is_read_until_its_money_has_come() -> None:
    built = working(SENDING)
    heard = listen(built)
    built.venues.log("alpha", SENT)
    built.wait(7)
    assert {venue for venue, _ in heard} == {"alpha"}
    assert len(heard) == 2
    built.venues.log("vault", LANDED)
    built.wait(1)
    heard.clear()
    built.wait(20)
    assert heard == []


def test_venue_that_owes_a_statement_is_asked_less_and_less_often_and_no_other_is() -> None:
    built = working()
    silent = {"alpha"}
    heard = listen_for_statements(built, silent)
    built.desk.standing(NOW_MS)
    built.wait(40)
    assert [ms for venue, ms in heard if venue == "beta"] == [0]
    assert [ms // 1_000 for venue, ms in heard if venue == "alpha"] == [0, 2, 6, 14, 30]
    silent.clear()
    built.wait(40)
    assert [ms // 1_000 for venue, ms in heard if venue == "alpha"] == [0, 2, 6, 14, 30, 60]
    assert built.desk.breaks == {}


def test_statement_beyond_the_ledger_is_compared_once_the_log_was_read_up_to_it() -> None:
    built = working()
    heard = listen(built)
    built.desk.standing(NOW_MS)
    assert heard == []
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 7), push=False)
    standing = built.desk.standing(NOW_MS)
    assert heard == [("alpha", 0)]
    assert built.record.ledger.wallet("alpha", "USDT") == 50_000_007
    assert (built.desk.breaks, standing.unsettled.unseen) == ({}, frozenset())


def test_statement_of_another_line_than_the_ledgers_is_not_compared() -> None:
    built = working()
    built.desk.standing(NOW_MS)
    readable: list[bool] = []
    listen(built, lambda: bool(readable))
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 7), push=False)
    assert built.desk.standing(NOW_MS).unsettled.unseen == frozenset()
    assert built.desk.breaks == {}
    built.wait(121)
    assert built.desk.standing(built.venues.now_ms).unsettled.unseen == {"alpha"}
    assert built.desk.breaks == {}
    readable.append(True)
    assert built.desk.standing(built.venues.now_ms).unsettled.unseen == frozenset()


def test_departure_lets_a_landing_that_came_before_it_be_booked_at_once() -> None:
    """The landing is at the venue whose log is booked first."""
    built = working()
    built.venues.log("alpha", TransferLanded(NOW_MS, "x", "alpha", "USDT", 9, "USDT", 9, 0))
    built.venues.log("vault", Deposited(NOW_MS, "vault", "USDT", 10))
    built.desk.tick(NOW_MS)
    assert built.record.ledger.wallet("alpha", "USDT") == 50_000_000
    built.venues.log("vault", TransferSent(NOW_MS, "x", "vault", "alpha", "USDT", 10, 1))
    built.desk.stop(NOW_MS, "nothing is under way, and what was told is booked")
    assert built.record.ledger.wallet("alpha", "USDT") == 50_000_009


def test_absence_is_not_believed_as_long_as_the_log_cannot_be_read() -> None:
    built = working(LONG)
    del built.venues.truth[LONG.id]
    readable: list[bool] = []
    listen(built, lambda: bool(readable))
    built.wait(200)
    assert built.desk.books.order(LONG.id).is_open
    assert "absent, and the log cannot be read" in str(built.frames())


def test_absence_is_believed_once_the_log_was_read_with_what_it_says_of_fills() -> None:
    built = working(LONG)
    built.wait(5)
    built.venues.log("alpha", fill(40, LONG.id), push=False)
    del built.venues.truth[LONG.id]
    built.wait(120)
    order = built.desk.books.order(LONG.id)
    assert (order.is_open, order.filled_lots) == (False, 40)


def test_pushed_word_of_an_order_counts_and_one_of_a_stranger_does_not() -> None:
    built = working(LONG)
    word = OrderStatus(LONG.id, "filled", 100, NOW_MS)
    built.venues.told = [OrderStatus("by hand", "working", 0, NOW_MS), word]
    built.desk.tick(NOW_MS)
    assert built.desk.books.order(LONG.id).state is State.CLOSING
    replied = [p["id"] for kind, p in built.frames() if kind == "replied"]
    assert "by hand" not in replied


def test_landing_that_another_has_booked_closes_its_transfer_at_the_next_look() -> None:
    """As in a backtest, where whoever plays the tape books it."""
    built = working(SENDING)
    built.venues.log("alpha", SENT)
    built.desk.tick(NOW_MS)
    built.desk.standing(NOW_MS)
    assert len(built.desk.books.open_transfers) == 1
    built.record.take([LANDED])
    built.desk.standing(NOW_MS)
    assert not built.desk.books.open_transfers
    assert not built.desk.books.has_failed(SENDING)


FORCED = [
    LiquidationStarted(NOW_MS, "alpha", 1, 2),
    fill(-5, "alpha.liquidation", reason="liquidation"),
    fill(-5, "alpha.deleveraging", reason="deleveraging"),
]


@pytest.mark.parametrize("forced", FORCED)
def test_plan_ends_when_a_venue_closes_positions_of_ours_which_is_no_doubt(
    forced: Filled | LiquidationStarted,
) -> None:
    built = working(LONG)
    built.venues.log("alpha", forced)
    built.wait(1)
    assert set(built.venues.cancelled) == {LONG.id}
    assert all(not found.doubts for found in built.desk.breaks.values())
    stopped = [p["why"] for kind, p in built.frames() if kind == "stopped"]
    assert stopped == ["a venue closed positions of ours"]


def test_fill_of_our_own_order_ends_no_plan() -> None:
    built = working(LONG)
    built.venues.fill(LONG, 40)
    built.wait(1)
    assert built.desk.standing(built.venues.now_ms).busy


def test_first_reason_of_a_doubt_stands_and_is_told_before_the_next_look() -> None:
    built = working(LONG)
    built.venues.log("alpha", fill(5, "by hand"))
    built.desk.tick(NOW_MS)
    (first,) = built.desk.breaks["alpha"].doubts.values()
    assert first == "order by hand was not sent by this run"
    built.venues.log("alpha", fill(120, LONG.id))
    built.desk.tick(NOW_MS)
    assert dict(built.desk.breaks["alpha"].doubts) == {ALPHA_BTC: first}


def test_break_is_journalled_when_it_comes_changes_and_goes_and_not_else() -> None:
    built = working()
    stranger = OrderStatus("alpha.stranger", "working", 0, NOW_MS)
    for truth in ({}, {"alpha.stranger": stranger}, {"alpha.x": stranger}, {}):
        built.venues.truth = dict(truth)
        for _ in range(3):
            built.desk.standing(NOW_MS)
    told = [kind for kind in built.kinds() if kind in ("break", "agreed")]
    assert told == ["break", "break", "agreed"]


def test_lines_of_two_venues_are_kept_apart() -> None:
    built = working(LONG, SHORT)
    built.venues.fill(LONG, 100)
    built.venues.fill(SHORT, -10_000)
    built.wait(1)
    lines = [p["lines"] for kind, p in built.frames() if kind == "events"]
    assert lines == [{"alpha": 1}, {"alpha": 2}, {"beta": 1}]


def test_line_that_is_missing_before_one_that_came_is_fetched_at_once() -> None:
    built = working()
    heard = listen(built)
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 7), push=False)
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 8))
    built.desk.tick(NOW_MS)
    assert heard == [("alpha", 0)]
    assert built.record.ledger.wallet("alpha", "USDT") == 50_000_015


def test_line_that_a_reading_of_the_log_brings_is_booked_within_the_same_look() -> None:
    built = working(LONG)
    built.venues.fill(LONG, 100, push=False)
    built.wait(1)
    assert built.record.ledger.position(ALPHA_BTC).lots == 100


def test_absence_is_not_believed_of_a_venue_whose_log_cannot_be_followed() -> None:
    built = working(LONG)
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "BNB", 1))
    del built.venues.truth[LONG.id]
    built.wait(200)
    assert "cannot be booked" in built.desk.breaks["alpha"].stuck
    assert built.desk.books.order(LONG.id).is_open


def test_stuck_venue_is_neither_read_nor_compared_any_more() -> None:
    built = working(LONG)
    built.venues.log("alpha", Deposited(NOW_MS, "alpha", "BNB", 1))
    built.wait(1)
    heard, compared = listen(built), listen_for_statements(built, set())
    built.wait(20)
    built.desk.standing(built.venues.now_ms)
    assert "alpha" not in {venue for venue, _ in (*heard, *compared)}


def test_reply_that_contradicts_what_has_traded_is_a_doubt_at_once() -> None:
    built = working(LONG)
    built.venues.fill(LONG, 40)
    built.desk.tick(NOW_MS)
    built.venues.told.append(OrderStatus(LONG.id, "refused", 30, NOW_MS))
    built.desk.tick(NOW_MS)
    assert dict(built.desk.breaks["alpha"].doubts) == {ALPHA_BTC: f"order {LONG.id} is overfilled"}


def test_venue_is_stuck_at_the_line_after_those_that_were_booked_and_takes_no_later_one() -> None:
    built = working()
    for asset in ("USDT", "USDT", "BNB", "USDT"):
        built.venues.log("alpha", Deposited(NOW_MS, "alpha", asset, 1))
    built.desk.tick(NOW_MS)
    assert "line 4 cannot be booked" in built.desk.breaks["alpha"].stuck
    for _ in range(2):
        built.venues.log("alpha", Deposited(NOW_MS, "alpha", "USDT", 1))
        built.desk.tick(NOW_MS)
    assert built.record.ledger.wallet("alpha", "USDT") == 50_000_002
    told = [p["number"] for kind, p in built.frames() if kind == "unbookable"]
    assert told == [4]
