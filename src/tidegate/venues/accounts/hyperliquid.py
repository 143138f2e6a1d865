# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid's perpetual account of an address, by public endpoints alone (info, November 2026).

Of a cross account `totalRawUsd` is equity less the value of its positions at their marks, so its
balance is that plus what they cost at their entries; an isolated position has its own. Nothing of
funding is owed between two stamps. A margin table's number below 50 is its one leverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import TypeVar

import msgspec

from tidegate.venues.accounts.answers import answer
from tidegate.venues.accounts.told import Book, Market, Stated, Told, moment, number
from tidegate.venues.exchanges.client import Client

T = TypeVar("T")

PLAIN_TABLES = 50
DECIMALS = 6
HALF = 2


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Leverage(_Camel, frozen=True):
    type: str
    value: int
    raw_usd: Decimal | None = None


class _Position(_Camel, frozen=True):
    coin: str
    szi: Decimal
    leverage: _Leverage
    entry_px: Decimal | None = None


class _Holding(_Camel, frozen=True):
    position: _Position


class _Summary(_Camel, frozen=True):
    account_value: Decimal
    total_raw_usd: Decimal
    total_margin_used: Decimal


class State(_Camel, frozen=True):
    """`clearinghouseState`."""

    asset_positions: list[_Holding]
    cross_margin_summary: _Summary
    time: int
    cross_maintenance_margin_used: Decimal | None = None


class _Listing(_Camel, frozen=True):
    name: str
    sz_decimals: int
    max_leverage: int
    margin_table_id: int | None = None


class _Tier(_Camel, frozen=True):
    lower_bound: Decimal
    max_leverage: int


class _Table(_Camel, frozen=True):
    margin_tiers: list[_Tier]


class Meta(_Camel, frozen=True):
    """`meta`: listings in the order of their contexts, and margin tables by number."""

    universe: list[_Listing]
    margin_tables: list[tuple[int, _Table]] = []


class Context(_Camel, frozen=True):
    """Prices of one listing."""

    mark_px: Decimal
    oracle_px: Decimal


class Resting(_Camel, frozen=True):
    """One order of `frontendOpenOrders`."""

    coin: str
    side: str
    limit_px: Decimal
    sz: Decimal
    reduce_only: bool = False
    is_trigger: bool = False


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one address."""

    state: State
    meta: Meta
    contexts: list[Context]
    orders: list[Resting]


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """The cross account, and one for each isolated position."""
    held = [holding.position for holding in answers.state.asset_positions]
    cross = [position for position in held if position.leverage.type == "cross"]
    alone = [position for position in held if position.leverage.type != "cross"]
    return (_cross(venue, answers, cross), *(_isolated(venue, answers, p) for p in alone))


def _cross(venue: str, answers: Answers, held: list[_Position]) -> Told:
    summary, own = answers.state.cross_margin_summary, {position.coin for position in held}
    balance = summary.total_raw_usd + sum((_cost(p) for p in held), Decimal(0))
    resting = [o for o in answers.orders if not o.is_trigger]
    listed = {listing.name for listing in answers.meta.universe}
    lacking = sorted((own | {o.coin for o in resting}) - listed)
    traded = {o.coin: o for o in resting if o.coin in listed and o.coin not in own}
    rows = [_position(answers, p.coin, p) for p in held if p.coin in listed]
    rows += [_position(answers, coin, None) for coin in traded]
    book = _book(venue, "hyperliquid_cross", answers, balance) | {
        "positions": rows,
        "orders": [_order(o) for o in resting if o.coin in listed],
    }
    stated = Stated(
        "USDC",
        summary.account_value,
        summary.total_margin_used,
        answers.state.cross_maintenance_margin_used,
    )
    return Told(book, stated, tuple(f"{coin}: not listed" for coin in lacking))


def _isolated(venue: str, answers: Answers, held: _Position) -> Told:
    name = f"{venue}.{held.coin}"
    if held.leverage.raw_usd is None:
        book = _book(name, "hyperliquid_isolated", answers, Decimal(0))
        return Told(book, Stated("USDC"), (f"{held.coin}: its margin is not told",))
    balance = held.leverage.raw_usd + _cost(held)
    book = _book(name, "hyperliquid_isolated", answers, balance)
    return Told(book | {"positions": [_position(answers, held.coin, held)]}, Stated("USDC"))


def _book(venue: str, rule: str, answers: Answers, balance: Decimal) -> dict[str, object]:
    return {
        "as_of": moment(answers.state.time),
        "venue": venue,
        "rule": rule,
        "collateral": "USDC",
        "balances": {"USDC": number(balance)},
        "coins": {
            listing.name: {"index": number(context.oracle_px)}
            for listing, context in zip(answers.meta.universe, answers.contexts, strict=False)
            if any(h.position.coin == listing.name for h in answers.state.asset_positions)
        },
    }


def _position(answers: Answers, coin: str, held: _Position | None) -> Book:
    row = _row(answers.meta, answers.contexts, coin)
    if held is None:
        return row
    entry = {} if held.entry_px is None else {"entry": number(held.entry_px)}
    return row | {"size": number(held.szi), "leverage": held.leverage.value} | entry


def _row(meta: Meta, contexts: list[Context], coin: str) -> dict[str, object]:
    index = [listing.name for listing in meta.universe].index(coin)
    listing = meta.universe[index]
    return {
        "symbol": coin,
        "kind": "perpetual",
        "base": coin,
        "settle": "USDC",
        "tick": number(Decimal(1).scaleb(listing.sz_decimals - DECIMALS)),
        "lot": number(Decimal(1).scaleb(-listing.sz_decimals)),
        "size": "0",
        "mark": number(contexts[index].mark_px),
        "funding": "0",
        "tiers": _tiers(meta, listing),
        "leverage": listing.max_leverage,
    }


def _tiers(meta: Meta, listing: _Listing) -> list[object]:
    """Rows of floor, cap, maintenance rate (half of what the largest leverage needs), leverage."""
    tables, number_ = dict(meta.margin_tables), listing.margin_table_id
    tiers = [_Tier(Decimal(0), listing.max_leverage)]
    if number_ is not None and number_ >= PLAIN_TABLES and number_ in tables:
        tiers = tables[number_].margin_tiers
    caps = [*(number(tier.lower_bound) for tier in tiers[1:]), None]
    return [
        [number(tier.lower_bound), cap, number(_rate(tier.max_leverage)), tier.max_leverage]
        for tier, cap in zip(tiers, caps, strict=True)
    ]


def _rate(leverage: int) -> Decimal:
    return round(1 / Decimal(HALF * leverage), 12).normalize()


def _order(order: Resting) -> Book:
    size = order.sz if order.side == "B" else -order.sz
    price = number(order.limit_px)
    return {
        "symbol": order.coin, "size": number(size), "price": price, "reduce_only": order.reduce_only
    }  # fmt: skip


def _cost(position: _Position) -> Decimal:
    return position.szi * (position.entry_px or Decimal(0))


def ask(client: Client, address: str) -> Answers:
    """Everything that an account is made of, asked of the venue; raises `NotTold`."""
    user = {"user": address}
    state = _info(client, State, "clearinghouseState", user)
    meta, contexts = _info(client, tuple[Meta, list[Context]], "metaAndAssetCtxs", {})
    orders = _info(client, list[Resting], "frontendOpenOrders", user)
    return Answers(state, meta, contexts, orders)


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts, at no time of its own; raises `NotTold`."""
    meta, contexts = _info(client, tuple[Meta, list[Context]], "metaAndAssetCtxs", {})
    listed = dict(zip((each.name for each in meta.universe), contexts, strict=False))
    known = [name for name in symbols if name in listed]
    rows = {name: _row(meta, contexts, name) for name in known}
    coins = {name: {"index": number(listed[name].oracle_px)} for name in known}
    return Market(rows, coins, 0, tuple(sorted(set(symbols) - listed.keys())))


def _info(client: Client, form: type[T], kind: str, more: Mapping[str, str]) -> T:
    return answer(kind, partial(client.publicPostInfo, {"type": kind, **more}), form)
