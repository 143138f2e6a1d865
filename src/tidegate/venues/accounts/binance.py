# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M: one account for each margin asset (developers.binance.com, read November 2026).

With one asset each, a position's profit and margin are in its own asset. Where assets are pooled,
the API tells no collateral rates, so the book lacks them and no rule reads it; isolated positions
have no rule here either, and are named. In hedge mode either side is a position of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import TypeVar

import msgspec

from tidegate.venues.accounts.answers import answer
from tidegate.venues.accounts.told import Book, Market, Stated, Told, figure, moment, number
from tidegate.venues.exchanges.client import Client

T = TypeVar("T")
ONE_WAY = "BOTH"
TICK, LOT = "PRICE_FILTER", "LOT_SIZE"


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Asset(_Camel, frozen=True):
    """One asset of an account; the cross sums leave isolated positions out, `maint_margin` not."""

    asset: str
    cross_wallet_balance: Decimal
    cross_un_pnl: Decimal
    initial_margin: Decimal
    maint_margin: Decimal


class Margin(_Camel, frozen=True):
    """A position's margin."""

    symbol: str
    position_side: str
    isolated: bool
    initial_margin: Decimal
    maint_margin: Decimal


class Account(_Camel, frozen=True):
    """`/fapi/v2/account`."""

    multi_assets_margin: bool
    assets: list[Asset]
    positions: list[Margin]


class Position(_Camel, frozen=True):
    """`/fapi/v2/positionRisk`."""

    symbol: str
    position_side: str
    position_amt: Decimal
    entry_price: Decimal
    leverage: int
    margin_type: str


class Filter(_Camel, frozen=True):
    """A step of a contract."""

    filter_type: str
    tick_size: str | None = None
    step_size: str | None = None


class Listing(_Camel, frozen=True):
    """A contract of `/fapi/v1/exchangeInfo`."""

    symbol: str
    contract_type: str
    base_asset: str
    margin_asset: str
    filters: list[Filter]
    delivery_date: int | None = None
    liquidation_fee: Decimal | None = None


class Mark(_Camel, frozen=True):
    """`/fapi/v1/premiumIndex`."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    time: int


class Bracket(_Camel, frozen=True):
    """One bracket of notional."""

    initial_leverage: int
    notional_cap: Decimal
    notional_floor: Decimal
    maint_margin_ratio: Decimal


class Brackets(_Camel, frozen=True):
    """`/fapi/v1/leverageBracket` of one contract."""

    symbol: str
    brackets: list[Bracket]


class Order(_Camel, frozen=True):
    """A working order."""

    symbol: str
    side: str
    position_side: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    reduce_only: bool


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one account."""

    account: Account
    positions: list[Position]
    orders: list[Order]
    listed: dict[str, Listing]
    marks: dict[str, Mark]
    brackets: dict[str, Brackets]


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """One account for each margin asset that holds anything."""
    used = {answers.listed[p.symbol].margin_asset for p in answers.positions if p.position_amt}
    held = [a for a in answers.account.assets if a.cross_wallet_balance or a.asset in used]
    if answers.account.multi_assets_margin:
        return (_pooled(venue, answers, held),)
    return tuple(_told(f"{venue}.{asset.asset}", answers, asset) for asset in held)


def _told(name: str, answers: Answers, asset: Asset) -> Told:
    book = _book(name, "binance_usdm", answers, {asset.asset}) | {"collateral": asset.asset}
    book["balances"] = {asset.asset: number(asset.cross_wallet_balance)}
    alone = [
        m
        for m in answers.account.positions
        if m.isolated and m.symbol in answers.listed
        and answers.listed[m.symbol].margin_asset == asset.asset
    ]  # fmt: skip
    stated = Stated(
        asset.asset,
        asset.cross_wallet_balance + asset.cross_un_pnl,
        asset.initial_margin - sum((m.initial_margin for m in alone), Decimal(0)),
        asset.maint_margin - sum((m.maint_margin for m in alone), Decimal(0)),
    )
    isolated = sorted(m.symbol for m in alone if m.maint_margin)
    return Told(book, stated, tuple(f"{symbol}: isolated, not judged" for symbol in isolated))


def _pooled(name: str, answers: Answers, held: list[Asset]) -> Told:
    own = {asset.asset for asset in held}
    book = _book(name, "binance_multi_assets", answers, own)
    book["balances"] = {asset.asset: number(asset.cross_wallet_balance) for asset in held}
    return Told(book, Stated("USD"))


def _book(name: str, rule: str, answers: Answers, own: set[str]) -> dict[str, object]:
    listed = {s: each for s, each in answers.listed.items() if each.margin_asset in own}
    market = market_of(listed, answers.marks, answers.brackets)
    cross = [p for p in answers.positions if p.margin_type != "isolated" and p.symbol in listed]
    held = [p for p in cross if p.position_amt or _ordered(p, answers.orders)]
    resting = {(p.symbol, p.position_side) for p in held}
    return {
        "as_of": moment(max(mark.time for mark in answers.marks.values())),
        "venue": name,
        "rule": rule,
        "positions": [_position(market, p) for p in held],
        "orders": [_order(o) for o in answers.orders if (o.symbol, o.position_side) in resting],
        "coins": market.coins,
    }


def market_of(
    listed: Mapping[str, Listing], marks: Mapping[str, Mark], brackets: Mapping[str, Brackets]
) -> Market:
    """Contracts as positions of nothing; tiers need a key, and are left out where there is none."""
    rows = {s: _row(one, marks[s]) | _tiers(brackets.get(s)) for s, one in listed.items()}
    coins = {
        one.base_asset: {"index": figure(marks[s].index_price, marks[s].time)}
        for s, one in listed.items()
    }
    return Market(rows, coins, max((marks[s].time for s in listed), default=0))


def _row(one: Listing, mark: Mark) -> dict[str, object]:
    steps = {each.filter_type: each.tick_size or each.step_size for each in one.filters}
    row: dict[str, object] = {
        "symbol": one.symbol,
        "kind": "perpetual",
        "base": one.base_asset,
        "settle": one.margin_asset,
        "tick": steps[TICK],
        "lot": steps[LOT],
        "size": "0",
        "mark": figure(mark.mark_price, mark.time),
    }
    if one.liquidation_fee is not None:
        row["clearance_fee"] = number(one.liquidation_fee)
    if one.contract_type.endswith("PERPETUAL"):
        return row | {"funding": "0"}
    return row | {"kind": "future", "expiry": moment(one.delivery_date or 0)}


def _tiers(brackets: Brackets | None) -> dict[str, object]:
    if brackets is None:
        return {}
    rising = sorted(brackets.brackets, key=lambda b: b.notional_floor)
    caps = [*(number(b.notional_cap) for b in rising[:-1]), None]
    return {
        "tiers": [
            [number(b.notional_floor), cap, number(b.maint_margin_ratio), b.initial_leverage]
            for b, cap in zip(rising, caps, strict=True)
        ]
    }


def _ordered(position: Position, orders: Iterable[Order]) -> bool:
    key = position.symbol, position.position_side
    return any((o.symbol, o.position_side) == key for o in orders)


def _position(market: Market, held: Position) -> Book:
    row = {**market.rows[held.symbol], "symbol": _name(held.symbol, held.position_side)}
    if held.position_amt:
        row |= {"entry": number(held.entry_price)}
    return row | {"size": number(held.position_amt), "leverage": held.leverage}


def _name(symbol: str, side: str) -> str:
    return symbol if side == ONE_WAY else f"{symbol}.{side}"


def _order(order: Order) -> Book:
    left = order.orig_qty - order.executed_qty
    return {
        "symbol": _name(order.symbol, order.position_side),
        "size": number(left if order.side == "BUY" else -left),
        "price": number(order.price),
        "reduce_only": order.reduce_only,
    }


class _Listings(msgspec.Struct, frozen=True):
    symbols: list[Listing]


def ask(client: Client) -> Answers:
    """Everything that the account of a key is made of; raises `NotTold`."""
    account = answer("account", client.fapiPrivateV2GetAccount, Account)
    positions = answer("positionRisk", client.fapiPrivateV2GetPositionRisk, list[Position])
    every = answer("openOrders", client.fapiPrivateGetOpenOrders, list[Order])
    brackets = answer("leverageBracket", client.fapiPrivateGetLeverageBracket, list[Brackets])
    orders = [o for o in every if o.price]
    names = {p.symbol for p in positions if p.position_amt} | {o.symbol for o in orders}
    listed, marks = _ask_listed(client, names)
    known = [p for p in positions if p.symbol in listed]
    tiers = {b.symbol: b for b in brackets if b.symbol in listed}
    return Answers(account, known, orders, listed, marks, tiers)


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts, without tiers; raises `NotTold`."""
    names = set(symbols)
    listed, marks = _ask_listed(client, names)
    market = market_of(listed, marks, {})
    return msgspec.structs.replace(market, lacking=tuple(sorted(names - listed.keys())))


def _ask_listed(client: Client, names: set[str]) -> tuple[dict[str, Listing], dict[str, Mark]]:
    every = answer("exchangeInfo", client.fapiPublicGetExchangeInfo, _Listings).symbols
    marks = answer("premiumIndex", partial(client.fapiPublicGetPremiumIndex, {}), list[Mark])
    # One mark at least, as its time is the account's.
    return {o.symbol: o for o in every if o.symbol in names}, {m.symbol: m for m in marks}
