# SPDX-License-Identifier: Apache-2.0
"""Random joint questions, small by default: perpetuals and options at venues that lend margin.

Every question is feasible: the money limits allow a book that does nothing, boxes hold the present
book or nought, and limits that it may break have a finite price.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegate.allocation.joint.question import (
    BoolArray,
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

Generator = np.random.Generator
PRICE = 4.0


@dataclass(frozen=True)
class Shape:
    """How large a question is; each venue has a perpetual of each coin, then options."""

    venues: int = 3
    coins: int = 2
    options: int = 3
    assets: int = 2
    scenarios: int = 8
    points: int = 2
    steps: int = 2


def small_shape(rng: Generator) -> Shape:
    """A shape that a slow solver answers in a tenth of a second."""
    return Shape(
        venues=int(rng.integers(2, 4)),
        coins=int(rng.integers(1, 3)),
        options=int(rng.integers(0, 4)),
        assets=int(rng.integers(1, 3)),
        scenarios=int(rng.integers(4, 8)),
        points=int(rng.integers(1, 3)),
        steps=int(rng.integers(1, 3)),
    )


def random_question(seed: int, shape: Shape | None = None, *, hard: bool = False) -> Question:
    """A valid question; `hard` gives no limit a price, and the present book is then flat."""
    rng = np.random.default_rng(seed)
    shape = small_shape(rng) if shape is None else shape
    moves = rng.normal(0.0, 0.1, (shape.scenarios, shape.points, shape.coins))
    moves[0], moves[1] = 0.15, -0.15
    vols = rng.normal(0.0, 0.1, (shape.scenarios, shape.points))
    positions, coin, option = _positions(rng, shape, flat=hard)
    profit = _profits(rng, (moves, vols), coin, option)
    nodes = _nodes(rng, shape, positions)
    edges = _edges(rng, shape, nodes)
    functions = _functions(rng, positions, option)
    tails = _tails(rng, (positions, functions, nodes, edges), profit, hard)
    present = positions.held
    equity = float(nodes.amount.sum())
    gross = [
        Gross("gross leverage", positions.derivative.astype(float), np.zeros(nodes.amount.size),
              max(float(rng.uniform(1.0, 6.0)), float(np.abs(present).sum()))),
    ]  # fmt: skip
    for venue in range(shape.venues):
        here, orphan = nodes.venue == venue, (positions.venue == venue) * positions.orphan_rate
        share = float(nodes.amount[here].sum()) + float(orphan @ np.abs(present))
        cap = max(float(rng.uniform(0.4, 1.5)), share)
        gross.append(Gross(f"default of v{venue}", orphan, here.astype(float), cap))
    return Question(
        venues=tuple(f"v{v}" for v in range(shape.venues)),
        positions=positions,
        functions=functions,
        nodes=nodes,
        edges=edges,
        tails=tails,
        boxes=_boxes(rng, positions, coin, hard),
        gross=tuple(gross),
        step_years=np.r_[rng.uniform(0.002, 0.01, shape.steps - 1), rng.uniform(0.02, 0.1)],
        turnover=float(rng.choice([0.1, 2.0, 10.0])),
        shrinkage=float(rng.uniform(0.0, 1.0)),
        equity_usd=equity * 1e6,
        reduce_only=bool(not hard and rng.random() < 0.15),
    )


def _positions(rng: Generator, shape: Shape, flat: bool) -> tuple[Positions, IntArray, BoolArray]:
    """Positions with the coin of each (n) and whether it is an option (n)."""
    coin = np.r_[
        np.tile(np.arange(shape.coins), shape.venues), rng.integers(0, shape.coins, shape.options)
    ]
    perpetuals = shape.venues * shape.coins
    venue = np.r_[
        np.repeat(np.arange(shape.venues), shape.coins),
        rng.integers(0, shape.venues, shape.options),
    ]
    size = coin.size
    option = np.arange(size) >= perpetuals
    held = np.where(rng.random(size) < 0.5, rng.uniform(-1.2, 1.2, size), 0.0)
    open_ = rng.uniform(0.3, 3.0, size)
    return (
        Positions(
            names=tuple(f"v{v} {'option' if o else 'perpetual'} {i}"
                        for i, (v, o) in enumerate(zip(venue, option, strict=True))),
            venue=venue,
            held=np.zeros(size) if flat else held,
            lower=-open_ * rng.choice([0.0, 1.0], size, p=[0.1, 0.9]),
            upper=open_,
            carry_annual=rng.normal(0.0, 0.3, size),
            error_factor=rng.normal(0.0, 0.04, (size, 2)),
            cost_rate=rng.uniform(2e-4, 1e-3, size),
            impact=np.where(rng.random(size) < 0.7, rng.uniform(1e-4, 4e-3, size), 0.0),
            orphan_rate=rng.uniform(0.1, 0.2, size),
            derivative=np.ones(size, dtype=bool),
        ),
        coin,
        option,
    )  # fmt: skip


def _profits(
    rng: Generator, market: tuple[FloatArray, FloatArray], coin: IntArray, option: BoolArray
) -> FloatArray:
    """Gain per unit of notional (W, P, n): a perpetual's move; for an option, delta, gamma, vega
    and a payoff's kink, so that it is no line in the move."""
    moves, vols = market
    move = moves[:, :, coin]
    strike, delta = rng.uniform(-0.1, 0.1, coin.size), rng.uniform(-0.5, 0.5, coin.size)
    gamma, vega = rng.uniform(0.5, 2.0, coin.size), rng.uniform(0.05, 0.2, coin.size)
    kink = np.maximum(move - strike, 0.0) - np.maximum(-strike, 0.0)
    curved = delta * move + 0.5 * gamma * move**2 + vega * vols[:, :, None] + 0.3 * kink
    return np.where(option, curved, move)


def _nodes(rng: Generator, shape: Shape, positions: Positions) -> Nodes:
    venue = np.repeat(np.arange(shape.venues), shape.assets)
    amount = rng.dirichlet(np.full(venue.size, 3.0))
    return Nodes(
        names=tuple(f"asset {i % shape.assets} at v{v}" for i, v in enumerate(venue)),
        venue=venue,
        amount=amount,
        yield_annual=rng.uniform(-0.05, 0.05, venue.size),
        pays_costs=np.arange(venue.size) % shape.assets == 0,
        withdrawable=amount * rng.uniform(0.0, 1.0, venue.size),
    )


def _edges(rng: Generator, shape: Shape, nodes: Nodes) -> Edges:
    """Transfers of each asset between neighbours in a ring, conversions within each venue."""
    pairs = []
    for node, venue in enumerate(nodes.venue):
        asset = node % shape.assets
        pairs.append((node, ((venue + 1) % shape.venues) * shape.assets + asset))
        pairs.append((node, ((venue - 1) % shape.venues) * shape.assets + asset))
        if shape.assets > 1:
            pairs.append((node, venue * shape.assets + (asset + 1) % shape.assets))
    source, destination = np.unique(np.array(pairs), axis=0).T
    away = nodes.venue[source] != nodes.venue[destination]
    closed = away & (rng.random(source.size) < 0.2)
    return Edges(
        names=tuple(f"{nodes.names[a]} to {nodes.names[b]}"
                    for a, b in zip(source, destination, strict=True)),
        source=source,
        destination=destination,
        cost_rate=rng.uniform(1e-5, 1e-3, source.size),
        cap=np.where(closed, 0.0, rng.uniform(0.05, 1.0, source.size)),
        lag=np.where(away, rng.integers(0, 3, source.size), 0),
    )  # fmt: skip


def _functions(rng: Generator, positions: Positions, option: BoolArray) -> Functions:
    """For each perpetual a maintenance of two tiers on either side; for an option one side."""
    size = option.size
    low, high = np.sort(rng.uniform(0.005, 0.05, (2, size)), axis=0)
    kink = rng.uniform(0.1, 2.0, size) * (high - low)
    long_ = np.where(option, 0.0, 1.0)
    nought = np.zeros(size)
    slope = np.stack([long_ * low, long_ * high, -low, -high, nought], axis=1)
    offset = np.stack([nought, long_ * kink, nought, kink, nought], axis=1)
    return Functions(np.eye(size), slope, offset)


def _tails(
    rng: Generator,
    parts: tuple[Positions, Functions, Nodes, Edges],
    profit: FloatArray,
    hard: bool,
) -> tuple[Tail, ...]:
    positions, _functions, nodes, edges = parts
    scenarios, points, _ = profit.shape
    landed = np.zeros((scenarios, points, len(edges.names)), dtype=bool)
    landed[:, -1] = rng.random((scenarios, len(edges.names))) < 0.7
    landed[:, :, nodes.venue[edges.source] == nodes.venue[edges.destination]] = True
    found = []
    for venue in range(int(positions.venue.max()) + 1):
        here, own = np.flatnonzero(positions.venue == venue), np.flatnonzero(nodes.venue == venue)
        shape = (scenarios, points, own.size)
        worth = np.minimum(1.0, rng.uniform(0.85, 1.05, own.size)) * np.ones(shape)
        worth[:, :, 1:] *= 1.0 - rng.uniform(0.0, 0.1, (scenarios, points, own.size - 1))
        common: dict[str, Any] = {
            "venue": venue, "columns": here, "functions": here, "nodes": own,
            "penalty": np.inf if hard else PRICE,
        }  # fmt: skip
        arrays: dict[str, Any] = {
            "slopes": profit[:, :, here],
            "weights": np.ones((scenarios, points, here.size)),
            "worth": worth,
            "constant": np.zeros((scenarios, points)),
            "landed": landed,
        }
        mass = float(rng.uniform(1.0, scenarios / 2))
        found.append(Tail(f"solvency at v{venue}", mass=mass, **common, **arrays))
        allowed = float(rng.choice([0.0, 0.3]))
        stress = {name: value[:2] for name, value in arrays.items()}
        found.append(Tail(f"stress at v{venue}", limit=allowed, mass=1.0, **common, **stress))
    every = np.arange(positions.held.size)
    found.append(
        Tail(
            "drawdown", -1, every, np.zeros(0, int), np.zeros(0, int), profit,
            np.zeros((scenarios, points, 0)), np.zeros((scenarios, points, 0)),
            np.zeros((scenarios, points)), np.zeros_like(landed),
            mass=max(1.0, scenarios / 4), penalty=np.inf if hard else PRICE,
            limit=float(rng.uniform(0.05, 0.2)),
        )
    )  # fmt: skip
    return tuple(found)


def _boxes(rng: Generator, positions: Positions, coin: IntArray, hard: bool) -> Boxes:
    """Delta of each coin, of the book about a skew, and a vega: some soft."""
    coins = int(coin.max()) + 1
    rows = [np.where(coin == c, 1.0, 0.0) for c in range(coins)]
    rows += [np.ones(coin.size), rng.uniform(-1.0, 1.0, coin.size)]
    present = np.array(rows) @ positions.held
    width = rng.uniform(0.05, 0.4, len(rows))
    middle = np.where(hard, 0.0, rng.uniform(-0.1, 0.1, len(rows)))
    soft = np.array([not hard and rng.random() < 0.5 for _ in rows])
    return Boxes(
        names=(*(f"delta of coin {c}" for c in range(coins)), "delta of the book", "vega"),
        rows=np.array(rows),
        lower=np.where(soft, middle - width, np.minimum(middle - width, present)),
        upper=np.where(soft, middle + width, np.maximum(middle + width, present)),
        penalty=np.where(soft, 0.5, np.inf),
    )


def scaled(question: Question, factor: float) -> Question:
    """The same book in other units of money: every amount times `factor`, rates as they are.

    Impact is a power of 3/2 of the trade, so its rate is divided by the root.
    """
    p, f, n, e, b = (
        question.positions, question.functions, question.nodes, question.edges, question.boxes
    )  # fmt: skip
    return replace(
        question,
        positions=replace(
            p, held=p.held * factor, lower=p.lower * factor, upper=p.upper * factor,
            impact=p.impact / np.sqrt(factor),
        ),
        functions=replace(f, offset=f.offset * factor),
        nodes=replace(n, amount=n.amount * factor, withdrawable=n.withdrawable * factor),
        edges=replace(e, cap=e.cap * factor),
        tails=tuple(
            replace(t, constant=t.constant * factor, limit=t.limit * factor)
            for t in question.tails
        ),
        boxes=replace(b, lower=b.lower * factor, upper=b.upper * factor),
        gross=tuple(
            replace(g, cap=g.cap * factor, constant=g.constant * factor) for g in question.gross
        ),
        turnover=question.turnover * factor,
    )  # fmt: skip
