# SPDX-License-Identifier: Apache-2.0
"""Bybit: wallets, positions, keys and members.

Names are the venue's in snake case (bybit-exchange.github.io/docs/v5, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload


class AccountInfo(CamelPayload, frozen=True):
    """Modes of an account."""

    margin_mode: str
    updated_time: Blank
    unified_margin_status: int
    dcp_status: str
    time_window: int
    smp_group: int
    is_master_trader: bool
    spot_hedging_status: str


class FeeRate(CamelPayload, frozen=True):
    """Fee rates of a symbol."""

    symbol: str
    taker_fee_rate: Blank
    maker_fee_rate: Blank
    base_coin: str


class Position(CamelPayload, frozen=True):
    """A position."""

    position_idx: int
    risk_id: int
    risk_limit_value: Blank
    symbol: str
    side: str
    size: Blank
    position_value: Blank
    trade_mode: int
    position_status: str
    auto_add_margin: int
    adl_rank_indicator: int
    leverage: Blank
    position_balance: Blank
    mark_price: Blank
    liq_price: Blank
    bust_price: Blank
    position_mm: Blank = field(name="positionMM")
    position_im: Blank = field(name="positionIM")
    tpsl_mode: str
    take_profit: Blank
    stop_loss: Blank
    trailing_stop: Blank
    unrealised_pnl: Blank
    cur_realised_pnl: Blank
    cum_realised_pnl: Blank
    created_time: Blank
    updated_time: Blank
    avg_price: Blank | Absent = UNSET
    seq: int | Absent = UNSET
    is_reduce_only: bool | Absent = UNSET
    mmr_sys_updated_time: str | Absent = UNSET
    leverage_sys_updated_time: str | Absent = UNSET
    open_time: int | Absent = UNSET
    entry_price: Blank | Absent = UNSET
    session_avg_price: Blank | Absent = UNSET
    position_im_by_mp: Blank | Absent = field(name="positionIMByMp", default=UNSET)
    position_mm_by_mp: Blank | Absent = field(name="positionMMByMp", default=UNSET)
    category: str | Absent = UNSET


class WalletCoin(CamelPayload, frozen=True):
    """Balances of one coin."""

    available_to_borrow: Blank
    accrued_interest: Blank
    available_to_withdraw: Blank
    equity: Blank
    borrow_amount: Blank
    wallet_balance: Blank
    coin: str
    spot_borrow: Blank
    bonus: Blank | Absent = UNSET
    total_order_im: Blank | Absent = field(name="totalOrderIM", default=UNSET)
    total_position_mm: Blank | Absent = field(name="totalPositionMM", default=UNSET)
    usd_value: Blank | Absent = UNSET
    unrealised_pnl: Blank | Absent = UNSET
    total_position_im: Blank | Absent = field(name="totalPositionIM", default=UNSET)
    cum_realised_pnl: Blank | Absent = UNSET
    locked: Blank | Absent = UNSET
    collateral_switch: bool | Absent = UNSET
    margin_collateral: bool | Absent = UNSET
    spot_hedging_qty: Blank | Absent = UNSET


class Wallet(CamelPayload, frozen=True):
    """Equity and margin of an account, by coin."""

    total_equity: Blank
    account_im_rate: Blank = field(name="accountIMRate")
    total_margin_balance: Blank
    total_initial_margin: Blank
    total_available_balance: Blank
    account_mm_rate: Blank = field(name="accountMMRate")
    total_wallet_balance: Blank
    account_ltv: Blank = field(name="accountLTV")
    total_maintenance_margin: Blank
    coin: tuple[WalletCoin, ...]
    account_type: str | Absent = UNSET
    total_perp_profit: Blank | Absent = field(name="totalPerpUPL", default=UNSET)
    total_perp_upl: Blank | Absent = UNSET


class Permissions(CamelPayload, frozen=True):
    """What a key may do, by kind."""

    contract_trade: tuple[str, ...] = field(name="ContractTrade")
    spot: tuple[str, ...] = field(name="Spot")
    wallet: tuple[str, ...] = field(name="Wallet")
    options: tuple[str, ...] = field(name="Options")
    derivatives: tuple[str, ...] = field(name="Derivatives")
    copy_trading: tuple[str, ...] = field(name="CopyTrading")
    block_trade: tuple[str, ...] = field(name="BlockTrade")
    exchange: tuple[str, ...] = field(name="Exchange")
    nft: tuple[str, ...] = field(name="NFT")
    affiliate: tuple[str, ...] | Absent = field(name="Affiliate", default=UNSET)
    earn: tuple[str, ...] | Absent = field(name="Earn", default=UNSET)
    fiat_p2_p: tuple[str, ...] | Absent = field(name="FiatP2P", default=UNSET)
    fiat_bybit_pay: tuple[str, ...] | Absent = field(name="FiatBybitPay", default=UNSET)
    fiat_convert_broker: tuple[str, ...] | Absent = field(name="FiatConvertBroker", default=UNSET)
    fiat_global_pay: tuple[str, ...] | Absent = field(name="FiatGlobalPay", default=UNSET)
    fiat_bit_pay: tuple[str, ...] | Absent = field(name="FiatBitPay", default=UNSET)
    bit_card: tuple[str, ...] | Absent = field(name="BitCard", default=UNSET)
    by_x_post: tuple[str, ...] | Absent = field(name="ByXPost", default=UNSET)


class ApiKey(CamelPayload, frozen=True):
    """A key: what it may do, from where, and until when."""

    id: str
    note: str
    api_key: str
    read_only: int | bool
    secret: str
    permissions: Permissions
    ips: tuple[str, ...]
    type: int | Absent = UNSET
    deadline_day: int | Absent = UNSET
    expired_at: str | Absent = UNSET
    created_at: str | Absent = UNSET
    unified: int | Absent = UNSET
    uta: int | Absent = UNSET
    user_id: int | Absent = field(name="userID", default=UNSET)
    inviter_id: int | Absent = field(name="inviterID", default=UNSET)
    vip_level: str | Absent = UNSET
    mkt_maker_level: Blank | Absent = UNSET
    affiliate_id: int | Absent = field(name="affiliateID", default=UNSET)
    rsa_public_key: str | Absent = UNSET
    is_master: bool | Absent = UNSET
    parent_uid: str | Absent = UNSET
    kyc_level: str | Absent = UNSET
    kyc_region: str | Absent = UNSET
    user_id_int64: Blank | Absent = field(name="userIDInt64", default=UNSET)
    inviter_id_int64: Blank | Absent = field(name="inviterIDInt64", default=UNSET)
    affiliate_id_int64: Blank | Absent = field(name="affiliateIDInt64", default=UNSET)
    status: int | Absent = UNSET
    flag: str | Absent = UNSET


class SubKeys(CamelPayload, frozen=True):
    """Keys of a sub-account."""

    result: tuple[ApiKey, ...]
    next_page_cursor: str


class Member(CamelPayload, frozen=True):
    """A sub-account."""

    uid: str
    username: str
    member_type: int
    status: int
    remark: str
    account_mode: int


class Members(CamelPayload, frozen=True):
    """Sub-accounts."""

    sub_members: tuple[Member, ...]
    next_cursor: Blank | Absent = UNSET
