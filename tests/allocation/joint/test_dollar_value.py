# SPDX-License-Identifier: Apache-2.0
"""What one more dollar at a node is worth, by both solvers and by the optimum's own slope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.allocation.joint.random_questions import random_question
from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import Question
from tidegate.allocation.joint.reference import solve_reference

STEP = 1e-4


def richer(question: Question, node: int, by: float) -> Question:
    """The question with more money at a node, none of which may leave."""
    amount = question.nodes.amount.copy()
    amount[node] += by
    return replace(question, nodes=replace(question.nodes, amount=amount))


@pytest.mark.parametrize("seed", range(6))
def test_dollar_value_lies_between_the_slopes_of_the_optimum_on_either_side(seed: int) -> None:
    question = random_question(seed)
    answers = Compiled(question).solve(), solve_reference(question, "CLARABEL")
    for node in range(question.nodes.amount.size):
        more, less = (
            Compiled(richer(question, node, by)).solve().objective for by in (STEP, -STEP)
        )
        slopes = (more - answers[0].objective) / STEP, (answers[0].objective - less) / STEP
        for answer in answers:
            value = float(answer.dollar_value[node])
            assert min(slopes) - 2e-2 <= value <= max(slopes) + 2e-2
            assert np.isfinite(value)
