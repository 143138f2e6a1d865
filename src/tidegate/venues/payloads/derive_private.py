# SPDX-License-Identifier: Apache-2.0
"""Derive: orders, positions, fills and subaccounts.

Names are the venue's (docs.derive.xyz, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET

from tidegate.venues.payloads.derive_public import Pagination
from tidegate.venues.payloads.fields import Absent, Payload, Quoted


class Collateral(Payload, frozen=True):
    """One asset that backs a subaccount."""

    amount: Quoted
    asset_name: str
    asset_type: str
    cumulative_interest: Quoted
    currency: str
    initial_margin: Quoted
    maintenance_margin: Quoted
    mark_price: Quoted
    mark_value: Quoted
    pending_interest: Quoted


class Position(Payload, frozen=True):
    """A position."""

    amount: Quoted
    average_price: Quoted
    creation_timestamp: int
    cumulative_funding: Quoted
    delta: Quoted
    gamma: Quoted
    index_price: Quoted
    initial_margin: Quoted
    instrument_name: str
    instrument_type: str
    leverage: Quoted | None
    liquidation_price: Quoted | None
    maintenance_margin: Quoted
    mark_price: Quoted
    mark_value: Quoted
    net_settlements: Quoted
    open_orders_margin: Quoted
    pending_funding: Quoted
    realized_pnl: Quoted
    theta: Quoted
    unrealized_pnl: Quoted
    vega: Quoted


class Order(Payload, frozen=True):
    """An order of ours."""

    amount: Quoted
    average_price: Quoted
    cancel_reason: str
    creation_timestamp: int
    direction: str
    filled_amount: Quoted
    instrument_name: str
    is_transfer: bool
    label: str
    last_update_timestamp: int
    limit_price: Quoted
    max_fee: Quoted
    mmp: bool
    nonce: int
    order_fee: Quoted
    order_id: str
    order_status: str
    order_type: str
    signature: str
    signature_expiry_sec: int
    signer: str
    subaccount_id: int
    time_in_force: str
    extra_fee: Quoted | Absent = UNSET
    quote_id: str | Absent | None = UNSET
    replaced_order_id: str | Absent | None = UNSET
    signed_limit_price: Quoted | Absent | None = UNSET
    trigger_price: Quoted | Absent | None = UNSET
    trigger_price_type: str | Absent | None = UNSET
    trigger_reject_message: str | Absent | None = UNSET
    trigger_type: str | Absent | None = UNSET


class Subaccount(Payload, frozen=True):
    """A subaccount: collateral, margin, positions and orders."""

    collaterals: tuple[Collateral, ...]
    collaterals_initial_margin: Quoted
    collaterals_maintenance_margin: Quoted
    collaterals_value: Quoted
    currency: str
    initial_margin: Quoted
    is_under_liquidation: bool
    label: str | None
    maintenance_margin: Quoted
    margin_type: str
    open_orders: tuple[Order, ...]
    open_orders_margin: Quoted
    positions: tuple[Position, ...]
    positions_initial_margin: Quoted
    positions_maintenance_margin: Quoted
    positions_value: Quoted
    subaccount_id: int
    subaccount_value: Quoted


class HistoryRequest(Payload, frozen=True):
    """A page of past orders that is asked for."""

    page: int
    page_size: int
    subaccount_id: int


class OrderRequest(Payload, frozen=True):
    """A signed order, new, in place of another, or with a trigger."""

    amount: Quoted
    direction: str
    instrument_name: str
    label: str
    limit_price: Quoted
    max_fee: Quoted
    nonce: int
    order_type: str
    signature: str
    signature_expiry_sec: int
    signer: str
    subaccount_id: int
    time_in_force: str
    referral_code: str | Absent = UNSET
    mmp: bool | Absent = UNSET
    order_id_to_cancel: str | Absent = UNSET
    reduce_only: bool | Absent = UNSET
    conn_id: str | Absent = UNSET
    order_id: str | Absent = UNSET
    trigger_price: Quoted | Absent | None = UNSET
    trigger_price_type: str | Absent = UNSET
    trigger_type: str | Absent = UNSET


class Fill(Payload, frozen=True):
    """One of our fills."""

    direction: str
    index_price: Quoted
    instrument_name: str
    is_transfer: bool
    label: str
    liquidity_role: str
    mark_price: Quoted
    order_id: str
    quote_id: str | None
    realized_pnl: Quoted
    subaccount_id: int
    timestamp: int
    trade_amount: Quoted
    trade_fee: Quoted
    trade_id: str
    trade_price: Quoted
    tx_hash: str
    tx_status: str
    wallet: str


class OrderTaken(Payload, frozen=True):
    """An order as it stands after a request, and its fills."""

    order: Order
    trades: tuple[Fill, ...]


class Positions(Payload, frozen=True):
    """Positions of a subaccount."""

    positions: tuple[Position, ...]
    subaccount_id: int


class FillPage(Payload, frozen=True):
    """A page of our fills."""

    trades: tuple[Fill, ...]
    pagination: Pagination
    subaccount_id: int
