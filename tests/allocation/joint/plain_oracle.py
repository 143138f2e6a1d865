# SPDX-License-Identifier: Apache-2.0
"""The joint programme written a second time, from the equations of `question`, for scipy.

Every quantity is a row over one vector of trades, flows and what stands above convex functions, its
last entry the constant. CVaR is the linear programme of Rockafellar and Uryasev over all scenarios;
impact and the norm are tangents, found one at a time until none is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog

from tidegate.allocation.joint.question import FloatArray, Question, Tail

# Twice what HiGHS may leave a row violated by.
NEAR = 2e-7
ROUNDS = 100


@dataclass
class Oracle:
    """Rows `<= 0` over (variables, 1), and the cost of each variable."""

    question: Question
    width: int = 0
    rows: list[FloatArray] = field(default_factory=list)
    least: dict[int, float] = field(default_factory=dict)
    tails: list[tuple[FloatArray, float]] = field(default_factory=list)

    def optimum(self) -> float:
        """The largest objective, to about `NEAR`; raises where nothing is feasible."""
        gain = self._state()
        for _ in range(ROUNDS):
            value, x = self._solve(gain)
            if not self._tangents(x):
                return value
        raise AssertionError("the oracle's tangents do not end")

    def _solve(self, gain: FloatArray) -> tuple[float, FloatArray]:
        rows = np.array(self.rows)
        bounds = [(self.least.get(i, 0.0), None) for i in range(self.width)]
        answer = linprog(-gain[:-1], rows[:, :-1], -rows[:, -1], bounds=bounds, method="highs")
        assert answer.status == 0, answer.message
        return gain[-1] - answer.fun, np.append(answer.x, 1.0)

    def _variables(self, *shape: int, least: float = 0.0) -> FloatArray:
        """Fresh variables as rows (*shape, LARGE + 1)."""
        size = int(np.prod(shape))
        rows = np.zeros((size, LARGE + 1))
        rows[np.arange(size), self.width + np.arange(size)] = 1.0
        self.least.update(dict.fromkeys(range(self.width, self.width + size), least))
        self.width += size
        return rows.reshape(*shape, LARGE + 1)

    def _below(self, *rows: FloatArray) -> None:
        for row in rows:
            self.rows.extend(row.reshape(-1, LARGE + 1))

    def _state(self) -> FloatArray:
        """State everything; the objective as a row, of the width that came to be used."""
        q, p, e = self.question, self.question.positions, self.question.edges
        k, n = q.steps, p.held.size
        one = np.eye(LARGE + 1)[-1]
        b, s, y = self._variables(k, n), self._variables(k, n), self._variables(k, e.lag.size)
        self.traded = b + s
        size = np.cumsum(b - s, axis=0) + p.held[:, None] * one
        self.charge, self.error = self._variables(k, n), self._variables(k)
        self.factor = np.einsum("nf,knz->kfz", p.error_factor, size)
        cost = p.cost_rate[:, None] * self.traded + self.charge
        spend = np.array([cost[:, p.venue == v].sum(axis=1) for v in range(len(q.venues))])
        money = self._money(y, spend)
        low, high = np.minimum(p.lower, p.held), np.maximum(p.upper, p.held)
        if q.reduce_only:
            low = np.maximum(low, np.minimum(p.held, 0.0))
            high = np.minimum(high, np.maximum(p.held, 0.0))
        self._below(low[:, None] * one - size, size - high[:, None] * one, -money[1:])
        for edge in np.flatnonzero(np.isfinite(e.cap)):
            self._below(y[:, edge] - e.cap[edge] * one)
        if np.isfinite(q.turnover):
            self._below(self.traded.sum(axis=(0, 1)) - q.turnover * one)
        function = self._variables(k, q.functions.net.shape[0], least=-100.0)
        net = np.einsum("an,knz->kaz", q.functions.net, size)
        for piece in range(q.functions.slope.shape[1]):
            slope, offset = q.functions.slope[:, piece, None], q.functions.offset[:, piece, None]
            self._below(slope * net - offset * one - function)
        years = q.step_years[:, None]
        gain = (years * np.einsum("n,knz->kz", p.carry_annual, size)).sum(axis=0)
        gain = gain + (years * np.einsum("m,kmz->kz", q.nodes.yield_annual, money[1:])).sum(axis=0)
        gain = gain - q.shrinkage * (years * self.error).sum(axis=0) - spend.sum(axis=(0, 1))
        gain = gain - np.einsum("e,kez->z", e.cost_rate, y)
        for tail in q.tails:
            for step in range(k):
                gain = gain - self._tail(tail, step, (size, function, money, y, spend))
        gain = gain - self._limits(size, money)
        used = np.append(np.arange(self.width), LARGE)
        self.rows = [row[used] for row in self.rows]
        self.traded, self.charge = self.traded[:, :, used], self.charge[:, :, used]
        self.factor, self.error = self.factor[:, :, used], self.error[:, used]
        return np.asarray(gain[used])

    def _money(self, y: FloatArray, spend: FloatArray) -> FloatArray:
        nodes, e, k = self.question.nodes, self.question.edges, self.question.steps
        one = np.eye(LARGE + 1)[-1]
        money = [nodes.amount[:, None] * one]
        may = nodes.withdrawable[:, None] * one
        for step in range(k):
            now = money[-1] - nodes.pays_costs[:, None] * spend[nodes.venue, step]
            landed = np.zeros_like(may)
            for edge in range(e.lag.size):
                source, destination = e.source[edge], e.destination[edge]
                now[source] -= y[step, edge]
                if nodes.venue[source] != nodes.venue[destination]:
                    may[source] -= y[step, edge]
                if step >= e.lag[edge]:
                    landed[destination] += (1 - e.cost_rate[edge]) * y[step - e.lag[edge], edge]
            self._below(-may)
            may, now = may + landed, now + landed
            money.append(now)
        return np.array(money)

    def _tail(self, tail: Tail, step: int, book: tuple[FloatArray, ...]) -> FloatArray:
        """Rows of a tail; its penalty."""
        size, function, money, y, spend = book
        e, one = self.question.edges, np.eye(LARGE + 1)[-1]
        scenarios, points = tail.constant.shape
        level, excess = self._variables(1, least=-100.0)[0], self._variables(scenarios)
        short = self._variables(1)[0]
        paid = (spend[:, step].sum(axis=0) if tail.venue < 0 else spend[tail.venue, step]) * (
            1.0 if tail.spends else 0.0
        )
        for w in range(scenarios):
            for p in range(points):
                loss = tail.constant[w, p] * one - tail.slopes[w, p] @ size[step, tail.columns]
                loss = loss + tail.weights[w, p] @ function[step, tail.functions] + paid
                for place, node in enumerate(tail.nodes):
                    there = money[step, node] - y[step, e.source == node].sum(axis=0)
                    for edge in np.flatnonzero(e.destination == node):
                        if tail.landed[w, p, edge] and step >= e.lag[edge]:
                            sent = y[step - e.lag[edge], edge]
                            there = there + (1 - e.cost_rate[edge]) * sent
                    loss = loss - tail.worth[w, p, place] * there
                self._below(loss - level - excess[w])
        self._below(level + excess.sum(axis=0) / tail.mass - tail.limit * one - short)
        return self._priced(short, tail.penalty)

    def _priced(self, short: FloatArray, penalty: float) -> FloatArray:
        if np.isfinite(penalty):
            return penalty * short
        self._below(short)
        return np.zeros(LARGE + 1)

    def _limits(self, size: FloatArray, money: FloatArray) -> FloatArray:
        boxes, one = self.question.boxes, np.eye(LARGE + 1)[-1]
        lost = np.zeros(LARGE + 1)
        for step in range(self.question.steps):
            for row, low, high, penalty in zip(
                boxes.rows, boxes.lower, boxes.upper, boxes.penalty, strict=True
            ):
                short, value = self._variables(1)[0], row @ size[step]
                self._below(low * one - value - short, value - high * one - short)
                lost = lost + self._priced(short, penalty)
            for limit in self.question.gross:
                short, magnitude = self._variables(1)[0], self._variables(size.shape[1])
                self._below(size[step] - magnitude, -size[step] - magnitude)
                used = limit.weights @ magnitude + limit.claim @ money[step + 1]
                self._below(used + (limit.constant - limit.cap) * one - short)
                lost = lost + self._priced(short, limit.penalty)
        return lost

    def _tangents(self, x: FloatArray) -> int:
        """Add the tangents of impact and norm that x is below; how many."""
        added, impact = 0, self.question.positions.impact
        for step in range(self.question.steps):
            for i in np.flatnonzero(impact):
                traded = float(self.traded[step, i] @ x)
                row = impact[i] * 1.5 * np.sqrt(traded) * self.traded[step, i]
                row = row - self.charge[step, i]
                row[-1] -= 0.5 * impact[i] * traded**1.5
                added += self._add(row, x)
            if self.question.shrinkage:
                value = self.factor[step] @ x
                if np.linalg.norm(value) > 0.0:
                    row = value / np.linalg.norm(value) @ self.factor[step] - self.error[step]
                    added += self._add(row, x)
        return added

    def _add(self, row: FloatArray, x: FloatArray) -> int:
        if row @ x <= NEAR:
            return 0
        self.rows.append(row)
        return 1


# More variables than any question here has.
LARGE = 1500
