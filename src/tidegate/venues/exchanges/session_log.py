# SPDX-License-Identifier: Apache-2.0
"""What a session remembers on disk: what it sent, and the numbered log of a venue's account.

It is a journal of its own, forced to disk. An action is written before it is sent; after a crash
what was sent is asked about and never sent again. A line of the account's log gets its number when
it is first seen, and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tidegate.journal import Journal
from tidegate.journal.frames import HEADER, Frame
from tidegate.journal.writer import partial_path
from tidegate.model.account import FLAT, Position, fill_position
from tidegate.model.errors import InputError
from tidegate.model.events import Filled
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.replies import Entry, Leased
from tidegate.venues.exchanges.session import News

SENT, SEEN, LEASED = "sent", "seen", "leased"


class Sent(msgspec.Struct, frozen=True):
    """An action that may have reached a venue: our id, the venue's name for it, the approval, when
    it expires, of an order its contract's symbol; and what the policy counts it for: when it was
    let through, and how much, dollars of an order or an amount under the id of its address."""

    id: str
    venue: str
    name: str
    approval: str
    expires_ms: int
    symbol: str = ""
    let_ms: int = 0
    amount: str = "0"
    address: str = ""


class Seen(msgspec.Struct, frozen=True):
    """A line of a venue's log, and what the venue calls it."""

    source: str
    entry: Entry


class SessionLog:
    """All that sessions of one house remember; `header` says whose it is."""

    def __init__(self, path: Path, contracts: dict[InstrumentId, Contract], header: str) -> None:
        self._contracts = contracts
        self.leased: Leased | None = None
        self.sent: dict[str, Sent] = {}
        self.approvals: set[str] = set()
        self.entries: dict[str, list[Entry]] = {}
        self.positions: dict[InstrumentId, Position] = {}
        self._sources: dict[str, dict[str, Entry]] = {}
        said = {"session": header}
        self._partial = partial_path(path)
        self._is_new = not self._partial.exists()
        if self._is_new:
            self._journal = Journal.create(path, said, durable=True)
            return
        self._journal, frames = Journal.resume_reading(path, cut=True)
        for frame in frames:
            self._recall(frame, said, str(path))

    def withdraw(self) -> None:
        """As of a start that failed: write no more, and leave no log that was not there."""
        self._journal.close()
        if self._is_new:
            self._partial.unlink()

    def close(self) -> None:
        """Write no more."""
        self._journal.close()

    def lease(self, leased: Leased) -> None:
        """Remember who may trade, on disk on return."""
        self._journal.append(LEASED, leased)
        self.leased = leased

    def send(self, sent: Sent) -> None:
        """Remember an action, on disk on return."""
        self._journal.append(SENT, sent)
        self._take_sent(sent)

    def see(self, venue: str, news: Iterable[News]) -> tuple[Entry, ...]:
        """Number what was not seen before, on disk on return; the new lines."""
        known = self.seen(venue)
        fresh = {item.source: item for item in news if item.source not in known}
        first = len(self.entries.get(venue, ())) + 1
        lines = [
            Seen(source, Entry(venue, first + index, item.event))
            for index, (source, item) in enumerate(fresh.items())
        ]
        if lines:
            self._journal.append_many((SEEN, line) for line in lines)
        for line in lines:
            self._take_seen(line)
        return tuple(line.entry for line in lines)

    def seen(self, venue: str) -> Mapping[str, Entry]:
        """The lines of a venue's log by what the venue calls them."""
        return self._sources.get(venue, {})

    def names(self, venue: str) -> dict[str, str]:
        """Our ids by a venue's."""
        return {sent.name: sent.id for sent in self.sent.values() if sent.venue == venue}

    def _recall(self, frame: Frame, said: dict[str, str], where: str) -> None:
        if frame.kind == HEADER:
            found = msgspec.json.decode(frame.payload, type=dict[str, object])
            if found.get("session") != said["session"]:
                expected = "expected the log of these venues, contracts and keys"
                raise InputError(where, "session", expected)
        elif frame.kind == LEASED:
            self.leased = msgspec.json.decode(frame.payload, type=Leased)
        elif frame.kind == SENT:
            self._take_sent(msgspec.json.decode(frame.payload, type=Sent))
        elif frame.kind == SEEN:
            self._take_seen(msgspec.json.decode(frame.payload, type=Seen))

    def _take_sent(self, sent: Sent) -> None:
        self.sent[sent.id] = sent
        self.approvals.add(sent.approval)

    def _take_seen(self, line: Seen) -> None:
        venue, event = line.entry.venue, line.entry.event
        self._sources.setdefault(venue, {})[line.source] = line.entry
        self.entries.setdefault(venue, []).append(line.entry)
        if isinstance(event, Filled):
            cost = self._contracts[event.instrument].entry_cost(event.lots, event.ticks)
            held = self.positions.get(event.instrument, FLAT)
            self.positions[event.instrument] = fill_position(held, event.lots, cost).position
