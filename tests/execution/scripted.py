# SPDX-License-Identifier: Apache-2.0
"""A session of two venues that does what its script says: a fake for what tests of the desk ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from tests.risk import desk as book
from tidegate.execution.bookkeeping import Past
from tidegate.execution.desk import Desk, Senses
from tidegate.execution.record import Record
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.account import Account
from tidegate.model.actions import Action, Order
from tidegate.model.events import Event, Filled
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import (
    Entry,
    NotTaken,
    OrderReply,
    OrderStatus,
    Pushed,
    Statement,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.risk.gate import Approval

NOW_MS = book.NOW_MS
TAKES = "takes"


@dataclass
class ScriptedVenues:
    """Venues that know the truth of each order; `replies` says what comes back for each request in
    turn ("takes": the truth), then always the truth."""

    replies: list[NotTaken | Unclear | str] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    truth: dict[str, OrderStatus] = field(default_factory=dict)
    lines: dict[str, list[Entry]] = field(default_factory=dict)
    told: list[Pushed] = field(default_factory=list)
    now_ms: int = NOW_MS
    takes: Callable[[Order], bool] = lambda _: True
    statements: bool = True

    def _answer(self, status: OrderReply | TransferReply) -> OrderReply | TransferReply:
        said = self.replies.pop(0) if self.replies else TAKES
        return status if isinstance(said, str) else said

    def place(self, approval: Approval) -> OrderReply:
        action = approval.action
        assert isinstance(action, Order)
        self.placed.append(action.id)
        lost = bool(self.replies) and isinstance(self.replies[0], NotTaken)
        if not lost and action.id not in self.truth and self.takes(action):
            self.truth[action.id] = OrderStatus(action.id, "working", 0, self.now_ms)
        return self._answer(self._known(action.id))  # type: ignore[return-value]

    def _known(self, name: str) -> OrderStatus:
        known = self.truth.get(name, OrderStatus(name, "absent", 0, 0))
        return msgspec.structs.replace(known, ts_ms=self.now_ms)

    def cancel(self, venue: str, order: str) -> OrderReply:
        self.cancelled.append(order)
        known = self._known(order)
        if known.state == "working":
            self.truth[order] = OrderStatus(order, "cancelled", known.filled_lots, self.now_ms)
        return self._answer(self._known(order))  # type: ignore[return-value]

    def order(self, venue: str, order: str) -> OrderReply:
        self.asked.append(order)
        return self._answer(self._known(order))  # type: ignore[return-value]

    def send(self, approval: Approval) -> TransferReply:
        self.placed.append(approval.action.id)
        status = TransferStatus(approval.action.id, "accepted", self.now_ms)
        return self._answer(status)  # type: ignore[return-value]

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        self.asked.append(transfer)
        status = TransferStatus(transfer, "absent", self.now_ms)
        return self._answer(status)  # type: ignore[return-value]

    def pushed(self) -> tuple[Pushed, ...]:
        told, self.told = tuple(self.told), []
        return told

    def entries(self, venue: str, after: int) -> tuple[Entry, ...]:
        return tuple(self.lines.get(venue, [])[after:])

    def statement(self, venue: str) -> Statement | Unclear:
        if not self.statements:
            return Unclear("no answer")
        ledger = Ledger(book.INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
        lines = self.lines.get(venue, [])
        for line in lines:
            ledger.post(line.event)
        account: Account = ledger.account(venue)
        return Statement(venue, self.now_ms, len(lines), account, self.working(venue))

    def working(self, venue: str) -> tuple[str, ...]:
        return tuple(n for n, s in self.truth.items() if s.state == "working" and venue in n)

    def frozen_venues(self) -> tuple[str, ...]:
        return ()

    def out_venues(self) -> tuple[str, ...]:
        return ()

    def stable_micro(self) -> dict[str, int]:
        return {}

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        return None

    def fill(self, order: Order, lots: int, *, push: bool = True) -> None:
        """Lots of an order trade at the mark."""
        ticks = book.MARKS[order.instrument]
        self.log(
            book.INSTRUMENTS[order.instrument].venue,
            Filled(self.now_ms, order.instrument, lots, ticks, ticks, 0, 0, 0, order.id, "order"),
            push=push,
        )
        done = self._known(order.id).filled_lots + lots
        state = "filled" if done == order.lots else "working"
        self.truth[order.id] = OrderStatus(order.id, state, done, self.now_ms)  # type: ignore[arg-type]

    def log(self, venue: str, event: Event, *, push: bool = True) -> None:
        """Write a line of a venue's log, and tell it if asked."""
        lines = self.lines.setdefault(venue, [])
        lines.append(Entry(venue, len(lines) + 1, event))
        if push:
            self.told.append(lines[-1])


@dataclass
class Office:
    """A desk over scripted venues, with its record."""

    venues: ScriptedVenues
    record: Record
    desk: Desk

    def wait(self, seconds: int) -> None:
        """Let seconds pass, a tick each."""
        for _ in range(seconds):
            self.venues.now_ms += 1_000
            self.desk.tick(self.venues.now_ms)

    def kinds(self) -> list[str]:
        """Kinds of what the journal holds."""
        return [kind for kind, _ in self.frames()]

    def frames(self) -> list[tuple[str, dict[str, object]]]:
        """What the journal holds, which ends it."""
        import tempfile
        from pathlib import Path

        self.record.journal.seal()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal"
            path.write_bytes(self.record.journal.content())
            return [(frame.kind, frame.value()) for frame in read_frames(path)]


def office(
    replies: list[NotTaken | Unclear | str] | None = None,
    past: Past | None = None,
    senses: Senses | None = None,
    record: Record | None = None,
) -> Office:
    """A desk at its start."""
    ledger = Ledger(book.INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    kept = record or Record(ledger, Journal.in_memory({"book": "test"}))
    venues = ScriptedVenues(replies or [])
    terms = (book.MANDATE.limits, book.INSTRUMENTS)
    return Office(venues, kept, Desk(venues, kept, terms, senses, past))


def approval(action: Action, life_ms: int = 60_000, place: str = "1.0") -> Approval:
    """Leave for an action; scripted venues ask no gate."""
    return Approval(action, place, 1, "snapshot", "mandate", NOW_MS + life_ms, "seal")
