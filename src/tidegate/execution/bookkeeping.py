# SPDX-License-Identifier: Apache-2.0
"""Following the venues' logs into the ledger, line by line, and holding statements against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec

from tidegate.execution.books import Books
from tidegate.execution.brake import Day
from tidegate.execution.doubts import SETTLED, Doubts, Finding, Settled
from tidegate.execution.inbox import Inbox
from tidegate.execution.patience import Patience
from tidegate.execution.reconciliation import Break, compare
from tidegate.execution.record import Record
from tidegate.execution.transfers import Leg
from tidegate.ledger.book import Ledger
from tidegate.model.errors import ensure
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    LiquidationStarted,
    TransferLanded,
    TransferReturned,
    TransferSent,
    VenueFailed,
)
from tidegate.model.replies import Entry, OrderReply, OrderStatus, Statement, TransferReply, Unclear
from tidegate.model.times import SECOND_MS
from tidegate.ports import Gateway

# A venue that could not be compared for this long may have changed anything.
UNSEEN_MS = 120 * SECOND_MS
POLL_MS = 5 * SECOND_MS
AGREED = Break({}, {}, {})


class Past(msgspec.Struct, frozen=True):
    """What a recovery read from the journal: the run's orders and transfers, up to which line of
    each venue's log the ledger has come, the brake's day with the capital that was known when it
    was written (micro), and what is in doubt."""

    books: Books
    lines: Mapping[str, int] = {}
    day: Day | None = None
    capital_micro: int | None = None
    doubts: Doubts = msgspec.field(default_factory=Doubts)


class Bookkeeper:
    """Books what venues tell; `breaks` are the venues whose statements differ from the ledger, and
    `struck_ms` is when a venue was last seen to close positions of ours (-1 never).

    No venue's word ends the process. A line that cannot be booked is journalled and its venue is
    followed no further, until a person has looked and starts anew. A fill that contradicts what was
    sent, and a deposit that may be a transfer's money, are booked as they happened and stay in
    doubt, beyond a restart, until a person says what they are.
    """

    def __init__(
        self, gateway: Gateway, record: Record, venues: tuple[str, ...], past: Past | None
    ) -> None:
        self._gateway, self._record, self._venues = gateway, record, venues
        past = past or Past(Books())
        self.books, lines, self._doubts = past.books, past.lines, past.doubts
        self._inbox = Inbox({**dict.fromkeys(venues, 0), **lines})
        self._seen_ms = dict.fromkeys(venues, -UNSEEN_MS - 1)
        self._polled_ms = dict.fromkeys(venues, 0)
        self._owed, self._patience = set[str](), Patience()
        self.breaks: dict[str, Break] = {}
        self._stuck: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._ignored = set[str]()
        self.struck_ms = -1

    def collect(self, now_ms: int) -> None:
        """Take what venues told: news of orders as it is, lines of their logs in order."""
        for told in self._gateway.pushed():
            if isinstance(told, Entry):
                self._put([told], now_ms)
            elif isinstance(told, OrderStatus) and self.books.is_news(told):
                self.hear(told.id, told, now_ms)
        for venue in self._inbox.gaps:
            self._fetch(venue, now_ms)
        self._book(now_ms)
        # What a new process knows from its journal, it has not said yet.
        self._say_doubts(now_ms)

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
        if self.books.has_order(name):
            self._doubts.hold_order(name, self.books)
            self._say_doubts(now_ms)

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
        """Whether a venue told the lines of its log, and they can be followed."""
        if venue in self._stuck:
            return False
        self._polled_ms[venue] = now_ms
        found = self._gateway.entries(venue, self._inbox.cursors[venue])
        if isinstance(found, Unclear):
            return False
        self._put(found, now_ms)
        return True

    def _put(self, entries: Sequence[Entry], now_ms: int) -> None:
        """Keep lines of venues that we know; that there are others is said once."""
        for entry in entries:
            if entry.venue in self._venues:
                self._inbox.put([entry])
            elif entry.venue not in self._ignored:
                self._ignored.add(entry.venue)
                self._record.note("ignored", {"ts_ms": now_ms, "entry": entry})

    def _book(self, now_ms: int) -> None:
        """Book all lines that may be booked, as long as one lets another be booked."""
        while sum(self._book_venue(venue, now_ms) for venue in self._venues):
            """A departure at one venue lets a landing at another be booked."""
        self._say_waiting(now_ms)

    def _say_waiting(self, now_ms: int) -> None:
        """Lock a venue whose next line is the landing of money that this run did not send: its log
        is followed no further until the departure is booked, and nobody would know why."""
        for venue in self._venues:
            why, event = "", self._inbox.waiting(venue)
            if isinstance(event, TransferLanded) and not self.books.has_transfer(event.id):
                number = self._inbox.cursors[venue] + 1
                why = f"line {number} waits: transfer {event.id} was not sent by this run"
            if why != self._waiting.get(venue, ""):
                self._waiting[venue] = why
                self._find(venue, self.breaks.get(venue, AGREED), now_ms)

    def _book_venue(self, venue: str, now_ms: int) -> bool:
        after = self._inbox.cursors[venue]
        events = self._inbox.take(venue, self._may_book)
        if not events:
            return False
        count, why = self._record.take_late(events, now_ms, (venue, after), self.books.check)
        for event in events[:count]:
            note_progress(self.books, event)
            self._doubts.take(event, self.books, venue)
        self._say_doubts(now_ms)
        if any(is_forced(event) for event in events[:count]):
            self.struck_ms = now_ms
        if why:
            self._stick(venue, after + count, events[count], why, now_ms)
        return count > 0

    def _stick(self, venue: str, number: int, event: Event, why: str, now_ms: int) -> None:
        """Follow a venue's log no further than a line, since the next cannot be booked."""
        line = {"venue": venue, "number": number + 1, "event": event, "why": why}
        self._record.note("unbookable", {"ts_ms": now_ms, **line})
        self._inbox.stop(venue, number)
        self._stuck[venue] = f"line {number + 1} cannot be booked: {why}"
        self._find(venue, self.breaks.get(venue, AGREED), now_ms)

    def _say_doubts(self, now_ms: int) -> None:
        """Journal where what is in doubt has changed."""
        for venue in sorted(self._doubts.venues | self.breaks.keys()):
            found = self.breaks.get(venue, AGREED)
            if self._with_doubts(venue, found) != found:
                self._find(venue, found, now_ms)

    @property
    def returned(self) -> frozenset[str]:
        """Transfers whose money may be the deposit that is in the ledger already."""
        return frozenset(self._doubts.returns)

    @property
    def capital_micro(self) -> int:
        """What came from outside for sure: without deposits that may be our own transfers."""
        return sure_capital_micro(self._record.ledger, self._doubts)

    def settle(self, name: str, finding: Finding, who: str, now_ms: int) -> None:
        """Book and journal what a person found of an instrument or a transfer that was in doubt, of
        one that is overdue, or of an order that does not end. Raises `InvariantError` where there
        is no such thing to find, and then books nothing: what is mistyped must not count as
        said."""
        ensure(finding in get_args(Finding), f"finding {finding}: none of {get_args(Finding)}")
        if finding == "unfounded":
            ensure(self._doubts.holds(name), f"{name}: not in doubt")
        elif finding == "ended":
            self._end_order(name, now_ms)
        else:
            self._settle_shipment(name, finding, now_ms)
        self._record.note(SETTLED, Settled(now_ms, name, finding, who))
        self._doubts.settle(name)
        self._say_doubts(now_ms)

    def _end_order(self, name: str, now_ms: int) -> None:
        """End an order with what its venue's log has now; raises where that cannot be read."""
        ensure(self.books.has_order(name), f"order {name}: not of this run")
        read = self._fetch(self.books.order(name).venue, now_ms)
        ensure(read, f"order {name}: the log of its venue cannot be read")
        self._book(now_ms)
        self.books.end_order(name)

    def _settle_shipment(self, name: str, finding: Finding, now_ms: int) -> None:
        """Money that is back is a transfer's and no capital; money that is gone is a loss."""
        sent, back = self._record.ledger.shipments.get(name), self._doubts.returns.get(name)
        ensure(sent is not None, f"transfer {name}: not under way")
        ensure(finding == "lost" or back is not None, f"transfer {name}: no deposit may be it")
        if sent is None:
            return
        quanta = back.quanta if back is not None and finding == "returned" else 0
        at_ms = max(now_ms, self._record.ledger.ts_ms)
        events: list[Event] = [TransferReturned(at_ms, name, sent.source, sent.asset, quanta)]
        if quanta:
            events.insert(0, Deposited(at_ms, sent.source, sent.asset, -quanta))
        self._record.take(events, now_ms=at_ms)
        for event in events:
            note_progress(self.books, event)
            self._doubts.take(event, self.books, sent.source)

    def _may_book(self, event: Event) -> bool:
        """A landing waits for the line of its departure, if one may still come."""
        if not isinstance(event, TransferLanded):
            return True
        return self._record.ledger.may_land(event.id) or self.books.is_over(event.id)

    def _compare(self, venue: str, now_ms: int) -> None:
        """Hold a venue's statement against the ledger after the same line of its log."""
        if venue in self._stuck:
            return
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
        ours, known = self._record.ledger.account(venue), self._record.ledger.knows
        self._find(venue, compare(ours, said.account, strangers, known), now_ms)

    def _find(self, venue: str, found: Break, now_ms: int) -> None:
        """Keep what differs at a venue, with all that is in doubt there, and journal a change."""
        found = self._with_doubts(venue, found)
        before = self.breaks.pop(venue, None)
        if not found.is_none:
            self.breaks[venue] = found
        if found != before and not (found.is_none and before is None):
            finding = {"ts_ms": now_ms, "venue": venue, "differs": found}
            self._record.note("agreed" if found.is_none else "break", finding)

    def _with_doubts(self, venue: str, found: Break) -> Break:
        return msgspec.structs.replace(
            found,
            doubts=self._doubts.fills_at(venue),
            stuck=self._stuck.get(venue) or self._waiting.get(venue, ""),
            returns=self._doubts.returns_at(venue),
        )

    def _close_landed(self) -> None:
        """In a backtest landings are booked by whoever plays the tape."""
        under_way = self._record.ledger.shipments
        for sent in self.books.open_transfers:
            if sent.leg is Leg.UNDER_WAY and sent.transfer.id not in under_way:
                self.books.credited(sent.transfer.id)


def sure_capital_micro(ledger: Ledger, doubts: Doubts) -> int:
    """What came from outside, without deposits that may be our own transfers."""
    doubted = (ledger.worth_micro(back.asset, back.quanta) for back in doubts.returns.values())
    return ledger.waterfall.get("capital", 0) - sum(doubted)


def is_forced(event: Event) -> bool:
    """Whether a venue closes positions of ours by its own right, or by its end."""
    return isinstance(event, LiquidationStarted | VenueFailed) or (
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
        case TransferReturned():
            books.returned(event.id)
        case _:
            """Nothing that an order or a transfer waits for."""
