# SPDX-License-Identifier: Apache-2.0
"""Solving a linear programme by HiGHS, and proving its answer without trusting it.

An answer counts only when it satisfies the rows and when the solver's own dual prices prove, by
weak duality and in plain numpy, that no book can cost less than a tolerance below it. That is a
proof where a second solver would be an opinion, at a fiftieth of the time. Programmes are in units
of equity, so tolerances mean the same in every book.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.linear_programme import StandardForm

FloatArray = NDArray[np.float64]
GAP = 1e-6
FEASIBILITY = 1e-7
# No quantity of a book is this many times its equity: what a rounded dual price may hide is bounded
# by it where a variable or a row has no bound of its own.
REACH = 1e3


class SolveError(Exception):
    """No answer that is proved; the caller holds or reduces."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Optimal x, objective value, the shadow price of each row (dual of the minimisation), the
    value below which no feasible x can come, and the basis, from which a programme that differs
    little is solved in few steps."""

    x: FloatArray
    objective: float
    row_duals: FloatArray
    bound: float
    basis: highspy.HighsBasis


def solve(form: StandardForm, start: highspy.HighsBasis | None = None) -> Solution:
    """Solve, from a basis where there is one, and prove; raises `SolveError` rather than return a
    doubtful answer."""
    x, duals, basis = solve_highs(form, start)
    violation = row_violation(form, x)
    # Negated, since a comparison with "not a number" is false.
    if not violation <= FEASIBILITY:
        raise SolveError(f"HiGHS left a row violated by {violation:.2e} of equity")
    objective = float(form.cost @ x)
    bound = dual_bound(form, duals)
    reach = max(float(np.abs(x).max(initial=0.0)), float(np.abs(form.matrix @ x).max(initial=0.0)))
    if not (abs(objective - bound) <= GAP * max(1.0, abs(objective)) and reach <= REACH):
        raise SolveError(f"HiGHS' {objective:.9f} is not proved: only {bound:.9f} is")
    return Solution(x, objective, duals, bound, basis)


def dual_bound(form: StandardForm, duals: FloatArray) -> float:
    """What any feasible x costs at least, by weak duality from any row prices y:

        c'x >= sum_i min(y_i l_i, y_i u_i) + sum_j min(z_j lower_j, z_j upper_j),  z = c - A'y

    Infinite bounds count as `REACH`. NaN where a price is. Source: Bertsimas and Tsitsiklis 1997,
    theorem 4.3, for rows and variables with two bounds.
    """
    reduced = form.cost - form.matrix.T @ duals
    return _least(duals, form.row_lower, form.row_upper) + _least(reduced, form.lower, form.upper)


def _least(price: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    low = np.where(np.isfinite(lower), lower, -REACH)
    high = np.where(np.isfinite(upper), upper, REACH)
    return float(np.minimum(price * low, price * high).sum())


def row_violation(form: StandardForm, x: FloatArray) -> float:
    """Largest violation of a row or bound, in the programme's units; NaN where x has one."""
    value = form.matrix @ x
    gaps = (form.row_lower - value, value - form.row_upper, form.lower - x, x - form.upper)
    return float(np.max([0.0, *(gap.max() for gap in gaps if gap.size)]))


def solve_highs(
    form: StandardForm, start: highspy.HighsBasis | None = None
) -> tuple[FloatArray, FloatArray, highspy.HighsBasis]:
    """Minimiser, row duals and final basis by HiGHS' simplex, from a basis where there is one."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", 10.0)
    # As arrays: an `HighsLp` takes each entry of the matrix through Python, a sixth of a solve.
    solver.passModel(
        form.cost.size,
        form.row_lower.size,
        form.matrix.nnz,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        form.cost,
        form.lower,
        form.upper,
        form.row_lower,
        form.row_upper,
        form.matrix.indptr.astype(np.int32),
        form.matrix.indices.astype(np.int32),
        form.matrix.data,
        np.zeros(form.cost.size, dtype=np.int32),
    )
    if start is not None:
        solver.setBasis(start)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolveError(f"HiGHS: {solver.modelStatusToString(status)}")
    answer = solver.getSolution()
    return np.array(answer.col_value), np.array(answer.row_dual), solver.getBasis()
