# SPDX-License-Identifier: Apache-2.0
"""Messages of a stream go where they belong, by their channel."""

from __future__ import annotations

from tidegate.venues.streams.talk import TICKER, DeribitTalk, HyperliquidTalk, Sort

NEWS = b'{"method":"subscription","params":{"channel":"user.orders.any","data":1}}'


def test_deribit_messages_go_by_their_channel_and_a_test_request_is_answered() -> None:
    talk = DeribitTalk(["BTC-PERPETUAL"])
    book = b'{"method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms","data":{}}}'
    asked = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    assert talk.route(book)[:2] == (Sort.MARKET, "BTC-PERPETUAL")
    ticker = book.replace(b"book.", b"ticker.")
    assert talk.route(ticker)[:3] == (Sort.MARKET, TICKER + "BTC-PERPETUAL", True)
    assert talk.route(NEWS).sort is Sort.NEWS
    assert (talk.route(asked).sort, "public/test" in talk.route(asked).answer) == (
        Sort.ANSWER,
        True,
    )
    for other in (b'{"id":1,"result":[]}', b"", b"\xff", b"[" * 60_000):
        assert talk.route(other).sort is Sort.OTHER


def test_hyperliquid_messages_go_by_their_channel_and_books_are_whole() -> None:
    talk = HyperliquidTalk(["BTC"], user="0x1")
    book = b'{"channel":"l2Book","data":{"coin":"BTC","levels":[[],[]],"time":1}}'
    assert talk.route(book)[:3] == (Sort.MARKET, "BTC", True)
    assert talk.route(b'{"channel":"orderUpdates","data":[]}').sort is Sort.NEWS
    for other in (b'{"channel":"pong"}', b"", b"\xff", b'{"channel":"l2Book","data":[]}'):
        assert talk.route(other).sort is Sort.OTHER
    ticker = b'{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{}}}'
    assert talk.route(ticker)[:3] == (Sort.MARKET, TICKER + "BTC", True)
    assert [("l2Book" in each, "activeAssetCtx" in each) for each in talk.hello()] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert talk.resync("BTC") == []
