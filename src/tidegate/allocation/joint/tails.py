# SPDX-License-Identifier: Apache-2.0
"""Tails as matrices: losses of all scenarios at once, and the plane that supports a tail.

Each tail is one matrix over what it looks at, which no re-solve changes: sizes, functions, money
left at nodes, and money that lands. Losses are one product, and a plane is a mean of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.question import FloatArray, IntArray, Question, Tail


@dataclass(frozen=True, slots=True, eq=False)
class TailMatrix:
    """matrix (W P, q) over q = (sizes, functions, nodes, landing edges); constant (W P).

    `edges` are those that land at one of the tail's nodes, `leaving` (node of the tail, edge) pairs
    of those that leave one, `spending` the venues whose spend counts.
    """

    tail: Tail
    matrix: FloatArray
    constant: FloatArray
    points: int
    edges: IntArray
    leaving: tuple[IntArray, IntArray]
    spending: IntArray

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

    def plane(self, rows: IntArray, weights: FloatArray) -> tuple[FloatArray, float]:
        """Coefficients (q) and constant of the plane through chosen rows."""
        return weights @ self.matrix[rows], float(weights @ self.constant[rows])


def tail_matrix(question: Question, tail: Tail) -> TailMatrix:
    """A tail of a question as a matrix."""
    edges, nodes = question.edges, question.nodes
    place = np.full(len(nodes.names), -1)
    place[tail.nodes] = np.arange(tail.nodes.size)
    landing = (place[edges.destination] >= 0) & tail.landed.any(axis=(0, 1))
    landing &= edges.lag < question.steps
    lands = np.flatnonzero(landing)
    worth = tail.worth[:, :, place[edges.destination[lands]]] * (1.0 - edges.cost_rate[lands])
    parts = (-tail.slopes, tail.weights, -tail.worth, -worth * tail.landed[:, :, lands])
    matrix = np.concatenate(parts, axis=2)
    leaves = np.flatnonzero(place[edges.source] >= 0)
    venues = np.arange(len(question.venues)) if tail.venue < 0 else np.array([tail.venue])
    return TailMatrix(
        tail,
        np.ascontiguousarray(matrix.reshape(-1, matrix.shape[2])),
        tail.constant.ravel().astype(float),
        tail.slopes.shape[1],
        lands,
        (place[edges.source[leaves]], leaves),
        venues if tail.spends else venues[:0],
    )
