# SPDX-License-Identifier: Apache-2.0
"""A paper venue for tests: on a thread of its own for clients that know nothing of it, or asked
directly with actions that the official SDK signs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from eth_account import Account
from hyperliquid.utils import signing

from tidegate.venues.hyperliquid_server import exchange, info, listing
from tidegate.venues.hyperliquid_server.house import Desk, House
from tidegate.venues.hyperliquid_server.questions import questions
from tidegate.venues.hyperliquid_server.rate_limits import Weights
from tidegate.venues.hyperliquid_server.server import serving
from tidegate.venues.street.clock import HandClock
from tidegate.venues.street.market import Market, MarketTerms, make_market
from tidegate.venues.street.street import Street

BEGIN_MS = 1_796_000_400_000
OPENING = 100_000_000_000
# Throwaway keys of tests: they hold nothing anywhere.
KEYS = tuple(f"{n:064x}" for n in (0xA11CE, 0xB0B))
ADDRESSES = tuple(Account.from_key(key).address.lower() for key in KEYS)
COINS = listing.coins()
SIGNERS: dict[str, Callable[..., Any]] = {
    "usdClassTransfer": signing.sign_usd_class_transfer_action,
    "usdSend": signing.sign_usd_transfer_action,
    "withdraw3": signing.sign_withdraw_from_bridge_action,
    "sendAsset": signing.sign_send_asset_action,
    "approveAgent": signing.sign_agent,
    "approveBuilderFee": signing.sign_approve_builder_fee,
}


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=4)
def made(seed: int, crisis: str, tick_ms: int) -> Market:
    terms = MarketTerms(
        seed, 1, crisis, BEGIN_MS, "hyperliquid", listing.listings(COINS), tick_ms=tick_ms
    )
    return make_market(terms)


class Venue:
    """A house whose time is moved by hand, with the accounts of the test keys; nonces rise. The
    clock of clients is the same, or the machine's where they are not made by hand."""

    def __init__(
        self,
        seed: int = 1,
        crisis: str = "calm",
        tick_ms: int = 1_000,
        weight: int = 0,
        buffer: int = 10_000,
        by_hand: bool = True,
    ) -> None:
        self.market = made(seed, crisis, tick_ms)
        self.clock = HandClock(self.market.begin_ms)
        self.wall_ms = self.clock.now_ms if by_hand else wall_ms
        street = Street(self.market, listing.terms(COINS), self.clock)
        self.house = House(street, COINS, OPENING, self.wall_ms, Weights(weight), buffer)
        for address in ADDRESSES:
            self.house.open(address)
        self._nonce = self.wall_ms()

    def nonce(self) -> int:
        self._nonce += 1
        return self._nonce

    def post(self, action: dict[str, Any], key: str = KEYS[0], **how: Any) -> dict[str, Any]:
        """The reply to an action, signed by a key."""
        reply, _ = exchange.answer(self.house, signed(action, key, self.nonce(), **how))
        return reply

    def order(self, *wires: dict[str, Any], key: str = KEYS[0]) -> list[Any]:
        """Statuses of orders."""
        reply = self.post({"type": "order", "orders": list(wires), "grouping": "na"}, key)
        assert reply["status"] == "ok", reply
        statuses: list[Any] = reply["response"]["data"]["statuses"]
        return statuses

    def ask(self, kind: str, **fields: Any) -> Any:
        """The answer to a question, as it would come over the wire."""
        said = json.dumps({"type": kind} | fields).encode()
        return json.loads(json.dumps(info.answer(self.house, questions.decode(said))))

    def state(self, who: int = 0) -> Any:
        return self.ask("clearinghouseState", user=ADDRESSES[who])

    def desk(self, who: int = 0) -> Desk:
        found = self.house.desk_of(ADDRESSES[who])
        assert found is not None
        return found

    def passes(self, duration_ms: int) -> None:
        self.clock.pass_ms(duration_ms)
        while not self.house.advance().caught_up:
            pass


def signed(
    action: dict[str, Any],
    key: str,
    nonce: int,
    mainnet: bool = False,
    vault: str | None = None,
    expires: int | None = None,
) -> bytes:
    """A body whose action was signed by the official SDK."""
    wallet = Account.from_key(key)
    if action["type"] in SIGNERS:
        timed = "time" if action["type"] in ("usdSend", "withdraw3") else "nonce"
        action = action | {timed: nonce}
        signature = SIGNERS[action["type"]](wallet, action, mainnet)
    else:
        signature = signing.sign_l1_action(wallet, action, vault, nonce, expires, mainnet)
    body = {"action": action, "nonce": nonce, "signature": signature}
    return json.dumps(body | {"vaultAddress": vault, "expiresAfter": expires}).encode()


def wire(
    price: str,
    size: str = "0.1",
    buys: bool = True,
    tif: str = "Gtc",
    reduce_only: bool = False,
    asset: int = 0,
    cloid: str | None = None,
) -> dict[str, Any]:
    """One order of an action."""
    kind = {"limit": {"tif": tif}}
    said = {"a": asset, "b": buys, "p": price, "s": size, "r": reduce_only, "t": kind}
    return said if cloid is None else said | {"c": cloid}


@contextmanager
def running(house: House) -> Iterator[str]:
    """Serve a house on a thread; gives its address."""
    ports: list[int] = []
    begun, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with serving(house, 0) as served:
            ports.append(served.port)
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert begun.wait(60)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


async def outcome(trying: Awaitable[Any]) -> str:
    """How a case came out, as a word of the page."""
    try:
        await trying
    except Exception as error:
        return f"no: {type(error).__name__}"
    return "yes"
