# SPDX-License-Identifier: Apache-2.0
"""The local server's sockets: loopback only, refusals that close, slow and silent readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.venues.deribit_server.houses import MAIN, Held, held, served
from tidegate.model.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")
Tried = Callable[[Held, str, Any], Awaitable[None]]


@pytest.fixture(autouse=True)
def live() -> None:
    pytest.importorskip("aiohttp", reason="the extra `live` is not installed")


def tried(test: Tried, passing_s: float = 0.05) -> None:
    """Run a test with a served house, its address and a client's session."""

    import aiohttp

    async def run() -> None:
        async with served(passing_s) as (house, port), aiohttp.ClientSession() as client:
            await asyncio.wait_for(test(house, f"127.0.0.1:{port}", client), 120)

    asyncio.run(run())


async def said(socket: Any, method: str, number: int = 1, **params: Any) -> Any:
    await socket.send_json({"id": number, "method": method, "params": params})
    while (message := await socket.receive_json()).get("id") != number:
        pass
    return message


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_server_refuses_to_stand_anywhere_but_on_loopback(host: str) -> None:
    from tidegate.venues.deribit_server.server import Server

    with pytest.raises(InputError, match="loopback"):
        Server(held().house, 0, host)


def test_http_takes_queries_and_json_and_says_errors_by_status() -> None:
    import aiohttp

    async def test(house: Held, at: str, client: Any) -> None:
        base = f"http://{at}/api/v2"
        async with client.get(f"{base}/public/get_time") as got:
            assert (got.status, (await got.json())["result"]) == (200, house.house.street.now_ms)
        request = {"id": 5, "method": "public/test", "params": {}}
        for path in ("", "/public/test"):
            async with client.post(base + path, json=request) as got:
                assert (await got.json())["id"] == 5
        for path, status in (("/public/none", 400), ("/private/get_positions", 401)):
            async with client.get(base + path) as got:
                assert got.status == status
                assert "error" in await got.json()
        async with client.post(base, data=b"x" * 70_000) as got:
            assert got.status == 400
        key = aiohttp.BasicAuth(MAIN.client_id, MAIN.client_secret)
        async with client.get(f"{base}/private/get_subaccounts", auth=key) as got:
            assert len((await got.json())["result"]) == 3

    tried(test)


def test_a_page_of_another_site_and_another_name_of_this_machine_are_refused() -> None:
    async def test(house: Held, at: str, client: Any) -> None:
        url = f"http://{at}/api/v2/public/test"
        pages = ("https://example.org", "null", "http://127.0.0.1.example.org", "http://[")
        for headers in (*({"Origin": page} for page in pages), {"Host": "example.org"}):
            async with client.get(url, headers=headers) as got:
                assert got.status == 403
        for headers in ({"Origin": f"http://{at}"}, {"Host": at.replace("127.0.0.1", "localhost")}):
            async with client.get(url, headers=headers) as got:
                assert got.status == 200

    tried(test)


def test_a_socket_beyond_its_rate_is_told_and_closed() -> None:
    import aiohttp

    async def test(house: Held, at: str, client: Any) -> None:
        from tidegate.venues.deribit_server.credits import Limits

        house.house.limits = Limits()
        async with client.ws_connect(f"ws://{at}/ws/api/v2") as socket:
            for _ in range(130):
                await socket.send_json({"id": 1, "method": "public/test"})
            codes, message = [], await socket.receive()
            while message.type == aiohttp.WSMsgType.TEXT:
                codes.append(json.loads(message.data).get("error", {}).get("code"))
                message = await socket.receive()
            assert codes[-1] == 10028
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    tried(test)


def test_a_socket_that_is_never_read_is_dropped_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tidegate.venues.deribit_server.session.OUTBOX_MAX", 20)
    monkeypatch.setattr("tidegate.venues.deribit_server.server.SEND_S", 0.5)
    deaf = "slow reader"

    async def test(house: Held, at: str, client: Any) -> None:
        url = f"ws://{at}/ws/api/v2"
        async with client.ws_connect(url) as heard:
            _, writer = await _deaf_socket(at)
            while not (sessions := [s for s in house.house.connections() if len(s.channels) > 50]):
                await asyncio.sleep(0.01)
            before = house.house.sessions
            while sessions[0] in house.house.connections():
                await asyncio.sleep(0.05)
            assert house.house.sessions == before - 1
            assert sessions[0].dropped in ("", deaf)
            assert len(sessions[0].outbox) <= 20
            assert "result" in await said(heard, "public/test")
            writer.close()

    tried(test, 0.02)


async def _deaf_socket(at: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that subscribes to all books and then reads nothing."""
    host, _, port = at.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    head = f"GET /ws/api/v2 HTTP/1.1\r\nHost: {at}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    writer.write((head + key).encode())
    symbols = [s for s in held().house.street.instruments if s.startswith(("BTC", "ETH"))][:200]
    names = [f"{kind}.{symbol}.100ms" for symbol in symbols for kind in ("ticker", "book")]
    request = json.dumps({"id": 1, "method": "public/subscribe", "params": {"channels": names}})
    raw = request.encode()
    # A client's text frame of more than 125 bytes, with a mask of nought.
    writer.write(b"\x81\xfe" + len(raw).to_bytes(2) + bytes(4) + raw)
    await writer.drain()
    return reader, writer


def test_a_lost_socket_cancels_its_orders_and_leaves_nothing_behind() -> None:
    async def test(house: Held, at: str, client: Any) -> None:
        before = house.house.sessions
        async with client.ws_connect(f"ws://{at}/ws/api/v2") as socket:
            keys = {"client_id": MAIN.client_id, "client_secret": MAIN.client_secret}
            await said(socket, "public/auth", grant_type="client_credentials", **keys)
            await said(socket, "private/enable_cancel_on_disconnect")
            order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 90_000}
            assert "result" in await said(socket, "private/buy", **order)
            assert len(house.account.open_orders()) == 1
        while house.house.sessions > before:
            await asyncio.sleep(0.01)
        assert house.account.open_orders() == []

    tried(test)


def test_no_task_is_left_when_the_server_has_stopped() -> None:
    import aiohttp

    async def run() -> set[asyncio.Task[Any]]:
        async with served() as (_, port), aiohttp.ClientSession() as client:
            for _ in range(5):
                async with client.ws_connect(f"ws://127.0.0.1:{port}/ws/api/v2") as socket:
                    await said(socket, "public/test")
        await asyncio.sleep(0.05)
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(run()) == set()
