# SPDX-License-Identifier: Apache-2.0
"""OKX: balances and positions.

Names are the venue's in snake case (okx.com/docs-v5, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload


class FeeRate(CamelPayload, frozen=True):
    """Fee rates of a kind of instrument."""

    category: str
    delivery: str
    exercise: str
    inst_type: str
    level: str
    maker: Blank
    maker_u: str
    maker_usdc: str = field(name="makerUSDC")
    taker: Blank
    taker_u: str
    taker_usdc: str = field(name="takerUSDC")
    ts: Blank
    uly: str


class PositionMode(CamelPayload, frozen=True):
    """Whether long and short are kept apart."""

    pos_mode: str


class BalanceDetail(CamelPayload, frozen=True):
    """Equity and margin of one currency."""

    acc_avg_px: str
    avail_bal: Blank
    avail_eq: Blank
    borrow_froz: str
    cash_bal: Blank
    ccy: str
    cross_liab: str
    dis_eq: Blank
    eq: Blank
    eq_usd: Blank
    fixed_bal: Blank
    frozen_bal: Blank
    imr: Blank
    interest: str
    iso_eq: Blank
    iso_liab: str
    iso_upl: Blank
    liab: str
    max_loan: str
    mgn_ratio: str
    mmr: Blank
    notional_lever: Blank
    open_avg_px: str
    ord_frozen: Blank
    reward_bal: Blank
    smt_sync_eq: Blank
    spot_bal: str
    spot_copy_trading_eq: Blank
    spot_iso_bal: Blank
    spot_upl: str
    spot_upl_ratio: str
    stgy_eq: Blank
    total_pnl: str
    total_pnl_ratio: str
    twap: Blank
    update_time: Blank = field(name="uTime")
    upl: Blank
    upl_liab: str
    cl_spot_in_use_amt: Blank | Absent = UNSET
    collateral_enabled: bool | Absent = UNSET
    max_spot_in_use_amt: Blank | Absent = UNSET
    spot_in_use_amt: Blank | Absent = UNSET
    coin_usd_price: Blank | Absent = UNSET
    col_borr_auto_conversion: str | Absent = UNSET
    collateral_restrict: bool | Absent = UNSET
    cl_spot_in_use: Blank | Absent = UNSET
    max_spot_in_use: Blank | Absent = UNSET
    spot_in_use: Blank | Absent = UNSET


class Balance(CamelPayload, frozen=True):
    """Equity and margin of an account, by currency."""

    adj_eq: str
    borrow_froz: str
    details: tuple[BalanceDetail, ...]
    imr: str
    iso_eq: Blank
    mgn_ratio: str
    mmr: str
    notional_usd: str
    notional_usd_for_borrow: str
    notional_usd_for_futures: str
    notional_usd_for_option: str
    notional_usd_for_swap: str
    ord_froz: str
    total_eq: Blank
    update_time: Blank = field(name="uTime")
    upl: str
    avail_eq: str | Absent = UNSET


class ClosedPosition(CamelPayload, frozen=True):
    """A position that was closed."""

    creation_time: Blank = field(name="cTime")
    ccy: str
    close_avg_px: Blank
    close_total_pos: Blank
    direction: str
    fee: Blank
    funding_fee: Blank
    inst_id: str
    inst_type: str
    lever: Blank
    liq_penalty: Blank
    mgn_mode: str
    open_avg_px: Blank
    open_max_pos: Blank
    pnl: Blank
    pnl_ratio: Blank
    pos_id: str
    pos_side: str
    realized_pnl: Blank
    trigger_px: str
    type: str
    update_time: Blank = field(name="uTime")
    uly: str


class Position(CamelPayload, frozen=True):
    """A position."""

    inst_id: str
    inst_type: str
    mgn_mode: str
    pos_id: str
    pos_side: str
    pos: Blank
    base_bal: Blank
    ccy: str
    fee: Blank
    lever: Blank
    last: Blank
    mark_px: Blank
    liq_px: Blank
    mmr: Blank
    interest: Blank
    trade_id: str
    notional_usd: Blank
    avg_px: Blank
    upl: Blank
    upl_ratio: Blank
    update_time: Blank = field(name="uTime")
    margin: Blank
    mgn_ratio: Blank
    adl: Blank
    creation_time: Blank = field(name="cTime")
    realized_pnl: Blank
    upl_last_px: Blank
    upl_ratio_last_px: Blank
    avail_pos: Blank
    be_px: Blank
    funding_fee: Blank
    idx_px: Blank
    liq_penalty: Blank
    opt_val: Blank
    pending_close_ord_liab_val: Blank
    pnl: Blank
    pos_ccy: str
    quote_bal: Blank
    quote_borrowed: Blank
    quote_interest: Blank
    spot_in_use_amt: Blank
    spot_in_use_ccy: str
    usd_px: Blank
