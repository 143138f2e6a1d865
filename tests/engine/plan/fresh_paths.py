# SPDX-License-Identifier: Apache-2.0
"""The law that a plan is judged by: diffusion with a variance of its own, and jumps.

Written apart from every generator of scenarios. In steps of 15 minutes over eight hours

    d ln S_c = vol_c (sqrt((1 - share) v) dW_c + J dN / vol_BTC),  dv = k (1 - v) dt + xi sqrt(v) dB

with Poisson jumps common to both coins, of a double exponential law (Kou 2002, eq. 2); v starts at
a lognormal error about the forecast. The variance of a day is that of `VOL_DAILY`, of which jumps
make `JUMP_SHARE`. Implied vols follow the mean variance to expiry, the closed form of Heston (1993)
without its skew; each venue's prices stand a little apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
VOL_DAILY = {"BTC": 0.03, "ETH": 0.04}
STEPS, HOURS = 32, 8.0
CORRELATION = 0.8
JUMP_SHARE, JUMPS_DAY, DOWN_SHARE = 0.3, 0.5, 0.6
REVERSION_DAY, VARIANCE_OF_VARIANCE_DAY = 0.7, 1.1
LEVERAGE, START_ERROR = -0.5, 0.3
VENUE_APART = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Price ratios by coin and variance over its mean, (paths, steps)."""

    ratios: dict[str, FloatArray]
    variance: FloatArray

    def vol_ratio(self, days: float) -> FloatArray:
        """Implied vol of an option over what it was, for a mean reversion to 1."""
        kt = REVERSION_DAY * max(days, 1e-6)
        weight = (1.0 - np.exp(-kt)) / kt
        return np.asarray(np.sqrt(1.0 + (self.variance - 1.0) * weight))


def chunks(count: int, size: int, seed: int) -> Iterator[Paths]:
    """Paths in chunks, the same for a seed and chunk size."""
    rng = np.random.default_rng([seed, 20_261_120])
    for first in range(0, count, size):
        yield _paths(rng, min(size, count - first))


def _paths(rng: np.random.Generator, count: int) -> Paths:
    dt = HOURS / 24.0 / STEPS
    variance = np.empty((count, STEPS))
    logs = {coin: np.empty((count, STEPS)) for coin in VOL_DAILY}
    level = np.exp(START_ERROR * rng.standard_normal(count) - 0.5 * START_ERROR**2)
    now = {coin: np.zeros(count) for coin in VOL_DAILY}
    for step in range(STEPS):
        market, own = rng.standard_normal((2, count))
        swing = LEVERAGE * market + np.sqrt(1.0 - LEVERAGE**2) * own
        scale = np.sqrt(np.maximum(level, 0.0) * dt)
        jump = _jumps(rng, count, dt)
        for coin, vol in VOL_DAILY.items():
            alone = rng.standard_normal(count)
            mixed = np.sqrt(CORRELATION) * market + np.sqrt(1.0 - CORRELATION) * alone
            diffusion = vol * np.sqrt(1.0 - JUMP_SHARE) * scale * mixed
            now[coin] = now[coin] + diffusion + jump * vol / VOL_DAILY["BTC"]
            logs[coin][:, step] = now[coin]
        pull = REVERSION_DAY * (1.0 - np.maximum(level, 0.0)) * dt
        level = level + pull + VARIANCE_OF_VARIANCE_DAY * scale * swing
        variance[:, step] = np.maximum(level, 0.0)
    return Paths({coin: np.exp(log) for coin, log in logs.items()}, variance)


def _jumps(rng: np.random.Generator, count: int, dt: float) -> FloatArray:
    """Log jumps of the step, at most one: their second moment a day is JUMP_SHARE of variance."""
    size = np.sqrt(JUMP_SHARE * VOL_DAILY["BTC"] ** 2 / (2.0 * JUMPS_DAY))
    total = np.zeros(count)
    struck = np.flatnonzero(rng.random(count) < JUMPS_DAY * dt)
    signs = np.where(rng.random(struck.size) < DOWN_SHARE, -1.0, 1.0)
    total[struck] = signs * rng.exponential(size, struck.size)
    return total


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """A venue's prices over all others', a short-lived ratio."""
    return np.asarray(np.exp(VENUE_APART * rng.standard_normal(shape)))
