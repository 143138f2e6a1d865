# SPDX-License-Identifier: Apache-2.0
"""The benchmark programme of the allocation: six venues, perps and options, priced scenarios.

Scenarios are of four coins with common and own jumps, at two points: half way, before any transfer
lands, and at the end. Options are revalued by Black-76 at each. Numbers are made up within what the
market shows; sizes, costs and impact are in units of equity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import (
    Boxes,
    Edges,
    Functions,
    Gross,
    Nodes,
    Positions,
    Question,
    Tail,
)
from tidegate.pricing.scenarios import OptionBook, revalue_paths

FloatArray = NDArray[np.float64]
VENUES, COINS, POINTS, FACTORS = 6, 4, 2, 5
HORIZON_YEARS = 1.0 / 365.0
# Bracket floors in shares of equity and maintenance rates, as a tier table has them.
FLOORS = np.array([0.0, 0.05, 0.25, 1.0])
RATES = np.array([0.004, 0.005, 0.01, 0.025])
SHORT_OPTION_RATE = 0.10


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a programme is."""

    per_venue: int = 10
    scenarios: int = 1000
    steps: int = 1
    seed: int = 7

    @property
    def positions(self) -> int:
        return VENUES * self.per_venue


def question_of(shape: Shape) -> Question:
    """A programme of this shape."""
    random = np.random.default_rng(shape.seed)
    count = shape.positions
    venue = np.repeat(np.arange(VENUES), shape.per_venue)
    number = np.tile(np.arange(shape.per_venue), VENUES)
    perp, coin = number < max(COINS, shape.per_venue // 4), number % COINS
    ratio, shift = _market(random, shape.scenarios)
    gain, gamma, vega = _gains(random, (perp, coin), ratio, shift)
    held = np.where(perp, random.normal(0.0, 0.15, count), random.normal(0.0, 0.02, count))
    loading = 0.04 * random.standard_normal((count, FACTORS)) / np.sqrt(FACTORS)
    most = np.where(perp, 1.0, 0.2)
    carry = np.where(perp, random.normal(0.0, 0.15, count), random.normal(0.0, 0.10, count))
    positions = Positions(
        tuple(
            f"v{v} {'perp' if p else 'option'} {i}"
            for v, p, i in zip(venue, perp, number, strict=True)
        ),
        venue,
        held,
        -most,
        most,
        carry,
        loading * (1.0 + np.abs(carry[:, np.newaxis])),
        np.where(perp, 0.00055, 0.0008),
        np.where(perp, 0.002, 0.006),
        np.full(count, 0.001),
        np.ones(count, dtype=bool),
    )
    nodes, edges = _money(random)
    tails = (*_venue_tails(positions, perp, (gain, ratio[:, :, coin]), edges), _drawdown(gain))
    return Question(
        tuple(f"venue {v}" for v in range(VENUES)),
        positions,
        _functions(perp),
        nodes,
        edges,
        tails,
        _boxes((perp, coin), gamma, vega),
        _gross(positions, nodes),
        np.full(shape.steps, 21.0 / 365.0 / shape.steps),
        6.0,
        1.0,
        1e7,
    )


def _market(random: np.random.Generator, scenarios: int) -> tuple[FloatArray, FloatArray]:
    """Price ratio (W, P, coins) and vol shift (W, P)."""
    common = random.standard_t(3.0, (scenarios, POINTS, 1))
    own = random.standard_t(4.0, (scenarios, POINTS, COINS))
    steps = 0.022 * (0.8 * common + 0.6 * own) / np.sqrt(2.0)
    ratio = np.exp(np.clip(np.cumsum(steps, axis=1), -0.5, 0.5))
    shift = np.clip(0.06 * np.abs(common[:, :, 0]) - 0.05, -0.1, 0.5)
    return ratio, shift


def _gains(
    random: np.random.Generator,
    kinds: tuple[NDArray[np.bool_], NDArray[np.int64]],
    ratio: FloatArray,
    shift: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gain per unit of underlying (W, P, n), and gamma and vega (n) by differences."""
    perp, coin = kinds
    gain = ratio[:, :, coin] - 1.0
    gamma, vega = np.zeros(perp.size), np.zeros(perp.size)
    for i in np.flatnonzero(~perp):
        strike, years = float(np.exp(random.normal(0.0, 0.12))), float(random.uniform(0.02, 0.3))
        book = OptionBook(1.0, strike, years, random.uniform(0.4, 0.8), bool(strike > 1.0), 1.0)
        paths = ratio[:, :, coin[i]].ravel(), shift.ravel()
        gain[:, :, i] = revalue_paths(book, *paths, HORIZON_YEARS).pnl_usd.reshape(shift.shape)
        near = revalue_paths(book, np.array([0.99, 1.01, 1.0]), np.array([0.0, 0.0, 0.01])).pnl_usd
        gamma[i], vega[i] = (near[0] + near[1]) / 1e-4, near[2]
    return gain, gamma, vega


def _functions(perp: NDArray[np.bool_]) -> Functions:
    """Tiered margin of each perp, margin of each short option."""
    offsets = np.concatenate([[0.0], np.cumsum(FLOORS[1:] * np.diff(RATES))])
    slope, offset = np.zeros((perp.size, 8)), np.zeros((perp.size, 8))
    slope[perp, :4], slope[perp, 4:] = RATES, -RATES
    offset[perp, :4] = offset[perp, 4:] = offsets
    slope[~perp, 1:] = -SHORT_OPTION_RATE
    return Functions(np.eye(perp.size), slope, offset)


def _money(random: np.random.Generator) -> tuple[Nodes, Edges]:
    """Two assets a venue, the first paying costs; transfers of it between all venues."""
    venue = np.repeat(np.arange(VENUES), 2)
    amount = random.uniform(0.5, 1.5, venue.size) * np.tile([0.7, 0.3], VENUES)
    amount /= amount.sum()
    nodes = Nodes(
        tuple(f"v{v} {asset}" for v in range(VENUES) for asset in ("USDC", "USDT")),
        venue,
        amount,
        np.tile([0.02, 0.0], VENUES),
        np.tile([True, False], VENUES),
        0.8 * amount,
    )
    pairs = [(a, b) for a in range(VENUES) for b in range(VENUES) if a != b]
    source, destination = (2 * np.array(end) for end in zip(*pairs, strict=True))
    slow = (source + destination) // 2 % 3 == 0
    edges = Edges(
        tuple(f"v{a} to v{b}" for a, b in pairs),
        source,
        destination,
        random.uniform(0.00005, 0.0004, len(pairs)),
        np.full(len(pairs), 0.5),
        slow.astype(np.int64),
    )
    return nodes, edges


def _venue_tails(
    positions: Positions,
    perp: NDArray[np.bool_],
    market: tuple[FloatArray, FloatArray],
    edges: Edges,
) -> tuple[Tail, ...]:
    """Each venue is solvent in the mean of the worst hundredth of scenarios at any point."""
    gain, ratio = market
    shape = gain.shape[:2]
    # Nothing has landed half way; at the end what was sent by the quick ways has.
    landed = np.zeros((*shape, edges.lag.size), dtype=bool)
    landed[:, 1] = edges.lag == 0
    return tuple(
        Tail(
            f"solvency of venue {v}",
            v,
            mine,
            mine,
            np.array([2 * v, 2 * v + 1]),
            gain[:, :, mine],
            ratio[:, :, mine],
            np.broadcast_to([1.0, 0.95], (*shape, 2)).copy(),
            np.zeros(shape),
            landed,
            shape[0] / 100.0,
            20.0,
        )
        for v in range(VENUES)
        for mine in (np.flatnonzero(positions.venue == v),)
    )


def _drawdown(gain: FloatArray) -> Tail:
    """The book loses at most 1.5 % in the mean of the worst twentieth of scenarios."""
    shape, none = gain.shape[:2], np.zeros(0, np.int64)
    return Tail(
        "drawdown",
        -1,
        np.arange(gain.shape[2]),
        none,
        none,
        gain,
        np.zeros((*shape, 0)),
        np.zeros((*shape, 0)),
        np.zeros(shape),
        np.zeros((*shape, VENUES * (VENUES - 1)), dtype=bool),
        shape[0] / 20.0,
        20.0,
        0.015,
    )


def _boxes(
    kinds: tuple[NDArray[np.bool_], NDArray[np.int64]], gamma: FloatArray, vega: FloatArray
) -> Boxes:
    """Net of each coin's perpetuals, gamma and vega of the book."""
    perp, coin = kinds
    rows = [np.where((coin == c) & perp, 1.0, 0.0) for c in range(COINS)]
    names = (*(f"delta of coin {c}" for c in range(COINS)), "gamma", "vega")
    most = np.array([0.1] * COINS + [1.0, 0.01])
    return Boxes(names, np.array([*rows, gamma, vega]), -most, most, np.full(most.size, 10.0))


def _gross(positions: Positions, nodes: Nodes) -> tuple[Gross, ...]:
    """Gross leverage of the book, and what the default of each venue costs."""
    every = np.ones(positions.held.size)
    defaults = (
        Gross(
            f"default of venue {v}",
            np.where(positions.venue == v, positions.orphan_rate, 0.0),
            (nodes.venue == v).astype(float),
            0.35,
            penalty=10.0,
        )
        for v in range(VENUES)
    )
    return (
        Gross("gross leverage", every, np.zeros(nodes.amount.size), 12.0, penalty=10.0),
        *defaults,
    )


def other_returns(question: Question, seed: int, share: float) -> FloatArray:
    """Carry as a later forecast has it: a share of its spread away from the first."""
    carry = question.positions.carry_annual
    random = np.random.default_rng(seed)
    return cast(FloatArray, carry + share * carry.std() * random.standard_normal(carry.size))


def other_book(question: Question, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Held, amounts and withdrawable after trades and gains: a tenth away."""
    random = np.random.default_rng(seed)
    held, amount = question.positions.held, question.nodes.amount
    held = held + 0.1 * held.std() * random.standard_normal(held.size)
    amount = amount * np.exp(0.1 * random.standard_normal(amount.size))
    return held, amount, 0.8 * amount
