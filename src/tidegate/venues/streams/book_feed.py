# SPDX-License-Identifier: Apache-2.0
"""Works off what streams brought: books are kept, decisions woken, news handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tidegate.venues.order_books.wake import Wake, Watch
from tidegate.venues.streams.connection import Connection
from tidegate.venues.streams.inbox import Inbox, Item, Kind

# After so many items others on the loop have their turn, above all the reader of the socket.
TURN = 64
RESYNC_EVERY_MS = 2_000

OnWake = Callable[[str, Wake], None]
OnNews = Callable[[bytes, int], None]


class BookFeed:
    """The books of one connection, by instrument; `run` goes on until it is cancelled."""

    def __init__(
        self,
        watches: Mapping[str, Watch],
        inbox: Inbox,
        connection: Connection,
        on_wake: OnWake,
        on_news: OnNews,
    ) -> None:
        self._watches, self._inbox, self._connection = watches, inbox, connection
        self._on_wake, self._on_news = on_wake, on_news
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
            self._on_news(item.content, item.received_ms)
            return
        watch = self._watches.get(item.instrument)
        if watch is None:
            return
        if item.kind is Kind.LOST:
            wake: Wake | None = watch.lose("messages were lost", item.received_ms)
        else:
            wake = watch.take(item.content, item.received_ms)
        if wake is not None:
            self._on_wake(item.instrument, wake)
        if not watch.keeper.book.live:
            await self._ask(item)

    async def _ask(self, item: Item) -> None:
        """Ask for a snapshot, and again where none has come for a while on the same connection."""
        connects, last_ms = self._asked.get(item.instrument, (-1, 0))
        waiting = connects == self._connection.connects
        if waiting and item.received_ms - last_ms < RESYNC_EVERY_MS:
            return
        if await self._connection.resync(item.instrument):
            self._asked[item.instrument] = self._connection.connects, item.received_ms
