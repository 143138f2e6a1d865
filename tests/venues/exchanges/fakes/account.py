# SPDX-License-Identifier: Apache-2.0
"""One account at a venue that is not there, kept exactly: a book, orders, fills, income, a wallet.

What a venue would say of it, and in which words, is told by the files beside this one. Time is
moved ahead by hand, and runs. Money has eight decimals, so that ledgers in millionths must round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from time import monotonic, time_ns

EIGHT = Decimal("1e-8")
NOTHING = Decimal(0)
TAKER = Decimal("0.000453")


class Rejected(Exception):
    """Why an order is not taken: `margin`, `reduce`, `step`, `duplicate`, `late`."""


@dataclass
class Order:
    """An order; `size` and `filled` are of coins and not signed."""

    number: int
    client_id: str
    buys: bool
    size: Decimal
    price: Decimal
    reduce_only: bool
    immediate: bool
    ts_ms: int
    updated_ms: int
    filled: Decimal = NOTHING
    paid: Decimal = NOTHING
    state: str = "working"
    cause: str = "order"

    @property
    def left(self) -> Decimal:
        return self.size - self.filled


@dataclass(frozen=True)
class Fill:
    """A part of an order that traded."""

    number: int
    order: Order
    ts_ms: int
    size: Decimal
    price: Decimal
    fee: Decimal
    realised: Decimal


@dataclass(frozen=True)
class Income:
    """Money that came (+) or went (-) otherwise: `funding`, `transfer`, `clearance`, `kickback`."""

    number: int
    kind: str
    ts_ms: int
    amount: Decimal


@dataclass
class Account:
    """All of what a venue knows of us, and its one contract's book: price and size by level."""

    symbol: str
    tick: Decimal = Decimal("0.1")
    lot: Decimal = Decimal("0.001")
    ahead_ms: int = 0
    wallet: Decimal = Decimal("50000.00000000")
    size: Decimal = NOTHING
    entry: Decimal = NOTHING
    mark: Decimal = Decimal("60000.05")
    bids: list[list[Decimal]] = field(default_factory=list)
    asks: list[list[Decimal]] = field(default_factory=list)
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    incomes: list[Income] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    armed_ms: int | None = None

    def __post_init__(self) -> None:
        self.began_s, self.began_ms = monotonic(), time_ns() // 1_000_000
        self.numbers = count(8_389_765_400)
        self.quote(Decimal(60_000), Decimal("5"))

    @property
    def time_ms(self) -> int:
        return self.began_ms + self.ahead_ms + int((monotonic() - self.began_s) * 1_000)

    def quote(self, middle: Decimal, size: Decimal) -> None:
        """Three levels on each side of a middle."""
        steps = [Decimal(step) for step in (1, 3, 8)]
        self.bids = [[middle - step * self.tick, size] for step in steps]
        self.asks = [[middle + step * self.tick, size] for step in steps]

    def place(
        self, client_id: str, buys: bool, size: Decimal, price: Decimal, **more: bool
    ) -> Order:
        """Take an order and match it at once; raises `Rejected`."""
        reduce_only, immediate = more.get("reduce_only", False), more.get("immediate", True)
        if any(o.client_id == client_id and o.state == "working" for o in self.orders.values()):
            raise Rejected("duplicate")
        if size <= 0 or size % self.lot or price % self.tick:
            raise Rejected("step")
        if reduce_only:
            against = -self.size if buys else self.size
            if against <= 0:
                raise Rejected("reduce")
            size = min(size, against)
        elif (self.size_after(buys, size)) * price > self.equity() * 20:
            raise Rejected("margin")
        order = Order(
            next(self.numbers), client_id, buys, size, price, reduce_only, immediate,
            self.time_ms, self.time_ms,
        )  # fmt: skip
        self.orders[order.number] = order
        self._match(order)
        return order

    def force(self, cause: str, size: Decimal) -> Order:
        """An order of the venue's own that closes a part of the position at the mark's tick."""
        price = self.mark - self.mark % self.tick
        order = Order(
            next(self.numbers), "", self.size < 0, size, price, True, True, self.time_ms,
            self.time_ms, state="filled", cause=cause,
        )  # fmt: skip
        self.orders[order.number] = order
        self.trade(order, size, price)
        return order

    def size_after(self, buys: bool, size: Decimal) -> Decimal:
        return abs(self.size + (size if buys else -size))

    def cancel(self, order: Order) -> None:
        order.state, order.updated_ms = "cancelled", self.time_ms

    def of(self, client_id: str) -> Order | None:
        """The latest order of a client's id that is not forgotten."""
        if client_id in self.forgotten:
            return None
        found = [o for o in self.orders.values() if o.client_id == client_id]
        return found[-1] if found else None

    def unrealised(self) -> Decimal:
        return (self.size * (self.mark - self.entry)).quantize(EIGHT, ROUND_HALF_EVEN)

    def equity(self) -> Decimal:
        return self.wallet + self.unrealised()

    def fund(self, rate: Decimal) -> Income:
        """Funding at the mark: what is long pays at a rate above 0."""
        amount = (-self.size * self.mark * rate).quantize(EIGHT, ROUND_HALF_EVEN)
        return self.comes("funding", amount)

    def comes(self, kind: str, amount: Decimal) -> Income:
        income = Income(next(self.numbers), kind, self.time_ms, amount)
        self.wallet += amount
        self.incomes.append(income)
        return income

    def trade(self, order: Order, size: Decimal, price: Decimal) -> Fill:
        """A fill, with the wallet moved by its fee and by what it realised."""
        signed = size if order.buys else -size
        fee = (size * price * TAKER).quantize(EIGHT, ROUND_HALF_EVEN)
        realised = self._hold(signed, price)
        self.wallet += realised - fee
        order.filled, order.paid = order.filled + size, order.paid + size * price
        order.updated_ms = self.time_ms
        fill = Fill(next(self.numbers), order, self.time_ms, size, price, fee, realised)
        self.fills.append(fill)
        return fill

    def _hold(self, signed: Decimal, price: Decimal) -> Decimal:
        before, after = self.size, self.size + signed
        closing = min(abs(before), abs(signed)) if before * signed < 0 else NOTHING
        direction = 1 if before > 0 else -1
        realised = (closing * direction * (price - self.entry)).quantize(EIGHT, ROUND_HALF_EVEN)
        if before * signed >= 0:
            self.entry = (before * self.entry + signed * price) / after if after else NOTHING
        elif abs(signed) > abs(before):
            self.entry = price
        elif not after:
            self.entry = NOTHING
        self.size = after
        return realised

    def _match(self, order: Order) -> None:
        levels = self.asks if order.buys else self.bids
        while order.left and levels:
            price, there = levels[0]
            if price > order.price if order.buys else price < order.price:
                break
            size = min(there, order.left)
            self.trade(order, size, price)
            levels[0][1] -= size
            if not levels[0][1]:
                levels.pop(0)
        if not order.left:
            order.state = "filled"
        elif order.immediate:
            order.state = "cancelled"
