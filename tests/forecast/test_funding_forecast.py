# SPDX-License-Identifier: Apache-2.0
"""The funding forecast: both forms agree, the future has no say, the error is what it claims."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import (
    HOURS_PER_YEAR,
    FundingEstimator,
    FundingPrints,
    funding_forecast,
)
from tidegate.forecast.funding_path import funding_forecasts
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS

WEEK = FundingEstimator()
SMALL = FundingEstimator(horizon_days=3, half_life_days=4.0, window_days=20)


def _prints(annual: np.ndarray, interval_h: float) -> FundingPrints:
    """Prints from time 0 on, at the given annual rates."""
    ts_ms = (np.arange(annual.size) * interval_h * HOUR_MS).astype(np.int64)
    return FundingPrints(
        ts_ms, annual * interval_h / HOURS_PER_YEAR, np.full(annual.size, interval_h)
    )


def _reverting(n: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary AR(1) of mean 10 % and standard deviation 8 %."""
    x, shock = np.empty(n), rng.standard_normal(n) * math.sqrt(1.0 - phi**2)
    x[0] = rng.standard_normal()
    for t in range(1, n):
        x[t] = phi * x[t - 1] + shock[t]
    return 0.10 + 0.08 * x


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.sampled_from([1.0, 4.0, 8.0]),
    st.floats(0.0, 0.9),
    st.integers(0, 40 * 24),
    st.sampled_from([SMALL, FundingEstimator(1, 0.7, 12)]),
)
def test_forecasts_at_many_origins_equal_the_scalar_form(
    seed: int, interval_h: float, missing: float, at_h: int, estimator: FundingEstimator
) -> None:
    """Also where prints are missing, and both refuse the same origins."""
    rng = np.random.default_rng(seed)
    whole = _prints(rng.standard_normal(int(30 * 24 / interval_h)), interval_h)
    kept = rng.random(whole.ts_ms.size) >= missing * rng.random()
    prints = FundingPrints(whole.ts_ms[kept], whole.rate[kept], whole.interval_h[kept])
    at_ms = np.array([0, at_h, 10 * 24, 15 * 24 + 3, 29 * 24], dtype=np.int64) * HOUR_MS
    found = funding_forecasts(prints, at_ms, estimator)
    for row, origin in enumerate(at_ms):
        try:
            one = funding_forecast(prints, int(origin), estimator)
        except InsufficientHistory:
            assert math.isnan(found.rate_annual[row])
            assert math.isnan(found.standard_error_annual[row])
            continue
        assert found.rate_annual[row] == pytest.approx(one.rate_annual, rel=1e-9, abs=1e-11)
        error = one.standard_error_annual
        assert found.standard_error_annual[row] == pytest.approx(error, rel=1e-9)
        assert found.half_life_days[row] == pytest.approx(one.half_life_days, rel=1e-9)
        assert found.n_prints[row] == one.n_prints


@given(st.integers(0, 999), st.integers(12 * 24, 29 * 24), st.floats(-1.0, 1.0))
def test_no_print_after_the_origin_has_a_say(seed: int, at_h: int, bend: float) -> None:
    prints = _prints(np.random.default_rng(seed).standard_normal(90), 8.0)
    bent = np.where(prints.ts_ms > at_h * HOUR_MS, bend, prints.rate)
    changed = FundingPrints(prints.ts_ms, bent, prints.interval_h)
    origin = np.array([at_h * HOUR_MS], dtype=np.int64)
    before, after = (funding_forecasts(p, origin, SMALL) for p in (prints, changed))
    assert before.rate_annual[0] == after.rate_annual[0]
    assert before.standard_error_annual[0] == after.standard_error_annual[0]


@settings(max_examples=30)
@given(st.integers(0, 999), st.floats(-1.0, 1.0), st.floats(0.1, 10.0))
def test_forecast_moves_with_the_level_and_scale_of_the_prints(
    seed: int, shift: float, scale: float
) -> None:
    annual = np.random.default_rng(seed).standard_normal(120)
    one = funding_forecast(_prints(annual, 8.0), 39 * DAY_MS, SMALL)
    two = funding_forecast(_prints(shift + scale * annual, 8.0), 39 * DAY_MS, SMALL)
    assert two.rate_annual == pytest.approx(shift + scale * one.rate_annual, abs=1e-8)
    assert two.standard_error_annual == pytest.approx(scale * one.standard_error_annual, rel=1e-6)
    assert two.half_life_days == pytest.approx(one.half_life_days, rel=1e-6)


@pytest.mark.parametrize("phi", [0.5, 0.8, 0.9])
def test_standard_error_of_an_ar1_is_the_error_that_is_then_realised(phi: float) -> None:
    """Squared misses over squared standard errors average near one; 600 separate histories."""
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(600):
        annual = _reverting(97, phi, rng)
        past = _prints(np.repeat(annual[:90], 3), 8.0)
        found = funding_forecasts(past, np.array([past.ts_ms[-1]], dtype=np.int64), WEEK)
        miss = annual[90:].mean() - found.rate_annual[0]
        ratios.append((miss / found.standard_error_annual[0]) ** 2)
    assert 0.8 < np.mean(ratios) < 1.35


@pytest.mark.parametrize("phi", [0.5, 0.8, 0.9])
def test_half_life_of_an_ar1_is_found(phi: float) -> None:
    rng = np.random.default_rng(8)
    histories = [_prints(np.repeat(_reverting(90, phi, rng), 3), 8.0) for _ in range(40)]
    found = [funding_forecast(p, int(p.ts_ms[-1]), WEEK) for p in histories]
    truth = -math.log(2.0) / math.log(phi)
    assert np.median([f.half_life_days for f in found]) == pytest.approx(truth, rel=0.3)
    assert all(0.5 <= f.half_life_days <= WEEK.half_life_max_days for f in found)


def test_hourly_and_eight_hourly_prints_of_one_daily_rate_agree() -> None:
    daily = _reverting(60, 0.8, np.random.default_rng(2))
    rare, often = (_prints(np.repeat(daily, 24 // h), float(h)) for h in (8, 1))
    at_ms = 60 * DAY_MS - 1
    one, two = (funding_forecast(p, at_ms, SMALL) for p in (rare, often))
    assert one.rate_annual == pytest.approx(two.rate_annual, rel=1e-12)
    assert one.standard_error_annual == pytest.approx(two.standard_error_annual, rel=1e-9)


@pytest.mark.parametrize(
    ("annual", "at_ms"),
    [
        (np.linspace(0.0, 0.1, 29), 10 * DAY_MS),
        (np.linspace(0.0, 0.1, 90), 32 * DAY_MS),
        (np.full(90, 0.1), 30 * DAY_MS),
        (np.linspace(0.0, 0.1, 90), -1),
    ],
    ids=["too few prints", "stale", "a rate that never moved", "none yet"],
)
def test_a_history_that_shows_no_error_is_refused(annual: np.ndarray, at_ms: int) -> None:
    with pytest.raises(InsufficientHistory, match="expected 30 on 10 days"):
        funding_forecast(_prints(annual, 8.0), at_ms, WEEK)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ts_ms", np.array([2, 1], dtype=np.int64), "rising"),
        ("rate", np.array([0.1, np.nan]), "finite"),
        ("interval_h", np.array([8.0, 0.0]), "above zero"),
        ("rate", np.array([0.1]), "per time"),
    ],
)
def test_unusable_prints_are_refused_in_one_line(
    field: str, value: np.ndarray, message: str
) -> None:
    good = {
        "ts_ms": np.array([1, 2], dtype=np.int64),
        "rate": np.array([0.1, 0.2]),
        "interval_h": np.array([8.0, 8.0]),
    }
    with pytest.raises(InputError, match=message):
        FundingPrints(**(good | {field: value}))


@pytest.mark.parametrize("settings_", [(0, 1.0, 90), (1, 0.0, 90), (1, 1.0, 9)])
def test_settings_without_meaning_are_refused(settings_: tuple[int, float, int]) -> None:
    with pytest.raises(InputError, match="window_days"):
        FundingEstimator(*settings_)


def _realised(prints: FundingPrints, start_ms: np.ndarray, stop_ms: np.ndarray) -> np.ndarray:
    """Average annual rate of (start, stop]; NaN unless nine tenths of its hours are there."""
    first, last = (np.searchsorted(prints.ts_ms, t, side="right") for t in (start_ms, stop_ms))
    paid, hours = (np.concatenate([[0.0], np.cumsum(v)]) for v in (prints.rate, prints.interval_h))
    covered = hours[last] - hours[first]
    known = covered >= 0.9 * (stop_ms - start_ms) / HOUR_MS
    annual = HOURS_PER_YEAR * (paid[last] - paid[first]) / np.where(known, covered, 1.0)
    return np.where(known, annual, np.nan)


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL"])
def test_forecast_beats_last_week_and_its_error_holds_on_hyperliquid(
    data_root: Path, coin: str
) -> None:
    """Root mean square error at 7 days below that of the trailing week, and calibrated."""
    path = data_root / "funding" / "funding_hyperliquid.parquet"
    rows = duckdb.execute(
        "select epoch_ms(ts) as ts_ms, rate, interval_h from read_parquet(?) where coin = ? "
        "order by ts",
        [str(path), coin],
    ).fetchnumpy()
    prints = FundingPrints(
        np.asarray(rows["ts_ms"], dtype=np.int64),
        np.asarray(rows["rate"], dtype=np.float64),
        np.asarray(rows["interval_h"], dtype=np.float64),
    )
    at_ms = np.arange(prints.ts_ms[0] + DAY_MS, prints.ts_ms[-1], DAY_MS, dtype=np.int64)
    found = funding_forecasts(prints, at_ms, WEEK)
    came = _realised(prints, at_ms, at_ms + 7 * DAY_MS)
    week = _realised(prints, at_ms - 7 * DAY_MS, at_ms)
    scored = np.isfinite(found.rate_annual) & np.isfinite(came) & np.isfinite(week)
    miss, naive = (came - found.rate_annual)[scored], (came - week)[scored]
    rmse, rmse_naive = (math.sqrt(np.mean(m**2)) for m in (miss, naive))
    inside = np.mean(np.abs(miss) < found.standard_error_annual[scored])
    print(f"{coin} 7 d: {rmse:.4f}, trailing week {rmse_naive:.4f}, inside {inside:.2f}")
    assert scored.sum() > 500
    assert rmse < rmse_naive
    assert 0.6 < inside < 0.85
