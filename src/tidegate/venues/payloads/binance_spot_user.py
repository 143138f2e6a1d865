# SPDX-License-Identifier: Apache-2.0
"""Binance spot: what the user stream sends.

Names are the venue's in snake case; the letters of its streams bear the names of its
documents (developers.binance.com, read 2026-11-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, CamelPayload, Quoted

T = TypeVar("T")


class Subscribed(CamelPayload, Generic[T], frozen=True):
    """An event with the subscription that it comes from."""

    subscription_id: int
    event: T


class Coin(CamelPayload, frozen=True):
    """A balance of one asset."""

    asset: str = field(name="a")
    free: Quoted = field(name="f")
    locked: Quoted = field(name="l")


class AccountPosition(CamelPayload, frozen=True):
    """Balances that changed."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    last_update_time: int = field(name="u")
    balances: tuple[Coin, ...] = field(name="B")


class BalanceUpdate(CamelPayload, frozen=True):
    """Money that came or went."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    asset: str = field(name="a")
    delta: Quoted = field(name="d")
    clear_time: int = field(name="T")


class ExecutionReport(CamelPayload, frozen=True):
    """An order that changed."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    side: str = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Quoted = field(name="q")
    price: Quoted = field(name="p")
    stop_price: Quoted = field(name="P")
    execution_type: str = field(name="x")
    status: str = field(name="X")
    reject_reason: str = field(name="r")
    order_id: int = field(name="i")
    last_quantity: Quoted = field(name="l")
    filled_quantity: Quoted = field(name="z")
    last_price: Quoted = field(name="L")
    commission: Quoted = field(name="n")
    commission_asset: str | None = field(name="N")
    transaction_time: int = field(name="T")
    trade_id: int = field(name="t")
    is_on_book: bool = field(name="w")
    is_maker: bool = field(name="m")
    creation_time: int = field(name="O")
    filled_quote: Quoted = field(name="Z")
    original_client_order_id: str = field(name="C")
    expiry_reason: str | Absent = field(name="eR", default=UNSET)
    iceberg_quantity: Quoted | Absent = field(name="F", default=UNSET)
    order_list_id: int | Absent = field(name="g", default=UNSET)
    execution_id: int | Absent = field(name="I", default=UNSET)
    ignored: bool | Absent = field(name="M", default=UNSET)
    last_quote: Quoted | Absent = field(name="Y", default=UNSET)
    quote_order_quantity: Quoted | Absent = field(name="Q", default=UNSET)
    working_time: int | Absent = field(name="W", default=UNSET)
    self_trade_prevention: str | Absent = field(name="V", default=UNSET)


class ListedOrderId(CamelPayload, frozen=True):
    """An order of a list, by its ids."""

    symbol: str = field(name="s")
    order_id: int = field(name="i")
    client_order_id: str = field(name="c")


class ListStatus(CamelPayload, frozen=True):
    """A list of orders that changed."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    order_list_id: int = field(name="g")
    contingency_type: str = field(name="c")
    list_status_type: str = field(name="l")
    list_order_status: str = field(name="L")
    reject_reason: str = field(name="r")
    list_client_order_id: str = field(name="C")
    transaction_time: int = field(name="T")
    orders: tuple[ListedOrderId, ...] = field(name="O")
