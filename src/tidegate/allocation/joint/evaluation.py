# SPDX-License-Identifier: Apache-2.0
"""What trades and flows come to by the equations of `question`, step by step in plain loops.

Slow, and written from the equations alone: it judges what any solver of the programme returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.question import FloatArray, Question, Tail


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """What is bought and sold (k, n), both >= 0, and what flows (k, e) >= 0, of equity."""

    bought: FloatArray
    sold: FloatArray
    flow: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A book by the equations: size (k, n), money (k + 1, m), spend (k, v).

    `objective` counts penalties; `excess` is by how much each limit is exceeded, by name and step
    (k), <= 0 where it holds; `violation` is the largest excess of what has no price.
    """

    size: FloatArray
    money: FloatArray
    spend: FloatArray
    objective: float
    excess: dict[str, FloatArray]
    violation: float


def evaluate(question: Question, trades: Trades) -> Evaluation:
    """The book that `trades` make of the present one."""
    size = question.positions.held + np.cumsum(trades.bought - trades.sold, axis=0)
    spend = spend_by_venue(question, trades.bought + trades.sold)
    money = _money(question, trades.flow, spend)
    excess = _excess(question, trades, size, money, spend)
    penalty = penalties(question)
    given = sum(
        price * float(np.maximum(excess[name], 0.0).sum())
        for name, price in penalty.items()
        if np.isfinite(price)
    )
    hard = [over for name, over in excess.items() if not np.isfinite(penalty.get(name, np.inf))]
    violation = max(float(np.max(over, initial=0.0)) for over in hard)
    negative = max(float(-part.min(initial=0.0)) for part in (trades.bought, trades.sold))
    objective = _gain(question, size, money) - spend.sum() - given
    objective -= float((trades.flow @ question.edges.cost_rate).sum())
    return Evaluation(size, money, spend, float(objective), excess, max(violation, negative))


def penalties(question: Question) -> dict[str, float]:
    """What a unit of shortfall costs, by name of every limit that can have a price."""
    found = {tail.name: tail.penalty for tail in question.tails}
    found |= dict(zip(question.boxes.names, question.boxes.penalty.tolist(), strict=True))
    return found | {limit.name: limit.penalty for limit in question.gross}


def size_bounds(question: Question) -> tuple[FloatArray, FloatArray]:
    """Least and most of each size (n): a position outside its bounds may only move inward."""
    positions = question.positions
    least = np.minimum(positions.lower, positions.held)
    most = np.maximum(positions.upper, positions.held)
    if question.reduce_only:
        return (
            np.maximum(least, np.minimum(positions.held, 0.0)),
            np.minimum(most, np.maximum(positions.held, 0.0)),
        )
    return (
        least,
        most,
    )


def spend_by_venue(question: Question, traded: FloatArray) -> FloatArray:
    """Trading costs (k, v) of trades (k, n) >= 0: sum over a venue of cost d + impact d^1.5."""
    positions = question.positions
    cost = positions.cost_rate * traded + positions.impact * np.maximum(traded, 0.0) ** 1.5
    venues = range(len(question.venues))
    return np.stack([cost[:, positions.venue == venue].sum(axis=1) for venue in venues], axis=1)


def conditional_value_at_risk(loss: FloatArray, mass: float) -> float:
    """Mean of the `mass` worst of losses (W), the last in part (Rockafellar and Uryasev 2002, 8).

    The order of the sum is from the worst down, so that a mass of one is the maximum itself.
    """
    worst = np.sort(loss)[::-1]
    share = np.clip(mass - np.arange(worst.size), 0.0, 1.0)
    return float(share @ worst) / mass


def tail_losses(
    question: Question, tail: Tail, step: int, book: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """Losses (W, P) of a tail without spend and limit, with `book` size, money, flow as above."""
    size, money, flow = book
    nodes = {int(node): place for place, node in enumerate(tail.nodes)}
    net = question.functions.net @ size[step]
    pieces = net[:, None] * question.functions.slope - question.functions.offset
    loss = tail.constant - tail.slopes @ size[step][tail.columns]
    if tail.functions.size:
        loss = loss + tail.weights @ pieces.max(axis=1)[tail.functions]
    loss = loss - tail.worth @ money[step][tail.nodes]
    edges = question.edges
    for edge, (source, destination) in enumerate(
        zip(edges.source.tolist(), edges.destination.tolist(), strict=True)
    ):
        if source in nodes:
            loss = loss + tail.worth[:, :, nodes[source]] * flow[step, edge]
        sent = step - int(edges.lag[edge])
        if destination in nodes and sent >= 0:
            arrived = flow[sent, edge] * (1.0 - edges.cost_rate[edge])
            loss = loss - tail.worth[:, :, nodes[destination]] * tail.landed[:, :, edge] * arrived
    return np.asarray(loss)


def _money(question: Question, flow: FloatArray, spend: FloatArray) -> FloatArray:
    nodes, edges = question.nodes, question.edges
    money = np.zeros((question.steps + 1, nodes.amount.size))
    money[0] = nodes.amount
    for step in range(question.steps):
        money[step + 1] = money[step] - nodes.pays_costs * spend[step, nodes.venue]
        for edge in range(len(edges.names)):
            money[step + 1, edges.source[edge]] -= flow[step, edge]
            landed = _landed(question, flow, step, edge)
            money[step + 1, edges.destination[edge]] += landed
    return money


def _landed(question: Question, flow: FloatArray, step: int, edge: int) -> float:
    sent = step - int(question.edges.lag[edge])
    return float(flow[sent, edge] * (1.0 - question.edges.cost_rate[edge])) if sent >= 0 else 0.0


def _gain(question: Question, size: FloatArray, money: FloatArray) -> float:
    positions = question.positions
    error = np.linalg.norm(size @ positions.error_factor, axis=1)
    a_year = size @ positions.carry_annual - question.shrinkage * error
    return float(question.step_years @ (a_year + money[1:] @ question.nodes.yield_annual))


def _excess(
    question: Question, trades: Trades, size: FloatArray, money: FloatArray, spend: FloatArray
) -> dict[str, FloatArray]:
    lower, upper = size_bounds(question)
    excess: dict[str, FloatArray] = {
        tail.name: np.array(
            [
                _tail(question, tail, step, (size, money, trades.flow)) + _paid(tail, spend[step])
                for step in range(question.steps)
            ]
        )
        for tail in question.tails
    }
    boxes = question.boxes
    for name, row, low, high in zip(boxes.names, boxes.rows, boxes.lower, boxes.upper, strict=True):
        excess[name] = np.maximum(low - size @ row, size @ row - high)
    for limit in question.gross:
        used = np.abs(size) @ limit.weights + money[1:] @ limit.claim
        excess[limit.name] = used + limit.constant - limit.cap
    traded = float((trades.bought + trades.sold).sum())
    excess["turnover"] = np.array([traded - question.turnover])
    excess["bounds"] = np.maximum(lower - size, size - upper).ravel()
    excess["balances"] = -money[1:].ravel()
    excess["flows"] = np.maximum(-trades.flow, trades.flow - question.edges.cap).ravel()
    excess["withdrawals"] = _withdrawals(question, trades.flow)
    return excess


def _tail(
    question: Question, tail: Tail, step: int, book: tuple[FloatArray, FloatArray, FloatArray]
) -> float:
    worst = tail_losses(question, tail, step, book).max(axis=1)
    return conditional_value_at_risk(worst, tail.mass) - tail.limit


def _paid(tail: Tail, spend: FloatArray) -> float:
    if not tail.spends:
        return 0.0
    return float(spend.sum() if tail.venue < 0 else spend[tail.venue])


def _withdrawals(question: Question, flow: FloatArray) -> FloatArray:
    """What left for another venue so far, less what landed before, less what may leave (k m)."""
    nodes, edges = question.nodes, question.edges
    over = np.zeros((question.steps, nodes.amount.size))
    so_far = -nodes.withdrawable.astype(float)
    for step in range(question.steps):
        for edge in range(len(edges.names)):
            source, destination = edges.source[edge], edges.destination[edge]
            if nodes.venue[source] != nodes.venue[destination]:
                so_far[source] += flow[step, edge]
        over[step] = so_far
        for edge in range(len(edges.names)):
            so_far[edges.destination[edge]] -= _landed(question, flow, step, edge)
    return over.ravel()
