# SPDX-License-Identifier: Apache-2.0
"""What a study says: each policy's figures, and Tidegate beside each rule on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.honesty.frontier import expected_shortfall
from tidegate.backtest.honesty.paired import (
    MeanDifference,
    PairedDifference,
    paired_mean_difference,
    paired_risk_difference,
    wilson,
)
from tidegate.backtest.honesty.shapley import Share, shapley_with_intervals
from tidegate.backtest.trial.score import Score
from tidegate.backtest.variants import PARTS
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
LEVEL = 0.95
SEED = 1
RULES = ("fixed", "threshold", "per-venue")
# Below this probability a rule's liquidations are too rare to be compared one by one.
COMMON = 0.05
SURE_CARRY = 0.7


class Line(msgspec.Struct, frozen=True):
    """One policy over all contests; shares are of capital. `shortfall` is the mean of the worst
    twentieth of losses, `refused` the share of contests in which it could not open."""

    label: str
    contests: int
    refused: float
    liquidated: float
    liquidated_interval: tuple[float, float]
    calm_liquidated: float
    calm_carry: float
    calm_leverage: float
    collateral: float
    opening_cost: float
    crisis_return: float
    loss: float
    shortfall: float
    left: float | None
    transfers: float
    turnover: float


class Beside(msgspec.Struct, frozen=True):
    """Tidegate (`ours`) beside a rule on the seeds in which the rule could open: how often each is
    liquidated, what each loses, carry in the calm week, and whether the claim holds there:
    "lower" (its interval leaves out equality), "no higher", or "higher"."""

    ours: str
    theirs: str
    contests: int
    liquidated: PairedDifference
    loss: MeanDifference
    carry_ours: float
    carry_theirs: float
    carry_theirs_alive: float | None
    verdict: str


class Summary(msgspec.Struct, frozen=True):
    """A study in one document."""

    world: str
    first_seed: int
    contests: int
    lines: tuple[Line, ...]
    beside: tuple[Beside, ...]
    desk: dict[str, float | None]


def by_label(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Scores of each policy in the order of seeds."""
    found: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda s: s.seed):
        found.setdefault(score.label, []).append(score)
    return found


def summarise(scores: Sequence[Score]) -> Summary:
    """Figures of a study; raises `InputError` for scores of different contests."""
    policies = by_label(scores)
    seeds = {tuple(s.seed for s in rows) for rows in policies.values()}
    if len(seeds) != 1 or len({s.world for s in scores}) != 1:
        raise InputError("study", "scores", "expected every policy on the same seeds of one world")
    lines = {label: line_of(label, rows) for label, rows in policies.items()}
    rules = [label for label in policies if policies[label][0].policy in RULES]
    beside = [_beside(policies, label) for label in rules]
    return Summary(
        scores[0].world,
        min(min(seeds)),
        len(next(iter(seeds))),
        tuple(lines.values()),
        tuple(b for b in beside if b is not None),
        _desk(lines),
    )


def _column(rows: Sequence[Score], name: str) -> FloatArray:
    return np.array([float(getattr(row, name)) for row in rows])


def line_of(label: str, rows: Sequence[Score]) -> Line:
    """One policy's figures."""
    left = [row.left for row in rows if row.left is not None]
    loss = _column(rows, "loss")
    count = int(_column(rows, "liquidated").sum())
    mean = {
        name: float(_column(rows, name).mean())
        for name in Line.__struct_fields__
        if name in Score.__struct_fields__ and name not in ("left", "loss")
    }
    return Line(
        label=label,
        contests=len(rows),
        liquidated_interval=wilson(count, len(rows), LEVEL),
        loss=float(loss.mean()),
        shortfall=expected_shortfall(loss, LEVEL),
        left=float(np.mean(left)) if left else None,
        **mean,
    )


def partner_of(policies: Mapping[str, Sequence[Score]], rule: Score) -> str | None:
    """Tidegate at the rule's leverage, or at its own highest where the rule goes beyond it."""
    ours = {
        rows[0].leverage or 0.0: label
        for label, rows in policies.items()
        if rows[0].policy == "tidegate" and not rows[0].without
    }
    wanted = min(rule.leverage or 0.0, max(ours, default=0.0))
    return ours.get(wanted)


def _beside(policies: Mapping[str, Sequence[Score]], label: str) -> Beside | None:
    theirs = policies[label]
    partner = partner_of(policies, theirs[0])
    if partner is None:
        return None
    pairs = [(o, t) for o, t in zip(policies[partner], theirs, strict=True) if not t.refused]
    if len(pairs) < 2:
        return None
    mine, rule = [o for o, _ in pairs], [t for _, t in pairs]
    liquidated = paired_risk_difference(
        _column(mine, "liquidated") > 0, _column(rule, "liquidated") > 0, LEVEL
    )
    alive = [t.calm_carry for t in rule if not t.calm_liquidated]
    return Beside(
        partner,
        label,
        len(pairs),
        liquidated,
        paired_mean_difference(_column(mine, "loss"), _column(rule, "loss"), LEVEL, SEED),
        float(_column(mine, "calm_carry").mean()),
        float(_column(rule, "calm_carry").mean()),
        float(np.mean(alive)) if alive else None,
        verdict_of(liquidated),
    )


def verdict_of(difference: PairedDifference) -> str:
    """Where the rule is liquidated often: whether ours is lower beyond doubt; elsewhere whether it
    is no higher."""
    if difference.theirs >= COMMON:
        return "lower" if difference.high < 0 else "not shown"
    return "no higher" if difference.difference <= 0 else "higher"


def _desk(lines: Mapping[str, Line]) -> dict[str, float | None]:
    """Leverage at which Tidegate's shortfall equals the desk's, and the collateral that saves."""
    desk = lines.get("desk")
    ours = sorted(
        (line for label, line in lines.items() if label.startswith("tidegate")),
        key=lambda line: line.calm_leverage,
    )
    if desk is None or not ours:
        return {}
    leverage = _where(
        [line.calm_leverage for line in ours], [line.shortfall for line in ours], desk.shortfall
    )
    saved = None if not leverage else 1 - desk.calm_leverage / leverage
    return {
        "desk_leverage": desk.calm_leverage,
        "desk_shortfall": desk.shortfall,
        "leverage_at_equal_shortfall": leverage,
        "collateral_saved": saved,
    }


def _where(places: Sequence[float], values: Sequence[float], wanted: float) -> float | None:
    """The highest place at which values, joined by straight lines, reach what is wanted; None
    where they never do: nothing is extrapolated."""
    found = None
    for index in range(len(places) - 1):
        low, high = values[index], values[index + 1]
        if min(low, high) <= wanted <= max(low, high):
            share = (wanted - low) / (high - low) if low != high else 1.0
            found = places[index] + share * (places[index + 1] - places[index])
    return found


def shares_of(scores: Sequence[Score], measure: str) -> dict[str, Share]:
    """Shapley share of each part of Tidegate in a measure, from runs with every subset off."""
    outcomes = {
        frozenset(PARTS) - frozenset(rows[0].without): _column(rows, measure)
        for rows in by_label(scores).values()
    }
    return shapley_with_intervals(PARTS, outcomes, LEVEL, SEED)
