# SPDX-License-Identifier: Apache-2.0
"""Demand for leverage as a premium over the index, and the funding that each venue makes of it."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.second_world.grid import (
    MINUTE_MS,
    STEPS_DAY,
    STEPS_HOUR,
    FloatArray,
    Grid,
    decayed_mean,
    mean_reverting,
)
from tidegate.simulation.second_world.parameters import Carry, Coin, SecondParameters

HOUR_MS = 60 * MINUTE_MS


def demand_premium(grid: Grid, p: SecondParameters, log_close: FloatArray) -> FloatArray:
    """Premium of perpetuals over the index that demand makes (venues, coins, steps).

    The venue's mean, and slow parts of the market, of the coin and of the pair of both; demand
    also follows the returns of the last days. `log_close` is the index (coins, steps).
    """
    q = p.carry
    rng = grid.stream("demand")
    shape = (len(p.venues), len(p.coins), grid.steps)
    market = mean_reverting(rng, shape[2:], q.demand_half_life_d * STEPS_DAY)
    coin = mean_reverting(rng, shape[1:], q.coin_half_life_d * STEPS_DAY)
    tilt = mean_reverting(rng, shape, q.tilt_half_life_d * STEPS_DAY)
    mean = np.array([venue.premium_mean for venue in p.venues.values()])[:, None, None]
    returns = np.diff(log_close, axis=1, prepend=log_close[:, :1])
    half_life = q.chase_half_life_d * STEPS_DAY
    chase = q.chase * half_life / np.log(2.0) * decayed_mean(returns, half_life)
    slow = q.demand_sd * market + q.coin_sd * coin + q.tilt_sd * tilt
    return np.asarray(mean + slow + chase)


def _with_interest(premium: FloatArray, q: Carry) -> FloatArray:
    """P + clamp(I - P, -band, band), of eight hours."""
    return np.asarray(premium + np.clip(q.interest_8h - premium, -q.band_8h, q.band_8h))


def _binance(premium: FloatArray, coin: Coin, q: Carry) -> FloatArray:
    cap = coin.binance_cap_8h
    mean = premium.reshape(-1, 8 * STEPS_HOUR).mean(axis=1)
    return np.asarray(np.clip(_with_interest(mean, q), -cap, cap))


def _hyperliquid(premium: FloatArray, coin: Coin, q: Carry) -> FloatArray:
    cap = q.hyperliquid_cap_1h
    mean = premium.reshape(-1, STEPS_HOUR).mean(axis=1)
    return np.asarray(np.clip(_with_interest(mean, q) / 8.0, -cap, cap))


def _dead(premium: FloatArray, band: float) -> FloatArray:
    """max(band, P) + min(-band, P): what is left of a premium beyond a dead band."""
    return np.asarray(np.maximum(band, premium) + np.minimum(-band, premium))


def _dydx(premium: FloatArray, coin: Coin, q: Carry) -> FloatArray:
    """The hourly mean of samples, each 0 while the index is between the impact prices."""
    cap = q.dydx_clamp * coin.dydx_initial * (1.0 - q.dydx_maintenance)
    samples = _dead(premium, q.dydx_impact).reshape(-1, STEPS_HOUR)
    return np.asarray(np.clip(samples.mean(axis=1), -cap, cap) / 8.0)


def _deribit(premium: FloatArray, coin: Coin, q: Carry) -> FloatArray:
    """What accrues all the time on the premium beyond the dead band, summed over each hour."""
    dead = _dead(premium, q.deribit_dead_band)
    capped = np.clip(dead, -coin.deribit_cap_8h, coin.deribit_cap_8h) / 8.0
    return np.asarray(capped.reshape(-1, STEPS_HOUR).mean(axis=1))


HOURLY = {"hyperliquid": _hyperliquid, "dydx": _dydx, "deribit": _deribit}


def _rates(venue: str, premium: FloatArray, coin: Coin, q: Carry) -> tuple[FloatArray, int]:
    """Rates of a venue's intervals and their length in hours, from its premium (steps)."""
    if venue == "binance":
        return _binance(premium, coin, q), 8
    return HOURLY[venue](premium, coin, q), 1


def funding_rows(
    grid: Grid, p: SecondParameters, premium: FloatArray
) -> tuple[tuple[int, str, int], ...]:
    """Rows (ts_ms, id, rate * 1e12) at the end of each interval, in order of time and id.

    Binance: eight hours. Hyperliquid, dYdX, Deribit: one. `premium` (venues, coins, steps).
    """
    rows: list[tuple[int, str, int]] = []
    for v, venue in enumerate(p.venues):
        for c, (name, coin) in enumerate(p.coins.items()):
            rates, hours = _rates(venue, premium[v, c], coin, p.carry)
            first = grid.start_ms + hours * HOUR_MS
            times = range(first, grid.ms(grid.minutes) + 1, hours * HOUR_MS)
            whole = np.rint(rates * 1e12).astype(np.int64).tolist()
            rows += zip(times, [f"{venue}:{name}"] * len(whole), whole, strict=True)
    return tuple(sorted(rows))
