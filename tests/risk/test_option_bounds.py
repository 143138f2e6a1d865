# SPDX-License-Identifier: Apache-2.0
"""Bounds of every coin's addends hold at points within cells of any size, scenario by scenario."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import Book
from tests.risk.certificate_books import (
    KINDS,
    drawn,
    health_there,
    scattered,
    subject,
)
from tidegate.margin.market_values import fixed_of, fixed_share_of, vol_of
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS, MINUTE_MS
from tidegate.risk.certificate import Box, forms
from tidegate.risk.certificate_bounds import FARTHEST, ROUNDING, HealthForm
from tidegate.risk.certificate_box import Cells, CoinBox, cells_at

RANGE = CoinBox((0.5, 2.0), (0.9, 1.1), (0.3, 3.0))
VAST = Box({"BTC": RANGE, "ETH": RANGE}, horizon_ms=10 * DAY_MS)
CELLS, POINTS = 8, 6


def drawn_cells(rng: np.random.Generator) -> Cells:
    """Cells of all sizes within the range, some without width in some variables."""
    low, high = RANGE.ends
    middle = rng.uniform(low, high, size=(CELLS, 3))
    width = np.exp(rng.uniform(-6.0, 0.0, (CELLS, 1))) * (high - low)
    width *= rng.choice([0.0, 1.0], (CELLS, 3), p=[0.2, 0.8])
    return Cells(np.maximum(middle - width, low), np.minimum(middle + width, high))


def hold(form: HealthForm, coin: str, rng: np.random.Generator) -> None:
    cells = drawn_cells(rng)
    bounds = form.health(coin, cells)
    slack = ROUNDING * FARTHEST * 2.2 * form.scale_usd(coin)
    for k in range(POINTS):
        share = rng.uniform(size=(CELLS, 3)) if k % 2 else rng.choice([0.0, 0.5, 1.0], (CELLS, 3))
        value = form.health(coin, cells_at(cells.low + share * (cells.high - cells.low))).centre
        assert (value >= bounds.lower - slack).all()
        assert (value <= bounds.upper + slack).all()


def as_the_rule_states(form: HealthForm, book: Book, seed: int) -> None:
    """The sum of a point's addends is the rule's statement, by markets built in the tests."""
    scale = sum(form.scale_usd(coin) for coin in form.coins)
    for point in scattered(VAST, 3, seed):
        total = np.full(len(form.names), form.constant_usd)
        for coin in form.coins:
            total = total + form.health(coin, cells_at(np.array([point[coin]]))).centre[0]
        assert total.min() == pytest.approx(health_there(book, point), abs=1e-11 * scale)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
def test_points_are_within_the_bounds_of_their_cell_and_are_what_the_rule_states(
    seed: int, kind: str
) -> None:
    rng, book = np.random.default_rng(seed), drawn(seed, kind)
    times = forms(subject(book), VAST)
    as_the_rule_states(times[0][1], book, seed)
    for _, form in times:
        scale = 1.0 + sum(form.scale_usd(coin) for coin in form.coins)
        for coin in form.coins:
            hold(form, coin, rng)
        point = next(scattered(VAST, 1, seed))
        total = np.full(len(form.names), form.constant_usd)
        for coin in form.coins:
            total = total + form.health(coin, cells_at(np.array([point[coin]]))).centre[0]
        assert total.min() == pytest.approx(form.exact(point), abs=1e-11 * scale)


def in_the_average(book: Book, left_ms: int, share: float) -> Book:
    """The book with the expiry that is nearest within its delivery average."""
    ends = {e.expiry_ms for e in book.instruments if isinstance(e, Option)}
    now = min(ends) - left_ms
    values = {key: replace(seen, as_of_ms=now) for key, seen in book.market.values.items()}
    for coin in ("BTC", "ETH"):
        for key, value in ((fixed_of, share * 1e5), (fixed_share_of, share)):
            some = next(iter(values.values()))
            values[key(coin, min(ends))] = replace(some, value=value, confidence=1.0)
    return replace(book, market=replace(book.market, now_ms=now, values=values))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_bounds_hold_within_the_delivery_average_and_past_it(kind: str, share: float) -> None:
    book = in_the_average(drawn(8, kind), 10 * MINUTE_MS, share)
    rng = np.random.default_rng(8)
    times = forms(subject(book), VAST)
    assert len(times) > 1
    for _, form in times:
        for coin in form.coins:
            hold(form, coin, rng)
        scale = 1.0 + sum(form.scale_usd(coin) for coin in form.coins)
        point = next(scattered(VAST, 1, 8))
        total = np.full(len(form.names), form.constant_usd)
        for coin in form.coins:
            total = total + form.health(coin, cells_at(np.array([point[coin]]))).centre[0]
        assert total.min() == pytest.approx(form.exact(point), abs=1e-11 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_of_options_without_vol_hold_at_the_kink(kind: str) -> None:
    book = drawn(7, kind)
    values = dict(book.market.values)
    for each in book.instruments:
        if isinstance(each, Option):
            values[vol_of(each.id)] = replace(values[vol_of(each.id)], value=0.0)
    book = replace(book, market=replace(book.market, values=values))
    form = forms(subject(book), Box(VAST.coins))[0][1]
    for coin in form.coins:
        hold(form, coin, np.random.default_rng(7))


def test_range_of_d1_is_that_of_a_dense_grid_above_and_below_the_strike() -> None:
    from tidegate.risk._option_bounds import d1_range

    rng = np.random.default_rng(2)
    for _ in range(300):
        x = np.linspace(*np.sort(rng.normal(size=2) * 0.3), 9)
        s = np.linspace(*np.sort(rng.uniform(0.02, 1.5, 2)), 4_001)
        d1 = x[:, None] / s + s / 2.0
        low, high = d1_range(float(x[0]), float(x[-1]), float(s[0]), float(s[-1]))
        assert low <= d1.min() + 1e-12
        assert low == pytest.approx(d1.min(), abs=1e-3)
        assert high == pytest.approx(d1.max(), abs=1e-12)
