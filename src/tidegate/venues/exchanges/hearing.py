# SPDX-License-Identifier: Apache-2.0
"""Venues' streams of our account, of which nothing is believed but that it is time to ask.

What happened is read as ever, by asking. A stream that is lost, forged or of another form therefore
costs time alone: the engine asks at its own pace anyway.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import Any

from tidegate.venues.streams.connection import Connection, End, Patience, steady_ms
from tidegate.venues.streams.inbox import Inbox
from tidegate.venues.streams.loop_thread import LoopThread
from tidegate.venues.streams.talk import Talk
from tidegate.venues.wire import Heard

CAPACITY = 1_024


class Hearing:
    """Streams of accounts by venue, each an address and how it is talked to; use it as a context.
    `say` is told what ends it, which nothing should."""

    def __init__(
        self,
        streams: Mapping[str, tuple[str, Talk]],
        say: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._streams, self._say, self._patience = streams, say, patience or Patience()
        self._changed = threading.Condition()
        self._told = Counter[str](dict.fromkeys(streams, 0))
        self._ends = Counter[str](dict.fromkeys(streams, 0))
        self._thread = LoopThread("account streams", self._work, self._over)

    def __enter__(self) -> Hearing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close()

    def wait(self, known: int, longest_s: float) -> Heard:
        """What was heard, once it is more than is `known`, or after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._total() != known, longest_s)
            return Heard(self._total(), dict(self._told), dict(self._ends))

    def _total(self) -> int:
        return self._told.total() + self._ends.total()

    def _over(self) -> None:
        if self._thread.failure is not None:
            self._say(f"account streams ended: {type(self._thread.failure).__name__}")

    def _work(self) -> Iterator[Coroutine[Any, Any, None]]:
        for venue, (address, talk) in self._streams.items():
            inbox = Inbox(CAPACITY, CAPACITY)
            ended = partial(self._ended, venue)
            connection = Connection(address, talk, inbox, self._patience, steady_ms, ended)
            yield connection.run()
            yield self._take(venue, connection, inbox)

    def _ended(self, venue: str, _: End) -> None:
        # What was missed meanwhile is asked for as well.
        self._count(self._ends, venue, 1)

    async def _take(self, venue: str, connection: Connection, inbox: Inbox) -> None:
        while True:
            await connection.came.wait()
            connection.came.clear()
            count = 0
            while inbox.take() is not None:
                count += 1
            if count:
                self._count(self._told, venue, count)

    def _count(self, counts: Counter[str], venue: str, more: int) -> None:
        with self._changed:
            counts[venue] += more
            self._changed.notify_all()
