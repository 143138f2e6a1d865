# SPDX-License-Identifier: Apache-2.0
"""Where each quantity of the joint programme stands among the columns of its linear master.

Convex functions have a column that stands above them: `charge` above impact |d|^1.5, `function`
above u, `magnitude` above |x|, `error` above ||L'x||. The last is taken apart into one `share` a
factor, ||g||^2 <= sum of shares x ||g||, so that its cuts lie in two dimensions (Vielma, Dunning,
Huchette and Lubin 2017, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.allocation.joint.question import FloatArray, IntArray, Question


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Columns by quantity, step first: int64 (k, ...); `money` has one step more, c_0 first.

    `charged` are the positions with impact, `sized` those in a gross limit; `quantile` (k, tails)
    stands where a tail begins.
    """

    size: IntArray
    buy: IntArray
    sell: IntArray
    charge: IntArray
    magnitude: IntArray
    function: IntArray
    spend: IntArray
    money: IntArray
    flow: IntArray
    factor: IntArray
    share: IntArray
    error: IntArray
    tail_shortfall: IntArray
    quantile: IntArray
    box_shortfall: IntArray
    gross_shortfall: IntArray
    charged: IntArray
    sized: IntArray
    columns: int


def lay_out(question: Question) -> Layout:
    """The columns of a question's master."""
    positions, steps = question.positions, question.steps
    charged = np.flatnonzero(positions.impact > 0.0)
    in_gross = [limit.weights != 0.0 for limit in question.gross]
    sized = np.flatnonzero(np.any(in_gross, axis=0)) if in_gross else np.zeros(0, np.int64)
    blurred = question.shrinkage > 0.0 and bool(positions.error_factor.any())
    factors = positions.error_factor.shape[1] if blurred else 0
    position, function = len(positions.names), question.functions.net.shape[0]
    widths = {
        "size": position,
        "buy": position,
        "sell": position,
        "charge": charged.size,
        "magnitude": sized.size,
        "function": function,
        "spend": len(question.venues),
        "flow": len(question.edges.names),
        "factor": factors,
        "share": factors,
        "error": int(blurred),
        "tail_shortfall": len(question.tails),
        "quantile": len(question.tails),
        "box_shortfall": len(question.boxes.names),
        "gross_shortfall": len(question.gross),
    }
    blocks, end = {}, 0
    for name, width in widths.items():
        blocks[name] = np.arange(end, end + steps * width).reshape(steps, width)
        end += steps * width
    nodes = len(question.nodes.names)
    money = np.arange(end, end + (steps + 1) * nodes).reshape(steps + 1, nodes)
    return Layout(**blocks, money=money, charged=charged, sized=sized, columns=end + money.size)


def costs(question: Question, layout: Layout) -> FloatArray:
    """What a unit of each column costs: the objective of the question, negated."""
    years = question.step_years[:, np.newaxis]
    cost = np.zeros(layout.columns)
    cost[layout.size] = -years * question.positions.carry_annual
    cost[layout.buy] = cost[layout.sell] = question.positions.cost_rate
    cost[layout.charge] = 1.0
    cost[layout.flow] = question.edges.cost_rate
    cost[layout.error] = years * question.shrinkage
    cost[layout.money[1:]] = -years * question.nodes.yield_annual
    for columns, penalty in (
        (layout.tail_shortfall, np.array([tail.penalty for tail in question.tails])),
        (layout.box_shortfall, question.boxes.penalty),
        (layout.gross_shortfall, np.array([limit.penalty for limit in question.gross])),
    ):
        cost[columns] = np.where(np.isfinite(penalty), penalty, 0.0)
    return cost


def bounds(question: Question, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Least and most of each column."""
    lower, upper = np.zeros(layout.columns), np.full(layout.columns, np.inf)
    lower[layout.size], upper[layout.size] = size_bounds(question)
    lower[layout.function] = lower[layout.factor] = lower[layout.quantile] = -np.inf
    upper[layout.flow] = question.edges.cap
    lower[layout.money[0]] = upper[layout.money[0]] = question.nodes.amount
    for columns, penalty in (
        (layout.tail_shortfall, [tail.penalty for tail in question.tails]),
        (layout.box_shortfall, question.boxes.penalty),
        (layout.gross_shortfall, [limit.penalty for limit in question.gross]),
    ):
        upper[columns] = np.where(np.isfinite(penalty), np.inf, 0.0)
    return lower, upper


def size_bounds(question: Question) -> tuple[FloatArray, FloatArray]:
    """Least and most size of each position (n): one outside its bounds may only move inward."""
    positions = question.positions
    lower = np.minimum(positions.lower, positions.held)
    upper = np.maximum(positions.upper, positions.held)
    if question.reduce_only:
        lower = np.maximum(lower, np.minimum(positions.held, 0.0))
        upper = np.minimum(upper, np.maximum(positions.held, 0.0))
    return lower, upper
