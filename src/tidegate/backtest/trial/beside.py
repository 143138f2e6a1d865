# SPDX-License-Identifier: Apache-2.0
"""Tidegate beside one rule on the same seeds and at the same average collateral, by clauses.

All start with the same capital, so an equal average leverage is an equal average collateral of what
is held. Tidegate's runs lie on a line of such averages; at the rule's own place on it stands the
policy that draws between the two runs next to it, of which one may be `cash`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.honesty.blend import (
    Arm,
    blend_weight,
    blended_mean_difference,
    blended_risk_difference,
)
from tidegate.backtest.honesty.paired import (
    MeanDifference,
    PairedDifference,
    paired_mean_difference,
    paired_risk_difference,
)
from tidegate.backtest.trial.score import Score

FloatArray = NDArray[np.float64]
LEVEL = 0.95
SEED = 1
# Below this probability a rule's liquidations are too rare to be compared one by one.
COMMON = 0.05
SURE_CARRY = 0.7
HOLDING = (
    *("lower", "no higher", "lower, not beyond doubt"),
    *("higher, not beyond doubt", "kept", "not asked"),
)


class Clauses(msgspec.Struct, frozen=True):
    """What is claimed, in words: liquidation ("lower": its interval leaves out equality; "no
    higher" where the rule's is rare; "not shown"; "higher"), mean loss ("lower", "lower, not beyond
    doubt", "higher"; "higher, not beyond doubt" where liquidations are rare) and carry ("kept",
    "not kept"; "not asked" beside any other than `fixed`)."""

    liquidated: str
    loss: str
    carry: str

    @property
    def broken(self) -> tuple[str, ...]:
        """Those that do not hold. The mean loss has to be lower where the rule's liquidations are
        common enough to be compared; elsewhere it may not be higher beyond doubt."""
        words = {"liquidation": self.liquidated, "loss": self.loss, "carry": self.carry}
        return tuple(f"{name} {word}" for name, word in words.items() if word not in HOLDING)


class Beside(msgspec.Struct, frozen=True):
    """Tidegate beside a rule on the seeds in which the rule could open: `ours` is how often each
    of our runs is drawn, `more_collateral` how much more of it ours holds per dollar of positions
    (0 where they are made equal), and the carry of the calm week is also that of the contests in
    which the rule lived until the crisis."""

    ours: dict[str, float]
    theirs: str
    contests: int
    leverage_ours: float
    leverage_theirs: float
    more_collateral: float
    liquidated: PairedDifference
    loss: MeanDifference
    carry_ours: float
    carry_theirs: float
    carry_theirs_alive: float | None
    clauses: Clauses
    holds: bool


def column(rows: Sequence[Score], name: str) -> FloatArray:
    """A figure of every score, in their order."""
    return np.array([float(getattr(row, name)) for row in rows])


def is_whole(score: Score) -> bool:
    """Whether this is Tidegate with no part switched off."""
    return score.policy == "tidegate" and not score.without


def neighbours(leverage: Mapping[str, float], wanted: float) -> tuple[str, ...]:
    """Our runs next below and above an average leverage, thin first; one alone where it has just
    that average, or where there is none on one side."""
    below = [name for name, own in leverage.items() if own <= wanted]
    above = [name for name, own in leverage.items() if own >= wanted]
    thin = max(below, key=leverage.__getitem__, default=None)
    thick = min(above, key=leverage.__getitem__, default=None)
    if thin is None or thick is None or leverage[thin] == leverage[thick]:
        return tuple(name for name in (thin or thick,) if name is not None)
    return thin, thick


def set_beside(policies: Mapping[str, Sequence[Score]], label: str) -> Beside | None:
    """Tidegate beside a rule; None where Tidegate was not run whole, or the rule opened in fewer
    than two contests. Scores of all policies are of the same seeds in the same order."""
    opened = [index for index, score in enumerate(policies[label]) if not score.refused]
    ours = {
        name: [rows[index] for index in opened]
        for name, rows in policies.items()
        if is_whole(rows[0])
    }
    if len(opened) < 2 or not ours:
        return None
    theirs = [policies[label][index] for index in opened]
    wanted = float(column(theirs, "calm_leverage").mean())
    if "cash" in policies:
        ours["cash"] = [policies["cash"][index] for index in opened]
    leverage = {name: float(column(rows, "calm_leverage").mean()) for name, rows in ours.items()}
    runs = {name: ours[name] for name in neighbours(leverage, wanted)}
    return _beside(runs, label, theirs)


def _beside(runs: Mapping[str, list[Score]], label: str, theirs: list[Score]) -> Beside:
    weights = _weights(runs, theirs)
    leverage, carry = (_mean(runs, weights, name) for name in ("calm_leverage", "calm_carry"))
    liquidated, loss = _liquidated(runs, theirs), _loss(runs, theirs)
    alive = [score.calm_carry for score in theirs if not score.calm_liquidated]
    carry_alive = float(np.mean(alive)) if alive else None
    # A rule that dies in the calm earns less by it, so its deaths count.
    all_carry = float(column(theirs, "calm_carry").mean())
    their_leverage = float(column(theirs, "calm_leverage").mean())
    clauses = Clauses(
        liquidation_words(liquidated),
        loss_words(loss, common=liquidated.theirs >= COMMON),
        carry_words(carry, all_carry) if theirs[0].policy == "fixed" else "not asked",
    )
    return Beside(
        weights,
        label,
        len(theirs),
        leverage,
        their_leverage,
        0.0 if len(runs) > 1 or leverage == 0 else their_leverage / leverage - 1,
        liquidated,
        loss,
        carry,
        all_carry,
        carry_alive,
        clauses,
        not clauses.broken,
    )


def _weights(runs: Mapping[str, list[Score]], theirs: list[Score]) -> dict[str, float]:
    if len(runs) == 1:
        return dict.fromkeys(runs, 1.0)
    thin, thick = runs
    sizes = [column(rows, "calm_leverage") for rows in (runs[thin], runs[thick], theirs)]
    weight = blend_weight(*sizes)
    return {thin: 1.0 - weight, thick: weight}


def _mean(runs: Mapping[str, list[Score]], weights: Mapping[str, float], name: str) -> float:
    return float(sum(w * column(runs[label], name).mean() for label, w in weights.items()))


def _arms(rows: Sequence[list[Score]], name: str) -> list[Arm]:
    return [Arm(column(one, "calm_leverage"), column(one, name)) for one in rows]


def _liquidated(runs: Mapping[str, list[Score]], theirs: list[Score]) -> PairedDifference:
    *ours, rule = _arms((*runs.values(), theirs), "liquidated")
    if len(ours) == 1:
        return paired_risk_difference(ours[0].outcome > 0, rule.outcome > 0, LEVEL)
    return blended_risk_difference((ours[0], ours[1]), rule, LEVEL, SEED)


def _loss(runs: Mapping[str, list[Score]], theirs: list[Score]) -> MeanDifference:
    *ours, rule = _arms((*runs.values(), theirs), "loss")
    if len(ours) == 1:
        return paired_mean_difference(ours[0].outcome, rule.outcome, LEVEL, SEED)
    return blended_mean_difference((ours[0], ours[1]), rule, LEVEL, SEED)


def liquidation_words(difference: PairedDifference) -> str:
    """Where the rule is liquidated often: whether ours is lower beyond doubt; elsewhere whether it
    is no higher."""
    if difference.theirs >= COMMON:
        return "lower" if difference.high < 0 else "not shown"
    return "no higher" if difference.difference <= 0 else "higher"


def loss_words(difference: MeanDifference, *, common: bool) -> str:
    """Whether the mean loss is lower, and whether beyond doubt; `common` where the rule is
    liquidated often enough to be compared."""
    if difference.difference >= 0:
        if not common and difference.low <= 0 < difference.difference:
            return "higher, not beyond doubt"
        return "higher" if difference.difference > 0 else "equal"
    return "lower" if difference.high < 0 else "lower, not beyond doubt"


def carry_words(ours: float, theirs: float) -> str:
    """Whether most of the carry is kept; of a carry below zero nothing may be missing."""
    return "kept" if ours >= (SURE_CARRY * theirs if theirs > 0 else theirs) else "not kept"
