# SPDX-License-Identifier: Apache-2.0
"""What must hold after every tick of a fault run, judged from outside the engine.

The journal is read from the disk's durable bytes, the truth from the venues: nothing here asks the
engine about itself but what it believes of its open orders, which is held against the truth.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from tidegate.journal.frames import LENGTH_BYTES, decode_frame
from tidegate.model.account import Account, Position
from tidegate.model.actions import Action, Order
from tidegate.model.events import Filled
from tidegate.model.instruments import Instrument
from tidegate.model.times import SECOND_MS
from tidegate.risk.gate import APPROVAL_LIFE_MS, Approval
from tidegate.risk.plan import Situation
from tidegate.simulation.faults.site import CANARY, Process, Site
from tidegate.simulation.faults.small_book import INSTRUMENTS, MANDATE

NAKED_SLACK = 1.10
# The mandate's time for a leg to find its partner, and two looks of the engine.
UNDISTURBED_MS = 150 * SECOND_MS


class _Approved(msgspec.Struct):
    id: str
    content: str
    action: Action
    expires_ms: int


class _Sent(msgspec.Struct):
    ts_ms: int
    approval: str
    content: str


class _Booked(msgspec.Struct):
    postings: tuple[tuple[str, str, int, int, str], ...]


class _Timed(msgspec.Struct):
    ts_ms: int = -1


@dataclass(slots=True)
class JournalChecker:
    """Reads the journal as it grows: approvals before submissions, sums of zero, time, secrets."""

    found: list[str] = field(default_factory=list)
    sent: dict[str, Action] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    frames: Counter[str] = field(default_factory=Counter)
    decided_ms: int = -1
    _approved: dict[str, _Approved] = field(default_factory=dict)
    _offset: int = 0
    _ts_ms: int = -1

    def read(self, durable: memoryview) -> None:
        """Check what was added."""
        while self._offset + LENGTH_BYTES <= len(durable):
            start = self._offset + LENGTH_BYTES
            end = start + int.from_bytes(durable[self._offset : start], "little")
            if end > len(durable):
                return
            frame = decode_frame(bytes(durable[start:end]), self._offset)
            self._offset = end
            self._check(frame.kind, frame.payload)

    def cut(self, size_bytes: int) -> None:
        """The file was cut behind what was whole."""
        self._offset = min(self._offset, size_bytes)

    def _check(self, kind: str, payload: bytes) -> None:
        self.frames[kind] += 1
        if CANARY in payload or CANARY.hex().encode() in payload:
            self.found.append(f"secret: the gate's key is in a {kind} frame")
        ts_ms = msgspec.json.decode(payload, type=_Timed).ts_ms
        if ts_ms >= 0 and kind != "events":
            if ts_ms < self._ts_ms:
                self.found.append(f"time: {kind} at {ts_ms} after {self._ts_ms}")
            self._ts_ms = max(self._ts_ms, ts_ms)
        if kind == "approved":
            approved = msgspec.json.decode(payload, type=_Approved)
            self._approved[approved.id] = approved
        elif kind in ("submitted", "sent"):
            self._check_sent(msgspec.json.decode(payload, type=_Sent))
        elif kind == "decision":
            self.decided_ms = ts_ms
        elif kind == "cancelling":
            self.cancelled.add(str(msgspec.json.decode(payload)["id"]))
        elif kind == "events":
            self._check_sums(msgspec.json.decode(payload, type=_Booked))

    def _check_sent(self, sent: _Sent) -> None:
        approved = self._approved.get(sent.approval)
        if approved is None or approved.content != sent.content:
            self.found.append(f"R1: {sent.approval} was submitted without its approval")
            return
        if approved.expires_ms < sent.ts_ms:
            self.found.append(f"R1: {sent.approval} was submitted after it had expired")
        if approved.action.id in self.sent:
            self.found.append(f"R2: {approved.action.id} was submitted twice")
        self.sent[approved.action.id] = approved.action

    def _check_sums(self, booked: _Booked) -> None:
        sums: Counter[str] = Counter()
        values = 0
        for _, asset, quanta, value, _ in booked.postings:
            sums[asset] += quanta
            values += value
        if any(sums.values()) or values:
            self.found.append(f"R8: postings sum to {dict(sums)}, values to {values}")


class TruthChecker:
    """Holds what the engine does against the venues' truth."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.found: list[str] = []
        self.process: Process | None = None
        self.hung = False
        self.journal = JournalChecker()
        self.reservations = self.naked_ms = self.longest_naked_ms = 0
        self._undisturbed_ms = self._struck = 0
        self._limit_usd = MANDATE.limits.naked_usd * NAKED_SLACK
        self._watched: dict[str, Approval] = {}
        self._lines = 0
        self._net = Counter[str]()
        self._taken_ms: dict[str, int] = {}
        site.wire.before_request = self.before_request
        site.gate.before_review = self.before_review

    def before_request(self, kind: str, name: str, approval: Approval | None) -> None:
        """A request is about to leave: its journal record must be on disk."""
        self.journal.read(self._site.disk.durable)
        if kind == "cancel":
            if name not in self.journal.cancelled:
                self.found.append(f"R2: {name} is cancelled before that was journalled")
            return
        if self.journal.sent.get(name) is None or approval is None:
            self.found.append(f"R2: {name} is sent before that was journalled")
            return
        if isinstance(approval.action, Order):
            self._check_fresh(approval.action)
            self._check_margin(approval.action)
            self._check_hedged(approval.action)
            self._watched[name] = approval
            self._check_locked(approval.action)

    def after_tick(self) -> None:
        """Everything that is judged each second."""
        self.journal.read(self._site.disk.durable)
        if self._watched and self.process is not None:
            self._check_reserved(self.process)
        self._follow_fills()
        self._time_naked()

    def at_end(self) -> None:
        """What is judged once."""
        seen, traffic = self._site.server.seen, self._site.wire.traffic
        if seen.repeated or seen.collided:
            self.found.append(f"R2: ids came again: {seen.repeated[:3]} {seen.collided[:3]}")
        if any(count > 1 for count in seen.acted.values()):
            self.found.append("R2: an id was acted on twice")
        for (venue, second), count in traffic.sent.items():
            if count > MANDATE.limits.messages_per_s:
                self.found.append(f"R13: {count} actions to {venue} in second {second}")
                break
        for name, lots in seen.traded.items():
            order = self.journal.sent.get(name)
            if not isinstance(order, Order) or not 0 <= lots / order.lots <= 1:
                self.found.append(f"R13: {name} traded {lots} lots")

    def _check_fresh(self, order: Order) -> None:
        now = self._site.now_ms
        quote = self._site.feed.seen.get(order.instrument)
        limit = MANDATE.limits.quote_age_s * SECOND_MS + APPROVAL_LIFE_MS
        if quote is None or now - quote.as_of_ms > limit:
            self.found.append(f"R14: {order.id} is sent on a stale quote")

    def _check_margin(self, order: Order) -> None:
        """With this order and all others in flight filled at the worst end, no account that stood
        above its maintenance falls below."""
        if order.reduce_only:
            return
        venue, server = INSTRUMENTS[order.instrument].venue, self._site.server
        marks, account = server.exchange.marks(), server.exchange.account(venue)
        rule = self._site.terms_at(self._site.now_ms).rules[venue]
        equity, maintenance = rule.health_at(account, marks)
        positions = dict(account.positions)
        for other in (order, *self._in_flight()):
            lots = other.lots - server.seen.traded[other.id]
            if INSTRUMENTS[other.instrument].venue == venue:
                held = positions.get(other.instrument, Position(0, 0))
                cost = INSTRUMENTS[other.instrument].entry_cost(lots, marks[other.instrument])
                if abs(held.lots + lots) > abs(held.lots):
                    positions[other.instrument] = Position(held.lots + lots, held.cost + cost)
        after = rule.health_at(Account(venue, account.balances, positions), marks)
        if equity >= maintenance and after[0] < after[1]:
            self.found.append(f"R9: {order.id} may take {venue} below its maintenance")

    def _check_locked(self, order: Order) -> None:
        if self.process is None:
            return
        found = self.process.desk.breaks.get(INSTRUMENTS[order.instrument].venue)
        differs = found is not None and order.instrument in {**found.lots, **found.costs}
        if differs and not order.reduce_only:
            self.found.append(f"R15: {order.id} is sent while its position is in dispute")

    def _in_flight(self) -> list[Order]:
        """Orders of which lots may still trade."""
        return [_order(a) for a in self._watched.values() if self._may_trade(a.action.id)]

    def _may_trade(self, name: str) -> bool:
        """Whether lots of an order may still trade: it works, or is under way and in time."""
        server = self._site.server
        if server.works(name):
            return True
        approval = self._watched[name]
        venue = INSTRUMENTS[_order(approval).instrument].venue
        in_time = server.clock_ms(venue) <= approval.expires_ms
        return name in self._site.wire.in_flight and not server.knows(name) and in_time

    def _check_reserved(self, process: Process) -> None:
        """Each order that may yet trade, or has traded unread, is reserved for."""
        books, server = process.desk.books, self._site.server
        for name, approval in list(self._watched.items()):
            may = self._may_trade(name)
            furthest = _order(approval).lots if may else server.seen.traded[name]
            if not books.has_order(name):
                self.found.append(f"R10: {name} may trade and the engine does not know it")
                del self._watched[name]
                continue
            record = books.order(name)
            self.reservations += 1
            covered = record.filled_lots + record.open_lots
            if abs(covered) < abs(furthest):
                said = f"{record.state.value}, {covered} of {furthest} lots"
                self.found.append(f"R10: {name} is not reserved for: {said}")
                del self._watched[name]
            elif not record.is_open and record.filled_lots == furthest and not may:
                del self._watched[name]

    def before_review(self, situation: Situation) -> None:
        """The gate is about to judge: what may come of orders in flight must be in what it sees."""
        if self.process is None:
            return
        books, needed = self.process.desk.books, dict[str, tuple[int, int]]()
        for name, approval in self._watched.items():
            order = _order(approval)
            traded = self._site.server.seen.traded[name]
            furthest = order.lots if self._may_trade(name) else traded
            left = furthest - (books.order(name).filled_lots if books.has_order(name) else 0)
            low, high = needed.get(order.instrument, (0, 0))
            needed[order.instrument] = (low + min(0, left), high + max(0, left))
        for instrument, (low, high) in needed.items():
            seen = situation.unsettled.lots.get(instrument, (0, 0))
            if seen[0] > low or seen[1] < high:
                said = f"{seen} of {(low, high)} lots of {instrument}"
                self.found.append(f"R10: the gate sees {said} in flight")

    def _follow_fills(self) -> None:
        """Follow net exposure per coin through all fills, as they came."""
        history = self._site.server.history
        for entry in history[self._lines :]:
            if isinstance(entry.event, Filled):
                self._net_fill(entry.event)
        self._lines = len(history)

    def _net_fill(self, event: Filled) -> None:
        instrument = INSTRUMENTS[event.instrument]
        self._net[instrument.base] += event.lots * _micro_coins(instrument)
        if event.reason != "order":
            self._taken_ms[instrument.base] = self._site.now_ms

    def _check_hedged(self, order: Order) -> None:
        """With this order and all in flight on its side filled, no more of a coin is unhedged than
        the mandate allows; a leg that its venue has just taken away is not the order's doing."""
        instrument = INSTRUMENTS[order.instrument]
        self._follow_fills()
        coin, sign = instrument.base, 1 if order.lots > 0 else -1
        if self._site.now_ms - self._taken_ms.get(coin, -UNDISTURBED_MS) < UNDISTURBED_MS:
            return
        furthest = self._net[coin] + order.lots * _micro_coins(instrument)
        for other in self._in_flight():
            held = INSTRUMENTS[other.instrument]
            if held.base == coin and other.lots * sign > 0:
                left = other.lots - self._site.server.seen.traded[other.id]
                furthest += left * _micro_coins(held)
        price = float(instrument.price(self._site.server.exchange.marks()[instrument.id]))
        worth = abs(furthest) / 1e6 * price
        if abs(furthest) > abs(self._net[coin]) and worth > self._limit_usd:
            self.found.append(f"naked: {order.id} may leave {worth:.0f} USD of {coin} unhedged")

    def _time_naked(self) -> None:
        """How long some coin was exposed beyond the mandate's limit though nothing struck."""
        if not any(self._net.values()) or self._exposed_usd() <= self._limit_usd:
            self.naked_ms = self._undisturbed_ms = 0
            return
        self.naked_ms += SECOND_MS
        self.longest_naked_ms = max(self.longest_naked_ms, self.naked_ms)
        struck = self._site.coverage.struck
        idle = self.process is None or self.hung
        disturbed = struck != self._struck or self._site.spells.are_on or idle
        self._struck = struck
        self._undisturbed_ms = 0 if disturbed else self._undisturbed_ms + SECOND_MS
        if self._undisturbed_ms == UNDISTURBED_MS:
            worth = self._exposed_usd()
            self.found.append(f"naked: {worth:.0f} USD though nothing struck for 150 seconds")

    def _exposed_usd(self) -> float:
        """The largest net position of a coin, at its dearest mark."""
        marks, exposed = self._site.server.exchange.marks(), 0.0
        for name, instrument in INSTRUMENTS.items():
            net = abs(self._net[instrument.base]) / 1e6
            exposed = max(exposed, net * float(instrument.price(marks[name])))
        return exposed


def _micro_coins(instrument: Instrument) -> int:
    """Millionths of a coin in one lot; whole for every contract of the small book."""
    return int(instrument.lot.scaleb(6))


def _order(approval: Approval) -> Order:
    assert isinstance(approval.action, Order)
    return approval.action
