# SPDX-License-Identifier: Apache-2.0
"""Faults of what venues send: payloads of another form, streams that break off."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.branches.faults import Place, provokes
from tests.venues.order_books.made_streams import NOW, TERMS
from tidegate.model.errors import InputError
from tidegate.venues.order_books.book import BookTerms, OrderBook, Outcome
from tidegate.venues.order_books.keepers import BinanceKeeper, DydxKeeper
from tidegate.venues.payloads.deribit_public import Heartbeat
from tidegate.venues.payloads.fields import MESSAGE_BYTES_MAX, decode
from tidegate.venues.streams.talk import DeribitTalk, HyperliquidTalk, Sort

KEEPERS = "venues/order_books/keepers.py"


@provokes("venues/payloads/fields.py", "decode: raise InputError", "decode: except UNREADABLE_JSON")
def payload_is_too_long_or_of_another_form(_: Place) -> None:
    for content, expected in ((b" " * (MESSAGE_BYTES_MAX + 1), "at most"), (b"{}", "form")):
        with pytest.raises(InputError, match=f"deribit: payload: expected .*{expected}"):
            decode(content, Heartbeat, "deribit")


@provokes(
    KEEPERS,
    "take: except UNREADABLE_JSON",
    "start: except UNREADABLE_JSON",
)
def book_of_binance_meets_garbage(_: Place) -> None:
    for garbage in (b"\xff", b"{", b"[" * 60_000):
        keeper = BinanceKeeper(TERMS)
        assert keeper.take(garbage, NOW) is Outcome.RESYNC
        assert keeper.start(garbage, NOW, NOW) is Outcome.RESYNC
        assert not keeper.book.live


@provokes(KEEPERS, "_follow: except UNREADABLE_JSON")
def contents_of_a_dydx_message_are_no_book(_: Place) -> None:
    head = b'{"type":"subscribed","message_id":1,"channel":"v4_orderbook","id":"BTC","contents":'
    assert DydxKeeper(TERMS).take(head + b'"none"}', NOW) is Outcome.RESYNC


@provokes("venues/order_books/book.py", "_decimals_and_step: raise InputError")
def instrument_has_no_tick(_: Place) -> None:
    with pytest.raises(InputError, match="BTC: tick: expected a step above 0"):
        OrderBook(BookTerms("BTC", Decimal(0), Decimal(1)))


@provokes(
    "venues/streams/talk.py", "route: except UNREADABLE_JSON", "route: except UNREADABLE_JSON 2"
)
def message_of_a_stream_cannot_be_read(_: Place) -> None:
    for talk in (DeribitTalk(["BTC"]), HyperliquidTalk(["BTC"])):
        for garbage in (b"", b"\xff", b"[" * 60_000):
            assert talk.route(garbage).sort is Sort.OTHER
