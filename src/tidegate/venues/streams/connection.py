# SPDX-License-Identifier: Apache-2.0
"""One WebSocket to a venue that is read without pause, watched for silence, and made anew.

The socket is only read here: what comes is put into the inbox and worked off elsewhere, so that a
slow decision never fills the kernel's buffer. A peer that says nothing, not even to a pulse, is
gone though no end was seen (a half-open socket). After every end all books of the connection begin
anew, and news may have been missed, which the caller is told so that it reconciles.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

import aiohttp
import msgspec

from tidegate.venues.streams.inbox import Inbox
from tidegate.venues.streams.talk import Route, Sort, Talk

MESSAGE_BYTES_MAX = 4_000_000
TOO_MANY, RETRY_AFTER_MAX_S = 429, 600.0


class Patience(msgspec.Struct, frozen=True):
    """Waits in seconds: to connect; of silence until a pulse is sent, and as long again until the
    peer is held for gone; between attempts, doubled each time up to a most."""

    connect_s: float = 10.0
    silence_s: float = 10.0
    first_retry_s: float = 0.5
    last_retry_s: float = 60.0


class End(Enum):
    """Why a connection is over."""

    CLOSED = "the peer closed it, or it broke"
    SILENT = "the peer said nothing, not even to a pulse"
    REFUSED = "it could not be made"
    TOO_MANY = "the venue asks for fewer connections"
    NO_ROOM = "there was no room for news"


def steady_ms() -> int:
    """A clock that never steps."""
    return time.monotonic_ns() // 1_000_000


class Connection:
    """A stream to one address; `run` goes on until it is cancelled.

    `up` says whether something has come on the connection that stands now, `connects` counts the
    connections on which something came, `ends` how they and the attempts ended; `ended` hears of
    each end, when news may have been missed.
    """

    def __init__(
        self,
        url: str,
        talk: Talk,
        inbox: Inbox,
        patience: Patience,
        clock: Callable[[], int],
        ended: Callable[[End], None],
    ) -> None:
        self._url, self._talk, self._inbox = url, talk, inbox
        self._patience, self._clock, self._ended = patience, clock, ended
        self._dice = random.Random(url)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.came = asyncio.Event()
        self.ends: dict[End, int] = dict.fromkeys(End, 0)
        self.connects = 0
        self.up = False

    async def run(self) -> None:
        """Connect, read until the end, wait, and again."""
        retry_s = self._patience.first_retry_s
        timeout = aiohttp.ClientTimeout(total=None, connect=self._patience.connect_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                connects = self.connects
                end, least_s = await self._once(session)
                self.ends[end] += 1
                self._inbox.lose_all(self._talk.instruments, self._clock())
                self.came.set()
                self._ended(end)
                if self.connects > connects:
                    retry_s = self._patience.first_retry_s
                # A share by chance, so that many clients do not come back at one time.
                await asyncio.sleep(max(least_s, retry_s * self._dice.uniform(0.5, 1.0)))
                retry_s = min(2 * retry_s, self._patience.last_retry_s)

    async def resync(self, instrument: str) -> bool:
        """Ask for a new snapshot of a book; false where the next connection brings it."""
        if self._socket is None:
            return False
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            await self._send(self._socket, self._talk.resync(instrument))
        return True

    async def _once(self, session: aiohttp.ClientSession) -> tuple[End, float]:
        try:
            # The library bounds how long a socket takes to open, and not how long the answer does.
            async with asyncio.timeout(self._patience.connect_s):
                socket = await session.ws_connect(
                    self._url,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
            try:
                self._socket = socket
                await self._send(socket, self._talk.hello())
                return await self._read(socket), 0.0
            finally:
                await socket.close()
        except aiohttp.WSServerHandshakeError as refusal:
            if refusal.status == TOO_MANY:
                return End.TOO_MANY, _retry_after_s(refusal)
            return End.REFUSED, 0.0
        except (aiohttp.ClientError, OSError, TimeoutError):
            return (End.CLOSED if self._socket is not None else End.REFUSED), 0.0
        finally:
            self._socket, self.up = None, False

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> End:
        pulsed = heard = False
        while True:
            try:
                message = await socket.receive(self._patience.silence_s)
            except TimeoutError:
                if pulsed:
                    return End.SILENT
                await self._send(socket, [self._talk.pulse])
                pulsed = True
                continue
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return End.CLOSED
            self.connects += not heard
            heard, self.up, pulsed = True, True, False
            data = message.data
            content = data.encode() if isinstance(data, str) else bytes(data)
            if not await self._sort(socket, content, self._talk.route(content)):
                return End.NO_ROOM

    async def _sort(
        self, socket: aiohttp.ClientWebSocketResponse, content: bytes, route: Route
    ) -> bool:
        """Put a message where it goes; false where there is no room for news."""
        if route.sort is Sort.ANSWER:
            await self._send(socket, [route.answer])
        elif route.sort is Sort.MARKET:
            self._inbox.put_market(route.instrument, content, self._clock(), route.whole)
            self.came.set()
        elif route.sort is Sort.NEWS:
            self.came.set()
            return self._inbox.put_news(content, self._clock())
        return True

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, texts: list[str]) -> None:
        """Send, within the time that a connection may take to be made."""
        async with asyncio.timeout(self._patience.connect_s):
            for text in texts:
                await socket.send_str(text)


def _retry_after_s(refusal: aiohttp.WSServerHandshakeError) -> float:
    """For how long the venue asks to stay away; an ordinary wait where it does not say."""
    said = refusal.headers.get("Retry-After", "") if refusal.headers else ""
    return min(float(said), RETRY_AFTER_MAX_S) if said.isdecimal() else 0.0
