# SPDX-License-Identifier: Apache-2.0
"""Limits of the joint programme as terms for cvxpy: money, tails, boxes, gross, turnover, bounds.

Each has a price by its name: the dual of the row that states it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tidegate.allocation.joint.question import FloatArray, Gross, IntArray, Tail
from tidegate.allocation.joint.terms import Book, Expression, Rule, Term, Terms, cp

OPENING, TURNOVER, WITHDRAWALS, BOUNDS, BALANCES = (
    "opening",
    "turnover",
    "withdrawals",
    "bounds",
    "balances",
)


@dataclass(frozen=True, slots=True)
class FlowConservation(Term):
    """c_0 = amount, c_k+1 = c_k - out + (1 - cost_e) y_e,k-lag_e - [pays_costs] spend >= 0.

    Linear. What is under way belongs to neither end. Source: Ahuja, Magnanti and Orlin 1993,
    chapter 15 (generalised flows) over a network expanded in time.
    """

    def rules(self, book: Book) -> list[Rule]:
        """Balances of each node and step."""
        nodes, edges = book.question.nodes, book.question.edges
        found = [Rule(OPENING, book.money[0] == book.amount)]
        paid = cp.multiply(
            np.tile(nodes.pays_costs.astype(float), (book.question.steps, 1)),
            book.spend[:, nodes.venue],
        )
        for step in range(book.question.steps):
            for node in range(len(nodes.names)):
                after = book.left(step, node) - paid[step, node]
                for edge in np.flatnonzero(edges.destination == node):
                    arrived = book.arrival(step, int(edge))
                    after = after if arrived is None else after + arrived
                found.append(Rule("", book.money[step + 1, node] == after))
        return [*found, Rule(BALANCES, book.money[1:] >= 0)]


@dataclass(frozen=True, slots=True)
class Withdrawable(Term):
    """Sum over k' <= k of what left a node for another venue <= withdrawable + landed before k.

    Linear. What has landed may leave again; what is converted stays with the venue.
    """

    def rules(self, book: Book) -> list[Rule]:
        """One row for each node and step from which something can leave."""
        nodes, edges = book.question.nodes, book.question.edges
        away = nodes.venue[edges.source] != nodes.venue[edges.destination]
        found = []
        for node in np.unique(edges.source[away]):
            leaving = (away & (edges.source == node)).astype(float)
            for step in range(book.question.steps):
                may = book.withdrawable[node]
                for edge in np.flatnonzero(edges.destination == node):
                    earlier = [book.arrival(before, int(edge)) for before in range(step)]
                    may = sum([a for a in earlier if a is not None], may)
                out = cp.sum(book.flow[: step + 1] @ leaving)
                found.append(Rule(WITHDRAWALS, out <= may))
        return found


@dataclass(frozen=True, slots=True)
class VenueFunctions(Term):
    """u_a >= slope_aj net_a'x - offset_aj for each piece j (convex: a maximum of lines).

    Tiered maintenance with deductions o_j = o_j-1 + b_j (r_j - r_j-1) is such a maximum, on either
    side. u stands above its function, and no limit rewards it for standing higher.
    """

    def rules(self, book: Book) -> list[Rule]:
        """One row for each function, different piece and step."""
        functions = book.question.functions
        found = []
        for number, net in enumerate(functions.net):
            value = book.size @ net
            pieces = np.unique(
                np.stack([functions.slope[number], functions.offset[number]], axis=1), axis=0
            )
            found += [
                Rule("", slope * value - offset <= book.function[:, number])
                for slope, offset in pieces
            ]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class TailLimit(Term):
    """CVaR of the worst point of each path: level + sum_w excess_w / mass <= limit + shortfall,
    excess_w >= max_p loss_wp - level, excess >= 0 (convex: CVaR rises in its losses, which are a
    maximum of affine functions).

    loss_wp = constant - slopes'x + weights'u - worth'(c left + c landed) + spend.
    CVaR <= 0 implies that at most mass / W of the scenarios lose more. Source: Rockafellar and
    Uryasev 2000, theorem 2; the mass in part of a scenario, 2002, proposition 8.

    `net` states losses over groups of columns that are multiples of each other, so that a scenario
    row has an entry for each exposure and not for each instrument.
    """

    tail: Tail
    net: bool = False

    def rules(self, book: Book) -> list[Rule]:
        """Rows of each step."""
        found = []
        for step in range(book.question.steps):
            found += self._step(book, step)
        return found

    def _step(self, book: Book, step: int) -> list[Rule]:
        tail = self.tail
        scenarios, points = tail.constant.shape
        level, excess = cp.Variable(), cp.Variable(scenarios)
        linear, definition = self._linear(book, step)
        spread = sparse.kron(sparse.eye_array(scenarios), np.ones((points, 1)), format="csr")
        loss = tail.constant.ravel() + linear + self._paid(book, step)
        value = level + cp.sum(excess) / tail.mass - tail.limit
        short = book.shortfall.get(tail.name)
        return [
            *definition,
            Rule("", loss - level <= spread @ excess),
            Rule("", excess >= 0),
            Rule(tail.name, value <= (0.0 if short is None else short[step])),
        ]

    def _paid(self, book: Book, step: int) -> Expression:
        if not self.tail.spends:
            return 0.0
        return (
            cp.sum(book.spend[step]) if self.tail.venue < 0 else book.spend[step, self.tail.venue]
        )

    def _linear(self, book: Book, step: int) -> tuple[Expression, list[Rule]]:
        """Losses (W P) less constant and spend, and the definition of exposures if any."""
        columns, exposures = [], []
        for rows, places, values in self._pieces(book, step):
            columns.append(rows[:, places])
            exposures.append(values)
        matrix, looked_at = np.concatenate(columns, axis=1), cp.hstack(exposures)
        if not self.net:
            return matrix @ looked_at, []
        directions, groups = proportional_columns(matrix)
        exposure = cp.Variable(directions.shape[1])
        return directions @ exposure, [Rule("", exposure == groups @ looked_at)]

    def _pieces(self, book: Book, step: int) -> list[tuple[FloatArray, IntArray, Expression]]:
        tail, edges = self.tail, book.question.edges
        height = tail.constant.size
        every = [np.arange(width) for width in (tail.columns.size, tail.functions.size)]
        worth = -tail.worth.reshape(height, -1)
        found = []
        if tail.columns.size:
            found.append(
                (-tail.slopes.reshape(height, -1), every[0], book.size[step, tail.columns])
            )
        if tail.functions.size:
            weights = tail.weights.reshape(height, -1)
            found.append((weights, every[1], book.function[step, tail.functions]))
        for place, node in enumerate(tail.nodes):
            found.append((worth, np.array([place]), book.left(step, int(node))))
            for edge in np.flatnonzero(edges.destination == node):
                arrived = book.arrival(step, int(edge))
                if arrived is not None:
                    landed = worth * tail.landed[:, :, edge].reshape(height, 1)
                    found.append((landed, np.array([place]), arrived))
        return found


def proportional_columns(matrix: FloatArray) -> tuple[FloatArray, sparse.csr_array]:
    """(directions (r, g), groups (g, q)) with matrix = directions @ groups to rounding, columns
    that are multiples of each other sharing one direction; columns of noughts have none."""
    pivot = np.abs(matrix).argmax(axis=0)
    scale = matrix[pivot, np.arange(matrix.shape[1])]
    used = np.flatnonzero(scale)
    scaled = matrix[:, used] / scale[used]
    _, first, group = np.unique(
        np.round(scaled, 12), axis=1, return_index=True, return_inverse=True
    )
    shape = (first.size, matrix.shape[1])
    groups = sparse.csr_array((scale[used], (group.ravel(), used)), shape=shape)
    return scaled[:, first], groups


@dataclass(frozen=True, slots=True)
class GreekBoxes(Term):
    """lower - shortfall <= rows @ x <= upper + shortfall (linear): delta per coin and of the book
    about its target skew, gamma, vega per tenor, open short wings."""

    def rules(self, book: Book) -> list[Rule]:
        """Two rows for each box and step, where its side is finite."""
        boxes, found = book.question.boxes, []
        for number, name in enumerate(boxes.names):
            value, short = book.size @ boxes.rows[number], book.shortfall.get(name, 0.0)
            if np.isfinite(boxes.upper[number]):
                found.append(Rule(name, value - boxes.upper[number] <= short))
            if np.isfinite(boxes.lower[number]):
                found.append(Rule(name, boxes.lower[number] - value <= short))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class GrossLimit(Term):
    """weights'|x| + claim'c_k+1 + constant <= cap + shortfall (convex: weights >= 0).

    Gross leverage, a sleeve's size, and what a venue's default costs: equity there and the cost of
    re-hedging the partners of the legs that are lost.
    """

    limit: Gross

    def rules(self, book: Book) -> list[Rule]:
        """One row for each step, where the cap is finite."""
        limit = self.limit
        if not np.isfinite(limit.cap):
            return []
        used = cp.abs(book.size) @ limit.weights + book.money[1:] @ limit.claim
        over = used + (limit.constant - limit.cap)
        return [Rule(limit.name, over <= book.shortfall.get(limit.name, 0.0))]


@dataclass(frozen=True, slots=True)
class Turnover(Term):
    """sum_k 1'(b_k + s_k) <= turnover (linear)."""

    def rules(self, book: Book) -> list[Rule]:
        """One row."""
        most = book.question.turnover
        return [Rule(TURNOVER, cp.sum(book.traded) <= most)] if np.isfinite(most) else []


@dataclass(frozen=True, slots=True)
class SizeBounds(Term):
    """min(lower, held) <= x_k <= max(upper, held), or between nought and held (linear)."""

    def rules(self, book: Book) -> list[Rule]:
        """Two rows for each position and step."""
        steps = range(book.question.steps)
        return [Rule(BOUNDS, book.lower <= book.size[k]) for k in steps] + [
            Rule(BOUNDS, book.size[k] <= book.upper) for k in steps
        ]


def limits_of(book: Book, net: bool = False) -> Terms:
    """All limits of a book's question as one sum."""
    question = book.question
    fixed = (FlowConservation(), Withdrawable(), VenueFunctions(), GreekBoxes(), Turnover())
    tails = tuple(TailLimit(tail, net) for tail in question.tails)
    gross = tuple(GrossLimit(limit) for limit in question.gross)
    return Terms((*fixed, SizeBounds(), *tails, *gross))
