# SPDX-License-Identifier: Apache-2.0
"""A way to a server on loopback that breaks at random: connections cut before or after the server
has heard, others that stay open and silent, and answers of 429. Streams are cut or fall silent in
the midst of what the server says."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from contextlib import suppress

BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FAULTS = ("refused", "cut before", "cut after", "busy", "half-open")
STREAM_FAULTS = ("stream cut", "stream silent")
CHUNK_BYTES, HALF_OPEN_S = 65_536, 7.0
# A stream is heard more often than a request is made.
STREAM_SHARE = 0.3


class Breaking:
    """Forwards to a port; of the requests a `share` meets a fault while it is above 0."""

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._random = port, random.Random(seed)
        self.share, self.met = 0.0, Counter[str]()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._begun, self._ended = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), daemon=True
        )

    def __enter__(self) -> Breaking:
        self._thread.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._begun.set()
        await self._ended.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await self._forward((reader, writer), (there, back))
            finally:
                back.close()
        writer.close()

    async def _forward(
        self,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        answers: asyncio.Task[None] | None = None
        try:
            while data := await here[0].read(CHUNK_BYTES):
                fault = self._drawn()
                if fault in ("refused", "cut before"):
                    return
                if fault == "busy":
                    here[1].write(BUSY)
                    await here[1].drain()
                    return
                if fault is not None and answers is not None:
                    answers.cancel()
                there[1].write(data)
                await there[1].drain()
                if fault == "cut after":
                    # The server has heard all; nobody hears what it says.
                    await asyncio.wait_for(there[0].read(CHUNK_BYTES), 2.0)
                    return
                if fault == "half-open":
                    await asyncio.sleep(HALF_OPEN_S)
                    return
                if answers is None:
                    streams = b"upgrade: websocket" in data.lower()
                    answers = asyncio.create_task(self._pipe(there[0], here[1], streams))
        finally:
            if answers is not None:
                answers.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await answers

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, streams: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                fault = self._drawn(STREAM_FAULTS, STREAM_SHARE) if streams else None
                if fault == "stream cut":
                    break
                if fault == "stream silent":
                    # Until whoever listens gives it up.
                    return
                writer.write(data)
                await writer.drain()
            writer.close()

    def _drawn(self, faults: tuple[str, ...] = FAULTS, part: float = 1.0) -> str | None:
        if self._random.random() >= self.share * part:
            return None
        fault = self._random.choice(faults)
        self.met[fault] += 1
        return fault
