# SPDX-License-Identifier: Apache-2.0
"""A process that trades without end: the real desk, hedged pairs of which one leg rests.

    python -m tests.venues.drill_engine FOLDER PORT

Each order that went out is a line of FOLDER/orders.log: when asked and answered, in microseconds
UTC, and the venue's word. Latch, heartbeat and token stand in FOLDER.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.risk import desk
from tests.venues.drill import pairs
from tidegate.execution.desk import Desk, Senses
from tidegate.execution.heartbeat import Heartbeat
from tidegate.execution.latch import Latch
from tidegate.execution.record import Record
from tidegate.execution.secret_file import read_secret
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.replies import OrderReply, OrderStatus
from tidegate.model.units import MICRO
from tidegate.risk.gate import Approval
from tidegate.venues.remote import RemoteGateway

PAIRS = 3
VENUES = ("alpha", "beta")


class Logged(RemoteGateway):
    """A gateway that writes down when orders went out; one that its latch held is none."""

    log = sys.stdout

    def place(self, approval: Approval) -> OrderReply:
        asked = time.time_ns() // 1_000
        reply = super().place(approval)
        if isinstance(reply, OrderStatus):
            self.log.write(f"{asked} {time.time_ns() // 1_000} {reply.state}\n")
        return reply


def made_desk(folder: Path, gateway: Logged, latch: Latch) -> Desk:
    """A desk that journals to disk before it sends."""
    ledger = Ledger(desk.INSTRUMENTS, {"USDC": MICRO, "USDT": MICRO}, {"BTC": desk.VAULT_BTC})
    journal = Journal.create(folder / "engine.journal", {"writer": "drill"}, durable=True)
    senses = Senses(halted=lambda: "the latch is set" if latch.is_set() else None)
    listed = {name: i for name, i in desk.INSTRUMENTS.items() if i.venue in VENUES}
    return Desk(gateway, Record(ledger, journal), (desk.MANDATE.limits, listed), senses)


def main(folder: Path, port: int) -> None:
    latch, heart = Latch(folder / "latch"), Heartbeat(folder / "engine.beat")
    token = read_secret(folder / "trading.token")
    gateway = Logged(port, token, VENUES, 2.0, may_send=lambda: not latch.is_set())
    trading = made_desk(folder, gateway, latch)
    with (folder / "orders.log").open("a", buffering=1) as gateway.log:
        while True:
            heart.beat(time.time_ns())
            now_ms = time.time_ns() // 1_000_000
            if latch.is_set():
                trading.tick(now_ms)
            else:
                # A plan after another, none of which is awaited: what a runaway engine does.
                trading.begin((pairs(PAIRS, sequence=now_ms, now_ms=now_ms),), now_ms)
            time.sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
