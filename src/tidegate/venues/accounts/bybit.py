# SPDX-License-Identifier: Apache-2.0
"""Bybit's unified account: one account in USD (bybit-exchange.github.io/docs/v5, November 2026).

Cross margin is read; under isolated and portfolio margin the account's mode stands where its rule
would, and no rule reads it. What is owed of a coin is taken off its wallet. Rates of risk limits
are shares or per cent: whichever makes the largest leverage one over the initial rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from tidegate.venues.accounts.answers import answer, every_page, only
from tidegate.venues.accounts.told import Book, Market, Stated, Told, figure, moment, number
from tidegate.venues.exchanges.client import Client

T = TypeVar("T")
CROSS = "REGULAR_MARGIN"
SIDES = ("", ".LONG", ".SHORT")
SETTLES = (("linear", "USDT"), ("linear", "USDC"), ("inverse", ""))
DIGITS, PERCENT = 9, 100
NEAR = Decimal("0.01")
# The longest pages of positions and orders.
MOST_POSITIONS, MOST_ORDERS = {"limit": "200"}, {"limit": "50"}
DOLLARS = frozenset(("USDT", "USDC"))
UNKNOWN_UNIT = "risk limits in a unit that is not known"


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Coin(_Camel, frozen=True):
    """One coin of the wallet."""

    coin: str
    wallet_balance: str
    spot_borrow: str = ""
    equity: str = ""
    usd_value: str = ""


class Wallet(_Camel, frozen=True):
    """Sums in USD, and coins; a text without digits is not known."""

    total_margin_balance: str
    total_initial_margin: str
    total_maintenance_margin: str
    coin: list[Coin]


class Position(_Camel, frozen=True):
    """A position; `position_idx` 1 and 2 are the long and short side of hedge mode."""

    symbol: str
    side: str
    size: Decimal
    position_idx: int
    leverage: str
    avg_price: str = ""


class Order(_Camel, frozen=True):
    """A working order; one that waits for its trigger is `Untriggered`."""

    symbol: str
    side: str
    price: Decimal
    leaves_qty: Decimal
    order_status: str
    position_idx: int = 0
    reduce_only: bool = False


class _Price(_Camel, frozen=True):
    tick_size: str


class _Lot(_Camel, frozen=True):
    qty_step: str


class Listing(_Camel, frozen=True):
    """A contract."""

    symbol: str
    contract_type: str
    base_coin: str
    settle_coin: str
    price_filter: _Price
    lot_size_filter: _Lot
    delivery_time: int = 0


class Ticker(_Camel, frozen=True):
    """Prices of a contract."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal


class Limit(_Camel, frozen=True):
    """One tier of value."""

    symbol: str
    risk_limit_value: Decimal
    maintenance_margin: Decimal
    initial_margin: Decimal
    max_leverage: Decimal


class Listed(msgspec.Struct, frozen=True):
    """A contract with its prices, when they were told, its tiers and taker fee."""

    listing: Listing
    ticker: Ticker
    time: int
    limits: list[Limit]
    fee: Decimal | None = None


class Share(_Camel, frozen=True):
    """What a coin counts up to a quantity."""

    max_qty: str
    collateral_ratio: str


class Collateral(_Camel, frozen=True):
    """What a coin counts as collateral."""

    currency: str
    collateral_ratio_list: list[Share]


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one account."""

    mode: str
    wallet: Wallet
    time: int
    positions: list[Position]
    orders: list[Order]
    listed: dict[str, Listed]
    collateral: list[Collateral]
    holds_options: bool = False


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """The account, where it holds anything."""
    balances = {c.coin: _balance(c) for c in answers.wallet.coin}
    held = {coin: amount for coin, amount in balances.items() if amount}
    if not held and not answers.positions:
        return ()
    market = market_of(answers.listed.values())
    keys = {(p.symbol, p.position_idx) for p in answers.positions}
    orders = [o for o in answers.orders if o.order_status != "Untriggered"]
    rows = [_position(market, p) for p in answers.positions]
    free = {(o.symbol, o.position_idx) for o in orders} - keys
    rows += [{**market.rows[s], "symbol": s + SIDES[side]} for s, side in sorted(free)]
    book = {
        "as_of": moment(max(answers.time, market.ts_ms)),
        "venue": venue,
        "rule": _rule(answers),
        "balances": {coin: number(amount) for coin, amount in held.items()},
        "positions": rows,
        "orders": [_order(o) for o in orders],
        "coins": {**_indices(answers, held), **market.coins},
        "parameters": {"bybit_cross": _counted(answers.collateral, held)},
    }
    strange = [f"{s}: {UNKNOWN_UNIT}" for s, row in market.rows.items() if "tiers" not in row]
    return (Told(book, _stated(answers.wallet), tuple(strange)),)


def _rule(answers: Answers) -> str:
    """The rule, or the words of what none covers."""
    if answers.holds_options:
        return f"{answers.mode} with options"
    return "bybit_cross" if answers.mode == CROSS else answers.mode


def _stated(wallet: Wallet) -> Stated:
    texts = wallet.total_margin_balance, wallet.total_initial_margin
    sums = (Decimal(t) if t else None for t in (*texts, wallet.total_maintenance_margin))
    return Stated("USD", *sums)


def _balance(coin: Coin) -> Decimal:
    return Decimal(coin.wallet_balance or 0) - Decimal(coin.spot_borrow or 0)


def _indices(answers: Answers, held: Mapping[str, Decimal]) -> dict[str, Book]:
    """What the venue values one coin of the wallet at."""
    told = {c.coin: c for c in answers.wallet.coin if c.coin in held and c.coin not in DOLLARS}
    return {
        coin: {"index": figure(_price(one), answers.time)}
        for coin, one in told.items()
        if one.usd_value and Decimal(one.equity or 0)
    }


def _price(coin: Coin) -> Decimal:
    price = Decimal(coin.usd_value) / Decimal(coin.equity)
    return round(price, DIGITS - price.adjusted()).normalize()


def _counted(told: Iterable[Collateral], held: Mapping[str, Decimal]) -> dict[str, object]:
    """What counts as collateral; rates of loans are none only where nothing is owed."""
    counted: dict[str, object] = {"collateral": _rates(told, held)}
    return counted if min(held.values(), default=Decimal(0)) < 0 else counted | {"loans": {}}


def _rates(told: Iterable[Collateral], held: Mapping[str, Decimal]) -> dict[str, object]:
    return {
        one.currency: {
            "tranches": [[s.max_qty or None, s.collateral_ratio] for s in one.collateral_ratio_list]
        }
        for one in told
        if one.currency in held
    }


def market_of(listed: Iterable[Listed]) -> Market:
    """Contracts as positions of nothing, and their coins' index."""
    every = sorted(listed, key=lambda e: e.listing.symbol)
    coins = {e.listing.base_coin: {"index": figure(e.ticker.index_price, e.time)} for e in every}
    return Market({e.listing.symbol: _row(e) for e in every}, coins,
                  max((e.time for e in every), default=0))  # fmt: skip


def _row(listed: Listed) -> dict[str, object]:
    one = listed.listing
    row: dict[str, object] = {
        "symbol": one.symbol,
        "kind": "perpetual" if one.contract_type.endswith("Perpetual") else "future",
        "base": one.base_coin,
        "settle": one.settle_coin,
        "tick": one.price_filter.tick_size,
        "lot": one.lot_size_filter.qty_step,
        "size": "0",
        "mark": figure(listed.ticker.mark_price, listed.time),
    }
    row |= {"funding": "0"} if row["kind"] == "perpetual" else {"expiry": moment(one.delivery_time)}
    if one.contract_type.startswith("Inverse"):
        row |= {"inverse": True, "face_usd": "1"}
    if listed.fee is not None:
        row["fee_to_close"] = number(listed.fee)
    return row | _tiers(listed.limits)


def _tiers(limits: Iterable[Limit]) -> dict[str, object]:
    rising = sorted(limits, key=lambda limit: limit.risk_limit_value)
    units = {_unit(limit) for limit in rising}
    if not rising or len(units) != 1 or None in units:
        return {}
    unit = units.pop() or 1
    ends = [number(limit.risk_limit_value) for limit in rising[:-1]]
    return {
        "tiers": [
            [floor, cap, number(limit.maintenance_margin / unit), number(limit.max_leverage)]
            for limit, floor, cap in zip(rising, ["0", *ends], [*ends, None], strict=True)
        ]
    }


def _unit(limit: Limit) -> int | None:
    product = limit.initial_margin * limit.max_leverage
    return next((unit for unit in (1, PERCENT) if abs(product / unit - 1) < NEAR), None)


def _position(market: Market, held: Position) -> Book:
    size = held.size if held.side == "Buy" else -held.size
    row = {**market.rows[held.symbol], "symbol": held.symbol + SIDES[held.position_idx]}
    row |= {"size": number(size), "entry": held.avg_price}
    return row | ({"leverage": held.leverage} if held.leverage else {})


def _order(order: Order) -> Book:
    left = order.leaves_qty if order.side == "Buy" else -order.leaves_qty
    return {
        "symbol": order.symbol + SIDES[order.position_idx],
        "size": number(left),
        "price": number(order.price),
        "reduce_only": order.reduce_only,
    }


class _List(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    list: tuple[T, ...]
    next_page_cursor: str | None = None


class _Reply(msgspec.Struct, Generic[T], frozen=True):
    result: T
    time: int = 0


class _Mode(_Camel, frozen=True):
    margin_mode: str


class _Fee(_Camel, frozen=True):
    taker_fee_rate: Decimal


def ask(client: Client) -> Answers:
    """Everything that the account of a key is made of; raises `NotTold`."""
    info = answer("account info", client.privateGetV5AccountInfo, _Reply[_Mode])
    unified = partial(client.privateGetV5AccountWalletBalance, {"accountType": "UNIFIED"})
    wallet = answer("wallet balance", unified, _Reply[_List[Wallet]])
    positions: list[Position] = []
    orders: list[Order] = []
    kinds: dict[str, str] = {}
    options = _rows(client.privateGetV5PositionList, {"category": "option"}, Position)
    for category, settle in SETTLES:
        wanted = {"category": category} | ({"settleCoin": settle} if settle else {})
        held = _rows(client.privateGetV5PositionList, {**wanted, **MOST_POSITIONS}, Position)
        resting = _rows(client.privateGetV5OrderRealtime, {**wanted, **MOST_ORDERS}, Order)
        positions += [p for p in held if p.size]
        orders += [o for o in resting if o.price]
        kinds |= dict.fromkeys({p.symbol for p in held} | {o.symbol for o in resting}, category)
    used = sorted({p.symbol for p in positions} | {o.symbol for o in orders})
    listed = {symbol: _listed(client, kinds[symbol], symbol, fees=True) for symbol in used}
    rates = _rows(client.publicGetV5SpotMarginTradeCollateral, {}, Collateral)
    (one,) = wallet.result.list
    sums = info.result.margin_mode, one, wallet.time
    return Answers(*sums, positions, orders, listed, rates, any(p.size for p in options))


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of contracts, without fees; raises `NotTold`."""
    every = {s: "linear" if s[-4:] in DOLLARS or s.endswith("PERP") else "inverse" for s in symbols}
    return market_of(_listed(client, kind, s, fees=False) for s, kind in sorted(every.items()))


def _listed(client: Client, category: str, symbol: str, *, fees: bool) -> Listed:
    wanted = {"category": category, "symbol": symbol}
    listing = only(symbol, _rows(client.publicGetV5MarketInstrumentsInfo, wanted, Listing))
    of = partial(client.publicGetV5MarketTickers, wanted)
    tickers = answer(f"ticker of {symbol}", of, _Reply[_List[Ticker]])
    limits = _rows(client.publicGetV5MarketRiskLimit, wanted, Limit)
    told = _rows(client.privateGetV5AccountFeeRate, wanted, _Fee) if fees else []
    ticker = only(f"ticker of {symbol}", tickers.result.list)
    fee = told[0].taker_fee_rate if told else None
    return Listed(listing, ticker, tickers.time, limits, fee)


def _rows(method: Any, wanted: Mapping[str, str], form: type[T]) -> list[T]:
    """All rows: the venue sends twenty at a time where more is not asked."""

    def page(cursor: str) -> tuple[list[T], str]:
        of = partial(method, {**wanted, **({"cursor": cursor} if cursor else {})})
        reply: Any = answer(form.__name__, of, _Reply[_List[form]])  # type: ignore[valid-type]
        return reply.result.list, reply.result.next_page_cursor or ""

    return every_page(page)
