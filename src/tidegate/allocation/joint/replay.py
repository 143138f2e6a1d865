# SPDX-License-Identifier: Apache-2.0
"""What trades and flows come to by the exact equations of the question, whatever a master thinks.

Sizes, functions, spend, money and losses are computed from trades and flows alone; so the objective
is the programme's own and every violation is of the programme's own limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.layout import size_bounds
from tidegate.allocation.joint.question import FloatArray, IntArray, Question
from tidegate.allocation.joint.tails import TailMatrix


@dataclass(frozen=True, slots=True, eq=False)
class Worst:
    """CVaR of a tail in a step with its spend, less its limit, and the rows that make it."""

    excess: float
    rows: IntArray
    weights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A book over all steps: size (k, n), impact paid (k, n), money (k + 1, m), flow (k, e), and
    the worst of each tail by step.

    `shortfall` by name, summed over steps; `violation` is the largest of a limit without price, NaN
    where a number is.
    """

    size: FloatArray
    impact: FloatArray
    money: FloatArray
    flow: FloatArray
    worst: tuple[tuple[Worst, ...], ...]
    shortfall: dict[str, float]
    objective: float
    violation: float


def replay(
    question: Question,
    tails: tuple[TailMatrix, ...],
    trades: tuple[FloatArray, FloatArray, FloatArray],
) -> Replay:
    """The book that `trades` make: bought (k, n), sold (k, n), flow (k, e), none negative."""
    bought, sold, flow = trades
    size = question.positions.held + np.cumsum(bought - sold, axis=0)
    traded = bought + sold
    impact = question.positions.impact * traded**1.5
    spend = _by_venue(question, question.positions.cost_rate * traded + impact)
    arrival = arrivals(question, flow)
    money = _money(question, flow, arrival, spend)
    function = _functions(question, size)
    book = size, function, spend, money, flow, arrival
    worst = tuple(_worst(question, tail, book) for tail in tails)
    limits = [
        *_tail_gaps(question, worst),
        *_box_gaps(question, size),
        *_gross_gaps(question, size, money),
    ]
    hard = [gap.max(initial=0.0) for _, penalty, gap in limits if penalty == np.inf]
    soft = [(name, penalty, float(gap.sum())) for name, penalty, gap in limits if penalty < np.inf]
    earned = _earned(question, size, money) - float(spend.sum())
    earned -= float((flow @ question.edges.cost_rate).sum())
    return Replay(
        size,
        impact,
        money,
        flow,
        worst,
        {name: given for name, _, given in soft},
        earned - sum(penalty * given for _, penalty, given in soft),
        float(np.max([*hard, *_plain_gaps(question, traded, book)], initial=0.0)),
    )


def _earned(question: Question, size: FloatArray, money: FloatArray) -> float:
    """Carry less what it may be too high by, and what lending yields."""
    positions = question.positions
    error = np.sqrt(((size @ positions.error_factor) ** 2).sum(axis=1))
    a_year = size @ positions.carry_annual - question.shrinkage * error
    return float(question.step_years @ (a_year + money[1:] @ question.nodes.yield_annual))


def _functions(question: Question, size: FloatArray) -> FloatArray:
    functions = question.functions
    value = (size @ functions.net.T)[:, :, np.newaxis] * functions.slope - functions.offset
    return np.asarray(value.max(axis=2, initial=-np.inf))


def arrivals(question: Question, flow: FloatArray) -> FloatArray:
    """What lands in each step by edge (k, e), before the edge's cost."""
    arrival = np.zeros_like(flow)
    for edge, lag in enumerate(question.edges.lag):
        arrival[lag:, edge] = flow[: max(0, flow.shape[0] - lag), edge]
    return arrival


def _by_venue(question: Question, amount: FloatArray) -> FloatArray:
    total = np.zeros((question.steps, len(question.venues)))
    np.add.at(total.T, question.positions.venue, amount.T)
    return total


def _moved(question: Question, flow: FloatArray, arrival: FloatArray) -> tuple[FloatArray, ...]:
    """What leaves and what lands by node, (k, m) both."""
    edges = question.edges
    shape = (question.steps, len(question.nodes.names))
    out, landed = np.zeros(shape), np.zeros(shape)
    np.add.at(out.T, edges.source, flow.T)
    np.add.at(landed.T, edges.destination, (arrival * (1.0 - edges.cost_rate)).T)
    return out, landed


def _money(
    question: Question, flow: FloatArray, arrival: FloatArray, spend: FloatArray
) -> FloatArray:
    nodes = question.nodes
    out, landed = _moved(question, flow, arrival)
    change = landed - out - nodes.pays_costs * spend[:, nodes.venue]
    return np.concatenate([nodes.amount[np.newaxis], nodes.amount + np.cumsum(change, axis=0)])


def _worst(
    question: Question, matrix: TailMatrix, book: tuple[FloatArray, ...]
) -> tuple[Worst, ...]:
    size, function, spend, money, flow, arrival = book
    tail = matrix.tail
    left = money[:-1][:, tail.nodes].copy()
    place, edge = matrix.leaving
    np.subtract.at(left.T, place, flow[:, edge].T)
    parts = (size[:, tail.columns], function[:, tail.functions], left, arrival[:, matrix.edges])
    losses = matrix.losses(np.concatenate(parts, axis=1))
    paid = spend[:, matrix.spending].sum(axis=1)
    found = []
    for step in range(question.steps):
        value, rows, weights = matrix.worst(losses[step])
        found.append(Worst(value + float(paid[step]) - tail.limit, rows, weights))
    return tuple(found)


Gap = tuple[str, float, FloatArray]


def _tail_gaps(question: Question, worst: tuple[tuple[Worst, ...], ...]) -> list[Gap]:
    return [
        (tail.name, tail.penalty, np.maximum([each.excess for each in steps], 0.0))
        for tail, steps in zip(question.tails, worst, strict=True)
    ]


def _box_gaps(question: Question, size: FloatArray) -> list[Gap]:
    boxes = question.boxes
    value = size @ boxes.rows.T
    gap = np.maximum(np.maximum(boxes.lower - value, value - boxes.upper), 0.0)
    return [(name, float(boxes.penalty[r]), gap[:, r]) for r, name in enumerate(boxes.names)]


def _gross_gaps(question: Question, size: FloatArray, money: FloatArray) -> list[Gap]:
    return [
        (
            limit.name,
            limit.penalty,
            np.maximum(
                np.abs(size) @ limit.weights + money[1:] @ limit.claim + limit.constant - limit.cap,
                0.0,
            ),
        )
        for limit in question.gross
    ]


def _plain_gaps(
    question: Question, traded: FloatArray, book: tuple[FloatArray, ...]
) -> tuple[float, ...]:
    """Violations of bounds, turnover, balances and withdrawals."""
    size, _, _, money, flow, arrival = book
    nodes, edges = question.nodes, question.edges
    lower, upper = size_bounds(question)
    away = nodes.venue[edges.source] != nodes.venue[edges.destination]
    out, landed = _moved(question, flow * away, arrival)
    before = np.cumsum(landed, axis=0) - landed
    gaps = (
        lower - size,
        size - upper,
        flow - edges.cap,
        -money[1:],
        np.cumsum(out, axis=0) - before - nodes.withdrawable,
    )
    return (float(traded.sum()) - question.turnover, *(float(g.max(initial=0.0)) for g in gaps))
