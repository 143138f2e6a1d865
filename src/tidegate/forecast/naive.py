# SPDX-License-Identifier: Apache-2.0
"""Models without parameters to estimate: the last realised mean, and one that forgets slowly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.har import span_of
from tidegate.forecast.model import Predicted, VolatilityHistory, check_horizon, log_errors
from tidegate.forecast.trailing import forward_mean, last_trailing_mean, trailing_mean
from tidegate.forecast.volatility import ewma_variance_daily, forecast_ewma

MIN_ERROR_ROWS = 20


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """The next h periods are as the last h were; error from the same forecast made before."""

    name: str = "random walk"

    def fit(self, past: VolatilityHistory, horizon: int) -> RandomWalkFit:
        """Spread of log(next h / last h) over the training window; at least twenty rows."""
        check_horizon(horizon)
        span = span_of(past.measures.period_ms)
        variance = past.last(span.train + horizon).measures.variance
        behind, ahead = trailing_mean(variance, horizon), forward_mean(variance, horizon)
        centre, spread, n = log_errors(ahead, behind, MIN_ERROR_ROWS)
        return RandomWalkFit(horizon, centre, spread, n)


@dataclass(frozen=True, slots=True)
class RandomWalkFit:
    """Centre and spread of the logarithm of next over last."""

    horizon: int
    log_centre: float
    log_spread: float
    n_train: int

    def predict(self, past: VolatilityHistory) -> Predicted:
        """The last h periods' mean variance; `InsufficientHistory` where it is not known."""
        variance = last_trailing_mean(past.measures.variance, self.horizon)
        if not math.isfinite(variance):
            raise InsufficientHistory("random walk", "last rows", "expected them realised")
        median = math.log(variance) + self.log_centre
        return Predicted(variance, median, self.log_spread, self.n_train)


@dataclass(frozen=True, slots=True)
class Ewma:
    """Exponentially weighted mean of realised variance, decay 0.94 a period, holes left out.

    It is the forecast of last resort: five realised rows among the last ten are enough.
    Source: J.P. Morgan RiskMetrics (1996).
    """

    name: str = "EWMA"

    def fit(self, past: VolatilityHistory, horizon: int) -> EwmaFit:
        """Nothing is estimated."""
        check_horizon(horizon)
        return EwmaFit()


@dataclass(frozen=True, slots=True)
class EwmaFit:
    """EWMA has no parameters of its own."""

    def predict(self, past: VolatilityHistory) -> Predicted:
        """Weighted mean, with the weighted spread of log variance as its error.

        Raises: `InsufficientHistory` with fewer than five realised rows among the last ten.
        """
        recent = past.last(span_of(past.measures.period_ms).train).measures.variance
        variance = ewma_variance_daily(recent)
        found = forecast_ewma(recent)
        error = 2.0 * found.standard_error_log
        return Predicted(variance, math.log(variance) - 0.5 * error**2, error, found.n_train)
