# SPDX-License-Identifier: Apache-2.0
"""A venue that keeps one linear account exactly, and loses replies and delays news when told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tidegate.model.account import FLAT, fill_position
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Filled
from tidegate.model.instruments import Perpetual
from tidegate.model.replies import (
    Armed,
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    OrderStatus,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.model.units import MICRO
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import Held, News, Venue

BTC = Perpetual("beta", "BTC", "BTC", "USDC", Decimal("1"), Decimal("0.00001"))
PRICE, CAPITAL = 60_000, 500_000 * MICRO


class FakeSession:
    """All of what a venue knows outlives the processes that ask it."""

    def __init__(self, now_ms: int) -> None:
        self.venue = Venue("beta", "USDC", {"BTC": BTC})
        self.time_ms, self.position, self.realised = now_ms, FLAT, 0
        self.lose_reply = self.silent = False
        self.hidden = 0
        self.asked_to_place: list[str] = []
        self.withdrawn: list[tuple[str, str]] = []
        self._fills: list[News] = []
        self._orders: dict[str, OrderStatus] = {}
        self.limits: list[Decimal] = []

    def now_ms(self) -> int | Unclear:
        return Unclear("silent") if self.silent else self.time_ms

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        return Unclear("silent") if self.silent else Decimal(PRICE)

    def place(self, order: Order, limit: Decimal, expires_ms: int) -> OrderReply:
        self.asked_to_place.append(order.id)
        self.limits.append(limit)
        name = client_id("beta", order.id)
        number = len(self._fills) + 1
        event = Filled(
            self.time_ms, BTC.id, order.lots, PRICE, PRICE, 0, 0, 0, name, "order"
        )  # fmt: skip
        cost = BTC.entry_cost(order.lots, PRICE)
        outcome = fill_position(self.position, order.lots, cost)
        self.position, self.realised = outcome.position, self.realised + outcome.realised_quanta
        self._fills.append(News(f"fill {number}", event))
        self._orders[order.id] = OrderStatus(order.id, "filled", order.lots, self.time_ms)
        return Unclear("lost") if self.lose_reply else self._orders[order.id]

    def cancel(self, order: str, symbol: str) -> OrderReply:
        return self.order(order, symbol)

    def order(self, order: str, symbol: str) -> OrderReply:
        if self.silent:
            return Unclear("silent")
        return self._orders.get(order, OrderStatus(order, "absent", 0, self.time_ms))

    def ticket(self) -> str | None:
        return str(self.time_ms)

    def send(self, transfer: Transfer, address: str, ticket: str) -> TransferReply:
        self.withdrawn.append((transfer.id, address))
        return TransferStatus(transfer.id, "accepted", self.time_ms)

    def news(
        self, since_ms: int, ours: Mapping[str, str], known: Sequence[Entry] = ()
    ) -> tuple[News, ...] | Unclear:
        if self.silent:
            return Unclear("silent")
        shown = self._fills[: len(self._fills) - self.hidden]
        return tuple(
            News(n.source, _renamed(n.event, ours)) for n in shown if n.event.ts_ms >= since_ms
        )

    def held(self) -> Held | Unclear:
        if self.silent:
            return Unclear("silent")
        cash = CAPITAL + self.realised - self.position.cost
        return Held(self.time_ms, {"BTC": self.position.lots}, cash, ())

    def device(self) -> Device | None:
        return Device("beta", 5, 60, cancels_protective=True)

    def arm(self, seconds: int) -> ArmReply:
        return Armed("beta", self.time_ms + seconds * 1_000 if seconds else None, self.time_ms)

    def talk(self) -> None:
        return None


def _renamed(event: object, ours: Mapping[str, str]) -> Filled:
    assert isinstance(event, Filled)
    name = ours.get(event.order, f"beta {event.order}")
    return Filled(*(name if f == "order" else getattr(event, f) for f in event.__struct_fields__))
