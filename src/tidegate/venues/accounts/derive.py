# SPDX-License-Identifier: Apache-2.0
"""Derive: the subaccounts of a wallet (docs.derive.xyz, read November 2026).

The venue's own margins are what is left of the account after its requirement, below zero where it
is liquidated: the requirement is value less that. A perpetual from which profit was settled to cash
before no longer has its average price as entry, so none is said then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial

import msgspec

from tidegate.venues.accounts.answers import answer
from tidegate.venues.accounts.told import Book, Market, Stated, Told, figure, moment, number
from tidegate.venues.exchanges.client import Client

RULES = {"PM2": "derive_portfolio", "SM": "derive_standard"}
CASH, SECOND_MS = "USDC", 1_000
RIGHTS = {"C": "call", "P": "put"}


class Collateral(msgspec.Struct, frozen=True):
    """One asset that backs a subaccount."""

    asset_name: str
    amount: Decimal


class Position(msgspec.Struct, frozen=True):
    """What is held of one contract, signed."""

    instrument_name: str
    amount: Decimal
    average_price: Decimal
    net_settlements: Decimal
    pending_funding: Decimal


class Order(msgspec.Struct, frozen=True):
    """A working order."""

    instrument_name: str
    direction: str
    amount: Decimal
    filled_amount: Decimal
    limit_price: Decimal


class Subaccount(msgspec.Struct, frozen=True):
    """Collateral, margin, positions and orders."""

    subaccount_id: int
    margin_type: str
    collaterals: list[Collateral]
    positions: list[Position]
    open_orders: list[Order]
    subaccount_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


class _Option(msgspec.Struct, frozen=True):
    expiry: int
    option_type: str
    strike: str


class _Pricing(msgspec.Struct, frozen=True):
    iv: Decimal | None = None
    forward_price: Decimal | None = None


class Ticker(msgspec.Struct, frozen=True):
    """A contract with its prices."""

    instrument_name: str
    instrument_type: str
    base_currency: str
    tick_size: str
    amount_step: str
    index_price: Decimal
    mark_price: Decimal
    timestamp: int
    option_details: _Option | None = None
    option_pricing: _Pricing | None = None


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one wallet."""

    subaccounts: list[Subaccount]
    tickers: dict[str, Ticker]
    time_ms: int


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """One account for each subaccount that holds anything."""
    used = [s for s in answers.subaccounts if s.positions or s.subaccount_value]
    return tuple(_told(venue, answers, one) for one in used)


def _told(venue: str, answers: Answers, one: Subaccount) -> Told:
    names = {p.instrument_name for p in one.positions}
    names |= {o.instrument_name for o in one.open_orders}
    market = market_of({n: answers.tickers[n] for n in names})
    held = {p.instrument_name: p for p in one.positions}
    book = {
        "as_of": moment(max(answers.time_ms, market.ts_ms)),
        "venue": f"{venue}.{one.subaccount_id}",
        "rule": RULES.get(one.margin_type, one.margin_type),
        "collateral": CASH,
        "balances": {c.asset_name: number(c.amount) for c in one.collaterals},
        "positions": [{**row, **_holding(held.get(n))} for n, row in market.rows.items()],
        "orders": [_order(o) for o in one.open_orders],
        "coins": market.coins,
    }
    if one.margin_type == "PM2" and len(market.coins) == 1:
        book["parameters"] = {"derive_portfolio": {"coin": next(iter(market.coins))}}
    value = one.subaccount_value
    return Told(book, Stated("USD", value, value - one.initial_margin,
                             value - one.maintenance_margin))  # fmt: skip


def market_of(tickers: Mapping[str, Ticker]) -> Market:
    """Contracts as positions of nothing, and their coins' index and forwards."""
    every = sorted(tickers.values(), key=lambda t: t.instrument_name)
    coins: dict[str, dict[str, object]] = {}
    for one in every:
        said = coins.setdefault(one.base_currency, {})
        said["index"] = figure(one.index_price, one.timestamp)
        pricing = one.option_pricing
        if one.option_details and pricing and pricing.forward_price is not None:
            forward = figure(pricing.forward_price, one.timestamp)
            expiry = moment(one.option_details.expiry * SECOND_MS)
            said["forwards"] = {**dict(said.get("forwards", {})), expiry: forward}  # type: ignore[call-overload]
    latest = max((one.timestamp for one in every), default=0)
    return Market({one.instrument_name: _row(one) for one in every}, coins, latest)


def _row(one: Ticker) -> Book:
    row: dict[str, object] = {
        "symbol": one.instrument_name,
        "kind": "perpetual",
        "base": one.base_currency,
        "settle": CASH,
        "tick": one.tick_size,
        "lot": one.amount_step,
        "size": "0",
        "mark": figure(one.mark_price, one.timestamp),
    }
    option, pricing = one.option_details, one.option_pricing
    if option is None:
        return row
    row |= {"kind": "option", "strike": option.strike, "right": RIGHTS[option.option_type]}
    row["expiry"] = moment(option.expiry * SECOND_MS)
    if pricing is not None and pricing.iv is not None:
        row["vol"] = figure(pricing.iv, one.timestamp)
    return row


def _holding(held: Position | None) -> Book:
    if held is None or not held.amount:
        return {}
    said = {"size": number(held.amount)}
    if held.instrument_name.endswith("PERP"):
        said["funding"] = number(held.pending_funding)
        if not held.net_settlements:
            said["entry"] = number(held.average_price)
    return said


def _order(order: Order) -> Book:
    left = order.amount - order.filled_amount
    return {
        "symbol": order.instrument_name,
        "size": number(left if order.direction == "buy" else -left),
        "price": number(order.limit_price),
    }


class _Ids(msgspec.Struct, frozen=True):
    subaccount_ids: list[int]


class _IdsReply(msgspec.Struct, frozen=True):
    result: _Ids


class _SubaccountReply(msgspec.Struct, frozen=True):
    result: Subaccount


class _TickerReply(msgspec.Struct, frozen=True):
    result: Ticker


class _TimeReply(msgspec.Struct, frozen=True):
    result: int


def ask(client: Client) -> Answers:
    """Everything that the wallet of a key holds; raises `NotTold`."""
    wallet = {"wallet": client.walletAddress}
    of = partial(client.privatePostGetSubaccounts, wallet)
    ids = answer("subaccounts", of, _IdsReply).result.subaccount_ids
    every = [_subaccount(client, one) for one in ids]
    names = {p.instrument_name for s in every for p in s.positions}
    names |= {o.instrument_name for s in every for o in s.open_orders}
    time_ms = answer("time", partial(client.publicPostGetTime, {}), _TimeReply).result
    return Answers(every, _tickers(client, names), time_ms)


def _subaccount(client: Client, number_: int) -> Subaccount:
    of = partial(client.privatePostGetSubaccount, {"subaccount_id": number_})
    return answer(f"subaccount {number_}", of, _SubaccountReply).result


def _tickers(client: Client, names: Iterable[str]) -> dict[str, Ticker]:
    def ticker(name: str) -> Ticker:
        of = partial(client.publicPostGetTicker, {"instrument_name": name})
        return answer(name, of, _TickerReply).result

    return {name: ticker(name) for name in sorted(names)}


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts; raises `NotTold`."""
    return market_of(_tickers(client, symbols))
