# SPDX-License-Identifier: Apache-2.0
"""Ticks inside one step of a generated world: a way from its first price to its last that touches
its extremes and leaves them never, and the trades on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.simulation.world.arrays import FloatArray

QUIET_SHARE = 0.4


def way(noise: FloatArray, first: float, high: float, low: float, last: float) -> FloatArray:
    """Prices at the ends of ticks, (ticks): a bridge of the noise between the first and last price,
    as wide as the step's range; the last one is the step's last price."""
    ticks = noise.size
    share = np.arange(1, ticks + 1) / ticks
    walk = np.cumsum(noise)
    bridge = walk - share * walk[-1]
    span = float(np.ptp(bridge))
    scale = (high - low) / span if span > 0.0 else 0.0
    prices = np.clip(first + (last - first) * share + scale * bridge, low, high)
    if ticks > 2:
        inner = prices[:-1]
        top, bottom = int(inner.argmax()), int(inner.argmin())
        if top != bottom:
            inner[top], inner[bottom] = high, low
    prices[-1] = last
    return np.asarray(prices)


def trades(rng: np.random.Generator, ticks: int, lots: float) -> NDArray[np.int64]:
    """Signed lots that the market trades in each tick, (ticks), a taker's buy +; a share of ticks
    is quiet, and their sizes are exponential and sum to at most `lots`."""
    weights = rng.exponential(size=ticks) * (rng.random(ticks) >= QUIET_SHARE)
    sides = rng.integers(0, 2, ticks) * 2 - 1
    total = weights.sum()
    if total <= 0.0 or lots <= 0.0:
        return np.zeros(ticks, dtype=np.int64)
    return np.asarray(np.floor(lots * weights / total).astype(np.int64) * sides)
