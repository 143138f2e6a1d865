# SPDX-License-Identifier: Apache-2.0
"""Questions whose limits give way at a price: what contradicts, and a book that only reduces.

Where nothing is feasible, every limit gives way at one price per unit of its own violation while
nothing else is worth anything. What is then given up is the least violation, summed over limits,
that leaves a book; the limits that give way are in conflict, and easing each by so much cures it.
Source: elastic filtering, Chinneck and Dravnieks (1991).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.allocation.joint.question import Answer, Question
from tidegate.allocation.solve import SolveError

NOTHING_LEFT = 1e-7
ELASTIC = 1.0
# Reducing, solvency is worth more than every limit of the mandate together.
REDUCE_TAIL, REDUCE_LIMIT = 1_000.0, 10.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """A limit that must give way, and the least by which that cures it: a share of equity, in the
    unit of its row, and USD."""

    name: str
    by_share: float
    by_usd: float


def conflicts(question: Question, solve: Callable[[Question], Answer]) -> tuple[Conflict, ...]:
    """The limits that cannot all hold, with the least violation; none where even that fails."""
    try:
        answer = solve(elastic(question))
    except SolveError:
        return ()
    found = [
        Conflict(name, by, by * question.equity_usd)
        for name, by in answer.shortfall.items()
        if by > NOTHING_LEFT
    ]
    return tuple(sorted(found, key=lambda each: -each.by_share))


def elastic(question: Question) -> Question:
    """Every limit at the same price, and no carry, cost or yield beside it."""
    p, nodes = question.positions, question.nodes
    nothing = np.zeros_like(p.carry_annual)
    positions = replace(p, carry_annual=nothing, error_factor=0.0 * p.error_factor, impact=nothing)
    relaxed = _with_penalties(question, ELASTIC, ELASTIC)
    return replace(
        relaxed,
        positions=positions,
        nodes=replace(nodes, yield_annual=np.zeros_like(nodes.yield_annual)),
        shrinkage=0.0,
    )


def reducing(question: Question) -> Question:
    """Positions move only toward nought; limits give way before solvency does."""
    return replace(_with_penalties(question, REDUCE_TAIL, REDUCE_LIMIT), reduce_only=True)


def _with_penalties(question: Question, tails: float, limits: float) -> Question:
    boxes = question.boxes
    return replace(
        question,
        tails=tuple(replace(tail, penalty=tails) for tail in question.tails),
        boxes=replace(boxes, penalty=np.full(len(boxes.names), limits)),
        gross=tuple(replace(each, penalty=limits) for each in question.gross),
    )
