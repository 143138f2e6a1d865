# SPDX-License-Identifier: Apache-2.0
"""Realised measures of each UTC day from intraday closes; holes stay holes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_COVERAGE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class RealisedMeasures:
    """Realised measures on a gapless grid of d UTC days; NaN where a day is not known.

    Variances are in squared log return per day, `quarticity` in its square. `return_log` is the
    close-to-close log return of the day.
    """

    day_ms: IntArray
    variance: FloatArray
    bipower: FloatArray
    jump: FloatArray
    semivariance_down: FloatArray
    quarticity: FloatArray
    return_log: FloatArray


def regular_grid(
    ts_ms: IntArray, values: FloatArray, interval_ms: int
) -> tuple[IntArray, FloatArray]:
    """Rows laid on a gapless time grid, with NaN in every hole.

    Args: `ts_ms` int64[n], strictly increasing multiples of `interval_ms`; `values` float64[n] or
    [n, k]. Returns: times int64[g] and values float64[g] or [g, k]. Raises: `InputError`.
    """
    if ts_ms.size == 0 or ts_ms.shape[0] != values.shape[0]:
        raise InputError("bars", "ts_ms", "expected as many times as rows, and at least one")
    if np.any(np.diff(ts_ms) <= 0) or np.any(ts_ms % interval_ms):
        raise InputError("bars", "ts_ms", f"expected rising multiples of {interval_ms} ms")
    grid_ms = np.arange(ts_ms[0], ts_ms[-1] + interval_ms, interval_ms, dtype=np.int64)
    laid = np.full((grid_ms.size, *values.shape[1:]), np.nan)
    laid[(ts_ms - ts_ms[0]) // interval_ms] = values
    return grid_ms, laid


def realised_measures(ts_ms: IntArray, close: FloatArray, interval_ms: int) -> RealisedMeasures:
    """Realised variance and its kin, per UTC day of a market that never closes.

    With M returns r_i in the day: RV = sum r_i^2; BV = (pi/2) sum |r_i||r_{i-1}|;
    J = max(RV - BV, 0); RS- = sum r_i^2 1{r_i < 0}; RQ = (M/3) sum r_i^4. A return exists only
    between adjacent bars. A day with less than 90 % of its returns is NaN, and so is the last day
    until its last bar is there; a day with 90 % or more is scaled up to M.

    Args: `ts_ms` int64[n], bar opens; `close` float64[n], USD, > 0; `interval_ms` divides a day.
    Returns: arrays of shape [d]. Raises: `InputError`.
    Source: Andersen, Bollerslev, Diebold and Labys (2003); Barndorff-Nielsen and Shephard (2004,
    bipower); Barndorff-Nielsen, Kinnebrock and Shephard (2010, semivariance).
    """
    if interval_ms <= 0 or DAY_MS % interval_ms or interval_ms == DAY_MS:
        raise InputError("bars", "interval_ms", f"expected a part of a day, got {interval_ms}")
    if not np.all(np.isfinite(close) & (close > 0.0)):
        raise InputError("bars", "close", "expected finite prices above zero")
    grid_ms, laid = regular_grid(ts_ms, close, interval_ms)
    closes = _by_day(grid_ms, laid, interval_ms)
    logs = np.log(closes)
    returns: FloatArray = np.diff(logs.ravel(), prepend=np.nan).reshape(logs.shape)
    measures = _measures(returns)
    present = np.isfinite(returns).sum(axis=1)
    measures[:, (present < MIN_COVERAGE * returns.shape[1]) | _unfinished(logs)] = np.nan
    days = grid_ms[0] // DAY_MS * DAY_MS + DAY_MS * np.arange(closes.shape[0], dtype=np.int64)
    day_return = np.diff(logs[:, -1], prepend=np.nan)
    variance, bipower, jump, down, quarticity = measures
    return RealisedMeasures(days, variance, bipower, jump, down, quarticity, day_return)


def _by_day(grid_ms: IntArray, values: FloatArray, interval_ms: int) -> FloatArray:
    """Grid values as one row per UTC day, padded with NaN at both ends."""
    lead = int(grid_ms[0] % DAY_MS // interval_ms)
    per_day = DAY_MS // interval_ms
    tail = -(lead + values.size) % per_day
    return np.pad(values, (lead, tail), constant_values=np.nan).reshape(-1, per_day)


def _unfinished(by_day: FloatArray) -> npt.NDArray[np.bool_]:
    """True only for a last day whose last bar has not been seen."""
    unfinished = np.zeros(by_day.shape[0], dtype=np.bool_)
    unfinished[-1] = bool(np.isnan(by_day[-1, -1]))
    return unfinished


def _measures(returns: FloatArray) -> FloatArray:
    """RV, BV, J, RS- and RQ of returns [d, M], as [5, d]."""
    squared = returns**2
    variance = _scaled_sum(squared)
    neighbours = np.abs(returns[:, 1:] * returns[:, :-1])
    bipower = 0.5 * math.pi * _scaled_sum(neighbours)
    down = _scaled_sum(np.where(returns > 0.0, 0.0, squared))
    quarticity = returns.shape[1] / 3.0 * _scaled_sum(squared**2)
    jump = np.maximum(variance - bipower, 0.0)
    return np.stack([variance, bipower, jump, down, quarticity])


def _scaled_sum(terms: FloatArray) -> FloatArray:
    """Row sums of the terms that are there, scaled up to a whole row; NaN for an empty row."""
    present = np.isfinite(terms).sum(axis=1)
    scaled = np.nansum(terms, axis=1) * terms.shape[1] / np.maximum(present, 1)
    return np.where(present > 0, scaled, np.nan)
