# SPDX-License-Identifier: Apache-2.0
"""Spread or depth over the next periods, from the user's own series, with quantiles.

With x = log of a spread (relative) or a depth (USD) on a gapless grid, and y the mean of x over
the next h rows, each quantile is linear in (1, x_t, mean of 7, mean of 30) and fitted on the last
500 rows whose y has happened. A buffer wants the upper quantile of a spread and the lower one of a
depth, never the middle.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.quantile import quantile_regression
from tidegate.forecast.stress_features import trailing_mean
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

MIN_ROWS, MAX_ROWS = 120, 500
PROBABILITIES = (0.1, 0.5, 0.9)
_LONGEST = 30


class LiquidityForecast(msgspec.Struct, frozen=True):
    """10 %, 50 % and 90 % quantiles of the geometric mean over the horizon, in the unit given."""

    low: float
    median: float
    high: float
    n_train: int


def forecast_liquidity(series: FloatArray, horizon: int) -> LiquidityForecast:
    """Forecast from the last row of a spread or depth series.

    Args: `series` float64[n], > 0, NaN in holes, on a gapless grid; `horizon` rows, >= 1.
    Raises: `InputError` on a value at or below zero or infinite: a spread of nothing is a feed
    that failed; `InsufficientHistory` below 120 rows, where the last 30 rows hold a hole, or
    where they never moved (a stuck feed).
    """
    if horizon < 1 or series.ndim != 1:
        raise InputError("liquidity forecast", "horizon", f"expected at least 1, got {horizon}")
    if np.any(series <= 0.0) or np.any(np.isinf(series)):
        raise InputError("liquidity forecast", "series", "expected finite values above zero")
    logs = np.log(series)
    recent = logs[-_LONGEST:]
    if recent.size < _LONGEST or not np.all(np.isfinite(recent)) or np.ptp(recent) == 0.0:
        raise InsufficientHistory(
            "liquidity forecast", "series", f"expected the last {_LONGEST} rows known and moving"
        )
    rows = np.column_stack([np.ones(logs.size), logs, *(trailing_mean(logs, n) for n in (7, 30))])
    ahead = np.append(trailing_mean(logs, horizon)[horizon:], np.full(horizon, np.nan))
    used = np.flatnonzero(np.isfinite(ahead) & np.all(np.isfinite(rows), axis=1))[-MAX_ROWS:]
    if used.size < MIN_ROWS:
        raise InsufficientHistory(
            "liquidity forecast", "series", f"expected {MIN_ROWS} settled rows, got {used.size}"
        )
    lines = [
        float(rows[-1] @ quantile_regression(rows[used], ahead[used], p)) for p in PROBABILITIES
    ]
    low, median, high = sorted(lines)
    return LiquidityForecast(math.exp(low), math.exp(median), math.exp(high), used.size)
