# SPDX-License-Identifier: Apache-2.0
"""The joint programme by cutting planes: compiled once, solved again where its last answer ended.

The master holds what is linear and, for each convex function, planes below it. Its minimiser is
replayed by the exact equations; where a function is above the master's column, planes are added
(Kelley 1960). The answer counts when every limit holds to `FEASIBILITY` and the objective, as
replayed, is within `GAP` of the bound that the master's dual prices prove in plain numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tidegate.allocation.joint.checks import check, check_known
from tidegate.allocation.joint.cuts import cut, seeds
from tidegate.allocation.joint.excesses import NO_KEY, Excesses
from tidegate.allocation.joint.layout import bounds, costs, lay_out
from tidegate.allocation.joint.master import DUAL, PRIMAL, Master, Vertex
from tidegate.allocation.joint.question import Answer, FloatArray, IntArray, Question
from tidegate.allocation.joint.replay import Replay, replay
from tidegate.allocation.joint.rows import TRADES, TURNOVER, WITHDRAWALS, linear_rows
from tidegate.allocation.joint.tails import tail_matrix
from tidegate.allocation.solve import FEASIBILITY, GAP, SolveError

ROUNDS = 200
# Planes without a price in so many solves running are dropped, as soon as there are enough of them:
# a tangent is soon found again, a scenario among the worst less soon.
IDLE_TANGENT, IDLE_SCENARIO, IDLE_LEAST = 1, 3, 50


def without_end() -> float:
    """Seconds left where nobody waits."""
    return 600.0


class Compiled:
    """One question's master with the planes found so far; not for use by two threads at once.

    `with_returns` and `with_book` change `question` in place and keep model, planes and basis: no
    plane depends on what they change. `rounds` says how often the last answer met the master.

    Raises: `InputError` for a question with missing numbers or a limit that is not convex.
    """

    def __init__(self, question: Question) -> None:
        check(question)
        self.question, self.rounds = question, 0
        self._layout = lay_out(question)
        rows, self._names = linear_rows(question, self._layout)
        self._master = Master(costs(question, self._layout), bounds(question, self._layout), rows)
        self._fixed = self._master.height
        self._tails = tuple(tail_matrix(question, self._layout, tail) for tail in question.tails)
        totals = [self._names[tail.name] for tail in question.tails]
        shape = len(totals), question.steps
        self._excesses = Excesses(self._layout, self._tails, np.reshape(totals, shape).astype(int))
        # Of each plane: the tail whose price it has, its key, and solves since it had a price.
        self._owner, self._key, self._idle = (np.zeros(0, dtype=np.int64) for _ in range(3))
        self._master.add(seeds(question, self._layout))
        self._note(np.full(self._master.height - self._fixed, -1))
        self._strategy = DUAL

    @property
    def planes(self) -> int:
        """How many planes the master holds beside the linear rows."""
        return int(self._owner.size)

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, columns and entries of the master."""
        return self._master.height, self._master.cost.size, self._master.entries()[2].size

    def with_returns(self, carry_annual: FloatArray) -> Compiled:
        """The same book with another carry (n)."""
        check_known("carry_annual", carry_annual, self.question.positions.carry_annual)
        positions = replace(self.question.positions, carry_annual=carry_annual)
        self.question = replace(self.question, positions=positions)
        columns = self._layout.size.ravel()
        self._master.set_costs(columns, costs(self.question, self._layout)[columns])
        # The last answer stays feasible and is only no longer the best.
        self._strategy = PRIMAL
        return self

    def with_book(self, held: FloatArray, amount: FloatArray, withdrawable: FloatArray) -> Compiled:
        """Another book (n), (m), (m) at the same returns and scenarios."""
        old, layout, master = self.question, self._layout, self._master
        check_known("held", held, old.positions.held)
        check_known("amount", amount, old.nodes.amount)
        check_known("withdrawable", withdrawable, old.nodes.withdrawable)
        nodes = replace(old.nodes, amount=amount, withdrawable=withdrawable)
        self.question = replace(old, positions=replace(old.positions, held=held), nodes=nodes)
        lower, upper = bounds(self.question, layout)
        moved = np.concatenate([layout.size.ravel(), layout.money[0]])
        master.set_bounds(moved, lower[moved], upper[moved])
        master.set_row_bounds(self._names[TRADES][: held.size], held, held)
        limit = np.tile(withdrawable, old.steps)
        master.set_row_bounds(self._names[WITHDRAWALS], np.full(limit.size, -np.inf), limit)
        self._strategy = DUAL
        return self

    def solve(self, seconds_left: Callable[[], float] = without_end) -> Answer:
        """The best book, proved; `seconds_left` is asked before each round.

        Raises: `SolveError` where nothing is feasible, where time runs out, where a limit on money
        can only be met by destroying some, or where the answer is not proved. The planes found
        until then stay.
        """
        strategy, self._strategy = self._strategy, DUAL
        for self.rounds in range(1, ROUNDS + 1):
            left = seconds_left()
            if not left > 0.0:
                raise SolveError(f"out of time before round {self.rounds} of the joint programme")
            vertex = self._master.minimise(strategy, left)
            book, bound = self._replay(vertex), -self._master.bound(vertex.row_prices)
            gap = abs(bound - book.objective) / max(1.0, abs(bound))
            # Both stated so that "not a number" goes on, and ends in an error.
            if book.violation <= FEASIBILITY and gap <= GAP:
                answer = self._answer(vertex, book, bound)
                self._tidy(vertex)
                return answer
            if not self._cut(book, vertex.x):
                break
            strategy = DUAL
        layout = self._layout
        destroyed = float((vertex.x[layout.charge] - book.impact[:, layout.charged]).sum())
        if destroyed > GAP:
            # Paying more than impact costs is in no book; it is what a limit on money asks for.
            raise SolveError(f"a limit on money is met by destroying {destroyed:.2e} of equity")
        raise SolveError(
            f"the joint programme is not proved: its book is {gap:.2e} from the bound and "
            f"breaks a limit by {book.violation:.2e} of equity"
        )

    def _replay(self, vertex: Vertex) -> Replay:
        layout, x = self._layout, np.maximum(vertex.x, 0.0)
        trades = x[layout.buy], x[layout.sell], x[layout.flow]
        return replay(self.question, self._tails, trades)

    def _cut(self, book: Replay, x: FloatArray) -> bool:
        """Add planes at a book; whether there was any."""
        by_tail = self._excesses.cut(self._master, book, x)
        if by_tail is not None:
            rows, owner, key = by_tail
            self._master.add(rows)
            self._note(owner, key)
        rows = cut(self.question, self._layout, book, x)
        if rows.lower.size:
            self._master.add(rows)
            self._note(np.full(rows.lower.size, -1))
        return by_tail is not None or rows.lower.size > 0

    def _note(self, owner: IntArray, key: IntArray | None = None) -> None:
        """Keep account of planes that were added."""
        none = np.full(owner.size, NO_KEY)
        self._owner = np.concatenate([self._owner, owner])
        self._key = np.concatenate([self._key, none if key is None else key])
        self._idle = np.concatenate([self._idle, np.zeros(owner.size, dtype=np.int64)])

    def _tidy(self, vertex: Vertex) -> None:
        """Count for how many solves each plane had no price, and drop those idle for long."""
        self._idle = np.where(vertex.row_prices[self._fixed :] != 0.0, 0, self._idle + 1)
        most = np.where(self._key == NO_KEY, IDLE_TANGENT, IDLE_SCENARIO)
        idle = np.flatnonzero(self._idle >= most)
        if idle.size < IDLE_LEAST:
            return
        dropped = self._master.drop(self._fixed + idle) - self._fixed
        keys = self._key[dropped]
        self._excesses.forget(keys[keys != NO_KEY])
        kept = np.ones(self._owner.size, dtype=bool)
        kept[dropped] = False
        self._owner, self._key, self._idle = (
            each[kept] for each in (self._owner, self._key, self._idle)
        )

    def _answer(self, vertex: Vertex, book: Replay, bound: float) -> Answer:
        reduced = self._master.reduced(vertex.row_prices)
        return Answer(
            book.size,
            book.money[1:],
            book.flow,
            book.shortfall,
            book.objective,
            bound,
            self._prices(vertex.row_prices, reduced),
            # What the optimum, a minimum of cost, falls by when a node opens with one unit more.
            -reduced[self._layout.money[0]],
        )

    def _prices(self, row_prices: FloatArray, reduced: FloatArray) -> dict[str, float]:
        """Prices of limits by name; for several rows of a name, or several steps, their sum. Of an
        aim, a box without width, it is what another aim is worth: signs of steps count."""
        question, layout = self.question, self._layout
        limits = [tail.name for tail in question.tails] + list(question.boxes.names)
        limits += [limit.name for limit in question.gross] + [TURNOVER, WITHDRAWALS]
        price = np.abs(row_prices)
        prices = {n: float(price[self._names[n]].sum()) for n in limits if n in self._names}
        boxes = question.boxes
        for name, low, high in zip(boxes.names, boxes.lower, boxes.upper, strict=True):
            if low == high:
                prices[name] = abs(float(row_prices[self._names[name]].sum()))
        planes = price[self._fixed :]
        for number, tail in enumerate(question.tails):
            prices[tail.name] += float(planes[self._owner == number].sum())
        prices["bounds"] = float(np.abs(reduced[layout.size]).sum())
        prices["balances"] = float(np.abs(reduced[layout.money[1:]]).sum())
        capped = np.maximum(-reduced[layout.flow], 0.0).sum(axis=0)
        for name, each in zip(question.edges.names, capped.tolist(), strict=True):
            prices[f"cap of {name}"] = each
        return prices
