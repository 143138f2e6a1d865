# SPDX-License-Identifier: Apache-2.0
"""Two policies on the same seeds: the difference of risks and of means, with intervals.

Differences are ours - theirs. What both met on one seed is common to both and cancels, so the
pairs are kept together throughout.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from scipy.special import bdtr, ndtri, stdtrit

from tidegate.backtest.honesty.bootstrap import mean_interval
from tidegate.backtest.honesty.samples import (
    BoolArray,
    FloatArray,
    finite_sample,
    require_level,
    require_paired,
    yes_or_no_sample,
)
from tidegate.model.errors import InputError


class PairedDifference(msgspec.Struct, frozen=True):
    """Both probabilities, ours less theirs, its interval, and the exact McNemar p-value; None where
    one of them is of a policy that draws between runs, whose outcome on a seed is no yes or no."""

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    p_value: float | None


class MeanDifference(msgspec.Struct, frozen=True):
    """Both means, ours less theirs, and its interval by bootstrap and by Student's t."""

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    t_low: float
    t_high: float


class _PairedTable(msgspec.Struct, frozen=True):
    """How many seeds had the event under both policies, under one alone, and under neither."""

    both: int
    ours_alone: int
    theirs_alone: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.ours_alone + self.theirs_alone + self.neither

    @property
    def ours(self) -> int:
        return self.both + self.ours_alone

    @property
    def theirs(self) -> int:
        return self.both + self.theirs_alone


def wilson(k: int, n: int, level: float) -> tuple[float, float]:
    """Score interval of a probability from k events in n trials.

    (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n), p = k/n, z = z((1 + level) / 2).

    Args: `n` >= 1; `k` in [0, n]; `level` in (0, 1). Returns: low, high, within [0, 1].
    Raises: `InputError`. Source: Wilson (1927).
    """
    require_level("wilson", level)
    if n < 1:
        raise InputError("wilson", "n", f"expected at least 1, got {n}")
    if not 0 <= k <= n:
        raise InputError("wilson", "k", f"expected from 0 to {n}, got {k}")
    p, z = k / n, float(ndtri((1.0 + level) / 2.0))
    stretch = 1.0 + z * z / n
    centre = (p + z * z / (2 * n)) / stretch
    half = z * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / stretch
    # At no event and at all events a limit is p itself, which rounding would miss.
    return (centre - half if k else 0.0), (centre + half if k < n else 1.0)


def paired_risk_difference(
    ours: BoolArray, theirs: BoolArray, level: float = 0.95
) -> PairedDifference:
    """How much more often an event comes to us than to them, over the same seeds.

    The interval is Newcombe's method 10: the distances of both Wilson limits are squared and added,
    less 2 phi times their product. phi is the correlation of the pairs, towards zero by the
    continuity correction where it is positive, and zero where a margin of the table is empty.
    p = min(1, 2 P(X <= min(b, c))), X binomial(b + c, 1/2), over the b + c discordant pairs.

    Args: `ours`, `theirs` bool[n], one per seed in the same order; `level` in (0, 1).
    Returns: a `PairedDifference`; p is 1 where no pair is discordant.
    Raises: `InputError` on values that are not boolean, unequal lengths, or none at all.
    Source: Newcombe (1998), Statistics in Medicine 17, 2635-2650; McNemar (1947).
    """
    where = "paired risk difference"
    require_level(where, level)
    us, them = yes_or_no_sample(where, "ours", ours), yes_or_no_sample(where, "theirs", theirs)
    require_paired(where, "theirs", them.size, us.size)
    table = _table(us, them)
    low, high = _newcombe_limits(table, level)
    p_ours, p_theirs = table.ours / table.n, table.theirs / table.n
    difference = (table.ours_alone - table.theirs_alone) / table.n
    return PairedDifference(p_ours, p_theirs, difference, low, high, _mcnemar(table))


def paired_mean_difference(
    ours: FloatArray, theirs: FloatArray, level: float, seed: int
) -> MeanDifference:
    """How much larger our mean is than theirs, over the same seeds.

    The bootstrap draws whole pairs (BCa, 2000 draws); beside it stands mean +- t sd / sqrt(n)
    with n - 1 degrees of freedom. Where the two disagree the differences are skewed or few.

    Args: `ours`, `theirs` float64[n], one per seed in the same order; `level` in (0, 1);
        `seed` of the draws.
    Returns: a `MeanDifference`; both intervals have no width where the difference never varies.
    Raises: `InputError` on NaN or infinity, unequal lengths, or fewer than two seeds.
    Source: Efron (1987); Student (1908).
    """
    where = "paired mean difference"
    require_level(where, level)
    us, them = finite_sample(where, "ours", ours), finite_sample(where, "theirs", theirs)
    require_paired(where, "theirs", them.size, us.size)
    if us.size < 2:
        raise InputError(where, "ours", f"expected at least two seeds, got {us.size}")
    gaps = us - them
    mean = float(gaps.mean())
    low, high = mean_interval(gaps, level, seed)
    t_quantile = float(stdtrit(gaps.size - 1, (1.0 + level) / 2.0))
    half = t_quantile * float(gaps.std(ddof=1)) / math.sqrt(gaps.size)
    return MeanDifference(
        float(us.mean()), float(them.mean()), mean, low, high, mean - half, mean + half
    )


def _table(ours: BoolArray, theirs: BoolArray) -> _PairedTable:
    return _PairedTable(
        int(np.sum(ours & theirs)),
        int(np.sum(ours & ~theirs)),
        int(np.sum(~ours & theirs)),
        int(np.sum(~ours & ~theirs)),
    )


def _newcombe_limits(table: _PairedTable, level: float) -> tuple[float, float]:
    p_ours, p_theirs = table.ours / table.n, table.theirs / table.n
    ours_low, ours_high = wilson(table.ours, table.n, level)
    theirs_low, theirs_high = wilson(table.theirs, table.n, level)
    difference = (table.ours_alone - table.theirs_alone) / table.n
    phi = _correlation(table)
    down = _square_and_add(p_ours - ours_low, theirs_high - p_theirs, phi)
    up = _square_and_add(ours_high - p_ours, p_theirs - theirs_low, phi)
    return difference - down, difference + up


def _square_and_add(first: float, second: float, phi: float) -> float:
    """sqrt(first^2 - 2 phi first second + second^2), written so that rounding keeps it real."""
    return math.sqrt((first - second) ** 2 + 2.0 * (1.0 - phi) * first * second)


def _correlation(table: _PairedTable) -> float:
    margins = table.ours * (table.n - table.ours) * table.theirs * (table.n - table.theirs)
    if margins == 0:
        return 0.0
    excess: float = table.both * table.neither - table.ours_alone * table.theirs_alone
    if excess > 0:
        excess = max(excess - table.n / 2.0, 0.0)
    return excess / math.sqrt(margins)


def _mcnemar(table: _PairedTable) -> float:
    discordant = table.ours_alone + table.theirs_alone
    fewer = min(table.ours_alone, table.theirs_alone)
    return min(1.0, 2.0 * float(bdtr(fewer, discordant, 0.5))) if discordant else 1.0
