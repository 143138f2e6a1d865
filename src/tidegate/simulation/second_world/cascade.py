# SPDX-License-Identifier: Apache-2.0
"""Forced sales and vanishing depth, each of which makes the other worse.

Holders are no individuals: the share of them that is liquidated is a smooth function of the
furthest that price has gone from where they came in. Each generation of forced sales moves price,
which makes the next; a few generations are computed, one after the other, over the whole window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.simulation.second_world.crises import Crisis, crisis_shape, depth_ceiling
from tidegate.simulation.second_world.grid import (
    MINUTES,
    STEPS_DAY,
    STEPS_HOUR,
    FloatArray,
    Grid,
    decayed_max,
    decayed_mean,
    decayed_sum,
    keep,
)
from tidegate.simulation.second_world.parameters import (
    Cascade,
    Liquidity,
    SecondParameters,
)


@dataclass(frozen=True, slots=True, eq=False)
class CoinPaths:
    """Of each coin, all venues together: log price relative to the start at the end of each
    minute (coins, minutes); by step (coins, steps) the longs and shorts liquidated as a share of
    open interest, depth over calm, the providers' loss, and the passing part of impact."""

    log_price: FloatArray
    longs_share: FloatArray
    shorts_share: FloatArray
    depth: FloatArray
    loss: FloatArray
    passing: FloatArray


def _liquidated(distance: FloatArray, p: Cascade) -> FloatArray:
    """Share of open interest liquidated in each step, given the distance from entries.

    F(m_t) - F(k m_(t-1)), where m is the furthest distance, fading as new holders come in, and
    F the Weibull distribution of liquidation distances.
    """
    half_life = p.entry_half_life_h * STEPS_HOUR
    reach = decayed_max(np.maximum(distance, 0.0), half_life)
    before = np.zeros_like(reach)
    before[:, 1:] = keep(half_life) * reach[:, :-1]

    def left(reached: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-((reached / p.distance_scale) ** p.distance_shape)))

    return p.leveraged_share * np.maximum(left(before) - left(reach), 0.0)


def _provider_loss(end: FloatArray, vols: FloatArray, p: Liquidity) -> FloatArray:
    """Recent squared returns over their mean: what providers lost to those who knew better."""
    returns = np.diff(end, axis=1, prepend=0.0)
    squares = returns**2 / (vols[:, None] ** 2 / (365 * STEPS_DAY))
    fast = decayed_mean(squares, p.fast_half_life_h * STEPS_HOUR, p.calm_loss)
    slow = decayed_mean(squares, p.slow_half_life_h * STEPS_HOUR, p.calm_loss)
    return (1.0 - p.slow_share) * fast + p.slow_share * slow


def _depth(loss: FloatArray, ceiling: FloatArray, p: Liquidity) -> FloatArray:
    depth = ((1.0 + loss) / (1.0 + p.calm_loss)) ** -p.depth_power
    return np.maximum(np.minimum(depth, ceiling), p.depth_floor)


def _impact(net_share: FloatArray, depth: FloatArray, vols: FloatArray, p: Cascade) -> FloatArray:
    """Return that forced trades of a step cause in the next one, by the square-root law."""
    days = np.abs(net_share) * p.open_interest_days
    daily = vols[:, None] / np.sqrt(365.0)
    size = p.impact * daily * np.sqrt(days / depth)
    impact = np.sign(net_share) * np.minimum(size, p.impact_max)
    return np.concatenate((np.zeros((len(vols), 1)), impact[:, :-1]), axis=1)


def _by_minute(path: FloatArray) -> FloatArray:
    """A path known at the ends of steps, drawn straight through the minutes between."""
    before = np.concatenate((np.zeros((len(path), 1)), path[:, :-1]), axis=1)
    part = np.arange(1, MINUTES + 1) / MINUTES
    filled = before[:, :, None] + (path - before)[:, :, None] * part
    return np.asarray(filled.reshape(len(path), -1))


def _generation(
    grid: Grid, p: SecondParameters, log_price: FloatArray, ceiling: FloatArray
) -> CoinPaths:
    """What a path of prices does to holders and to depth."""
    vols = np.array([coin.vol_annual for coin in p.coins.values()])
    by_step = log_price.reshape(len(vols), grid.steps, MINUTES)
    end = by_step[:, :, -1]
    entry = np.zeros_like(end)
    entry[:, 1:] = decayed_mean(end, p.cascade.entry_half_life_h * STEPS_HOUR)[:, :-1]
    longs = _liquidated(entry - by_step.min(axis=2), p.cascade)
    shorts = _liquidated(by_step.max(axis=2) - entry, p.cascade)
    loss = _provider_loss(end, vols, p.liquidity)
    depth = _depth(loss, ceiling, p.liquidity)
    impact = _impact(shorts - longs, depth, vols, p.cascade)
    passing = decayed_sum(impact, p.cascade.passing_half_life_min / MINUTES)
    return CoinPaths(log_price, longs, shorts, depth, loss, p.cascade.passing_share * passing)


def _impact_path(paths: CoinPaths, p: Cascade) -> FloatArray:
    """Log price that forced trades add: a lasting part, and one that passes."""
    k = keep(p.passing_half_life_min / MINUTES)
    before = np.concatenate((np.zeros((len(paths.passing), 1)), paths.passing[:, :-1]), axis=1)
    lasting = np.cumsum(paths.passing - k * before, axis=1)
    return _by_minute(paths.passing + lasting * ((1.0 - p.passing_share) / p.passing_share))


def _shortfall(log_price: FloatArray, crisis: Crisis) -> FloatArray:
    """What each coin still has to move to have moved by its target, forced sales included."""
    moved = log_price[:, crisis.end - 1] - log_price[:, crisis.start - 1]
    return np.asarray(crisis.target - moved)


def cascade(
    grid: Grid, p: SecondParameters, returns: FloatArray, crisis: Crisis | None
) -> CoinPaths:
    """Prices with the crisis and several generations of forced sales.

    `returns` are log returns without them (coins, minutes). A crisis is scaled so that its move
    and what it sets off come to its target together.
    """
    ceiling = depth_ceiling(grid, p.crises, crisis)
    free = np.cumsum(returns, axis=1)
    shape = None if crisis is None else crisis_shape(grid, p.crises, crisis)
    move = np.zeros((len(free), 1))

    def priced(forced: FloatArray | float) -> FloatArray:
        nonlocal move
        if crisis is None or shape is None:
            return free + forced
        move = move + _shortfall(free + forced + move * shape, crisis)[:, None]
        return free + forced + move * shape

    paths = _generation(grid, p, priced(0.0), ceiling)
    for _ in range(p.cascade.generations):
        forced = _impact_path(paths, p.cascade)
        paths = _generation(grid, p, priced(forced), ceiling)
    return paths
