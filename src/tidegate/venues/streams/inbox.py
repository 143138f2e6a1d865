# SPDX-License-Identifier: Apache-2.0
"""What has come over streams and is not yet worked off: bounded, and market data goes first.

News is what a venue says of our orders and account. It is handed out before market data and never
let go for it: where there is no room, market data goes, that of the instrument with most of it at
once. A book whose changes were let go hears of it before anything later, and must begin anew. A
message that is whole by itself replaces the one before it. News for which there is no room though
all market data is gone is refused, and the caller must break the stream and reconcile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from tidegate.model.errors import ensure


class Kind(Enum):
    """What an item is."""

    NEWS = "of our orders or account"
    MARKET = "of an instrument's market"
    LOST = "market data of an instrument was let go; its book must begin anew"


class Item(NamedTuple):
    """One message with the time at which it came; `LOST` has no content."""

    kind: Kind
    instrument: str
    content: bytes
    received_ms: int


class Inbox:
    """Items of one or more streams, `capacity` of them, of one instrument `depth`.

    Marks of loss, at most one for each instrument, are beside the capacity.
    """

    def __init__(self, capacity: int, depth: int) -> None:
        ensure(0 < depth <= capacity, "an inbox needs room")
        self._capacity, self._depth = capacity, depth
        self._news = deque[Item]()
        self._lost: dict[str, Item] = {}
        self._market: dict[str, deque[Item]] = {}
        self._held = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._news) + self._held

    def put_news(self, content: bytes, received_ms: int) -> bool:
        """Keep news, if need be instead of market data; false where there is no room at all."""
        self._make_room(received_ms)
        if len(self) >= self._capacity:
            return False
        self._news.append(Item(Kind.NEWS, "", content, received_ms))
        return True

    def put_market(
        self, instrument: str, content: bytes, received_ms: int, whole: bool = False
    ) -> None:
        """Keep market data; of `whole` messages only the last one of an instrument is needed, which
        has the place of the one before it."""
        waiting = len(self._market.get(instrument, ()))
        if whole and waiting:
            self._replace(instrument, Item(Kind.MARKET, instrument, content, received_ms))
            return
        if waiting >= self._depth:
            self._forget(instrument, received_ms)
        self._make_room(received_ms)
        if len(self) >= self._capacity:
            self.dropped += 1
            self._lost[instrument] = Item(Kind.LOST, instrument, b"", received_ms)
            return
        item = Item(Kind.MARKET, instrument, content, received_ms)
        self._market.setdefault(instrument, deque()).append(item)
        self._held += 1

    def take(self) -> Item | None:
        """The oldest news, else a mark of loss, else market data of each instrument in turn."""
        if self._news:
            return self._news.popleft()
        if self._lost:
            return self._lost.pop(next(iter(self._lost)))
        if not self._market:
            return None
        instrument = next(iter(self._market))
        queue = self._market.pop(instrument)
        if len(queue) > 1:
            self._market[instrument] = queue
        self._held -= 1
        return queue.popleft()

    def lose_all(self, instruments: Iterable[str], received_ms: int) -> None:
        """Let all market data of a connection that is gone go; its books begin anew."""
        for instrument in instruments:
            self._forget(instrument, received_ms)

    def _make_room(self, received_ms: int) -> None:
        while len(self) >= self._capacity and self._market:
            self._forget(max(self._market, key=lambda n: len(self._market[n])), received_ms)

    def _forget(self, instrument: str, received_ms: int) -> None:
        self._remove(instrument)
        self._lost[instrument] = Item(Kind.LOST, instrument, b"", received_ms)

    def _replace(self, instrument: str, item: Item) -> None:
        queue = self._market[instrument]
        gone = len(queue) - 1
        queue.clear()
        queue.append(item)
        self._held -= gone
        self.dropped += gone + 1

    def _remove(self, instrument: str) -> None:
        gone = len(self._market.pop(instrument, ()))
        self._held -= gone
        self.dropped += gone
