# SPDX-License-Identifier: Apache-2.0
"""A local Deribit for tests, with and without its wires, on a clock by hand."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.venues.street.streets import opened, street
from tidegate.venues.deribit_server.accounts import Credentials, Keyring
from tidegate.venues.deribit_server.credits import Limits
from tidegate.venues.deribit_server.house import House, encode
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.clock import HandClock

MAIN = Credentials("main_key", "the-secret-of-main", "main")
SUB = Credentials("sub_key", "the-secret-of-sub", "desk")
READER = Credentials("reader_key", "the-secret-of-reader", "reader", ("account:read", "trade:read"))


@dataclass
class Wall:
    """The machine's clock, by hand."""

    ms: int = 1_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class Held:
    """A house, its clocks, and a session that is MAIN's."""

    house: House
    clock: HandClock
    wall: Wall
    session: Session = field(default_factory=lambda: Session("ws-0", is_websocket=True))

    def ask(self, method: str, session: Session | None = None, **params: Any) -> Any:
        """The result; an error is returned as (code, message)."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        raw = self.house.answer(session or self.session, json.dumps(request).encode())
        said = json.loads(encode(raw))
        assert said["id"] == 1
        error = said.get("error")
        return said["result"] if error is None else (error["code"], error["message"])

    @property
    def account(self) -> StreetAccount:
        found = self.house.street.account(MAIN.client_id)
        assert found is not None
        return found

    def pass_s(self, seconds: float) -> None:
        self.clock.pass_ms(int(1_000 * seconds))
        self.house.look()

    def told(self, session: Session | None = None) -> list[tuple[str, Any]]:
        """What was pushed: (channel, data)."""
        box = (session or self.session).outbox
        messages = [json.loads(encode(message)) for message in box]
        box.clear()
        return [
            (m["params"]["channel"], m["params"]["data"])
            for m in messages
            if m.get("method") == "subscription"
        ]


def held(limits: bool = False, crisis: str = "calm", by_hand: bool = True) -> Held:
    """By hand, or on the machine's clock for clients that sign by it, and then without options."""
    made, clock = street(crisis, options=by_hand)
    for one in (MAIN, SUB, READER):
        opened(made, one.client_id, None if one is MAIN else {})
    wall = Wall()
    keyring = Keyring((MAIN, SUB, READER))
    house = House(made, keyring, Limits(limits), *([wall] if by_hand else []))
    found = Held(house, clock, wall)
    house.join(found.session)
    login(found, found.session, MAIN)
    return found


def login(held: Held, session: Session, one: Credentials) -> Any:
    named = {"client_id": one.client_id, "client_secret": one.client_secret}
    return held.ask("public/auth", session, grant_type="client_credentials", **named)


@asynccontextmanager
async def served(passing_s: float = 0.05) -> AsyncIterator[tuple[Held, int]]:
    """A house on its wires, whose market lives a second in every `passing_s`."""
    from tidegate.venues.deribit_server.server import Server

    found = held()
    found.house.wall_ms = House(found.house.street, found.house.keyring, Limits(False)).wall_ms

    async def run() -> None:
        while True:
            await asyncio.sleep(passing_s)
            found.clock.pass_ms(1_000)

    async with Server(found.house, 0) as server:
        running = asyncio.create_task(run())
        try:
            yield found, server.port
        finally:
            running.cancel()


@contextmanager
def running(house: House) -> Iterator[str]:
    """Serve a house on a thread; gives its address."""
    from tidegate.venues.deribit_server.server import Server

    ports: list[int] = []
    begun, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with Server(house, 0) as server:
            ports.append(server.port)
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert begun.wait(10)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
