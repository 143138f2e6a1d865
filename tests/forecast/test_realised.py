# SPDX-License-Identifier: Apache-2.0
"""Realised measures agree with their definitions day by day, and never bridge a hole."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.forecast.realised import RealisedMeasures, realised_measures, regular_grid
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS

STEP_MS = HOUR_MS
PER_DAY = 24


def _bars(n_days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hourly closes over whole days, with a bar before the first so that day one is complete."""
    rng = np.random.default_rng(seed)
    n = n_days * PER_DAY + 1
    close = 100.0 * np.exp(np.cumsum(rng.standard_t(4, n) * 0.01))
    return (np.arange(n, dtype=np.int64) - 1) * STEP_MS, close


def _of_whole_days(found: RealisedMeasures) -> slice:
    return slice(1, found.start_ms.size)


@given(st.integers(1, 4), st.integers(0, 999))
def test_measures_of_complete_days_equal_their_definitions(n_days: int, seed: int) -> None:
    ts_ms, close = _bars(n_days, seed)
    found = realised_measures(ts_ms, close, STEP_MS)
    for day in range(n_days):
        path = [math.log(c) for c in close[day * PER_DAY : (day + 1) * PER_DAY + 1]]
        r = [b - a for a, b in pairwise(path)]
        rv = sum(x * x for x in r)
        bv = math.pi / 2 * sum(abs(a) * abs(b) for a, b in pairwise(r))
        row = day + 1
        assert found.variance[row] == pytest.approx(rv, rel=1e-9)
        assert found.bipower[row] == pytest.approx(bv, rel=1e-9)
        assert found.jump[row] == pytest.approx(max(rv - bv, 0.0), rel=1e-6, abs=1e-12)
        down = sum(x * x for x in r if x < 0)
        assert found.semivariance_down[row] == pytest.approx(down, rel=1e-9)
        quarticity = PER_DAY / 3 * sum(x**4 for x in r)
        assert found.quarticity[row] == pytest.approx(quarticity, rel=1e-9)
        if day:
            assert found.return_log[row] == pytest.approx(path[-1] - path[0], abs=1e-12)


def test_a_day_before_the_first_whole_one_is_not_known() -> None:
    found = realised_measures(*_bars(2, 1), STEP_MS)
    assert np.isnan(found.variance[0])
    assert np.all(np.isfinite(found.variance[_of_whole_days(found)]))


@given(st.integers(1, 23), st.integers(0, 999))
def test_a_day_with_less_than_nine_tenths_of_its_returns_is_nan(n_cut: int, seed: int) -> None:
    """Cutting n bars from inside a day loses n + 1 returns, of 24."""
    ts_ms, close = _bars(3, seed)
    cut = np.arange(ts_ms.size)
    keep = (cut < PER_DAY + 1) | (cut >= PER_DAY + 1 + n_cut)
    found = realised_measures(ts_ms[keep], close[keep], STEP_MS)
    lost = n_cut + 1 if n_cut < PER_DAY else PER_DAY
    assert np.isnan(found.variance[2]) == (PER_DAY - lost < 0.9 * PER_DAY)
    assert np.isfinite(found.variance[1])


def test_one_missing_bar_scales_the_rest_and_bridges_nothing() -> None:
    ts_ms, close = _bars(1, 3)
    keep = np.arange(ts_ms.size) != 10
    r = np.diff(np.log(close))
    whole = np.delete(r, [9, 10])
    found = realised_measures(ts_ms[keep], close[keep], STEP_MS)
    assert found.variance[1] == pytest.approx(np.sum(whole**2) * 24 / 22, rel=1e-12)


def test_a_day_without_bars_is_nan_and_so_is_the_return_into_it() -> None:
    ts_ms, close = _bars(3, 4)
    keep = (ts_ms < DAY_MS) | (ts_ms >= 2 * DAY_MS)
    found = realised_measures(ts_ms[keep], close[keep], STEP_MS)
    assert found.start_ms.tolist() == [-DAY_MS, 0, DAY_MS, 2 * DAY_MS]
    assert np.isnan([found.variance[2], found.bipower[2], found.quarticity[2]]).all()
    assert np.isnan(found.return_log[2:4]).all()


def test_a_last_day_still_under_way_is_nan_though_nearly_complete() -> None:
    ts_ms, close = _bars(2, 5)
    assert np.isnan(realised_measures(ts_ms[:-1], close[:-1], STEP_MS).variance[-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, c: (t[::-1], c), "rising"),
        (lambda t, c: (t + 1, c), "multiples"),
        (lambda t, c: (t, np.where(c == c[3], np.nan, c)), "finite prices above zero"),
        (lambda t, c: (t, c * 0.0), "finite prices above zero"),
        (lambda t, c: (t[:0], c[:0]), "at least one"),
    ],
)
def test_unusable_bars_are_refused_in_one_line(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(InputError, match=message):
        realised_measures(*change(*_bars(1, 0)), STEP_MS)


def test_a_grid_holds_every_row_where_it_was_and_nan_elsewhere() -> None:
    ts_ms = np.array([0, 3, 4], dtype=np.int64) * HOUR_MS
    grid_ms, laid = regular_grid(ts_ms, np.arange(6.0).reshape(3, 2), HOUR_MS)
    assert (grid_ms // HOUR_MS).tolist() == [0, 1, 2, 3, 4]
    assert laid[[0, 3, 4]].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert np.isnan(laid[1:3]).all()
