# SPDX-License-Identifier: Apache-2.0
"""The trap of raw dollars: a solver's word "solved" is no proof, and shares of equity are wanted.

The programme is that of reference quant 3.7 in 4 venues, 3 assets, 12 perpetuals and 28 options,
made smaller in scenarios: 120 of CVaR at each venue and two of stress.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from tests.allocation.joint.random_questions import Shape, random_question, scaled
from tidegate.allocation.joint.proof import Conic, dual_bound, outside, prove
from tidegate.allocation.joint.question import Question
from tidegate.allocation.joint.reference import (
    OPTIONS,
    CompiledReference,
    linearised,
    solve_reference,
)
from tidegate.allocation.solve import SolveError

DOLLARS = 1e7
SHAPE = Shape(venues=4, coins=3, options=28, assets=3, scenarios=120, points=1, steps=1)


@pytest.fixture(scope="module")
def question() -> Question:
    return linearised(random_question(7, SHAPE, hard=True))


@pytest.fixture(scope="module")
def conic(question: Question) -> Conic:
    return CompiledReference(question).run({})[0]


def test_programme_in_shares_of_equity_has_one_optimum_by_both_solvers(question: Question) -> None:
    interior, simplex = solve_reference(question), solve_reference(question, "HIGHS")
    assert interior.objective == pytest.approx(simplex.objective, abs=1e-6)
    assert simplex.objective > 1e-3


def test_solver_in_raw_dollars_says_solved_and_its_gap_refuses_it(
    question: Question, conic: Conic
) -> None:
    """The same programme in dollars: by its own tolerances the solver stops far from the optimum.
    Its x and z, put back into shares of equity, are judged by the gap alone."""
    raw = CompiledReference(scaled(question, DOLLARS)).run({})[2]
    best = solve_reference(question, "HIGHS").objective
    assert raw.status == "Solved"
    assert abs(float(conic.cost @ raw.x) / DOLLARS + best) > 1e-5
    assert outside(conic, raw.x / DOLLARS) < 1e-7
    with pytest.raises(SolveError, match="is not proved: only"):
        prove(conic, raw.x / DOLLARS, raw.z)


def test_question_in_raw_dollars_is_refused(question: Question) -> None:
    for solver in OPTIONS:
        with pytest.raises(SolveError, match="expected shares of equity"):
            solve_reference(scaled(question, DOLLARS), solver)


def test_loose_answer_is_refused_and_a_tight_one_of_the_same_programme_is_not(
    question: Question,
) -> None:
    compiled = CompiledReference(question)
    loose = {"tol_gap_abs": 1e-3, "tol_gap_rel": 1e-3, "tol_feas": 1e-3}
    with pytest.raises(SolveError, match=r"not proved|violated"):
        compiled.attempt(loose)
    assert compiled.solve().bound > 0.0


def cone() -> Conic:
    """Least x + y with x >= 1 and ||(y, 3)|| <= 5: 1 - 4."""
    matrix = np.array([[-1.0, 0.0], [0.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
    right = np.array([-1.0, 5.0, 0.0, 3.0])
    return Conic(np.ones(2), sparse.csc_array(matrix), right, 0, 1, (3,))


def test_bound_of_a_cone_by_hand() -> None:
    """z of the cone is (5, 4, -3) / 4: -b'z = 1 - (25 - 9) / 4 = -3, and c + A'z = 0."""
    best = np.array([1.0, -4.0])
    price = np.array([1.0, 1.25, 1.0, -0.75])
    assert dual_bound(cone(), price) == pytest.approx(-3.0)
    assert prove(cone(), best, price) == pytest.approx(-3.0)


@pytest.mark.parametrize(
    ("x", "z", "why"),
    [
        ([1.0, -4.1], [1.0, 1.25, 1.0, -0.75], "violated"),
        ([0.9, -4.0], [1.0, 1.25, 1.0, -0.75], "violated"),
        ([1.0, -3.9], [1.0, 1.25, 1.0, -0.75], "not proved"),
        ([1.0, -4.0], [1.0, 2.0, 1.0, -0.75], "not proved"),
        ([1.0, -4.0], [-1.0, 1.25, 1.0, -0.75], "not proved"),
        ([np.nan, -4.0], [1.0, 1.25, 1.0, -0.75], "missing"),
        ([1.0, -4.0], [1.0, np.inf, 1.0, -0.75], "missing"),
        ([1e3, -4.0], [1.0, 1.25, 1.0, -0.75], "units of equity"),
    ],
)
def test_wrong_answer_is_refused_for_what_is_wrong(
    x: list[float], z: list[float], why: str
) -> None:
    with pytest.raises(SolveError, match=why):
        prove(cone(), np.array(x), np.array(z))


def test_row_of_an_equality_counts_on_both_sides() -> None:
    equal = replace(cone(), zero=1, positive=0)
    for x in (1.1, 0.9):
        assert outside(equal, np.array([x, 0.0])) == pytest.approx(0.1)
