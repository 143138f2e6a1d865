# SPDX-License-Identifier: Apache-2.0
"""All orders and transfers of a run by their ids, and what is known of each: a fold of the
journal's frames, the same while running and when recovering."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.execution import orders, transfers
from tidegate.execution.orders import News, OrderRecord
from tidegate.execution.transfers import Leg, TransferRecord, Word
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.errors import ensure
from tidegate.model.events import Event, TransferSent
from tidegate.model.replies import (
    NotTaken,
    OrderReply,
    OrderStatus,
    TransferReply,
    TransferStatus,
    Unclear,
)


class Books:
    """Orders and transfers; open ones are kept apart, as there are few."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderRecord] = {}
        self._transfers: dict[str, TransferRecord] = {}
        self._open_orders: dict[str, None] = {}
        self._open_transfers: dict[str, None] = {}

    @property
    def open_orders(self) -> tuple[OrderRecord, ...]:
        """Orders of which lots may still come, oldest first."""
        return tuple(self._orders[name] for name in self._open_orders)

    @property
    def open_transfers(self) -> tuple[TransferRecord, ...]:
        """Transfers whose money may still leave or come, oldest first."""
        return tuple(self._transfers[name] for name in self._open_transfers)

    def all_orders(self) -> Iterator[OrderRecord]:
        """Every order of the run, oldest first."""
        return iter(self._orders.values())

    def has_order(self, name: str) -> bool:
        """Whether an id is that of an order of this run."""
        return name in self._orders

    def has_transfer(self, name: str) -> bool:
        """Whether an id is that of a transfer of this run."""
        return name in self._transfers

    def order(self, name: str) -> OrderRecord:
        """An order by its id."""
        return self._orders[name]

    def intend_order(self, order: Order, venue: str, expires_ms: int) -> None:
        """An order is about to be sent; an id is used once in a run."""
        ensure(order.id not in self._orders, f"order {order.id}: the id was used before")
        self._put(OrderRecord(order, venue, expires_ms))

    def intend_transfer(self, transfer: Transfer, expires_ms: int) -> None:
        """A transfer is about to be sent; an id is used once in a run."""
        ensure(
            transfer.id not in self._transfers, f"transfer {transfer.id}: the id was used before"
        )
        self._put_transfer(TransferRecord(transfer, expires_ms))

    def hear(self, name: str, reply: OrderReply | TransferReply) -> None:
        """A venue's reply about an order or a transfer."""
        if name in self._orders:
            ensure(not isinstance(reply, TransferStatus), f"order {name}: a reply for a transfer")
            if isinstance(reply, OrderStatus | NotTaken | Unclear):
                self._put(orders.hear(self._orders[name], reply))
            return
        ensure(not isinstance(reply, OrderStatus), f"transfer {name}: a reply for an order")
        if isinstance(reply, TransferStatus | NotTaken | Unclear):
            self._put_transfer(transfers.hear(self._transfers[name], reply))

    def is_news(self, status: OrderStatus) -> bool:
        """Whether a pushed word says something of an order that is still open."""
        record = self._orders.get(status.id)
        return record is not None and record.is_open

    def cancel_asked(self, name: str) -> None:
        """A cancellation of an order is about to be sent."""
        self._put(orders.learn(self._orders[name], News.CANCEL_ASKED))

    def filled(self, name: str, lots: int) -> None:
        """Lots of an order have come to the ledger."""
        self._put(orders.filled(self._orders[name], lots))

    def end_order(self, name: str) -> None:
        """A person says that no more lots of an order will come."""
        ensure(name in self._orders, f"order {name}: not of this run")
        self._put(orders.ended(self._orders[name]))

    def check(self, event: Event) -> None:
        """Raise `InvariantError` for a line that contradicts what is known of its transfer: money
        that leaves again."""
        if isinstance(event, TransferSent) and event.id in self._transfers:
            sent = self._transfers[event.id]
            ensure(not sent.left, f"transfer {event.id}: money left while {sent.leg.value}")

    def is_belied(self, name: str) -> bool:
        """Whether money of a transfer is under way that its venue had said would not leave."""
        return name in self._transfers and self._transfers[name].belied

    def debited(self, name: str) -> None:
        """Money of a transfer has left in the ledger."""
        if name in self._transfers:
            self._put_transfer(transfers.learn(self._transfers[name], Word.DEBITED))

    def credited(self, name: str) -> None:
        """Money of a transfer has come in the ledger."""
        if name in self._transfers:
            self._put_transfer(transfers.learn(self._transfers[name], Word.CREDITED))

    def returned(self, name: str) -> None:
        """Money of a transfer is back in the ledger where it left."""
        if name in self._transfers:
            record = transfers.learn(self._transfers[name], Word.RETURNED, "returned")
            self._put_transfer(record)

    def is_over(self, name: str) -> bool:
        """Whether an id is that of a transfer of this run whose money neither leaves nor comes."""
        return name in self._transfers and not self._transfers[name].is_open

    def restarted(self) -> None:
        """The process that sent these is gone; what it may have sent is not known."""
        for order in self.open_orders:
            self._put(orders.learn(order, News.RESTARTED))
        for transfer in self.open_transfers:
            self._put_transfer(transfers.learn(transfer, Word.RESTARTED))

    def is_taken(self, action: Action) -> bool:
        """Whether it is certain that the venue has an action, or that it ended; whether it ended
        short is for `has_failed` to say."""
        if isinstance(action, Transfer):
            return self._transfers[action.id].leg in (Leg.ACCEPTED, Leg.UNDER_WAY, Leg.CLOSED)
        state = self._orders[action.id].state
        return state not in (orders.State.INTENDED, orders.State.UNKNOWN)

    def is_through(self, action: Action) -> bool:
        """Whether an order has filled in full in the ledger, or a transfer's money has left."""
        if isinstance(action, Transfer):
            return self._transfers[action.id].leg in (Leg.UNDER_WAY, Leg.CLOSED)
        record = self._orders[action.id]
        return not record.is_open and record.filled_lots == action.lots

    def has_failed(self, action: Action) -> bool:
        """Whether an action certainly will not be done in full."""
        if isinstance(action, Transfer):
            record = self._transfers[action.id]
            return not record.is_open and record.reason != ""
        order = self._orders[action.id]
        final = order.final_lots if order.is_open else order.filled_lots
        return final is not None and final != action.lots

    def _put(self, record: OrderRecord) -> None:
        name = record.order.id
        self._orders[name] = record
        if record.is_open:
            self._open_orders.setdefault(name)
        else:
            self._open_orders.pop(name, None)

    def _put_transfer(self, record: TransferRecord) -> None:
        name = record.transfer.id
        self._transfers[name] = record
        if record.is_open:
            self._open_transfers.setdefault(name)
        else:
            self._open_transfers.pop(name, None)
