# SPDX-License-Identifier: Apache-2.0
"""Solvency of one account as a tail: its shortfall at every named move, in units of equity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Tail
from tidegate.engine.plan.pieces import Pieces
from tidegate.engine.plan.requirement import Standing
from tidegate.engine.plan.shared_functions import Scale, SharedFunctions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """constant - slopes'x + weights'u - worth c: requirement less equity; weights by function."""

    constant: float
    slopes: FloatArray
    weights: dict[int, float]
    worth: float


def points_of(
    standing: Standing, required: Pieces, scale: Scale, functions: SharedFunctions, amount: float
) -> list[Point]:
    """Points of an account at one market; `amount` is what stands at its node now."""
    gains = standing.gains / scale.per_size
    held = standing.held_usd / scale.equity_usd - float(gains @ scale.held)
    equity = held - standing.worth * amount
    always: dict[int, float] = {}
    for function in required.always:
        _add(always, functions.add(function, scale))
    points = []
    for row, own in required.rows:
        slopes, constant = scale.row(row)
        weights = dict(always)
        for function in own:
            _add(weights, functions.add(function, scale))
        points.append(Point(constant - equity, gains - slopes, weights, standing.worth))
    return points


def _add(weights: dict[int, float], found: tuple[int, float] | None) -> None:
    if found is not None:
        weights[found[0]] = weights.get(found[0], 0.0) + found[1]


def with_weights(points: Sequence[Point], more: dict[int, float]) -> list[Point]:
    """The points with functions added to each."""
    found = []
    for each in points:
        weights = dict(each.weights)
        for place, weight in more.items():
            weights[place] = weights.get(place, 0.0) + weight
        found.append(Point(each.constant, each.slopes, weights, each.worth))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a tail stands: its name, venue (-1 for all), positions, nodes, and edges in all."""

    name: str
    venue: int
    columns: NDArray[np.int64]
    nodes: tuple[int, ...]
    edges: int
    limit: float = 0.0
    penalty: float = float("inf")
    spends: bool = True


def stress_tail(
    scenarios: Sequence[Sequence[Point]], place: Place, *, landed: bool = False
) -> Tail:
    """The maximum over named moves: no money that is sent arrives within one, unless `landed`."""
    used = sorted({f for points in scenarios for each in points for f in each.weights})
    order = {name: index for index, name in enumerate(used)}
    shape = (len(scenarios), max(len(points) for points in scenarios))
    constant, slopes = np.zeros(shape), np.zeros((*shape, len(place.columns)))
    weights = np.zeros((*shape, len(used)))
    worth = np.zeros((*shape, len(place.nodes)))
    for w, points in enumerate(scenarios):
        # A scenario of fewer points repeats its last.
        for p in range(shape[1]):
            each = points[min(p, len(points) - 1)]
            constant[w, p], slopes[w, p], worth[w, p] = each.constant, each.slopes, each.worth
            for name, weight in each.weights.items():
                weights[w, p, order[name]] = weight
    return Tail(
        name=place.name,
        venue=place.venue,
        columns=place.columns,
        functions=np.array(used, dtype=np.int64),
        nodes=np.array(place.nodes, dtype=np.int64),
        slopes=slopes,
        weights=weights,
        worth=worth,
        constant=constant,
        landed=np.full((*shape, place.edges), landed),
        mass=1.0,
        penalty=place.penalty,
        limit=place.limit,
        spends=place.spends,
    )
