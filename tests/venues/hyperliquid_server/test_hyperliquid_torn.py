# SPDX-License-Identifier: Apache-2.0
"""Connections that break at any time: each order once, the account to the integer, no task left."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from contextlib import suppress
from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

import aiohttp  # noqa: E402

from tests.soak import Budget  # noqa: E402
from tests.venues.hyperliquid_server.running import (  # noqa: E402
    ADDRESSES,
    COINS,
    KEYS,
    OPENING,
    Venue,
    signed,
    wire,
)
from tidegate.venues.hyperliquid_server import listing, server  # noqa: E402
from tidegate.venues.street.clock import HandClock  # noqa: E402
from tidegate.venues.street.street import Street  # noqa: E402
from tidegate.venues.street.values import NewOrder  # noqa: E402

ORDERS, LISTENERS, STEP_MS = 60, 4, 5_000
USER = {"user": ADDRESSES[0]}
BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Trader:
    """Sends each order until it is known, over requests of which some break."""

    def __init__(self, session: aiohttp.ClientSession, url: str, rng: random.Random) -> None:
        self._session, self._url, self._rng = session, url, rng
        self.torn = 0

    async def send(self, body: bytes, cloid: str) -> None:
        while True:
            with suppress(*BROKEN):
                await self._post("/exchange", body)
            with suppress(*BROKEN):
                asked = {"type": "orderStatus", "user": ADDRESSES[0], "oid": cloid}
                if (await self._post("/info", json.dumps(asked).encode()))["status"] == "order":
                    return

    async def _post(self, path: str, body: bytes) -> Any:
        """A request; a third are given up at any moment, sent or not."""
        patience_s = self._rng.uniform(0, 0.02) if self._rng.random() < 0.3 else 30.0
        try:
            async with asyncio.timeout(patience_s):
                async with self._session.post(f"{self._url}{path}", data=body) as reply:
                    return await reply.json()
        except TimeoutError:
            self.torn += 1
            raise


async def listen(session: aiohttp.ClientSession, url: str, rng: random.Random) -> None:
    """Subscribe and tear, over and over."""
    while True:
        with suppress(*BROKEN):
            async with session.ws_connect(f"{url}/ws") as one:
                for said in ({"type": "l2Book", "coin": "BTC"}, {"type": "webData2"} | USER):
                    await one.send_json({"method": "subscribe", "subscription": said})
                for _ in range(rng.randint(0, 12)):
                    async with asyncio.timeout(0.2):
                        await one.receive()
                if rng.random() < 0.5:
                    one.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def orders(rng: random.Random) -> list[tuple[bool, int, str]]:
    """(buys, hundredths of a bitcoin, time in force) of each order."""
    forces = ("Ioc", "Gtc")
    return [(rng.random() < 0.5, rng.randint(1, 40), rng.choice(forces)) for _ in range(ORDERS)]


async def traded(venue: Venue, seed: int) -> tuple[int, int]:
    """Trade over torn connections; how many requests were given up, and tasks that are left."""
    rng, before = random.Random(seed), len(asyncio.all_tasks())
    async with server.serving(venue.house, 0, by_itself=False) as served:
        url = f"http://127.0.0.1:{served.port}"
        async with aiohttp.ClientSession() as session:
            listeners = [
                asyncio.create_task(listen(session, url, random.Random(seed + n)))
                for n in range(LISTENERS)
            ]
            trader = Trader(session, url, rng)
            for number, (buys, size, force) in enumerate(orders(random.Random(seed))):
                cloid = f"0x{number + 1:032x}"
                text = wire(price_of(venue, buys), f"{size / 100:.2f}".rstrip("0").rstrip("."))
                said = text | {"b": buys, "t": {"limit": {"tif": force}}, "c": cloid}
                action = {"type": "order", "orders": [said], "grouping": "na"}
                await trader.send(signed(action, KEYS[0], venue.nonce()), cloid)
                venue.clock.pass_ms(STEP_MS)
                while not venue.house.advance().caught_up:
                    pass
            for task in listeners:
                task.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)
    await asyncio.sleep(0.1)
    return trader.torn, len(asyncio.all_tasks()) - before


def price_of(venue: Venue, buys: bool) -> str:
    quote = venue.house.quote(COINS[0])
    return str((quote.ask_ticks if buys else quote.bid_ticks) or 0)


def twin(venue: Venue, seed: int) -> int:
    """Equity after the same orders on a street of its own, asked without a server."""
    clock = HandClock(venue.market.begin_ms)
    street = Street(venue.market, listing.terms(COINS), clock)
    account = street.open(ADDRESSES[0], {(listing.VENUE, listing.ASSET): OPENING})
    for buys, size, force in orders(random.Random(seed)):
        quote = street.quote("BTC")
        assert quote is not None
        ticks = quote.ask_ticks if buys else quote.bid_ticks
        lots = size * 1_000 if buys else -size * 1_000
        account.place(NewOrder("BTC", lots, ticks, "ioc" if force == "Ioc" else "gtc"))
        clock.pass_ms(STEP_MS)
        street.advance()
    return account.margin(listing.VENUE).equity


def judge(seed: int) -> None:
    venue = Venue(seed=seed % 3 + 1)
    torn, left = asyncio.run(traded(venue, seed))
    cloids = [row["order"]["cloid"] for row in venue.ask("historicalOrders", user=ADDRESSES[0])]
    assert sorted(cloids) == [f"0x{n + 1:032x}" for n in range(ORDERS)]
    assert venue.desk().held().state.equity == twin(venue, seed)
    assert torn > 0
    assert left == 0


@pytest.mark.soak(promise="P-527", weight=1)
def test_over_torn_connections_each_order_is_placed_once_and_the_account_is_exact(
    budget: Budget,
) -> None:
    budget.each("torn run", judge, 8)
