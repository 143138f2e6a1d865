# SPDX-License-Identifier: Apache-2.0
"""What a study says: each policy's figures, and Tidegate beside each rule on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from tidegate.backtest.honesty.frontier import expected_shortfall
from tidegate.backtest.honesty.paired import wilson
from tidegate.backtest.honesty.shapley import Share, shapley_with_intervals
from tidegate.backtest.trial.beside import LEVEL, SEED, Beside, column, is_whole, set_beside
from tidegate.backtest.trial.origin import Origin
from tidegate.backtest.trial.score import Score
from tidegate.backtest.variants import PARTS
from tidegate.model.errors import InputError, ensure

RULES = ("fixed", "threshold", "per-venue")
DESK = "desk"


class Line(msgspec.Struct, frozen=True):
    """One policy over the contests in which it could open; shares are of capital. `refused` is the
    share of all contests in which it could not, `shortfall` the mean of the worst twentieth of
    losses."""

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


class Summary(msgspec.Struct, frozen=True):
    """A study in one document: what it came from, every policy's figures, those that could never
    open, Tidegate beside each rule, and whether every clause of the gate holds beside all rules
    (`broken` names those that do not). The desk is set beside it for the report only: `beside_desk`
    at equal collateral, `desk` at equal shortfall."""

    origin: Origin
    first_seed: int
    contests: int
    lines: tuple[Line, ...]
    never_opened: tuple[str, ...]
    beside: tuple[Beside, ...]
    holds: bool
    broken: tuple[str, ...]
    beside_desk: Beside | None
    desk: dict[str, float | None]


def by_label(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Scores of each policy in the order of seeds."""
    found: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda s: s.seed):
        found.setdefault(score.label, []).append(score)
    return found


def summarise(scores: Sequence[Score], origin: Origin) -> Summary:
    """Figures of a study; raises `InputError` for scores of different contests."""
    policies = by_label(scores)
    seeds = seeds_of(policies)
    opened = [label for label, rows in policies.items() if not all(r.refused for r in rows)]
    lines = {label: line_of(label, policies[label]) for label in opened}
    rules = [label for label in policies if policies[label][0].policy in RULES]
    beside = [found for label in rules if (found := set_beside(policies, label)) is not None]
    broken = [f"{b.theirs}: {words}" for b in beside for words in b.clauses.broken]
    return Summary(
        origin,
        min(seeds),
        len(seeds),
        tuple(lines.values()),
        tuple(label for label in policies if label not in lines),
        tuple(beside),
        bool(beside) and not broken,
        tuple(broken),
        set_beside(policies, DESK) if DESK in policies else None,
        _desk(lines.get(DESK), [lines[label] for label in opened if is_whole(policies[label][0])]),
    )


def seeds_of(policies: Mapping[str, Sequence[Score]]) -> tuple[int, ...]:
    """The seeds of all policies; raises `InputError` unless they are the same, of one world and
    each once."""
    seeds = {tuple(s.seed for s in rows) for rows in policies.values()}
    worlds = {s.world for rows in policies.values() for s in rows}
    if len(seeds) != 1 or len(worlds) != 1 or len(set(min(seeds))) != len(min(seeds)):
        raise InputError("study", "scores", "expected every policy on the same seeds of one world")
    return min(seeds)


def line_of(label: str, scores: Sequence[Score]) -> Line:
    """One policy's figures over the contests in which it could open, at least one."""
    rows = [row for row in scores if not row.refused]
    ensure(len(rows) > 0, f"{label} never opened")
    left = [row.left for row in rows if row.left is not None]
    loss = column(rows, "loss")
    count = int(column(rows, "liquidated").sum())
    mean = {
        name: float(column(rows, name).mean())
        for name in Line.__struct_fields__
        if name in Score.__struct_fields__ and name not in ("left", "loss", "refused")
    }
    return Line(
        label=label,
        contests=len(scores),
        refused=1 - len(rows) / len(scores),
        liquidated_interval=wilson(count, len(rows), LEVEL),
        loss=float(loss.mean()),
        shortfall=expected_shortfall(loss, LEVEL),
        left=float(np.mean(left)) if left else None,
        **mean,
    )


def _desk(desk: Line | None, tidegate: Sequence[Line]) -> dict[str, float | None]:
    """Leverage at which Tidegate's shortfall equals the desk's, and the collateral that saves."""
    ours = sorted(tidegate, key=lambda line: line.calm_leverage)
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
    """Shapley share of each part of Tidegate in a measure, from runs with every subset off; raises
    `InputError` for scores of different contests."""
    policies = by_label(scores)
    seeds_of(policies)
    outcomes = {
        frozenset(PARTS) - frozenset(rows[0].without): column(rows, measure)
        for rows in policies.values()
    }
    return shapley_with_intervals(PARTS, outcomes, LEVEL, SEED)
