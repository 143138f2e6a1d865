# SPDX-License-Identifier: Apache-2.0
"""The linear master of the joint programme: one HiGHS model that grows by cuts and keeps its basis.

The master is a relaxation of the programme, so what no point of the master can beat, no book can.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from tidegate.allocation.joint.question import FloatArray, IntArray
from tidegate.allocation.joint.rows import Block
from tidegate.allocation.solve import REACH, SolveError

# Tighter than what is asked of the answer, since errors of many rows add up.
TOLERANCE = 1e-9
PRIMAL, DUAL = 4, 1
_FINAL = (
    highspy.HighsModelStatus.kOptimal,
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kTimeLimit,
)
_BASIC = highspy.HighsBasisStatus.kBasic


@dataclass(frozen=True, slots=True, eq=False)
class Vertex:
    """A minimiser of the master, its value, and the prices of its rows and columns."""

    x: FloatArray
    value: float
    row_prices: FloatArray


class Master:
    """minimise cost'x, lower <= x <= upper, row bounds; rows are added, costs and bounds change."""

    def __init__(
        self, cost: FloatArray, bounds: tuple[FloatArray, FloatArray], rows: Block
    ) -> None:
        self.cost, (self.lower, self.upper) = cost.copy(), (bounds[0].copy(), bounds[1].copy())
        self._row, self._column, self._value = rows.row, rows.column, rows.value
        self.row_lower, self.row_upper = rows.lower.copy(), rows.upper.copy()
        self._solver = _solver()
        self._solver.passModel(_model(self))

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.row_lower.size

    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Row, column and value of every entry, row by row."""
        return self._row, self._column, self._value

    def add(self, rows: Block) -> None:
        """Append rows; the basis stays, with the new rows in it."""
        starts = np.searchsorted(rows.row, np.arange(rows.lower.size)).astype(np.int32)
        columns = rows.column.astype(np.int32)
        sizes = rows.lower.size, columns.size
        self._solver.addRows(
            sizes[0], rows.lower, rows.upper, sizes[1], starts, columns, rows.value
        )
        self._row = np.concatenate([self._row, rows.row + self.height])
        self._column = np.concatenate([self._column, rows.column])
        self._value = np.concatenate([self._value, rows.value])
        self.row_lower = np.concatenate([self.row_lower, rows.lower])
        self.row_upper = np.concatenate([self.row_upper, rows.upper])

    def add_columns(self, row: IntArray, value: FloatArray) -> IntArray:
        """Append columns that cost nothing, not negative, each with one entry; returns them."""
        count, zero = row.size, np.zeros(row.size)
        columns = self.cost.size + np.arange(count)
        above = np.full(count, np.inf)
        starts, rows = np.arange(count, dtype=np.int32), row.astype(np.int32)
        self._solver.addCols(count, zero, zero, above, count, starts, rows, value)
        self.cost = np.concatenate([self.cost, zero])
        self.lower, self.upper = np.append(self.lower, zero), np.append(self.upper, above)
        self._row = np.concatenate([self._row, row])
        self._column = np.concatenate([self._column, columns])
        self._value = np.concatenate([self._value, value])
        return columns

    def drop(self, rows: IntArray) -> IntArray:
        """Delete those of `rows` that are slack, and return which: with its slack in the basis, a
        row leaves the rest of the basis one, and the minimiser what it is."""
        basis = self._solver.getBasis()
        status = np.array([each == _BASIC for each in basis.row_status], dtype=bool)
        gone = np.zeros(self.height, dtype=bool)
        gone[rows] = status[rows]
        dropped = np.flatnonzero(gone)
        self._solver.deleteRows(dropped.size, dropped.astype(np.int32))
        kept = ~gone[self._row]
        self._row = (np.cumsum(~gone) - 1)[self._row[kept]]
        self._column, self._value = self._column[kept], self._value[kept]
        self.row_lower, self.row_upper = self.row_lower[~gone], self.row_upper[~gone]
        given = basis.row_status
        basis.row_status = [given[row] for row in np.flatnonzero(~gone)]
        self._solver.setBasis(basis)
        return dropped

    def set_costs(self, columns: IntArray, values: FloatArray) -> None:
        """Change what columns cost."""
        self.cost[columns] = values
        self._solver.changeColsCost(columns.size, columns.astype(np.int32), values)

    def set_bounds(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change bounds of columns."""
        self.lower[columns], self.upper[columns] = lower, upper
        self._solver.changeColsBounds(columns.size, columns.astype(np.int32), lower, upper)

    def set_row_bounds(self, rows: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change bounds of rows."""
        self.row_lower[rows], self.row_upper[rows] = lower, upper
        for each in zip(rows.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self._solver.changeRowBounds(*each)

    def minimise(self, strategy: int, seconds: float) -> Vertex:
        """Solve from the basis at hand; raises `SolveError` unless HiGHS reports an optimum."""
        solver = self._solver
        solver.setOptionValue("simplex_strategy", strategy)
        solver.setOptionValue("time_limit", solver.getRunTime() + seconds)
        solver.run()
        if solver.getModelStatus() not in _FINAL:
            # A basis worn out by rounding says nothing of the programme; slacks are always one.
            solver.setBasis()
            solver.run()
        status = solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolveError(f"HiGHS: {solver.modelStatusToString(status)}")
        answer = solver.getSolution()
        x = np.array(answer.col_value)
        return Vertex(x, float(self.cost @ x), np.array(answer.row_dual))

    def reduced(self, prices: FloatArray) -> FloatArray:
        """cost - A' prices."""
        paid = np.bincount(self._column, self._value * prices[self._row], self.cost.size)
        reduced: FloatArray = self.cost - paid
        return reduced

    def bound(self, prices: FloatArray) -> float:
        """What no x of the master costs less than, by weak duality; see `solve.dual_bound`."""
        reduced = self.reduced(prices)
        by_row = _least(prices, self.row_lower, self.row_upper)
        return by_row + _least(reduced, self.lower, self.upper)


def _least(price: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    low = np.where(np.isfinite(lower), lower, -REACH)
    high = np.where(np.isfinite(upper), upper, REACH)
    return float(np.minimum(price * low, price * high).sum())


def _solver() -> highspy.Highs:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("presolve", "off")
    solver.setOptionValue("primal_feasibility_tolerance", TOLERANCE)
    solver.setOptionValue("dual_feasibility_tolerance", TOLERANCE)
    return solver


def _model(master: Master) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = master.cost.size, master.height
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = master.cost, master.lower, master.upper
    lp.row_lower_, lp.row_upper_ = master.row_lower, master.row_upper
    row, column, value = master.entries()
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(row, np.arange(master.height + 1))
    lp.a_matrix_.index_, lp.a_matrix_.value_ = column, value
    return lp
