# SPDX-License-Identifier: Apache-2.0
"""Jumps that excite themselves: a Hawkes process drawn as clusters, generation by generation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.simulation.second_world.grid import FloatArray, Grid, IntArray
from tidegate.simulation.second_world.parameters import Jumps

WARM_DAYS = 4.0  # of clusters that began before the first day
MARKET = -1


@dataclass(frozen=True, slots=True)
class JumpList:
    """Jumps in time order: the minute, the coin's index (or `MARKET`), and the signed size,
    as a multiple of the scale."""

    minute: IntArray
    coin: IntArray
    size: FloatArray


def _children(
    rng: np.random.Generator, p: Jumps, parents: tuple[FloatArray, IntArray, FloatArray]
) -> tuple[FloatArray, IntArray, FloatArray]:
    counts = rng.poisson(p.children, len(parents[0]))
    hours, signs = np.repeat(parents[0], counts), np.repeat(parents[2], counts)
    coins = np.repeat(parents[1], counts)
    slow = rng.random(len(hours)) < 0.5
    delay = np.where(slow, p.delay_slow_h, p.delay_fast_h) * rng.exponential(size=len(hours))
    kept = np.where(rng.random(len(hours)) < p.same_sign, 1.0, -1.0)
    return hours + delay, coins, signs * kept


def draw_jumps(grid: Grid, p: Jumps, coins: int) -> JumpList:
    """All jumps of the window: immigrants, their children, and so on until a cluster ends."""
    rng = grid.stream("jumps")
    days = grid.days + WARM_DAYS
    counts = rng.poisson([p.market_per_day * days, *[p.coin_per_day * days] * coins])
    who = np.repeat(np.arange(MARKET, coins), counts)
    hours = (rng.random(len(who)) * days - WARM_DAYS) * 24.0
    signs = np.where(rng.random(len(who)) < p.down_share, -1.0, 1.0)
    generations = [(hours, who, signs)]
    while len(generations[-1][0]):
        generations.append(_children(rng, p, generations[-1]))
    hours, who, signs = (np.concatenate(part) for part in zip(*generations, strict=True))
    size = (rng.random(len(hours)) ** -p.tail_index - 1.0) / p.tail_index
    size = np.minimum(size, p.size_max)
    inside = (hours >= 0.0) & (hours < grid.hours)
    order = np.argsort(hours[inside], kind="stable")
    minute = (hours[inside][order] * 60.0).astype(np.int64)
    return JumpList(minute, who[inside][order], (signs * size)[inside][order])
