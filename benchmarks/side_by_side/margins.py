# SPDX-License-Identifier: Apache-2.0
"""Deribit's portfolio margin of a book of options: who computes it, and how they are judged.

Peers have no margin rule: what they do is the same arithmetic over their own option formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from mpmath import mp, mpf
from scipy.special import ndtr

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.quotes import DIGITS, FloatArray, exact_price
from tidegate.margin.deribit_parameters import BITCOIN_2024
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.model.instruments import Index, Option
from tidegate.model.times import DAY_MS

OPTIONS, QUICK_OPTIONS = 200, 24
MARKETS, QUICK_MARKETS = 256, 4
BOOKS, QUICK_BOOKS = 8_192, 64
# How many markets a peer does that loops over options one by one in Python.
LOOPED = 2
NOW_MS, SPOT_USD = 1_750_000_000_000, 100_000.0
DAYS = (2, 5, 9, 16, 30, 58, 121, 240)
BUCKETS = np.repeat(np.arange(-4, 5) / 4.0, 3)
FAR = np.array((-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0))
DOWN, SAME, UP = range(3)


@dataclass(frozen=True, slots=True)
class Case:
    """A book, a market, and paths of its figures; columns of the options, and the exact answer."""

    options: tuple[Option, ...]
    sizes: FloatArray
    market: MarketValues
    paths: Mapping[Key, FloatArray]
    strike: FloatArray
    days: FloatArray
    sign: FloatArray
    plain: FloatArray
    exact: float

    @property
    def holdings(self) -> Holdings:
        held = [Holding(one, size, 0.0) for one, size in zip(self.options, self.sizes, strict=True)]
        return Holdings(tuple(held), {"BTC": 1_000.0})

    def forward(self, place: int) -> FloatArray:
        """Forwards of the options in one market."""
        return np.array([self.paths[_forward(one)][place] for one in self.options])

    def vol(self, place: int) -> FloatArray:
        """Vols of the options in one market."""
        return np.array([self.paths[vol_of(one.id)][place] for one in self.options])


def _forward(one: Option) -> Key:
    return forward_of("BTC", one.expiry_ms)


def _option(place: int, strike: float, days: int, is_call: bool) -> Option:
    step = Decimal("0.0001")
    return Option(
        "deribit",
        f"BTC-{place}",
        "BTC",
        "BTC",
        step,
        Decimal("0.1"),
        strike=Decimal(f"{strike:.0f}"),
        is_call=is_call,
        expiry_ms=NOW_MS + days * DAY_MS,
        index=Index("deribit", "BTC", step),
    )


def case(quick: bool) -> Case:
    """Strikes within 50 % of spot, two days to eight months, long and short; paths of all prices
    by one factor and of each vol by its own."""
    random = np.random.default_rng(23)
    count, markets = (QUICK_OPTIONS, QUICK_MARKETS) if quick else (OPTIONS, MARKETS)
    strike = np.round(SPOT_USD * np.exp(random.uniform(-0.5, 0.5, count)), -3)
    days = random.choice(DAYS, count)
    calls = random.random(count) < 0.5
    options = tuple(
        _option(place, *terms)
        for place, terms in enumerate(
            zip(strike.tolist(), days.tolist(), calls.tolist(), strict=True)
        )
    )
    move = np.exp(0.05 * random.standard_normal(markets))
    paths: dict[Key, FloatArray] = {index_of("BTC"): SPOT_USD * move}
    values: dict[Key, float] = {index_of("BTC"): SPOT_USD}
    for one in options:
        basis = 1.0 + 0.06 * (one.expiry_ms - NOW_MS) / DAY_MS / 365.0
        values[_forward(one)], vol = SPOT_USD * basis, float(random.uniform(0.35, 0.9))
        paths[_forward(one)] = values[_forward(one)] * move
        values[vol_of(one.id)], values[mark_of(one.id)] = vol, 0.0
        paths[vol_of(one.id)] = vol * np.exp(0.1 * random.standard_normal(markets))
    seen = {key: Seen(value, NOW_MS) for key, value in values.items()}
    sizes = random.normal(0.0, 5.0, count)
    sign = np.where(calls, 1.0, -1.0)
    market = MarketValues(NOW_MS, seen, 0)
    empty = np.zeros(0)
    made = Case(options, sizes, market, paths, strike, days * 1.0, sign, empty, 0.0)
    plain = np.array([maintenance(made, place, _scipy) for place in range(markets)])
    exact = maintenance(made, 0, _mpmath)
    return Case(options, sizes, market, paths, strike, days * 1.0, sign, plain, exact)


Formula = Callable[[Any, Any, Any, Any], tuple[FloatArray, FloatArray]]


def _scipy(forward: Any, strike: Any, deviation: Any, sign: Any) -> tuple[FloatArray, FloatArray]:
    """Undiscounted Black-76 and its delta."""
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    first = ndtr(sign * d1)
    value = sign * (forward * first - strike * ndtr(sign * (d1 - deviation)))
    return value, sign * first


def _mpmath(forward: Any, strike: Any, deviation: Any, sign: Any) -> tuple[FloatArray, FloatArray]:
    arrays = np.broadcast_arrays(forward, strike, deviation, sign)
    shape = arrays[0].shape
    rows = list(zip(*(array.ravel().tolist() for array in arrays), strict=True))
    with mp.workdps(DIGITS):
        values = [float(exact_price(mpf(f), mpf(k), mpf(s), w > 0)) for f, k, s, w in rows]
    return np.array(values).reshape(shape), _scipy(forward, strike, deviation, sign)[1]


def maintenance(given: Case, place: int, formula: Formula) -> float:
    """The requirement in coins of one market, written a second time with arrays."""
    pair, terms = BITCOIN_2024.pairs["btc"], BITCOIN_2024.currencies["btc"]
    index, forward = float(given.paths[index_of("BTC")][place]), given.forward(place)
    term = (30.0 / given.days) ** np.where(given.days <= 30.0, 0.3, 0.13)
    vol = given.vol(place)
    vols = np.stack([vol * np.maximum(1.0 - 0.25 * term, 0.0), vol, vol * (1.0 + 0.5 * term)])
    vols[UP] = np.maximum(vols[UP], pair.min_volatility_for_shock_up)
    moves = np.concatenate([pair.price_range * BUCKETS, FAR])
    shocked = np.concatenate([np.tile([DOWN, SAME, UP], 9), np.full(8, UP)])
    root = np.sqrt(given.days / 365.0)
    then, _ = formula(
        np.outer(1.0 + moves, forward), given.strike, vols[shocked] * root, given.sign
    )
    now, delta = formula(forward, given.strike, vol * root, given.sign)
    coins = (then / np.outer(1.0 + moves, forward) - now / forward) @ given.sizes
    usd = index * (1.0 + moves) * coins
    beyond = np.maximum(np.abs(moves) / pair.price_range, 1.0)
    usd = usd / np.where(np.arange(len(moves)) < 27, 1.0, beyond)
    shrink = np.where(np.arange(len(moves)) < 27, 0.0, beyond - 1.0) * terms.extended_dampener_usd
    usd = np.sign(usd) * np.maximum(np.abs(usd) - shrink, 0.0)
    edge = np.clip(moves, -pair.price_range, pair.price_range)
    worst = max(0.0, float(-(usd / (index * (1.0 + edge))).min()))
    net = given.sizes * (delta - now / forward)
    years = given.days / 365.0
    rate = np.maximum(terms.min_annualised_move, np.expm1(terms.annualised_move_risk * years))
    roll = sum(
        abs(float(net[given.days == day].sum())) * float(rate[given.days == day][0])
        for day in np.unique(given.days)
    )
    size = abs(float(net.sum()))
    most = pair.m_inc * max(size - pair.delta_threshold_usd / index, 0.0)
    return 0.8 * (worst + roll + size * min(most, pair.max_delta_shock))


def _ours(given: Case) -> Prepared:
    rule = DeribitPortfolio("BTC", BITCOIN_2024)
    moving, paths = rule.moving(given.holdings, given.market), given.paths
    return Prepared(
        lambda: moving.statements(paths), len(given.plain), lambda answer: answer.maintenance
    )


def _numpy(given: Case) -> Prepared:
    markets = range(len(given.plain))
    return Prepared(
        lambda: [maintenance(given, place, _scipy) for place in markets], len(markets), np.asarray
    )


def _quantlib(given: Case) -> Prepared:
    import QuantLib as quantlib

    kinds = {1.0: quantlib.Option.Call, -1.0: quantlib.Option.Put}
    price, normal = quantlib.blackFormula, quantlib.CumulativeNormalDistribution()

    def formula(forward: Any, strike: Any, deviation: Any, sign: Any) -> Any:
        arrays = np.broadcast_arrays(forward, strike, deviation, sign)
        rows = list(zip(*(array.ravel().tolist() for array in arrays), strict=True))
        values = [price(kinds[w], k, f, s) for f, k, s, w in rows]
        deltas = []
        if arrays[0].ndim == 1:
            deltas = [w * normal(w * (np.log(f / k) / s + 0.5 * s)) for f, k, s, w in rows]
        return np.array(values).reshape(arrays[0].shape), np.array(deltas)

    markets = range(min(LOOPED, len(given.plain)))
    return Prepared(
        lambda: [maintenance(given, place, formula) for place in markets], len(markets), np.asarray
    )


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """Largest error of a requirement, as a share of it."""
    prepared = entry.prepare(given)
    found = np.asarray(prepared.read(prepared.call()), dtype=np.float64)
    plain = given.plain[: len(found)]
    return {
        "markets": len(found),
        "max_error_mpmath": float(abs(found[0] - given.exact) / given.exact),
        "max_error_scipy": float(np.max(np.abs(found - plain) / plain)),
    }


@dataclass(frozen=True, slots=True)
class Candidates:
    """A prepared rule and books of its columns."""

    prepared: Any
    books: FloatArray
    exact: FloatArray


def candidates(quick: bool) -> Candidates:
    """Books about the one of `case`, at its market, and what numpy says of each."""
    given = case(True) if quick else case(False)
    prepared = DeribitPortfolio("BTC", BITCOIN_2024).prepare(given.options, given.market)
    held = prepared.sizes({one.id: s for one, s in zip(given.options, given.sizes, strict=True)})
    random = np.random.default_rng(29)
    count = QUICK_BOOKS if quick else BOOKS
    books = held * random.normal(1.0, 0.3, size=(count, len(held)))
    return Candidates(prepared, books, prepared.statements_twin(books).maintenance)


def _judge_books(given: Candidates, entry: Entry) -> dict[str, Any]:
    prepared = entry.prepare(given)
    found = np.asarray(prepared.read(prepared.call()), dtype=np.float64)
    exact = given.exact[: len(found)]
    return {"max_error_numpy": float(np.max(np.abs(found - exact) / (1.0 + exact)))}


def _many(call: Callable[[Candidates], Callable[[], Any]]) -> Callable[[Candidates], Prepared]:
    return lambda given: Prepared(call(given), len(given.books), lambda answer: answer.maintenance)


def _orders(given: Candidates) -> Prepared:
    ready = given.prepared.what_if(given.books[0])
    name = given.prepared.columns[0]
    return Prepared(lambda: ready.order(name, 0.0), 1, lambda one: [one.maintenance])


def _order_anew(given: Candidates) -> Prepared:
    return Prepared(
        lambda: given.prepared.statements_twin(given.books[0]), 1, lambda one: one.maintenance
    )


_SHOWN = {
    "markets": lambda e: str(e["markets"]),
    "largest error, mpmath": lambda e: error_text(e["max_error_mpmath"]),
    "largest difference, scipy": lambda e: error_text(e["max_error_scipy"]),
}
_BOOKS_SHOWN = {"largest difference, numpy": lambda e: error_text(e["max_error_numpy"])}

TOPICS = (
    Topic(
        "deribit-margin",
        "Deribit's portfolio margin in many markets",
        "full evaluations",
        f"Maintenance margin of a book of {OPTIONS} bitcoin options at 27 + 8 scenarios, in "
        "markets where every price and vol is another.",
        (
            Entry("Tidegate", (OURS,), "More: initial margin, equity, what binds.", _ours),
            Entry("numpy and scipy", ("numpy", "scipy"), "Less: maintenance alone.", _numpy),
            Entry(
                "QuantLib blackFormula",
                ("QuantLib",),
                f"Less: maintenance alone. One option a call, looped in Python; {LOOPED} markets.",
                _quantlib,
            ),
        ),
        case,
        judge,
        _SHOWN,
    ),
    Topic(
        "candidate-books",
        "Candidate books at one market",
        "books",
        f"Margin and equity of {BOOKS:,} books over {OPTIONS} options, prepared once.",
        (
            Entry(
                "Tidegate",
                (OURS,),
                "All of it.",
                _many(lambda given: lambda: given.prepared.statements(given.books)),
            ),
            Entry(
                "numpy",
                ("numpy",),
                "All of it, by the twin.",
                _many(lambda given: lambda: given.prepared.statements_twin(given.books)),
            ),
        ),
        candidates,
        _judge_books,
        _BOOKS_SHOWN,
    ),
    Topic(
        "one-order",
        "What one order would do",
        "orders",
        f"Margin and equity of a book of {OPTIONS} options with one order in it.",
        (
            Entry("Tidegate", (OURS,), "All of it.", _orders),
            Entry("numpy", ("numpy",), "All of it, by the twin, the book anew.", _order_anew),
        ),
        candidates,
        _judge_books,
        _BOOKS_SHOWN,
    ),
)
