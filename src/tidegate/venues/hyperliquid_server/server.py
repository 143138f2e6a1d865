# SPDX-License-Identifier: Apache-2.0
"""The server: POST /info, POST /exchange and /ws on loopback, in one process and one thread.

Time passes before each request and a few times a second between them; what happens is told to
subscribers at once. A page in a browser may reach loopback by another name or from another origin;
it is not served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.venues.hyperliquid_server import exchange, info
from tidegate.venues.hyperliquid_server.connection import Connection
from tidegate.venues.hyperliquid_server.feeds import Feeds
from tidegate.venues.hyperliquid_server.house import House
from tidegate.venues.hyperliquid_server.questions import (
    Asked,
    Message,
    messages,
    questions,
    subscriptions,
)
from tidegate.venues.hyperliquid_server.rate_limits import exchange_weight, info_weight

LOOPBACK = "127.0.0.1"
HOSTS = frozenset({LOOPBACK, "localhost", "[::1]"})
BODY_BYTES_MAX, MESSAGE_BYTES_MAX = 256 * 1024, 64 * 1024
BODY_TIMEOUT_S, TICK_S = 10.0, 0.1
CONNECTIONS_MAX = 100
UNREADABLE = "Failed to deserialize the JSON body into the target type"


class TooMany(Exception):
    """More was asked for than a minute carries."""


class HyperliquidServer:
    """Answers for a house until it is closed."""

    def __init__(self, house: House) -> None:
        self._house, self._feeds = house, Feeds(house)
        self._connections: set[Connection] = set()

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(
            client_max_size=BODY_BYTES_MAX, middlewares=[web.middleware(_local_only)]
        )
        app.on_shutdown.append(self.hang_up)
        app.router.add_post("/info", self._info)
        app.router.add_post("/exchange", self._exchange)
        app.router.add_get("/ws", self._ws)
        return app

    def pass_time(self) -> bool:
        """Let time pass, and tell of it; whether the market is up to its clock."""
        news = self._house.advance()
        self._feeds.publish(news)
        return news.caught_up

    async def keep_time(self) -> None:
        """Let time pass by itself."""
        while True:
            await asyncio.sleep(TICK_S if self.pass_time() else 0)

    async def hang_up(self, _: web.Application) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.drop()

    def answer_info(self, body: bytes | msgspec.Raw) -> Any:
        """The answer to a question; raises `TooMany`, `info.Unanswerable`, or unreadable JSON."""
        self._check_weight()
        question = questions.decode(body)
        answer = info.answer(self._house, question)
        items = len(answer) if isinstance(answer, list) else 0
        self._weigh(info_weight(question.type, items))
        return answer

    def answer_exchange(self, body: bytes | msgspec.Raw) -> Any:
        """The reply to an action; raises `TooMany`, or unreadable JSON."""
        self._check_weight()
        reply, count = exchange.answer(self._house, bytes(body))
        self._weigh(exchange_weight(count))
        return reply

    def _check_weight(self) -> None:
        if self._house.weights.full(self._house.wall_ms()):
            raise TooMany

    def _weigh(self, weight: int) -> None:
        self._house.weights.take(weight, self._house.wall_ms())

    async def _info(self, request: web.Request) -> web.Response:
        return await self._reply(request, self.answer_info)

    async def _exchange(self, request: web.Request) -> web.Response:
        return await self._reply(request, self.answer_exchange)

    async def _reply(self, request: web.Request, answer: Callable[[bytes], Any]) -> web.Response:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        return self.reply_to(body, answer)

    def reply_to(self, body: bytes, answer: Callable[[bytes], Any]) -> web.Response:
        """The response to a body: what an answer says, 422 where it cannot be read, or 429."""
        self.pass_time()
        try:
            said = answer(body)
        except TooMany:
            return _json(b"null", 429)
        except (*UNREADABLE_JSON, info.Unanswerable):
            return web.Response(status=422, text=UNREADABLE)
        self.pass_time()
        return _json(msgspec.json.encode(said), 200)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        if len(self._connections) >= CONNECTIONS_MAX:
            return web.Response(status=429)
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX, autoping=True)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.add(connection)
        sender = asyncio.create_task(connection.run())
        try:
            await self._listen(socket, connection)
        finally:
            self._feeds.leave(connection)
            self._connections.discard(connection)
            sender.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sender
        return socket

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                return
            if connection.hears_too_much(self._house.wall_ms()):
                connection.drop()
                return
            self.pass_time()
            self.hear(connection, frame.data.encode())
            self.pass_time()

    def hear(self, connection: Connection, text: bytes) -> None:
        """One message of a client, and what it is told."""
        try:
            said = messages.decode(text)
            if said.method == "ping":
                connection.say(b'{"channel":"pong"}')
            elif said.method == "post" and said.id is not None and said.request is not None:
                told = {"id": said.id, "response": self._posted(said.request)}
                connection.say(_message("post", told))
            else:
                self._subscribe(connection, said)
        except (*UNREADABLE_JSON, info.Unanswerable) as error:
            connection.say(
                _message("error", f"{_why(error)}: {text[:500].decode(errors='replace')}")
            )

    def _subscribe(self, connection: Connection, said: Message) -> None:
        wanted, first = subscriptions.decode(said.subscription), None
        if said.method == "subscribe":
            first = self._feeds.subscribe(connection, wanted)
        elif said.method == "unsubscribe":
            self._feeds.unsubscribe(connection, wanted)
        else:
            raise info.Unanswerable("Error parsing JSON into valid websocket request")
        echo = {"method": said.method, "subscription": said.subscription}
        connection.say(_message("subscriptionResponse", echo))
        if first is not None:
            connection.say(first)

    def _posted(self, request: Asked) -> Any:
        kind, payload = request.type, request.payload
        try:
            if kind == "action":
                return {"type": kind, "payload": self.answer_exchange(payload)}
            if kind == "info":
                said = {"type": questions.decode(payload).type, "data": self.answer_info(payload)}
                return {"type": kind, "payload": said}
        except TooMany:
            return {"type": "error", "payload": "429 Too Many Requests"}
        except (*UNREADABLE_JSON, info.Unanswerable):
            pass
        return {"type": "error", "payload": f"422 {UNREADABLE}"}


def _why(error: BaseException) -> str:
    if isinstance(error, info.Unanswerable) and str(error)[:1].isupper():
        return str(error)
    return "Invalid subscription or request"


def _message(channel: str, data: Any) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


def _json(body: bytes, status: int) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


async def _local_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """Serve who speaks to loopback by its name, and no page that came from elsewhere."""
    origin = request.headers.get("Origin")
    named = [request.host, *([] if origin is None else [origin.partition("//")[2]])]
    if not all(_without_port(name) in HOSTS for name in named):
        return web.Response(status=403, text=f"expected the host {LOOPBACK}, and no other origin")
    response: web.StreamResponse = await handler(request)
    return response


def _without_port(name: str) -> str:
    head, colon, port = name.rpartition(":")
    return head if colon and port.isdecimal() else name


@dataclass(frozen=True, slots=True)
class Served:
    """Where a house is served, and what lets its time pass by itself."""

    port: int
    keeper: asyncio.Task[None] | None

    def check(self) -> None:
        """Raise what stopped the time."""
        if self.keeper is not None and self.keeper.done():
            self.keeper.result()


@asynccontextmanager
async def serving(
    house: House, port: int, host: str = LOOPBACK, by_itself: bool = True
) -> AsyncIterator[Served]:
    """Serve a house. `by_itself` lets time pass between requests.

    Raises `InputError` for a host that is not loopback, and a port that is taken.
    """
    if not _is_loopback(host):
        raise InputError("--host", host, "expected an address of loopback")
    server = HyperliquidServer(house)
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    keeper: asyncio.Task[None] | None = None
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise InputError("--port", str(port), f"expected a free port ({error})") from None
        if by_itself:
            keeper = asyncio.create_task(server.keep_time())
        yield Served(int(runner.addresses[0][1]), keeper)
    finally:
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        await runner.cleanup()


def serve_to_the_end(house: House, port: int, begun: Callable[[int], None]) -> None:
    """Serve a house until its market ends; `begun` is told the port."""

    async def serve() -> None:
        street = house.street
        async with serving(house, port) as served:
            begun(served.port)
            while street.now_ms + street.market.terms.tick_ms <= street.end_ms:
                served.check()
                await asyncio.sleep(TICK_S)

    asyncio.run(serve())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
