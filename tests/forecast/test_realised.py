# SPDX-License-Identifier: Apache-2.0
"""Realised measures agree with their definitions day by day, and never bridge a hole."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.forecast.realised import (
    STUCK_BARS,
    RealisedMeasures,
    closes_of_ticks,
    realised_measures,
    regular_grid,
)
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

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


QUARTER_MS = 15 * MINUTE_MS


def _quarters(n_days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 96 * n_days + 1
    close = 100.0 * np.exp(np.cumsum(rng.standard_normal(n) * 0.002))
    return (np.arange(n, dtype=np.int64) - 1) * QUARTER_MS, close


@given(st.integers(0, 99))
def test_semivariances_sum_to_the_variance(seed: int) -> None:
    found = realised_measures(*_bars(3, seed), STEP_MS)
    both = found.semivariance_down + found.semivariance_up
    assert both[1:] == pytest.approx(found.variance[1:], rel=1e-12)


def test_hours_sum_to_their_day() -> None:
    ts_ms, close = _quarters(3, 1)
    days = realised_measures(ts_ms, close, QUARTER_MS)
    hours = realised_measures(ts_ms, close, QUARTER_MS, HOUR_MS)
    summed = hours.variance[1:].reshape(-1, 24).sum(axis=1)
    assert summed == pytest.approx(days.variance[1:], rel=1e-12)
    assert len(hours) == 73
    assert np.array_equal(hours.rows(5, 9).variance, hours.variance[5:9])


def test_ticks_give_the_last_price_of_each_bar_and_leave_silent_bars_out() -> None:
    ts_ms = np.array([0, 10, QUARTER_MS - 1, QUARTER_MS, 3 * QUARTER_MS], dtype=np.int64)
    opens, closes = closes_of_ticks(ts_ms, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), QUARTER_MS)
    assert (opens // QUARTER_MS).tolist() == [0, 1, 3]
    assert closes.tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(InputError, match="never fall"):
        closes_of_ticks(ts_ms[::-1], np.ones(5), QUARTER_MS)
    with pytest.raises(InputError, match="at least one"):
        closes_of_ticks(ts_ms[:0], np.ones(0), QUARTER_MS)


@pytest.mark.parametrize("n_stuck", [2, STUCK_BARS - 1, STUCK_BARS, STUCK_BARS + 1])
def test_feed_that_stands_still_is_a_hole_from_the_eighth_equal_close(n_stuck: int) -> None:
    ts_ms, close = _quarters(1, 2)
    close[31 : 30 + n_stuck] = close[30]
    found = realised_measures(ts_ms, close, QUARTER_MS)
    # All returns between equal closes, and the one that leaves them.
    assert found.set_aside[1] == (n_stuck if n_stuck >= STUCK_BARS else 0)
    if found.set_aside[1]:
        kept = np.delete(np.diff(np.log(close)), np.arange(30, 30 + n_stuck))
        assert found.variance[1] == pytest.approx((kept**2).sum() * 96 / (96 - n_stuck), rel=1e-12)


def test_day_stuck_for_three_hours_is_not_known() -> None:
    ts_ms, close = _quarters(2, 3)
    close[40:53] = close[40]
    found = realised_measures(ts_ms, close, QUARTER_MS)
    assert np.isnan(found.variance[1])
    assert np.isfinite(found.variance[2])


def test_print_of_a_hundred_sigma_that_is_undone_is_set_aside() -> None:
    ts_ms, close = _quarters(1, 4)
    clean = realised_measures(ts_ms, close, QUARTER_MS).variance[1]
    close[50] *= math.exp(100 * 0.002)
    found = realised_measures(ts_ms, close, QUARTER_MS)
    assert found.set_aside[1] == 2
    assert found.variance[1] == pytest.approx(clean, rel=0.2)


def test_crash_of_a_hundred_sigma_that_stays_is_kept() -> None:
    ts_ms, close = _quarters(1, 4)
    close[50:] *= math.exp(-100 * 0.002)
    found = realised_measures(ts_ms, close, QUARTER_MS)
    assert found.set_aside[1] == 0
    assert found.variance[1] > 0.03
    assert found.jump[1] > 0.5 * found.variance[1]


@given(st.integers(1, 60), st.integers(0, 99), st.integers(60, 140))
def test_measures_of_a_finished_day_never_change_with_what_comes_after(
    stuck: int, seed: int, at: int
) -> None:
    """A run or a spike that crosses midnight must not be judged by the day that follows."""
    ts_ms, close = _quarters(2, seed)
    close[at : at + stuck] = close[at]
    close[96] *= 1.3
    whole = realised_measures(ts_ms, close, QUARTER_MS)
    first = realised_measures(ts_ms[:97], close[:97], QUARTER_MS)
    assert np.array_equal(first.variance[:2], whole.variance[:2], equal_nan=True)
    assert np.array_equal(first.set_aside[:2], whole.set_aside[:2])


@pytest.mark.parametrize("period_ms", [0, DAY_MS + 1, 7 * DAY_MS])
def test_period_that_does_not_divide_a_day_is_refused(period_ms: int) -> None:
    with pytest.raises(InputError, match="period_ms"):
        realised_measures(*_bars(1, 0), STEP_MS, period_ms)
