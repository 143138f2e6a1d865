# SPDX-License-Identifier: Apache-2.0
"""Scenarios of how far prices go before and after money can arrive.

Filtered historical simulation: joint path maxima of past windows, divided by the volatility that
held then and multiplied by today's forecast, so that gaps and latency are taken together from the
data's own tail (Barone-Adesi et al. 1999). Path points are interval highs and lows, not closes. A
jump add-on and the mandate's named stress stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Price ratios per scenario and coin: lowest and highest before money lands, and until the
    horizon."""

    low_before: FloatArray
    high_before: FloatArray
    low_after: FloatArray
    high_after: FloatArray

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return int(self.low_after.shape[0])


@dataclass(frozen=True, slots=True)
class PathTables:
    """Standardised log path maxima per window length: `down[k, t, c]` is how far coin c fell below
    its close at bar t within the next `lengths[k]` bars, in units of the daily volatility that held
    at t; `up` likewise. Both are >= 0."""

    lengths: tuple[int, ...]
    down: FloatArray
    up: FloatArray


@dataclass(frozen=True, slots=True)
class BarBlock:
    """Joint bars of several coins: high, low, close (bars, coins), and the daily volatility known
    at each bar (bars, coins)."""

    high: FloatArray
    low: FloatArray
    close: FloatArray
    vol_daily: FloatArray


def path_tables(block: BarBlock, lengths: tuple[int, ...]) -> PathTables:
    """Tables for all starts whose longest window is complete."""
    starts = block.close.shape[0] - max(lengths)
    down = np.zeros((len(lengths), starts, block.close.shape[1]))
    up = np.zeros_like(down)
    low, high = np.log(block.low), np.log(block.high)
    reference, vol = np.log(block.close[:starts]), block.vol_daily[:starts]
    lowest, highest = low[1 : starts + 1], high[1 : starts + 1]
    for bars in range(1, max(lengths) + 1):
        lowest = np.minimum(lowest, low[bars : bars + starts])
        highest = np.maximum(highest, high[bars : bars + starts])
        if bars in lengths:
            index = lengths.index(bars)
            down[index] = np.maximum(reference - lowest, 0.0) / vol
            up[index] = np.maximum(highest - reference, 0.0) / vol
    return PathTables(lengths, down, up)


def worst_first(tables: PathTables, count: int) -> NDArray[np.int64]:
    """Starts of the windows with the largest moves, by the sum over coins, worst first.

    Only these can be in the tail, so a programme need not carry the others.
    """
    longest = tables.lengths.index(max(tables.lengths))
    size = np.maximum(tables.down[longest], tables.up[longest]).sum(axis=1)
    return np.argsort(-size, kind="stable")[:count]


def filtered(
    tables: PathTables, starts: NDArray[np.int64], vol_daily: FloatArray, landing_bars: FloatArray
) -> Scenarios:
    """Scenarios from chosen windows at today's forecast volatility (coins).

    `landing_bars` (starts) is how many bars pass until money sent at the next decision has landed;
    the path before it is taken over the shortest tabled window that contains it.
    """
    lengths = np.asarray(tables.lengths)
    pick = np.searchsorted(lengths, np.clip(np.ceil(landing_bars), lengths[0], lengths[-1]))
    longest = lengths.size - 1
    return Scenarios(
        np.exp(-tables.down[pick, starts] * vol_daily),
        np.exp(tables.up[pick, starts] * vol_daily),
        np.exp(-tables.down[longest, starts] * vol_daily),
        np.exp(tables.up[longest, starts] * vol_daily),
    )


def with_jump(scenarios: Scenarios, multiple: float) -> Scenarios:
    """Adds one scenario: a jump of `multiple` times the largest move of each coin among the
    others, both ways, before any money can land."""
    low = np.exp(np.log(scenarios.low_after.min(axis=0)) * multiple)[None, :]
    high = np.exp(np.log(scenarios.high_after.max(axis=0)) * multiple)[None, :]
    return Scenarios(
        np.vstack([scenarios.low_before, low]),
        np.vstack([scenarios.high_before, high]),
        np.vstack([scenarios.low_after, low]),
        np.vstack([scenarios.high_after, high]),
    )
