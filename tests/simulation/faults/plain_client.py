# SPDX-License-Identifier: Apache-2.0
"""A small sound client of a gateway: it trades at random and hears all that venues say.

It knows orders and transfers by the tables of `execution`, reads every log in order of its numbers,
asks where an answer was unclear, and never sends anything twice. It keeps no journal and has no
limits: it is here to try the venues and the wire.
"""

from __future__ import annotations

from random import Random

from tidegate.execution import orders, transfers
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.events import Filled, TransferLanded, TransferSent
from tidegate.model.replies import Entry, OrderStatus, Pushed, Statement, Unclear
from tidegate.risk.gate import Approval, Gate
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import Swarm
from tidegate.simulation.faults.server import VenueServer
from tidegate.simulation.faults.small_book import (
    COLLATERAL,
    INSTRUMENTS,
    STABLE_MICRO,
    exchange_terms,
)
from tidegate.simulation.faults.small_market import make_tape, rule_changes, start_ms
from tidegate.simulation.faults.spells import Spells
from tidegate.simulation.faults.wire import FaultyGateway

LIFE_MS = 60_000
# A venue's clock may step back by as much after it has said that it knows no order.
CLOCKS_MS = 10_000


def approve(gate: Gate, action: Action, number: int, expires_ms: int) -> Approval:
    """An approval as the gate makes them, of any action."""
    return gate._approve(action, (number, 0), ("snapshot", "mandate"), expires_ms)


class Bench:
    """Venues, a wire and a clock that ticks in seconds."""

    def __init__(self, swarm: Swarm, ticks: int) -> None:
        self.begin_ms, self.gate = start_ms(ticks), Gate(b"of the bench")
        self.coverage, self.boundaries = Coverage(), Boundaries()
        tape = make_tape(swarm, self.begin_ms, ticks // 60 + 60)
        exchange = Exchange(tape, exchange_terms(rule_changes(swarm)), swarm.seed)
        self.server = VenueServer(exchange, INSTRUMENTS, self.gate, swarm, self.coverage)
        parts = (self.server, swarm, Spells(swarm.spells), self.coverage, self.boundaries)
        self.wire = FaultyGateway(*parts)
        for venue, asset in COLLATERAL.items():
            self.server.deposit(venue, asset, 500_000_000_000)
        self.ticks = 0

    def tick(self) -> int:
        self.ticks += 1
        now = self.begin_ms + 1000 * self.ticks
        self.wire.advance(now)
        return now


class PlainClient:
    """See the module."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self._rng = bench, Random(f"{seed}:client")
        self.orders: dict[str, orders.OrderRecord] = {}
        self.transfers: dict[str, transfers.TransferRecord] = {}
        self.ledger = Ledger(INSTRUMENTS, STABLE_MICRO)
        self.cursor = dict.fromkeys(COLLATERAL, 0)
        self._landed_early: dict[str, Entry] = {}
        self._number = 0
        bench.coverage.state_of = self._state_of

    def trade(self, now: int) -> None:
        """Send an order, at times a transfer, and at times cancel what works."""
        self._number += 1
        if self._rng.random() < 0.2:
            self._send(now)
        name = self._rng.choice(tuple(INSTRUMENTS))
        lots = self._rng.choice((-1, 1)) * self._rng.randint(1, 40)
        order = Order(f"o{self._number}", name, lots, False, "bench")
        approval = approve(self.bench.gate, order, self._number, now + LIFE_MS)
        record = orders.OrderRecord(order, INSTRUMENTS[name].venue, approval.expires_ms)
        self.orders[order.id] = record
        self._hear(order.id, self.bench.wire.place(approval))
        if self._rng.random() < 0.3:
            self.cancel(order.id)

    def cancel(self, name: str) -> None:
        record = self.orders[name]
        if record.state in (orders.State.WORKING, orders.State.UNKNOWN):
            self.orders[name] = orders.learn(record, orders.News.CANCEL_ASKED)
            self._hear(name, self.bench.wire.cancel(record.venue, name))

    def _send(self, now: int) -> None:
        source, destination = self._rng.sample(tuple(COLLATERAL), 2)
        quanta = self._rng.randint(20, 2_000) * 1_000_000
        asset = COLLATERAL[source]
        transfer = Transfer(f"t{self._number}", source, destination, asset, quanta, "bench")
        approval = approve(self.bench.gate, transfer, self._number, now + LIFE_MS)
        self.transfers[transfer.id] = transfers.TransferRecord(transfer, approval.expires_ms)
        reply = self.bench.wire.send(approval)
        self.transfers[transfer.id] = transfers.hear(self.transfers[transfer.id], reply)

    def listen(self) -> None:
        """Hear reports, read logs, and ask after what is open."""
        wire = self.bench.wire
        for report in wire.pushed():
            self._take(report)
        for venue in self.cursor:
            lines = wire.entries(venue, self.cursor[venue])
            for line in () if isinstance(lines, Unclear) else lines:
                self._take(line)
        for name, record in list(self.orders.items()):
            if record.is_open:
                reply = wire.order(record.venue, name)
                if not self._too_soon(reply, record):
                    self._hear(name, reply)
        for name, moved in list(self.transfers.items()):
            if moved.may_leave:
                heard = transfers.hear(moved, wire.shipment(moved.transfer.source, name))
                self.transfers[name] = heard

    @staticmethod
    def _too_soon(reply: object, record: orders.OrderRecord) -> bool:
        absent = isinstance(reply, OrderStatus) and reply.state == "absent"
        return absent and reply.ts_ms <= record.expires_ms + CLOCKS_MS

    def _take(self, report: Pushed) -> None:
        if isinstance(report, OrderStatus):
            self._hear(report.id, report)
        elif report.number == self.cursor.get(report.venue, -1) + 1:
            self._post(report)

    def _post(self, line: Entry) -> None:
        """The next line of a log; a landing waits until its sending was read."""
        event = line.event
        self.cursor[line.venue] = line.number
        if isinstance(event, TransferLanded) and not self._has_left(event.id):
            self._landed_early[event.id] = line
            return
        # Venues' clocks differ: the ledger's own time never goes back.
        at = max(event.ts_ms, self.ledger.ts_ms)
        self.ledger.post(type(event)(**{**_fields(event), "ts_ms": at}))
        if isinstance(event, Filled) and event.reason == "order":
            self.orders[event.order] = orders.filled(self.orders[event.order], event.lots)
        if isinstance(event, TransferSent):
            self._leg(event.id, transfers.Word.DEBITED)
            early = self._landed_early.pop(event.id, None)
            if early is not None:
                self._post(Entry(early.venue, self.cursor[early.venue], early.event))
        if isinstance(event, TransferLanded):
            self._leg(event.id, transfers.Word.CREDITED)

    def _has_left(self, transfer: str) -> bool:
        return self.transfers[transfer].leg is transfers.Leg.UNDER_WAY

    def _leg(self, name: str, word: transfers.Word) -> None:
        self.transfers[name] = transfers.learn(self.transfers[name], word)

    def _hear(self, name: str, reply: object) -> None:
        self.orders[name] = orders.hear(self.orders[name], reply)  # type: ignore[arg-type]

    def _state_of(self, name: str) -> str | None:
        if name in self.orders:
            return f"order {self.orders[name].state.value}"
        moved = self.transfers.get(name)
        return None if moved is None else f"transfer {moved.leg.value}"

    def agrees(self, stated: Statement) -> bool:
        """Whether the ledger has what a venue says."""
        ours = self.ledger.portfolio((stated.venue,)).accounts[stated.venue]
        names = {*ours.balances, *stated.account.balances}
        same = all(ours.balances.get(n, 0) == stated.account.balances.get(n, 0) for n in names)
        return same and ours.positions == stated.account.positions


def _fields(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}  # type: ignore[attr-defined]
