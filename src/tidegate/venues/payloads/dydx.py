# SPDX-License-Identifier: Apache-2.0
"""dYdX v4: what its indexer answers over HTTP and sends over its WebSocket.

Names are the venue's in snake case (docs.dydx.xyz, indexer HTTP and WebSocket, read 2026-11-30).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, CamelPayload, Payload, Quoted

T = TypeVar("T")


class Reply(CamelPayload, Generic[T], frozen=True):
    """An answer as it was recorded: the recorder's wrapper around what the indexer says."""

    request_id: str
    status: str
    iso_timestamp: str
    result: T


class Frame(Payload, Generic[T], frozen=True):
    """One message of the WebSocket; `message_id` counts every message of the connection."""

    type: str
    connection_id: str
    message_id: int
    channel: str
    contents: T
    id: str | Absent = UNSET
    version: str | Absent = UNSET


class Height(CamelPayload, frozen=True):
    """The last block."""

    height: Quoted
    time: str


class Clock(CamelPayload, frozen=True):
    """The indexer's time."""

    iso: str
    epoch: Decimal


class Candle(CamelPayload, frozen=True):
    """One bar."""

    started_at: str
    ticker: str
    resolution: str
    low: Quoted
    high: Quoted
    open: Quoted
    close: Quoted
    base_token_volume: Quoted
    usd_volume: Quoted
    trades: int
    starting_open_interest: Quoted
    orderbook_mid_price_open: Quoted | Absent = UNSET
    orderbook_mid_price_close: Quoted | Absent = UNSET
    id: str | Absent = UNSET


class Candles(CamelPayload, frozen=True):
    """Bars of a market."""

    candles: tuple[Candle, ...]


class Fill(CamelPayload, frozen=True):
    """One of our fills."""

    id: str
    side: str
    liquidity: str
    type: str
    market: str
    market_type: str
    price: Quoted
    size: Quoted
    fee: Quoted
    affiliate_rev_share: Quoted
    created_at: str
    created_at_height: Quoted
    order_id: str
    client_metadata: str
    subaccount_number: int


class Fills(CamelPayload, frozen=True):
    """Fills of a subaccount."""

    fills: tuple[Fill, ...]


class FundingPrint(CamelPayload, frozen=True):
    """One hourly funding rate."""

    ticker: str
    rate: Quoted
    price: Quoted
    effective_at_height: Quoted
    effective_at: str


class FundingHistory(CamelPayload, frozen=True):
    """Past funding prints."""

    historical_funding: tuple[FundingPrint, ...]


class Level(CamelPayload, frozen=True):
    """One price and what rests there."""

    price: Quoted
    size: Quoted


class Book(CamelPayload, frozen=True):
    """Every level of a book."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Order(CamelPayload, frozen=True):
    """An order of ours."""

    id: str
    subaccount_id: str
    client_id: str
    clob_pair_id: str
    side: str
    size: Quoted
    total_filled: Quoted
    price: Quoted
    type: str
    status: str
    time_in_force: str
    reduce_only: bool
    order_flags: str
    good_til_block: str
    created_at_height: Quoted
    client_metadata: str
    updated_at: str
    updated_at_height: Quoted
    order_router_address: str
    post_only: bool
    ticker: str
    subaccount_number: int


class Market(CamelPayload, frozen=True):
    """A perpetual market: prices, margin fractions and steps."""

    clob_pair_id: str
    ticker: str
    status: str
    oracle_price: Quoted
    price_change24_h: Quoted
    next_funding_rate: Quoted
    initial_margin_fraction: Quoted
    maintenance_margin_fraction: Quoted
    open_interest: Quoted
    atomic_resolution: int
    quantum_conversion_exponent: int
    tick_size: Quoted
    step_size: Quoted
    step_base_quantums: int
    subticks_per_tick: int
    volume24_h: Quoted | Absent = UNSET
    trades24_h: int | Absent = UNSET
    market_type: str | Absent = UNSET
    open_interest_lower_cap: Quoted | Absent = UNSET
    open_interest_upper_cap: Quoted | Absent = UNSET
    base_open_interest: Quoted | Absent = UNSET
    default_funding_rate1_h: Quoted | Absent = UNSET


class Markets(CamelPayload, frozen=True):
    """All markets by ticker."""

    markets: dict[str, Market]


class Position(CamelPayload, frozen=True):
    """A perpetual position."""

    market: str
    status: str
    side: str
    size: Quoted
    max_size: Quoted
    entry_price: Quoted
    exit_price: Quoted | None
    realized_pnl: Quoted
    unrealized_pnl: Quoted
    created_at: str
    closed_at: str | None
    sum_open: Quoted
    sum_close: Quoted
    net_funding: Quoted


class AssetPosition(CamelPayload, frozen=True):
    """A balance of an asset."""

    size: Quoted
    symbol: str
    side: str
    asset_id: str
    subaccount_number: int | Absent = UNSET


class Subaccount(CamelPayload, frozen=True):
    """Equity, free collateral and positions."""

    address: str
    subaccount_number: int
    equity: Quoted
    free_collateral: Quoted
    open_perpetual_positions: dict[str, Position]
    asset_positions: dict[str, AssetPosition]
    margin_enabled: bool
    updated_at_height: Quoted
    latest_processed_block_height: Quoted


class SubaccountReply(CamelPayload, frozen=True):
    """One subaccount."""

    subaccount: Subaccount


class Trade(CamelPayload, frozen=True):
    """One trade."""

    id: str
    side: str
    size: Quoted
    price: Quoted
    type: str
    created_at: str
    created_at_height: Quoted


class Trades(CamelPayload, frozen=True):
    """Trades of a market."""

    trades: tuple[Trade, ...]


class Party(CamelPayload, frozen=True):
    """Where money came from or went."""

    address: str
    subaccount_number: int


class Transfer(CamelPayload, frozen=True):
    """Money that came or went."""

    id: str
    sender: Party
    recipient: Party
    amount: Quoted
    created_at: str
    created_at_height: Quoted
    asset: str
    type: str
    transaction_hash: str


class Transfers(CamelPayload, frozen=True):
    """Transfers of a subaccount."""

    transfers: tuple[Transfer, ...]


class HeightChange(CamelPayload, frozen=True):
    """A new block."""

    block_height: Quoted
    time: str


class ErrorFrame(CamelPayload, frozen=True):
    """What the indexer refused."""

    type: str
    message: str
    connection_id: str = field(name="connection_id")
    message_id: int = field(name="message_id")


class TradingChange(CamelPayload, frozen=True):
    """A market's fields that changed."""

    status: str
    next_funding_rate: Quoted


class OraclePrice(CamelPayload, frozen=True):
    """A new oracle price."""

    oracle_price: Quoted
    effective_at: str
    effective_at_height: Quoted
    market_id: int


class MarketChanges(CamelPayload, frozen=True):
    """What changed of markets."""

    trading: dict[str, TradingChange] | Absent = UNSET
    oracle_prices: dict[str, OraclePrice] | Absent = UNSET


class BookChange(CamelPayload, frozen=True):
    """Levels that changed; size 0 takes one away."""

    bids: tuple[tuple[Quoted, Quoted], ...]
    asks: tuple[tuple[Quoted, Quoted], ...]


class OrderChange(CamelPayload, frozen=True):
    """An order of ours that changed."""

    id: str
    subaccount_id: str
    client_id: str
    clob_pair_id: str
    side: str
    size: Quoted
    price: Quoted
    status: str
    type: str
    time_in_force: str
    post_only: bool
    reduce_only: bool
    order_flags: str
    good_til_block_time: str
    created_at_height: Quoted
    client_metadata: str
    total_filled: Quoted
    updated_at: str
    updated_at_height: Quoted


class FillChange(CamelPayload, frozen=True):
    """One of our fills, as it is sent."""

    id: str
    subaccount_id: str
    side: str
    liquidity: str
    type: str
    market: str
    market_type: str
    price: Quoted
    size: Quoted
    fee: Quoted
    created_at: str
    created_at_height: Quoted
    order_id: str
    client_metadata: str


class SubaccountChange(CamelPayload, frozen=True):
    """Orders and fills that changed."""

    orders: tuple[OrderChange, ...]
    fills: tuple[FillChange, ...]
