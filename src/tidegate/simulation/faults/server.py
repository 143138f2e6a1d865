# SPDX-License-Identifier: Apache-2.0
"""The venues' side of the wire, without any fault of the wire's: what is true.

All venues stand on one exchange and in its clock. Each takes approvals that the gate knows and that
have not expired by its own time, knows an action by its id, does nothing twice under one id, and
keeps a log of our account. Refusals move nothing and stand in no log; a withdrawal is a line of its
source's log and its arrival one of its destination's. Repricings of dollar coins are no account's:
they have the log `MARKET`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import ensure
from tidegate.model.events import (
    Delivered,
    Event,
    Filled,
    FundingPaid,
    Marked,
    OrderRefused,
    Repriced,
    TransferLanded,
    TransferRefused,
    TransferSent,
)
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.replies import (
    Entry,
    OrderState,
    OrderStatus,
    Pushed,
    Statement,
    TransferState,
    TransferStatus,
)
from tidegate.model.times import HOUR_MS, SECOND_MS
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.menu import Fault, Swarm

MARKET = "market"
PARTS_MAX, PART_GAP_MS_MAX = 5, 20 * SECOND_MS
REVIEW_MS_MAX = 20 * 60 * SECOND_MS
# The share of lost transfers whose money comes back to their source, with their id.
BACK_SHARE = 0.5
LATE_MS_MAX = 6 * HOUR_MS


@dataclass(slots=True)
class Working:
    """An order as its venue has it: what is to trade and when, in parts."""

    order: Order
    venue: str
    parts: list[tuple[int, int]]
    state: OrderState = "working"
    filled_lots: int = 0
    reason: str = ""
    trades_on: bool = False


@dataclass(slots=True)
class Withdrawal:
    """A transfer as its source has it; `due_ms` while it is under review."""

    transfer: Transfer
    state: TransferState = "accepted"
    due_ms: int | None = None
    reason: str = ""


@dataclass(slots=True)
class Seen:
    """What venues saw of ids: those that came again, with the same content or another's, which no
    sound client does; actions refused for their approval; how often each id was acted on, and the
    signed lots that have traded under it."""

    repeated: list[str] = field(default_factory=list)
    collided: list[str] = field(default_factory=list)
    unapproved: list[tuple[str, str]] = field(default_factory=list)
    acted: Counter[str] = field(default_factory=Counter)
    traded: Counter[str] = field(default_factory=Counter)


class VenueServer:
    """Every venue of one exchange. Behaviour of an action is drawn from the seed and its id.

    `history` has the lines of all logs in the order in which they came to be.
    """

    def __init__(
        self,
        exchange: Exchange,
        instruments: Mapping[InstrumentId, Instrument],
        gate: Gate,
        swarm: Swarm,
        coverage: Coverage,
    ) -> None:
        self._exchange, self._gate, self._swarm = exchange, gate, swarm
        self._coverage, self._instruments = coverage, instruments
        self._orders: dict[str, Working] = {}
        self._open: dict[str, Working] = {}
        self._forgotten: set[str] = set()
        self._withdrawals: dict[str, Withdrawal] = {}
        self._reviewed: dict[str, Withdrawal] = {}
        self._lost_until_ms: dict[str, int] = {}
        self._logs: dict[str, list[Entry]] = {venue: [] for venue in (*self.venues, MARKET)}
        self._news: list[tuple[str, Pushed]] = []
        self._offset_ms: dict[str, int] = dict.fromkeys(self._logs, 0)
        self.calm = False
        self.seen = Seen()
        self.history: list[Entry] = []

    @property
    def exchange(self) -> Exchange:
        """The exchange behind."""
        return self._exchange

    @property
    def venues(self) -> tuple[str, ...]:
        """Names of all venues, in order."""
        return tuple(sorted({i.venue for i in self._instruments.values()}))

    @property
    def now_ms(self) -> int:
        """True time."""
        return self._exchange.now_ms

    def venue_of(self, instrument: InstrumentId) -> str:
        """The venue of a contract."""
        return self._instruments[instrument].venue

    def instruments_of(self, venue: str) -> tuple[InstrumentId, ...]:
        """What trades at a venue, in order."""
        return tuple(sorted(n for n, i in self._instruments.items() if i.venue == venue))

    def clock_ms(self, venue: str) -> int:
        """A venue's own time."""
        return self._exchange.now_ms + self._offset_ms[venue]

    def step_clock(self, venue: str, offset_ms: int) -> None:
        """A venue's clock is off by this much from now on."""
        self._offset_ms[venue] = offset_ms

    def news(self) -> list[tuple[str, Pushed]]:
        """What venues have to tell since this was last asked, each with its venue, in order."""
        news, self._news = self._news, []
        return news

    def deposit(self, venue: str, asset: str, quanta: int) -> None:
        """Capital from outside arrives."""
        self._enter(self._exchange.deposit(venue, asset, quanta))

    def advance(self, until_ms: int) -> None:
        """Let time pass: the market moves, working orders trade, reviews end."""
        events = self._exchange.advance(until_ms)
        if events:
            self._enter(events)
        if self._open:
            for working in [w for w in self._open.values() if w.parts[0][0] <= until_ms]:
                self._trade(working)
        if self._reviewed:
            for held in [w for w in self._reviewed.values() if (w.due_ms or 0) <= until_ms]:
                self._decide(held)
        for name in [n for n, back_ms in self._lost_until_ms.items() if back_ms <= until_ms]:
            del self._lost_until_ms[name]
            self._coverage.about(Fault.TRANSFER_BACK, name)
            self._enter(self._exchange.give_back(name))

    def place(self, approval: Approval) -> OrderStatus:
        """Take an approved order, or answer with what it is already."""
        order = approval.action
        if not isinstance(order, Order):
            raise ApprovalError(f"approval {approval.id}: not for an order")
        known = self._orders.get(order.id)
        if known is not None or order.id in self._forgotten:
            self._notice(order.id, known is not None and known.order != order)
            return self._status(order.id, self.venue_of(order.instrument))
        venue = self.venue_of(order.instrument)
        reason = self._unapproved(approval, venue)
        if reason:
            return OrderStatus(order.id, "refused", 0, self.clock_ms(venue), reason)
        self.seen.acted[order.id] += 1
        working = Working(order, venue, self._parts(order))
        self._orders[order.id] = self._open[order.id] = working
        if working.parts[0][0] > self.now_ms:
            self._tell(working)
        else:
            self._trade(working)
        return self._status(order.id, venue)

    def cancel(self, venue: str, order: str) -> OrderStatus:
        """End an order that works; what it has traded stays, and one that ended stays as it is."""
        working = self._orders.get(order)
        if working is None or working.state != "working":
            if working is not None and working.state == "filled":
                self._coverage.about(Fault.CANCEL_TOO_LATE, order)
            return self._status(order, venue)
        if self._draws(order, Fault.FILL_LAST):
            # The part that was already matched is reported after the word on the cancel.
            self._coverage.about(Fault.FILL_LAST, order)
            working.trades_on = True
            working.parts = [(self.now_ms + SECOND_MS, working.parts[0][1])]
            working.state = "cancelled"
            return self._status(order, venue)
        self._end(working, "cancelled", "asked for")
        return self._status(order, venue)

    def order(self, venue: str, order: str) -> OrderStatus:
        """The state of an order; absent where the venue knows none."""
        return self._status(order, venue)

    def send(self, approval: Approval) -> TransferStatus:
        """Take an approved transfer, or answer with what it is already."""
        transfer = approval.action
        if not isinstance(transfer, Transfer):
            raise ApprovalError(f"approval {approval.id}: not for a transfer")
        known = self._withdrawals.get(transfer.id)
        if known is not None:
            self._notice(transfer.id, known.transfer != transfer)
            return self.shipment(transfer.source, transfer.id)
        reason = self._unapproved(approval, transfer.source)
        if reason:
            now = self.clock_ms(transfer.source)
            return TransferStatus(transfer.id, "refused", now, reason)
        self.seen.acted[transfer.id] += 1
        held = self._withdrawals[transfer.id] = Withdrawal(transfer)
        if self._draws(transfer.id, Fault.REVIEW):
            self._coverage.about(Fault.REVIEW, transfer.id)
            wait_ms = self._stream(transfer.id, "review").randint(SECOND_MS, REVIEW_MS_MAX)
            held.due_ms = self.now_ms + wait_ms
            self._reviewed[transfer.id] = held
        else:
            self._debit(held)
        return self.shipment(transfer.source, transfer.id)

    def shipment(self, venue: str, transfer: str) -> TransferStatus:
        """The state of a withdrawal; absent where the venue knows none."""
        held, now = self._withdrawals.get(transfer), self.clock_ms(venue)
        if held is None or held.transfer.source != venue:
            return TransferStatus(transfer, "absent", now)
        return TransferStatus(transfer, held.state, now, held.reason)

    def entries(self, venue: str, after: int) -> tuple[Entry, ...]:
        """Lines of a log beyond a number."""
        return tuple(self._logs[venue][after:])

    def log_length(self, venue: str) -> int:
        """Number of the last line of a log."""
        return len(self._logs[venue])

    def statement(self, venue: str) -> Statement:
        """A venue's own account of us."""
        open_here = (w for w in self._open.values() if w.venue == venue)
        working = tuple(sorted(w.order.id for w in open_here if w.state == "working"))
        account = self._exchange.account(venue)
        return Statement(venue, self.clock_ms(venue), len(self._logs[venue]), account, working)

    def reset(self, venue: str) -> bool:
        """Forget every order that works, and tell nobody; whether there was one."""
        gone = [name for name, working in self._open.items() if working.venue == venue]
        for name in gone:
            del self._open[name], self._orders[name]
        self._forgotten.update(gone)
        return bool(gone)

    def settle(self) -> None:
        """Draw no fault from now on, and end every review at once."""
        self.calm = True
        for held in self._reviewed.values():
            held.due_ms = self.now_ms

    def knows(self, order: str) -> bool:
        """Whether an order ever reached its venue and was acted on."""
        return order in self.seen.acted

    def works(self, order: str) -> bool:
        """Whether lots of an order may still trade."""
        return order in self._open

    def _stream(self, name: str, what: str) -> Random:
        return Random(f"{self._swarm.seed}:{what}:{name}")

    def _draws(self, name: str, fault: Fault) -> bool:
        chance = 0.0 if self.calm else self._swarm.chance(fault)
        return chance > 0.0 and self._stream(name, fault.value).random() < chance

    def _notice(self, name: str, collided: bool) -> None:
        (self.seen.collided if collided else self.seen.repeated).append(name)

    def _unapproved(self, approval: Approval, venue: str) -> str:
        try:
            self._gate.verify(approval, self.clock_ms(venue))
        except ApprovalError as error:
            self.seen.unapproved.append((approval.id, str(error)))
            return str(error)
        return ""

    def _status(self, order: str, venue: str) -> OrderStatus:
        working, now = self._orders.get(order), self.clock_ms(venue)
        if working is None or working.venue != venue:
            return OrderStatus(order, "absent", 0, now)
        return OrderStatus(order, working.state, working.filled_lots, now, working.reason)

    def _parts(self, order: Order) -> list[tuple[int, int]]:
        """When how many lots trade: all at once, or in parts that sum to the order."""
        if abs(order.lots) < 2 or not self._draws(order.id, Fault.PARTIAL_FILL):
            return [(self.now_ms, order.lots)]
        rng = self._stream(order.id, "parts")
        count = rng.randint(2, min(PARTS_MAX, abs(order.lots)))
        cuts = sorted(rng.sample(range(1, abs(order.lots)), count - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, abs(order.lots)], strict=True)]
        due_ms, parts = self.now_ms + rng.choice((0, 0, SECOND_MS)), []
        for size in sizes:
            parts.append((due_ms, size if order.lots > 0 else -size))
            due_ms += rng.randint(0, PART_GAP_MS_MAX)
        return parts

    def _trade(self, working: Working) -> None:
        """Trade the parts that are due; a part that is refused ends the order."""
        while working.parts and working.parts[0][0] <= self.now_ms:
            lots = working.parts.pop(0)[1]
            events = self._exchange.trade(msgspec.structs.replace(working.order, lots=lots))
            refused = next((e for e in events if isinstance(e, OrderRefused)), None)
            if refused is not None:
                state: OrderState = "cancelled" if working.filled_lots else "refused"
                return self._end(working, state, refused.reason)
            working.filled_lots += lots
            self.seen.traded[working.order.id] += lots
            self._enter(events)
            if working.trades_on:
                return self._end(working, "cancelled", "asked for")
        if not working.parts:
            return self._end(working, "filled", "")
        self._coverage.about(Fault.PARTIAL_FILL, working.order.id)
        self._tell(working)

    def _end(self, working: Working, state: OrderState, reason: str) -> None:
        working.state, working.reason = state, reason
        working.parts.clear()
        del self._open[working.order.id]
        self._tell(working)

    def _tell(self, working: Working) -> None:
        self._news.append((working.venue, self._status(working.order.id, working.venue)))

    def _decide(self, held: Withdrawal) -> None:
        del self._reviewed[held.transfer.id]
        held.due_ms = None
        if self._draws(held.transfer.id, Fault.REVIEW_REFUSED):
            self._coverage.about(Fault.REVIEW_REFUSED, held.transfer.id)
            held.state, held.reason = "refused", "review"
        else:
            self._debit(held)

    def _debit(self, held: Withdrawal) -> None:
        """Let the money go, or refuse; a late or lost shipment is held back on its way."""
        events = self._exchange.send(held.transfer)
        refused = next((e for e in events if isinstance(e, TransferRefused)), None)
        if refused is not None:
            held.state, held.reason = "refused", refused.reason
            return
        name = held.transfer.id
        self._enter(events)
        if self._draws(name, Fault.TRANSFER_LOST):
            self._coverage.about(Fault.TRANSFER_LOST, name)
            self._exchange.hold(name, self._exchange.end_ms + 1)
            rng = self._stream(name, "back")
            if rng.random() < BACK_SHARE:
                self._lost_until_ms[name] = self.now_ms + rng.randint(SECOND_MS, REVIEW_MS_MAX)
        elif self._draws(name, Fault.TRANSFER_LATE):
            self._coverage.about(Fault.TRANSFER_LATE, name)
            wait_ms = self._stream(name, "late").randint(HOUR_MS, LATE_MS_MAX)
            self._exchange.hold(name, self.now_ms + wait_ms)

    def _enter(self, events: list[Event]) -> None:
        """Write lines into the logs and tell of them, each in its venue's own time."""
        for event in events:
            venue = self._whose(event)
            offset_ms = self._offset_ms[venue]
            stamped = (
                msgspec.structs.replace(event, ts_ms=event.ts_ms + offset_ms)
                if offset_ms
                else event
            )
            entry = Entry(venue, len(self._logs[venue]) + 1, stamped)
            self._logs[venue].append(entry)
            self.history.append(entry)
            self._news.append((venue, entry))

    def _whose(self, event: Event) -> str:
        match event:
            case Filled() | FundingPaid() | Delivered():
                return self.venue_of(event.instrument)
            case TransferSent():
                return event.source
            case TransferLanded():
                return event.destination
            case Repriced():
                return MARKET
            case OrderRefused() | TransferRefused() | Marked():
                ensure(False, "no line of a log")
                return MARKET
            case _:
                return event.venue
