# SPDX-License-Identifier: Apache-2.0
"""What happened goes to the ledger and the journal together, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tidegate.ledger.book import Ledger, Posting
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.events import Event

EVENTS = "events"
# How the ledger refuses what a venue says: an unknown asset or contract, lots or prices that are
# none, an amount or a shipment that contradicts what it has.
UNBOOKABLE = (InvariantError, InputError, LookupError, ArithmeticError, ValueError, TypeError)


class Writes(Protocol):
    """What a record writes to: a journal, or what compares with one."""

    def append(self, kind: str, payload: object) -> int:
        """Take one frame and return its sequence."""

    def seal(self) -> str:
        """End it and return its head."""


class Record:
    """The book's memory: `take` posts events, journals them with their postings, keeps them.

    `run` begins the ids of what is sent. Venues that outlive a run need it, as they do nothing
    twice under one id; it is then the journal's own.
    """

    def __init__(self, ledger: Ledger, journal: Writes, run: str = "") -> None:
        self.run = run
        self.ledger = ledger
        self.journal = journal
        self.events: list[Event] = []

    def take(self, events: Sequence[Event], lines: Mapping[str, int] | None = None) -> None:
        """Post and journal events in one frame; an empty list leaves no trace. `lines` says up to
        which number of each venue's log these events go."""
        if not events:
            return
        self._note_events(events, self.retake(events), lines)

    def take_late(
        self,
        events: Sequence[Event],
        now_ms: int,
        line: tuple[str, int],
        check: Callable[[Event], None],
    ) -> tuple[int, str]:
        """Take lines of a venue's log that follow `line` (venue, number), up to the first that the
        ledger or `check` refuses; returns how many were taken and why not the next.

        A venue's clock may differ from ours: none is booked before what was booked already, nor
        later than now. `check` raises for what contradicts what was sent.
        """
        booked, postings, why = list[Event](), list[Posting](), ""
        for event in events:
            at_ms = max(self.ledger.ts_ms, min(event.ts_ms, now_ms))
            moved = event.ts_ms != at_ms
            dated = msgspec.structs.replace(event, ts_ms=at_ms) if moved else event
            try:
                check(dated)
                postings += self.ledger.post(dated)
            except UNBOOKABLE as error:
                why = f"{type(error).__name__}: {error}"
                break
            booked.append(dated)
        self.events += booked
        self._note_events(booked, postings, {line[0]: line[1] + len(booked)})
        return len(booked), why

    def retake(self, events: Sequence[Event]) -> list[Posting]:
        """Post and keep events that the journal has already."""
        self.events += events
        return [posting for event in events for posting in self.ledger.post(event)]

    def note(self, kind: str, payload: object) -> int:
        """Journal something that moves nothing; returns its sequence."""
        return self.journal.append(kind, payload)

    def _note_events(
        self, events: Sequence[Event], postings: list[Posting], lines: Mapping[str, int] | None
    ) -> None:
        if not events:
            return
        frame = {"ts_ms": events[-1].ts_ms, "events": events, "postings": postings}
        self.note(EVENTS, frame if lines is None else {**frame, "lines": lines})
