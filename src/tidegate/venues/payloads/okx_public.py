# SPDX-License-Identifier: Apache-2.0
"""OKX: envelopes, instruments, books, prices and trades.

Names are the venue's in snake case (okx.com/docs-v5, read 2026-11-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload, Payload, Quoted

T = TypeVar("T")
Levels = tuple[tuple[Quoted, Quoted, str, str], ...]
Candle = tuple[Quoted, Quoted, Quoted, Quoted, Quoted, Quoted, Quoted, Quoted, Quoted]


class Reply(Payload, Generic[T], frozen=True):
    """An answer to a request; `code` is "0" where nothing failed."""

    code: str
    data: tuple[T, ...]
    msg: str | Absent = UNSET


class Channel(CamelPayload, frozen=True):
    """What was subscribed to."""

    channel: str
    inst_id: str | Absent = UNSET
    inst_type: str | Absent = UNSET
    inst_family: str | Absent = UNSET
    sprd_id: str | Absent = UNSET
    uid: str | Absent = UNSET


class Frame(Payload, Generic[T], frozen=True):
    """One message of a channel."""

    arg: Channel
    data: tuple[T, ...]
    action: str | Absent = UNSET


class Instrument(CamelPayload, frozen=True):
    """A contract or pair: its steps, size and state."""

    alias: str
    base_ccy: str
    category: str
    ct_mult: Blank
    ct_type: str
    ct_val: Blank
    ct_val_ccy: str
    exp_time: Blank
    inst_family: str
    inst_id: str
    inst_type: str
    lever: Blank
    list_time: Blank
    lot_sz: Blank
    max_iceberg_sz: Blank
    max_lmt_amt: Blank
    max_lmt_sz: Blank
    max_mkt_amt: Blank
    max_mkt_sz: Blank
    max_stop_sz: Blank
    max_trigger_sz: Blank
    max_twap_sz: Blank
    min_sz: Blank
    opt_type: str
    quote_ccy: str
    rule_type: str
    settle_ccy: str
    state: str
    stk: Blank
    tick_sz: Blank
    uly: str
    auction_end_time: str | Absent = UNSET
    cont_td_sw_time: str | Absent = UNSET
    future_settlement: bool | Absent = UNSET
    inst_id_code: int | Absent = UNSET
    max_plat_oi_lmt: str | Absent = field(name="maxPlatOILmt", default=UNSET)
    open_type: str | Absent = UNSET
    pos_lmt_amt: str | Absent = UNSET
    pos_lmt_pct: str | Absent = UNSET
    pre_mkt_sw_time: str | Absent = UNSET
    trade_quote_ccy_list: tuple[str, ...] | Absent = UNSET


class FundingPrint(CamelPayload, frozen=True):
    """A past funding rate."""

    inst_type: str
    inst_id: str
    funding_rate: Blank
    realized_rate: Blank
    funding_time: Blank


class IndexPrice(CamelPayload, frozen=True):
    """An index price and those of the day."""

    inst_id: str
    idx_px: Blank
    high24h: Blank
    sod_utc0: Blank
    open24h: Blank
    low24h: Blank
    sod_utc8: Blank
    ts: Blank


class MarkPrice(CamelPayload, frozen=True):
    """A mark price."""

    inst_type: str
    inst_id: str
    mark_px: Blank
    ts: Blank


class OptionSummary(CamelPayload, frozen=True):
    """Volatilities and Greeks of an option."""

    inst_id: str
    uly: str
    bid_vol: Blank
    ask_vol: Blank
    mark_vol: Blank
    fwd_px: Blank
    ts: Blank
    inst_type: str | Absent = UNSET
    delta: Blank | Absent = UNSET
    gamma: Blank | Absent = UNSET
    theta: Blank | Absent = UNSET
    vega: Blank | Absent = UNSET
    delta_bs: Blank | Absent = UNSET
    gamma_bs: Blank | Absent = UNSET
    theta_bs: Blank | Absent = UNSET
    vega_bs: Blank | Absent = UNSET
    real_vol: Blank | Absent = UNSET
    lever: Blank | Absent = UNSET


class OrderBook(CamelPayload, frozen=True):
    """A book as it is asked for."""

    asks: Levels
    bids: Levels
    ts: Blank


class PositionTier(CamelPayload, frozen=True):
    """Leverage and margin of a tier of size."""

    base_max_loan: Blank
    imr: Blank
    inst_id: str
    max_lever: Blank
    max_sz: Blank
    min_sz: Blank
    mmr: Blank
    opt_mgn_factor: Blank
    quote_max_loan: Blank
    tier: Blank
    uly: str
    inst_family: str


class SpreadLeg(CamelPayload, frozen=True):
    """One leg of a spread."""

    inst_id: str
    side: str


class Spread(CamelPayload, frozen=True):
    """A spread of two legs."""

    sprd_id: str
    sprd_type: str
    state: str
    base_ccy: str
    sz_ccy: str
    quote_ccy: str
    tick_sz: Blank
    min_sz: Blank
    lot_sz: Blank
    list_time: Blank
    legs: tuple[SpreadLeg, ...]
    exp_time: Blank
    update_time: Blank = field(name="uTime")


class Trade(CamelPayload, frozen=True):
    """One trade."""

    inst_id: str
    side: str
    sz: Blank
    px: Blank
    trade_id: str
    ts: Blank
    count: Blank | Absent = UNSET


class Bbo(CamelPayload, frozen=True):
    """The best bid and ask."""

    asks: Levels
    bids: Levels
    ts: Blank
    seq_id: int


class BookChange(CamelPayload, frozen=True):
    """A book (`snapshot`) or its levels that changed since `prev_seq_id` (`update`)."""

    asks: Levels
    bids: Levels
    ts: Blank
    checksum: int
    prev_seq_id: int
    seq_id: int


class FundingRate(CamelPayload, frozen=True):
    """The funding rate now and the next one."""

    inst_id: str
    funding_rate: Blank
    next_funding_rate: Blank
    funding_time: Blank
    next_funding_time: Blank
    ts: Blank


class Ticker(CamelPayload, frozen=True):
    """Best prices and those of the day."""

    inst_type: str
    inst_id: str
    last: Blank
    last_sz: Blank
    ask_px: Blank
    ask_sz: Blank
    bid_px: Blank
    bid_sz: Blank
    open24h: Blank
    high24h: Blank
    low24h: Blank
    vol_ccy24h: Blank = field(name="volCcy24h")
    vol24h: Blank
    sod_utc0: Blank
    sod_utc8: Blank
    ts: Blank
