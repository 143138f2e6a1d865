# SPDX-License-Identifier: Apache-2.0
"""A mandate that no book can meet is never answered without a cure, and the cure cures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.plan.random_books import Drawn
from tidegate.allocation.joint.diagnosis import Easing
from tidegate.allocation.joint.elastic import Elastic
from tidegate.allocation.joint.question import Question
from tidegate.engine.plan.asking import NoEquity, ask
from tidegate.engine.plan.relaxing import conflicts, without_targets


def _contradicted(question: Question, seed: int) -> Question:
    """The question with one of its own limits made impossible, as the seed has it."""
    rng = np.random.default_rng([seed, 77])
    boxes = question.boxes
    lower, upper = boxes.lower.copy(), boxes.upper.copy()
    choice = int(rng.integers(3))
    place = int(rng.integers(len(boxes.names)))
    far = float(rng.uniform(0.5, 3.0)) * float(rng.choice([-1.0, 1.0]))
    if choice < 2:
        # A delta, gamma or vega that leverage or volume does not reach, or that none may hold.
        lower[place] = upper[place] = far
    gross = question.gross
    if choice > 0:
        held = float(np.abs(question.positions.held).sum())
        gross = tuple(
            replace(each, cap=0.1 * held) if each.name == "gross leverage" else each
            for each in gross
        )
    return replace(question, boxes=replace(boxes, lower=lower, upper=upper), gross=gross)


def _feasible(question: Question, eased: tuple[Easing, ...]) -> bool:
    """Whether the limits hold together, the easings given and nothing else."""
    elastic = Elastic(question)
    given = {each.name: each.amount for each in eased}
    slack, _ = elastic.least(elastic.names)
    less = elastic.least([n for n in elastic.names if n not in given], list(given))[0]
    assert sum(slack.values()) > 0.0
    return sum(less.values()) <= 1e-5


@pytest.mark.parametrize("block", range(2))
def test_random_infeasible_mandate_is_answered_with_conflicts_and_a_cure_for_each(
    block: int, tmp_path: Path
) -> None:
    judged = 0
    for seed in range(100 * block, 100 * block + 16):
        try:
            asked = ask(*Drawn(seed, options=False).read(tmp_path))
        except NoEquity:
            continue
        question = _contradicted(asked.question, seed)
        hard = tuple(each for each in question.gross if not np.isfinite(each.penalty))
        held = replace(question, gross=hard, boxes=without_targets(question.boxes))
        if sum(Elastic(held).least(Elastic(held).names)[0].values()) <= 1e-6:
            continue
        found = conflicts(question)
        assert found is not None
        assert found.conflicts
        assert found.least
        # Where only several limits together could be proved to cure, the least violation is it.
        assert all(each.cures for each in found.conflicts) or len(found.least) > 1, found
        assert _feasible(held, found.least)
        judged += 1
    assert judged >= 3
