# SPDX-License-Identifier: Apache-2.0
"""What happened goes to the ledger and the journal together, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tidegate.engine.memory import Tally
from tidegate.engine.written_values import read, written
from tidegate.ledger.book import Ledger
from tidegate.model.events import Event
from tidegate.model.instruments import Instrument, InstrumentId

BOOK, EVENTS, RESULT = "book", "events", "result"
# Of the frames from which decisions can be made again; they change with this number.
INPUTS_VERSION = 1


class Writes(Protocol):
    """What a record writes to: a journal, or what compares with one."""

    def append(self, kind: str, payload: object) -> int:
        """Take one frame and return its sequence."""

    def seal(self) -> str:
        """End it and return its head."""


class Book(msgspec.Struct, frozen=True):
    """A `book` frame: what a ledger is made of, and the version of the frames that follow."""

    inputs: int
    instruments: object
    stable_price_micro: dict[str, int]
    coin_marks: dict[str, InstrumentId]

    def ledger(self) -> Ledger:
        """An empty ledger; raises `ValueError` for instruments that are none."""
        instruments = read(self.instruments)
        if not isinstance(instruments, dict):
            raise ValueError("expected instruments by name")
        return Ledger(instruments, self.stable_price_micro, self.coin_marks)


class Happened(msgspec.Struct, frozen=True):
    """An `events` frame without its postings, which follow from it."""

    ts_ms: int
    events: tuple[Event, ...]


class Record:
    """The book's memory: `take` posts events, journals them with their postings, keeps them."""

    def __init__(self, ledger: Ledger, journal: Writes) -> None:
        self.ledger = ledger
        self.journal = journal
        self.events: list[Event] = []

    @classmethod
    def opened(
        cls,
        instruments: Mapping[InstrumentId, Instrument],
        stable_price_micro: Mapping[str, int],
        coin_marks: Mapping[str, InstrumentId],
        journal: Writes,
    ) -> Record:
        """A new record, whose journal says first what its ledger is made of."""
        book = Book(
            INPUTS_VERSION, written(instruments), dict(stable_price_micro), dict(coin_marks)
        )
        record = cls(Ledger(instruments, stable_price_micro, coin_marks), journal)
        record.note(BOOK, book)
        return record

    def take(self, events: Sequence[Event]) -> None:
        """Post and journal events in one frame; an empty list leaves no trace."""
        if not events:
            return
        self.events += events
        postings = [posting for event in events for posting in self.ledger.post(event)]
        frame = {"ts_ms": events[-1].ts_ms, "events": events, "postings": postings}
        self.note(EVENTS, frame)

    def note(self, kind: str, payload: object) -> int:
        """Journal something that moves nothing; returns its sequence."""
        return self.journal.append(kind, payload)

    def conclude(self, tally: Tally) -> None:
        """Journal what the whole came to, at the time of the last event."""
        result = {
            "ts_ms": self.ledger.ts_ms,
            "equity_start_micro": self.ledger.waterfall["capital"],
            "equity_end_micro": self.ledger.equity_micro,
            "waterfall": self.ledger.waterfall,
            "decisions": tally.decisions,
            "solves": tally.solves,
            "refusals": tally.refusals,
        }
        self.note(RESULT, result)
