# SPDX-License-Identifier: Apache-2.0
"""Questions whose limits give way at a price: what contradicts, and a book that only reduces.

Where nothing is feasible, every limit gives way at one price per unit of its own violation, so high
that nothing else counts beside it. What is then given up is the least violation, summed over limits
and steps, that leaves a book; the limits that give way are in conflict, and easing each by so much
cures it. Claims on venues keep their own price, below one: at a higher one it would pay to burn
money so as to have less of it at a venue. Source: elastic filtering, Chinneck and Dravnieks (1991).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.allocation.joint.question import Answer, Gross, Question
from tidegate.allocation.solve import SolveError

NOTHING_LEFT = 1e-7
ELASTIC = 100.0
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
    """Every limit at the same price."""
    return _with_penalties(question, ELASTIC, ELASTIC)


def reducing(question: Question) -> Question:
    """Positions move only toward nought; limits give way before solvency does."""
    return replace(_with_penalties(question, REDUCE_TAIL, REDUCE_LIMIT), reduce_only=True)


def _with_penalties(question: Question, tails: float, limits: float) -> Question:
    boxes = question.boxes
    return replace(
        question,
        tails=tuple(replace(tail, penalty=tails) for tail in question.tails),
        boxes=replace(boxes, penalty=np.full(len(boxes.names), limits)),
        gross=tuple(_soft(each, limits) for each in question.gross),
    )


def _soft(each: Gross, penalty: float) -> Gross:
    return each if each.claim.any() else replace(each, penalty=penalty)
