# SPDX-License-Identifier: Apache-2.0
"""Small allocation problems for tests, random or made by hand, in units of equity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.question import Edges, Legs, Question, Stakes, Wallets
from tidegate.risk.scenarios import Scenarios

FloatArray = NDArray[np.float64]


def random_question(seed: int) -> Question:
    """Two or three venues, two or three coins, every pair a leg; sometimes a venue of coins."""
    rng = np.random.default_rng(seed)
    venues, coins = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    outright = bool(venues == 3 and rng.random() < 0.5)
    lends = np.array([not (outright and v == venues - 1) for v in range(venues)])
    legs = _legs(rng, lends, coins)
    equity = rng.dirichlet(np.full(venues, 4.0))
    wallets = Wallets(
        tuple(f"v{v}" for v in range(venues)),
        equity,
        equity * 0.9,
        equity * rng.uniform(0.1, 0.7, venues),
        equity * rng.uniform(0.0, 0.2, venues) * lends,
        rng.uniform(0.005, 0.02, venues),
        np.where(rng.random(venues) < 0.5, rng.uniform(0, 0.1, venues), 0.0),
        rng.uniform(0.1, 0.6, venues),
        lends,
    )
    pairs = [(a, b) for a in range(venues) for b in range(venues) if a != b]
    edges = Edges(
        np.array([a for a, _ in pairs]),
        np.array([b for _, b in pairs]),
        rng.uniform(1e-5, 1e-3, len(pairs)),
        rng.random(len(pairs)) < 0.8,
    )
    outer = rng.uniform(0.08, 0.2, coins)
    stakes = Stakes(
        float(rng.uniform(1.5, 5.0)),
        outer,
        outer * rng.uniform(0.5, 0.9),
        float(rng.integers(1, 4)),
        0.0,
        1e-3,
        60 / 365,
        bool(rng.random() < 0.7),
    )
    return Question(legs, wallets, edges, stakes, _scenarios(rng, coins), 1_000_000.0)


def _legs(rng: np.random.Generator, lends: NDArray[np.bool_], coins: int) -> Legs:
    venues = lends.size
    venue = np.repeat(np.arange(venues), coins)
    coin = np.tile(np.arange(coins), venues)
    size = venues * coins
    margined = lends[venue]
    held = np.zeros((venues, coins))
    pairs = rng.uniform(0.0, 0.6, coins) * rng.choice([0, 1], coins)
    held[0], held[venues - 1] = -pairs, pairs
    rate = np.sort(rng.uniform(0.005, 0.08, (size, 2)), axis=1)
    kink = rng.uniform(0.1, 0.6, size)
    deduction = np.stack([np.zeros(size), kink * (rate[:, 1] - rate[:, 0])], axis=1)
    slope = np.sort(rng.uniform(0.0, 4e-3, (size, 2)), axis=1)
    intercept = np.stack([np.zeros(size), 0.2 * (slope[:, 1] - slope[:, 0])], axis=1)
    return Legs(
        tuple(f"v{v}:c{c}" for v, c in zip(venue, coin, strict=True)),
        venue,
        coin,
        held.ravel(),
        rng.normal(0.0, 0.15, size),
        rng.uniform(3e-4, 1e-3, size),
        slope,
        intercept,
        rate * margined[:, None],
        deduction * margined[:, None],
        np.where(margined, 1 / 15, 0.0),
        margined,
        rng.uniform(0.3, 2.0, size),
    )


def _scenarios(rng: np.random.Generator, coins: int) -> Scenarios:
    count = int(rng.integers(4, 9))
    down, up = rng.uniform(0, 0.15, (2, count, coins))
    further = 1 + rng.uniform(0, 0.8, (2, count, coins))
    return Scenarios(np.exp(-down), np.exp(up), np.exp(-down * further[0]), np.exp(up * further[1]))


def calm_scenarios(coins: int, move: float = 0.01, count: int = 2) -> Scenarios:
    """Scenarios so mild that the stresses decide."""
    shape = (count, coins)
    low, high = np.full(shape, 1 - move), np.full(shape, 1 + move)
    return Scenarios(low, high, low, high)


def two_venues(**changes: object) -> Question:
    """One coin, short at a poor venue 0 and long at a rich venue 1, with a carry worth keeping.

    `changes` are fields of any of the parts, by name.
    """
    zeros, ones = np.zeros(2), np.ones(2)
    legs = Legs(
        ("v0:c", "v1:c"),
        np.array([0, 1]),
        np.array([0, 0]),
        np.array([-1.0, 1.0]),
        np.array([-0.1, 0.1]),
        np.full(2, 5e-4),
        np.zeros((2, 1)),
        np.zeros((2, 1)),
        np.full((2, 1), 0.05),
        np.zeros((2, 1)),
        np.full(2, 0.05),
        np.array([True, True]),
        ones,
    )
    equity = np.array([0.3, 0.7])
    wallets = Wallets(
        ("v0", "v1"),
        equity,
        equity,
        np.array([0.0, 0.5]),
        zeros,
        zeros,
        zeros,
        ones,
        np.array([True, True]),
    )
    edges = Edges(np.array([1]), np.array([0]), np.array([1e-4]), np.array([True]))
    stakes = Stakes(3.0, np.array([0.15]), np.array([0.1]), 1.0, 0.0, 1e-4, 60 / 365, False)
    question = Question(legs, wallets, edges, stakes, calm_scenarios(1), 1e6)
    for part in ("legs", "wallets", "edges", "stakes"):
        value = getattr(question, part)
        own = {k: v for k, v in changes.items() if k in value.__dataclass_fields__}
        question = replace(question, **{part: replace(value, **own)})
    if "scenarios" in changes:
        question = replace(question, scenarios=changes["scenarios"])
    return question
