# SPDX-License-Identifier: Apache-2.0
"""Where a position of ours stands in a venue's deleveraging queue."""

from __future__ import annotations

from tidegate.margin.adl import rank_score
from tidegate.model.account import Position
from tidegate.model.instruments import Instrument
from tidegate.simulation.tape import Queue


def ranking_score(
    queue: Queue, instrument: Instrument, position: Position, ticks: int, equity: int
) -> float:
    """The venue's ranking score of a position at a mark, on an account of some equity (quanta)."""
    value = instrument.value(position.lots, ticks)
    side = 1.0 if position.lots > 0 else -1.0
    ratio = position.cost / value if instrument.inverse else value / position.cost
    return float(rank_score(queue.ranking, side, 1.0, ratio, abs(value) / max(1, equity)))


def rank(queue: Queue, hour: int, position: Position, score: float) -> float:
    """Share of the queue that stands behind a score in an hour: 1 is closed first."""
    side = 0 if position.lots > 0 else 1
    ahead = queue.scores[min(hour, len(queue.scores) - 1), side]
    return float((ahead <= score).mean())
