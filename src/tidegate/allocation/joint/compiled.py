# SPDX-License-Identifier: Apache-2.0
"""The joint programme by cutting planes: compiled once, solved again where its last answer ended.

The master holds what is linear and, for each convex function, planes below it. Its minimiser is
replayed by the exact equations; where a function is above the master's column, a plane is added
(Kelley 1960). The answer counts when every limit holds to `FEASIBILITY` and the objective, as
replayed, is within `GAP` of the bound that the master's dual prices prove in plain numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tidegate.allocation.joint.checks import check, check_finite
from tidegate.allocation.joint.cuts import column, cut, seeds
from tidegate.allocation.joint.layout import bounds, costs, lay_out
from tidegate.allocation.joint.master import DUAL, PRIMAL, Master, Vertex
from tidegate.allocation.joint.question import Answer, FloatArray, Question
from tidegate.allocation.joint.replay import Replay, replay
from tidegate.allocation.joint.rows import TRADES, WITHDRAWALS, linear_rows
from tidegate.allocation.joint.tails import tail_matrix
from tidegate.allocation.solve import FEASIBILITY, GAP, SolveError

ROUNDS = 400
# Planes that no answer needed for so many solves are dropped, when there are so many of them.
IDLE_SOLVES, IDLE_PLANES = 3, 100


def forever() -> float:
    """Seconds left where nobody waits."""
    return 600.0


class Compiled:
    """One question's master with the planes found so far; not for use by two threads.

    `with_returns` and `with_book` change the question in place and keep model, planes and basis.
    """

    def __init__(self, question: Question) -> None:
        check(question)
        self.question = question
        self._layout = lay_out(question)
        rows, self._names = linear_rows(question, self._layout)
        self._master = Master(costs(question, self._layout), bounds(question, self._layout), rows)
        self._fixed = self._master.height
        self._master.add(seeds(question, self._layout))
        self._owner = np.full(self._master.height - self._fixed, -1)
        self._idle = np.zeros(self._owner.size, dtype=np.int64)
        self._tails = tuple(tail_matrix(question, tail) for tail in question.tails)
        self._columns = tuple(
            tuple(column(question, self._layout, tail, step) for step in range(question.steps))
            for tail in self._tails
        )
        self._strategy = DUAL
        self.rounds = 0

    @property
    def planes(self) -> int:
        """How many planes the master holds beside the linear rows."""
        return self._owner.size

    def with_returns(self, carry_annual: FloatArray) -> Compiled:
        """The same book with another carry (n)."""
        check_finite("carry_annual", carry_annual, self.question.positions.carry_annual)
        positions = replace(self.question.positions, carry_annual=carry_annual)
        self.question = replace(self.question, positions=positions)
        columns = self._layout.size
        value = -self.question.step_years[:, np.newaxis] * carry_annual
        self._master.set_costs(columns.ravel(), value.ravel())
        # The last answer is still feasible, only no longer optimal.
        self._strategy = PRIMAL
        return self

    def with_book(self, held: FloatArray, amount: FloatArray, withdrawable: FloatArray) -> Compiled:
        """Another book (n), (m), (m) at the same returns and scenarios."""
        old = self.question
        check_finite("held", held, old.positions.held)
        check_finite("amount", amount, old.nodes.amount)
        check_finite("withdrawable", withdrawable, old.nodes.withdrawable)
        positions = replace(old.positions, held=held)
        nodes = replace(old.nodes, amount=amount, withdrawable=withdrawable)
        self.question = replace(old, positions=positions, nodes=nodes)
        layout, master = self._layout, self._master
        lower, upper = bounds(self.question, layout)
        moved = np.concatenate([layout.size.ravel(), layout.money[0]])
        master.set_bounds(moved, lower[moved], upper[moved])
        first = self._names[TRADES][: held.size]
        master.set_row_bounds(first, held, held)
        limits = self._names[WITHDRAWALS]
        limit = np.tile(withdrawable, old.steps)
        master.set_row_bounds(limits, np.full(limit.size, -np.inf), limit)
        self._strategy = DUAL
        return self

    def solve(self, seconds_left: Callable[[], float] = forever) -> Answer:
        """The best book, proved; `seconds_left` is asked before each round.

        Raises: `SolveError` where nothing is feasible, where time runs out, or where the answer is
        not proved.
        """
        strategy = self._strategy
        for count in range(1, ROUNDS + 1):
            left = seconds_left()
            if not left > 0.0:
                raise SolveError(f"the joint programme ran out of time after {count - 1} rounds")
            vertex = self._master.minimise(strategy, left)
            book = self._replay(vertex)
            bound = -self._master.bound(vertex.row_prices)
            gap = abs(bound - book.objective) / max(1.0, abs(bound))
            if book.violation <= FEASIBILITY and gap <= GAP:
                self._strategy, self.rounds = DUAL, count
                answer = self._answer(vertex, book, bound)
                self._tidy(vertex)
                return answer
            found = (self._tails, book, vertex.x)
            rows, owner = cut(self.question, self._layout, self._columns, found)
            if not owner.size:
                break
            self._master.add(rows)
            self._owner = np.concatenate([self._owner, owner])
            self._idle = np.concatenate([self._idle, np.zeros(owner.size, dtype=np.int64)])
            strategy = DUAL
        raise SolveError(
            f"the joint programme is not proved: gap {gap:.2e}, violation {book.violation:.2e}"
        )

    def _replay(self, vertex: Vertex) -> Replay:
        layout, x = self._layout, vertex.x
        trades = np.maximum(x[layout.buy], 0.0), np.maximum(x[layout.sell], 0.0)
        return replay(self.question, self._tails, trades, np.maximum(x[layout.flow], 0.0))

    def _tidy(self, vertex: Vertex) -> None:
        """Count for how many solves each plane had no price, and drop those idle for long."""
        self._idle = np.where(vertex.row_prices[self._fixed :] != 0.0, 0, self._idle + 1)
        idle = np.flatnonzero(self._idle >= IDLE_SOLVES)
        if idle.size < IDLE_PLANES:
            return
        dropped = self._master.drop(self._fixed + idle) - self._fixed
        self._owner, self._idle = np.delete(self._owner, dropped), np.delete(self._idle, dropped)

    def _answer(self, vertex: Vertex, book: Replay, bound: float) -> Answer:
        prices = vertex.row_prices
        named = {name: float(np.abs(prices[rows]).sum()) for name, rows in self._names.items()}
        for number, tail in enumerate(self.question.tails):
            named[tail.name] = float(np.abs(prices[self._fixed :][self._owner == number]).sum())
        opening = -self._master.reduced(prices)[self._layout.money[0]]
        return Answer(
            book.size,
            book.money[1:],
            book.flow,
            book.shortfall,
            book.objective,
            bound,
            named,
            opening,
        )
