# SPDX-License-Identifier: Apache-2.0
"""What each venue prints: last prices, marks, spread, depth and volume.

Venues stay together by arbitrage. Its capital is tied up by what providers lost lately, and while
it is, deviations are wider; a venue where more is liquidated overshoots the others besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tidegate.simulation.second_world.cascade import CoinPaths
from tidegate.simulation.second_world.grid import (
    MINUTE_MS,
    MINUTES,
    STEPS_DAY,
    STEPS_HOUR,
    FloatArray,
    Grid,
    decayed_mean,
    mean_reverting,
)
from tidegate.simulation.second_world.parameters import SecondParameters

Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class IndexBars:
    """The index of each coin, in logs: open, high, low, close by step (coins, steps) and the
    highs and lows of minutes (coins, steps, minutes)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    minute_high: FloatArray
    minute_low: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class VenueBars:
    """Prices in USD of each venue and coin by step (venues, coins, steps)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    mark_high: FloatArray
    mark_low: FloatArray
    mark_close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Liquidity:
    """What can be traded at each venue and coin by step (venues, coins, steps)."""

    half_spread: FloatArray
    depth: FloatArray
    volume_usd: FloatArray
    liquidated_usd: FloatArray


def _bridge(
    rng: np.random.Generator, begin: FloatArray, end: FloatArray, deviation: FloatArray
) -> FloatArray:
    """Highest point of a Brownian bridge between two log prices (Karatzas and Shreve 1991)."""
    drawn = rng.exponential(size=end.shape) * (2.0 * deviation**2)
    return np.asarray(0.5 * (begin + end + np.sqrt((end - begin) ** 2 + drawn)))


def index_bars(
    grid: Grid, p: SecondParameters, paths: CoinPaths, deviation: FloatArray
) -> IndexBars:
    """Bars of the index; inside a minute price is a bridge of that minute's `deviation`
    (coins, steps)."""
    start = np.log([coin.price_usd for coin in p.coins.values()])[:, None]
    log_price = paths.log_price + start
    begin = np.concatenate((start, log_price[:, :-1]), axis=1)
    rng, sigma = grid.stream("bridges"), np.repeat(deviation, MINUTES, axis=1)
    shape = (len(start), grid.steps, MINUTES)
    high = _bridge(rng, begin, log_price, sigma).reshape(shape)
    low = -_bridge(rng, -begin, -log_price, sigma).reshape(shape)
    close = log_price.reshape(shape)[:, :, -1]
    first = np.concatenate((start, close[:, :-1]), axis=1)
    return IndexBars(first, high.max(axis=2), low.min(axis=2), close, high, low)


def basis(grid: Grid, p: SecondParameters, paths: CoinPaths) -> FloatArray:
    """Log deviation of each venue from the index at the end of each step (venues, coins, steps).

    Widening 1 + loss / capital, of the mean loss of all coins: arbitrageurs have one purse.
    """
    q = p.liquidity
    shape = (len(p.venues), len(p.coins), grid.steps)
    calm = mean_reverting(grid.stream("basis"), shape, q.basis_half_life_min / MINUTES)
    tied = decayed_mean(paths.loss.mean(axis=0), q.capital_half_life_h * STEPS_HOUR, q.calm_loss)
    wider = 1.0 + np.maximum(tied - 2.0 * q.calm_loss, 0.0) / q.capital
    lean = np.array([venue.lean for venue in p.venues.values()])[:, None, None]
    return calm * q.basis_sd * np.minimum(wider, q.widening_max) + lean * paths.passing


def venue_bars(
    p: SecondParameters, index: IndexBars, premium: FloatArray, halted: FloatArray
) -> VenueBars:
    """Bars of last and mark prices.

    `premium` of perpetual over index, in logs, at the end of each step (venues, coins, steps);
    `halted` is 1 in steps in which a venue does not trade (venues, steps). Marks are the index
    and the smoothed premium, clamped; they go on when nothing trades.
    """
    before = np.concatenate((premium[..., :1], premium[..., :-1]), axis=-1)
    first, last = index.open + before, index.close + premium
    high, low = np.maximum(first, last), np.minimum(first, last)
    for minute in range(MINUTES):
        at = before + (premium - before) * ((minute + 0.5) / MINUTES)
        high = np.maximum(high, index.minute_high[:, :, minute] + at)
        low = np.minimum(low, index.minute_low[:, :, minute] + at)
    traded = _halt((np.exp(first), np.exp(high), np.exp(low), np.exp(last)), halted)
    return VenueBars(*traded, *_marks(p, index, premium))


def _marks(
    p: SecondParameters, index: IndexBars, premium: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """High, low and close of marks."""
    clamp = p.liquidity.mark_clamp
    smooth = decayed_mean(premium, p.liquidity.mark_half_life_min / MINUTES)
    smooth = np.clip(smooth, -clamp, clamp)
    before = np.concatenate((smooth[..., :1], smooth[..., :-1]), axis=-1)
    high = np.exp(index.high + np.maximum(before, smooth))
    low = np.exp(index.low + np.minimum(before, smooth))
    return high, low, np.exp(index.close + smooth)


def _halt(bars: Prices, halted: FloatArray) -> Prices:
    """Bars with the last close before it in every halted step."""
    first, high, low, last = bars
    for venue in np.flatnonzero(halted.any(axis=1)):
        off = halted[venue] > 0.0
        live = np.maximum.accumulate(np.where(off, -1, np.arange(len(off))))
        source = last[venue][:, np.maximum(live, 0)]
        flat = np.where(live < 0, first[venue][:, :1], source)
        for bar in (first, high, low, last):
            bar[venue] = np.where(off, flat, bar[venue])
    return first, high, low, last


def liquidity(grid: Grid, p: SecondParameters, paths: CoinPaths, halted: FloatArray) -> Liquidity:
    """Spread, depth, volume and liquidations.

    Volume goes with the square root of what prices did, liquidations are part of it, and both are
    0 where `halted` (venues, steps).
    """
    shape = (len(p.venues), len(p.coins), grid.steps)
    noise = mean_reverting(grid.stream("depth"), shape, 2.0 * STEPS_HOUR)
    depth = np.maximum(paths.depth * np.exp(0.12 * noise), p.liquidity.depth_floor)
    calm = np.array([venue.half_spread for venue in p.venues.values()])[:, None, None]
    wide = np.array([coin.spread for coin in p.coins.values()])[:, None]
    spread = calm * wide * np.maximum(depth, 1e-9) ** -p.liquidity.spread_power
    trading = (1.0 - halted)[:, None, :]
    daily = _daily_volume(p)
    interest = daily * p.cascade.open_interest_days
    forced = trading * interest * (paths.longs_share + paths.shorts_share)
    busy = np.sqrt((0.2 + paths.loss) / (0.2 + p.liquidity.calm_loss))
    volume = daily / STEPS_DAY * busy * grid.stream("volume").lognormal(-0.08, 0.4, shape)
    return Liquidity(spread, depth, trading * volume + forced, forced)


def _daily_volume(p: SecondParameters) -> FloatArray:
    """Calm volume in USD a day (venues, coins, 1)."""
    venue = np.array([venue.volume_usd_day for venue in p.venues.values()])
    coin = np.array([coin.size for coin in p.coins.values()])
    return np.asarray(np.outer(venue, coin)[:, :, None])


def halted_steps(
    grid: Grid, p: SecondParameters, outages: Iterable[tuple[str, int, int]]
) -> FloatArray:
    """1 in every step that an outage touches (venues, steps)."""
    halted = np.zeros((len(p.venues), grid.steps))
    names = list(p.venues)
    for venue, begin_ms, end_ms in outages:
        first = (begin_ms - grid.start_ms) // (MINUTES * MINUTE_MS)
        last = -(-(end_ms - grid.start_ms) // (MINUTES * MINUTE_MS))
        halted[names.index(venue), first:last] = 1.0
    return halted
