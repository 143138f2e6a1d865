# SPDX-License-Identifier: Apache-2.0
"""The week in volatility: any model, fitted to variances from which their season is divided out.

A market that never closes still has the week of those who trade in it. The factor of a season is
s = exp(mean log v of the season - mean over all seasons), from the training window alone: seven
weekdays where a period is a day; else each hour of working days and each hour of weekends. The
model sees v / s, r / sqrt(s) and RQ / s^2, and its forecast is multiplied by the mean s of the
periods ahead. Source: Andersen and Bollerslev (1997), whose periodic component is a smooth curve;
a mean for each season is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.har import span_of
from tidegate.forecast.model import Fitted, Model, Predicted, VolatilityHistory, check_horizon
from tidegate.forecast.realised import RealisedMeasures
from tidegate.model.times import DAY_MS, HOUR_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_SEASON_ROWS = 4
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0.
SATURDAY = 5
WEEKDAYS, HOURS_OF_WEEK = 7, 48
# No model looks further back to forecast than it does to fit on days.
RECENT_ROWS = 800


def seasons(start_ms: IntArray, period_ms: int) -> IntArray:
    """The season of each period: its weekday, or its hour and whether it is a weekend's."""
    weekday = (start_ms // DAY_MS + EPOCH_WEEKDAY) % WEEKDAYS
    if period_ms == DAY_MS:
        return np.asarray(weekday, dtype=np.int64)
    hour = start_ms % DAY_MS // HOUR_MS
    return np.asarray(hour + 24 * (weekday >= SATURDAY), dtype=np.int64)


def seasonal_factors(variance: FloatArray, season: IntArray, n_seasons: int) -> FloatArray:
    """exp(mean log v of a season - mean over seasons), float64[n_seasons].

    Raises: `InsufficientHistory` where a season has fewer than four realised rows.
    """
    known = variance > 0.0
    counts = np.bincount(season[known], minlength=n_seasons)
    if counts.min() < MIN_SEASON_ROWS:
        raise InsufficientHistory(
            "seasonal factors", "rows", f"expected at least {MIN_SEASON_ROWS} of every season"
        )
    means = np.bincount(season[known], np.log(variance[known]), n_seasons) / counts
    return np.asarray(np.exp(means - means.mean()))


@dataclass(frozen=True, slots=True)
class Seasonal:
    """A model of what is left of volatility when its season is divided out."""

    within: Model
    name: str

    def fit(self, past: VolatilityHistory, horizon: int) -> SeasonalFit:
        """Factors from the training window, then the model within.

        Raises: `InsufficientHistory` where a season is not known, or the model within refuses.
        """
        check_horizon(horizon)
        period_ms = past.measures.period_ms
        window = past.last(span_of(period_ms).train).measures
        n_seasons = WEEKDAYS if period_ms == DAY_MS else HOURS_OF_WEEK
        season = seasons(window.start_ms, period_ms)
        factors = seasonal_factors(window.variance, season, n_seasons)
        return SeasonalFit(self.within.fit(_adjusted(past, factors), horizon), factors, horizon)


@dataclass(frozen=True, slots=True, eq=False)
class SeasonalFit:
    """The fitted model within, and the factors."""

    within: Fitted
    factors: FloatArray
    horizon: int

    def predict(self, past: VolatilityHistory) -> Predicted:
        """The forecast within, times the mean factor of the h periods ahead."""
        period_ms = past.measures.period_ms
        recent = past.last(RECENT_ROWS)
        found = self.within.predict(_adjusted(recent, self.factors))
        steps = np.arange(1, self.horizon + 1, dtype=np.int64)
        ahead_ms = past.measures.start_ms[-1] + period_ms * steps
        factor = float(self.factors[seasons(ahead_ms, period_ms)].mean())
        return Predicted(
            found.variance * factor,
            found.log_median + math.log(factor),
            found.standard_error_log,
            found.n_train,
        )


def _adjusted(past: VolatilityHistory, factors: FloatArray) -> VolatilityHistory:
    """The history over its factors; what the implied variance covers is whole weeks."""
    m = past.measures
    s = factors[seasons(m.start_ms, m.period_ms)]
    measures = RealisedMeasures(
        m.start_ms,
        m.period_ms,
        m.variance / s,
        m.bipower / s,
        m.jump / s,
        m.semivariance_down / s,
        m.semivariance_up / s,
        m.quarticity / s**2,
        m.return_log / np.sqrt(s),
        m.set_aside,
    )
    return VolatilityHistory(measures, past.implied_variance)
