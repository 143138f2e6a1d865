# SPDX-License-Identifier: Apache-2.0
"""The server itself: loopback alone, any bytes, limits, slow readers, and what subscribers hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

import aiohttp  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.venues.hyperliquid_server.running import (  # noqa: E402
    ADDRESSES,
    KEYS,
    Venue,
    signed,
    wire,
)
from tidegate.model.errors import InputError  # noqa: E402
from tidegate.model.times import MINUTE_MS  # noqa: E402
from tidegate.venues.hyperliquid_server import connection, server  # noqa: E402

WORDS = "type user coin oid startTime endTime req interval dex nSigFigs mantissa method id".split()
KINDS = "meta l2Book candleSnapshot orderStatus userFills clearinghouseState subscribe post".split()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*KINDS, "BTC", ADDRESSES[0], "info", "action", "allMids", "userFills"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WORDS, "subscription", "request", "payload", "action", "nonce"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@asynccontextmanager
async def served(venue: Venue) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async with (
        server.serving(venue.house, 0, by_itself=False) as one,
        aiohttp.ClientSession() as session,
    ):
        yield session, f"http://127.0.0.1:{one.port}"


def run(venue: Venue, talk: Callable[[aiohttp.ClientSession, str], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with served(venue) as (session, url):
            return await talk(session, url)

    return asyncio.run(whole())


async def hear(socket: Any, channel: str) -> Any:
    """The next message of a channel."""
    while True:
        said = await asyncio.wait_for(socket.receive_json(), 10)
        if said["channel"] == channel:
            return said["data"]


def subscribe(kind: str, **fields: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": {"type": kind} | fields}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.org", ""])
def test_a_host_that_is_not_loopback_is_refused(host: str) -> None:
    async def serve() -> None:
        async with server.serving(Venue().house, 0, host):
            pass

    with pytest.raises(InputError, match="loopback"):
        asyncio.run(serve())


def test_a_page_of_another_name_or_origin_is_not_served() -> None:
    async def talk(session: aiohttp.ClientSession, url: str) -> list[int]:
        body = json.dumps({"type": "meta"})
        found = []
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {}):
            async with session.post(f"{url}/info", data=body, headers=headers) as reply:
                found.append(reply.status)
        return found

    assert run(Venue(), talk) == [403, 403, 200]


def test_a_body_beyond_the_limit_is_refused() -> None:
    async def talk(session: aiohttp.ClientSession, url: str) -> int:
        body = b"[" * (server.BODY_BYTES_MAX + 1)
        async with session.post(f"{url}/exchange", data=body) as reply:
            return reply.status

    assert run(Venue(), talk) == 413


@settings(max_examples=120)
@given(body=JSON | st.binary(max_size=80), path=st.sampled_from(["/info", "/exchange"]))
def test_any_body_is_answered_or_refused_as_the_venue_refuses_it(body: bytes, path: str) -> None:
    assert Direct().request(path, body) in (200, 422)


class Direct:
    """The answers of a server without its sockets."""

    venue: Venue | None = None

    def __init__(self) -> None:
        Direct.venue = Direct.venue or Venue()
        self.server = server.HyperliquidServer(Direct.venue.house)

    def request(self, path: str, body: bytes) -> int:
        answer = self.server.answer_info if path == "/info" else self.server.answer_exchange
        return self.server.reply_to(body, answer).status


@settings(max_examples=120)
@given(JSON | st.binary(max_size=80))
def test_any_message_over_a_socket_is_answered_by_one_message_at_least(text: bytes) -> None:
    told: list[bytes] = []
    listener = Listener(told)
    Direct().server.hear(listener, text)  # type: ignore[arg-type]
    assert told
    assert all("channel" in json.loads(one) for one in told)


class Listener:
    """A connection that keeps what it is told."""

    def __init__(self, told: list[bytes]) -> None:
        self.topics: set[Any] = set()
        self.say = told.append


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_deep_nesting_is_refused_and_the_server_lives(depth: int) -> None:
    for path in ("/info", "/exchange"):
        assert Direct().request(path, b"[" * depth) == 422


def test_beyond_1200_of_weight_a_minute_the_answer_is_429_until_the_minute_passes() -> None:
    venue = Venue(weight=1200)

    async def talk(session: aiohttp.ClientSession, url: str) -> list[int]:
        async def ask() -> int:
            async with session.post(f"{url}/info", json={"type": "meta"}) as reply:
                await reply.read()
                return reply.status

        found = [await ask() for _ in range(61)]
        venue.clock.pass_ms(MINUTE_MS)
        return [*found, await ask()]

    assert run(venue, talk) == [200] * 60 + [429, 200]


class Stuck:
    """A socket whose other end never reads, and its transport."""

    def __init__(self) -> None:
        self.transport, self.aborted = self, False

    def abort(self) -> None:
        self.aborted = True

    async def send_str(self, text: str) -> None:
        await asyncio.Event().wait()


def test_a_reader_that_does_not_read_is_dropped_when_its_queue_is_full() -> None:
    async def whole() -> tuple[bool, bool]:
        stuck: Any = Stuck()
        one = connection.Connection(stuck, stuck)
        sender = asyncio.create_task(one.run())
        await asyncio.sleep(0)
        for _ in range(connection.QUEUE_MAX):
            one.say(b"{}")
        assert not stuck.aborted
        one.say(b"{}")
        sender.cancel()
        return stuck.aborted, one.dropped

    assert asyncio.run(whole()) == (True, True)


def test_a_reader_that_takes_nothing_for_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_MAX_S", 0.01)

    async def whole() -> bool:
        stuck: Any = Stuck()
        one = connection.Connection(stuck, stuck)
        one.say(b"{}")
        await asyncio.wait_for(one.run(), 10)
        return bool(stuck.aborted)

    assert asyncio.run(whole())


class Taking:
    """A socket that takes everything."""

    async def send_str(self, text: str) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("steps", range(5))
def test_a_sender_that_is_cancelled_as_a_message_comes_ends(steps: int) -> None:
    async def whole() -> bool:
        taking: Any = Taking()
        one = connection.Connection(taking, taking)
        sender = asyncio.create_task(one.run())
        await asyncio.sleep(0.001)
        one.say(b"{}")
        for _ in range(steps):
            await asyncio.sleep(0)
        sender.cancel()
        done, _ = await asyncio.wait({sender}, timeout=1)
        return sender in done

    assert asyncio.run(whole())


@pytest.mark.soak
def test_a_client_that_asks_and_never_reads_is_dropped_and_the_server_serves_on() -> None:
    venue = Venue()

    async def talk(session: aiohttp.ClientSession, url: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        said = json.dumps({"method": "post", "id": 1, "request": POSTED}).encode()

        async def flood() -> None:
            while True:
                writer.write(frame(said))
                await writer.drain()
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await flood()
        writer.close()
        async with session.post(f"{url}/info", json={"type": "meta"}) as reply:
            return reply.status

    assert run(venue, talk) == 200


POSTED = {"type": "info", "payload": {"type": "webData2", "user": ADDRESSES[0]}}
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(text: bytes) -> bytes:
    """A masked frame of text with a mask of zeros."""
    length = bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    if len(text) < 126:
        length = bytes([0x80 | len(text)])
    return b"\x81" + length + b"\x00" * 4 + text


def test_a_subscriber_hears_the_book_of_its_coin_and_orders_and_fills_of_its_user() -> None:
    venue = Venue()

    async def talk(session: aiohttp.ClientSession, url: str) -> list[Any]:
        async with session.ws_connect(f"{url}/ws") as socket:
            for said in (
                subscribe("l2Book", coin="BTC"),
                subscribe("orderUpdates", user=ADDRESSES[0]),
                subscribe("userFills", user=ADDRESSES[0].upper().replace("0X", "0x")),
            ):
                await socket.send_json(said)
                assert (await hear(socket, "subscriptionResponse"))["method"] == "subscribe"
            venue.clock.pass_ms(30_000)
            action = {"type": "order", "orders": [wire("105000", tif="Ioc")], "grouping": "na"}
            body = signed(action, KEYS[0], venue.nonce())
            async with session.post(f"{url}/exchange", data=body) as reply:
                placed = (await reply.json())["response"]["data"]["statuses"][0]
            book = await hear(socket, "l2Book")
            return [
                placed,
                book,
                await hear(socket, "orderUpdates"),
                await hear(socket, "userFills"),
            ]

    placed, book, orders, fills = run(venue, talk)
    assert book["coin"] == "BTC"
    assert len(book["levels"]) == 2
    assert orders[-1]["order"]["oid"] == placed["filled"]["oid"]
    assert orders[-1]["status"] == "filled"
    assert fills["fills"][-1]["oid"] == placed["filled"]["oid"]


def test_pings_posts_and_errors_are_answered_over_the_socket() -> None:
    venue = Venue()

    async def talk(session: aiohttp.ClientSession, url: str) -> list[Any]:
        async with session.ws_connect(f"{url}/ws") as socket:
            body = json.loads(signed({"type": "noop"}, KEYS[0], venue.nonce()))
            for said in (
                {"method": "ping"},
                {"method": "post", "id": 7, "request": {"type": "action", "payload": body}},
                {"method": "post", "id": 8, "request": {"type": "info", "payload": {"type": "?"}}},
                subscribe("allMids"),
                subscribe("allMids"),
                subscribe("l2Book", coin="NONE"),
                {"method": "unsubscribe", "subscription": {"type": "allMids"}},
                {"method": "unsubscribe", "subscription": {"type": "allMids"}},
            ):
                await socket.send_json(said)
            found = []
            while len(found) < 9:
                found.append(await asyncio.wait_for(socket.receive_json(), 10))
            return found

    said = run(venue, talk)
    assert said[0] == {"channel": "pong"}
    assert said[1]["data"]["response"]["payload"]["status"] == "ok"
    assert (said[2]["data"]["id"], said[2]["data"]["response"]["type"]) == (8, "error")
    assert [one["channel"] for one in said[3:5]] == ["subscriptionResponse", "allMids"]
    assert said[5]["data"].startswith("Already subscribed")
    assert said[6]["channel"] == "error"
    assert said[7]["data"]["method"] == "unsubscribe"
    assert said[8]["data"].startswith("Already unsubscribed")


def test_a_socket_tracks_ten_users_and_no_more() -> None:
    told: list[bytes] = []
    listener, one = Listener(told), server.HyperliquidServer(Venue().house)
    for number in range(11):
        said = subscribe("userFills", user=f"0x{number:040x}")
        one.hear(listener, json.dumps(said).encode())  # type: ignore[arg-type]
    assert json.loads(told[-1])["channel"] == "error"
    assert len(listener.topics) == 10


def test_fields_that_do_not_matter_make_no_other_subscription() -> None:
    told: list[bytes] = []
    listener, one = Listener(told), server.HyperliquidServer(Venue().house)
    for number in range(50):
        said = subscribe("allMids", coin=f"{number}", interval=f"{number}")
        one.hear(listener, json.dumps(said).encode())  # type: ignore[arg-type]
    assert len(listener.topics) == 1


def test_at_most_64_addresses_have_an_account() -> None:
    one = server.HyperliquidServer(Venue().house)
    found = []
    for number in range(70):
        body = json.dumps({"type": "openOrders", "user": f"0x{number:040x}"}).encode()
        found.append(one.reply_to(body, one.answer_info).status)
    assert found == [200] * 62 + [422] * 8


def test_a_connection_that_was_told_nothing_for_a_minute_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "SILENCE_MAX_S", 0.05)

    async def talk(session: aiohttp.ClientSession, url: str) -> Any:
        async with session.ws_connect(f"{url}/ws") as socket:
            return (await asyncio.wait_for(socket.receive(), 10)).type

    assert run(Venue(), talk) is aiohttp.WSMsgType.CLOSE


def test_a_stopped_server_leaves_no_task_behind() -> None:
    async def whole() -> int:
        before = len(asyncio.all_tasks())
        async with served(Venue()) as (session, url):
            socket = await session.ws_connect(f"{url}/ws")
            await socket.send_json(subscribe("allMids"))
            await hear(socket, "allMids")
        await asyncio.sleep(0)
        return len(asyncio.all_tasks()) - before

    assert asyncio.run(whole()) == 0
