# SPDX-License-Identifier: Apache-2.0
"""Scores made by hand, for tests of what is said of many of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial.origin import Origin, header_line
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import Job

UNEVENTFUL = Score(
    world="first",
    seed=0,
    crisis="crash",
    policy="fixed",
    leverage=5.0,
    without=(),
    refused=False,
    liquidated=False,
    calm_liquidated=False,
    calm_carry=0.0,
    opening_cost=0.0,
    crisis_return=0.0,
    loss=0.0,
    collateral=1.0,
    calm_leverage=0.0,
    left=None,
    worst_health=None,
    transfers=0,
    turnover=0.0,
    journal_head="0" * 64,
)

ORIGIN = Origin("first", "0" * 64, "1" * 16, (Spec("fixed", 5.0),), "0.1.0", "2" * 64)


def scored(spec: Spec, seed: int, **figures: object) -> Score:
    """A score of a policy in which nothing happened but what is named."""
    named = {"policy": spec.policy, "leverage": spec.leverage, "without": spec.without}
    return msgspec.structs.replace(UNEVENTFUL, seed=seed, **named, **figures)


def rows(spec: Spec, **columns: Sequence[object]) -> list[Score]:
    """Scores of a policy on seeds 0, 1, ..., a column of figures for each name."""
    count = len(next(iter(columns.values())))
    return [
        scored(spec, seed, **{name: column[seed] for name, column in columns.items()})
        for seed in range(count)
    ]


def scores_of_job(job: Job, **figures: object) -> list[Score]:
    """What a job's contest would give if nothing happened but what is named."""
    place = {"world": job.world, "crisis": job.crisis}
    return [scored(spec, job.seed, **{**place, **figures}) for spec in job.specs]


def score_lines(contests: Sequence[Sequence[Score]]) -> bytes:
    """One line for each contest, as a study writes them."""
    return b"".join(msgspec.json.encode(list(row)) + b"\n" for row in contests)


def write_scores(file: Path, origin: Origin, contests: Sequence[Sequence[Score]]) -> None:
    """The file of a study: its header and its contests."""
    file.write_bytes(header_line(origin) + score_lines(contests))
