# SPDX-License-Identifier: Apache-2.0
"""Tails as matrices: losses of all scenarios at once, and where their coefficients belong.

Each tail is one matrix over what it looks at, which no re-solve changes: sizes, functions, money
left at nodes, and money that lands. Losses are one product, and a plane is a mean of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.layout import Layout
from tidegate.allocation.joint.question import FloatArray, IntArray, Question, Tail


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where what a tail looks at stands among the master's columns in one step.

    Coefficient `take` of the matrix counts, times `sign`, for `columns[slot]`; what is left at a
    node is its money less each flow out of it, so that one coefficient counts several times.
    """

    columns: IntArray
    slot: IntArray
    take: IntArray
    sign: FloatArray

    def rows(self, planes: FloatArray) -> FloatArray:
        """Coefficients (r, columns) of planes (r, q)."""
        found = np.zeros((planes.shape[0], self.columns.size))
        np.add.at(found.T, self.slot, (self.sign * planes[:, self.take]).T)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class TailMatrix:
    """matrix (W P, q) over q = (sizes, functions, nodes, landing edges); constant (W P).

    `edges` are those that land at one of the tail's nodes; `leaving` are those that leave one, as
    node of the tail and edge; `spending` are the venues whose spend counts; `places` by step.
    """

    tail: Tail
    matrix: FloatArray
    constant: FloatArray
    points: int
    edges: IntArray
    leaving: tuple[IntArray, IntArray]
    spending: IntArray
    places: tuple[Place, ...]

    def losses(self, looked_at: FloatArray) -> FloatArray:
        """Loss at every point (s, W P) of `looked_at` (s, q), without limit and spend."""
        product: FloatArray = looked_at @ self.matrix.T + self.constant
        return product

    def worst(self, losses: FloatArray) -> tuple[float, IntArray, FloatArray]:
        """CVaR of losses (W P), and the rows with their weights whose mean it is.

        The mean of the `mass` worst scenarios, the last one in part, each at its worst point:
        Rockafellar and Uryasev 2002, proposition 8, for scenarios of equal probability.
        """
        by_scenario = losses.reshape(-1, self.points)
        point = by_scenario.argmax(axis=1)
        loss = by_scenario[np.arange(point.size), point]
        mass = self.tail.mass
        count = int(np.ceil(mass))
        chosen = np.argpartition(loss, loss.size - count)[-count:]
        chosen = chosen[np.argsort(loss[chosen])]
        weights = np.full(count, 1.0 / mass)
        weights[0] = (mass - (count - 1)) / mass
        value = float(weights @ loss[chosen])
        return value, chosen * self.points + point[chosen], weights


def tail_matrix(question: Question, layout: Layout, tail: Tail) -> TailMatrix:
    """A tail of a question as a matrix, with its places in a layout."""
    edges = question.edges
    node = np.full(len(question.nodes.names), -1)
    node[tail.nodes] = np.arange(tail.nodes.size)
    landing = (node[edges.destination] >= 0) & tail.landed.any(axis=(0, 1))
    lands = np.flatnonzero(landing & (edges.lag < question.steps))
    worth = tail.worth[:, :, node[edges.destination[lands]]] * (1.0 - edges.cost_rate[lands])
    parts = (-tail.slopes, tail.weights, -tail.worth, -worth * tail.landed[:, :, lands])
    matrix = np.concatenate(parts, axis=2)
    leaves = np.flatnonzero(node[edges.source] >= 0)
    leaving = node[edges.source[leaves]], leaves
    venues = np.arange(len(question.venues)) if tail.venue < 0 else np.array([tail.venue])
    return TailMatrix(
        tail,
        np.ascontiguousarray(matrix.reshape(-1, matrix.shape[2])),
        tail.constant.ravel().astype(float),
        tail.slopes.shape[1],
        lands,
        leaving,
        venues if tail.spends else venues[:0],
        tuple(
            _place(layout, tail, step, (lands, step - edges.lag[lands]), leaving)
            for step in range(question.steps)
        ),
    )


def _place(
    layout: Layout,
    tail: Tail,
    step: int,
    landing: tuple[IntArray, IntArray],
    leaving: tuple[IntArray, IntArray],
) -> Place:
    straight = (
        layout.size[step, tail.columns],
        layout.function[step, tail.functions],
        layout.money[step, tail.nodes],
    )
    edge, sent = landing
    landed = np.flatnonzero(sent >= 0)
    arriving = layout.flow[sent[landed], edge[landed]]
    node, left = leaving
    width = sum(part.size for part in straight)
    before_nodes = tail.columns.size + tail.functions.size
    take = np.concatenate([np.arange(width), width + landed, before_nodes + node])
    sign = np.concatenate([np.ones(width + landed.size), -np.ones(node.size)])
    at = np.concatenate([*straight, arriving, layout.flow[step, left]])
    columns, slot = np.unique(at, return_inverse=True)
    return Place(columns, slot, take, sign)
