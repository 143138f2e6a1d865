# SPDX-License-Identifier: Apache-2.0
"""Venues' streams of prices, read on a thread of their own while the engine decides on its own.

Each contract has two inputs, a book and a mark, and each has its own age. A book that lost its
sequence has no prices until it is whole again. Time here is that of a clock that never steps; how
old a price is by the venue's time is judged where it is used, against the venues' time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.live.tickers import Mark, Ticker, deribit_mark, hyperliquid_mark
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.venues.order_books.book import Ages, Best, BookTerms
from tidegate.venues.order_books.keepers import DeribitKeeper, HyperliquidKeeper, Keeper
from tidegate.venues.order_books.wake import Band, Wake, Watch
from tidegate.venues.streams.book_feed import BookFeed, Handlers
from tidegate.venues.streams.connection import Connection, End, Patience, steady_ms
from tidegate.venues.streams.inbox import Inbox
from tidegate.venues.streams.loop_thread import LoopThread
from tidegate.venues.streams.talk import DeribitTalk, HyperliquidTalk, Talk, stream_address

CAPACITY, DEPTH = 4_096, 512
# By our own clock alone: the venue's time is on other clocks, and its age is judged elsewhere.
AGES = Ages(silence_ms=60_000, lag_ms=1 << 62, lead_ms=1 << 62)
ANYWHERE = Band(0, 1 << 62)


class Dialect(NamedTuple):
    """A venue's stream: how one talks to it, what keeps its books, and what reads its tickers."""

    talk: Callable[[Sequence[str]], Talk]
    keeper: Callable[[BookTerms], Keeper]
    mark: Callable[[bytes, int], Mark | None]


DIALECTS: Mapping[str, Dialect] = {
    "hyperliquid": Dialect(HyperliquidTalk, HyperliquidKeeper, hyperliquid_mark),
    "deribit": Dialect(DeribitTalk, DeribitKeeper, deribit_mark),
}


class Input(NamedTuple):
    """One input of one contract: `book` or `mark`, and how long ago it was told last; None where
    it was not told, or is not believed."""

    contract: InstrumentId
    kind: str
    age_s: float | None


class VenueStream:
    """One venue's contracts over one connection; what it knows may be read from another thread."""

    def __init__(
        self,
        kind: str,
        url: str | None,
        contracts: Sequence[Contract],
        wake: Callable[[], None],
        patience: Patience,
    ) -> None:
        dialect = DIALECTS[kind]
        self._own = {contract.symbol: contract for contract in contracts}
        self._watches = {
            symbol: Watch(dialect.keeper(_terms(contract)), AGES, ANYWHERE)
            for symbol, contract in self._own.items()
        }
        self._read, self._wake = dialect.mark, wake
        self._marks: dict[str, tuple[Mark, int]] = {}
        self._reasons: dict[str, str] = {}
        self.inbox = Inbox(CAPACITY, DEPTH)
        talk, address = dialect.talk(tuple(self._own)), stream_address(kind, url)
        self.connection = Connection(address, talk, self.inbox, patience, steady_ms, self._ended)
        self.last_end: End | None = None

    async def run(self) -> None:
        """Read and work off until it is cancelled."""
        handlers = Handlers(self._woken, lambda *_: None, self._ticker)
        feed = BookFeed(self._watches, self.inbox, self.connection, handlers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.connection.run())
            group.create_task(feed.run())

    @property
    def silent(self) -> str | None:
        """Why nothing comes now; None while something does."""
        if self.connection.up:
            return None
        return "no answer yet" if self.last_end is None else self.last_end.value

    @property
    def resyncs(self) -> int:
        """How often a book had to begin anew, first snapshots aside."""
        return sum(watch.keeper.book.distrusts for watch in self._watches.values())

    def missing(self) -> list[InstrumentId]:
        """Contracts whose mark was never told."""
        return [c.id for symbol, c in self._own.items() if symbol not in self._marks]

    def tickers(self) -> dict[InstrumentId, Ticker]:
        """What is known now; marks stay as old as they are."""
        return {
            self._own[symbol].id: Ticker(
                mark.price, mark.as_of_ms, self._half_spread(symbol), mark.volume_day_usd
            )
            for symbol, (mark, _) in list(self._marks.items())
        }

    def inputs(self) -> Iterator[Input]:
        """Every input, with its age by our clock."""
        now_ms = steady_ms()
        for symbol, contract in self._own.items():
            book, mark = self._watches[symbol].keeper.book, self._marks.get(symbol)
            book_s = (now_ms - book.received_ms) / 1_000 if book.live else None
            yield Input(contract.id, "book", book_s)
            yield Input(contract.id, "mark", None if mark is None else (now_ms - mark[1]) / 1_000)

    def recentre(self, share: float) -> None:
        """Wake nobody until a middle has moved by a share from where it is now."""
        for symbol, watch in self._watches.items():
            best = watch.keeper.book.best(steady_ms(), AGES)
            if isinstance(best, Best):
                twice = best.bid_ticks + best.ask_ticks
                watch.band = Band(int(twice * (1 - share)), int(twice * (1 + share)) + 1)
                self._reasons.pop(symbol, None)

    def _half_spread(self, symbol: str) -> float | None:
        """Half the spread over the middle; None unless the book is believed."""
        best = self._watches[symbol].keeper.book.best(steady_ms(), AGES)
        if not isinstance(best, Best):
            return None
        return (best.ask_ticks - best.bid_ticks) / (best.ask_ticks + best.bid_ticks)

    def _ticker(self, symbol: str, content: bytes, received_ms: int) -> None:
        if symbol in self._own:
            mark = self._read(content, self._watches[symbol].keeper.book.as_of_ms)
            if mark is not None:
                self._marks[symbol] = mark, received_ms

    def _woken(self, symbol: str, wake: Wake) -> None:
        """Wake for each reason once, until a round has looked at it."""
        if self._reasons.get(symbol) != wake.reason:
            self._reasons[symbol] = wake.reason
            self._wake()

    def _ended(self, end: End) -> None:
        self.last_end = end
        self._wake()


class MarketStreams:
    """The streams of several venues on one thread; `woken` is set when a round is due early."""

    def __init__(
        self,
        markets: Mapping[str, tuple[str, str | None]],
        contracts: Sequence[Contract],
        patience: Patience | None = None,
    ) -> None:
        self.woken = threading.Event()
        self.venues = {
            name: VenueStream(
                kind,
                url,
                [contract for contract in contracts if contract.venue == name],
                self.woken.set,
                patience or Patience(),
            )
            for name, (kind, url) in markets.items()
        }
        self._thread = LoopThread("market streams", self._work, self.woken.set)

    def begin(self, wait_s: float) -> None:
        """Begin to read, and wait for the first mark of each contract, at most for a while."""
        self._thread.start()
        ends_s = time.monotonic() + wait_s
        while any(stream.missing() for stream in self.venues.values()):
            self.check()
            if time.monotonic() >= ends_s:
                return
            time.sleep(0.01)

    def check(self) -> None:
        """Raises what ended the thread, which nothing but `close` should: prices would grow old
        without anybody knowing why."""
        if self._thread.failure is not None:
            raise self._thread.failure

    def close(self) -> None:
        """End the connections and the thread."""
        self._thread.close()

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        return [stream.run() for stream in self.venues.values()]


def _terms(contract: Contract) -> BookTerms:
    """Steps of a book's figures; sizes of inverse contracts are in dollars there."""
    size = contract.lot * (contract.inverse_face_usd or 1)
    return BookTerms(contract.symbol, contract.tick, size)
