# SPDX-License-Identifier: Apache-2.0
"""The simulated venues behind the semantics of a gateway: ids, logs, orders that rest.

An order in an instrument that fills slowly works until its time has come, and may be cancelled
until then. A venue does nothing twice under one id, and refuses an approval that is not its gate's,
is changed, used or expired; such a refusal leaves no trace, so the id stays unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import (
    Event,
    Filled,
    OrderRefused,
    TransferLanded,
    TransferRefused,
    TransferSent,
)
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.replies import (
    Armed,
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderStatus,
    Pushed,
    Statement,
    Swept,
    TransferStatus,
)
from tidegate.model.times import SECOND_MS
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.simulation.exchange import Exchange

PUSHED_MAX = 10_000
ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class HouseTerms:
    """How the house differs from the bare exchange: how long orders of slow instruments work
    before they fill, and the dead-man's switch of each venue that has one."""

    instruments: Mapping[InstrumentId, Instrument]
    fill_after_ms: Mapping[InstrumentId, int] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)


class PaperHouse:
    """All simulated venues in one clock; `gate` is asked whether it made each approval."""

    def __init__(self, exchange: Exchange, gate: Gate, terms: HouseTerms) -> None:
        self._exchange, self._gate, self._terms = exchange, gate, terms
        self._orders: dict[str, OrderStatus] = {}
        self._working: dict[str, tuple[Order, int]] = {}
        self._transfers: dict[str, tuple[str, TransferStatus]] = {}
        self._used: set[str] = set()
        self._log: dict[str, list[Entry]] = {}
        self._pushed: deque[Pushed] = deque(maxlen=PUSHED_MAX)
        self._lapses: dict[str, int] = {}

    @property
    def now_ms(self) -> int:
        """The venues' time."""
        return self._exchange.now_ms

    @property
    def end_ms(self) -> int:
        """When the venues close for good."""
        return self._exchange.end_ms

    def deposit(self, venue: str, asset: str, quanta: int) -> None:
        """Capital from outside arrives at a venue."""
        self._write(self._exchange.deposit(venue, asset, quanta))

    def advance(self, until_ms: int) -> None:
        """Let time pass: what rests fills and what was armed lapses, each at its own time."""
        while (moment := self._next_moment()) <= until_ms:
            self._write(self._exchange.advance(max(moment, self.now_ms)))
            self._lapse()
            self._fill_due()
        self._write(self._exchange.advance(max(until_ms, self.now_ms)))

    def place(self, approval: Approval) -> OrderStatus:
        """Take an approved order."""
        order = approval.action
        if known := self._orders.get(order.id):
            return known
        refusal = self._redeem(approval, Order)
        if refusal or not isinstance(order, Order):
            return OrderStatus(order.id, "refused", 0, self.now_ms, refusal)
        if order.instrument not in self._terms.instruments:
            return OrderStatus(order.id, "refused", 0, self.now_ms, "no such instrument")
        wait_ms = self._terms.fill_after_ms.get(order.instrument, 0)
        if wait_ms == 0:
            return self._fill(order)
        self._working[order.id] = (order, self.now_ms + wait_ms)
        return self._note(OrderStatus(order.id, "working", 0, self.now_ms))

    def cancel(self, venue: str, order: str) -> OrderStatus:
        """Cancel an order if it works; its state thereafter."""
        if order in self._working and self._venue_of_order(order) == venue:
            del self._working[order]
            self._note(OrderStatus(order, "cancelled", 0, self.now_ms))
        return self.order(venue, order)

    def cancel_all(self, venue: str) -> Swept:
        """Cancel what works at a venue."""
        orders = self._working_at(venue)
        for order in orders:
            self.cancel(venue, order)
        return Swept(venue, orders, self.now_ms)

    def order(self, venue: str, order: str) -> OrderStatus:
        """An order's state now."""
        known = self._orders.get(order)
        if known is None:
            return OrderStatus(order, "absent", 0, self.now_ms)
        return msgspec.structs.replace(known, ts_ms=self.now_ms)

    def send(self, approval: Approval) -> TransferStatus:
        """Take an approved transfer."""
        transfer = approval.action
        if known := self._transfers.get(transfer.id):
            return known[1]
        refusal = self._redeem(approval, Transfer)
        if refusal or not isinstance(transfer, Transfer):
            return TransferStatus(transfer.id, "refused", self.now_ms, refusal)
        status = TransferStatus(transfer.id, "accepted", self.now_ms)
        events = self._exchange.send(transfer)
        for event in events:
            if isinstance(event, TransferRefused):
                status = TransferStatus(transfer.id, "refused", self.now_ms, event.reason)
        self._write(events)
        self._transfers[transfer.id] = (transfer.source, status)
        return status

    def give_back(self, transfer: str) -> None:
        """A transfer cannot be delivered: its money is back at its source, whose log names it.
        Raises `InvariantError` where it is not under way."""
        self._write(self._exchange.give_back(transfer))

    def shipment(self, venue: str, transfer: str) -> TransferStatus:
        """A transfer's state at its source now."""
        source, known = self._transfers.get(transfer, ("", None))
        if known is None or source != venue:
            return TransferStatus(transfer, "absent", self.now_ms)
        return msgspec.structs.replace(known, ts_ms=self.now_ms)

    def pushed(self) -> tuple[Pushed, ...]:
        """Entries and states of orders since the last call; the oldest are lost if it is late."""
        told = tuple(self._pushed)
        self._pushed.clear()
        return told

    def entries(self, venue: str, after: int) -> tuple[Entry, ...]:
        """Lines of a venue's log after a number, a thousand at most."""
        return tuple(self._log.get(venue, [])[after : after + ENTRIES_MAX])

    def statement(self, venue: str) -> Statement:
        """A venue's account of us."""
        number, account = len(self._log.get(venue, [])), self._exchange.account(venue)
        return Statement(venue, self.now_ms, number, account, self._working_at(venue))

    def device(self, venue: str) -> Device | None:
        """The venue's dead-man's switch."""
        return self._terms.devices.get(venue)

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""
        device = self.device(venue)
        if device is None:
            return NotTaken("no dead-man's switch")
        if seconds == 0:
            self._lapses.pop(venue, None)
            return Armed(venue, None, self.now_ms)
        if not device.least_s <= seconds <= device.most_s:
            return NotTaken(f"expected {device.least_s} to {device.most_s} seconds")
        self._lapses[venue] = self.now_ms + seconds * SECOND_MS
        return Armed(venue, self._lapses[venue], self.now_ms)

    def has(self, venue: str) -> bool:
        """Whether there is such a venue."""
        return any(i.venue == venue for i in self._terms.instruments.values())

    def trades(self, instrument: InstrumentId) -> bool:
        """Whether there is such an instrument."""
        return instrument in self._terms.instruments

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce a freeze."""
        return self._exchange.frozen_venues()

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades."""
        return self._exchange.out_venues()

    def stable_micro(self) -> dict[str, int]:
        """What dollar coins are worth."""
        return self._exchange.stable_micro()

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Our place in the venue's deleveraging queue."""
        return self._exchange.adl_rank(instrument)

    @property
    def exchange(self) -> Exchange:
        """The exchange, for whoever plays it."""
        return self._exchange

    def _next_moment(self) -> int:
        """When the next resting order fills or switch lapses."""
        due = [due_ms for _, due_ms in self._working.values()]
        return min([*due, *self._lapses.values()], default=self.end_ms + 1)

    def _lapse(self) -> None:
        for venue in [v for v, until_ms in self._lapses.items() if until_ms <= self.now_ms]:
            del self._lapses[venue]
            self.cancel_all(venue)

    def _fill_due(self) -> None:
        for order, due_ms in list(self._working.values()):
            if due_ms <= self.now_ms:
                del self._working[order.id]
                self._fill(order)

    def _fill(self, order: Order) -> OrderStatus:
        events = self._exchange.trade(order)
        self._write(events)
        status = OrderStatus(order.id, "filled", 0, self.now_ms)
        for event in events:
            if isinstance(event, OrderRefused):
                rested = order.id in self._orders
                state = "cancelled" if rested else "refused"
                status = msgspec.structs.replace(status, state=state, reason=event.reason)
            if isinstance(event, Filled) and event.order == order.id:
                lots = status.filled_lots + event.lots
                status = msgspec.structs.replace(status, filled_lots=lots)
        return self._note(status)

    def _redeem(self, approval: Approval, kind: type[Order | Transfer]) -> str:
        """Why an approval is worth nothing here; empty if it is good, and then it is used."""
        try:
            self._gate.verify(approval, self.now_ms)
        except ApprovalError as error:
            return str(error)
        if approval.id in self._used:
            return f"approval {approval.id}: used before"
        if not isinstance(approval.action, kind):
            return f"approval {approval.id}: for another kind of action"
        self._used.add(approval.id)
        return ""

    def _note(self, status: OrderStatus) -> OrderStatus:
        self._orders[status.id] = status
        self._pushed.append(status)
        return status

    def _write(self, events: list[Event]) -> None:
        for event in events:
            venue = self._venue_of(event)
            if venue is not None:
                log = self._log.setdefault(venue, [])
                log.append(Entry(venue, len(log) + 1, event))
                self._pushed.append(log[-1])

    def _venue_of(self, event: Event) -> str | None:
        """In whose log an event stands; None for what moves no account."""
        if isinstance(event, TransferRefused | OrderRefused):
            return None
        if isinstance(event, TransferSent):
            return event.source
        if isinstance(event, TransferLanded):
            return event.destination
        if instrument := getattr(event, "instrument", None):
            return self._terms.instruments[instrument].venue
        return getattr(event, "venue", None)

    def _venue_of_order(self, order: str) -> str:
        return self._terms.instruments[self._working[order][0].instrument].venue

    def _working_at(self, venue: str) -> tuple[str, ...]:
        return tuple(order for order in self._working if self._venue_of_order(order) == venue)
