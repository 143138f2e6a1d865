# SPDX-License-Identifier: Apache-2.0
"""Derive: envelopes, instruments, books, prices and trades.

Names are the venue's (docs.derive.xyz, read 2026-11-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Payload, Quoted

T = TypeVar("T")


class Reply(Payload, Generic[T], frozen=True):
    """An answer to a request."""

    result: T
    id: int | str | Absent = UNSET


class OptionDetail(Payload, frozen=True):
    """Strike, expiry and kind of an option."""

    expiry: int | Absent = UNSET
    index: str | Absent = UNSET
    option_type: str | Absent = UNSET
    settlement_price: Quoted | Absent | None = UNSET
    strike: Quoted | Absent = UNSET


class PerpDetail(Payload, frozen=True):
    """Funding terms of a perpetual."""

    aggregate_funding: Quoted | Absent = UNSET
    funding_rate: Quoted | Absent = UNSET
    index: str | Absent = UNSET
    max_rate_per_hour: Quoted | Absent = UNSET
    min_rate_per_hour: Quoted | Absent = UNSET
    static_interest_rate: Quoted | Absent = UNSET


class Erc20Detail(Payload, frozen=True):
    """The token behind a spot pair."""

    decimals: int
    underlying_erc20_address: str
    borrow_index: Quoted
    supply_index: Quoted


class Instrument(Payload, frozen=True):
    """A contract: its steps, fees and terms."""

    amount_step: Quoted
    base_asset_address: str
    base_asset_sub_id: str
    base_currency: str
    base_fee: Quoted
    instrument_name: str
    instrument_type: str
    is_active: bool
    maker_fee_rate: Quoted
    mark_price_fee_rate_cap: Quoted | None
    maximum_amount: Quoted
    minimum_amount: Quoted
    quote_currency: str
    scheduled_activation: int
    scheduled_deactivation: int
    taker_fee_rate: Quoted
    tick_size: Quoted
    option_details: OptionDetail | Absent | None = UNSET
    perp_details: PerpDetail | Absent | None = UNSET
    erc20_details: Erc20Detail | Absent = UNSET
    pro_rata_fraction: Quoted | Absent = UNSET
    fifo_min_allocation: Quoted | Absent = UNSET
    pro_rata_amount_step: Quoted | Absent = UNSET


class OptionPricing(Payload, frozen=True):
    """Prices, volatilities and Greeks of an option."""

    ask_iv: Quoted | Absent = UNSET
    bid_iv: Quoted | Absent = UNSET
    delta: Quoted | Absent = UNSET
    forward_price: Quoted | Absent = UNSET
    gamma: Quoted | Absent = UNSET
    iv: Quoted | Absent = UNSET
    mark_price: Quoted | Absent = UNSET
    rho: Quoted | Absent = UNSET
    theta: Quoted | Absent = UNSET
    vega: Quoted | Absent = UNSET


class DayStats(Payload, frozen=True):
    """What traded in 24 hours."""

    contract_volume: Quoted
    high: Quoted
    low: Quoted
    num_trades: Quoted
    open_interest: Quoted
    percent_change: Quoted
    usd_change: Quoted


class Ticker(Payload, frozen=True):
    """A contract with its best prices, mark and index."""

    amount_step: Quoted
    base_asset_address: str
    base_asset_sub_id: str
    base_currency: str
    base_fee: Quoted
    best_ask_amount: Quoted
    best_ask_price: Quoted
    best_bid_amount: Quoted
    best_bid_price: Quoted
    index_price: Quoted
    instrument_name: str
    instrument_type: str
    is_active: bool
    maker_fee_rate: Quoted
    mark_price: Quoted
    max_price: Quoted
    maximum_amount: Quoted
    min_price: Quoted
    minimum_amount: Quoted
    option_details: OptionDetail | None
    option_pricing: OptionPricing | None
    perp_details: PerpDetail | None
    quote_currency: str
    scheduled_activation: int
    scheduled_deactivation: int
    stats: DayStats
    taker_fee_rate: Quoted
    tick_size: Quoted
    timestamp: int
    mark_price_fee_rate_cap: Quoted | Absent | None = UNSET


class SlimOptionPricing(Payload, frozen=True):
    """Prices, volatilities and Greeks of an option, in short."""

    ask_iv: Quoted | Absent = field(name="ai", default=UNSET)
    bid_iv: Quoted | Absent = field(name="bi", default=UNSET)
    delta: Quoted | Absent = field(name="d", default=UNSET)
    discount_factor: Quoted | Absent = field(name="df", default=UNSET)
    forward_price: Quoted | Absent = field(name="f", default=UNSET)
    gamma: Quoted | Absent = field(name="g", default=UNSET)
    iv: Quoted | Absent = field(name="i", default=UNSET)
    mark_price: Quoted | Absent = field(name="m", default=UNSET)
    rho: Quoted | Absent = field(name="r", default=UNSET)
    theta: Quoted | Absent = field(name="t", default=UNSET)
    vega: Quoted | Absent = field(name="v", default=UNSET)


class SlimStats(Payload, frozen=True):
    """What traded in 24 hours, in short."""

    contract_volume: Quoted = field(name="c")
    high: Quoted = field(name="h")
    low: Quoted = field(name="l")
    trades: int = field(name="n")
    open_interest: Quoted = field(name="oi")
    percent_change: Quoted = field(name="p")
    premium_volume: Quoted = field(name="pr")
    notional_volume: Quoted = field(name="v")


class SlimQuote(Payload, frozen=True):
    """Best prices, mark, index and limits, in short."""

    best_ask_amount: Quoted = field(name="A")
    best_bid_amount: Quoted = field(name="B")
    index_price: Quoted = field(name="I")
    mark_price: Quoted = field(name="M")
    best_ask_price: Quoted = field(name="a")
    best_bid_price: Quoted = field(name="b")
    funding_rate: Quoted | None = field(name="f")
    max_price: Quoted = field(name="maxp")
    min_price: Quoted = field(name="minp")
    option_pricing: SlimOptionPricing | None
    stats: SlimStats
    timestamp: int = field(name="t")


class SlimTicker(Payload, frozen=True):
    """A short ticker and when it was sent."""

    instrument_ticker: SlimQuote
    timestamp: int


class Trade(Payload, frozen=True):
    """A trade of everyone's."""

    direction: str
    index_price: Quoted
    instrument_name: str
    liquidity_role: str
    mark_price: Quoted
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
    quote_id: str | Absent | None = UNSET
    rfq_id: str | Absent | None = UNSET
    expected_rebate: Quoted | Absent = UNSET
    realized_pnl_excl_fees: Quoted | Absent = UNSET
    extra_fee: Quoted | Absent = UNSET


class Pagination(Payload, frozen=True):
    """How many pages there are."""

    count: int
    num_pages: int


class TradePage(Payload, frozen=True):
    """A page of trades of everyone's."""

    trades: tuple[Trade, ...]
    pagination: Pagination


class Candle(Payload, frozen=True):
    """One bar."""

    open_price: Quoted
    high_price: Quoted
    low_price: Quoted
    close_price: Quoted
    volume_usd: Quoted
    volume_contracts: Quoted
    timestamp: int
    timestamp_bucket: int


class FundingPrint(Payload, frozen=True):
    """One hourly funding rate."""

    funding_rate: Quoted
    timestamp: int


class FundingHistory(Payload, frozen=True):
    """Past funding prints."""

    funding_rate_history: tuple[FundingPrint, ...]


class Book(Payload, frozen=True):
    """The best levels, whole in each message."""

    instrument_name: str
    timestamp: int
    bids: tuple[tuple[Quoted, Quoted], ...]
    asks: tuple[tuple[Quoted, Quoted], ...]
    publish_id: int | Absent = UNSET


class Subscribed(Payload, frozen=True):
    """What a subscription led to."""

    current_subscriptions: tuple[str, ...]
    status: dict[str, str]
