# SPDX-License-Identifier: Apache-2.0
"""What a funding forecast has to beat: yesterday's mean, EWMA, AR(1) and the default rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tidegate.forecast.funding import FundingPrints
from tidegate.forecast.funding_panel import realised_mean
from tidegate.forecast.funding_terms import FundingTerms
from tidegate.model.times import DAY_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

EWMA_HALF_LIVES_DAYS = (2.0, 5.0, 10.0)
AR_WINDOW_DAYS = 365
AR_MIN_PAIRS = 30
_PHI_MAX = 0.99


def rivals(
    prints: FundingPrints, at_ms: IntArray, horizon_days: int, terms: FundingTerms
) -> Mapping[str, FloatArray]:
    """Every rival's forecast of the mean annual rate over the next days, float64[m] by name.

    Three half-lives of the EWMA are each a rival of their own, which only makes the test harder.
    """
    daily = realised_mean(prints, at_ms - DAY_MS, 24)
    found = {
        "yesterday": daily,
        "default": np.full(at_ms.size, terms.default_annual),
        "ar1": ar1(daily, horizon_days),
    }
    for half_life_days in EWMA_HALF_LIVES_DAYS:
        found[f"ewma_{half_life_days:g}d"] = ewma(daily, half_life_days)
    return found


def ewma(daily: FloatArray, half_life_days: float) -> FloatArray:
    """Exponentially weighted mean of the known days up to each row, float64[m]."""
    decay = 0.5 ** (1.0 / half_life_days)
    total, weight = 0.0, 0.0
    smoothed = np.full(daily.size, np.nan)
    for i, value in enumerate(daily):
        total, weight = total * decay, weight * decay
        if np.isfinite(value):
            total, weight = total + float(value), weight + 1.0
        if weight > 0.0:
            smoothed[i] = total / weight
    return smoothed


def ar1(daily: FloatArray, horizon_days: int) -> FloatArray:
    """Mean of the iterated AR(1) over the horizon, refitted daily on 365 days, float64[m].

    x_{t+k} = m + phi^k (x_t - m), so the mean is m + (x_t - m) phi (1 - phi^H) / (H (1 - phi)).
    """
    forecast = np.full(daily.size, np.nan)
    for i in range(AR_MIN_PAIRS, daily.size):
        window = daily[max(0, i - AR_WINDOW_DAYS + 1) : i + 1]
        both = np.isfinite(window[1:]) & np.isfinite(window[:-1])
        if both.sum() >= AR_MIN_PAIRS:
            forecast[i] = _iterated(window[:-1][both], window[1:][both], daily[i], horizon_days)
    return forecast


def _iterated(before: FloatArray, after: FloatArray, newest: float, horizon_days: int) -> float:
    """The mean of one AR(1) over the horizon from its pairs."""
    spread = before - before.mean()
    square = float(spread @ spread)
    phi = float(spread @ (after - after.mean())) / square if square > 0.0 else 0.0
    phi = min(max(phi, -_PHI_MAX), _PHI_MAX)
    level = (float(after.mean()) - phi * float(before.mean())) / (1.0 - phi)
    kept = phi * (1.0 - phi**horizon_days) / (horizon_days * (1.0 - phi))
    return level + (newest - level) * kept


def mean_absolute_errors(
    forecasts: Mapping[str, FloatArray], realised: FloatArray, rows: Sequence[int] | IntArray
) -> dict[str, float]:
    """Mean |forecast - realised| of each over the rows named, which all must be known."""
    return {name: float(np.mean(np.abs(f[rows] - realised[rows]))) for name, f in forecasts.items()}
