# SPDX-License-Identifier: Apache-2.0
"""Hundreds of accepted answers, verified again outside the solver."""

from __future__ import annotations

from dataclasses import replace
from math import fsum, isfinite

import numpy as np
import pytest

from tests.allocation.questions import random_question
from tests.allocation.test_solve import WRONG, boxed, programme
from tests.soak import Budget
from tidegate.allocation import solve as solving
from tidegate.allocation.linear_programme import StandardForm
from tidegate.allocation.programme import formulate
from tidegate.allocation.solve import GAP, Solution, SolveError, solve, solve_highs

SMALL, REAL, SOAK_ANSWERS = 500, 20, 100_000
TOLERANCE = 1e-6


def require_answer(form: StandardForm, answer: Solution) -> None:
    """Every row and bound holds, and the rows' prices prove that nothing cheaper exists: weak
    duality, written out term by term."""
    x, prices = answer.x.tolist(), answer.row_duals.tolist()
    values: list[list[float]] = [[] for _ in prices]
    reduced = [[float(c)] for c in form.cost]
    matrix = form.matrix.tocoo()
    for row, column, entry in zip(matrix.row, matrix.col, matrix.data.tolist(), strict=True):
        values[row].append(entry * x[column])
        reduced[column].append(-entry * prices[row])
    worth = list[float]()
    for value, price, low, high in zip(
        [*map(fsum, values), *x],
        [*prices, *map(fsum, reduced)],
        [*form.row_lower.tolist(), *form.lower.tolist()],
        [*form.row_upper.tolist(), *form.upper.tolist()],
        strict=True,
    ):
        assert low - TOLERANCE <= value <= high + TOLERANCE
        end = high if price < 0 else low
        # A price that rounds to nothing proves nothing on a side that is open.
        assert isfinite(end) or abs(price) < TOLERANCE
        worth.append(price * (end if isfinite(end) else value))
    cost = fsum(float(c) * value for c, value in zip(form.cost, x, strict=True))
    assert cost - fsum(worth) <= 2 * GAP * max(1.0, abs(cost))


def accepted_or_refused(number: int) -> None:
    """A drawn programme's answer stands, and the same answer spoilt is refused."""
    form = programme(number % 2**32)
    require_answer(form, solve(form))
    names = [name for name in WRONG if "vertex" not in name]
    box = boxed(form)
    x, duals, basis = solve_highs(box)
    wrong = WRONG[names[number % len(names)]](box, x, duals)
    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(solving, "solve_highs", lambda *_: (*wrong, basis))
        with pytest.raises(SolveError):
            solve(box)


def test_five_hundred_accepted_answers_stand_and_spoilt_ones_are_refused() -> None:
    for number in range(SMALL):
        accepted_or_refused(number)


def test_accepted_answers_of_whole_books_stand() -> None:
    for number in range(REAL):
        form = formulate(random_question(number))
        require_answer(form, solve(form))


@pytest.mark.soak(promise="R17", weight=1)
def test_fresh_accepted_answers_stand_and_spoilt_ones_are_refused(budget: Budget) -> None:
    budget.each("programme", accepted_or_refused, SOAK_ANSWERS)


def test_answer_that_is_moved_or_has_other_prices_does_not_stand() -> None:
    form = programme(7)
    answer = solve(form)
    for spoilt in (
        replace(answer, x=answer.x + 1e-3),
        replace(answer, row_duals=answer.row_duals + 0.1),
    ):
        with pytest.raises(AssertionError):
            require_answer(form, spoilt)
