# SPDX-License-Identifier: Apache-2.0
"""Expected average funding of one instrument over the next days, from its past prints alone.

Prints are averaged by day of age before the origin (0-24 h, 24-48 h, ...), because funding has a
daily rhythm and venues print at different intervals. With x_j the annual rate of age j, f its
exponentially weighted mean over the window, phi the daily autocorrelation and x_0 the newest day,

    forecast = f + kappa (x_0 - f),   kappa = phi (1 - phi^H) / (H (1 - phi)),

so what is unusual today is shrunk to the longer mean as fast as an AR(1) forgets it over H days.

The standard error is that of the realised H-day average about the forecast. The error is
sum a_k x_k over past and future days, where a is -1 times the forecast's weights on the past and
1/H on the future, and under AR(1) its variance is sigma^2 sum_ij a_i a_j phi^|i-j|. The weights
sum to zero, so the unknown mean drops out, and autocorrelation counts in full (Bayley and
Hammersley 1946, the effective number of observations, is the case of a plain past mean).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

HOURS_PER_YEAR = 8760.0
MIN_PRINTS = 30
MIN_DAYS = 10
MIN_FRESH_DAYS = 2
MIN_COVERED_H = 12.0
MIN_HALF_LIFE_DAYS = 0.5
# A daily rate that spread less than this (annual decimal) gave no evidence of its own error.
MIN_SPREAD_ANNUAL = 1e-9


class FundingEstimator(msgspec.Struct, frozen=True):
    """Settings: the horizon H, the half-life of the weighted mean, the window, all in days."""

    horizon_days: int = 7
    half_life_days: float = 10.0
    window_days: int = 90

    def __post_init__(self) -> None:
        if self.horizon_days < 1 or self.half_life_days <= 0.0 or self.window_days < MIN_DAYS:
            raise InputError(
                "funding estimator",
                "horizon_days, half_life_days, window_days",
                f"expected >= 1, > 0 and >= {MIN_DAYS}, got {self}",
            )

    @property
    def half_life_max_days(self) -> float:
        """A third of the window: slower reversion cannot be told from none in such a sample."""
        return self.window_days / 3.0


class FundingForecast(msgspec.Struct, frozen=True):
    """Expected average funding, its error, and the half-life of its deviation from the mean.

    Rates are annual decimals of notional, paid by longs when positive.
    """

    rate_annual: float
    standard_error_annual: float
    half_life_days: float
    n_prints: int


@dataclass(frozen=True, slots=True, eq=False)
class FundingPrints:
    """Past prints of one instrument: settlement times, rate per interval, interval in hours."""

    ts_ms: IntArray
    rate: FloatArray
    interval_h: FloatArray

    def __post_init__(self) -> None:
        if not self.ts_ms.shape == self.rate.shape == self.interval_h.shape:
            raise InputError("funding prints", "rate", "expected one rate and interval per time")
        if np.any(np.diff(self.ts_ms) <= 0):
            raise InputError("funding prints", "ts_ms", "expected strictly rising times")
        if not (np.all(np.isfinite(self.rate)) and np.all(np.isfinite(self.interval_h))):
            raise InputError("funding prints", "rate", "expected finite rates and intervals")
        if np.any(self.interval_h <= 0.0):
            raise InputError("funding prints", "interval_h", "expected hours above zero")


def funding_forecast(
    prints: FundingPrints, at_ms: int, estimator: FundingEstimator
) -> FundingForecast:
    """Forecast at one origin from the prints settled at or before it, in plain steps.

    `funding_path.funding_forecasts` is the same at many origins, and is held equal to this.

    Args: `at_ms` the origin. Raises: `InsufficientHistory` unless 30 prints on 10 days, one of
    them among the last two, are in the window, and the rate has moved at all.
    Source: module docstring; autocorrelation's bias Kendall (1954).
    """
    daily, n_prints = _daily_means(prints, at_ms, estimator.window_days)
    _require_history(daily, n_prints, estimator.window_days)
    mean = sum(daily.values()) / len(daily)
    deviations = {age: rate - mean for age, rate in daily.items()}
    phi = _autocorrelation(deviations, estimator)
    weights = _forecast_weights(daily, phi, estimator)
    errors = {-day: 1.0 / estimator.horizon_days for day in range(1, estimator.horizon_days + 1)}
    errors |= {age: -weight for age, weight in weights.items()}
    variance = _process_variance(deviations, phi) * _correlated_square(errors, phi)
    rate_annual = sum(weight * daily[age] for age, weight in weights.items())
    return FundingForecast(rate_annual, math.sqrt(variance), half_life_days(phi), n_prints)


def half_life_days(phi: float) -> float:
    """Days in which a deviation with daily autocorrelation phi in (0, 1) halves."""
    return -math.log(2.0) / math.log(phi)


def persistence_bounds(estimator: FundingEstimator) -> tuple[float, float]:
    """Least and greatest daily autocorrelation that the estimator admits."""
    return 0.5 ** (1.0 / MIN_HALF_LIFE_DAYS), 0.5 ** (1.0 / estimator.half_life_max_days)


def _daily_means(
    prints: FundingPrints, at_ms: int, window_days: int
) -> tuple[dict[int, float], int]:
    """Annual rate by day of age, for days with half of their hours known; and prints in all."""
    paid: dict[int, float] = {}
    hours: dict[int, float] = {}
    n_prints = 0
    for ts_ms, rate, interval_h in zip(prints.ts_ms, prints.rate, prints.interval_h, strict=True):
        age = int(at_ms - ts_ms) // DAY_MS
        if 0 <= age < window_days:
            paid[age] = paid.get(age, 0.0) + float(rate) * HOURS_PER_YEAR
            hours[age] = hours.get(age, 0.0) + float(interval_h)
            n_prints += 1
    known = sorted(age for age in paid if hours[age] >= MIN_COVERED_H)
    return {age: paid[age] / hours[age] for age in known}, n_prints


def _require_history(daily: dict[int, float], n_prints: int, window_days: int) -> None:
    """Refuse a history that is too short, too old, or without any movement."""
    fresh = any(age < MIN_FRESH_DAYS for age in daily)
    if n_prints >= MIN_PRINTS and len(daily) >= MIN_DAYS and fresh:
        mean = sum(daily.values()) / len(daily)
        spread = sum((rate - mean) ** 2 for rate in daily.values()) / len(daily)
        if spread > MIN_SPREAD_ANNUAL**2:
            return
    raise InsufficientHistory(
        "funding forecast",
        "prints",
        f"expected {MIN_PRINTS} on {MIN_DAYS} days with one of the last {MIN_FRESH_DAYS} and a "
        f"rate that moved, got {n_prints} on {len(daily)} days of {window_days}",
    )


def _autocorrelation(deviations: dict[int, float], estimator: FundingEstimator) -> float:
    """Daily AR(1) coefficient, corrected for its bias -(1 + 3 phi)/n and held in its bounds."""
    low, high = persistence_bounds(estimator)
    pairs = [(d, deviations[age + 1]) for age, d in deviations.items() if age + 1 in deviations]
    square = sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
    if square <= 0.0:
        return high
    raw = sum(a * b for a, b in pairs) / math.sqrt(square)
    return min(max(raw + (1.0 + 3.0 * raw) / len(pairs), low), high)


def _forecast_weights(
    daily: dict[int, float], phi: float, estimator: FundingEstimator
) -> dict[int, float]:
    """Weight of each known day: kappa on the newest, the rest on the weighted mean.

    A newest day of age j has been forgotten j days longer, so its kappa is that times phi^j.
    """
    horizon, newest = estimator.horizon_days, min(daily)
    kappa = phi ** (newest + 1) * (1.0 - phi**horizon) / (horizon * (1.0 - phi))
    recency = {age: 0.5 ** (age / estimator.half_life_days) for age in daily}
    total = sum(recency.values())
    weights = {age: (1.0 - kappa) * recency[age] / total for age in daily}
    return weights | {newest: weights[newest] + kappa}


def _process_variance(deviations: dict[int, float], phi: float) -> float:
    """Variance of the daily rate, freed of the bias that autocorrelation puts in its sample."""
    n = len(deviations)
    variance_of_mean = _correlated_square(dict.fromkeys(deviations, 1.0 / n), phi)
    return sum(d * d for d in deviations.values()) / (n * (1.0 - variance_of_mean))


def _correlated_square(weights: dict[int, float], phi: float) -> float:
    """sum_ij a_i a_j phi^|i - j| over days i, j: the variance of a weighted sum, per sigma^2."""
    pairs = product(weights.items(), repeat=2)
    return sum(a * b * phi ** abs(i - j) for (i, a), (j, b) in pairs)
