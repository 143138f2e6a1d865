# SPDX-License-Identifier: Apache-2.0
"""What follows what in the life of an order and of a transfer, said again apart from the tables.

Of each piece of news: whom it moves where, and whom it contradicts; all others stay what they are.
"""

from __future__ import annotations

from enum import Enum

import pytest

from tidegate.execution import orders, transfers
from tidegate.execution.books import Books
from tidegate.execution.orders import News, OrderRecord, State
from tidegate.execution.transfers import Leg, Word
from tidegate.model.actions import Order
from tidegate.model.replies import OrderStatus

_S, _N, _L, _W = State, News, Leg, Word
OPEN = (_S.INTENDED, _S.UNKNOWN, _S.WORKING, _S.CANCELLING)
MAY_LEAVE = (_L.INTENDED, _L.UNKNOWN, _L.ACCEPTED)

ORDER_MOVES: dict[News, tuple[dict[State, State], set[State]]] = {
    _N.TAKEN: ({_S.INTENDED: _S.WORKING, _S.UNKNOWN: _S.WORKING}, set()),
    _N.UNCLEAR: ({_S.INTENDED: _S.UNKNOWN}, set()),
    # What was refused is never at its venue; a question that was, tells nothing of the order.
    _N.NOT_TAKEN: ({_S.INTENDED: _S.CLOSED, _S.CANCELLING: _S.WORKING}, set()),
    _N.DONE: (dict.fromkeys(OPEN, _S.CLOSING), set()),
    _N.ABSENT: (dict.fromkeys(OPEN, _S.CLOSED), set()),
    _N.FILL: ({_S.INTENDED: _S.WORKING, _S.UNKNOWN: _S.WORKING}, set()),
    _N.CANCEL_ASKED: ({_S.WORKING: _S.CANCELLING}, {_S.INTENDED, _S.CLOSING, _S.CLOSED}),
    _N.SETTLED: ({_S.CLOSING: _S.CLOSED}, {*OPEN, _S.CLOSED}),
    _N.RESTARTED: ({_S.INTENDED: _S.UNKNOWN}, set()),
}
TRANSFER_MOVES: dict[Word, tuple[dict[Leg, Leg], set[Leg]]] = {
    _W.ACCEPTED: ({_L.INTENDED: _L.ACCEPTED, _L.UNKNOWN: _L.ACCEPTED}, set()),
    _W.UNCLEAR: ({_L.INTENDED: _L.UNKNOWN}, set()),
    _W.NOT_TAKEN: ({_L.INTENDED: _L.CLOSED}, set()),
    _W.REFUSED: (dict.fromkeys(MAY_LEAVE, _L.CLOSED), set()),
    _W.ABSENT: (dict.fromkeys(MAY_LEAVE, _L.CLOSED), set()),
    # Money may leave though its venue had refused: the log is what counts.
    _W.DEBITED: (dict.fromkeys((*MAY_LEAVE, _L.CLOSED), _L.UNDER_WAY), {_L.UNDER_WAY}),
    _W.CREDITED: ({_L.UNDER_WAY: _L.CLOSED}, set(MAY_LEAVE)),
    _W.RETURNED: ({_L.UNDER_WAY: _L.CLOSED}, set(MAY_LEAVE)),
    _W.RESTARTED: ({_L.INTENDED: _L.UNKNOWN}, set()),
}


def written_out(places: type[Enum], moves: dict) -> dict[tuple[Enum, Enum], Enum]:  # type: ignore[type-arg]
    return {
        (place, news): moved.get(place, place)
        for news, (moved, refused) in moves.items()
        for place in places
        if place not in refused
    }


@pytest.mark.parametrize(
    ("table", "places", "news", "moves"),
    [
        (orders.TRANSITIONS, State, News, ORDER_MOVES),
        (transfers.TRANSITIONS, Leg, Word, TRANSFER_MOVES),
    ],
    ids=["orders", "transfers"],
)
def test_table_says_of_every_piece_of_news_what_its_rule_does(
    table: dict[tuple[Enum, Enum], Enum],
    places: type[Enum],
    news: type[Enum],
    moves: dict,  # type: ignore[type-arg]
) -> None:
    assert set(moves) == set(news)
    assert table == written_out(places, moves)


def test_order_that_was_cancelled_for_good_is_open_no_more() -> None:
    books = Books()
    books.intend_order(Order("o", "alpha:BTC", 10, False, "test"), "alpha", 1_000)
    for ts_ms in (0, 2_000):
        books.hear("o", OrderStatus("o", "cancelled", 0, ts_ms))
    assert (books.open_orders, books.order("o").state) == ((), State.CLOSED)


@pytest.mark.parametrize(
    ("filled", "final", "left"), [(4, None, 6), (4, 7, 3), (0, 0, 0), (-1, 0, 1)]
)
def test_lots_that_may_come_are_those_of_the_venues_last_word_though_that_is_none(
    filled: int, final: int | None, left: int
) -> None:
    order = Order("o", "alpha:BTC", 10, False, "test")
    record = OrderRecord(order, "alpha", 1_000, State.CLOSING, filled, final)
    assert record.open_lots == left
