# SPDX-License-Identifier: Apache-2.0
"""One connection: who it is, what it has subscribed to, what waits to be sent, its heartbeat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidegate.venues.deribit_server.accounts import Principal
from tidegate.venues.deribit_server.refusals import FORBIDDEN, UNAUTHORIZED, Refusal

OUTBOX_MAX = 2_000
HEARTBEAT_LEAST_S, HEARTBEAT_MOST_S = 10, 86_400


@dataclass(slots=True, eq=False)
class Session:
    """A connection, or one request over HTTP; `wake` is called when something waits to be sent."""

    name: str
    is_websocket: bool = False
    principal: Principal | None = None
    channels: dict[str, Any] = field(default_factory=dict)
    outbox: deque[dict[str, Any]] = field(default_factory=deque)
    wake: Callable[[], None] = lambda: None
    dropped: str = ""
    cancels_on_disconnect: bool | None = None
    orders: set[int] = field(default_factory=set)
    heartbeat_s: int | None = None
    beat_ms: int = 0
    asked: bool = False

    def who(self, scope: str) -> Principal:
        """Who it is, if that may do what it asks."""
        if self.principal is None:
            raise Refusal(UNAUTHORIZED, {"reason": "missing_authorization"})
        if not self.principal.may(scope):
            raise Refusal(FORBIDDEN, {"reason": "scope", "param": scope})
        return self.principal

    def push(self, message: dict[str, Any]) -> None:
        """Have a message sent; who does not read until so many wait is dropped."""
        if len(self.outbox) >= OUTBOX_MAX:
            self.drop("slow reader")
            return
        self.outbox.append(message)
        self.wake()

    def drop(self, why: str) -> None:
        """Have the connection closed."""
        self.dropped = self.dropped or why
        self.wake()

    def beat(self, wall_ms: int) -> None:
        """Send a heartbeat that is due; who did not answer the last one by then is dropped."""
        if self.heartbeat_s is None or wall_ms - self.beat_ms < 1_000 * self.heartbeat_s:
            return
        if self.asked:
            self.drop("heartbeat")
            return
        self.beat_ms, self.asked = wall_ms, True
        for kind in ("heartbeat", "test_request"):
            self.push({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}})
