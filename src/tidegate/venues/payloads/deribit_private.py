# SPDX-License-Identifier: Apache-2.0
"""Deribit: orders, accounts and portfolios.

Names are the venue's (docs.deribit.com, API v2, read 2026-11-30).
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET

from tidegate.venues.payloads.deribit_public import Trade
from tidegate.venues.payloads.fields import Absent, Payload


class RequestLimit(Payload, frozen=True):
    """Requests that are refilled a second, and at once."""

    burst: Decimal
    rate: Decimal


class TradingLimit(Payload, frozen=True):
    """Limits of orders, by contract and in all."""

    total: RequestLimit


class MatchingLimits(Payload, frozen=True):
    """Limits of the matching engine."""

    trading: TradingLimit
    spot: RequestLimit
    quotes: RequestLimit
    max_quotes: RequestLimit
    guaranteed_quotes: RequestLimit
    cancel_all: RequestLimit


class Limits(Payload, frozen=True):
    """How much may be asked of the venue."""

    limits_per_currency: bool
    non_matching_engine: RequestLimit
    matching_engine: MatchingLimits


class MakerTaker(Payload, frozen=True):
    """Fee rates of makers and takers."""

    type: str
    taker: Decimal
    maker: Decimal


class FeeRate(Payload, frozen=True):
    """Fee rates, and that of block trades."""

    default: MakerTaker
    block_trade: Decimal


class Fee(Payload, frozen=True):
    """What a kind of contract costs."""

    value: FeeRate
    kind: str
    index_name: str


class AccountSummary(Payload, frozen=True):
    """Money, margin and Greeks of one currency."""

    currency: str
    margin_balance: Decimal
    session_upl: Decimal
    options_vega: Decimal
    options_value: Decimal
    available_withdrawal_funds: Decimal
    maintenance_margin: Decimal
    total_pl: Decimal
    available_funds: Decimal
    options_delta: Decimal
    balance: Decimal
    equity: Decimal
    fee_balance: Decimal
    options_theta: Decimal
    portfolio_margining_enabled: bool
    cross_collateral_enabled: bool
    margin_model: str
    futures_pl: Decimal
    options_pl: Decimal
    initial_margin: Decimal
    spot_reserve: Decimal
    delta_total: Decimal
    options_gamma: Decimal
    session_rpl: Decimal
    delta_total_map: dict[str, Decimal] | Absent = UNSET
    futures_session_rpl: Decimal | Absent = UNSET
    options_session_rpl: Decimal | Absent = UNSET
    estimated_liquidation_ratio_map: dict[str, Decimal] | Absent = UNSET
    estimated_liquidation_ratio: Decimal | Absent = UNSET
    options_gamma_map: dict[str, Decimal] | Absent = UNSET
    projected_delta_total: Decimal | Absent = UNSET
    limits: Limits | Absent = UNSET
    projected_maintenance_margin: Decimal | Absent = UNSET
    futures_session_upl: Decimal | Absent = UNSET
    options_session_upl: Decimal | Absent = UNSET
    projected_initial_margin: Decimal | Absent = UNSET
    options_vega_map: dict[str, Decimal] | Absent = UNSET
    fees: tuple[Fee, ...] | Absent = UNSET
    options_theta_map: dict[str, Decimal] | Absent = UNSET
    additional_reserve: Decimal | Absent = UNSET
    total_margin_balance_usd: Decimal | Absent = UNSET
    total_equity_usd: Decimal | Absent = UNSET
    total_initial_margin_usd: Decimal | Absent = UNSET
    total_maintenance_margin_usd: Decimal | Absent = UNSET
    locked_balance: Decimal | Absent = UNSET


class AccountSummaries(Payload, frozen=True):
    """An account: who it is, and its money by currency."""

    id: int
    email: str
    system_name: str
    username: str
    block_rfq_self_match_prevention: bool
    creation_timestamp: int
    type: str
    referrer_id: str | None
    login_enabled: bool
    security_keys_enabled: bool
    mmp_enabled: bool
    interuser_transfers_enabled: bool
    self_trading_reject_mode: str
    self_trading_extended_to_subaccounts: bool
    summaries: tuple[AccountSummary, ...]


class Order(Payload, frozen=True):
    """An order of ours."""

    label: str
    price: float | str
    user_id: int
    amount: Decimal
    direction: str
    time_in_force: str
    instrument_name: str
    web: bool
    api: bool
    order_id: str
    creation_timestamp: int
    replaced: bool
    last_update_timestamp: int
    post_only: bool
    reduce_only: bool
    mmp: bool
    contracts: Decimal
    reject_post_only: bool
    order_state: str
    order_type: str
    is_liquidation: bool
    risk_reducing: bool
    filled_amount: Decimal | Absent = UNSET
    average_price: Decimal | Absent = UNSET
    trigger_price: Decimal | Absent = UNSET
    trigger: str | Absent = UNSET
    cancel_reason: str | Absent = UNSET


class OrderTaken(Payload, frozen=True):
    """An order as it stands after a request, and its fills."""

    order: Order
    trades: tuple[Trade, ...]


class Portfolio(Payload, frozen=True):
    """Balances, margin and Greeks of one currency."""

    total_maintenance_margin_usd: Decimal
    projected_initial_margin: Decimal
    total_delta_total_usd: Decimal
    options_gamma_map: dict[str, Decimal]
    options_session_rpl: Decimal
    options_session_upl: Decimal
    futures_session_rpl: Decimal
    fee_balance: Decimal
    projected_maintenance_margin: Decimal
    session_upl: Decimal
    projected_delta_total: Decimal
    initial_margin: Decimal
    options_pl: Decimal
    options_vega_map: dict[str, Decimal]
    margin_balance: Decimal
    balance: Decimal
    maintenance_margin: Decimal
    total_initial_margin_usd: Decimal
    additional_reserve: Decimal
    locked_balance: Decimal
    options_value: Decimal
    options_delta: Decimal
    margin_model: str
    portfolio_margining_enabled: bool
    options_gamma: Decimal
    available_funds: Decimal
    cross_collateral_enabled: bool
    delta_total: Decimal
    options_theta_map: dict[str, Decimal]
    spot_reserve: Decimal
    total_equity_usd: Decimal
    options_theta: Decimal
    futures_session_upl: Decimal
    delta_total_map: dict[str, Decimal]
    session_rpl: Decimal
    futures_pl: Decimal
    available_withdrawal_funds: Decimal
    options_vega: Decimal
    equity: Decimal
    total_pl: Decimal
    currency: str
    total_margin_balance_usd: Decimal
