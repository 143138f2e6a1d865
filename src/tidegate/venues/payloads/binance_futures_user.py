# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M: what the user stream sends.

Names are the venue's in snake case; the letters of its streams bear the names of its
documents (developers.binance.com, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, CamelPayload, Quoted


class BalanceChange(CamelPayload, frozen=True):
    """A balance that changed."""

    asset: str = field(name="a")
    wallet_balance: Quoted = field(name="wb")
    cross_wallet_balance: Quoted = field(name="cw")
    balance_change: Quoted = field(name="bc")


class PositionChange(CamelPayload, frozen=True):
    """A position that changed."""

    symbol: str = field(name="s")
    amount: Quoted = field(name="pa")
    entry_price: Quoted = field(name="ep")
    break_even_price: Quoted = field(name="bep")
    realised_profit: Quoted = field(name="cr")
    unrealised_profit: Quoted = field(name="up")
    margin_type: str = field(name="mt")
    isolated_wallet: Quoted = field(name="iw")
    position_side: str = field(name="ps")


class AccountChange(CamelPayload, frozen=True):
    """What changed, and why."""

    reason: str = field(name="m")
    balances: tuple[BalanceChange, ...] = field(name="B")
    positions: tuple[PositionChange, ...] = field(name="P")


class AccountUpdate(CamelPayload, frozen=True):
    """Balances and positions that changed."""

    event: str = field(name="e")
    transaction_time: int = field(name="T")
    event_time: int = field(name="E")
    change: AccountChange = field(name="a")


class AlgoChange(CamelPayload, frozen=True):
    """A conditional order as it stands."""

    client_algo_id: str = field(name="caid")
    algo_id: int = field(name="aid")
    algo_type: str = field(name="at")
    order_type: str = field(name="o")
    symbol: str = field(name="s")
    side: str = field(name="S")
    position_side: str = field(name="ps")
    time_in_force: str = field(name="f")
    quantity: Quoted = field(name="q")
    status: str = field(name="X")
    order_id: str = field(name="ai")
    average_price: Quoted = field(name="ap")
    filled_quantity: Quoted = field(name="aq")
    actual_order_type: Quoted = field(name="act")
    trigger_price: Quoted = field(name="tp")
    price: Quoted = field(name="p")
    self_trade_prevention: str = field(name="V")
    working_type: str = field(name="wt")
    price_match: str = field(name="pm")
    close_all: bool = field(name="cp")
    price_protect: bool = field(name="pP")
    reduce_only: bool = field(name="R")
    trigger_time: int = field(name="tt")
    good_till_date: int = field(name="gtd")
    reject_reason: str = field(name="rm")


class AlgoUpdate(CamelPayload, frozen=True):
    """A conditional order that changed."""

    event: str = field(name="e")
    transaction_time: int = field(name="T")
    event_time: int = field(name="E")
    order: AlgoChange = field(name="o")


class OrderChange(CamelPayload, frozen=True):
    """An order as it stands, and its last fill."""

    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    side: str = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Quoted = field(name="q")
    price: Quoted = field(name="p")
    average_price: Quoted = field(name="ap")
    stop_price: Quoted = field(name="sp")
    execution_type: str = field(name="x")
    status: str = field(name="X")
    order_id: int = field(name="i")
    last_quantity: Quoted = field(name="l")
    filled_quantity: Quoted = field(name="z")
    last_price: Quoted = field(name="L")
    trade_time: int = field(name="T")
    trade_id: int = field(name="t")
    bids_notional: Quoted = field(name="b")
    asks_notional: Quoted = field(name="a")
    is_maker: bool = field(name="m")
    reduce_only: bool = field(name="R")
    working_type: str = field(name="wt")
    original_type: str = field(name="ot")
    position_side: str = field(name="ps")
    close_all: bool = field(name="cp")
    activation_price: Quoted = field(name="AP")
    callback_rate: Quoted = field(name="cr")
    price_protect: bool = field(name="pP")
    ignored_si: int = field(name="si")
    ignored_ss: int = field(name="ss")
    realised_profit: Quoted = field(name="rp")
    self_trade_prevention: str = field(name="V")
    commission_asset: str | Absent = field(name="N", default=UNSET)
    commission: Quoted | Absent = field(name="n", default=UNSET)


class OrderUpdate(CamelPayload, frozen=True):
    """An order that changed."""

    event: str = field(name="e")
    transaction_time: int = field(name="T")
    event_time: int = field(name="E")
    order: OrderChange = field(name="o")


class TradeLite(CamelPayload, frozen=True):
    """A fill, in short."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    transaction_time: int = field(name="T")
    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    side: str = field(name="S")
    quantity: Quoted = field(name="q")
    price: Quoted = field(name="p")
    order_id: int = field(name="i")
    last_quantity: Quoted = field(name="l")
    last_price: Quoted = field(name="L")
    trade_id: int = field(name="t")
    is_maker: bool = field(name="m")
