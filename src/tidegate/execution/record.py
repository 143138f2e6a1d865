# SPDX-License-Identifier: Apache-2.0
"""What happened goes to the ledger and the journal together, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tidegate.ledger.book import Ledger, Posting
from tidegate.model.events import Event

EVENTS = "events"


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
        postings = self.retake(events)
        frame = {"ts_ms": events[-1].ts_ms, "events": events, "postings": postings}
        self.note(EVENTS, frame if lines is None else {**frame, "lines": lines})

    def take_late(self, events: Sequence[Event], now_ms: int, lines: Mapping[str, int]) -> None:
        """Take events whose venue's clock may differ from ours: none is booked before what was
        booked already, nor later than now."""
        booked, last_ms = [], self.ledger.ts_ms
        for event in events:
            last_ms = max(last_ms, min(event.ts_ms, now_ms))
            moved = event.ts_ms != last_ms
            booked.append(msgspec.structs.replace(event, ts_ms=last_ms) if moved else event)
        self.take(booked, lines)

    def retake(self, events: Sequence[Event]) -> list[Posting]:
        """Post and keep events that the journal has already."""
        self.events += events
        return [posting for event in events for posting in self.ledger.post(event)]

    def note(self, kind: str, payload: object) -> int:
        """Journal something that moves nothing; returns its sequence."""
        return self.journal.append(kind, payload)
