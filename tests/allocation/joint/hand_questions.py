# SPDX-License-Identifier: Apache-2.0
"""Joint questions small enough to answer by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

import numpy as np

from tidegate.allocation.joint.question import (
    Boxes,
    Edges,
    FloatArray,
    Functions,
    Gross,
    Nodes,
    Positions,
    Question,
    Tail,
)


class Hand(TypedDict, total=False):
    """What `one_coin` may be told."""

    coins: int
    impact: float
    cost: float
    move: float
    moves: FloatArray
    mass: float
    maintenance: float
    amount: float
    error: float
    gross: float
    shrinkage: float
    claim_cap: float
    held: float
    penalty: float


def one_coin(**told: Unpack[Hand]) -> Question:
    """One venue with money in one asset, and coins that each earn 0.1 a year for a tenth of one,
    at a cost of 0.001 per unit: 0.009 per unit. Longs lose a move and must keep maintenance."""
    coins, amount = told.get("coins", 1), told.get("amount", 1.0)
    moves = np.atleast_1d(told.get("moves", -np.array([told.get("move", 0.001)])))
    every, shape = np.arange(coins), (moves.size, 1, coins)
    positions = Positions(
        names=tuple(f"coin {c}" for c in every),
        venue=np.zeros(coins, dtype=np.int64),
        held=np.full(coins, told.get("held", 0.0)),
        lower=np.zeros(coins),
        upper=np.full(coins, 50.0),
        carry_annual=np.full(coins, 0.1),
        error_factor=told.get("error", 0.0) * np.eye(coins),
        cost_rate=np.full(coins, told.get("cost", 0.001)),
        impact=np.full(coins, told.get("impact", 0.0)),
        orphan_rate=np.zeros(coins),
        derivative=np.ones(coins, dtype=bool),
    )
    rate = told.get("maintenance", 0.0)
    pieces = np.tile([rate, -rate], (coins, 1))
    tail = Tail(
        name="solvency at v0",
        venue=0,
        columns=every,
        functions=every,
        nodes=np.array([0]),
        slopes=np.broadcast_to(moves[:, None, None], shape),
        weights=np.ones(shape),
        worth=np.ones((moves.size, 1, 1)),
        constant=np.zeros((moves.size, 1)),
        landed=np.zeros((moves.size, 1, 0), dtype=bool),
        mass=told.get("mass", 1.0),
        penalty=told.get("penalty", np.inf),
    )
    limits = [Gross("gross", np.ones(coins), np.zeros(1), told.get("gross", 50.0))]
    if "claim_cap" in told:
        limits.append(Gross("default of v0", np.zeros(coins), np.ones(1), told["claim_cap"]))
    return Question(
        venues=("v0",),
        positions=positions,
        functions=Functions(np.eye(coins), pieces, np.zeros((coins, 2))),
        nodes=Nodes(("cash at v0",), np.array([0]), np.array([amount]), np.zeros(1),
                    np.array([True]), np.array([amount])),
        edges=no_edges(),
        tails=(tail,),
        boxes=no_boxes(coins),
        gross=tuple(limits),
        step_years=np.array([0.1]),
        turnover=np.inf,
        shrinkage=told.get("shrinkage", 0.0),
        equity_usd=1e6,
    )  # fmt: skip


def no_edges() -> Edges:
    """No ways for money."""
    none = np.zeros(0, dtype=np.int64)
    return Edges((), none, none, np.zeros(0), np.zeros(0), none)


def no_boxes(width: int) -> Boxes:
    """No limits of Greeks."""
    return Boxes((), np.zeros((0, width)), np.zeros(0), np.zeros(0), np.zeros(0))


def with_prices(cost_rate: FloatArray) -> Question:
    """A venue that needs 0.3 of margin and assets of 0.2 each elsewhere, with haircuts, that can be
    sent there at these rates (e); every asset has a node of its own at the far end."""
    count = cost_rate.size
    haircut = np.linspace(0.0, 0.1, count)
    question = one_coin()
    nodes = Nodes(
        names=("cash at v0", *(f"asset {e} at v0" for e in range(count)),
               *(f"asset {e} at v1" for e in range(count))),
        venue=np.r_[np.zeros(1 + count, dtype=np.int64), np.ones(count, dtype=np.int64)],
        amount=np.r_[np.zeros(1 + count), np.full(count, 0.2)],
        yield_annual=np.zeros(1 + 2 * count),
        pays_costs=np.arange(1 + 2 * count) == 0,
        withdrawable=np.r_[np.zeros(1 + count), np.full(count, 0.2)],
    )  # fmt: skip
    edges = Edges(
        names=tuple(f"asset {e}" for e in range(count)),
        source=1 + count + np.arange(count),
        destination=1 + np.arange(count),
        cost_rate=cost_rate,
        cap=np.full(count, np.inf),
        lag=np.zeros(count, dtype=np.int64),
    )
    tail = Tail(
        name="margin at v0",
        venue=0,
        columns=np.zeros(0, dtype=np.int64),
        functions=np.zeros(0, dtype=np.int64),
        nodes=np.arange(1 + count),
        slopes=np.zeros((1, 1, 0)),
        weights=np.zeros((1, 1, 0)),
        worth=np.r_[1.0, 1.0 - haircut][None, None],
        constant=np.full((1, 1), 0.3),
        landed=np.ones((1, 1, count), dtype=bool),
        mass=1.0,
        penalty=np.inf,
    )
    positions = question.positions
    closed = Positions(
        positions.names, positions.venue, positions.held, np.zeros(1), np.zeros(1),
        np.zeros(1), positions.error_factor, positions.cost_rate, positions.impact,
        positions.orphan_rate, positions.derivative,
    )  # fmt: skip
    return Question(
        ("v0", "v1"), closed, question.functions, nodes, edges, (tail,), question.boxes, (),
        question.step_years, np.inf, 0.0, 1e6,
    )  # fmt: skip


def a_step_away(landed: bool) -> Question:
    """`one_coin` over two steps with 0.5 at its venue and 0.5 at another, from which money lands a
    step after the one in which it is sent; `landed`: within that step, at the tail's point."""
    question = one_coin(move=0.1, amount=0.5)
    (tail,) = question.tails
    return replace(
        question,
        venues=("v0", "v1"),
        nodes=Nodes(
            names=("cash at v0", "cash at v1"),
            venue=np.array([0, 1]),
            amount=np.array([0.5, 0.5]),
            yield_annual=np.zeros(2),
            pays_costs=np.array([True, True]),
            withdrawable=np.array([0.0, 0.5]),
        ),
        edges=Edges(
            names=("v1 to v0",),
            source=np.array([1]),
            destination=np.array([0]),
            cost_rate=np.zeros(1),
            cap=np.full(1, np.inf),
            lag=np.array([1]),
        ),
        tails=(replace(tail, landed=np.full((1, 1, 1), landed)),),
        gross=(replace(question.gross[0], claim=np.zeros(2)),),
        step_years=np.array([0.1, 0.1]),
    )
