# SPDX-License-Identifier: Apache-2.0
"""The family of heterogeneous autoregressions: in levels or logarithms, with what may be added.

With v the realised variance of a period and the means v_a, v_b of the last a and b periods (7 and
30 days, or 24 and 168 hours):

    y = b0 + b1 f(v_t) + b2 f(v_a) + b3 f(v_b) [+ g min(r_t, 0) / sqrt(v_b)]
        [+ q log(RQ_t / v_t^2)] [+ d log(implied variance_t)] + e,

f the logarithm or the identity and y = f of the mean v of t+1..t+h. The forecast is
exp(mu + s^2 / 2) in logarithms, and in levels mu kept within the targets seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.model import Predicted, VolatilityHistory, check_horizon, log_errors
from tidegate.forecast.trailing import forward_mean, last_trailing_mean, trailing_mean
from tidegate.model.times import DAY_MS, HOUR_MS

FloatArray = npt.NDArray[np.float64]

MIN_TRAIN_ROWS = 120


@dataclass(frozen=True, slots=True)
class Span:
    """Lags and training window of a grid, in its own periods."""

    middle: int
    long: int
    train: int


DAYS, HOURS = Span(7, 30, 365), Span(24, 168, 180 * 24)


def span_of(period_ms: int) -> Span:
    """Days have a week, a month and a year; anything finer has them per hour."""
    if period_ms == DAY_MS:
        return DAYS
    scale = max(1, HOUR_MS // period_ms)
    return Span(HOURS.middle * scale, HOURS.long * scale, HOURS.train * scale)


@dataclass(frozen=True, slots=True)
class Har:
    """Which member of the family.

    Source: Corsi (2009); leverage Corsi and Reno (2012); the measurement error of v_t through its
    quarticity after Bollerslev, Patton and Quaedvlieg (2016), here as a regressor in logarithms.
    """

    name: str
    in_logs: bool = True
    leverage: bool = False
    quarticity: bool = False
    implied: bool = False

    def fit(self, past: VolatilityHistory, horizon: int) -> HarFit:
        """Least squares over the rows of the training window whose target is realised.

        Raises: `InsufficientHistory` below 120 rows, without variation or implied variances.
        """
        check_horizon(horizon)
        span = span_of(past.measures.period_ms)
        window = past.last(span.train + span.long - 1)
        rows = self._rows(window, span)
        ahead = forward_mean(window.measures.variance, horizon)
        target = np.log(ahead) if self.in_logs else ahead
        used = np.isfinite(target) & np.all(np.isfinite(rows), axis=1)
        used[: -span.train] = False
        return _least_squares(self, rows[used], target[used])

    def _rows(self, window: VolatilityHistory, span: Span) -> FloatArray:
        """Regressors float64[n, k], NaN where not known."""
        m = window.measures
        lags = [trailing_mean(m.variance, n) for n in (1, span.middle, span.long)]
        columns = [np.ones(len(m)), *(np.log(lag) if self.in_logs else lag for lag in lags)]
        return np.column_stack([*columns, *self._extra(window, lags[2])])

    def last_row(self, past: VolatilityHistory) -> FloatArray:
        """Regressors of the last row alone, float64[k]."""
        span = span_of(past.measures.period_ms)
        variance = past.last(span.long).measures.variance
        lags = [last_trailing_mean(variance, n) for n in (1, span.middle, span.long)]
        extra = self._extra(past.last(1), np.array(lags[2:]))
        lagged = np.log(lags) if self.in_logs else lags
        return np.array([1.0, *lagged, *(float(column[-1]) for column in extra)])

    def _extra(self, window: VolatilityHistory, long_mean: FloatArray) -> list[FloatArray]:
        m, extra = window.measures, []
        if self.leverage:
            extra.append(np.minimum(m.return_log, 0.0) / np.sqrt(long_mean))
        if self.quarticity:
            known = np.where(m.variance > 0.0, m.variance, np.nan)
            extra.append(np.log(m.quarticity / known**2))
        if self.implied:
            if window.implied_variance is None:
                raise InsufficientHistory(
                    self.name, "implied variance", "expected a series of it, there is none"
                )
            extra.append(np.log(window.implied_variance))
        return extra


@dataclass(frozen=True, slots=True, eq=False)
class HarFit:
    """A fitted member: coefficients, residual variance, (X'X)^-1, and the targets' range."""

    model: Har
    coefficients: FloatArray
    residual_variance: float
    gram_inverse: FloatArray
    target_range: tuple[float, float]
    log_error: tuple[float, float]
    n_train: int

    def predict(self, past: VolatilityHistory) -> Predicted:
        """Forecast from the last row; the coefficients' own error is part of the standard error.

        Raises: `InsufficientHistory` where a regressor of the last row is not known.
        """
        row = self.model.last_row(past)
        if not np.all(np.isfinite(row)):
            raise InsufficientHistory("volatility forecast", "last row", "expected it realised")
        mu, wide = float(row @ self.coefficients), 1.0 + float(row @ self.gram_inverse @ row)
        if self.model.in_logs:
            variance = math.exp(mu + 0.5 * self.residual_variance)
            error = math.sqrt(self.residual_variance * wide)
            return Predicted(variance, mu, error, self.n_train)
        variance = min(max(mu, self.target_range[0]), self.target_range[1])
        centre, spread = self.log_error
        error = spread * math.sqrt(wide)
        return Predicted(variance, math.log(variance) + centre, error, self.n_train)


def _least_squares(model: Har, rows: FloatArray, target: FloatArray) -> HarFit:
    n, k = rows.shape
    if n < MIN_TRAIN_ROWS:
        raise InsufficientHistory(
            model.name, "training rows", f"expected at least {MIN_TRAIN_ROWS}, got {n}"
        )
    coefficients, _, rank, _ = np.linalg.lstsq(rows, target, rcond=None)
    if rank < k:
        raise InsufficientHistory(model.name, "training rows", "expected regressors that vary")
    fitted = rows @ coefficients
    residuals = target - fitted
    seen = float(target.min()), float(target.max())
    error = (0.0, 0.0)
    if not model.in_logs:
        centre, spread, _ = log_errors(target, np.clip(fitted, *seen), MIN_TRAIN_ROWS)
        error = centre, spread
    return HarFit(
        model,
        np.asarray(coefficients, dtype=np.float64),
        float(residuals @ residuals) / (n - k),
        np.asarray(np.linalg.inv(rows.T @ rows), dtype=np.float64),
        seen,
        error,
        n,
    )
