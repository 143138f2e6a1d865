# SPDX-License-Identifier: Apache-2.0
"""Deribit's accounts: API v2 (docs.deribit.com, read November 2026).

Profit moves to cash once a day, so `entry` is not the average price but the price from which the
venue counts floating profit u of a size s at mark m:

    inverse: 1 / entry = 1 / m + u / s        linear: entry = m - u / s

    equity = balance + futures' realised of the session + their floating profit + options' value

Funding is part of what was realised. The API tells no rates of standard margin: those of the
venue's pages hold for BTC and ETH where the contract's largest leverage agrees, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from tidegate.venues.accounts.answers import answer
from tidegate.venues.accounts.told import Book, Market, Stated, Told, figure, moment, number
from tidegate.venues.exchanges.client import Client
from tidegate.venues.payloads.deribit_public import Instrument

RULES = {
    "segregated_sm": "deribit_standard",
    "segregated_pm": "deribit_portfolio",
    "cross_pm": "deribit_portfolio_cross",
}
# support.deribit.com, 25944826427293 (11 January 2022) and Linear Perpetual (25944738177565).
PER_COIN = {"BTC": Decimal("0.00005"), "ETH": Decimal("0.000002")}
INITIAL, MAINTENANCE = Decimal("0.02"), Decimal("0.01")
OPTION_RATES = {"initial": "0.15", "initial_floor": "0.1", "maintenance": "0.075"}
DIGITS, PERCENT, MICROSECONDS = 14, 100, 1_000
WAITING, MARKET = "untriggered", "market_price"


class Summary(msgspec.Struct, frozen=True):
    """Money and margin of one currency."""

    currency: str
    balance: Decimal
    equity: Decimal
    margin_balance: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_model: str
    session_rpl: Decimal
    futures_session_rpl: Decimal | None = None
    total_margin_balance_usd: Decimal | None = None
    total_initial_margin_usd: Decimal | None = None
    total_maintenance_margin_usd: Decimal | None = None


class Position(msgspec.Struct, frozen=True):
    """What is held of one contract: dollars of inverse ones, else coins."""

    instrument_name: str
    direction: str
    size: Decimal
    mark_price: Decimal
    floating_profit_loss: Decimal


class Ticker(msgspec.Struct, frozen=True):
    """Prices of one contract."""

    timestamp: int
    index_price: Decimal
    mark_price: Decimal
    mark_iv: Decimal | None = None
    underlying_price: Decimal | None = None


class Order(msgspec.Struct, frozen=True):
    """A working order; the price of a market order is a word."""

    instrument_name: str
    direction: str
    amount: Decimal
    filled_amount: Decimal
    price: Any
    order_state: str
    reduce_only: bool = False


class Listed(msgspec.Struct, frozen=True):
    """A contract and its prices."""

    instrument: Instrument
    ticker: Ticker


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one account."""

    ts_ms: int
    summaries: list[Summary]
    positions: list[Position]
    orders: list[Order]
    listed: dict[str, Listed]


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """One account for each currency that holds anything, or one of all where they are pooled."""
    cross = [s for s in answers.summaries if s.margin_model.startswith("cross")]
    alone = [s for s in answers.summaries if s not in cross]
    names = (p.instrument_name for p in answers.positions if p.size)
    held = {answers.listed[name].instrument.settlement_currency for name in names}
    used = [s for s in alone if s.balance or s.equity or s.currency in held]
    told = [_told(f"{venue}.{s.currency}", answers, [s]) for s in used]
    return (*told, _told(venue, answers, cross)) if cross else tuple(told)


def _told(name: str, answers: Answers, sums: list[Summary]) -> Told:
    own, first = {s.currency for s in sums}, sums[0]
    pooled = first.margin_model.startswith("cross")
    market = market_of(
        e for e in answers.listed.values() if e.instrument.settlement_currency in own
    )
    held = {p.instrument_name: p for p in answers.positions if p.instrument_name in market.rows}
    book: dict[str, object] = {
        "as_of": moment(max(answers.ts_ms, market.ts_ms)),
        "venue": name,
        "rule": RULES.get(first.margin_model, first.margin_model),
        "balances": {s.currency: number(s.balance) for s in sums},
        "realised": {s.currency: number(_realised(s)) for s in sums},
        "positions": [{**row, **_holding(row, held.get(n))} for n, row in market.rows.items()],
        "orders": [_order(o) for o in answers.orders if _reserves(o, market)],
        "coins": market.coins,
    }
    return Told(_with_rates(book, first, pooled=pooled), _stated(first, pooled=pooled))


def _with_rates(book: dict[str, object], first: Summary, *, pooled: bool) -> dict[str, object]:
    if pooled:
        return book
    book["collateral"] = first.currency
    if book["rule"] == "deribit_standard":
        rates = dict.fromkeys(PER_COIN, OPTION_RATES)
        book["parameters"] = {"deribit_standard": {"option_rates": rates}}
    return book


def _stated(first: Summary, *, pooled: bool) -> Stated:
    if not pooled:
        sums = first.margin_balance, first.initial_margin, first.maintenance_margin
        return Stated(first.currency, *sums)
    return Stated(
        "USD",
        first.total_margin_balance_usd,
        first.total_initial_margin_usd,
        first.total_maintenance_margin_usd,
    )


def _realised(summary: Summary) -> Decimal:
    futures = summary.futures_session_rpl
    return summary.session_rpl if futures is None else futures


def market_of(listed: Iterable[Listed]) -> Market:
    """Contracts as positions of nothing, and their coins' index and forwards."""
    every = sorted(listed, key=lambda e: e.instrument.instrument_name)
    coins: dict[str, dict[str, object]] = {}
    for one in every:
        said = coins.setdefault(one.instrument.base_currency, {})
        said["index"] = figure(one.ticker.index_price, one.ticker.timestamp)
        if one.instrument.kind == "option" and one.ticker.underlying_price is not None:
            forwards = dict(said.get("forwards", {}))  # type: ignore[call-overload]
            forward = figure(one.ticker.underlying_price, one.ticker.timestamp)
            said["forwards"] = {**forwards, _expiry(one.instrument): forward}
    rows = {e.instrument.instrument_name: _row(e) for e in every}
    return Market(rows, coins, max((e.ticker.timestamp for e in every), default=0))


def _row(listed: Listed) -> dict[str, object]:
    one, ticker = listed.instrument, listed.ticker
    row: dict[str, object] = {
        "symbol": one.instrument_name,
        "kind": one.kind,
        "base": one.base_currency,
        "settle": one.settlement_currency,
        "tick": number(one.tick_size),
        "lot": number(one.min_trade_amount),
        "size": "0",
        "mark": figure(ticker.mark_price, ticker.timestamp),
    }
    if one.kind == "option":
        return row | _option_terms(one, ticker)
    if one.instrument_type == "reversed":
        lot = number(one.min_trade_amount / one.contract_size)
        row |= {"inverse": True, "face_usd": number(one.contract_size), "lot": lot}
    if one.settlement_period == "perpetual":
        row |= {"kind": "perpetual", "funding": "0"}
    else:
        row["expiry"] = _expiry(one)
    return row | _rates(one)


def _option_terms(one: Instrument, ticker: Ticker) -> dict[str, object]:
    row: dict[str, object] = {"right": one.option_type, "expiry": _expiry(one)}
    if isinstance(one.strike, Decimal):
        row["strike"] = number(one.strike)
    if ticker.mark_iv is not None:
        row["vol"] = figure(ticker.mark_iv / PERCENT, ticker.timestamp)
    return row


def _rates(one: Instrument) -> dict[str, object]:
    leverage, fee = one.max_leverage, one.max_liquidation_commission
    row: dict[str, object] = {}
    if isinstance(fee, Decimal):
        row["clearance_fee"] = number(fee)
    if one.base_currency in PER_COIN and leverage == 1 / INITIAL:
        slope = number(PER_COIN[one.base_currency])
        row["initial_rate"] = {"at_zero": number(INITIAL), "per_coin": slope}
        row["maintenance_rate"] = {"at_zero": number(MAINTENANCE), "per_coin": slope}
    return row


def _expiry(one: Instrument) -> str:
    expires_ms = one.expiration_timestamp
    return moment(expires_ms) if isinstance(expires_ms, int) else ""


def _holding(row: Book, held: Position | None) -> Book:
    if held is None or not held.size:
        return {}
    size = abs(held.size) if held.direction == "buy" else -abs(held.size)
    if row["kind"] == "option":
        return {"size": number(size)}
    profit, mark = held.floating_profit_loss / size, held.mark_price
    entry = 1 / (1 / mark + profit) if row.get("inverse") else mark - profit
    return {"size": number(size), "entry": _shortened(entry)}


def _shortened(price: Decimal) -> str:
    return number(round(price, DIGITS - 1 - price.adjusted()).normalize())


def _reserves(order: Order, market: Market) -> bool:
    waits = order.order_state == WAITING or order.price == MARKET
    return order.instrument_name in market.rows and not waits


def _order(order: Order) -> Book:
    left = order.amount - order.filled_amount
    return {
        "symbol": order.instrument_name,
        "size": number(left if order.direction == "buy" else -left),
        "price": number(str(order.price)),
        "reduce_only": order.reduce_only,
    }


class _Reply(msgspec.Struct, frozen=True, rename={"us_out": "usOut"}):
    us_out: int


class _Summaries(msgspec.Struct, frozen=True):
    summaries: list[Summary]


class _SummariesReply(_Reply, frozen=True):
    result: _Summaries


class _PositionsReply(_Reply, frozen=True):
    result: list[Position]


class _OrdersReply(_Reply, frozen=True):
    result: list[Order]


class _InstrumentReply(_Reply, frozen=True):
    result: Instrument


class _TickerReply(_Reply, frozen=True):
    result: Ticker


def ask(client: Client, symbols: Iterable[str] = ()) -> Answers:
    """Everything that the account of a key is made of; raises `NotTold`."""
    sums = answer("account summaries", client.privateGetGetAccountSummaries, _SummariesReply)
    every = partial(client.privateGetGetPositions, {"currency": "any"})
    positions = answer("positions", every, _PositionsReply)
    orders = answer("open orders", client.privateGetGetOpenOrders, _OrdersReply).result
    held = [p.instrument_name for p in positions.result if p.size]
    names = sorted({*held, *(o.instrument_name for o in orders), *symbols})
    ts_ms = positions.us_out // MICROSECONDS
    listed = ask_listed(client, names)
    return Answers(ts_ms, sums.result.summaries, positions.result, orders, listed)


def ask_listed(client: Client, names: Iterable[str]) -> dict[str, Listed]:
    """Contracts and prices, which need no key; raises `NotTold`."""
    return {name: _listed(client, name) for name in names}


def _listed(client: Client, name: str) -> Listed:
    by_name = {"instrument_name": name}
    one = answer(name, partial(client.publicGetGetInstrument, by_name), _InstrumentReply)
    ticker = answer(name, partial(client.publicGetTicker, by_name), _TickerReply)
    return Listed(one.result, ticker.result)


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts; raises `NotTold`."""
    return market_of(ask_listed(client, symbols).values())
