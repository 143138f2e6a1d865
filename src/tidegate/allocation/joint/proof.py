# SPDX-License-Identifier: Apache-2.0
"""Proving a conic solver's answer in plain numpy, without trusting its word "optimal".

    minimise c'x  subject to  b - A x in K,  K a product of {0}, half-lines and second-order cones

For any x and any z in the dual cone K*, weak duality gives c'x >= -b'z + (c + A'z)'x. A solver's z
is first moved into K* and what is left of c + A'z is charged at the most that x can reach; so the
bound holds whatever the solver did, and a gap that is small proves both answers.
Source: Boyd and Vandenberghe 2004, section 5.9.1 (duality of conic programmes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tidegate.allocation.joint.question import FloatArray
from tidegate.allocation.solve import FEASIBILITY, GAP, SolveError

# No quantity of a book is this many times its equity.
REACH = 1e2


@dataclass(frozen=True, slots=True, eq=False)
class Conic:
    """c (q), A (r, q), b (r); the first `zero` rows are equalities, the next `positive` rows are
    inequalities, then follow second-order cones (t, v) with ||v|| <= t of these sizes."""

    cost: FloatArray
    matrix: sparse.csc_array
    right: FloatArray
    zero: int
    positive: int
    second_order: tuple[int, ...]


def prove(conic: Conic, x: FloatArray, z: FloatArray) -> float:
    """What no feasible point costs less than. Raises: `SolveError` where x (q) is not feasible to
    `FEASIBILITY`, where z (r) does not prove it to `GAP`, or where numbers are not of the size of
    shares of equity, for which the tolerances are meant."""
    if not (np.isfinite(x).all() and np.isfinite(z).all()):
        raise SolveError("the solver's answer has a number that is missing")
    reach = float(np.abs(x).max(initial=0.0))
    if reach > REACH:
        raise SolveError(f"a quantity of {reach:.3g}: expected a programme in units of equity")
    objective, bound, violation = float(conic.cost @ x), dual_bound(conic, z), outside(conic, x)
    if not violation <= FEASIBILITY:
        raise SolveError(f"the solver left a limit violated by {violation:.2e} of equity")
    if not abs(objective - bound) <= GAP * max(1.0, abs(objective)):
        raise SolveError(f"the solver's {objective:.9f} is not proved: only {bound:.9f} is")
    return bound


def dual_bound(conic: Conic, z: FloatArray) -> float:
    """-b'z - REACH |c + A'z|_1 with z moved into the dual cone."""
    inside = z.copy()
    flat, cones = _parts(conic, inside)
    np.maximum(flat, 0.0, out=flat)
    for cone in cones:
        cone[0] = max(cone[0], float(np.linalg.norm(cone[1:])))
    left = conic.cost + conic.matrix.T @ inside
    return float(-conic.right @ inside - REACH * np.abs(left).sum())


def outside(conic: Conic, x: FloatArray) -> float:
    """By how much x violates the worst row or cone."""
    slack = conic.right - conic.matrix @ x
    flat, cones = _parts(conic, slack)
    worst = [float(np.abs(slack[: conic.zero]).max(initial=0.0)), float((-flat).max(initial=0.0))]
    return max(worst + [float(np.linalg.norm(cone[1:])) - float(cone[0]) for cone in cones])


def _parts(conic: Conic, rows: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
    """Views of the rows of the inequalities and of each cone."""
    start = conic.zero + conic.positive
    ends = start + np.cumsum(np.array(conic.second_order, dtype=np.int64))
    begins = [start, *ends[:-1].tolist()]
    cones = [rows[low:high] for low, high in zip(begins, ends.tolist(), strict=False)]
    return rows[conic.zero : start], cones
