# SPDX-License-Identifier: Apache-2.0
"""Intervals of a statistic of one record whose periods depend on each other: the stationary
bootstrap, and how long its blocks should be."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.backtest.honesty.samples import FloatArray, finite_sample, require_level
from tidegate.model.errors import InputError

IntArray = npt.NDArray[np.int64]
DRAWS = 2_000


def stationary_rows(rng: np.random.Generator, n: int, block: float) -> IntArray:
    """n row numbers in blocks whose lengths are geometric with a mean, on the circle, int64[n].

    Source: Politis and Romano (1994).
    """
    if n < 1 or not block >= 1.0:
        raise InputError("bootstrap", "n, block", f"expected at least 1, got {n}, {block}")
    starts = rng.random(n) < 1.0 / block
    starts[0] = True
    first = np.flatnonzero(starts)
    offset = np.arange(n) - np.repeat(first, np.diff(np.append(first, n)))
    begun = rng.integers(n, size=first.size)
    return np.asarray((begun[np.cumsum(starts) - 1] + offset) % n, dtype=np.int64)


def block_length(values: FloatArray) -> float:
    """The mean block length that makes the error of the mean's variance least, in periods.

    b = (2 G^2 / D)^(1/3) n^(1/3), G = sum l(k/M) |k| R(k), D = 2 g(0)^2, g(0) = sum l(k/M) R(k),
    over |k| <= M, l the trapezoid that is 1 up to 1/2 and falls to 0 at 1. M is twice the last
    lag before max(5, sqrt(log10 n)) insignificant ones in a row, at 2 sqrt(log10 n / n).
    Between 1 and min(3 sqrt n, n / 3).
    Raises: `InputError` with fewer than ten values or where they never vary.
    Source: Politis and White (2004), corrected by Patton, Politis and White (2009).
    """
    sample = finite_sample("bootstrap", "values", values)
    n = sample.size
    if n < 10 or float(np.ptp(sample)) == 0.0:
        raise InputError("bootstrap", "values", f"expected at least ten that vary, got {n}")
    covariances = _autocovariances(sample - sample.mean())
    span = _last_lag(covariances, n)
    lags = np.arange(1, span + 1)
    window = np.clip(2.0 * (1.0 - lags / span), 0.0, 1.0)
    weighted = window * covariances[1 : span + 1]
    curvature, density = 2.0 * float(lags @ weighted), covariances[0] + 2.0 * weighted.sum()
    if density <= 0.0:
        return 1.0
    length = (curvature / density) ** 2
    return float(np.clip((length * n) ** (1 / 3), 1.0, min(3.0 * math.sqrt(n), n / 3.0)))


def stationary_interval(
    values: FloatArray,
    statistic: Callable[[FloatArray], float],
    level: float,
    seed: int,
    block: float | None = None,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Percentile interval of a statistic of float64[n] values.

    The blocks are of the mean length that is given, or of `block_length`. Both limits are NaN
    where fewer than nine in ten draws gave a number.
    """
    require_level("bootstrap", level)
    sample = finite_sample("bootstrap", "values", values)
    mean_block = block_length(sample) if block is None else block
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [statistic(sample[stationary_rows(rng, sample.size, mean_block)]) for _ in range(draws)]
    )
    known = drawn[np.isfinite(drawn)]
    if known.size < 0.9 * draws:
        return math.nan, math.nan
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def _autocovariances(deviations: FloatArray) -> FloatArray:
    """At lags up to those that `block_length` may use, float64[lags + 1]."""
    n = deviations.size
    most = min(n - 1, math.ceil(math.sqrt(n)) + _quiet(n)) * 2
    padded = np.fft.rfft(deviations, 2 * n)
    every = np.fft.irfft(padded * padded.conj())[:n] / n
    return np.pad(every, (0, max(0, most + 1 - n)))[: most + 1]


def _quiet(n: int) -> int:
    """How many insignificant lags in a row end the search."""
    return max(5, math.ceil(math.sqrt(math.log10(n))))


def _last_lag(covariances: FloatArray, n: int) -> int:
    """M: twice the last lag that matters."""
    longest = math.ceil(math.sqrt(n)) + _quiet(n)
    bound = 2.0 * math.sqrt(math.log10(n) / n)
    ratios = np.abs(covariances[1 : longest + 1] / covariances[0])
    loud = np.flatnonzero(ratios >= bound) + 1
    last = 0
    for lag in loud:
        if lag - last > _quiet(n):
            break
        last = int(lag)
    return int(min(2 * max(last, 1), longest, covariances.size - 1))
