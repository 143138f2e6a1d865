# SPDX-License-Identifier: Apache-2.0
"""Prices of streams: what is told is known with its age, what is lost is not known until it is
whole again, and what ends the reader is not silent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from aiohttp import web

from tests.live.desk import desk
from tidegate.live.market_streams import MarketStreams, VenueStream
from tidegate.live.tickers import Mark, deribit_mark, hyperliquid_mark
from tidegate.model.instruments import Perpetual
from tidegate.venues.streams.connection import Patience

NAME = "BTC_USDC-PERPETUAL"
CONTRACT = Perpetual("deribit", NAME, "BTC", "USDC", Decimal("0.5"), Decimal("0.0001"))
PATIENCE = Patience(connect_s=2.0, silence_s=0.5, first_retry_s=0.02, last_retry_s=0.1)
SNAPSHOT = {"bids": [["new", 100.0, 1]], "asks": [["new", 101.0, 1]], "type": "snapshot"}


def pushed(kind: str, **data: Any) -> str:
    said = {"channel": f"{kind}.{NAME}.100ms", "data": {"timestamp": 1_000, **data}}
    return json.dumps({"method": "subscription", "params": said})


def book(number: int, **more: Any) -> str:
    return pushed("book", instrument_name=NAME, change_id=number, **more)


def ticker(price: float) -> str:
    return pushed("ticker", mark_price=price, stats={"volume_usd": 5.0})


class Scripted:
    """A server on loopback that tells its one client what the test says."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.heard: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            self.heard.append(message.data)
        return socket

    async def begin(self) -> None:
        application = web.Application()
        application.router.add_get("/ws/api/v2", self.answer)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    def tell(self, *texts: str) -> None:
        async def say() -> None:
            for text in texts:
                await self.sockets[-1].send_str(text)

        asyncio.run_coroutine_threadsafe(say(), self.loop).result(5)

    def hang_up(self) -> None:
        asyncio.run_coroutine_threadsafe(self.sockets[-1].close(), self.loop).result(5)


@contextmanager
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    thread = threading.Thread(target=made.loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.begin(), made.loop).result(5)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.runner.cleanup(), made.loop).result(5)
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(5)
        made.loop.close()


@contextmanager
def streaming(server: Scripted) -> Iterator[tuple[MarketStreams, VenueStream]]:
    streams = MarketStreams(
        {"deribit": ("deribit", f"http://127.0.0.1:{server.port}")}, [CONTRACT], PATIENCE
    )
    streams.begin(0.0)
    try:
        until(lambda: len(server.heard) >= 2)
        yield streams, streams.venues["deribit"]
    finally:
        streams.close()
        assert not streams._thread.is_alive()


def until(holds: Callable[[], object]) -> None:
    ends_s = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < ends_s
        time.sleep(0.002)


def test_book_that_lost_its_sequence_has_no_spread_until_it_is_whole_again() -> None:
    with scripted() as server, streaming(server) as (streams, stream):
        server.tell(book(1, **SNAPSHOT), ticker(100.25))
        until(stream.tickers)
        known = stream.tickers()[CONTRACT.id]
        assert (known.mark, known.as_of_ms) == (Decimal("100.25"), 1_000)
        assert known.half_spread == pytest.approx(1 / 201)
        streams.woken.clear()
        asked = len(server.heard)
        server.tell(book(9, prev_change_id=7, bids=[], asks=[], type="change"))
        until(streams.woken.is_set)
        assert stream.tickers()[CONTRACT.id].half_spread is None
        assert [each.age_s is None for each in stream.inputs()] == [True, False]
        # It is asked for: the channel is left and subscribed to anew.
        until(lambda: len(server.heard) >= asked + 2)
        server.tell(book(10, **SNAPSHOT))
        until(lambda: stream.tickers()[CONTRACT.id].half_spread is not None)
        assert stream.resyncs == 1


def test_round_is_due_once_a_middle_moved_and_not_before() -> None:
    with scripted() as server, streaming(server) as (streams, stream):
        server.tell(book(1, **SNAPSHOT), ticker(100.25))
        until(stream.tickers)
        stream.recentre(0.02)
        streams.woken.clear()
        near, far = [["new", 101.5, 1]], [["new", 106.0, 1], ["delete", 101.5, 0]]
        gone = [["delete", 101.0, 0]]
        server.tell(book(2, prev_change_id=1, bids=[], asks=near + gone, type="change"))
        until(lambda: stream._watches[NAME].keeper.book.sequence == 2)
        assert not streams.woken.is_set()
        server.tell(book(3, prev_change_id=2, bids=[], asks=far, type="change"))
        until(streams.woken.is_set)
        # Nobody is woken again for the same reason before a round has looked.
        streams.woken.clear()
        server.tell(book(4, prev_change_id=3, bids=[["new", 99.0, 1]], asks=[], type="change"))
        until(lambda: stream._watches[NAME].keeper.book.sequence == 4)
        assert not streams.woken.is_set()


def test_stream_that_ends_or_falls_silent_is_said_to_be_and_comes_back() -> None:
    with scripted() as server, streaming(server) as (_, stream):
        assert stream.silent is not None
        server.tell(ticker(100.0))
        until(lambda: stream.silent is None)
        server.hang_up()
        until(lambda: stream.silent == "the peer closed it, or it broke")
        until(lambda: len(server.sockets) >= 2 and not server.sockets[-1].closed)
        server.tell(ticker(100.0))
        until(lambda: stream.silent is None)
        # Not a word, not even to a pulse: a half-open socket.
        until(lambda: stream.silent == "the peer said nothing, not even to a pulse")
        assert stream.tickers()[CONTRACT.id].as_of_ms == 1_000


def test_reader_that_fails_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted() as server, streaming(server) as (streams, stream):

        def fails(content: bytes, book_ms: int) -> Mark | None:
            raise ZeroDivisionError

        monkeypatch.setattr(stream, "_read", fails)
        server.tell(ticker(100.0))
        until(lambda: not streams._thread.is_alive())
        with pytest.raises(BaseExceptionGroup):
            streams.check()


@given(content=st.binary(max_size=60), book_ms=st.integers(0, 10))
def test_ticker_of_another_form_is_no_mark(content: bytes, book_ms: int) -> None:
    assert deribit_mark(content, book_ms) is None
    assert hyperliquid_mark(content, book_ms) is None


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_price_that_is_none_is_no_mark(price: str) -> None:
    ctx = '{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"markPx":"%s","dayNtlVlm":"1"}}}'
    assert hyperliquid_mark((ctx % price).encode(), 5) is None
    assert hyperliquid_mark((ctx % "2").encode(), 5) == Mark(Decimal(2), 5, 1.0)
    # Before a book has come nobody can say when that was.
    assert hyperliquid_mark((ctx % "2").encode(), 0) is None


def test_streams_of_both_paper_venues_tell_what_the_venues_themselves_have(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")
    with desk(tmp_path_factory.mktemp("desk")) as found, found.session():
        running = found.engine()
        found.clock.pass_ms(60_000)
        running.gateway.now_ms()
        found.stream(running.feed)
        for venue, paper in (
            ("hyperliquid", found.both.hyperliquid),
            ("deribit", found.both.deribit),
        ):
            told = running.feed.streams[venue].tickers()
            assert len(told) == 2
            for name, known in told.items():
                contract = running.machine._instruments()[name]
                ladder = paper.street.ladder(name.partition(":")[2])
                quote = paper.street.quote(name.partition(":")[2])
                assert ladder is not None
                assert quote is not None
                assert known.mark == quote.mark_ticks * contract.tick
                bid, ask = ladder.bids[0][0], ladder.asks[0][0]
                assert known.half_spread == pytest.approx((ask - bid) / (ask + bid))
        running.machine.record.journal.close()  # type: ignore[attr-defined]
