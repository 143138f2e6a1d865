# SPDX-License-Identifier: Apache-2.0
"""What each part of a policy contributes, when parts only work together: exact Shapley values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations

import msgspec
import numpy as np

from tidegate.backtest.honesty.bootstrap import mean_interval
from tidegate.backtest.honesty.samples import (
    FloatArray,
    finite_sample,
    require_level,
    require_paired,
)
from tidegate.model.errors import InputError

WHERE = "shapley"
Subset = frozenset[str]


class Share(msgspec.Struct, frozen=True):
    """A factor's share of the whole effect, with its interval over seeds."""

    share: float
    low: float
    high: float


def shapley_shares(
    factors: tuple[str, ...], value: Mapping[frozenset[str], float]
) -> dict[str, float]:
    """Each factor's marginal value, averaged over all orders of switching the factors on.

    phi_f = sum over S without f of |S|! (k - |S| - 1)! / k! (v(S + f) - v(S)), k factors.
    It is summed in fractions and rounded once, so the shares add up to v(all) - v(none) to within
    that rounding, a factor without effect has exactly 0, and equal factors have equal shares.

    Args: `value` by the set of factors that are on, for all 2^k sets, the empty one included.
    Returns: the shares in the unit of the value. Raises: `InputError` naming a missing set, a
    value that is not finite, or a factor given twice. Source: Shapley (1953).
    """
    subsets = _subsets(factors)
    exact = {subset: Fraction(_number(subset, value)) for subset in subsets}
    return {
        factor: float(sum(w * (exact[on] - exact[off]) for w, on, off in _steps(factor, factors)))
        for factor in factors
    }


def shapley_with_intervals(
    factors: tuple[str, ...],
    outcomes: Mapping[frozenset[str], FloatArray],
    level: float,
    seed: int,
) -> dict[str, Share]:
    """Shapley shares of the mean outcome, with BCa intervals over paired seeds.

    The share is linear in the values, so each seed has a share of its own, their mean is the share
    of the mean, and drawing seeds again for all sets together is drawing these shares again.

    Args: `outcomes` float64[n] by the set of factors that are on, the same n >= 2 seeds in the
        same order in each; `level` in (0, 1); `seed` of the draws, one for all factors.
    Raises: `InputError` as `shapley_shares`, and on NaN or unequal lengths.
    Source: Shapley (1953); Efron (1987).
    """
    require_level(WHERE, level)
    subsets = _subsets(factors)
    known = {subset: _outcome(subset, outcomes) for subset in subsets}
    n = known[frozenset()].size
    for subset in subsets:
        require_paired(WHERE, _name(subset), known[subset].size, n)
    return {factor: _share(factor, factors, known, level, seed) for factor in factors}


def _share(
    factor: str,
    factors: tuple[str, ...],
    outcomes: Mapping[frozenset[str], FloatArray],
    level: float,
    seed: int,
) -> Share:
    by_seed = np.zeros(outcomes[frozenset()].size)
    for weight, on, off in _steps(factor, factors):
        by_seed += float(weight) * (outcomes[on] - outcomes[off])
    return Share(float(by_seed.mean()), *mean_interval(by_seed, level, seed))


def _steps(factor: str, factors: tuple[str, ...]) -> Iterator[tuple[Fraction, Subset, Subset]]:
    """Every set without the factor: its weight, the set with the factor, and the set itself."""
    k = len(factors)
    for off in _subsets(tuple(other for other in factors if other != factor)):
        orders = math.factorial(len(off)) * math.factorial(k - len(off) - 1)
        yield Fraction(orders, math.factorial(k)), off | {factor}, off


def _subsets(factors: tuple[str, ...]) -> list[Subset]:
    if len(set(factors)) != len(factors):
        raise InputError(WHERE, "factors", f"expected each once, got {', '.join(factors)}")
    sizes = range(len(factors) + 1)
    return [frozenset(chosen) for size in sizes for chosen in combinations(factors, size)]


def _number(subset: Subset, value: Mapping[frozenset[str], float]) -> float:
    if subset not in value:
        raise InputError(WHERE, _name(subset), "expected a value for this set of factors")
    if not math.isfinite(value[subset]):
        raise InputError(WHERE, _name(subset), f"expected a finite value, got {value[subset]}")
    return float(value[subset])


def _outcome(subset: Subset, outcomes: Mapping[frozenset[str], FloatArray]) -> FloatArray:
    if subset not in outcomes:
        raise InputError(WHERE, _name(subset), "expected outcomes for this set of factors")
    return finite_sample(WHERE, _name(subset), outcomes[subset])


def _name(subset: Subset) -> str:
    return "{" + ", ".join(sorted(subset)) + "}"
