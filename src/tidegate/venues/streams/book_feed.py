# SPDX-License-Identifier: Apache-2.0
"""Works off what streams brought: books are kept, decisions woken, news handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tidegate.venues.order_books.wake import Wake, Watch
from tidegate.venues.streams.connection import Connection
from tidegate.venues.streams.inbox import Inbox, Item, Kind
from tidegate.venues.streams.talk import TICKER

# After so many items others on the loop have their turn, above all the reader of the socket.
TURN = 64
RESYNC_EVERY_MS = 2_000

OnWake = Callable[[str, Wake], None]
OnNews = Callable[[bytes, int], None]
OnTicker = Callable[[str, bytes, int], None]


class Handlers(NamedTuple):
    """Who hears that a decision is due, of our orders and account, and of tickers."""

    wake: OnWake
    news: OnNews
    ticker: OnTicker


class BookFeed:
    """The books of one connection, by instrument; `run` goes on until it is cancelled."""

    def __init__(
        self,
        watches: Mapping[str, Watch],
        inbox: Inbox,
        connection: Connection,
        handlers: Handlers,
    ) -> None:
        self._watches, self._inbox, self._connection = watches, inbox, connection
        self._handlers = handlers
        self._asked: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Work off whatever comes, news before market data."""
        while True:
            await self._connection.came.wait()
            self._connection.came.clear()
            worked = 0
            while (item := self._inbox.take()) is not None:
                await self._work(item)
                worked += 1
                if worked % TURN == 0:
                    await asyncio.sleep(0)

    async def _work(self, item: Item) -> None:
        if item.kind is Kind.NEWS:
            self._handlers.news(item.content, item.received_ms)
            return
        if item.instrument.startswith(TICKER):
            self._ticker(item)
            return
        watch = self._watches.get(item.instrument)
        if watch is None:
            return
        if item.kind is Kind.LOST:
            wake: Wake | None = watch.lose("messages were lost", item.received_ms)
        else:
            wake = watch.take(item.content, item.received_ms)
        if wake is not None:
            self._handlers.wake(item.instrument, wake)
        if not watch.keeper.book.live:
            await self._ask(item)

    def _ticker(self, item: Item) -> None:
        """Hand a ticker on; one that was let go is only older."""
        if item.kind is Kind.MARKET:
            symbol = item.instrument.removeprefix(TICKER)
            self._handlers.ticker(symbol, item.content, item.received_ms)

    async def _ask(self, item: Item) -> None:
        """Ask for a snapshot, and again where none has come for a while on the same connection."""
        connects, last_ms = self._asked.get(item.instrument, (-1, 0))
        waiting = connects == self._connection.connects
        if waiting and item.received_ms - last_ms < RESYNC_EVERY_MS:
            return
        if await self._connection.resync(item.instrument):
            self._asked[item.instrument] = self._connection.connects, item.received_ms
