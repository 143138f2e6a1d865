# SPDX-License-Identifier: Apache-2.0
"""A session with the simulated exchange that never fails; it takes approvals only."""

from __future__ import annotations

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event, OrderRefused, TransferRefused
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import (
    Entry,
    OrderStatus,
    Pushed,
    Statement,
    TransferStatus,
)
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.simulation.exchange import Exchange


class PaperVenues:
    """All simulated venues; `gate` is asked whether it made each approval.

    An order fills at once or is refused. The logs hold what our own actions cause; what the tape
    brings is booked by whoever plays it.
    """

    def __init__(self, exchange: Exchange, gate: Gate) -> None:
        self._exchange = exchange
        self._gate = gate
        self._used: set[str] = set()
        self._orders: dict[str, OrderStatus] = {}
        self._transfers: dict[str, TransferStatus] = {}
        self._lines: dict[str, list[Entry]] = {}
        self._told: list[Pushed] = []

    def place(self, approval: Approval) -> OrderStatus:
        """Send an approved order."""
        action = self._redeem(approval)
        if not isinstance(action, Order):
            raise ApprovalError(f"approval {approval.id}: not for an order")
        if action.id not in self._orders:
            events = self._exchange.trade(action)
            venue, _ = action.instrument.split(":")
            self._log(venue, events)
            self._orders[action.id] = self._status(action, events)
        return self._orders[action.id]

    def _status(self, order: Order, events: list[Event]) -> OrderStatus:
        now = self._exchange.now_ms
        for event in events:
            if isinstance(event, OrderRefused):
                return OrderStatus(order.id, "refused", 0, now, event.reason)
        return OrderStatus(order.id, "filled", order.lots, now)

    def send(self, approval: Approval) -> TransferStatus:
        """Send an approved transfer."""
        action = self._redeem(approval)
        if not isinstance(action, Transfer):
            raise ApprovalError(f"approval {approval.id}: not for a transfer")
        if action.id not in self._transfers:
            events, now = self._exchange.send(action), self._exchange.now_ms
            self._log(action.source, events)
            refusals = [e.reason for e in events if isinstance(e, TransferRefused)]
            status = TransferStatus(action.id, "accepted", now)
            if refusals:
                status = TransferStatus(action.id, "refused", now, refusals[0])
            self._transfers[action.id] = status
        return self._transfers[action.id]

    def cancel(self, venue: str, order: str) -> OrderStatus:
        """Nothing works for long enough to be cancelled; the state of the order."""
        return self.order(venue, order)

    def order(self, venue: str, order: str) -> OrderStatus:
        """The state of an order."""
        absent = OrderStatus(order, "absent", 0, self._exchange.now_ms)
        return self._orders.get(order, absent)

    def shipment(self, venue: str, transfer: str) -> TransferStatus:
        """The state of a transfer."""
        absent = TransferStatus(transfer, "absent", self._exchange.now_ms)
        return self._transfers.get(transfer, absent)

    def pushed(self) -> tuple[Pushed, ...]:
        """Lines of the logs that were not told yet."""
        told, self._told = tuple(self._told), []
        return told

    def entries(self, venue: str, after: int) -> tuple[Entry, ...]:
        """Lines of a venue's log beyond a number."""
        return tuple(self._lines.get(venue, [])[after:])

    def statement(self, venue: str) -> Statement:
        """The venue's own statement of our account."""
        number, now = len(self._lines.get(venue, [])), self._exchange.now_ms
        return Statement(venue, now, number, self._exchange.account(venue), ())

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
        """Place in the venue's deleveraging queue."""
        return self._exchange.adl_rank(instrument)

    def _log(self, venue: str, events: list[Event]) -> None:
        lines = self._lines.setdefault(venue, [])
        for event in events:
            lines.append(Entry(venue, len(lines) + 1, event))
            self._told.append(lines[-1])

    def _redeem(self, approval: Approval) -> Order | Transfer:
        self._gate.verify(approval, self._exchange.now_ms)
        if approval.id in self._used:
            raise ApprovalError(f"approval {approval.id}: used before")
        self._used.add(approval.id)
        return approval.action
