# SPDX-License-Identifier: Apache-2.0
"""Made-up histories of days with persistent, clustered and weekly volatility, for the tests."""

from __future__ import annotations

import math

import numpy as np

from tidegate.forecast.model import VolatilityHistory
from tidegate.forecast.realised import RealisedMeasures
from tidegate.model.times import DAY_MS

FIRST_MS = 1_704_067_200_000  # 2024-01-01, a Monday
WEEK = np.array([1.0, 1.1, 1.1, 1.1, 1.0, 0.5, 0.6])


def history(n_days: int, seed: int, implied: bool = False) -> VolatilityHistory:
    """Days whose log variance is an AR(1) around the week of `WEEK`, with leverage."""
    rng = np.random.default_rng(seed)
    shocks, noise = rng.standard_normal((2, n_days))
    level, variance, returns = 0.0, np.empty(n_days), np.empty(n_days)
    for t in range(n_days):
        h = math.exp(level - 7.5) * WEEK[t % 7]
        returns[t] = math.sqrt(h) * shocks[t]
        variance[t] = h * math.exp(0.4 * noise[t] - 0.08)
        level = 0.95 * level - 0.15 * min(shocks[t], 0.0) - 0.06 + 0.1 * noise[t]
    start_ms = FIRST_MS + DAY_MS * np.arange(n_days, dtype=np.int64)
    measures = RealisedMeasures(
        start_ms,
        DAY_MS,
        variance,
        0.9 * variance,
        0.1 * variance,
        0.5 * variance,
        0.5 * variance,
        variance**2 * np.exp(0.3 * noise),
        returns,
        np.zeros(n_days, dtype=np.int64),
    )
    return VolatilityHistory(measures, 1.2 * variance if implied else None)


def with_row(past: VolatilityHistory, row: int, factor: float) -> VolatilityHistory:
    """The history with every number of the rows from `row` on multiplied, or NaN for a hole."""
    m = past.measures
    changed = [
        np.concatenate([values[:row], factor * values[row:]])
        for values in (
            m.variance,
            m.bipower,
            m.jump,
            m.semivariance_down,
            m.semivariance_up,
            m.quarticity,
            m.return_log,
        )
    ]
    measures = _with(m, changed)
    implied = past.implied_variance
    if implied is not None:
        implied = np.concatenate([implied[:row], factor * implied[row:]])
    return VolatilityHistory(measures, implied)


def with_hole(past: VolatilityHistory, first: int, stop: int) -> VolatilityHistory:
    """The history with rows first..stop-1 unknown."""
    opened = with_row(past, first, math.nan)
    closed = [
        np.concatenate([a[:stop], b[stop:]])
        for a, b in zip(_series(opened), _series(past), strict=True)
    ]
    return VolatilityHistory(_with(past.measures, closed), past.implied_variance)


def _with(m: RealisedMeasures, series: list[np.ndarray]) -> RealisedMeasures:
    variance, bipower, jump, down, up, quarticity, returns = series
    return RealisedMeasures(
        m.start_ms,
        m.period_ms,
        variance,
        bipower,
        jump,
        down,
        up,
        quarticity,
        returns,
        m.set_aside,
    )


def _series(past: VolatilityHistory) -> list[np.ndarray]:
    m = past.measures
    return [
        m.variance,
        m.bipower,
        m.jump,
        m.semivariance_down,
        m.semivariance_up,
        m.quarticity,
        m.return_log,
    ]
