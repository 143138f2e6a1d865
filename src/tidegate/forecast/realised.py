# SPDX-License-Identifier: Apache-2.0
"""Realised measures of each UTC day or hour from intraday closes; holes stay holes."""

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
# Bars in a row with the same close that are a feed standing still and no quiet market: the longest
# such run of Binance's BTC, ETH and SOL quarter-hours in 2024 to 2026 has five.
STUCK_BARS = 8
# A print that stands this many median moves away and is undone by the next bar is no trade; the
# same bars hold none. A crash is not undone within a bar.
BOUNCE_MOVES, BOUNCE_LEFT = 25.0, 0.1
BOUNCE_MIN_BARS = 24


@dataclass(frozen=True, slots=True, eq=False)
class RealisedMeasures:
    """Realised measures on a gapless grid of d periods (UTC days or hours); NaN where not known.

    Variances are in squared log return per period, `quarticity` in its square. `return_log` is the
    close-to-close log return of the period. `set_aside` counts the returns that were taken for
    holes, because the feed stood still or a print was undone by the next bar.
    """

    start_ms: IntArray
    period_ms: int
    variance: FloatArray
    bipower: FloatArray
    jump: FloatArray
    semivariance_down: FloatArray
    semivariance_up: FloatArray
    quarticity: FloatArray
    return_log: FloatArray
    set_aside: IntArray

    def __len__(self) -> int:
        return int(self.start_ms.size)

    def rows(self, first: int, stop: int) -> RealisedMeasures:
        """The rows first..stop-1 alone, as views."""
        cut = slice(first, stop)
        return RealisedMeasures(
            self.start_ms[cut],
            self.period_ms,
            self.variance[cut],
            self.bipower[cut],
            self.jump[cut],
            self.semivariance_down[cut],
            self.semivariance_up[cut],
            self.quarticity[cut],
            self.return_log[cut],
            self.set_aside[cut],
        )


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


def closes_of_ticks(
    ts_ms: IntArray, price: FloatArray, interval_ms: int
) -> tuple[IntArray, FloatArray]:
    """The last price of each bar in which there was a trade; a bar without one stays a hole.

    Args: `ts_ms` int64[n], never falling; `price` float64[n], USD. Returns: bar opens int64[b] and
    closes float64[b], as `realised_measures` takes them. Raises: `InputError`.
    """
    if ts_ms.size == 0 or ts_ms.shape != price.shape:
        raise InputError("ticks", "price", "expected one per time, and at least one")
    if np.any(np.diff(ts_ms) < 0):
        raise InputError("ticks", "ts_ms", "expected times that never fall")
    bars = ts_ms // interval_ms
    last = np.append(np.flatnonzero(np.diff(bars)), ts_ms.size - 1)
    return bars[last] * interval_ms, price[last]


def realised_measures(
    ts_ms: IntArray, close: FloatArray, interval_ms: int, period_ms: int = DAY_MS
) -> RealisedMeasures:
    """Realised variance and its kin, per UTC day or part of one, of a market that never closes.

    With M returns r_i in the period: RV = sum r_i^2; BV = (pi/2) sum |r_i||r_{i-1}|;
    J = max(RV - BV, 0); RS- and RS+ = sum r_i^2 of negative and positive r_i;
    RQ = (M/3) sum r_i^4. A return exists only between adjacent bars. A period with less than 90 %
    of its returns is NaN, and so is the last one until its last bar is there; one with 90 % or
    more is scaled up to M.

    Two kinds of returns are set aside as holes, by what is known at the end of their period: from
    the eighth equal close in a row on, those of the run (within the period) and the one that
    leaves it; and a move of more than 25 median moves of the period (24 bars or more) whose next
    bar, in the same period, undoes nine tenths of it.

    Args: `ts_ms` int64[n], bar opens; `close` float64[n], USD, > 0; `interval_ms` divides
    `period_ms`, and that a day. Returns: arrays of shape [d]. Raises: `InputError`.
    Source: Andersen, Bollerslev, Diebold and Labys (2003); Barndorff-Nielsen and Shephard (2004,
    bipower); Barndorff-Nielsen, Kinnebrock and Shephard (2010, semivariance).
    """
    if period_ms <= 0 or DAY_MS % period_ms:
        raise InputError("bars", "period_ms", f"expected a day or a part of one, got {period_ms}")
    if interval_ms <= 0 or period_ms % interval_ms or interval_ms == period_ms:
        raise InputError("bars", "interval_ms", f"expected a part of a period, got {interval_ms}")
    if not np.all(np.isfinite(close) & (close > 0.0)):
        raise InputError("bars", "close", "expected finite prices above zero")
    grid_ms, laid = regular_grid(ts_ms, close, interval_ms)
    closes = _by_period(grid_ms, laid, interval_ms, period_ms)
    logs = np.log(closes)
    returns: FloatArray = np.diff(logs.ravel(), prepend=np.nan).reshape(logs.shape)
    aside = _stood_still(returns) | _undone(returns)
    measures = _measures(np.where(aside, np.nan, returns))
    present = (np.isfinite(returns) & ~aside).sum(axis=1)
    measures[:, (present < MIN_COVERAGE * returns.shape[1]) | _unfinished(logs)] = np.nan
    first_ms = grid_ms[0] // period_ms * period_ms
    starts = first_ms + period_ms * np.arange(closes.shape[0], dtype=np.int64)
    return_log = np.diff(logs[:, -1], prepend=np.nan)
    variance, bipower, jump, down, up, quarticity = measures
    counts = aside.sum(axis=1, dtype=np.int64)
    return RealisedMeasures(
        starts, period_ms, variance, bipower, jump, down, up, quarticity, return_log, counts
    )


def _by_period(
    grid_ms: IntArray, values: FloatArray, interval_ms: int, period_ms: int
) -> FloatArray:
    """Grid values as one row per period, padded with NaN at both ends."""
    lead = int(grid_ms[0] % period_ms // interval_ms)
    per_period = period_ms // interval_ms
    tail = -(lead + values.size) % per_period
    return np.pad(values, (lead, tail), constant_values=np.nan).reshape(-1, per_period)


def _unfinished(by_period: FloatArray) -> npt.NDArray[np.bool_]:
    """True only for a last period whose last bar has not been seen."""
    unfinished = np.zeros(by_period.shape[0], dtype=np.bool_)
    unfinished[-1] = bool(np.isnan(by_period[-1, -1]))
    return unfinished


def _stood_still(returns: FloatArray) -> npt.NDArray[np.bool_]:
    """Returns of a run of equal closes, as long as it is known to be at its period's end."""
    flat = returns.ravel() == 0.0
    index = np.arange(flat.size)
    run = (index - np.maximum.accumulate(np.where(flat, -1, index))).reshape(returns.shape)
    left = np.zeros(returns.shape, dtype=np.bool_)
    left.ravel()[1:] = run.ravel()[:-1] >= STUCK_BARS - 1
    for column in range(returns.shape[1] - 2, -1, -1):
        joined = (run[:, column] > 0) & (run[:, column + 1] > 0)
        run[:, column] = np.where(joined, run[:, column + 1], run[:, column])
    return np.asarray((run >= STUCK_BARS - 1) | left, dtype=np.bool_)


def _undone(returns: FloatArray) -> npt.NDArray[np.bool_]:
    """Pairs of returns in one period that are a single false print, out and back."""
    undone = np.zeros(returns.shape, dtype=np.bool_)
    known = np.isfinite(returns).any(axis=1)
    if returns.shape[1] < BOUNCE_MIN_BARS or not known.any():
        return undone
    typical = np.nanmedian(np.abs(returns[known]), axis=1, keepdims=True)
    out, back = returns[known, :-1], returns[known, 1:]
    far = (typical > 0.0) & (np.abs(out) > BOUNCE_MOVES * typical)
    pair = far & (np.abs(out + back) < BOUNCE_LEFT * np.abs(out))
    rows = undone[known]
    rows[:, :-1] |= pair
    rows[:, 1:] |= pair
    undone[known] = rows
    return undone


def _measures(returns: FloatArray) -> FloatArray:
    """RV, BV, J, RS-, RS+ and RQ of returns [d, M], as [6, d]."""
    squared = returns**2
    variance = _scaled_sum(squared)
    neighbours = np.abs(returns[:, 1:] * returns[:, :-1])
    bipower = 0.5 * math.pi * _scaled_sum(neighbours)
    down = _scaled_sum(np.where(returns > 0.0, 0.0, squared))
    up = _scaled_sum(np.where(returns < 0.0, 0.0, squared))
    quarticity = returns.shape[1] / 3.0 * _scaled_sum(squared**2)
    jump = np.maximum(variance - bipower, 0.0)
    return np.stack([variance, bipower, jump, down, up, quarticity])


def _scaled_sum(terms: FloatArray) -> FloatArray:
    """Row sums of the terms that are there, scaled up to a whole row; NaN for an empty row."""
    present = np.isfinite(terms).sum(axis=1)
    scaled = np.nansum(terms, axis=1) * terms.shape[1] / np.maximum(present, 1)
    return np.where(present > 0, scaled, np.nan)
