# SPDX-License-Identifier: Apache-2.0
"""Buffers that a forecast widens, where the mandate switched it on: wider only, never narrower.

A log buffer b becomes b (1 + strength g), so that a relative move m becomes 1 - (1 - m)^(1 + s g):
at least m, below one, and in the order of the levels. Only closed days of the past count.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from tidegate.forecast.realised import realised_measures
from tidegate.forecast.stress_features import variance_features
from tidegate.forecast.stress_gauge import GaugeScaling, composite
from tidegate.model.times import DAY_MS
from tidegate.model.widening_terms import Widening
from tidegate.ports import PastBars

FloatArray = NDArray[np.float64]

TYPICAL_DAYS = 180
# A move of a whole price would leave nothing to compute with.
MOST = 0.999


def widening_factors(
    terms: Widening | UnsetType, bars: PastBars, vol_daily: Mapping[str, float]
) -> dict[str, float]:
    """By how much each coin's log buffers grow, at least 1; all exactly 1 where it is off.

    Args: bars whose columns are the coins in the order of `vol_daily`, the forecasts of the day.
    """
    if terms is UNSET:
        return dict.fromkeys(vol_daily, 1.0)
    scaling = GaugeScaling(terms.strength, enabled=True)
    level = _volatility_level if terms.by == "volatility" else _gauge_level
    found = {}
    for index, (coin, forecast) in enumerate(vol_daily.items()):
        found[coin] = scaling.buffer_factor(level(bars, index, forecast))
    return found


def widened(moves: Mapping[str, float], factors: Mapping[str, float]) -> dict[str, float]:
    """1 - (1 - m)^factor per coin, at most 0.999 or m; m itself, to the bit, at a factor of 1."""
    return {
        coin: move
        if factors[coin] == 1.0
        else max(move, min(MOST, 1.0 - (1.0 - move) ** factors[coin]))
        for coin, move in moves.items()
    }


def _volatility_level(bars: PastBars, index: int, forecast: float) -> float:
    """How far the forecast is above the median day of half a year, 0 to 1; NaN if not known."""
    measures = realised_measures(bars.open_ms, bars.close[:, index], bars.interval_ms)
    known = measures.variance[-TYPICAL_DAYS:]
    known = known[known > 0.0]
    if known.size == 0:
        return float("nan")
    return float(np.clip(forecast / np.sqrt(np.median(known)) - 1.0, 0.0, 1.0))


def _gauge_level(bars: PastBars, index: int, forecast: float) -> float:
    """The composite of the range variances at the last whole day; NaN if not known."""
    high, low = _days(bars, index)
    if high.size == 0:
        return float("nan")
    return float(composite(variance_features(high, low), np.ones(3, dtype=np.bool_))[-1])


def _days(bars: PastBars, index: int) -> tuple[FloatArray, FloatArray]:
    """Highs and lows of the whole UTC days, on a grid without gaps that ends with the last one."""
    day = bars.open_ms // DAY_MS
    there, starts, counts = np.unique(day, return_index=True, return_counts=True)
    whole = counts == DAY_MS // bars.interval_ms
    if not whole.any():
        return np.empty(0), np.empty(0)
    laid = np.full((2, int(there[whole][-1] - there[0]) + 1), np.nan)
    kept = there[whole] - there[0]
    laid[0, kept] = np.maximum.reduceat(bars.high[:, index], starts)[whole]
    laid[1, kept] = np.minimum.reduceat(bars.low[:, index], starts)[whole]
    return laid[0], laid[1]
