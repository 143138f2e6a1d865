# SPDX-License-Identifier: Apache-2.0
"""How good a variance forecast was: QLIKE, squared error, and a fair test between two models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import chi2
from scipy.stats import t as student_t

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.trailing import forward_mean
from tidegate.forecast.volatility import ewma_variance_daily, fit_log_har
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]


class Score(msgspec.Struct, frozen=True):
    """Mean losses over the rows where both a forecast and its realisation are known."""

    qlike: float
    mse: float
    n_scored: int
    n_left_out: int


class Comparison(msgspec.Struct, frozen=True):
    """Mean loss difference of two forecasts, its t-statistic and two-sided p-value."""

    mean_difference: float
    t_statistic: float
    p_value: float
    n_scored: int


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """Out-of-sample daily variance forecasts at every row, and what then came, float64[n]."""

    log_har: FloatArray
    ewma: FloatArray
    realised: FloatArray


def qlike(realised: FloatArray, forecast: FloatArray) -> FloatArray:
    """QLIKE loss y/h - log(y/h) - 1 of a variance forecast h against y, >= 0, robust to a noisy y.

    Args: `realised` and `forecast` float64[n], the same unit, > 0. Source: Patton (2011).
    """
    ratio = realised / forecast
    return np.asarray(ratio - np.log(ratio) - 1.0, dtype=np.float64)


def score(forecasts: FloatArray, realised: FloatArray) -> Score:
    """Mean QLIKE and squared error over the rows where both are known; the rest is counted.

    Raises: `InputError` on a value at or below zero, `InsufficientHistory` with nothing to score.
    """
    if forecasts.shape != realised.shape:
        raise InputError("score", "forecasts", "expected one per realised row")
    if np.any(forecasts <= 0.0) or np.any(realised <= 0.0):
        raise InputError("score", "forecasts and realised", "expected variances above zero")
    known = np.isfinite(forecasts) & np.isfinite(realised)
    if not known.any():
        raise InsufficientHistory("score", "rows", "expected at least one realised forecast")
    y, h = realised[known], forecasts[known]
    left_out = known.size - y.size
    return Score(float(qlike(y, h).mean()), float(np.mean((y - h) ** 2)), y.size, left_out)


def walk_forward(rv_daily: FloatArray, returns_daily: FloatArray, horizon_days: int) -> WalkForward:
    """Both models' forecasts at every row from the rows up to it alone; NaN where refused.

    Args: `rv_daily`, `returns_daily` float64[n]. The log-HAR is refitted at every row.
    """
    log_har, ewma = np.full((2, len(rv_daily)), np.nan)
    for stop in range(1, len(rv_daily) + 1):
        past_rv, past_returns = rv_daily[:stop], returns_daily[:stop]
        try:
            ewma[stop - 1] = ewma_variance_daily(past_rv)
            fit = fit_log_har(past_rv, past_returns, horizon_days)
            log_har[stop - 1] = fit.variance_daily(past_rv, past_returns)
        except InsufficientHistory:
            continue
    return WalkForward(log_har, ewma, forward_mean(rv_daily, horizon_days))


def diebold_mariano(loss_a: FloatArray, loss_b: FloatArray, horizon_days: int) -> Comparison:
    """Whether forecast a loses less than b: negative where it does.

    t = mean(d) / sqrt(V / n) with d = loss_a - loss_b and V its Newey-West variance at lag h - 1,
    times sqrt((n + 1 - 2h + h(h-1)/n) / n), against Student's t with n - 1 degrees of freedom.

    Args: losses float64[n] on the same rows. Raises: `InsufficientHistory` below 4 h rows.
    Source: Diebold and Mariano (1995); Harvey, Leybourne and Newbold (1997).
    """
    d = loss_a - loss_b
    n, h = d.size, horizon_days
    if n < max(10, 4 * h):
        raise InsufficientHistory("comparison", "rows", f"expected {max(10, 4 * h)}, got {n}")
    variance = newey_west_variance(d, h - 1)
    if variance <= 0.0:
        raise InsufficientHistory("comparison", "losses", "expected a difference that varies")
    correction = math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    t_statistic = correction * float(d.mean()) / math.sqrt(variance / n)
    p_value = 2.0 * float(student_t.sf(abs(t_statistic), n - 1))
    return Comparison(float(d.mean()), t_statistic, p_value, n)


def pooled_comparison(
    losses_a: Sequence[FloatArray], losses_b: Sequence[FloatArray], horizon_days: int
) -> Comparison:
    """The same test on the mean difference of several series, row by row.

    Series of one day move together, so a day counts once: d_t is the mean over those known at t.
    Args: losses float64[n] per series, on one grid, NaN where not known.
    """
    differences = np.stack([a - b for a, b in zip(losses_a, losses_b, strict=True)])
    known = np.isfinite(differences)
    count = known.sum(axis=0)
    mean = np.where(known, differences, 0.0).sum(axis=0)[count > 0] / count[count > 0]
    return diebold_mariano(mean, np.zeros_like(mean), horizon_days)


class MincerZarnowitz(msgspec.Struct, frozen=True):
    """y = intercept + slope h + e of a forecast h, and the p-value that they are 0 and 1."""

    intercept: float
    slope: float
    r_squared: float
    p_value: float
    n_scored: int


def mincer_zarnowitz(
    realised: FloatArray, forecast: FloatArray, horizon_days: int
) -> MincerZarnowitz:
    """Whether a forecast is unbiased: a Wald test with Newey-West errors at lag h - 1.

    Args: float64[n] on the same rows, finite. Raises: `InsufficientHistory` below 4 h rows or
    without variation. Source: Mincer and Zarnowitz (1969).
    """
    n = realised.size
    if n < max(10, 4 * horizon_days) or np.ptp(forecast) == 0.0:
        raise InsufficientHistory("Mincer-Zarnowitz", "rows", "expected more, that vary")
    scale = float(forecast.mean())
    y, x = realised / scale, np.column_stack([np.ones(n), forecast / scale])
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    errors = y - x @ beta
    bread = np.linalg.inv(x.T @ x)
    covariance = bread @ _long_run(x * errors[:, None], horizon_days - 1) @ bread
    off = beta - np.array([0.0, 1.0])
    wald = float(off @ np.linalg.solve(covariance, off))
    explained = 1.0 - float(errors @ errors) / float(((y - y.mean()) ** 2).sum())
    p_value = float(chi2.sf(wald, 2))
    return MincerZarnowitz(float(beta[0]) * scale, float(beta[1]), explained, p_value, n)


def _long_run(terms: FloatArray, lags: int) -> FloatArray:
    """Newey-West sum of outer products of rows, float64[k, k]."""
    total = terms.T @ terms
    for lag in range(1, lags + 1):
        cross = terms[lag:].T @ terms[:-lag]
        total = total + (1.0 - lag / (lags + 1)) * (cross + cross.T)
    return np.asarray(total)


def newey_west_variance(values: FloatArray, lags: int) -> float:
    """Long-run variance g_0 + 2 sum_l (1 - l/(L+1)) g_l of a series, never below zero.

    Args: `values` float64[n]; `lags` L in [0, n). Source: Newey and West (1987).
    """
    centred = values - values.mean()
    total = float(centred @ centred)
    for lag in range(1, lags + 1):
        total += 2.0 * (1.0 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return total / values.size
