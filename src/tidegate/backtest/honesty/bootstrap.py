# SPDX-License-Identifier: Apache-2.0
"""The interval of a mean by drawing seeds again: bias-corrected and accelerated (BCa)."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from tidegate.backtest.honesty.samples import FloatArray
from tidegate.model.errors import InputError

DRAWS = 2_000
# Draws are made in blocks of about this many indices, so that memory does not grow with n.
BLOCK = 1 << 20
# Sums of the same numbers in another order differ by rounding; closer than this they are equal.
TIE = 1e-9


def mean_interval(values: FloatArray, level: float, seed: int) -> tuple[float, float]:
    """BCa interval of the mean over seeds, from 2000 resampled means.

    Its limits are their quantiles at Phi(z0 + w / (1 - a w)) with w = z0 +- z((1 + level) / 2),
    z0 = Phi^-1(share of draws below the mean, half of the equal ones counted) and
    a = sum e^3 / (6 (sum e^2)^1.5), e the deviations from the mean.

    Args: `values` float64[n], finite; `level` in (0, 1); `seed` of the draws, at least 0.
    Returns: low, high; without width where the values never vary, as no draw can differ then.
    Raises: `InputError` with fewer than two values or a seed below 0.
    Source: Efron (1987); Efron and Tibshirani (1993), chapter 14.
    """
    if values.size < 2:
        raise InputError("bootstrap", "values", f"expected at least two, got {values.size}")
    if seed < 0:
        raise InputError("bootstrap", "seed", f"expected at least 0, got {seed}")
    mean, spread = float(values.mean()), float(np.ptp(values))
    if spread == 0.0:
        return mean, mean
    deviations = (values - mean) / spread
    draws = _resampled_means(deviations, seed)
    low, high = np.quantile(draws, _limit_shares(draws, deviations, level))
    return mean + spread * float(low), mean + spread * float(high)


def _resampled_means(values: FloatArray, seed: int) -> FloatArray:
    """Means of samples drawn with replacement, float64[DRAWS]; one seed, one set of draws."""
    generator = np.random.default_rng(seed)
    rows = max(1, BLOCK // values.size)
    sizes = [(min(rows, DRAWS - start), values.size) for start in range(0, DRAWS, rows)]
    means = [values[generator.integers(values.size, size=size)].mean(axis=1) for size in sizes]
    return np.concatenate(means)


def _limit_shares(draws: FloatArray, deviations: FloatArray, level: float) -> FloatArray:
    """At which shares of the draws the two limits lie, float64[2]."""
    below, not_above = np.mean(draws < -TIE), np.mean(draws <= TIE)
    bias = ndtri((below + not_above) / 2.0)
    acceleration = np.sum(deviations**3) / (6.0 * np.sum(deviations**2) ** 1.5)
    shift = bias + ndtri((1.0 + level) / 2.0) * np.array([-1.0, 1.0])
    # Where the acceleration leaves no finite limit the outermost draw is the limit.
    stretch = np.maximum(1.0 - acceleration * shift, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        return np.asarray(ndtr(bias + shift / stretch), dtype=np.float64)
