# SPDX-License-Identifier: Apache-2.0
"""Small questions with every feature of the joint programme in some of them, at random.

They are odd on purpose: functions of several positions, tails over nodes of several venues,
conversions with a lag, pieces that repeat, masses in part of a scenario.
"""

from __future__ import annotations

import numpy as np

from tidegate.allocation.joint.question import (
    Boxes,
    Edges,
    FloatArray,
    Functions,
    Gross,
    IntArray,
    Nodes,
    Positions,
    Question,
    Tail,
)

VENUES, POSITIONS, NODES, FUNCTIONS, FACTORS = 2, 5, 4, 3, 3
NODE_VENUE = np.array([0, 0, 1, 1])
SOURCE, DESTINATION = np.array([0, 2, 0, 1, 3]), np.array([2, 0, 1, 0, 1])


def small_question(seed: int) -> Question:
    """A question that is feasible, since limits that doing nothing breaks have a price."""
    random = np.random.default_rng(seed)
    steps = int(random.integers(1, 4))
    return Question(
        ("a", "b"),
        _positions(random),
        _functions(random),
        _nodes(random),
        _edges(random),
        tuple(_tail(random, number) for number in range(3)),
        _boxes(random),
        _gross(random),
        random.uniform(0.02, 0.2, steps),
        float(random.choice([np.inf, random.uniform(0.3, 3.0)])),
        float(random.choice([0.0, 1.0])),
        1e6,
        bool(random.random() < 0.2),
    )


def _positions(random: np.random.Generator) -> Positions:
    return Positions(
        tuple(f"p{i}" for i in range(POSITIONS)),
        np.array([0, 0, 0, 1, 1]),
        random.normal(0.0, 0.3, POSITIONS) * (random.random(POSITIONS) < 0.7),
        -random.uniform(0.2, 1.0, POSITIONS) * (random.random(POSITIONS) < 0.8),
        random.uniform(0.2, 1.0, POSITIONS),
        random.normal(0.0, 0.3, POSITIONS),
        random.normal(0.0, 0.05, (POSITIONS, FACTORS)),
        random.uniform(2e-4, 2e-3, POSITIONS),
        random.uniform(1e-4, 2e-2, POSITIONS) * (random.random(POSITIONS) < 0.6),
        np.full(POSITIONS, 0.001),
        np.ones(POSITIONS, dtype=bool),
    )


def _functions(random: np.random.Generator) -> Functions:
    net = random.normal(0.0, 1.0, (FUNCTIONS, POSITIONS)).round(1)
    net[0] = np.eye(POSITIONS)[0]
    slope = random.uniform(-0.2, 0.2, (FUNCTIONS, 4))
    offset = random.uniform(0.0, 0.02, (FUNCTIONS, 4))
    slope[:, 3], offset[:, 3] = slope[:, 0], offset[:, 0]
    slope[:, 2] = offset[:, 2] = 0.0
    return Functions(net, slope, offset)


def _nodes(random: np.random.Generator) -> Nodes:
    amount = random.dirichlet(np.ones(NODES))
    return Nodes(
        tuple(f"n{i}" for i in range(NODES)),
        NODE_VENUE,
        amount,
        random.uniform(-0.05, 0.08, NODES),
        np.array([True, False, True, False]),
        amount * random.uniform(0.2, 1.0, NODES),
    )


def _edges(random: np.random.Generator) -> Edges:
    return Edges(
        tuple(f"e{i}" for i in range(SOURCE.size)),
        SOURCE,
        DESTINATION,
        random.uniform(0.0, 0.004, SOURCE.size),
        random.choice([0.0, 0.3, np.inf], SOURCE.size, p=[0.2, 0.4, 0.4]),
        random.integers(0, 3, SOURCE.size),
    )


def _tail(random: np.random.Generator, number: int) -> Tail:
    columns = _some(random, POSITIONS, least=1)
    functions, nodes = _some(random, FUNCTIONS), _some(random, NODES)
    shape = (int(random.integers(3, 12)), int(random.integers(1, 4)))
    return Tail(
        f"tail {number}",
        int(random.integers(-1, VENUES)),
        columns,
        functions,
        nodes,
        random.standard_t(3.0, (*shape, columns.size)) * 0.1,
        random.uniform(0.0, 1.2, (*shape, functions.size)),
        random.uniform(0.8, 1.0, (*shape, nodes.size)),
        random.uniform(0.0, 0.2, shape),
        random.random((*shape, SOURCE.size)) < 0.5,
        float(random.uniform(1.0, shape[0])),
        float(random.choice([0.5, 5.0])),
        float(random.uniform(-0.05, 0.05)),
        bool(random.random() < 0.7),
    )


def _some(random: np.random.Generator, count: int, least: int = 0) -> IntArray:
    size = int(random.integers(least, count + 1))
    return np.sort(random.choice(count, size, replace=False))


def _boxes(random: np.random.Generator) -> Boxes:
    rows: FloatArray = random.normal(0.0, 1.0, (2, POSITIONS))
    lower, upper = -random.uniform(0.05, 0.5, 2), random.uniform(0.05, 0.5, 2)
    return Boxes(("delta", "vega"), rows, lower, upper, np.array([0.3, 2.0]))


def _gross(random: np.random.Generator) -> tuple[Gross, ...]:
    # A price that three steps together do not raise to one, or it would pay to destroy money.
    claim = (NODE_VENUE == 0).astype(float)
    weights = random.uniform(0.0, 0.2, POSITIONS)
    return (
        Gross("leverage", np.ones(POSITIONS), np.zeros(NODES), 2.0, penalty=1.0),
        Gross("default of a", weights, claim, 0.6, constant=0.1, penalty=0.2),
    )
