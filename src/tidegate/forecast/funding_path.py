# SPDX-License-Identifier: Apache-2.0
"""The funding forecast at every origin of a run at once; `funding.py` says what it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.funding import (
    HOURS_PER_YEAR,
    MIN_COVERED_H,
    MIN_DAYS,
    MIN_FRESH_DAYS,
    MIN_PRINTS,
    MIN_SPREAD_ANNUAL,
    FundingEstimator,
    FundingPrints,
    persistence_bounds,
)
from tidegate.model.times import DAY_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class FundingForecasts:
    """The fields of `FundingForecast` at m origins; NaN at an origin that has to be refused."""

    rate_annual: FloatArray
    standard_error_annual: FloatArray
    half_life_days: FloatArray
    n_prints: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """Daily means [m, window], newest first: annual rate (0 in a hole) and whether it is known."""

    rate_annual: FloatArray
    known: BoolArray

    def count(self) -> FloatArray:
        """Known days of each origin as a column, at least 1 so that it can divide."""
        count = self.known.sum(axis=1, keepdims=True, dtype=np.float64)
        return np.asarray(np.maximum(count, 1.0))


def funding_forecasts(
    prints: FundingPrints, at_ms: IntArray, estimator: FundingEstimator
) -> FundingForecasts:
    """Forecasts at every origin, each from the prints settled at or before it.

    Prefix sums give the [m, window] array of daily means without a loop over prints.

    Args: `at_ms` int64[m]. Returns: arrays of shape [m], NaN where `funding_forecast` refuses.
    """
    days, n_prints = _daily_means(prints, at_ms, estimator.window_days)
    mean = days.rate_annual.sum(axis=1, keepdims=True) / days.count()
    deviations = np.where(days.known, days.rate_annual - mean, 0.0)
    phi = _autocorrelation(deviations, days.known, estimator)
    weights = _forecast_weights(days, phi, estimator)
    ahead = np.full((len(at_ms), estimator.horizon_days), 1.0 / estimator.horizon_days)
    errors = np.concatenate([ahead, -weights], axis=1)
    variance = _process_variance(deviations, days, phi) * _correlated_square(errors, phi)
    spread = np.square(deviations).sum(axis=1) / days.count()[:, 0]
    refused = ~(_enough(days, n_prints) & (spread > MIN_SPREAD_ANNUAL**2))
    return FundingForecasts(
        np.where(refused, np.nan, (weights * days.rate_annual).sum(axis=1)),
        np.where(refused, np.nan, np.sqrt(variance)),
        np.where(refused, np.nan, -1.0 / np.log2(phi)),
        n_prints,
    )


def _daily_means(
    prints: FundingPrints, at_ms: IntArray, window_days: int
) -> tuple[_Days, IntArray]:
    """Daily means by age at each origin, and the prints in each window."""
    ages_ms = np.arange(window_days + 1, dtype=np.int64) * DAY_MS
    cuts = np.searchsorted(prints.ts_ms, at_ms[:, None] - ages_ms, side="right")
    hours = _sums_between(prints.interval_h, cuts)
    known = hours >= MIN_COVERED_H
    paid = _sums_between(prints.rate * HOURS_PER_YEAR, cuts)
    rate_annual = np.where(known, paid / np.where(known, hours, 1.0), 0.0)
    return _Days(rate_annual, known), (cuts[:, 0] - cuts[:, -1]).astype(np.int64)


def _sums_between(values: FloatArray, cuts: npt.NDArray[np.intp]) -> FloatArray:
    """Sums of values between neighbouring cuts of each row, newest first."""
    running = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(running[cuts[:, :-1]] - running[cuts[:, 1:]], dtype=np.float64)


def _enough(days: _Days, n_prints: IntArray) -> BoolArray:
    """Where the history is long and fresh enough, bool[m]."""
    fresh = days.known[:, :MIN_FRESH_DAYS].any(axis=1)
    many = (n_prints >= MIN_PRINTS) & (days.known.sum(axis=1) >= MIN_DAYS)
    return np.asarray(many & fresh, dtype=np.bool_)


def _autocorrelation(
    deviations: FloatArray, known: BoolArray, estimator: FundingEstimator
) -> FloatArray:
    """Daily AR(1) coefficient of each origin, bias-corrected and held in its bounds."""
    low, high = persistence_bounds(estimator)
    both = known[:, 1:] & known[:, :-1]
    newer, older = np.where(both, deviations[:, :-1], 0.0), np.where(both, deviations[:, 1:], 0.0)
    square = np.square(newer).sum(axis=1) * np.square(older).sum(axis=1)
    raw = (newer * older).sum(axis=1) / np.sqrt(np.where(square > 0.0, square, 1.0))
    corrected = raw + (1.0 + 3.0 * raw) / np.maximum(both.sum(axis=1), 1)
    return np.where(square > 0.0, np.clip(corrected, low, high), high)


def _forecast_weights(days: _Days, phi: FloatArray, estimator: FundingEstimator) -> FloatArray:
    """Weight of each known day in the forecast, [m, window], rows summing to one."""
    horizon, rows = estimator.horizon_days, np.arange(len(phi))
    newest = days.known.argmax(axis=1)
    kappa = phi ** (newest + 1) * (1.0 - phi**horizon) / (horizon * (1.0 - phi))
    ages = np.arange(days.known.shape[1])
    recency = np.where(days.known, 0.5 ** (ages / estimator.half_life_days), 0.0)
    total = recency.sum(axis=1)
    weights = ((1.0 - kappa) / np.where(total > 0.0, total, 1.0))[:, None] * recency
    weights[rows, newest] += kappa
    return np.asarray(weights)


def _process_variance(deviations: FloatArray, days: _Days, phi: FloatArray) -> FloatArray:
    """Variance of the daily rate, freed of the bias that autocorrelation puts in its sample."""
    variance_of_mean = _correlated_square(days.known / days.count(), phi)
    free = np.maximum(days.count()[:, 0] * (1.0 - variance_of_mean), np.finfo(np.float64).tiny)
    return np.asarray(np.square(deviations).sum(axis=1) / free)


def _correlated_square(weights: FloatArray, phi: FloatArray) -> FloatArray:
    """sum_ij a_i a_j phi^|i - j| of each row, in one pass over the days.

    g_k = phi (g_{k-1} + a_{k-1}) carries what all earlier days say about day k.
    """
    total, carried = np.zeros_like(phi), np.zeros_like(phi)
    for column in weights.T:
        total += column * (column + 2.0 * carried)
        carried = phi * (carried + column)
    return total
