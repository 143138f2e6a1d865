# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M: market streams and answers about our account.

Names are the venue's in snake case; the letters of its streams bear the names of its
documents (developers.binance.com, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import field

from tidegate.venues.payloads.fields import CamelPayload, Quoted


class AggTrade(CamelPayload, frozen=True):
    """Trades of one taker at one price."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    trade_id: int = field(name="a")
    symbol: str = field(name="s")
    price: Quoted = field(name="p")
    quantity: Quoted = field(name="q")
    first_trade_id: int = field(name="f")
    last_trade_id: int = field(name="l")
    trade_time: int = field(name="T")
    is_buyer_maker: bool = field(name="m")
    stream_type: int = field(name="st")


class BookTicker(CamelPayload, frozen=True):
    """The best bid and ask."""

    event: str = field(name="e")
    update_id: int = field(name="u")
    event_time: int = field(name="E")
    transaction_time: int = field(name="T")
    symbol: str = field(name="s")
    bid_price: Quoted = field(name="b")
    bid_quantity: Quoted = field(name="B")
    ask_price: Quoted = field(name="a")
    ask_quantity: Quoted = field(name="A")
    stream_type: int = field(name="st")
    pair: str = field(name="ps")


class DepthUpdate(CamelPayload, frozen=True):
    """Levels that changed in updates `first_id` to `last_id`."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    transaction_time: int = field(name="T")
    symbol: str = field(name="s")
    pair: str = field(name="ps")
    stream_type: int = field(name="st")
    first_id: int = field(name="U")
    last_id: int = field(name="u")
    previous_id: int = field(name="pu")
    bids: tuple[tuple[Quoted, Quoted], ...] = field(name="b")
    asks: tuple[tuple[Quoted, Quoted], ...] = field(name="a")


class Kline(CamelPayload, frozen=True):
    """One bar."""

    open_time: int = field(name="t")
    close_time: int = field(name="T")
    symbol: str = field(name="s")
    interval: str = field(name="i")
    first_trade_id: int = field(name="f")
    last_trade_id: int = field(name="L")
    open: Quoted = field(name="o")
    close: Quoted = field(name="c")
    high: Quoted = field(name="h")
    low: Quoted = field(name="l")
    volume: Quoted = field(name="v")
    trades: int = field(name="n")
    is_closed: bool = field(name="x")
    quote_volume: Quoted = field(name="q")
    taker_buy_volume: Quoted = field(name="V")
    taker_buy_quote_volume: Quoted = field(name="Q")
    ignored: Quoted = field(name="B")


class KlineEvent(CamelPayload, frozen=True):
    """A bar so far."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    kline: Kline = field(name="k")


class LiquidationOrder(CamelPayload, frozen=True):
    """The order of a liquidation."""

    symbol: str = field(name="s")
    side: str = field(name="S")
    order_type: str = field(name="o")
    time_in_force: str = field(name="f")
    quantity: Quoted = field(name="q")
    price: Quoted = field(name="p")
    average_price: Quoted = field(name="ap")
    status: str = field(name="X")
    last_quantity: Quoted = field(name="l")
    filled_quantity: Quoted = field(name="z")
    trade_time: int = field(name="T")


class LiquidationEvent(CamelPayload, frozen=True):
    """An order of a liquidation."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    order: LiquidationOrder = field(name="o")


class MarkPrice(CamelPayload, frozen=True):
    """Mark and index price, and the funding rate."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    mark_price: Quoted = field(name="p")
    index_price: Quoted = field(name="i")
    settle_price: Quoted = field(name="P")
    funding_rate: Quoted = field(name="r")
    next_funding_time: int = field(name="T")
    stream_type: int = field(name="st")


class DayTicker(CamelPayload, frozen=True):
    """Prices of 24 hours."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    price_change: Quoted = field(name="p")
    price_change_percent: Quoted = field(name="P")
    weighted_average_price: Quoted = field(name="w")
    last_price: Quoted = field(name="c")
    last_quantity: Quoted = field(name="Q")
    open: Quoted = field(name="o")
    high: Quoted = field(name="h")
    low: Quoted = field(name="l")
    volume: Quoted = field(name="v")
    quote_volume: Quoted = field(name="q")
    open_time: int = field(name="O")
    close_time: int = field(name="C")
    first_trade_id: int = field(name="F")
    last_trade_id: int = field(name="L")
    trades: int = field(name="n")
    stream_type: int = field(name="st")


class Trade(CamelPayload, frozen=True):
    """One trade."""

    event: str = field(name="e")
    event_time: int = field(name="E")
    symbol: str = field(name="s")
    trade_id: int = field(name="t")
    price: Quoted = field(name="p")
    quantity: Quoted = field(name="q")
    trade_time: int = field(name="T")
    is_buyer_maker: bool = field(name="m")


class AccountAsset(CamelPayload, frozen=True):
    """One asset of an account."""

    asset: str
    wallet_balance: Quoted
    unrealized_profit: Quoted
    margin_balance: Quoted
    maint_margin: Quoted
    initial_margin: Quoted
    position_initial_margin: Quoted
    open_order_initial_margin: Quoted
    cross_wallet_balance: Quoted
    cross_un_pnl: Quoted
    available_balance: Quoted
    max_withdraw_amount: Quoted
    margin_available: bool
    update_time: int


class AccountPosition(CamelPayload, frozen=True):
    """A position of an account."""

    symbol: str
    initial_margin: Quoted
    maint_margin: Quoted
    unrealized_profit: Quoted
    position_initial_margin: Quoted
    open_order_initial_margin: Quoted
    leverage: Quoted
    isolated: bool
    entry_price: Quoted
    max_notional: Quoted
    bid_notional: Quoted
    ask_notional: Quoted
    position_side: str
    position_amt: Quoted
    update_time: int


class Account(CamelPayload, frozen=True):
    """Margin, assets and positions of an account."""

    fee_tier: int
    can_trade: bool
    can_deposit: bool
    can_withdraw: bool
    update_time: int
    multi_assets_margin: bool
    trade_group_id: int
    total_initial_margin: Quoted
    total_maint_margin: Quoted
    total_wallet_balance: Quoted
    total_unrealized_profit: Quoted
    total_margin_balance: Quoted
    total_position_initial_margin: Quoted
    total_open_order_initial_margin: Quoted
    total_cross_wallet_balance: Quoted
    total_cross_un_pnl: Quoted
    available_balance: Quoted
    max_withdraw_amount: Quoted
    assets: tuple[AccountAsset, ...]
    positions: tuple[AccountPosition, ...]


class Balance(CamelPayload, frozen=True):
    """The balance of one asset."""

    account_alias: str
    asset: str
    balance: Quoted
    cross_wallet_balance: Quoted
    cross_un_pnl: Quoted
    available_balance: Quoted
    max_withdraw_amount: Quoted
    margin_available: bool
    update_time: int


class AlgoOrder(CamelPayload, frozen=True):
    """A conditional order of ours."""

    algo_id: int
    client_algo_id: str
    algo_type: str
    type: str
    symbol: str
    side: str
    position_side: str
    time_in_force: str
    quantity: Quoted
    algo_status: str
    trigger_price: Quoted
    working_type: str
    reduce_only: bool
    create_time: int
    update_time: int


class Order(CamelPayload, frozen=True):
    """An order of ours."""

    order_id: int
    symbol: str
    status: str
    client_order_id: str
    price: Quoted
    avg_price: Quoted
    orig_qty: Quoted
    executed_qty: Quoted
    cum_quote: Quoted
    time_in_force: str
    type: str
    reduce_only: bool
    close_position: bool
    side: str
    position_side: str
    stop_price: Quoted
    working_type: str
    price_protect: bool
    orig_type: str
    price_match: str
    self_trade_prevention_mode: str
    good_till_date: int
    time: int
    update_time: int


class PositionRisk(CamelPayload, frozen=True):
    """A position with its margin and liquidation price."""

    symbol: str
    position_amt: Quoted
    entry_price: Quoted
    mark_price: Quoted
    un_realized_profit: Quoted
    liquidation_price: Quoted
    leverage: Quoted
    max_notional_value: Quoted
    margin_type: str
    isolated_margin: Quoted
    is_auto_add_margin: str
    position_side: str
    notional: Quoted
    isolated_wallet: Quoted
    update_time: int
    break_even_price: Quoted
