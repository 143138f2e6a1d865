# SPDX-License-Identifier: Apache-2.0
"""Volatility over the next h days: log-HAR with leverage, and EWMA while history is short.

Both read a gapless grid of UTC days, with NaN for a day that is not known, and forecast from its
last row. The cold start is explicit: log-HAR needs 120 training rows whose target is realised,
EWMA five realised days among the last ten, and below that there is no forecast at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.trailing import forward_mean, trailing_mean
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

DAYS_PER_YEAR = 365
TRAIN_DAYS = 365
WEEK_DAYS, MONTH_DAYS = 7, 30
MIN_TRAIN_ROWS = 120
EWMA_DECAY = 0.94
EWMA_MIN_DAYS, EWMA_FRESH_DAYS = 5, 10


class VolatilityForecast(msgspec.Struct, frozen=True):
    """Expected volatility over a horizon, and how wrong its logarithm is likely to be.

    `vol_annual` is the root of 365 times the expected mean daily variance. `standard_error_log`
    is the standard deviation of log realised volatility about the forecast.
    """

    vol_annual: float
    standard_error_log: float
    model: Literal["log-har", "ewma"]
    n_train: int


@dataclass(frozen=True, slots=True, eq=False)
class LogHarFit:
    """A fitted log-HAR: coefficients (b0, bd, bw, bm, g), residual variance and (X'X)^-1."""

    coefficients: FloatArray
    residual_variance: float
    gram_inverse: FloatArray
    horizon_days: int
    n_train: int

    def variance_daily(self, rv_daily: FloatArray, returns_daily: FloatArray) -> float:
        """Expected mean daily variance exp(mu + s^2 / 2) after the last row; NaN if unknown."""
        mu = float(_last_regressors(rv_daily, returns_daily) @ self.coefficients)
        return math.exp(mu + 0.5 * self.residual_variance)

    def forecast(self, rv_daily: FloatArray, returns_daily: FloatArray) -> VolatilityForecast:
        """Forecast from the last row; the coefficients' own error is part of the standard error.

        Args: `rv_daily`, `returns_daily` float64[n], n >= 30, of one origin.
        Raises: `InsufficientHistory` where a regressor of the last row is not known.
        """
        row = _last_regressors(rv_daily, returns_daily)
        if not np.all(np.isfinite(row)):
            raise InsufficientHistory("volatility forecast", "last day", "expected it realised")
        variance = self.residual_variance * (1.0 + float(row @ self.gram_inverse @ row))
        vol_annual = math.sqrt(DAYS_PER_YEAR * self.variance_daily(rv_daily, returns_daily))
        return VolatilityForecast(vol_annual, 0.5 * math.sqrt(variance), "log-har", self.n_train)


def fit_log_har(rv_daily: FloatArray, returns_daily: FloatArray, horizon_days: int) -> LogHarFit:
    """Least squares of the direct h-day log-HAR with leverage over the last 365 days.

    log y_t = b0 + bd log RV_t + bw log RV_7 + bm log RV_30 + g min(r_t, 0) + e, where y_t is the
    mean RV of t+1..t+h, and RV_7 and RV_30 are trailing means that include t. The last h rows,
    whose target is not realised, are not used; nor is a row that touches a hole.

    Args: `rv_daily` float64[n], squared log return per day; `returns_daily` float64[n], log.
    Raises: `InsufficientHistory` below 120 rows or without variation, `InputError`.
    Source: Corsi (2009) for HAR, Corsi and Reno (2012) for leverage; calendar lags are ours.
    """
    _check(rv_daily, returns_daily, horizon_days)
    keep = TRAIN_DAYS + MONTH_DAYS - 1
    rv, returns = rv_daily[-keep:], returns_daily[-keep:]
    rows, target = _regressors(rv, returns), np.log(forward_mean(rv, horizon_days))
    used = np.isfinite(target) & np.all(np.isfinite(rows), axis=1)
    used[:-TRAIN_DAYS] = False
    rows, target = rows[used], target[used]
    if len(target) < MIN_TRAIN_ROWS:
        raise InsufficientHistory(
            "log-HAR", "training rows", f"expected at least {MIN_TRAIN_ROWS}, got {len(target)}"
        )
    coefficients, _, rank, _ = np.linalg.lstsq(rows, target, rcond=None)
    if rank < rows.shape[1]:
        raise InsufficientHistory("log-HAR", "training rows", "expected regressors that vary")
    residuals = target - rows @ coefficients
    variance = float(residuals @ residuals) / (len(target) - rows.shape[1])
    gram_inverse = np.linalg.inv(rows.T @ rows)
    return LogHarFit(coefficients, variance, gram_inverse, horizon_days, len(target))


def ewma_variance_daily(rv_daily: FloatArray) -> float:
    """Exponentially weighted mean of daily RV, sum 0.94^k RV_{t-k} / sum 0.94^k, holes left out.

    Args: `rv_daily` float64[n]. Returns: daily variance. Raises: `InsufficientHistory` with
    fewer than five realised days among the last ten. Source: J.P. Morgan RiskMetrics (1996).
    """
    weights, values = _ewma_weights(rv_daily)
    return float(weights @ values)


def forecast_ewma(rv_daily: FloatArray) -> VolatilityForecast:
    """EWMA forecast; its error is the weighted spread of log RV itself, as if nothing persisted.

    standard error = 1/2 sd(log RV) sqrt(1 + sum w^2), a bound from above for any horizon.
    """
    weights, values = _ewma_weights(rv_daily)
    logs, concentration = np.log(values), float(weights @ weights)
    spread = float(weights @ (logs - weights @ logs) ** 2) / (1.0 - concentration)
    error = 0.5 * math.sqrt(spread * (1.0 + concentration))
    vol_annual = math.sqrt(DAYS_PER_YEAR * float(weights @ values))
    return VolatilityForecast(vol_annual, error, "ewma", len(values))


def forecast_volatility(
    rv_daily: FloatArray, returns_daily: FloatArray, horizon_days: int
) -> VolatilityForecast:
    """Log-HAR where it can be fitted and its regressors are known, else EWMA, else a refusal.

    Args: `rv_daily`, `returns_daily` float64[n] on a gapless daily grid, up to the origin.
    Raises: `InsufficientHistory` where EWMA is refused too, `InputError`.
    """
    try:
        fit = fit_log_har(rv_daily, returns_daily, horizon_days)
        return fit.forecast(rv_daily, returns_daily)
    except InsufficientHistory:
        return forecast_ewma(rv_daily)


def _regressors(rv_daily: FloatArray, returns_daily: FloatArray) -> FloatArray:
    """Rows (1, log RV, log RV_7, log RV_30, min(r, 0)), float64[n, 5], NaN where not known."""
    lags = [np.log(trailing_mean(rv_daily, n)) for n in (1, WEEK_DAYS, MONTH_DAYS)]
    columns = [np.ones(len(rv_daily)), *lags, np.minimum(returns_daily, 0.0)]
    return np.asarray(np.column_stack(columns), dtype=np.float64)


def _last_regressors(rv_daily: FloatArray, returns_daily: FloatArray) -> FloatArray:
    """Regressors of the last row alone."""
    if len(rv_daily) == 0:
        raise InsufficientHistory("volatility forecast", "last day", "expected it realised")
    rows = _regressors(rv_daily[-MONTH_DAYS:], returns_daily[-MONTH_DAYS:])
    return np.asarray(rows[-1], dtype=np.float64)


def _ewma_weights(rv_daily: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights that sum to one and the realised values that they belong to, newest last."""
    realised = rv_daily > 0.0
    recent = int(realised[-EWMA_FRESH_DAYS:].sum())
    if recent < EWMA_MIN_DAYS:
        raise InsufficientHistory(
            "volatility forecast",
            "realised days",
            f"expected at least {EWMA_MIN_DAYS} of the last {EWMA_FRESH_DAYS}, got {recent}",
        )
    ages = np.arange(len(rv_daily) - 1, -1, -1)[realised]
    weights = np.exp(math.log(EWMA_DECAY) * ages)
    return np.asarray(weights / weights.sum()), rv_daily[realised]


def _check(rv_daily: FloatArray, returns_daily: FloatArray, horizon_days: int) -> None:
    """Refuse arrays of unequal length, a negative variance, an infinity, a horizon below a day."""
    if rv_daily.ndim != 1 or rv_daily.shape != returns_daily.shape:
        raise InputError("volatility forecast", "returns_daily", "expected one per row of rv_daily")
    if np.any(rv_daily < 0.0) or np.any(np.isinf(rv_daily)) or np.any(np.isinf(returns_daily)):
        raise InputError("volatility forecast", "rv_daily", "expected finite rows, none below zero")
    if horizon_days < 1:
        raise InputError(
            "volatility forecast", "horizon_days", f"expected >= 1, got {horizon_days}"
        )
