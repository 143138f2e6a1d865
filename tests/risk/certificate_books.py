# SPDX-License-Identifier: Apache-2.0
"""Accounts, boxes and markets for the tests of certificates, without the code under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from tests.margin.account_books import (
    CASH,
    RULES,
    SPOT,
    Book,
    at,
    drawn_book,
    market_of,
    option,
    perpetual,
)
from tests.margin.oracle_black import black, years
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    MarketValues,
    forward_of,
    mark_of,
    vol_of,
)
from tidegate.model.instruments import Instrument, Option
from tidegate.risk.certificate import Box, Subject
from tidegate.risk.certificate_box import CoinBox, Point

KINDS = ("deribit-btc", "deribit-usdc", "deribit-cross", "derive-portfolio", "derive-standard")
WIDE = CoinBox((0.8, 1.2), (0.99, 1.01), (0.8, 1.5))
BOX = Box({"BTC": WIDE, "ETH": WIDE})


def black_mark(each: Option, market: MarketValues) -> float:
    """Black's formula at the market's vol, per coin in the settlement asset."""
    forward = market.values[forward_of(each.base, each.expiry_ms)].value
    deviation = market.values[vol_of(each.id)].value * years(each.expiry_ms, market.now_ms) ** 0.5
    value = black(forward, float(each.strike), each.is_call, deviation)
    return value / forward if each.coin_settled else value


def options_of(book: Book) -> list[Option]:
    return [each for each in book.instruments if isinstance(each, Option)]


def at_model(book: Book) -> Book:
    """The book with its options' marks at Black's formula."""
    values = dict(book.market.values)
    for each in options_of(book):
        mark = black_mark(each, book.market)
        values[mark_of(each.id)] = replace(values[mark_of(each.id)], value=mark)
    return replace(book, market=replace(book.market, values=values))


def market_there(book: Book, point: Point) -> MarketValues:
    """The market at a point of a box, built figure by figure."""
    values = dict(book.market.values)
    names = {each.id: each for each in book.instruments}
    for key, seen in book.market.values.items():
        each = names.get(key[1])
        price, spread, vol = point.get(each.base if each else key[1], (1.0, 1.0, 1.0))
        by = {"index": price, "forward": price * spread, "vol": vol}.get(key[0], 1.0)
        if key[0] == "mark" and not isinstance(each, Option):
            by = price * spread
        values[key] = replace(seen, value=seen.value * by)
    moved = replace(book.market, values=values)
    for each in options_of(book):
        change = black_mark(each, moved) - black_mark(each, book.market)
        key, seen = mark_of(each.id), book.market.values[mark_of(each.id)]
        values[key] = replace(seen, value=max(0.0, seen.value + change))
    return moved


def in_dollars(book: Book) -> bool:
    return getattr(book.rule, "currency", "USD") != "BTC"


def health_there(book: Book, point: Point) -> float:
    """Health in USD by the rule's statement of one market."""
    market = market_there(book, point)
    health = book.rule.statement(book.holdings, market).health
    return health if in_dollars(book) else health * market.values[("index", "BTC")].value


def drawn(seed: int, kind: str) -> Book:
    """A random account of a rule; of every other the marks are the model's."""
    book = drawn_book(seed, kind)
    return at_model(book) if seed % 2 else book


def with_cash(book: Book, usd: float) -> Book:
    """The account with so many dollars more, or coins worth them, at its present index."""
    asset = CASH if in_dollars(book) else "BTC"
    price = 1.0 if in_dollars(book) else book.market.values[("index", "BTC")].value
    collateral = dict(book.holdings.collateral)
    collateral[asset] = collateral.get(asset, 0.0) + usd / price
    return replace(book, holdings=replace(book.holdings, collateral=collateral))


def subject(book: Book) -> Subject:
    return Subject(book.rule, book.holdings, book.market)


def grid(box: Box, steps: int, coins: list[str]) -> Iterator[Point]:
    """Points of a grid over price and vol of these coins, with the spread at its ends."""
    axes = []
    for coin in coins:
        ends = box.of(coin)
        sides = sorted(set(ends.spread))
        prices, vols = np.linspace(*ends.price, steps), np.linspace(*ends.vol, max(2, steps // 2))
        axes.append([(float(p), s, float(v)) for p in prices for s in sides for v in vols])
    for chosen in product(*axes):
        yield dict(zip(coins, chosen, strict=True))


def scattered(box: Box, count: int, seed: int) -> Iterator[Point]:
    """Points of a box at random."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {
            coin: tuple(float(rng.uniform(*getattr(ends, name))) for name in NAMES)  # type: ignore[misc]
            for coin, ends in box.coins.items()
        }


NAMES = ("price", "spread", "vol")


def book_of(kind: str, legs: list[tuple[Instrument, float]], cash_usd: float) -> Book:
    """Positions at the model's marks, entered there, with vols of 60 %."""
    instruments = [each for each, _ in legs]
    values = market_of(np.random.default_rng(0), instruments)
    for each in instruments:
        if isinstance(each, Option):
            values[vol_of(each.id)] = 0.6
            values[forward_of(each.base, each.expiry_ms)] = SPOT[each.base]
        else:
            values[mark_of(each.id)] = SPOT[each.base]
    values[("index", "BTC")] = SPOT["BTC"]
    held = tuple(Holding(each, size, values[mark_of(each.id)]) for each, size in legs)
    book = at_model(Book(RULES[kind], Holdings(held, {}), at(values)))
    return with_cash(book, cash_usd)


def option_book(seed: int, kind: str, count: int) -> Book:
    """Options of bitcoin near the money and a perpetual, without cash."""
    rng = np.random.default_rng(seed)
    settle = "BTC" if kind == "deribit-btc" else CASH
    legs: dict[str, tuple[Instrument, float]] = {}
    while len(legs) < count:
        strike = round(SPOT["BTC"] * float(np.exp(rng.normal() * 0.15)), -3)
        days = int(rng.choice([7, 30, 31, 90, 200]))
        each = option("BTC", settle, days, strike, bool(rng.integers(2)))
        legs[each.id] = (each, float(rng.normal() * 10.0))
    hedge = perpetual("BTC", settle)
    legs[hedge.id] = (hedge, float(rng.normal() * 10.0) * (SPOT["BTC"] if hedge.inverse else 1.0))
    return book_of(kind, list(legs.values()), 0.0)
