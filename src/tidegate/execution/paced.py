# SPDX-License-Identifier: Apache-2.0
"""A session that keeps to the mandate's rate of messages, whoever asks and whatever for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import (
    Entry,
    OrderReply,
    Pushed,
    Statement,
    TransferReply,
    Unclear,
)
from tidegate.model.times import SECOND_MS
from tidegate.ports import Gateway
from tidegate.risk.gate import Approval


def _venue(order: Order) -> str:
    venue, _ = order.instrument.split(":")
    return venue


BUSY = Unclear("not asked: too many messages within a second")


class Paced:
    """Passes at most `per_second` messages to a venue within a second; a question beyond them is
    not asked and its answer is unclear. Cancels always pass, and count. `now_ms` is set by whoever
    knows the time; `has_room` is to be asked before something is sent."""

    def __init__(self, gateway: Gateway, per_second: int) -> None:
        self._gateway, self._per_second = gateway, per_second
        self._sent: dict[str, deque[int]] = {}
        self.now_ms = 0

    def has_room(self, venue: str) -> bool:
        """Whether another message may go to a venue now."""
        sent = self._sent.setdefault(venue, deque())
        while sent and self.now_ms - sent[0] >= SECOND_MS:
            sent.popleft()
        return len(sent) < self._per_second

    def _counts(self, venue: str) -> bool:
        room = self.has_room(venue)
        if room:
            self._sent[venue].append(self.now_ms)
        return room

    def place(self, approval: Approval) -> OrderReply:
        """Send an approved order, which has been asked room for."""
        action = approval.action
        self._counts(action.source if isinstance(action, Transfer) else _venue(action))
        return self._gateway.place(approval)

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Ask that an order be cancelled."""
        self._sent.setdefault(venue, deque()).append(self.now_ms)
        return self._gateway.cancel(venue, order)

    def order(self, venue: str, order: str) -> OrderReply:
        """Ask for the state of an order."""
        return self._gateway.order(venue, order) if self._counts(venue) else BUSY

    def send(self, approval: Approval) -> TransferReply:
        """Send an approved transfer, which has been asked room for."""
        action = approval.action
        self._counts(action.source if isinstance(action, Transfer) else _venue(action))
        return self._gateway.send(approval)

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """Ask its source for the state of a transfer."""
        return self._gateway.shipment(venue, transfer) if self._counts(venue) else BUSY

    def pushed(self) -> tuple[Pushed, ...]:
        """What venues told of their own accord."""
        return self._gateway.pushed()

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log beyond a number."""
        return self._gateway.entries(venue, after) if self._counts(venue) else BUSY

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's own account of us."""
        return self._gateway.statement(venue) if self._counts(venue) else BUSY

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce a freeze."""
        return self._gateway.frozen_venues()

    def out_venues(self) -> tuple[str, ...]:
        """Venues that announce that nothing trades there."""
        return self._gateway.out_venues()

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth now."""
        return self._gateway.stable_micro()

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place of our position in its venue's deleveraging queue."""
        return self._gateway.adl_rank(instrument)
