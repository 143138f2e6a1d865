# SPDX-License-Identifier: Apache-2.0
"""What the books answer of each order and transfer, in every place that it can be in."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.execution.books import Books
from tidegate.execution.orders import State
from tidegate.execution.transfers import Leg
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InvariantError
from tidegate.model.replies import NotTaken, OrderStatus, TransferStatus, Unclear

ORDER = Order("o", "alpha:BTC", 10, reduce_only=False, reason="test")
SENDING = Transfer("t", "alpha", "beta", "USDC", 5, "test")
LOST = Unclear("no answer")
BUSY = NotTaken("too many requests")


def status(state: str, lots: int) -> OrderStatus:
    return msgspec.convert({"type": "OrderStatus", "id": "o", "state": state,
                            "filled_lots": lots, "ts_ms": 0}, OrderStatus)  # fmt: skip


def opened() -> Books:
    books = Books()
    books.intend_order(ORDER, "alpha", 1_000)
    books.intend_transfer(SENDING, 1_000)
    return books


def test_id_is_used_once_in_a_run_even_after_its_end() -> None:
    books = opened()
    books.hear("o", BUSY)
    books.hear("t", BUSY)
    with pytest.raises(InvariantError, match="order o: the id was used before"):
        books.intend_order(ORDER, "alpha", 1_000)
    with pytest.raises(InvariantError, match="transfer t: the id was used before"):
        books.intend_transfer(SENDING, 1_000)


def test_reply_of_the_other_kind_is_refused_by_its_id() -> None:
    books = opened()
    with pytest.raises(InvariantError, match="order o: a reply for a transfer"):
        books.hear("o", TransferStatus("o", "accepted", 0))
    with pytest.raises(InvariantError, match="transfer t: a reply for an order"):
        books.hear("t", OrderStatus("t", "working", 0, 0))
    assert books.order("o").state is State.INTENDED


def test_pushed_word_is_news_of_open_orders_of_ours_alone() -> None:
    books = opened()
    assert books.is_news(status("working", 0))
    assert not books.is_news(OrderStatus("by hand", "working", 0, 0))
    books.filled("o", 10)
    assert not books.is_news(status("filled", 10))


def test_cancellation_that_is_asked_for_is_kept() -> None:
    books = opened()
    books.hear("o", status("working", 0))
    books.cancel_asked("o")
    assert books.order("o").state is State.CANCELLING


def test_money_of_a_transfer_that_this_run_did_not_send_is_passed_over() -> None:
    books = opened()
    for told in (books.debited, books.credited, books.returned):
        told("by hand")
    assert [record.leg for record in books.open_transfers] == [Leg.INTENDED]


def test_restart_leaves_unknown_what_was_intended_and_keeps_what_was_known() -> None:
    books = opened()
    books.restarted()
    (order,), (sent,) = books.open_orders, books.open_transfers
    assert (order.state, sent.leg) == (State.UNKNOWN, Leg.UNKNOWN)
    books.hear("o", status("working", 0))
    books.hear("t", TransferStatus("t", "accepted", 0))
    books.restarted()
    (order,), (sent,) = books.open_orders, books.open_transfers
    assert (order.state, sent.leg) == (State.WORKING, Leg.ACCEPTED)


@pytest.mark.parametrize(
    ("told", "taken", "through", "failed"),
    [
        ([], False, False, False),
        ([LOST], False, False, False),
        ([BUSY], True, False, True),
        ([status("working", 0)], True, False, False),
        ([status("working", 0), 9], True, False, False),
        ([status("filled", 10)], True, False, False),
        ([status("filled", 10), 10], True, True, False),
        ([10], True, True, False),
        ([status("refused", 0)], True, False, True),
        ([status("filled", 9)], True, False, True),
        ([status("filled", 15), 10], True, False, True),
        ([9, 3], True, False, True),
    ],
)
def test_order_is_taken_through_or_failed_by_what_is_certain_of_it(
    told: list[OrderStatus | NotTaken | Unclear | int], taken: bool, through: bool, failed: bool
) -> None:
    books = opened()
    for news in told:
        if isinstance(news, int):
            books.filled("o", news)
        else:
            books.hear("o", news)
    answers = books.is_taken(ORDER), books.is_through(ORDER), books.has_failed(ORDER)
    assert answers == (taken, through, failed)


@pytest.mark.parametrize(
    ("told", "taken", "through", "failed"),
    [
        ([], False, False, False),
        ([LOST], False, False, False),
        ([TransferStatus("t", "accepted", 0)], True, False, False),
        ([TransferStatus("t", "refused", 0, "closed")], True, True, True),
        ([BUSY], True, True, True),
        (["debited"], True, True, False),
        (["debited", "credited"], True, True, False),
        (["debited", "returned"], True, True, True),
    ],
)
def test_transfer_is_taken_through_or_failed_by_where_its_money_is(
    told: list[TransferStatus | NotTaken | Unclear | str], taken: bool, through: bool, failed: bool
) -> None:
    books = opened()
    for news in told:
        if isinstance(news, str):
            getattr(books, news)("t")
        else:
            books.hear("t", news)
    answers = books.is_taken(SENDING), books.is_through(SENDING), books.has_failed(SENDING)
    assert answers == (taken, through, failed)
