# SPDX-License-Identifier: Apache-2.0
"""The benchmark programme for cvxpy: compiled once, with carry, holdings and money as parameters.

Net form: losses are stated over exposures, in which columns of equal gains are one, so that a
scenario's row has an entry for each exposure; plain form states them over positions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Question, Tail

FloatArray = NDArray[np.float64]
Solver = Literal["CLARABEL", "HIGHS"]
# As tight as ours: a gap and limits to 1e-7.
OPTIONS: dict[str, dict[str, Any]] = {
    "CLARABEL": {"tol_gap_abs": 1e-7, "tol_gap_rel": 1e-7, "tol_feas": 1e-7, "max_threads": 1},
    "HIGHS": {"threads": 1},
}


@dataclass(slots=True)
class Peer:
    """A compiled problem and its parameters, and how often the solver called its answer
    inaccurate."""

    problem: Any
    carry: Any
    held: Any
    amount: Any
    withdrawable: Any
    solver: Solver
    inaccurate: int = 0

    def solve(self, carry: FloatArray, book: tuple[FloatArray, FloatArray, FloatArray]) -> float:
        """Set what moved, solve, and return the objective."""
        self.carry.value = carry
        self.held.value, self.amount.value, self.withdrawable.value = book
        with_start = {"warm_start": True} if self.solver == "HIGHS" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.problem.solve(solver=self.solver, **OPTIONS[self.solver], **with_start)
        if self.problem.status == cp.OPTIMAL_INACCURATE:
            self.inaccurate += 1
        elif self.problem.status != cp.OPTIMAL:
            raise RuntimeError(f"{self.solver}: {self.problem.status}")
        return float(self.problem.value)


def compiled_peer(question: Question, solver: Solver, net: bool) -> Peer:
    """The programme of a question; a question without impact and shrinkage is linear."""
    p, nodes, edges, k = question.positions, question.nodes, question.edges, question.steps
    carry, held = cp.Parameter(p.held.size), cp.Parameter(p.held.size)
    amount, withdrawable = cp.Parameter(nodes.amount.size), cp.Parameter(nodes.amount.size)
    venue = np.eye(len(question.venues))[p.venue]
    away = nodes.venue[edges.source] != nodes.venue[edges.destination]
    leave = np.eye(nodes.amount.size)[:, edges.source]
    arrive = np.eye(nodes.amount.size)[:, edges.destination] * (1.0 - edges.cost_rate)
    gains: list[Any] = []
    rules: list[Any] = []
    size, money, flows, traded_sum, left, landed = held, amount, [], 0, 0, 0
    for step in range(k):
        bought, sold = cp.Variable(p.held.size, nonneg=True), cp.Variable(p.held.size, nonneg=True)
        x, after = cp.Variable(p.held.size), cp.Variable(nodes.amount.size, nonneg=True)
        flow = cp.Variable(edges.lag.size, nonneg=True)
        flows.append(flow)
        traded = bought + sold
        cost = cp.multiply(p.cost_rate, traded)
        if p.impact.any():
            charge = cp.Variable(p.held.size)
            rules.append(cp.multiply(p.impact, cp.power(traded, 1.5)) <= charge)
            cost = cost + charge
        spend = cp.Variable(len(question.venues))
        came = sum(
            arrive[:, edges.lag == lag] @ flows[step - lag][np.flatnonzero(edges.lag == lag)]
            for lag in np.unique(edges.lag).tolist()
            if step >= lag and (edges.lag == lag).any()
        )
        pays = np.zeros((nodes.amount.size, len(question.venues)))
        pays[np.flatnonzero(nodes.pays_costs), nodes.venue[nodes.pays_costs]] = 1.0
        left = left + (leave * away) @ flow
        rules += [
            x == size + bought - sold,
            x >= p.lower,
            x <= p.upper,
            flow <= edges.cap,
            spend == venue.T @ cost,
            after == money - leave @ flow + came - pays @ spend,
            left - landed <= withdrawable,
        ]
        landed = landed + came
        function = cp.Variable(question.functions.net.shape[0])
        value = question.functions.net @ x
        pieces = np.unique(
            np.stack([question.functions.slope, question.functions.offset]), axis=2
        ).transpose(2, 0, 1)
        rules += [cp.multiply(s, value) - o <= function for s, o in pieces]
        for tail in question.tails:
            rules += _tail(question, tail, (x, function, money, flows, spend, gains), net)
        rules += _limits(question, x, after, gains)
        years = question.step_years[step]
        gains += [years * (carry @ x + nodes.yield_annual @ after), -cp.sum(spend)]
        gains.append(-edges.cost_rate @ flow)
        if question.shrinkage:
            gains.append(-years * question.shrinkage * cp.norm2(p.error_factor.T @ x))
        traded_sum, size, money = traded_sum + cp.sum(traded), x, after
    rules.append(traded_sum <= question.turnover)
    problem = cp.Problem(cp.Maximize(sum(gains)), rules)
    return Peer(problem, carry, held, amount, withdrawable, solver)


def _tail(question: Question, tail: Tail, book: tuple[Any, ...], net: bool) -> list[Any]:
    x, function, money, flows, spend, gains = book
    scenarios, points = tail.constant.shape
    slopes = tail.slopes.reshape(-1, tail.columns.size)
    exposure, rules = x[tail.columns], []
    if net:
        slopes, group = np.unique(slopes, axis=1, return_inverse=True)
        summed = np.zeros((slopes.shape[1], tail.columns.size))
        summed[group, np.arange(group.size)] = 1.0
        exposure, own = cp.Variable(slopes.shape[1]), x[tail.columns]
        rules.append(exposure == summed @ own)
    loss = tail.constant.ravel() - slopes @ exposure
    if tail.functions.size:
        loss = loss + tail.weights.reshape(len(slopes), -1) @ function[tail.functions]
    loss = loss + _money(question, tail, (money, flows))
    excess, level, short = cp.Variable(scenarios, nonneg=True), cp.Variable(), cp.Variable()
    spread = np.repeat(np.arange(scenarios), points)
    paid = cp.sum(spend) if tail.venue < 0 else spend[tail.venue]
    gains.append(-tail.penalty * short)
    return [
        *rules,
        short >= 0,
        loss - level <= excess[spread],
        level + cp.sum(excess) / tail.mass + paid <= tail.limit + short,
    ]


def _money(question: Question, tail: Tail, book: tuple[Any, list[Any]]) -> Any:
    money, flows = book
    edges, height, found = question.edges, tail.constant.size, 0
    step = len(flows) - 1
    for place, node in enumerate(tail.nodes.tolist()):
        worth = tail.worth[:, :, place].reshape(height, 1)
        there = money[node] - cp.sum(flows[step][np.flatnonzero(edges.source == node)])
        found = found - worth[:, 0] * (there if edges.source.size else money[node])
        for lag in np.unique(edges.lag).tolist():
            came = np.flatnonzero((edges.destination == node) & (edges.lag == lag))
            came = came[tail.landed[:, :, came].any(axis=(0, 1))]
            if came.size and step >= lag:
                landed = tail.landed[:, :, came].reshape(height, -1) * worth
                found = found - (landed * (1.0 - edges.cost_rate[came])) @ flows[step - lag][came]
    return found


def _limits(question: Question, x: Any, after: Any, gains: list[Any]) -> list[Any]:
    boxes = question.boxes
    short, gross_short = cp.Variable(len(boxes.names)), cp.Variable(len(question.gross))
    gains.append(-boxes.penalty @ short)
    gains.append(-np.array([limit.penalty for limit in question.gross]) @ gross_short)
    weights = np.array([limit.weights for limit in question.gross])
    claim = np.array([limit.claim for limit in question.gross])
    cap = np.array([limit.cap - limit.constant for limit in question.gross])
    return [
        short >= 0,
        gross_short >= 0,
        boxes.lower - short <= boxes.rows @ x,
        boxes.rows @ x <= boxes.upper + short,
        weights @ cp.abs(x) + claim @ after <= cap + gross_short,
    ]
