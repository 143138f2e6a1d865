# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid: what `info` answers and the WebSocket sends.

Names are the venue's in snake case (hyperliquid.gitbook.io, API, read 2026-11-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, CamelPayload, Payload, Quoted

T = TypeVar("T")


class Frame(Payload, Generic[T], frozen=True):
    """One message of a subscribed channel."""

    channel: str
    data: T


class Leverage(CamelPayload, frozen=True):
    """Leverage of a position, and whether its margin is its own."""

    type: str
    value: int
    raw_usd: Quoted | Absent = UNSET


class CumulativeFunding(CamelPayload, frozen=True):
    """Funding paid since times of three kinds."""

    all_time: Quoted
    since_open: Quoted
    since_change: Quoted


class Position(CamelPayload, frozen=True):
    """A perpetual position; `szi` is its signed size."""

    coin: str
    szi: Quoted
    leverage: Leverage
    entry_price: Quoted | None = field(name="entryPx")
    position_value: Quoted
    unrealized_pnl: Quoted
    return_on_equity: Quoted
    liquidation_price: Quoted | None = field(name="liquidationPx")
    margin_used: Quoted
    max_leverage: int
    cum_funding: CumulativeFunding


class AssetPosition(CamelPayload, frozen=True):
    """A position and its mode."""

    type: str
    position: Position


class MarginTier(CamelPayload, frozen=True):
    """The leverage that is allowed above a notional."""

    lower_bound: Quoted
    max_leverage: int


class MarginTable(CamelPayload, frozen=True):
    """Leverage by notional."""

    description: str
    margin_tiers: tuple[MarginTier, ...]


class SpotPair(CamelPayload, frozen=True):
    """A spot pair: its two tokens by index."""

    name: str
    tokens: tuple[int, int]
    index: int
    is_canonical: bool


class PerpListing(CamelPayload, frozen=True):
    """One perpetual: its name, lot and leverage."""

    max_leverage: int
    name: str
    sz_decimals: int
    growth_mode: str | Absent = UNSET
    is_delisted: bool | Absent | None = UNSET
    only_isolated: bool | Absent | None = UNSET


class PerpMeta(CamelPayload, frozen=True):
    """Perpetuals of one dex."""

    universe: tuple[PerpListing, ...]
    collateral_token: int | Absent = UNSET
    margin_tables: tuple[tuple[int, MarginTable], ...] | Absent = UNSET


class MarginSummary(CamelPayload, frozen=True):
    """Value, notional and margin of an account."""

    account_value: Quoted
    total_ntl_pos: Quoted
    total_raw_usd: Quoted
    total_margin_used: Quoted


class ClearinghouseState(CamelPayload, frozen=True):
    """A perpetual account: margin, positions, what may leave."""

    asset_positions: tuple[AssetPosition, ...]
    cross_margin_summary: MarginSummary
    withdrawable: Quoted
    time: int


class FundingPrint(CamelPayload, frozen=True):
    """One hourly funding rate."""

    coin: str
    funding_rate: Quoted
    time: int
    premium: Quoted | Absent = UNSET


class Level(CamelPayload, frozen=True):
    """One price, what rests there, and of how many orders."""

    price: Quoted = field(name="px")
    size: Quoted = field(name="sz")
    orders: int | Absent = field(name="n", default=UNSET)


class Book(CamelPayload, frozen=True):
    """The best levels, bids then asks, whole in each message."""

    coin: str
    levels: tuple[tuple[Level, ...], tuple[Level, ...]]
    time: int


class Trade(CamelPayload, frozen=True):
    """One trade."""

    coin: str
    side: str
    price: Quoted = field(name="px")
    size: Quoted = field(name="sz")
    hash: str
    time: int
    trade_id: int = field(name="tid")
    users: tuple[str, str]


class SpotBalance(CamelPayload, frozen=True):
    """One coin of a spot account."""

    coin: str
    token: int
    total: Quoted
    hold: Quoted
    entry_ntl: Quoted


class SpotState(CamelPayload, frozen=True):
    """Coins of a spot account."""

    balances: tuple[SpotBalance, ...]


class Token(CamelPayload, frozen=True):
    """One token: its name and decimals."""

    index: int
    is_canonical: bool
    name: str
    sz_decimals: int
    token_id: str
    wei_decimals: int


class SpotMeta(CamelPayload, frozen=True):
    """Tokens and spot pairs."""

    tokens: tuple[Token, ...]
    universe: tuple[SpotPair, ...]


class Liquidation(CamelPayload, frozen=True):
    """Who was liquidated by a fill, and how."""

    liquidated_user: str
    mark_px: Quoted
    method: str


class Fill(CamelPayload, frozen=True):
    """One of our fills."""

    coin: str
    price: Quoted = field(name="px")
    size: Quoted = field(name="sz")
    side: str
    time: int
    start_position: Quoted
    dir: str
    closed_pnl: Quoted
    hash: str
    order_id: int = field(name="oid")
    crossed: bool
    fee: Quoted
    trade_id: int = field(name="tid")
    fee_token: str
    twap_id: str | None
    cloid: str | Absent = UNSET
    liquidation: Liquidation | Absent = UNSET


class Context(CamelPayload, frozen=True):
    """Prices, funding and open interest of one perpetual."""

    funding: Quoted
    open_interest: Quoted
    prev_day_px: Quoted
    day_ntl_vlm: Quoted
    premium: Quoted | None
    oracle_px: Quoted
    mark_px: Quoted
    mid_px: Quoted | None
    impact_pxs: tuple[Quoted, Quoted] | None
    day_base_vlm: Quoted


class DexContexts(CamelPayload, frozen=True):
    """Contexts of every perpetual, by dex."""

    ctxs: tuple[tuple[str, tuple[Context, ...]], ...]


class Mids(CamelPayload, frozen=True):
    """Middle prices by coin."""

    mids: dict[str, Quoted]


class UserEvents(CamelPayload, frozen=True):
    """What happened to us."""

    fills: tuple[Fill, ...]
