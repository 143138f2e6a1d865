# SPDX-License-Identifier: Apache-2.0
"""One WebSocket of a client: what it is subscribed to, and a bounded queue of what it is told.

A client that reads more slowly than it is told is dropped; nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import web

from tidegate.model.times import MINUTE_MS
from tidegate.venues.hyperliquid_server.questions import Subscription

QUEUE_MAX = 512
SILENCE_MAX_S, SEND_MAX_S = 60.0, 10.0
MESSAGES_A_MINUTE = 2000


class Connection:
    """Tells a client things in their order; `run` carries them until it ends."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket, self._request = socket, request
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MAX)
        self._heard_ms: deque[int] = deque()
        self.topics: set[Subscription] = set()
        self.dropped = False

    def say(self, text: bytes) -> None:
        """Queue a message; a client whose queue is full is dropped."""
        if self.dropped:
            return
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """End it at once, without a word that nobody reads."""
        self.dropped = True
        if self._request.transport is not None:
            self._request.transport.abort()

    def hears_too_much(self, now_ms: int) -> bool:
        """Count a message from the client: whether it sent too many within a minute."""
        while self._heard_ms and self._heard_ms[0] <= now_ms - MINUTE_MS:
            self._heard_ms.popleft()
        self._heard_ms.append(now_ms)
        return len(self._heard_ms) > MESSAGES_A_MINUTE

    async def run(self) -> None:
        """Send what is queued. Who was told nothing for a minute is closed, and who takes nothing
        for ten seconds is dropped."""
        while not self.dropped:
            try:
                # Not `wait_for`, which may swallow the cancelling that ends this.
                async with asyncio.timeout(SILENCE_MAX_S):
                    text = await self._queue.get()
            except TimeoutError:
                await self._socket.close()
                return
            try:
                async with asyncio.timeout(SEND_MAX_S):
                    await self._socket.send_str(text.decode())
            except TimeoutError:
                self.drop()
