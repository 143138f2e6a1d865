# SPDX-License-Identifier: Apache-2.0
"""What happened goes to the ledger and the journal together, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.events import Event


class Record:
    """The book's memory: `take` posts events, journals them with their postings, keeps them."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self.ledger = ledger
        self.journal = journal
        self.events: list[Event] = []

    def take(self, events: Sequence[Event]) -> None:
        """Post and journal events in one frame; an empty list leaves no trace."""
        if not events:
            return
        self.events += events
        postings = [posting for event in events for posting in self.ledger.post(event)]
        frame = {"ts_ms": events[-1].ts_ms, "events": events, "postings": postings}
        self.journal.append("events", frame)

    def note(self, kind: str, payload: object) -> int:
        """Journal something that moves nothing; returns its sequence."""
        return self.journal.append(kind, payload)
