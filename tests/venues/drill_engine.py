# SPDX-License-Identifier: Apache-2.0
"""A process that sends orders like an engine: a beat, a look at the latch, an order, in a loop.

    python -m tests.venues.drill_engine FOLDER PORT

Each order that was sent is a line of FOLDER/orders.log: when asked and answered, in microseconds
UTC, and the venue's word. Latch, heartbeat and token stand in FOLDER.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.venues.drill import slow
from tidegate.execution.heartbeat import Heartbeat
from tidegate.execution.latch import Latch
from tidegate.execution.secret_file import read_secret
from tidegate.model.replies import OrderStatus
from tidegate.risk.gate import Approval
from tidegate.venues.remote import RemoteGateway

BATCH = 40
PAUSE_S = 0.005


def approvals() -> Iterator[Approval]:
    """Orders that rest, each approved under an id of its own, for ever."""
    while True:
        began_ms = time.time_ns() // 1_000_000
        yield from slow(BATCH, sequence=began_ms, now_ms=began_ms)


def main(folder: Path, port: int) -> None:
    latch, heart = Latch(folder / "latch"), Heartbeat(folder / "engine.beat")
    token = read_secret(folder / "trading.token")
    gateway = RemoteGateway(port, token, ("alpha", "beta"), timeout_s=2.0)
    orders = approvals()
    with (folder / "orders.log").open("a", buffering=1) as log:
        while True:
            heart.beat(time.time_ns())
            order = next(orders)
            if not latch.is_set():
                asked = time.time_ns() // 1_000
                reply = gateway.place(order)
                word = reply.state if isinstance(reply, OrderStatus) else type(reply).__name__
                log.write(f"{asked} {time.time_ns() // 1_000} {word}\n")
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
