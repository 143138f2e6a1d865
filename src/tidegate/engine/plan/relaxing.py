# SPDX-License-Identifier: Apache-2.0
"""Questions asked otherwise where the first has no answer: what contradicts, and only reducing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidegate.allocation.joint.diagnosis import (
    NOUGHT,
    Conflict,
    Diagnosis,
    Easing,
    diagnose,
)
from tidegate.allocation.joint.elastic import Elastic
from tidegate.allocation.joint.question import Boxes, Gross, Question
from tidegate.allocation.solve import SolveError

# Reducing, solvency is worth more than every limit of the mandate together.
REDUCE_TAIL, REDUCE_LIMIT = 1_000.0, 10.0


def conflicts(question: Question) -> Diagnosis | None:
    """The limits that cannot hold together and what cures them, claims and targets that give way
    left aside; None where even easing them leaves no book, or nothing is proved."""
    hard = tuple(each for each in question.gross if not np.isfinite(each.penalty))
    asked = replace(question, gross=hard, boxes=without_targets(question.boxes))
    try:
        return diagnose(asked)
    except SolveError:
        return _least(asked)


def _least(question: Question) -> Diagnosis | None:
    """The least violation alone, where which limits conflict could not be proved."""
    elastic = Elastic(question)
    try:
        slack, _ = elastic.least(elastic.names)
    except SolveError:
        return None
    eased = [Easing(n, s) for n, s in slack.items() if s > NOUGHT * elastic.scale[n]]
    names = tuple(each.name for each in eased)
    # One limit that gives way alone is its own cure; several cure together, by the least sum.
    cures = tuple(eased) if len(eased) == 1 else ()
    return Diagnosis((Conflict(names, cures),), tuple(eased), ()) if eased else None


def without_targets(boxes: Boxes) -> Boxes:
    """The limits that hold, without what is aimed at and gives way at a price."""
    kept = ~np.isfinite(boxes.penalty)
    names = tuple(name for name, keeps in zip(boxes.names, kept.tolist(), strict=True) if keeps)
    ends = boxes.lower[kept], boxes.upper[kept]
    return Boxes(names, boxes.rows[kept], *ends, boxes.penalty[kept])


def reducing(question: Question) -> Question:
    """Positions move only toward nought; limits give way before solvency does. Claims and targets
    keep their own price: above one it would pay to burn money so as to have less of it."""
    boxes = question.boxes
    hard = ~np.isfinite(boxes.penalty)
    return replace(
        question,
        tails=tuple(replace(tail, penalty=REDUCE_TAIL) for tail in question.tails),
        boxes=replace(boxes, penalty=np.where(hard, REDUCE_LIMIT, boxes.penalty)),
        gross=tuple(_soft(each) for each in question.gross),
        reduce_only=True,
    )


def without_volume(question: Question) -> Question:
    """The question with what may be traded in a day left aside."""
    held = question.positions.held
    lower = np.minimum(question.positions.lower, np.minimum(held, 0.0))
    upper = np.maximum(question.positions.upper, np.maximum(held, 0.0))
    return replace(question, positions=replace(question.positions, lower=lower, upper=upper))


def _soft(each: Gross) -> Gross:
    return each if each.claim.any() else replace(each, penalty=REDUCE_LIMIT)
