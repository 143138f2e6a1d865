# SPDX-License-Identifier: Apache-2.0
"""A rule beside a policy that draws between two runs, so that both are of one average size."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.backtest.honesty.paired import (
    MeanDifference,
    PairedDifference,
    paired_mean_difference,
    paired_risk_difference,
)
from tidegate.backtest.honesty.samples import FloatArray, finite_sample, require_paired
from tidegate.model.errors import InputError

WHERE = "blend"


@dataclass(frozen=True, slots=True)
class Arm:
    """A run over seeds: its size and what came of it, each float64[n], one unit per field."""

    size: FloatArray
    outcome: FloatArray


def blend_weight(thin: FloatArray, thick: FloatArray, wanted: FloatArray) -> float:
    """How often the thick run must be drawn, so that the mean size is the wanted one.

    w = (mean wanted - mean thin) / (mean thick - mean thin).

    Args: sizes float64[n] on the same seeds. Returns: strictly between 0 and 1.
    Raises: `InputError` unless the wanted mean lies strictly between the two others.
    """
    low, high, mean = float(thin.mean()), float(thick.mean()), float(wanted.mean())
    if not low < mean < high:
        expected = f"expected a mean strictly between {low} and {high}, got {mean}"
        raise InputError(WHERE, "size", expected)
    return (mean - low) / (high - low)


def blended_mean_difference(
    runs: tuple[Arm, Arm], theirs: Arm, level: float, seed: int
) -> MeanDifference:
    """How much larger the mean is of the run drawn by `blend_weight` than that of theirs.

    On seed s the policy's mean over its own draw is w thick_s + (1 - w) thin_s. As w is found from
    the same seeds, its error belongs in the interval: to first order by adding
    k (size_s - w thick size_s - (1 - w) thin size_s), whose mean is 0, with
    k = (mean thick - mean thin) / (mean thick size - mean thin size). Then pairs are drawn again.

    Args: `runs` (thin, thick); arms on the same n >= 2 seeds; `level` in (0, 1); `seed` of draws.
    Returns: a `MeanDifference`. Raises: `InputError` as `blend_weight`, and on bad samples.
    Source: Efron (1987) for the interval; Hampel (1974) for the influence of an estimate.
    """
    thin, thick = (_checked(run, theirs.size.size) for run in runs)
    weight = blend_weight(thin.size, thick.size, theirs.size)
    slope = (thick.outcome.mean() - thin.outcome.mean()) / (thick.size.mean() - thin.size.mean())
    drawn = weight * thick.outcome + (1.0 - weight) * thin.outcome
    excess = theirs.size - weight * thick.size - (1.0 - weight) * thin.size
    return paired_mean_difference(drawn + slope * excess, theirs.outcome, level, seed)


def blended_risk_difference(
    runs: tuple[Arm, Arm], theirs: Arm, level: float, seed: int
) -> PairedDifference:
    """`blended_mean_difference` of an event, 0 or 1 in each arm and seed.

    Where no draw of seeds could differ, an interval without width would claim what few seeds
    cannot show; there it is the runs' own intervals (`paired_risk_difference`), weighted alike.

    Returns: a `PairedDifference` without a p-value.
    """
    mean = blended_mean_difference(runs, theirs, level, seed)
    low, high = max(-1.0, mean.low), min(1.0, mean.high)
    if mean.low == mean.high:
        weight = blend_weight(runs[0].size, runs[1].size, theirs.size)
        thin, thick = (
            paired_risk_difference(run.outcome > 0, theirs.outcome > 0, level) for run in runs
        )
        low = weight * thick.low + (1.0 - weight) * thin.low
        high = weight * thick.high + (1.0 - weight) * thin.high
    return PairedDifference(mean.ours, mean.theirs, mean.difference, low, high, None)


def _checked(run: Arm, n: int) -> Arm:
    size, outcome = (finite_sample(WHERE, "run", values) for values in (run.size, run.outcome))
    require_paired(WHERE, "run", size.size, n)
    return Arm(size, outcome)
