# SPDX-License-Identifier: Apache-2.0
"""Starting is recovering: the ledger, the orders and the transfers are the fold of the journal.

What the fold leaves open is unknown, since the process that sent it is gone. The desk then asks the
venues, and as long as a venue has not agreed with the ledger nothing is traded there: nobody needs
to tell a first start, a restart and a crash apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidegate.execution.bookkeeping import Past, note_progress, sure_capital_micro
from tidegate.execution.books import Books
from tidegate.execution.brake import Day
from tidegate.execution.doubts import Doubts, Settled
from tidegate.execution.record import Record
from tidegate.journal.frames import Frame
from tidegate.model.actions import Action, Order
from tidegate.model.errors import ensure
from tidegate.model.events import Event, Filled
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.replies import NotTaken, OrderStatus, TransferStatus, Unclear


class _Approved(msgspec.Struct, frozen=True):
    id: str
    action: Action
    expires_ms: int


class _Submitted(msgspec.Struct, frozen=True):
    approval: str


class _Replied(msgspec.Struct, frozen=True):
    id: str
    reply: OrderStatus | TransferStatus | NotTaken | Unclear


class _Cancelling(msgspec.Struct, frozen=True):
    id: str


class _Braked(msgspec.Struct, frozen=True):
    day: Day


class _Events(msgspec.Struct, frozen=True):
    events: tuple[Event, ...]
    postings: tuple[tuple[str, str, int, int, str], ...]
    lines: dict[str, int] = {}


def recover_run(
    frames: Iterable[Frame], record: Record, instruments: Mapping[InstrumentId, Instrument]
) -> Past:
    """Fold a journal's frames into the record's empty ledger, and return the run's orders,
    transfers, log lines and the brake's day. Raises `InvariantError` where events no longer give
    the postings that the journal has, and where a submission cites no approval."""
    fold = _RunFold(record, instruments)
    for frame in frames:
        fold.take(frame)
    fold.books.restarted()
    return Past(fold.books, fold.lines, fold.day, fold.capital_micro, fold.doubts)


class BooksFold:
    """The orders, transfers, doubts and brake's day of a run as its frames leave them; other kinds
    move nothing."""

    def __init__(self, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self._instruments = instruments
        self._approved: dict[str, _Approved] = {}
        self.books, self.doubts = Books(), Doubts()
        self.day: Day | None = None

    def take(self, frame: Frame) -> None:
        """The next frame; raises `InvariantError` where a submission cites no approval."""
        payload = frame.payload
        match frame.kind:
            case "approved":
                approved = msgspec.json.decode(payload, type=_Approved)
                self._approved[approved.id] = approved
            case "submitted" | "sent":
                self._submitted(msgspec.json.decode(payload, type=_Submitted))
            case "replied":
                replied = msgspec.json.decode(payload, type=_Replied)
                self.books.hear(replied.id, replied.reply)
                if self.books.has_order(replied.id):
                    self.doubts.hold_order(replied.id, self.books)
            case "cancelling":
                self.books.cancel_asked(msgspec.json.decode(payload, type=_Cancelling).id)
            case "events":
                self._events(msgspec.json.decode(payload, type=_Events))
            case "day":
                self._day(msgspec.json.decode(payload, type=_Braked).day)
            case "settled":
                self._settled(msgspec.json.decode(payload, type=Settled))
            case "restarted":
                self.books.restarted()
            case _:
                """What was decided, and why, is for replay."""

    def _submitted(self, submitted: _Submitted) -> None:
        approved = self._approved.get(submitted.approval)
        ensure(approved is not None, f"{submitted.approval}: submitted without an approval")
        if approved is None:
            return
        action = approved.action
        if isinstance(action, Order):
            venue = self._instruments[action.instrument].venue
            self.books.intend_order(action, venue, approved.expires_ms)
        else:
            self.books.intend_transfer(action, approved.expires_ms)

    def _settled(self, settled: Settled) -> None:
        self.doubts.settle(settled.name)
        if settled.finding == "ended":
            self.books.end_order(settled.name)

    def _events(self, booked: _Events) -> None:
        for event in booked.events:
            note_progress(self.books, event)
            venue = self._instruments[event.instrument].venue if isinstance(event, Filled) else ""
            self.doubts.take(event, self.books, venue)

    def _day(self, day: Day) -> None:
        self.day = day


class _RunFold(BooksFold):
    """The same with the ledger and the venues' log lines."""

    def __init__(self, record: Record, instruments: Mapping[InstrumentId, Instrument]) -> None:
        super().__init__(instruments)
        self._record = record
        self.lines: dict[str, int] = {}
        self.capital_micro: int | None = None

    def _events(self, booked: _Events) -> None:
        postings = self._record.retake(booked.events)
        same = [tuple(posting) for posting in postings] == list(booked.postings)
        ensure(same, "events of the journal no longer give its postings")
        self.lines |= booked.lines
        super()._events(booked)

    def _day(self, day: Day) -> None:
        self.capital_micro = sure_capital_micro(self._record.ledger, self.doubts)
        super()._day(day)
