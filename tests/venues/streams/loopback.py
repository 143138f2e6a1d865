# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that breaks its streams in every way, and a client that keeps a book."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from tests.venues.order_books.made_streams import NOW, TERMS, VENUES, Stream, made_stream, sides_of
from tidegate.venues.order_books.book import Ages, Unknown
from tidegate.venues.order_books.keepers import DeribitKeeper
from tidegate.venues.order_books.wake import Band, Wake, Watch
from tidegate.venues.streams.book_feed import BookFeed, Handlers
from tidegate.venues.streams.connection import Connection, End, Patience
from tidegate.venues.streams.inbox import Inbox
from tidegate.venues.streams.talk import DeribitTalk

PATIENCE = Patience(connect_s=2.0, silence_s=0.3, first_retry_s=0.01, last_retry_s=0.05)
AGES = Ages(silence_ms=10**6, lag_ms=10**6, lead_ms=10**6)
BEGUN_S = time.monotonic()
FAULTS = ("close", "abort", "half open", "429", "gap", "garbage")
NEWS = b'{"method":"subscription","params":{"channel":"user.orders.any","data":%d}}'


@dataclass
class Server:
    """Sends a made stream; each connection ends in the next fault, the last one in none."""

    stream: Stream
    faults: list[str]
    place: int = 0
    news: int = 0
    refused: int = 0
    sockets: list[Any] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Any) -> Any:
        if self.faults and self.faults[0] == "429":
            self.faults.pop(0)
            self.refused += 1
            raise web.HTTPTooManyRequests(headers={"Retry-After": "0"})
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        with suppress(ConnectionError):
            await self._talk(socket)
        return socket

    async def _talk(self, socket: Any) -> None:
        await self._until_subscribed(socket)
        await self._snapshot(socket)
        fault = self.faults.pop(0) if self.faults else ""
        for _ in range(5):
            await self._change(socket)
            await asyncio.sleep(0.002)
        match fault:
            case "close":
                await socket.close()
            case "abort":
                socket._req.transport.abort()
            case "half open":
                await asyncio.sleep(3.0)
            case "gap" | "garbage":
                self.place += fault == "gap"
                if fault == "garbage":
                    broken = b'{"method":"subscription","params":{"channel":"book.BTC.100ms"}}'
                    await socket.send_str(broken.decode())
                await self._change(socket)
                await self._until_subscribed(socket)
                await self._snapshot(socket)
                await self._change(socket)
                await socket.close()
            case _:
                self.done.set()
                async for message in socket:
                    if b"public/test" in message.data.encode():
                        await socket.send_str('{"jsonrpc":"2.0","id":1,"result":{"version":"1"}}')

    async def _until_subscribed(self, socket: Any) -> None:
        async for message in socket:
            if '"public/subscribe"' in message.data:
                return

    async def _snapshot(self, socket: Any) -> None:
        sequence = self.stream.sent[self.place].sequence
        sides = self.stream.truth[sequence]
        content = VENUES["deribit"].message(True, sequence, sequence, sides)
        await socket.send_str(_with_channel(content))

    async def _change(self, socket: Any) -> None:
        self.place += 1
        await socket.send_str(_with_channel(self.stream.sent[self.place].content))
        self.news += 1
        await socket.send_str((NEWS % self.news).decode())


def clock() -> int:
    """Time since the test began to run, from a date on."""
    return NOW + int((time.monotonic() - BEGUN_S) * 1000)


def _with_channel(content: bytes) -> str:
    return content.replace(b'"params":{', b'"params":{"channel":"book.BTC.100ms",').decode()


@asynccontextmanager
async def served(answer: Callable[[Any], Awaitable[Any]]) -> AsyncIterator[str]:
    """The address of a server on loopback."""
    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    finally:
        await runner.cleanup()


@dataclass
class Client:
    """A feed of one book, what it heard, and whether what it believed was ever wrong."""

    truth: dict[int, Any]
    wakes: list[Wake] = field(default_factory=list)
    news: list[int] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Inbox(capacity=64, depth=32)
        self.watch = Watch(DeribitKeeper(TERMS), AGES, Band(0, 10**9))

    def heard(self, content: bytes, _: int) -> None:
        self.news.append(msgspec.json.decode(content)["params"]["data"])
        self.check()

    def check(self) -> None:
        book = self.watch.keeper.book
        if book.live and sides_of(self.watch.keeper) != self.truth[book.sequence]:
            self.wrong.append(book.sequence)

    @asynccontextmanager
    async def running(self, url: str) -> AsyncIterator[Connection]:
        talk = DeribitTalk(["BTC"])
        made = Connection(url, talk, self.inbox, PATIENCE, clock, self.ends.append)
        handlers = Handlers(lambda _, wake: self.wakes.append(wake), self.heard, lambda *_: None)
        feed = BookFeed({"BTC": self.watch}, self.inbox, made, handlers)
        tasks = [asyncio.create_task(made.run()), asyncio.create_task(feed.run())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


def faulty_day(seed: int, rounds: int) -> None:
    dice = random.Random(seed)
    faults = [fault for _ in range(rounds) for fault in dice.sample(FAULTS, len(FAULTS))]
    stream = made_stream("deribit", dice, 12 * len(faults) + 40, resyncs=0.0)
    server, client = Server(stream, list(faults)), Client(stream.truth)

    async def play() -> None:
        async with served(server.answer) as url, client.running(url) as connection:
            await asyncio.wait_for(server.done.wait(), 20 + 2 * rounds)
            book = client.watch.keeper.book
            async with asyncio.timeout(20):
                while not book.live or book.sequence != stream.sent[server.place].sequence:
                    await asyncio.sleep(0.01)
            client.check()
            assert connection.ends[End.SILENT] >= faults.count("half open")
            assert connection.ends[End.TOO_MANY] == server.refused == faults.count("429")
            assert connection.connects >= len(faults) - faults.count("429") + 1
            assert len(client.ends) == sum(connection.ends.values())
        # The server's own handlers of requests may still be ending.
        left = [t for t in asyncio.all_tasks() if "RequestHandler" not in repr(t)]
        assert left == [asyncio.current_task()]

    asyncio.run(play())
    assert client.wrong == []
    assert client.news == sorted(set(client.news))
    reasons = {wake.reason for wake in client.wakes}
    assert {"a gap in the sequence", "messages were lost", "a message of another form"} <= reasons
    assert all(isinstance(wake.seen, Unknown) for wake in client.wakes)


def ends_without_room() -> tuple[list[End], int]:
    """How a stream of news alone ends that nobody works off, and how much of it was kept."""

    async def answer(request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with suppress(ConnectionError):
            for number in range(50):
                await socket.send_str((NEWS % number).decode())
            await asyncio.sleep(0.5)
        return socket

    async def play() -> tuple[list[End], int]:
        ends: list[End] = []
        inbox = Inbox(capacity=8, depth=8)
        async with served(answer) as url:
            made = Connection(url, DeribitTalk(["BTC"]), inbox, PATIENCE, lambda: NOW, ends.append)
            task = asyncio.create_task(made.run())
            while not ends:
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return ends, len(inbox)

    return asyncio.run(asyncio.wait_for(play(), 20))


def attempts_at_a_peer_that_never_answers() -> int:
    """How many attempts are made at a peer that takes a connection, hears, and says nothing."""

    async def tried() -> int:
        met, again = 0, asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal met
            met += 1
            if met == 2:
                again.set()
            with suppress(OSError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        patience = Patience(connect_s=0.1, first_retry_s=0.01, last_retry_s=0.05)
        talk, inbox = DeribitTalk(("X",)), Inbox(8, 8)
        connection = Connection(url, talk, inbox, patience, lambda: 0, lambda _: None)
        running = asyncio.create_task(connection.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(again.wait(), 20.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        return met

    return asyncio.run(tried())
