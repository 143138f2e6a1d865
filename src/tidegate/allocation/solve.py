# SPDX-License-Identifier: Apache-2.0
"""Solving a linear programme by HiGHS, and by Clarabel as the second opinion.

The solver is untrusted: an answer counts only when both solvers agree on the objective and the
answer satisfies the rows, checked here in plain numpy. Programmes are in units of equity, since
interior-point methods stop early on raw dollars (reference: Clarabel against HiGHS, 14 % apart).
"""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tidegate.allocation.linear_programme import StandardForm

FloatArray = NDArray[np.float64]
AGREEMENT = 1e-6
FEASIBILITY = 1e-7


class SolveError(Exception):
    """No answer that two solvers and the check agree on; the caller holds or reduces."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Optimal x, objective value, and the shadow price of each row (dual of the minimisation)."""

    x: FloatArray
    objective: float
    row_duals: FloatArray
    second_objective: float


def solve(form: StandardForm) -> Solution:
    """Solve and cross-check; raises `SolveError` rather than return a doubtful answer."""
    x, duals = solve_highs(form)
    violation = row_violation(form, x)
    # Negated, since a comparison with "not a number" is false.
    if not violation <= FEASIBILITY:
        raise SolveError(f"HiGHS left a row violated by {violation:.2e} of equity")
    objective = float(form.cost @ x)
    second = solve_clarabel(form)
    if not abs(second - objective) <= AGREEMENT * max(1.0, abs(objective)):
        raise SolveError(f"HiGHS {objective:.9f} and Clarabel {second:.9f} disagree")
    return Solution(x, objective, duals, second)


def row_violation(form: StandardForm, x: FloatArray) -> float:
    """Largest violation of a row or bound, in the programme's units; NaN where x has one."""
    value = form.matrix @ x
    gaps = (form.row_lower - value, value - form.row_upper, form.lower - x, x - form.upper)
    return float(np.max([0.0, *(gap.max() for gap in gaps if gap.size)]))


def solve_highs(form: StandardForm) -> tuple[FloatArray, FloatArray]:
    """Minimiser and row duals by HiGHS' simplex."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = form.cost.size, form.row_lower.size
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = form.cost, form.lower, form.upper
    lp.row_lower_, lp.row_upper_ = form.row_lower, form.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = form.matrix.indptr
    lp.a_matrix_.index_ = form.matrix.indices
    lp.a_matrix_.value_ = form.matrix.data
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", 10.0)
    solver.passModel(lp)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolveError(f"HiGHS: {solver.modelStatusToString(status)}")
    answer = solver.getSolution()
    return np.array(answer.col_value), np.array(answer.row_dual)


def solve_clarabel(form: StandardForm) -> float:
    """Optimal objective by Clarabel's interior point; the answer itself is not used."""
    inequalities, right = _inequalities(form)
    size = form.cost.size
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    cones = [clarabel.NonnegativeConeT(right.size)]
    zero = sparse.csc_matrix((size, size))
    solver = clarabel.DefaultSolver(zero, form.cost, inequalities, right, cones, settings)
    answer = solver.solve()
    if "Solved" not in str(answer.status):
        raise SolveError(f"Clarabel: {answer.status}")
    return float(answer.obj_val)


def _inequalities(form: StandardForm) -> tuple[sparse.csc_matrix, FloatArray]:
    """All rows and bounds as A x <= b."""
    identity = sparse.eye_array(form.cost.size, format="csr")
    matrix = form.matrix.tocsr()
    blocks = (
        (matrix, form.row_upper, 1.0),
        (matrix, form.row_lower, -1.0),
        (identity, form.upper, 1.0),
        (identity, form.lower, -1.0),
    )
    rows, right = [], []
    for block, bound, sign in blocks:
        finite = np.isfinite(bound)
        rows.append(sign * block[finite])
        right.append(sign * bound[finite])
    return sparse.csc_matrix(sparse.vstack(rows)), np.concatenate(right)
