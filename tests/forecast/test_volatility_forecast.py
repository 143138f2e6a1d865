# SPDX-License-Identifier: Apache-2.0
"""Log-HAR is unbiased on its own model, looks at nothing unrealised, and beats EWMA on data."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.realised import RealisedMeasures, realised_measures
from tidegate.forecast.scoring import (
    diebold_mariano,
    newey_west_variance,
    qlike,
    score,
    walk_forward,
)
from tidegate.forecast.trailing import forward_mean
from tidegate.forecast.volatility import (
    EWMA_DECAY,
    MIN_TRAIN_ROWS,
    ewma_variance_daily,
    fit_log_har,
    forecast_ewma,
    forecast_volatility,
)
from tidegate.model.errors import InputError
from tidegate.model.times import MINUTE_MS

TRUTH = np.array([-0.6, 0.35, 0.35, 0.22, -4.0])
NOISE = 0.4
# Rows that pass before 27 days, nine tenths of thirty, are there.
FIRST_MONTH = 26
COLD_DAYS = MIN_TRAIN_ROWS + FIRST_MONTH + 1


def _history(n_days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Daily RV that follows the log-HAR of `TRUTH`, with returns drawn from its variance."""
    rng = np.random.default_rng(seed)
    rv = np.full(n_days + 30, math.exp(TRUTH[0] / (1.0 - TRUTH[1:4].sum())))
    returns = np.zeros(n_days + 30)
    for t in range(30, n_days + 30):
        logs = [math.log(rv[t - k : t].mean()) for k in (1, 7, 30)]
        row = np.array([1.0, *logs, min(returns[t - 1], 0.0)])
        rv[t] = math.exp(row @ TRUTH + NOISE * rng.standard_normal())
        returns[t] = math.sqrt(rv[t]) * rng.standard_normal()
    return rv[30:], returns[30:]


def test_log_har_fitted_to_its_own_model_finds_its_parts_and_noise() -> None:
    fits = [fit_log_har(*_history(394, seed), 1) for seed in range(40)]
    found = np.array([fit.coefficients for fit in fits])
    error = found.std(axis=0) / math.sqrt(len(fits))
    assert np.all(np.abs(found.mean(axis=0) - TRUTH)[[1, 2, 4]] < 4.0 * error[[1, 2, 4]])
    assert np.mean([fit.residual_variance for fit in fits]) == pytest.approx(NOISE**2, rel=0.05)
    assert {fit.n_train for fit in fits} == {364}


def test_log_har_standard_error_covers_two_thirds_of_next_days() -> None:
    inside = []
    for seed in range(150):
        rv, returns = _history(300, seed)
        forecast = forecast_volatility(rv[:-1], returns[:-1], 1)
        miss = math.log(math.sqrt(365 * rv[-1]) / forecast.vol_annual) + 0.25 * NOISE**2
        inside.append(abs(miss) < forecast.standard_error_log)
    # A normal error lies inside one standard error 68.3 % of the time; 4 sigma of 150 trials.
    assert abs(np.mean(inside) - 0.683) < 4 * math.sqrt(0.683 * 0.317 / 150)


@settings(max_examples=25)
@given(st.integers(1, 10), st.integers(0, 99), st.floats(0.1, 10.0))
def test_training_rows_end_h_days_before_the_origin(h: int, seed: int, factor: float) -> None:
    """A row whose target is not realised has no say: refitting without the last day's target."""
    rv, returns = _history(220, seed)
    fit = fit_log_har(rv, returns, h)
    assert fit.n_train == 220 - FIRST_MONTH - h
    bent = returns.copy()
    bent[-h:] *= factor
    again = fit_log_har(rv, bent, h)
    assert np.array_equal(again.coefficients, fit.coefficients)


@settings(max_examples=25)
@given(st.integers(0, 99), st.floats(0.01, 100.0), st.integers(1, 7))
def test_log_har_is_equivariant_to_the_unit_of_variance(seed: int, unit: float, h: int) -> None:
    rv, returns = _history(200, seed)
    plain, scaled = (fit_log_har(rv * u, returns, h) for u in (1.0, unit))
    expected = unit * plain.variance_daily(rv, returns)
    assert scaled.variance_daily(rv * unit, returns) == pytest.approx(expected, rel=1e-6)


def test_a_hole_costs_the_rows_that_touch_it_and_is_not_bridged() -> None:
    rv, returns = _history(394, 1)
    rv[200], returns[200] = np.nan, np.nan
    # Lost: its own regressors (t=200), six more weeks that hold it, and the target at t=199.
    assert fit_log_har(rv, returns, 1).n_train == 364 - 8
    rv[60:300] = np.nan
    with pytest.raises(InsufficientHistory, match="training rows: expected at least 120"):
        fit_log_har(rv, returns, 1)


@pytest.mark.parametrize("n_days", [5, 60, COLD_DAYS - 1, COLD_DAYS])
def test_the_cold_start_is_ewma_until_log_har_has_its_rows(n_days: int) -> None:
    forecast = forecast_volatility(*_history(n_days, 2), 1)
    assert forecast.model == ("log-har" if n_days >= COLD_DAYS else "ewma")
    assert forecast.vol_annual > 0.0
    assert forecast.standard_error_log > 0.0


@pytest.mark.parametrize("n_days", [0, 1, 4])
def test_fewer_than_five_days_are_refused_and_never_given_a_default(n_days: int) -> None:
    with pytest.raises(InsufficientHistory, match="expected at least 5 of the last 10"):
        forecast_volatility(*_history(n_days, 2), 1)


def test_a_stale_history_is_refused_though_long() -> None:
    rv, returns = _history(300, 3)
    rv[-6:] = np.nan
    with pytest.raises(InsufficientHistory, match="got 4"):
        forecast_volatility(rv, returns, 1)


def test_an_unknown_last_day_falls_back_to_ewma() -> None:
    rv, returns = _history(300, 3)
    rv[-1] = np.nan
    assert forecast_volatility(rv, returns, 1).model == "ewma"


def test_a_history_that_never_varies_is_refused_by_log_har() -> None:
    with pytest.raises(InsufficientHistory, match="vary"):
        fit_log_har(np.full(300, 1e-4), np.zeros(300), 1)


def test_a_fit_asked_to_forecast_from_an_unknown_day_refuses() -> None:
    rv, returns = _history(300, 3)
    fit = fit_log_har(rv, returns, 1)
    for unknown in (np.full(30, np.nan), np.empty(0)):
        with pytest.raises(InsufficientHistory, match="last day: expected it realised"):
            fit.forecast(unknown, unknown)


def test_unusable_rows_are_refused_in_one_line() -> None:
    rv, returns = _history(200, 0)
    for bad in (-rv, np.where(rv == rv[5], np.inf, rv)):
        with pytest.raises(InputError, match="none below zero"):
            fit_log_har(bad, returns, 1)
    with pytest.raises(InputError, match="one per row"):
        fit_log_har(rv, returns[1:], 1)
    with pytest.raises(InputError, match="horizon_days"):
        fit_log_har(rv, returns, 0)


@given(st.lists(st.floats(1e-6, 1.0), min_size=10, max_size=60))
def test_ewma_of_many_days_obeys_its_recursion(values: list[float]) -> None:
    """With weights that sum to one: E_t = (x_t + d S E_{t-1}) / (1 + d S), S the weights' sum."""
    rv = np.array(values)
    before, after = ewma_variance_daily(rv[:-1]), ewma_variance_daily(rv)
    carried = EWMA_DECAY * (1.0 - EWMA_DECAY ** (len(rv) - 1)) / (1.0 - EWMA_DECAY)
    assert after == pytest.approx((rv[-1] + carried * before) / (1.0 + carried), rel=1e-9)


def test_ewma_leaves_holes_out_but_ages_what_lies_before_them() -> None:
    rv = np.array([1.0, *[np.nan] * 3, *[3.0] * 6])
    weights = np.array([EWMA_DECAY**k for k in (9, 5, 4, 3, 2, 1, 0)])
    expected = weights @ [1.0, *[3.0] * 6] / weights.sum()
    assert forecast_ewma(rv).vol_annual == pytest.approx(math.sqrt(365 * expected), rel=1e-12)


def test_forward_mean_is_unknown_until_realised() -> None:
    ahead = forward_mean(np.arange(1.0, 7.0), 2)
    assert ahead[:4].tolist() == [2.5, 3.5, 4.5, 5.5]
    assert np.isnan(ahead[4:]).all()


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_qlike_is_zero_only_at_the_truth_and_dearer_below_it(y: float, ratio: float) -> None:
    loss = float(qlike(np.array(y), np.array(y * ratio)))
    assert loss >= -1e-12
    if ratio < 0.9:
        assert loss > float(qlike(np.array(y), np.array(y / ratio)))


def test_score_counts_what_it_leaves_out_and_refuses_to_score_nothing() -> None:
    found = score(np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, 1.0]))
    assert (found.n_scored, found.n_left_out) == (2, 1)
    assert found.qlike == pytest.approx((0.5 + math.log(2.0) - 1.0) / 2.0)
    assert found.mse == pytest.approx(0.5)
    with pytest.raises(InsufficientHistory, match="at least one"):
        score(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(InputError, match="above zero"):
        score(np.array([0.0]), np.array([1.0]))


def test_newey_west_of_correlated_noise_is_near_its_long_run_variance() -> None:
    """AR(1) of unit innovations: the long-run variance is 1/(1 - phi)^2 = 4 at phi = 1/2."""
    rng = np.random.default_rng(0)
    noise, x = rng.standard_normal(60_000), np.zeros(60_000)
    for t in range(1, x.size):
        x[t] = 0.5 * x[t - 1] + noise[t]
    assert newey_west_variance(x, 100) == pytest.approx(4.0, rel=0.1)
    assert newey_west_variance(x, 0) == pytest.approx(float(x.var()), rel=1e-12)


def test_diebold_mariano_of_equal_forecasts_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    tests = [diebold_mariano(*rng.standard_normal((2, 60)), 1) for _ in range(800)]
    rejected = np.mean([test.p_value < 0.1 for test in tests])
    assert abs(rejected - 0.1) < 4 * math.sqrt(0.09 / 800)


def _daily(data_root: Path, symbol: str) -> RealisedMeasures:
    path = data_root / "ohlcv" / "binance_usdm_perp_15m.parquet"
    rows = duckdb.execute(
        "select epoch_ms(ts) as ts_ms, close from read_parquet(?) where symbol = ? order by ts",
        [str(path), symbol],
    ).fetchnumpy()
    close = np.asarray(rows["close"], dtype=np.float64)
    return realised_measures(np.asarray(rows["ts_ms"], dtype=np.int64), close, 15 * MINUTE_MS)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_log_har_beats_ewma_on_binance_days_out_of_sample(data_root: Path, coin: str) -> None:
    """Every forecast is made from the past alone; the data's hole is left where it is."""
    days = _daily(data_root, _symbol(data_root, coin))
    walked = walk_forward(days.variance, days.return_log, 1)
    both = np.isfinite(walked.log_har) & np.isfinite(walked.realised)
    har = score(walked.log_har[both], walked.realised[both])
    ewma = score(walked.ewma[both], walked.realised[both])
    losses = (qlike(walked.realised[both], h[both]) for h in (walked.log_har, walked.ewma))
    test = diebold_mariano(*losses, 1)
    print(
        f"{coin} QLIKE 1 d: log-HAR {har.qlike:.4f}, EWMA {ewma.qlike:.4f}, "
        f"t {test.t_statistic:.2f}, n {har.n_scored}"
    )
    assert har.n_scored > 300
    assert har.qlike < ewma.qlike
    assert test.p_value < 0.01


def _symbol(data_root: Path, coin: str) -> str:
    path = data_root / "ohlcv" / "binance_usdm_perp_15m.parquet"
    query = "select min(symbol) from read_parquet(?) where symbol like ?"
    row = duckdb.execute(query, [str(path), f"{coin}%"]).fetchone()
    assert row is not None
    return str(row[0])
