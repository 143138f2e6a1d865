# SPDX-License-Identifier: Apache-2.0
"""Tiered and standard margin in moved markets: the form is never above the rule's health there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.margin import books, option_books, test_dydx
from tests.margin.statement_books import BTC, WHOLE, market, terms
from tidegate.margin.bybit import BybitCross
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.margin.deribit_standard_paths import deribit_standard_path_form
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import dollar_of, mark_of
from tidegate.margin.okx_tiered import OkxCross
from tidegate.margin.scenario.path_form import PathForm, Scope
from tidegate.margin.tiered_paths import (
    TieredColumn,
    position_column,
    tiered_column,
    tiered_path_form,
)
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO, unit_quanta

FloatArray = NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
RULES: list[Any] = [books.hyperliquid(), books.binance(), test_dydx.venue(3 * 10**6)]


def drawn(rule: Any, seed: int, markets: int) -> tuple[dict[str, int], FloatArray, FloatArray]:
    """Marks now (ticks), ticks in every market [M, n], and lots [n]."""
    rng = np.random.default_rng(seed)
    marks = {name: int(rng.integers(20_000, 900_000)) for name in rule.instruments}
    now = np.array(list(marks.values()))
    ticks = np.round(now * np.exp(0.3 * rng.normal(size=(markets, len(now)))))
    ticks[0] = now
    worth = np.array([rule.instruments[n].notional(1, t) for n, t in marks.items()])
    lots = np.round(rng.normal(size=len(now)) * 10.0 ** rng.uniform(4, 7.5) * MICRO / worth)
    return marks, ticks, lots


def form_of(rule: Any, drawn_book: Any, initial: bool) -> PathForm:
    marks, ticks, lots = drawn_book
    ratios = ticks / np.array(list(marks.values()))
    units = np.array([float(each.lot) for each in rule.instruments.values()])
    span = np.abs(lots) * units + units
    columns = [
        tiered_column(rule, name, mark, float(span[i]), float(ratios[:, i].max()), initial)
        for i, (name, mark) in enumerate(marks.items())
    ]
    return tiered_path_form(columns, ratios, {"USDC": np.ones(len(ratios))}, Scope(span, lots))


def stated(rule: Any, drawn_book: Any, wallet: int, initial: bool) -> FloatArray:
    """Health by the rule itself with all entered at the marks of now, in dollars, [M]."""
    marks, ticks, lots = drawn_book
    positions = {
        name: Position(int(size), rule.instruments[name].entry_cost(int(size), mark))
        for (name, mark), size in zip(marks.items(), lots, strict=True)
        if size
    }
    account = Account("venue", {"USDC": wallet}, positions)
    found = []
    for row in ticks:
        state = rule.state(account, dict(zip(marks, map(int, row), strict=True)))
        found.append(state.equity - (state.initial if initial else state.maintenance))
    return np.array(found) / MICRO


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(RULES), st.booleans())
def test_tiered_form_is_never_above_the_rule(seed: int, rule: Any, initial: bool) -> None:
    book = drawn(rule, seed, 8)
    form, units = form_of(rule, book, initial), [float(x.lot) for x in rule.instruments.values()]
    exact = stated(rule, book, 10**13, initial)
    found = form.health(book[2] * units, [1e7])[0]
    scale = 1e7 + np.abs(exact).max()
    assert (found <= exact + 1e-9 * scale).all()


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(RULES))
def test_tiered_form_is_equal_at_the_lowest_price_and_now_and_at_the_highest(
    seed: int, rule: Any
) -> None:
    """Within what the rule rounds up, and each contract at its own knots."""
    book = drawn(rule, seed, 3)
    ticks = np.sort(book[1], axis=0)
    now = np.array(list(book[0].values()))
    ticks = np.stack([np.minimum(ticks[0], now - 1), now, np.maximum(ticks[2], now + 1)])
    book = (book[0], ticks, book[2])
    units = [float(each.lot) for each in rule.instruments.values()]
    found = form_of(rule, book, False).health(book[2] * units, [1e7])[0]
    exact = stated(rule, book, 10**13, False)
    np.testing.assert_allclose(found, exact, rtol=0.0, atol=1e-9 * np.abs(exact).max() + 1e-5)


@settings(max_examples=30)
@given(SEEDS, st.booleans(), st.booleans(), st.booleans())
def test_form_of_bybit_and_okx_is_never_above_the_rule(
    seed: int, bybit: bool, whole: bool, initial: bool
) -> None:
    rng = np.random.default_rng(seed)
    held = terms(WHOLE) if whole else terms()
    rule: Any = BybitCross(held) if bybit else OkxCross(held)
    now = market().value(mark_of(BTC.id))
    ratios = np.exp(0.2 * rng.normal(size=(6, 1)))
    size, money = float(rng.normal() * 30.0), 1e7
    span = abs(size) if whole else abs(size) * now * float(ratios.max())
    column = position_column(BTC, now, held.positions[BTC.id], span, initial)
    stable = market().value(dollar_of("USDT"))
    scope = Scope([abs(size)], [size])
    # What a contract settled in dollars asks for is at the dollar's price without a haircut.
    worth, prices = {"USDT": 0.9999 * stable}, {"USDT": stable}
    form = tiered_path_form([column], ratios, worth, scope, prices)
    for m, ratio in enumerate(ratios[:, 0]):
        moved = market({mark_of(BTC.id): now * float(ratio)})
        holdings = Holdings((Holding(BTC, size, now),), {"USDT": money})
        said = rule.statement(holdings, moved)
        exact = said.equity - (said.initial if initial else said.maintenance)
        assert form.health([size], [money])[0, m] <= exact + 1e-9 * money


def coin_marks(rule: DeribitOptions, names: list[str], seed: int) -> Any:
    """Marks of now and in five markets, in ticks: a few are worth nothing, all else moves."""
    rng = np.random.default_rng(seed)
    now, moved = {}, {}
    for name in names:
        if name in rule.options:
            now[name] = int(rng.integers(0, 6_000))
            moved[name] = rng.integers(0, 6_000, 5)
        else:
            now[name] = int(rng.integers(60_000, 200_000))
            moved[name] = np.round(now[name] * np.exp(0.2 * rng.normal(size=5)))
    moved[option_books.FORWARD.id] = rng.integers(60_000, 200_000, 5)
    return now, moved


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(option_books.RULES), st.booleans())
def test_deribit_standard_form_is_never_above_the_rule_and_near_it(
    seed: int, rule: DeribitOptions, initial: bool
) -> None:
    rng = np.random.default_rng(seed)
    known = {**rule.options, **rule.contracts.instruments}
    names = sorted(known)
    now, moved = coin_marks(rule, names, seed)
    lots = {name: int(rng.integers(-400, 400)) for name in names}
    tick = {name: float(each.tick) for name, each in known.items()}
    tick[option_books.FORWARD.id] = float(option_books.FORWARD.tick)
    units = np.array([_unit(known[name]) for name in names])
    sizes = np.array([lots[name] for name in names]) * units
    form = deribit_standard_path_form(
        rule,
        names,
        {name: mark * tick[name] for name, mark in now.items()},
        {name: marks * tick[name] for name, marks in moved.items()},
        Scope(np.abs(sizes) + units, sizes, initial=initial),
    )
    quanta = unit_quanta(rule.collateral)
    positions = {
        name: Position(size, known[name].entry_cost(size, now[name]))
        for name, size in lots.items()
        if size
    }
    wallet = 1_000 * quanta if rule.collateral == "BTC" else 10**9 * quanta
    account = Account("deribit", {rule.collateral: wallet}, positions)
    found = form.health(sizes, [wallet / quanta])[0]
    for m, health in enumerate(found):
        state = rule.state(account, {name: int(marks[m]) for name, marks in moved.items()})
        exact = (state.equity - (state.initial if initial else state.maintenance)) / quanta
        asked = (state.initial if initial else state.maintenance) / quanta
        scale = wallet / quanta + asked
        assert health <= exact + 1e-9 * scale
        # Eight chords of a square are at most 1/256 of the span's above it.
        assert health >= exact - 0.01 * asked - 20 / quanta - 1e-9 * scale


def _unit(each: Any) -> float:
    return 10.0 if each.inverse else float(each.lot)


def test_asset_without_a_worth_and_a_price_of_nothing_are_refused() -> None:
    rule = books.hyperliquid()
    column = tiered_column(rule, books.BTC.id, 600_000, 1.0, 1.2)
    with pytest.raises(InputError, match="worth"):
        tiered_path_form([column], [[1.0]], {"USDT": [1.0]}, Scope([1.0], [0.0]))
    with pytest.raises(InputError, match="ratios"):
        tiered_path_form([column], [[0.0]], {"USDC": [1.0]}, Scope([1.0], [0.0]))
    with pytest.raises(InputError, match="contract of the rule"):
        tiered_column(rule, "DOGE", 600_000, 1.0, 1.2)


def test_inverse_contract_s_worth_falls_with_its_price() -> None:
    column = TieredColumn(option_books.COIN_PERP, 1e5, ((0.05, 0.0),))
    form = tiered_path_form([column], [[0.5], [1.0], [2.0]], {"BTC": 1.0}, Scope([1e6], [1e5]))
    coins = 1e5 / column.price / np.array([0.5, 1.0, 2.0])
    held = 3.0 + 1e5 / column.price - coins
    np.testing.assert_allclose(form.health([1e5], [3.0])[0], held - 0.05 * coins)
