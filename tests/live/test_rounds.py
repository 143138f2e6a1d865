# SPDX-License-Identifier: Apache-2.0
"""What the rounds of a running engine say of its session: a line at each change, and no more."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.venues.drill import NOW, TRADE, house
from tests.venues.test_wire import VENUES
from tidegate.live.rounds import Rounds, Running
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway


class Ticks:
    """A machine and a feed that only count."""

    def __init__(self) -> None:
        self.ticked_ms, self.count = NOW, 0
        self.silent: dict[str, str] = {}
        self.unknown: tuple[str, ...] = ()

    def refresh(self, now_ms: int) -> None:
        assert now_ms >= self.ticked_ms

    def tick(self, now_ms: int, decides: bool) -> None:
        self.count += 1


def test_silent_session_is_said_once_with_the_reason_and_once_when_it_is_back() -> None:
    said: list[tuple[str, Any]] = []
    ticks: Any = Ticks()

    def rounds_at(port: int, token: bytes = TRADE) -> Rounds:
        gateway = RemoteGateway(port, token, VENUES, timeout_s=2.0)
        return Rounds(Running(ticks, ticks, gateway), None, lambda *told: said.append(told))

    with PaperServer(house(), Access(TRADE), clock=None) as server:
        rounds = rounds_at(server.port)
        rounds.once()
        ticks.ticked_ms += 1
        for _ in range(3):
            rounds.once()
        assert ticks.count == 1
        ticks.ticked_ms -= 1
        rounds.once()
        stranger = rounds_at(server.port, b"x" * 32)
        for _ in range(2):
            stranger.once()
    for _ in range(3):
        rounds.once()
    assert ticks.count == 2
    assert said == [
        ("session", {"is": "silent", "why": "its time ran back"}),
        ("session", {"is": "back"}),
        ("session", {"is": "silent", "why": "status 401: expected a token"}),
        ("session", {"is": "silent", "why": "ConnectionRefusedError"}),
    ]
