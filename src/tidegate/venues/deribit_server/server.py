# SPDX-License-Identifier: Apache-2.0
"""The local Deribit on its wires: JSON-RPC over HTTP and WebSocket, on loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tidegate.model.errors import InputError
from tidegate.venues.deribit_server.house import BODY_MAX, House, encode, envelope
from tidegate.venues.deribit_server.refusals import HTTP_STATUS, Refusal
from tidegate.venues.deribit_server.session import Session

HOST, REST, WEBSOCKET = "127.0.0.1", "/api/v2/", "/ws/api/v2"
LOOK_S, CONNECTIONS_MAX, SEND_S = 0.1, 32, 10.0
OK, REFUSED, HTTP_FORBIDDEN = 200, 400, 403
_OURS = re.compile(r"(https?://)?(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves a house until it is stopped; `port` 0 takes a free one."""

    def __init__(self, house: House, port: int, host: str = HOST) -> None:
        if not _is_loopback(host):
            raise InputError("tidegate paper", host, "expected a loopback address")
        self._house, self._wished, self._host = house, port, host
        self._numbers = itertools.count(1)
        self._looking: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Server:
        app = web.Application(client_max_size=BODY_MAX, middlewares=[web.middleware(_from_here)])
        app.router.add_get(WEBSOCKET, self._connected)
        app.router.add_post(REST.rstrip("/"), self._posted)
        app.router.add_get(REST + "{method:.*}", self._got)
        app.router.add_post(REST + "{method:.*}", self._posted)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._wished)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            expected = f"expected a free one ({error.strerror})"
            raise InputError("tidegate paper", "--port", expected) from None
        self.port = self._runner.addresses[0][1]
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        if self._runner is not None:
            await self._runner.cleanup()

    async def to_the_end(self) -> None:
        """Serve until the market ends; what fails while its time passes is raised here."""
        street = self._house.street
        while street.now_ms + street.market.terms.tick_ms <= street.end_ms:
            if self._looking is not None and self._looking.done():
                self._looking.result()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        """Let the market's time pass; where it is late, it is not waited for."""
        while True:
            caught_up = self._house.look()
            await asyncio.sleep(LOOK_S if caught_up else 0)

    async def _got(self, request: web.Request) -> web.Response:
        params = dict(request.query)
        return self._respond(request, request.match_info["method"], params, "")

    async def _posted(self, request: web.Request) -> web.Response:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _json({"error": {"code": -32600, "message": "Invalid Request"}}, REFUSED)
        session = Session("http")
        body = raw.decode(errors="replace")
        refusal = self._authorise(session, request, body)
        if refusal is not None:
            return self._refused(session, refusal)
        said = self._house.answer(session, raw)
        self._house.look()
        return _json(said, _status(said))

    def _respond(
        self, request: web.Request, method: str, params: dict[str, str], body: str
    ) -> web.Response:
        session, began_us = Session("http"), time.time_ns() // 1_000
        try:
            refusal = self._authorise(session, request, body)
            if refusal is not None:
                raise refusal
            said: dict[str, Any] = {"result": self._house.call(session, method, params)}
        except Refusal as refusal:
            said = {"error": self._house.error(session, refusal)}
        self._house.look()
        return _json(envelope(None, said, began_us), _status(said))

    def _refused(self, session: Session, refusal: Refusal) -> web.Response:
        said = {"error": self._house.error(session, refusal)}
        return _json(envelope(None, said, time.time_ns() // 1_000), _status(said))

    def _authorise(self, session: Session, request: web.Request, body: str) -> Refusal | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        signed = request.method, request.raw_path, body
        try:
            keyring = self._house.keyring
            session.principal = keyring.by_header(header, signed, self._house.wall_ms())
        except Refusal as refusal:
            return refusal
        return None

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        if self._house.sessions >= CONNECTIONS_MAX:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=BODY_MAX, autoping=True)
        await socket.prepare(request)
        waiting = asyncio.Event()
        session = Session(f"ws-{next(self._numbers)}", True, wake=waiting.set)
        self._house.join(session)
        writing = asyncio.create_task(_write(socket, session, waiting))
        try:
            await self._read(socket, session)
        finally:
            self._house.leave(session)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await socket.close()
        return socket

    async def _read(self, socket: web.WebSocketResponse, session: Session) -> None:
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            data = message.data
            raw = data.encode(errors="replace") if isinstance(data, str) else data
            session.push(self._house.answer(session, raw))
            self._house.look()


async def _write(socket: web.WebSocketResponse, session: Session, waiting: asyncio.Event) -> None:
    """Send what waits; who takes too long to read one message, or was dropped, is closed."""
    while not socket.closed:
        await waiting.wait()
        waiting.clear()
        if session.dropped == "slow reader":
            break
        try:
            while session.outbox:
                text = encode(session.outbox.popleft()).decode()
                await asyncio.wait_for(socket.send_str(text), SEND_S)
        except (TimeoutError, ConnectionError):
            break
        if session.dropped:
            break
    with suppress(TimeoutError, ConnectionError):
        closing = socket.close(code=WSCloseCode.POLICY_VIOLATION, message=session.dropped.encode())
        await asyncio.wait_for(closing, SEND_S)


def run(house: House, port: int, say: Callable[[int], None]) -> None:
    """Serve a house until its market ends, and say at which port once it stands."""

    async def serve() -> None:
        async with Server(house, port) as server:
            say(server.port)
            await server.to_the_end()

    asyncio.run(serve())


async def _from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what reached us under another name, or was sent by a page of another site, so that no
    page in a browser reaches paper accounts."""
    names = request.headers.get("Host", ""), request.headers.get("Origin", "http://localhost")
    if not all(_OURS.fullmatch(name) for name in names):
        return web.Response(status=HTTP_FORBIDDEN)
    return await handler(request)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _status(said: dict[str, Any]) -> int:
    error = said.get("error")
    return OK if error is None else HTTP_STATUS.get(error["code"], REFUSED)


def _json(said: dict[str, Any], status: int) -> web.Response:
    return web.Response(body=encode(said), status=status, content_type="application/json")
