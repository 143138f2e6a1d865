# SPDX-License-Identifier: Apache-2.0
"""Tails of the joint question say what the venues' own rules say in the moved markets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.margin import books
from tests.margin.account_books import NOW_MS, SPOT, Book, drawn_book
from tests.margin.test_moving_markets import market_at
from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.allocation.joint.question import Functions, Tail
from tidegate.allocation.joint.scenario_tails import (
    Catalogue,
    Stresses,
    TailTerms,
    VenueBook,
    question_tails,
    venue_tail,
)
from tidegate.margin.deribit_paths import deribit_path_form
from tidegate.margin.derive_paths import derive_path_form
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import MarketValues, Seen, index_of, mark_of
from tidegate.margin.scenario.path_form import PathForm, Scope
from tidegate.margin.tiered_paths import tiered_column, tiered_path_form
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option
from tidegate.risk.factor_paths import FactorPaths, NamedStress, Names, named_paths, neutral

FloatArray = NDArray[np.float64]
NAMES = Names(("BTC", "ETH"), ("venue", "other"), ("USDC",), 1)
EQUITY_USD = 5e6
CRASH = NamedStress(
    "crash",
    {"BTC": (0.75, 1.3), "ETH": (0.7, 1.4)},
    vol_level={"BTC": (0.8, 1.8), "ETH": (0.8, 1.8)},
    skew={"BTC": (-0.05, 0.05)},
    term=0.3,
    spread={"venue": 0.01},
    stable={"USDC": 0.99},
)
TERMS = TailTerms(20.0, 1.0, 20.0, 0.3)


def drawn_factors(seed: int, count: int = 5, points: int = 4) -> FactorPaths:
    """Every factor moves; three edges' worth of landing flags."""
    rng = np.random.default_rng(seed)
    shape = (count, points)
    still = neutral(NAMES, np.exp(0.15 * rng.normal(size=(*shape, 2))), 2.0, "history")
    return replace(
        still,
        vol_level=np.exp(0.3 * rng.normal(size=(*shape, 2))),
        skew=0.1 * rng.normal(size=(*shape, 2)),
        term=0.3 * rng.uniform(size=(*shape, 2)),
        spread=0.01 * rng.normal(size=(*shape, 2)),
        stable=1.0 - 0.02 * rng.uniform(size=(*shape, 1)),
        funding=0.002 * rng.normal(size=(*shape, 2)),
        landed=rng.random((*shape, 1)) < 0.5,
    )


def notional(each: Instrument, market: MarketValues) -> float:
    return 1.0 if each.inverse else market.value(index_of(each.base))


def option_venue(book: Book, kind: str) -> VenueBook:
    """A venue of scenario margin with the book's instruments as the first positions."""
    rule: Any = book.rule
    build: Any = derive_path_form if kind == "derive-portfolio" else deribit_path_form
    held = np.array([each.size for each in book.holdings.positions])
    unit = "BTC" if kind == "deribit-btc" else "USDC"

    def form(moved: MovedMarkets, initial: bool) -> PathForm:
        scope = Scope(3.0 * np.abs(held) + 1.0, held, initial=initial)
        moves = moved.values(book.instruments)
        found: PathForm = build(rule, book.instruments, book.market, moves, scope)
        return found

    spot = book.market.value(index_of("BTC"))
    return VenueBook(
        name="venue",
        venue=0,
        instruments=tuple(book.instruments),
        columns=np.arange(len(held)),
        notional_usd=np.array([notional(each, book.market) for each in book.instruments]),
        nodes={unit: 0},
        price_usd={unit: spot if unit == "BTC" else 1.0},
        unit=unit,
        market=book.market,
        form=form,
    )


def perpetual_venue(first: int) -> VenueBook:
    """Two perpetuals under Hyperliquid's tiers at another venue, in dollars."""
    rule, ticks = books.hyperliquid(), {books.BTC.id: 1_000_000, books.ETH.id: 400_000}
    prices = {name: mark * float(rule.instruments[name].tick) for name, mark in ticks.items()}
    values = {mark_of(name): Seen(price, NOW_MS) for name, price in prices.items()}
    values |= {index_of(coin): Seen(price, NOW_MS) for coin, price in SPOT.items()}
    market = MarketValues(NOW_MS, values, 1_000)
    span = np.array([500.0, 5_000.0])

    def form(moved: MovedMarkets, initial: bool) -> PathForm:
        ratios = moved.ratios(tuple(rule.instruments.values()))
        columns = [
            tiered_column(rule, name, mark, float(span[i]), float(ratios[:, i].max()), initial)
            for i, (name, mark) in enumerate(ticks.items())
        ]
        return tiered_path_form(columns, ratios, {"USDC": 1.0}, Scope(span, 0.0 * span))

    return VenueBook(
        name="other",
        venue=1,
        instruments=tuple(rule.instruments.values()),
        columns=np.arange(first, first + 2),
        notional_usd=np.array(list(prices.values())),
        nodes={"USDC": 1},
        price_usd={"USDC": 1.0},
        unit="USDC",
        market=market,
        form=form,
    )


def losses(tail: Tail, functions: Functions, x: FloatArray, c: FloatArray) -> FloatArray:
    """What the tail's maximum is taken of, as the question defines it, [W, P]."""
    nets = functions.net @ x
    u = (functions.slope * nets[:, None] - functions.offset).max(axis=1)
    return np.asarray(
        tail.constant
        - tail.slopes @ x[tail.columns]
        + tail.weights @ u[tail.functions]
        - tail.worth @ c[tail.nodes]
    )


@dataclass(frozen=True)
class Drawn:
    book: Book
    venue: VenueBook
    paths: FactorPaths
    x: FloatArray
    c: FloatArray


def drawn(seed: int, kind: str) -> Drawn:
    book, rng = drawn_book(seed, kind, 4), np.random.default_rng(seed)
    venue, paths = option_venue(book, kind), drawn_factors(seed)
    held = np.array([each.size for each in book.holdings.positions])
    sizes = held * rng.uniform(-2.0, 2.0, len(held))
    x = sizes * venue.notional_usd / EQUITY_USD
    return Drawn(book, venue, paths, x, rng.uniform(1.0, 4.0, 1))


def exact_health(case: Drawn, place: int) -> float:
    """By the rule's own statement in one market, over equity; funding is paid beside it."""
    moved = MovedMarkets(case.paths, "venue", case.book.market)
    values = moved.values(case.book.instruments)
    market = market_at(case.book, values, place)
    (asset,) = case.venue.nodes
    price = case.venue.price_usd[asset]
    sizes = case.venue.sizes(case.x, EQUITY_USD)
    amount = float(case.c[0]) * EQUITY_USD / price
    held, rule = [], case.book.rule
    own: Any = rule
    prepared = own.prepare(case.book.instruments, case.book.market)
    for each, size in zip(case.book.instruments, sizes.tolist(), strict=True):
        held.append(Holding(each, size, case.book.market.value(mark_of(each.id))))
        if isinstance(each, Option):
            now = case.book.market.value(mark_of(each.id))
            if rule.name == "derive_portfolio":
                now = float(prepared.equity_per_unit[prepared.place[each.id]])
            amount -= size * now
    stated = rule.statement(Holdings(tuple(held), {asset: amount}), market)
    return (
        (stated.equity - stated.maintenance) * price * float(moved.usd(asset)[place]) / EQUITY_USD
    )


@settings(max_examples=10)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["deribit-btc", "deribit-usdc", "derive-portfolio"]),
)
def test_solvency_tail_is_never_above_the_rule_s_own_health_in_any_moved_market(
    seed: int, kind: str
) -> None:
    case = drawn(seed, kind)
    to = Catalogue(len(case.x))
    tail = venue_tail("solvency", case.venue, case.paths, EQUITY_USD, to)
    rows = losses(tail, to.functions(), case.x, case.c)
    worst = rows.reshape(case.paths.count, case.paths.points, -1).max(axis=2).reshape(-1)
    moved = MovedMarkets(case.paths, "venue", case.book.market)
    paid = np.zeros(moved.count)
    for each, size in zip(case.book.instruments, case.x, strict=True):
        if type(each).__name__ == "Perpetual":
            paid += size * moved.funding(each.base)
    for place in range(moved.count):
        exact = exact_health(case, place) - paid[place]
        assert -worst[place] <= exact + 1e-9 * (1.0 + abs(exact))
        assert -worst[place] >= exact - 0.08 * np.abs(case.x).sum()


def test_rows_of_a_point_have_landed_together() -> None:
    case = drawn(3, "deribit-usdc")
    tail = venue_tail("solvency", case.venue, case.paths, EQUITY_USD, Catalogue(len(case.x)))
    rows = tail.landed.reshape(case.paths.count, case.paths.points, -1)
    assert rows.shape[2] > 1
    np.testing.assert_array_equal(rows, np.broadcast_to(case.paths.landed, rows.shape))


def test_question_has_every_tail_of_every_venue_and_each_function_once() -> None:
    case = drawn(4, "deribit-usdc")
    n = len(case.x)
    crash = named_paths(NAMES, CRASH)
    stresses = Stresses(case.paths, (crash,), (crash,))
    tails, functions = question_tails(
        [case.venue, perpetual_venue(n)], stresses, TERMS, EQUITY_USD, (n + 2, 2)
    )
    names = {tail.name for tail in tails}
    kinds = ("solvency", "outer crash", "inner crash", "withdrawal")
    venues = ("venue", "other")
    assert names == {
        "drawdown history",
        *(f"{kind} at {venue}" for kind in kinds for venue in venues),
    }
    rows = np.concatenate([functions.net, functions.slope, functions.offset], axis=1)
    assert len(np.unique(rows, axis=0)) == len(rows)
    by = {tail.name: tail for tail in tails}
    assert by["outer crash at other"].landed.all()
    assert not by["inner crash at other"].landed.any()
    assert by["solvency at venue"].mass == 2.0
    assert by["withdrawal at other"].penalty == TERMS.inner_penalty
    assert by["outer crash at other"].penalty == TERMS.outer_penalty


def test_withdrawal_tail_is_the_initial_requirement_now_and_counts_no_gain() -> None:
    case, first = drawn(5, "deribit-usdc"), 3
    stresses = Stresses(None, (named_paths(NAMES, CRASH),), (named_paths(NAMES, CRASH),))
    tails, functions = question_tails(
        [perpetual_venue(first)], stresses, TERMS, EQUITY_USD, (first + 2, 2)
    )
    tail = next(each for each in tails if each.name.startswith("withdrawal"))
    np.testing.assert_allclose(tail.slopes, 0.0, atol=1e-12)
    np.testing.assert_allclose(tail.worth, 1.0)
    x = np.array([0.0, 0.0, 0.0, 0.3, -0.2])
    asked = losses(tail, functions, x, np.zeros(2)).max() * EQUITY_USD
    # A tenth is the least that Hyperliquid keeps, and the span's leverage here is 4.
    assert asked == pytest.approx(0.25 * 0.5 * EQUITY_USD, rel=1e-6)
    assert case.venue.nodes == {"USDC": 0}


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["deribit-btc", "deribit-usdc"]))
def test_drawdown_tail_is_what_the_book_at_black_s_marks_has_lost(seed: int, kind: str) -> None:
    case = drawn(seed, kind)
    crash = named_paths(NAMES, CRASH)
    venue = case.venue
    stresses = Stresses(case.paths, (crash,), (crash,))
    tails, functions = question_tails([venue], stresses, TERMS, EQUITY_USD, (len(case.x), 1))
    tail = next(each for each in tails if each.name.startswith("drawdown"))
    lost = losses(tail, functions, case.x, case.c).reshape(-1)
    moved = MovedMarkets(case.paths, "venue", case.book.market)
    (asset,) = venue.nodes
    # The form's own gains without a margin requirement: the row that loses nothing is its last.
    form = venue.form(moved, False)
    sizes = venue.sizes(case.x, EQUITY_USD)
    usd = venue.price_usd[asset] * moved.usd(asset)
    black = venue.form(MovedMarkets(still(case.paths), "venue", case.book.market), False)
    earned = (form.gains[:, -1] - black.gains[:1, -1]) @ sizes * usd / EQUITY_USD
    moves = (moved.usd(asset) - 1.0) * case.c[0]
    for each, size in zip(case.book.instruments, case.x, strict=True):
        if type(each).__name__ == "Perpetual":
            earned = earned - size * moved.funding(each.base)
    np.testing.assert_allclose(-lost, earned + moves, rtol=0.0, atol=1e-9 * np.abs(sizes).max())
    assert tail.limit == TERMS.drawdown


def still(paths: FactorPaths) -> FactorPaths:
    return neutral(NAMES, np.ones_like(paths.price), paths.mass, "now")


def test_question_without_a_named_stress_or_equity_is_refused() -> None:
    crash = (named_paths(NAMES, CRASH),)
    with pytest.raises(InputError, match="named outer and inner"):
        Stresses(None, crash, ())
    with pytest.raises(InputError, match="above 0"):
        question_tails([], Stresses(None, crash, crash), TERMS, 0.0, (1, 1))
    with pytest.raises(InputError, match="DOGE"):
        MovedMarkets(crash[0], "venue", drawn(1, "deribit-btc").book.market).price("DOGE")
