# SPDX-License-Identifier: Apache-2.0
"""OKX's trading account (okx.com/docs-v5, read November 2026).

In single-currency margin each currency is an account, in multi-currency margin all are one; sums
are in USD. An isolated position is an account of its own. The requirement that the venue states is
equity over its margin ratio, by which it liquidates, so that fees to close are in it as in ours.
Portfolio margin lacks its units, which no endpoint tells, so no rule reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from tidegate.venues.accounts.answers import answer, every_page, only
from tidegate.venues.accounts.told import Book, Market, Stated, Told, figure, moment, number
from tidegate.venues.exchanges.client import Client

T = TypeVar("T")
RULES = {"2": "okx_cross", "3": "okx_cross", "4": "okx_portfolio"}
SINGLE = "2"
CONTRACTS = ("SWAP", "FUTURES")
PAGE = 100
DOLLARS = frozenset(("USDT", "USDC"))
SIDES = {"net": "", "long": ".LONG", "short": ".SHORT"}


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Config(_Camel, frozen=True):
    """The account's mode: 2 single-currency, 3 multi-currency, 4 portfolio margin."""

    acct_lv: str


class Detail(_Camel, frozen=True):
    """One currency; texts without digits are not known."""

    ccy: str
    cash_bal: str
    eq_usd: str = ""
    imr: str = ""
    mgn_ratio: str = ""


class Balance(_Camel, frozen=True):
    """The account's sums in USD, told where currencies are pooled, and each currency."""

    details: list[Detail]
    adj_eq: str = ""
    imr: str = ""
    mgn_ratio: str = ""


class Position(_Camel, frozen=True):
    """A position in contracts."""

    inst_id: str
    inst_type: str
    mgn_mode: str
    pos_side: str
    pos: Decimal
    ccy: str
    avg_px: str
    lever: str = ""
    margin: str = ""
    upl: str = ""
    mgn_ratio: str = ""


class Order(_Camel, frozen=True):
    """A working order in contracts."""

    ord_id: str
    inst_id: str
    side: str
    pos_side: str
    td_mode: str
    px: str
    sz: Decimal
    acc_fill_sz: Decimal
    reduce_only: str = "false"


class Listing(_Camel, frozen=True):
    """A contract: the value of one is `ct_val` x `ct_mult`, in coins, or dollars where inverse."""

    inst_id: str
    inst_type: str
    inst_family: str
    settle_ccy: str
    ct_type: str
    ct_val: Decimal
    ct_mult: Decimal
    lot_sz: Decimal
    tick_sz: str
    exp_time: str = ""


class Price(_Camel, frozen=True):
    """A mark."""

    mark_px: Decimal
    ts: int


class Index(_Camel, frozen=True):
    """An index of a coin in USD."""

    inst_id: str
    idx_px: Decimal
    ts: int


class Tier(_Camel, frozen=True):
    """A tier of contracts."""

    max_sz: Decimal
    min_sz: Decimal
    mmr: str
    max_lever: str


class Listed(msgspec.Struct, frozen=True):
    """A contract with its mark, its coin's index, tiers and taker fee."""

    listing: Listing
    mark: Price
    index: Index
    tiers: list[Tier]
    fee: Decimal | None = None


class Share(_Camel, frozen=True):
    """What a currency counts up to an amount."""

    discount_rate: str
    max_amt: str


class Discount(_Camel, frozen=True):
    """What a currency counts as collateral."""

    ccy: str
    details: list[Share]


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one account."""

    mode: str
    balance: Balance
    positions: list[Position]
    orders: list[Order]
    listed: dict[str, Listed]
    discounts: list[Discount]
    indices: list[Index]
    ts_ms: int
    strange: tuple[str, ...] = ()


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """The cross accounts, and one for each isolated position."""
    cross = [p for p in answers.positions if p.mgn_mode == "cross"]
    alone = [p for p in answers.positions if p.mgn_mode != "cross"]
    used = {p.ccy for p in cross}
    held = [d for d in answers.balance.details if Decimal(d.cash_bal or 0) or d.ccy in used]
    told = [_isolated(f"{venue}.{p.inst_id}{SIDES[p.pos_side]}", answers, p) for p in alone]
    if answers.mode != SINGLE:
        return (_cross(venue, answers, held), *told) if held else tuple(told)
    return (*(_cross(f"{venue}.{one.ccy}", answers, [one]) for one in held), *told)


def _cross(name: str, answers: Answers, held: list[Detail]) -> Told:
    own = {d.ccy for d in held}
    cross = [p for p in answers.positions if p.mgn_mode == "cross" and p.ccy in own]
    orders = [o for o in answers.orders if o.td_mode == "cross" and _settles(answers, o) in own]
    book = _book(name, answers, cross, orders) | {
        "rule": _rule(answers),
        "balances": {d.ccy: d.cash_bal or "0" for d in held},
        "coins": _coins(answers, own),
        "parameters": {"okx_cross": {"collateral": _collateral(answers, held)}},
    }
    if answers.mode == SINGLE:
        return Told(book, _stated("USD", held[0].eq_usd, "", held[0].mgn_ratio))
    pooled = answers.balance
    return Told(book, _stated("USD", pooled.adj_eq, pooled.imr, pooled.mgn_ratio))


def _rule(answers: Answers) -> str:
    """The rule, or the words of what none covers."""
    rule = RULES.get(answers.mode, f"mode {answers.mode}")
    return f"{rule} with {', '.join(answers.strange)}" if answers.strange else rule


def _collateral(answers: Answers, held: list[Detail]) -> dict[str, object]:
    if answers.mode == SINGLE:
        return {d.ccy: "1" for d in held}
    own = {d.ccy for d in held}
    return {
        one.ccy: {"tranches": [[s.max_amt or None, s.discount_rate] for s in one.details]}
        for one in answers.discounts
        if one.ccy in own
    }


def _settles(answers: Answers, order: Order) -> str:
    return answers.listed[order.inst_id].listing.settle_ccy


def _isolated(name: str, answers: Answers, held: Position) -> Told:
    settle = answers.listed[held.inst_id].listing.settle_ccy
    book = _book(name, answers, [held], []) | {"rule": "okx_isolated"}
    if not held.margin or not held.upl:
        return Told(book | {"balances": {}}, Stated(settle), (f"{name}: its margin is not told",))
    equity = number(Decimal(held.margin) + Decimal(held.upl))
    stated = _stated(settle, equity, "", held.mgn_ratio)
    return Told(book | {"balances": {settle: held.margin}}, stated)


def _stated(unit: str, equity: str, initial: str, ratio: str) -> Stated:
    owned = Decimal(equity) if equity else None
    required = None
    if owned is not None and ratio and Decimal(ratio):
        required = owned / Decimal(ratio)
    return Stated(unit, owned, Decimal(initial) if initial else None, required)


def _book(
    name: str, answers: Answers, held: list[Position], orders: list[Order]
) -> dict[str, object]:
    market = market_of(answers.listed.values())
    keys = {(p.inst_id, p.pos_side) for p in held}
    rows = [_position(answers, market, p) for p in held]
    free = {(o.inst_id, o.pos_side) for o in orders} - keys
    rows += [{**market.rows[n], "symbol": n + SIDES[side]} for n, side in sorted(free)]
    return {
        "as_of": moment(max(answers.ts_ms, market.ts_ms)),
        "venue": name,
        "positions": rows,
        "orders": [_order(answers, o) for o in orders],
        "coins": market.coins,
    }


def _coins(answers: Answers, own: set[str]) -> dict[str, Book]:
    told = {index.inst_id.removesuffix("-USD"): index for index in answers.indices}
    coins = dict(market_of(answers.listed.values()).coins)
    for coin in own - DOLLARS:
        if coin in told:
            coins[coin] = {"index": figure(told[coin].idx_px, told[coin].ts)}
    return coins


def market_of(listed: Iterable[Listed]) -> Market:
    """Contracts as positions of nothing, and their coins' index."""
    every = sorted(listed, key=lambda e: e.listing.inst_id)
    coins = {_coin(e.listing): {"index": figure(e.index.idx_px, e.index.ts)} for e in every}
    latest = max((max(e.mark.ts, e.index.ts) for e in every), default=0)
    return Market({e.listing.inst_id: _row(e) for e in every}, coins, latest)


def _coin(one: Listing) -> str:
    return one.inst_family.partition("-")[0]


def _row(listed: Listed) -> dict[str, object]:
    one = listed.listing
    each = one.ct_val * one.ct_mult
    row: dict[str, object] = {
        "symbol": one.inst_id,
        "kind": "perpetual",
        "base": _coin(one),
        "settle": one.settle_ccy,
        "tick": one.tick_sz,
        "lot": number(one.lot_sz * each),
        "size": "0",
        "mark": figure(listed.mark.mark_px, listed.mark.ts),
    }
    if listed.fee is not None:
        row["fee_to_close"] = number(listed.fee)
    row |= {"funding": "0"} if not one.exp_time else {"kind": "future"}
    if one.exp_time:
        row["expiry"] = moment(int(one.exp_time))
    if one.ct_type == "inverse":
        # Its tiers count contracts of dollars, where the rule counts coins: none are said.
        return row | {"inverse": True, "face_usd": number(each), "lot": number(one.lot_sz)}
    return row | {"tiers": _tiers(listed.tiers, each)}


def _tiers(tiers: Iterable[Tier], each: Decimal) -> list[object]:
    rising = sorted(tiers, key=lambda t: t.max_sz)
    ends = [number((t.max_sz * each).normalize()) for t in rising[:-1]]
    return [
        [floor, cap, t.mmr, t.max_lever]
        for t, floor, cap in zip(rising, ["0", *ends], [*ends, None], strict=True)
    ]


def _size(listing: Listing, contracts: Decimal) -> str:
    return number((contracts * listing.ct_val * listing.ct_mult).normalize())


def _position(answers: Answers, market: Market, held: Position) -> Book:
    contracts = -abs(held.pos) if held.pos_side == "short" else held.pos
    size = _size(answers.listed[held.inst_id].listing, contracts)
    row = {**market.rows[held.inst_id], "symbol": held.inst_id + SIDES[held.pos_side]}
    row |= {"size": size, "entry": held.avg_px}
    return row | ({"leverage": held.lever} if held.lever else {})


def _order(answers: Answers, order: Order) -> Book:
    left = order.sz - order.acc_fill_sz
    signed = left if order.side == "buy" else -left
    return {
        "symbol": order.inst_id + SIDES[order.pos_side],
        "size": _size(answers.listed[order.inst_id].listing, signed),
        "price": order.px,
        "reduce_only": order.reduce_only == "true",
    }


class _Reply(msgspec.Struct, Generic[T], frozen=True):
    data: list[T]


class _Time(msgspec.Struct, frozen=True):
    ts: int


class _Fee(msgspec.Struct, frozen=True):
    taker: str
    taker_u: str = msgspec.field(name="takerU", default="")


def ask(client: Client) -> Answers:
    """Everything that the account of a key is made of; raises `NotTold`."""
    config = _one(client.privateGetAccountConfig, "account config", Config)
    balance = _one(client.privateGetAccountBalance, "balance", Balance)
    every = answer("positions", client.privateGetAccountPositions, _Reply[Position]).data
    held = [p for p in every if p.pos]
    positions = [p for p in held if p.inst_type in CONTRACTS]
    strange = tuple(sorted({p.inst_type.lower() for p in held} - {c.lower() for c in CONTRACTS}))
    orders = [o for kind in CONTRACTS for o in _orders(client, kind)]
    resting = [o for o in orders if o.px]
    names = sorted({p.inst_id for p in positions} | {o.inst_id for o in resting})
    listed = {name: _listed(client, name, fees=True) for name in names}
    free = client.publicGetPublicDiscountRateInterestFreeQuota
    discounts = answer("discount rates", free, _Reply[Discount]).data
    of = partial(client.publicGetMarketIndexTickers, {"quoteCcy": "USD"})
    indices = answer("indices", of, _Reply[Index]).data
    now = _one(client.publicGetPublicTime, "time", _Time)
    sums = config.acct_lv, balance, positions, resting
    return Answers(*sums, listed, discounts, indices, now.ts, strange)


def _orders(client: Client, kind: str) -> list[Order]:
    """All working orders of a kind."""

    def page(after: str) -> tuple[list[Order], str]:
        wanted = {"instType": kind} | ({"after": after} if after else {})
        of = partial(client.privateGetTradeOrdersPending, wanted)
        rows = answer("orders", of, _Reply[Order]).data
        return rows, rows[-1].ord_id if len(rows) >= PAGE else ""

    return every_page(page)


def _one(of: Callable[[], Any], what: str, form: type[T]) -> T:
    """What is asked for by its name, or is one by its nature."""
    return only(what, answer(what, of, _Reply[form]).data)  # type: ignore[valid-type]


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts, without fees; raises `NotTold`."""
    return market_of(_listed(client, name, fees=False) for name in sorted(symbols))


def _listed(client: Client, name: str, *, fees: bool) -> Listed:
    kind = "SWAP" if name.endswith("-SWAP") else "FUTURES"
    wanted = {"instType": kind, "instId": name}
    listing = _one(partial(client.publicGetPublicInstruments, wanted), name, Listing)
    mark = _one(partial(client.publicGetPublicMarkPrice, wanted), f"mark of {name}", Price)
    of = partial(client.publicGetMarketIndexTickers, {"instId": f"{_coin(listing)}-USD"})
    index = _one(of, f"index of {name}", Index)
    by_family = {"instType": kind, "tdMode": "cross", "instFamily": listing.inst_family}
    of = partial(client.publicGetPublicPositionTiers, by_family)
    tiers = answer(f"tiers of {name}", of, _Reply[Tier]).data
    return Listed(listing, mark, index, tiers, _fee(client, by_family, listing) if fees else None)


def _fee(client: Client, wanted: Mapping[str, str], listing: Listing) -> Decimal:
    of = partial(client.privateGetAccountTradeFee, wanted)
    told = _one(of, "trade fee", _Fee)
    linear = listing.ct_type == "linear" and told.taker_u
    # What is paid is below zero there.
    return abs(Decimal(told.taker_u if linear else told.taker))
