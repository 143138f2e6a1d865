# SPDX-License-Identifier: Apache-2.0
"""Binance spot: market data, orders and accounts as they are asked for.

Names are the venue's in snake case; the letters of its streams bear the names of its
documents (developers.binance.com, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET

from tidegate.venues.payloads.fields import Absent, CamelPayload, Quoted, Unseen

Kline = tuple[int, Quoted, Quoted, Quoted, Quoted, Quoted, int, Quoted, int, Quoted, Quoted, Quoted]


class RateLimit(CamelPayload, frozen=True):
    """How much may be asked of the venue in an interval."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class CommissionRates(CamelPayload, frozen=True):
    """Commissions as rates."""

    maker: Quoted
    taker: Quoted
    buyer: Quoted
    seller: Quoted


class AccountAsset(CamelPayload, frozen=True):
    """One asset of an account."""

    asset: str
    free: Quoted
    locked: Quoted


class Account(CamelPayload, frozen=True):
    """Commissions, permissions and balances of an account."""

    maker_commission: int
    taker_commission: int
    buyer_commission: int
    seller_commission: int
    commission_rates: CommissionRates
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool
    brokered: bool
    require_self_trade_prevention: bool
    prevent_sor: bool
    update_time: int
    account_type: str
    balances: tuple[AccountAsset, ...]
    permissions: tuple[str, ...]
    uid: int


class Fill(CamelPayload, frozen=True):
    """One of our fills."""

    symbol: str
    id: int
    order_id: int
    order_list_id: int
    price: Quoted
    qty: Quoted
    quote_qty: Quoted
    commission: Quoted
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool


class Order(CamelPayload, frozen=True):
    """An order of ours."""

    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    price: Quoted
    orig_qty: Quoted
    executed_qty: Quoted
    cummulative_quote_qty: Quoted
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: Quoted
    iceberg_qty: Quoted
    time: int
    update_time: int
    is_working: bool
    orig_quote_order_qty: Quoted
    working_time: int
    self_trade_prevention_mode: str


class AnswerFill(CamelPayload, frozen=True):
    """A fill of an order just sent."""

    price: Quoted
    qty: Quoted
    commission: Quoted
    commission_asset: str
    trade_id: int


class OrderAnswer(CamelPayload, frozen=True):
    """An order as a request left it."""

    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int
    price: Quoted
    orig_qty: Quoted
    executed_qty: Quoted
    orig_quote_order_qty: Quoted
    cummulative_quote_qty: Quoted
    status: str
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str
    orig_client_order_id: str | Absent = UNSET
    working_time: int | Absent = UNSET
    fills: tuple[AnswerFill, ...] | Absent = UNSET


class ListedOrder(CamelPayload, frozen=True):
    """An order of a list."""

    symbol: str
    order_id: int
    client_order_id: str


class OrderReport(CamelPayload, frozen=True):
    """An order of a cancelled list."""

    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int
    price: Quoted
    orig_qty: Quoted
    executed_qty: Quoted
    orig_quote_order_qty: Quoted
    cummulative_quote_qty: Quoted
    status: str
    time_in_force: str
    type: str
    side: str
    iceberg_qty: Quoted
    self_trade_prevention_mode: str
    stop_price: Quoted | Absent = UNSET


class CancelAnswer(CamelPayload, frozen=True):
    """An order, or a list of orders, that was cancelled."""

    symbol: str
    order_list_id: int
    orig_client_order_id: str | Absent = UNSET
    order_id: int | Absent = UNSET
    client_order_id: str | Absent = UNSET
    transact_time: int | Absent = UNSET
    price: Quoted | Absent = UNSET
    orig_qty: Quoted | Absent = UNSET
    executed_qty: Quoted | Absent = UNSET
    orig_quote_order_qty: Quoted | Absent = UNSET
    cummulative_quote_qty: Quoted | Absent = UNSET
    status: str | Absent = UNSET
    time_in_force: str | Absent = UNSET
    type: str | Absent = UNSET
    side: str | Absent = UNSET
    self_trade_prevention_mode: str | Absent = UNSET
    contingency_type: str | Absent = UNSET
    list_status_type: str | Absent = UNSET
    list_order_status: str | Absent = UNSET
    list_client_order_id: str | Absent = UNSET
    transaction_time: int | Absent = UNSET
    orders: tuple[ListedOrder, ...] | Absent = UNSET
    order_reports: tuple[OrderReport, ...] | Absent = UNSET


class AveragePrice(CamelPayload, frozen=True):
    """An average price of some minutes."""

    mins: int
    price: Quoted
    close_time: int


class BestPrices(CamelPayload, frozen=True):
    """The best bid and ask."""

    symbol: str
    bid_price: Quoted
    bid_qty: Quoted
    ask_price: Quoted
    ask_qty: Quoted


class Depth(CamelPayload, frozen=True):
    """A book as of `last_update_id`."""

    last_update_id: int
    bids: tuple[tuple[Quoted, Quoted], ...]
    asks: tuple[tuple[Quoted, Quoted], ...]


class Symbol(CamelPayload, frozen=True):
    """A pair: its assets, precisions and filters."""

    symbol: str
    status: str
    base_asset: str
    base_asset_precision: int
    quote_asset: str
    quote_precision: int
    quote_asset_precision: int
    base_commission_precision: int
    quote_commission_precision: int
    order_types: tuple[str, str, str, str, str, str, str]
    iceberg_allowed: bool
    oco_allowed: bool
    oto_allowed: bool
    opo_allowed: bool
    quote_order_qty_market_allowed: bool
    allow_trailing_stop: bool
    cancel_replace_allowed: bool
    amend_allowed: bool
    peg_instructions_allowed: bool
    is_spot_trading_allowed: bool
    is_margin_trading_allowed: bool
    filters: tuple[dict[str, Unseen], ...]
    permissions: tuple[str, ...]
    permission_sets: tuple[tuple[str, str], ...]
    default_self_trade_prevention_mode: str
    allowed_self_trade_prevention_modes: tuple[str, ...]


class SmartRoute(CamelPayload, frozen=True):
    """Symbols that smart routing joins."""

    base_asset: str
    symbols: tuple[str, str]


class ExchangeInfo(CamelPayload, frozen=True):
    """Symbols with their steps and limits."""

    timezone: str
    server_time: int
    rate_limits: tuple[RateLimit, ...]
    exchange_filters: tuple[dict[str, Unseen], ...]
    symbols: tuple[Symbol, ...]
    sors: tuple[SmartRoute, ...]


class Nothing(CamelPayload, frozen=True):
    """What a ping is answered with."""


class ServerTime(CamelPayload, frozen=True):
    """The server's time."""

    server_time: int


class DayTicker(CamelPayload, frozen=True):
    """Prices of 24 hours."""

    symbol: str
    price_change: Quoted
    price_change_percent: Quoted
    weighted_avg_price: Quoted
    prev_close_price: Quoted
    last_price: Quoted
    last_qty: Quoted
    bid_price: Quoted
    bid_qty: Quoted
    ask_price: Quoted
    ask_qty: Quoted
    open_price: Quoted
    high_price: Quoted
    low_price: Quoted
    volume: Quoted
    quote_volume: Quoted
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class LastPrice(CamelPayload, frozen=True):
    """The last price."""

    symbol: str
    price: Quoted


class Trade(CamelPayload, frozen=True):
    """One trade."""

    id: int
    price: Quoted
    qty: Quoted
    quote_qty: Quoted
    time: int
    is_buyer_maker: bool
    is_best_match: bool
