# SPDX-License-Identifier: Apache-2.0
"""Bybit: envelopes, instruments, books, prices and trades.

Names are the venue's in snake case (bybit-exchange.github.io/docs/v5, read 2026-11-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload, Quoted, Unseen

T = TypeVar("T")


class Page(CamelPayload, Generic[T], frozen=True):
    """A page of a list; the cursor asks for the next one."""

    list: tuple[T, ...]
    category: str | Absent = UNSET
    symbol: str | Absent = UNSET
    next_page_cursor: str | Absent | None = UNSET


class Reply(CamelPayload, Generic[T], frozen=True):
    """An answer to a request; `ret_code` is 0 where nothing failed."""

    ret_code: int
    ret_msg: str
    result: T
    ret_ext_info: dict[str, Unseen] | Absent = UNSET
    time: int | Absent = UNSET


class Frame(CamelPayload, Generic[T], frozen=True):
    """One message of a topic."""

    topic: str
    data: T
    type: str | Absent = UNSET
    id: str | Absent = UNSET
    ts: int | Absent = UNSET
    cs: int | Absent = UNSET
    creation_time: int | Absent = UNSET


Candle = tuple[Quoted, Quoted, Quoted, Quoted, Quoted, Quoted, Quoted]


class LeverageFilter(CamelPayload, frozen=True):
    """Least, largest and step of leverage."""

    min_leverage: Blank
    max_leverage: Blank
    leverage_step: Blank


class PriceFilter(CamelPayload, frozen=True):
    """Least, largest and step of a price."""

    tick_size: Blank
    min_price: Blank | Absent = UNSET
    max_price: Blank | Absent = UNSET


class LotSizeFilter(CamelPayload, frozen=True):
    """Least, largest and step of a size."""

    max_order_qty: Blank
    min_order_qty: Blank
    qty_step: Blank | Absent = UNSET
    post_only_max_order_qty: Blank | Absent = UNSET
    max_mkt_order_qty: Blank | Absent = UNSET
    min_notional_value: Blank | Absent = UNSET
    base_precision: Blank | Absent = UNSET
    quote_precision: Blank | Absent = UNSET
    min_order_amt: Blank | Absent = UNSET
    max_order_amt: Blank | Absent = UNSET


class Instrument(CamelPayload, frozen=True):
    """A contract or pair: its steps, limits and state."""

    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: PriceFilter
    lot_size_filter: LotSizeFilter
    contract_type: str | Absent = UNSET
    launch_time: Blank | Absent = UNSET
    delivery_time: Blank | Absent = UNSET
    delivery_fee_rate: Blank | Absent = UNSET
    price_scale: Blank | Absent = UNSET
    leverage_filter: LeverageFilter | Absent = UNSET
    unified_margin_trade: bool | Absent = UNSET
    funding_interval: int | Absent = UNSET
    settle_coin: str | Absent = UNSET
    symbol_id: int | Absent = UNSET
    symbol_type: str | Absent = UNSET
    options_type: str | Absent = UNSET
    innovation: Blank | Absent = UNSET
    margin_trading: str | Absent = UNSET
    xstock_multiplier: Blank | Absent = UNSET


class FundingPrint(CamelPayload, frozen=True):
    """A past funding rate."""

    symbol: str
    funding_rate: Blank
    funding_rate_timestamp: Blank


class PastTrade(CamelPayload, frozen=True):
    """A trade, as it is asked for."""

    exec_id: str
    symbol: str
    price: Blank
    size: Blank
    side: str
    time: Blank
    is_block_trade: bool


class OrderBook(CamelPayload, frozen=True):
    """A book or its levels that changed."""

    symbol: str = field(name="s")
    bids: tuple[tuple[Quoted, Quoted], ...] = field(name="b")
    asks: tuple[tuple[Quoted, Quoted], ...] = field(name="a")
    update_id: int = field(name="u")
    seq: int
    ts: int | Absent = UNSET
    cts: int | Absent = UNSET


class Bar(CamelPayload, frozen=True):
    """One bar."""

    start: int
    end: int
    interval: str
    open: Blank
    close: Blank
    high: Blank
    low: Blank
    volume: Blank
    turnover: Blank
    confirm: bool
    timestamp: int


class Trade(CamelPayload, frozen=True):
    """A trade, as it is sent."""

    time: int = field(name="T")
    symbol: str = field(name="s")
    side: str = field(name="S")
    size: Blank = field(name="v")
    price: Blank = field(name="p")
    trade_id: str = field(name="i")
    is_block_trade: bool = field(name="BT")


class Ticker(CamelPayload, frozen=True):
    """What changed of prices, funding and open interest."""

    symbol: str
    tick_direction: str
    price24h_pcnt: Blank
    last_price: Blank
    prev_price24h: Blank = field(name="prevPrice24h")
    high_price24h: Blank = field(name="highPrice24h")
    low_price24h: Blank = field(name="lowPrice24h")
    prev_price1h: Blank = field(name="prevPrice1h")
    mark_price: Blank
    index_price: Blank
    open_interest: Blank
    open_interest_value: Blank
    turnover24h: Blank
    volume24h: Blank
    next_funding_time: Blank
    funding_rate: Blank
    bid1_price: Blank
    bid1_size: Blank
    ask1_price: Blank
    ask1_size: Blank
    funding_interval_hour: Blank


class OptionTicker(CamelPayload, frozen=True):
    """Prices, volatilities and Greeks of an option."""

    symbol: str
    bid_price: Blank
    bid_size: Blank
    bid_iv: Blank
    ask_price: Blank
    ask_size: Blank
    ask_iv: Blank
    last_price: Blank
    high_price24h: Blank = field(name="highPrice24h")
    low_price24h: Blank = field(name="lowPrice24h")
    mark_price: Blank
    index_price: Blank
    mark_price_iv: Blank
    underlying_price: Blank
    open_interest: Blank
    turnover24h: Blank
    volume24h: Blank
    total_volume: Blank
    total_turnover: Blank
    delta: Blank
    gamma: Blank
    vega: Blank
    theta: Blank
    predicted_delivery_price: Blank
    change24h: Blank


class Authenticated(CamelPayload, frozen=True):
    """Whether we are known on this connection."""

    op: str
    success: bool
    ret_code: int
    ret_msg: str
    conn_id: str


class Subscribed(CamelPayload, frozen=True):
    """Whether a subscription was taken."""

    success: bool
    ret_msg: str = field(name="ret_msg")
    conn_id: str = field(name="conn_id")
    op: str
    req_id: str | Absent = field(name="req_id", default=UNSET)
