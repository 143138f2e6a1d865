# SPDX-License-Identifier: Apache-2.0
"""What a Diebold-Mariano test could have shown: its power, and the days its variance comes from.

Differences are losses of a model less those of its baseline, by day: below zero where the model is
better. A day on which several coins were forecast counts once, as their mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, chi2
from scipy.stats import t as student_t

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.scoring import diebold_mariano
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SIGNIFICANT = 0.05
DRAWS = 2000
LEAST_ROWS = 20


class Power(msgspec.Struct, frozen=True):
    """Share of drawn samples in which the model is better, and is so at p < 0.05 two-sided."""

    block_days: int
    n_days: int
    better: float
    significant: float


class HeavyDay(msgspec.Struct, frozen=True):
    """A day, its difference, and its share of the sum of squared deviations from the mean."""

    row: int
    difference: float
    share: float


class Described(msgspec.Struct, frozen=True):
    """Other views of the same differences, which decide nothing.

    `conditional_p` is Giacomini and White's test with a constant and yesterday's difference;
    `days_better` the share of days below zero, with the binomial p of one half; `without_heaviest`
    the t of the days that are left when the given number of heaviest days is taken away.
    """

    conditional_p: float
    days_better: float
    sign_p: float
    left_out: int
    without_heaviest: float


def power(
    differences: FloatArray,
    n_days: int,
    block_days: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Power:
    """How often a sample of `n_days` like these would be called better at p < 0.05.

    Samples are drawn in circular blocks (`block_bootstrap`), so the improvement is truly that of
    `differences`. The test is `diebold_mariano` one step ahead: t = mean / (s / sqrt(n)), s^2 with
    n - 1 below.
    Args: `differences` float64[n], finite. Raises: `InsufficientHistory` below 20 rows.
    """
    _ensure_enough(differences)
    n = differences.size
    starts = rng.integers(0, n, size=(draws, -(-n_days // block_days)))
    rows = (starts[:, :, None] + np.arange(block_days)).reshape(draws, -1)[:, :n_days] % n
    drawn = differences[rows]
    mean = drawn.mean(axis=1)
    t_statistic = mean / (drawn.std(axis=1, ddof=1) / np.sqrt(n_days))
    called = t_statistic < student_t.ppf(SIGNIFICANT / 2.0, n_days - 1)
    return Power(block_days, n_days, float(np.mean(mean < 0.0)), float(np.mean(called)))


def days_needed(
    differences: FloatArray,
    wanted: float,
    lengths: Sequence[int],
    block_days: int,
    rng: np.random.Generator,
) -> int | None:
    """The first of the lengths at which `power` is at least `wanted`; None where none is."""
    for n_days in lengths:
        if power(differences, n_days, block_days, rng, draws=DRAWS // 4).significant >= wanted:
            return n_days
    return None


def heaviest(differences: FloatArray, count: int) -> tuple[HeavyDay, ...]:
    """The days that carry most of the variance, heaviest first.

    Args: `differences` float64[n], finite.
    """
    _ensure_enough(differences)
    squares = (differences - differences.mean()) ** 2
    order = np.argsort(-squares, kind="stable")[:count]
    shares = squares[order] / squares.sum()
    return tuple(
        HeavyDay(int(row), float(differences[row]), float(share))
        for row, share in zip(order, shares, strict=True)
    )


def described(grid: FloatArray, left_out: int) -> Described:
    """The other views of differences on a gapless grid of days, NaN where not known.

    W = n z'S^-1 z with z the mean of (d_t, d_{t-1} d_t) and S that of their outer products, against
    chi-squared of two degrees. Source: Giacomini and White (2006), one step ahead.
    """
    known = grid[np.isfinite(grid)]
    _ensure_enough(known)
    pairs = np.isfinite(grid[1:]) & np.isfinite(grid[:-1])
    later, before = grid[1:][pairs], grid[:-1][pairs]
    z = np.column_stack([later, before * later])
    mean = z.mean(axis=0)
    wald = float(len(z) * mean @ np.linalg.solve(z.T @ z / len(z), mean))
    below = int((known < 0.0).sum())
    kept = np.delete(known, [day.row for day in heaviest(known, left_out)])
    return Described(
        float(chi2.sf(wald, 2)),
        below / known.size,
        float(binomtest(below, known.size).pvalue),
        left_out,
        diebold_mariano(kept, np.zeros_like(kept), 1).t_statistic,
    )


def _ensure_enough(differences: FloatArray) -> None:
    if differences.ndim != 1 or not np.all(np.isfinite(differences)):
        raise InputError("comparison power", "differences", "expected a row of finite numbers")
    if differences.size < LEAST_ROWS:
        expected = f"expected at least {LEAST_ROWS}, got {differences.size}"
        raise InsufficientHistory("comparison power", "differences", expected)
