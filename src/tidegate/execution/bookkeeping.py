# SPDX-License-Identifier: Apache-2.0
"""Following the venues' logs into the ledger, line by line, and holding statements against it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.execution.books import Books
from tidegate.execution.inbox import Inbox
from tidegate.execution.patience import Patience
from tidegate.execution.reconciliation import Break, compare
from tidegate.execution.record import Record
from tidegate.execution.transfers import Leg
from tidegate.model.events import (
    Event,
    Filled,
    LiquidationStarted,
    TransferLanded,
    TransferSent,
)
from tidegate.model.replies import Entry, OrderReply, OrderStatus, Statement, TransferReply, Unclear
from tidegate.model.times import SECOND_MS
from tidegate.ports import Gateway

# A venue that could not be compared for this long may have changed anything.
UNSEEN_MS = 120 * SECOND_MS
POLL_MS = 5 * SECOND_MS


class Past(msgspec.Struct, frozen=True):
    """What a recovery read from the journal: the run's orders and transfers, and up to which line
    of each venue's log the ledger has come."""

    books: Books
    lines: Mapping[str, int] = {}


class Bookkeeper:
    """Books what venues tell; `breaks` are the venues whose statements differ from the ledger, and
    `struck_ms` is when a venue was last seen to close positions of ours (-1 never)."""

    def __init__(
        self, gateway: Gateway, record: Record, venues: tuple[str, ...], past: Past | None
    ) -> None:
        self._gateway, self._record, self._venues = gateway, record, venues
        self.books, lines = (past.books, past.lines) if past else (Books(), {})
        self._inbox = Inbox({**dict.fromkeys(venues, 0), **lines})
        self._seen_ms = dict.fromkeys(venues, -UNSEEN_MS - 1)
        self._polled_ms = dict.fromkeys(venues, 0)
        self._owed, self._patience = set[str](), Patience()
        self.breaks: dict[str, Break] = {}
        self.struck_ms = -1

    def collect(self, now_ms: int) -> None:
        """Take what venues told: news of orders as it is, lines of their logs in order."""
        for told in self._gateway.pushed():
            if isinstance(told, Entry):
                self._inbox.put([told])
            elif isinstance(told, OrderStatus) and self.books.is_news(told):
                self.hear(told.id, told, now_ms)
        for venue in self._inbox.gaps:
            self._fetch(venue, now_ms)
        self._book(now_ms)

    def hear(self, name: str, reply: OrderReply | TransferReply, now_ms: int) -> None:
        """Journal a reply about an order or a transfer and take it in. That an order is absent
        tells nothing until the log shows what of it has traded."""
        if (
            isinstance(reply, OrderStatus)
            and reply.state == "absent"
            and self.books.has_order(name)
        ):
            if not self._fetch(self.books.order(name).venue, now_ms):
                reply = Unclear("absent, and the log cannot be read")
            self._book(now_ms)
        self._record.note("replied", {"ts_ms": now_ms, "id": name, "reply": reply})
        self.books.hear(name, reply)

    def poll(self, venues: frozenset[str], now_ms: int) -> None:
        """Ask venues for lines of their logs, where that was not done lately."""
        for venue in sorted(venues):
            if now_ms - self._polled_ms[venue] >= POLL_MS:
                self._fetch(venue, now_ms)
        self._book(now_ms)

    def compare_all(self, now_ms: int) -> None:
        """Hold every venue's statement against the ledger."""
        for venue in self._venues:
            self._compare(venue, now_ms)
        self._close_landed()

    def compare_again(self, now_ms: int) -> None:
        """Ask again for statements that did not come or could not be compared."""
        for venue in [v for v in self._venues if v in self._owed]:
            if self._patience.is_over(venue, now_ms):
                self._compare(venue, now_ms)

    def unseen(self, now_ms: int) -> frozenset[str]:
        """Venues whose statement could not be compared for too long."""
        return frozenset(v for v, seen in self._seen_ms.items() if now_ms - seen > UNSEEN_MS)

    def _fetch(self, venue: str, now_ms: int) -> bool:
        """Whether a venue told the lines of its log."""
        self._polled_ms[venue] = now_ms
        found = self._gateway.entries(venue, self._inbox.cursors[venue])
        if isinstance(found, Unclear):
            return False
        self._inbox.put(found)
        return True

    def _book(self, now_ms: int) -> None:
        """Book all lines that may be booked, as long as one lets another be booked."""
        while sum(self._book_venue(venue, now_ms) for venue in self._venues):
            """A departure at one venue lets a landing at another be booked."""

    def _book_venue(self, venue: str, now_ms: int) -> bool:
        events = self._inbox.take(venue, self._may_book)
        if events:
            self._record.take_late(events, now_ms, {venue: self._inbox.cursors[venue]})
        for event in events:
            note_progress(self.books, event)
        if any(is_forced(event) for event in events):
            self.struck_ms = now_ms
        return bool(events)

    def _may_book(self, event: Event) -> bool:
        """A landing waits for the line of its departure."""
        return not isinstance(event, TransferLanded) or event.id in self._record.ledger.shipments

    def _compare(self, venue: str, now_ms: int) -> None:
        """Hold a venue's statement against the ledger after the same line of its log."""
        said = self._gateway.statement(venue)
        if isinstance(said, Statement) and said.number > self._inbox.cursors[venue]:
            self._fetch(venue, now_ms)
            self._book(now_ms)
        if not isinstance(said, Statement) or said.number != self._inbox.cursors[venue]:
            self._owed.add(venue)
            self._patience.asked(venue, now_ms)
            return
        self._owed.discard(venue)
        self._patience.forget(venue)
        self._seen_ms[venue] = now_ms
        strangers = tuple(name for name in said.working if not self.books.has_order(name))
        found = compare(self._record.ledger.account(venue), said.account, strangers)
        before = self.breaks.pop(venue, None)
        if not found.is_none:
            self.breaks[venue] = found
        if found != before and not (found.is_none and before is None):
            finding = {"ts_ms": now_ms, "venue": venue, "differs": found}
            self._record.note("agreed" if found.is_none else "break", finding)

    def _close_landed(self) -> None:
        """In a backtest landings are booked by whoever plays the tape."""
        under_way = self._record.ledger.shipments
        for sent in self.books.open_transfers:
            if sent.leg is Leg.UNDER_WAY and sent.transfer.id not in under_way:
                self.books.credited(sent.transfer.id)


def is_forced(event: Event) -> bool:
    """Whether a venue closes positions of ours by its own right."""
    return isinstance(event, LiquidationStarted) or (
        isinstance(event, Filled) and event.reason != "order"
    )


def note_progress(books: Books, event: Event) -> None:
    """What a booked event means for the order or the transfer that it belongs to."""
    match event:
        case Filled(order=name, lots=lots) if books.has_order(name):
            books.filled(name, lots)
        case TransferSent():
            books.debited(event.id)
        case TransferLanded():
            books.credited(event.id)
        case _:
            """Nothing that an order or a transfer waits for."""
