# SPDX-License-Identifier: Apache-2.0
"""A venue on loopback, served to ccxt's own HTTP, that can fail in the ways of venues."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Queue
from typing import Any, NamedTuple

from aiohttp import web

Fault = tuple[str, int]


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    params: dict[str, Any]
    headers: Mapping[str, str]
    raw: str


class Answer(NamedTuple):
    """What is said to it."""

    status: int
    body: Any


class Wire:
    """The requests that came, and what is to go wrong: by the end of a path, `lost` (done, but the
    connection breaks before the answer), a status that is told instead of doing, or `done` and a
    status after doing."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.told: list[tuple[str, Answer]] = []
        self.faults: dict[str, list[Fault]] = {}

    def fail(self, end: str, kind: str, status: int = 0) -> None:
        self.faults.setdefault(end, []).append((kind, status))

    def next_fault(self, path: str) -> Fault:
        for end, faults in self.faults.items():
            if path.endswith(end) and faults:
                return faults.pop(0)
        return "", 0

    def count(self, method: str, end: str) -> int:
        return sum(one.method == method and one.path.endswith(end) for one in self.asked)


def _read(request: web.Request, text: str) -> tuple[dict[str, Any], str]:
    query = dict(request.query)
    if request.content_type == "application/json" and text:
        return {**query, **json.loads(text)}, text
    body = dict(part.partition("=")[::2] for part in text.split("&") if part)
    return {**query, **body}, text or request.raw_path.partition("?")[2]


@contextmanager
def served(answer: Callable[[Asked], Answer], wire: Wire) -> Iterator[str]:
    """The venue's address while it is there."""

    async def handle(request: web.Request) -> web.StreamResponse:
        params, raw = _read(request, await request.text())
        asked = Asked(request.method, request.path, params, request.headers, raw)
        wire.asked.append(asked)
        kind, status = wire.next_fault(request.path)
        if kind == "told":
            return web.json_response({}, status=status)
        said = answer(asked)
        wire.told.append((request.path, said))
        if kind == "lost":
            assert request.transport is not None
            request.transport.close()
        return web.json_response(said.body, status=status if kind == "done" else said.status)

    started: Queue[tuple[int, Callable[[], None]]] = Queue()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        started.put((runner.addresses[0][1], lambda: loop.call_soon_threadsafe(ended.set) and None))
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    port, end = started.get(timeout=30)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end()
        thread.join()
