# SPDX-License-Identifier: Apache-2.0
"""Deribit: envelopes, instruments, books, prices and trades.

Names are the venue's (docs.deribit.com, API v2, read 2026-11-30).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Payload, Unseen

T = TypeVar("T")


class Reply(Payload, Generic[T], frozen=True):
    """An answer to a request, with the server's times in microseconds."""

    jsonrpc: str
    result: T
    id: int | Absent = UNSET
    us_in: int | Absent = field(name="usIn", default=UNSET)
    us_out: int | Absent = field(name="usOut", default=UNSET)
    us_diff: int | Absent = field(name="usDiff", default=UNSET)
    testnet: bool | Absent = UNSET


class Params(Payload, Generic[T], frozen=True):
    """Channel and content of a notification."""

    channel: str
    data: T


class Notice(Payload, Generic[T], frozen=True):
    """A notification of a subscribed channel."""

    jsonrpc: str
    method: str
    params: Params[T]


class TickStep(Payload, frozen=True):
    """The tick above a price."""

    above_price: Decimal
    tick_size: Decimal


class Instrument(Payload, frozen=True):
    """A contract: its kind, steps, fees and limits."""

    kind: str
    instrument_name: str
    maker_commission: Decimal
    taker_commission: Decimal
    instrument_type: str
    creation_timestamp: int
    is_active: bool
    tick_size: Decimal
    contract_size: Decimal
    instrument_id: int
    min_trade_amount: Decimal
    settlement_currency: str
    base_currency: str
    counter_currency: str
    quote_currency: str
    tick_size_steps: tuple[TickStep, ...]
    price_index: str | Absent = UNSET
    max_leverage: Decimal | Absent = UNSET
    expiration_timestamp: int | Absent = UNSET
    future_type: str | Absent = UNSET
    max_liquidation_commission: Decimal | Absent = UNSET
    max_non_default_leverage: Decimal | Absent = UNSET
    block_trade_commission: Decimal | Absent = UNSET
    block_trade_min_trade_amount: Decimal | Absent = UNSET
    block_trade_tick_size: Decimal | Absent = UNSET
    settlement_period: str | Absent = UNSET
    option_type: str | Absent = UNSET
    strike: Decimal | Absent = UNSET
    state: str | Absent = UNSET


class ComboLeg(Payload, frozen=True):
    """One contract of a combination, with its sign."""

    amount: Decimal
    instrument_name: str


class Combo(Payload, frozen=True):
    """A combination of contracts."""

    id: str
    state: str
    legs: tuple[ComboLeg, ...]
    creation_timestamp: int
    instrument_id: int
    state_timestamp: int


class Expirations(Payload, frozen=True):
    """Expiries by kind."""

    option: tuple[str, ...]
    future: tuple[str, ...] | Absent = UNSET


class Trade(Payload, frozen=True):
    """One trade."""

    amount: Decimal
    direction: str
    instrument_name: str
    price: Decimal
    tick_direction: int
    timestamp: int
    trade_id: str
    trade_seq: int
    contracts: Decimal | Absent = UNSET
    index_price: Decimal | Absent = UNSET
    mark_price: Decimal | Absent = UNSET
    legs: tuple[Trade, ...] | Absent = UNSET
    combo_id: str | Absent = UNSET
    combo_trade_id: str | Absent = UNSET
    iv: Decimal | Absent = UNSET


class TradePage(Payload, frozen=True):
    """A page of trades."""

    has_more: bool
    trades: tuple[Trade, ...]


class DayStats(Payload, frozen=True):
    """What traded in 24 hours."""

    high: Decimal
    low: Decimal
    price_change: Decimal
    volume: Decimal
    volume_notional: Decimal
    volume_usd: Decimal


class OrderBook(Payload, frozen=True):
    """A book with the ticker beside it."""

    asks: tuple[tuple[Decimal, Decimal], ...]
    best_ask_amount: Decimal
    best_ask_price: Decimal
    best_bid_amount: Decimal
    best_bid_price: Decimal
    bids: tuple[tuple[Decimal, Decimal], ...]
    change_id: int
    current_funding: Decimal
    estimated_delivery_price: Decimal
    funding_8h: Decimal
    index_price: Decimal
    instrument_name: str
    interest_value: Decimal
    last_price: Decimal
    mark_price: Decimal
    max_price: Decimal
    min_price: Decimal
    open_interest: Decimal
    settlement_price: Decimal
    state: str
    stats: DayStats
    timestamp: int


class Chart(Payload, frozen=True):
    """Bars, one list for each field."""

    close: tuple[Decimal, ...]
    cost: tuple[Decimal, ...]
    high: tuple[Decimal, ...]
    low: tuple[Decimal, ...]
    open: tuple[Decimal, ...]
    status: str
    ticks: tuple[int, ...]
    volume: tuple[Decimal, ...]


class ServerVersion(Payload, frozen=True):
    """The server's version."""

    version: str


class BookChange(Payload, frozen=True):
    """A book (`snapshot`) or its levels that changed since `prev_change_id` (`change`)."""

    type: str
    instrument_name: str
    timestamp: int
    change_id: int
    prev_change_id: int | None
    bids: tuple[tuple[str, Decimal, Decimal], ...]
    asks: tuple[tuple[str, Decimal, Decimal], ...]


class GroupedBook(Payload, frozen=True):
    """The best levels, whole in each message."""

    instrument_name: str
    timestamp: int
    change_id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class Bar(Payload, frozen=True):
    """One bar of a chart."""

    tick: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    cost: Decimal


class Quote(Payload, frozen=True):
    """The best bid and ask."""

    timestamp: int
    instrument_name: str
    best_ask_price: Decimal
    best_bid_price: Decimal
    best_ask_amount: Decimal
    best_bid_amount: Decimal


class HeartbeatKind(Payload, frozen=True):
    """Which heartbeat it is."""

    type: str


class Heartbeat(Payload, frozen=True):
    """What must be answered with `public/test`."""

    jsonrpc: str
    method: str
    params: HeartbeatKind


class Ticker(Payload, frozen=True):
    """Prices, open interest and funding of a contract."""

    timestamp: int
    state: str
    stats: DayStats
    index_price: Decimal
    instrument_name: str
    last_price: Decimal
    settlement_price: Decimal
    min_price: Decimal
    max_price: Decimal
    open_interest: Decimal
    mark_price: Decimal
    interest_value: Decimal
    best_ask_price: Decimal
    best_bid_price: Decimal
    estimated_delivery_price: Decimal
    best_ask_amount: Decimal
    best_bid_amount: Decimal
    current_funding: Decimal
    funding_8h: Decimal


class VolatilityIndex(Payload, frozen=True):
    """The DVOL index."""

    timestamp: int
    volatility: Decimal
    index_name: str


class Refusal(Payload, frozen=True):
    """Why a request was refused."""

    code: int
    message: str
    data: Unseen | None


class Refused(Payload, frozen=True):
    """A request that was refused."""

    jsonrpc: str
    error: Refusal
    id: int | Absent | None = UNSET
