# SPDX-License-Identifier: Apache-2.0
"""Bybit: orders and fills.

Names are the venue's in snake case (bybit-exchange.github.io/docs/v5, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload


class Execution(CamelPayload, frozen=True):
    """One of our fills."""

    symbol: str
    order_id: str
    order_link_id: str
    side: str
    exec_id: str
    exec_price: Blank
    exec_qty: Blank
    exec_time: Blank
    is_maker: bool
    seq: int
    order_price: Blank | Absent = UNSET
    order_qty: Blank | Absent = UNSET
    leaves_qty: Blank | Absent = UNSET
    create_type: str | Absent = UNSET
    order_type: str | Absent = UNSET
    stop_order_type: str | Absent = UNSET
    exec_fee: Blank | Absent = UNSET
    exec_type: str | Absent = UNSET
    exec_value: Blank | Absent = UNSET
    fee_currency: str | Absent = UNSET
    fee_rate: Blank | Absent = UNSET
    trade_iv: str | Absent = UNSET
    mark_iv: str | Absent = UNSET
    mark_price: Blank | Absent = UNSET
    index_price: Blank | Absent = UNSET
    underlying_price: str | Absent = UNSET
    block_trade_id: str | Absent = UNSET
    closed_size: Blank | Absent = UNSET
    category: str | Absent = UNSET
    is_leverage: Blank | Absent = UNSET


class Order(CamelPayload, frozen=True):
    """An order of ours."""

    order_id: str
    order_link_id: str
    block_trade_id: str | None
    symbol: str
    price: Blank
    qty: Blank
    side: str
    position_idx: int
    order_status: str
    cancel_type: str
    reject_reason: str
    avg_price: Blank | None
    leaves_qty: Blank
    leaves_value: Blank
    cum_exec_qty: Blank
    cum_exec_value: Blank
    cum_exec_fee: Blank
    time_in_force: str
    order_type: str
    stop_order_type: str
    order_iv: Blank | None
    trigger_price: Blank
    take_profit: Blank
    stop_loss: Blank
    tp_trigger_by: str
    sl_trigger_by: str
    trigger_direction: int
    trigger_by: str
    last_price_on_created: Blank
    reduce_only: bool
    close_on_trigger: bool
    smp_type: str
    smp_group: int
    smp_order_id: str
    tpsl_mode: str
    tp_limit_price: Blank
    sl_limit_price: Blank
    place_type: str
    created_time: Blank
    updated_time: Blank
    is_leverage: Blank | Absent = UNSET
    category: str | Absent = UNSET
    fee_currency: str | Absent = UNSET
    create_type: str | Absent = UNSET


class OrderNames(CamelPayload, frozen=True):
    """An order by both its ids."""

    order_id: str
    order_link_id: str


class OrderAnswer(CamelPayload, frozen=True):
    """What became of an order that was sent over the WebSocket."""

    op: str
    ret_code: int
    ret_msg: str
    conn_id: str
    req_id: str
    data: OrderNames
