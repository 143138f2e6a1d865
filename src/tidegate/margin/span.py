# SPDX-License-Identifier: Apache-2.0
"""SPAN: the largest loss over sixteen moves of price and vol, for any book of one coin each.

    moves    0, +-1/3, +-2/3, +-1 of the price range, each with vol up and down
    extreme  +-2 of it at 35 % of the loss, vol unchanged (later parameter sets: 3 at 33 %)
    scan     max(0, -min over scenarios of the summed P&L),  and at least the short option minimum

Coins held as collateral, and profit owed in them, are scanned with the positions, so that covered
writes offset. Losses of different coins are added.

Source: CME Group, SPAN methodology (sixteen scenarios and cover of the extremes); McMillan, Options
as a Strategic Investment, whose covered write is a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np

from tidegate.margin.coin_books import (
    CoinBook,
    balances_with_profit,
    coin_books,
    equity_usd,
)
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.scenarios import VolShock

Amount = TypeVar("Amount", int, float, Fraction)

THIRDS = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3)
VOL_SIGNS = (1, -1) * 7 + (0, 0)
COUNT = 16

CARD = RuleCard(
    name="span_16",
    subject="SPAN over any book of options, futures, perpetuals and coins, in USD",
    answers="span.SpanAccount",
    source=("CME Group, SPAN methodology", "McMillan, Options as a Strategic Investment, SPAN"),
    not_pinned=(
        "ranges are each clearing house's own: the user's to give",
        "spread charges between months and credits between coins are left out: more is required",
        "what may be withdrawn, which a clearing house says itself: None is answered",
    ),
    user_gives=("price and vol range by coin, extremes, short option minimum, initial factor",),
    closes_first="a clearing house's own procedure",
    convex_form="exact at a given market: a largest loss over scenarios is convex in positions",
)


@dataclass(frozen=True, slots=True)
class ScanRange:
    """One coin's parameters: shares of price, vol in points or relative, years that pass, what the
    extremes are, and the least USD for each coin of short options; dated."""

    price_range: float
    vol_range: float
    vol_shock: VolShock
    elapsed_years: float
    extreme_multiple: float
    extreme_cover: float
    short_option_minimum_usd: float
    as_of: str
    source: str

    def __post_init__(self) -> None:
        sound = 0 < self.price_range and self.extreme_multiple * self.price_range < 1
        if not sound or min(self.vol_range, self.elapsed_years, self.extreme_cover) < 0:
            raise InputError(
                self.source, "scan range", "expected ranges above 0, extremes within the price"
            )

    def moves(self) -> FloatArray:
        """Relative moves of the price in the order of scenarios, float[16]."""
        inner = [third / 3.0 for third in THIRDS]
        return self.price_range * np.array([*inner, self.extreme_multiple, -self.extreme_multiple])

    def profits(self, book: CoinBook, coins_usd: float) -> FloatArray:
        """USD gained in each scenario, extremes covered, float[16]."""
        shifts = self.vol_range * np.array(VOL_SIGNS, dtype=np.float64)
        gained = book.pnl_usd(self.moves(), shifts, self.vol_shock, self.elapsed_years)
        cover = np.array([1.0] * (COUNT - 2) + [self.extreme_cover] * 2)
        return np.asarray(cover * (gained + coins_usd * self.moves()))


def scan_loss(rows: Sequence[Sequence[Amount]]) -> Amount:
    """Largest loss of positions together: rows of P&L by scenario, all of one length, summed
    scenario by scenario; exact for integers and fractions. Raises `InputError` for no row."""
    if not rows or len({len(row) for row in rows}) != 1 or not rows[0]:
        raise InputError("span", "rows", "expected rows of P&L of one length")
    totals = list(rows[0])
    for row in rows[1:]:
        totals = [total + profit for total, profit in zip(totals, row, strict=True)]
    worst = min(totals)
    return -worst if worst < 0 else worst - worst


@dataclass(frozen=True, slots=True)
class SpanAccount:
    """The rule: ranges by coin, and initial as a multiple of maintenance."""

    ranges: Mapping[str, ScanRange]
    initial_factor: float = 1.0
    least_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.initial_factor < 1:
            raise InputError("span", "initial_factor", "expected at least 1")

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in both; see `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        return with_orders(self._plain, holdings, prices, in_maintenance=True)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        balances = balances_with_profit(holdings, prices)
        books = coin_books(holdings, prices)
        scans = {coin: self._scan(book, balances, prices) for coin, book in books.items()}
        coins = {name for name, amount in balances.items() if amount and not prices.is_dollar(name)}
        for coin in sorted(coins - books.keys()):
            empty = CoinBook(coin, (), None, np.zeros(0), ())
            scans[coin] = self._scan(empty, balances, prices)
        required = sum(scans.values())
        return Statement(
            rule=self.name,
            unit="USD",
            equity=equity_usd(balances, prices),
            initial=self.initial_factor * required,
            maintenance=required,
            withdrawable=None,
            binding=max(scans, key=lambda coin: (scans[coin], coin), default="none"),
            parts=scans,
        )

    def _scan(self, book: CoinBook, balances: Mapping[str, float], prices: Prices) -> float:
        if book.coin not in self.ranges:
            raise InputError("span", book.coin, "expected its scan range")
        terms = self.ranges[book.coin]
        held = balances.get(book.coin, 0.0)
        coins_usd = held * prices.usd(book.coin) if held else 0.0
        short = 0.0
        if book.options is not None:
            quantity = np.asarray(book.options.quantity)
            short = float(-quantity[quantity < 0].sum())
        loss = float(scan_loss([terms.profits(book, coins_usd).tolist()]))
        return max(loss, short * terms.short_option_minimum_usd)
