# SPDX-License-Identifier: Apache-2.0
"""Variance that looks rough: log-variance as factors of many speeds on one noise."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.second_world.grid import (
    STEPS_DAY,
    STEPS_HOUR,
    FloatArray,
    Grid,
    decayed_mean,
    decayed_sum,
    keep,
)
from tidegate.simulation.second_world.parameters import Volatility

WARM_STEPS = 90 * STEPS_DAY  # some half-lives of the slowest factor


def _log_variance(noise: FloatArray, p: Volatility) -> FloatArray:
    """Sum of the factors on one noise, with standard deviation `log_variance_sd`."""
    kept = np.array([keep(hours * STEPS_HOUR) for hours in p.half_lives_h])
    gain = np.array(p.weights) * np.sqrt(1.0 - kept**2)
    spread = np.sqrt((np.outer(gain, gain) / (1.0 - np.outer(kept, kept))).sum())
    parts = zip(gain, p.half_lives_h, strict=True)
    total = sum(g * decayed_sum(noise, hours * STEPS_HOUR) for g, hours in parts)
    return np.asarray(total * (p.log_variance_sd / spread))


def variance_multiple(
    grid: Grid, p: Volatility, market: FloatArray, excitement: FloatArray
) -> FloatArray:
    """Variance of a step over its long mean: factors, time of day, and what jumps leave behind.

    `market` is the standard normal of each step's market return, with which log-variance moves
    one step later; `excitement` counts mean jumps in each step. Both (steps); so is the result.
    """
    rng = grid.stream("variance")
    warm = rng.standard_normal(WARM_STEPS)
    own = rng.standard_normal(grid.steps)
    rho = p.leverage_effect
    lagged = np.concatenate(([0.0], market[:-1]))
    noise = np.concatenate((warm, rho * lagged + np.sqrt(1.0 - rho * rho) * own))
    log_variance = _log_variance(noise, p)[WARM_STEPS:] - 0.5 * p.log_variance_sd**2
    hour = np.arange(grid.steps) / STEPS_HOUR
    diurnal = 1.0 + p.diurnal * np.cos(2.0 * np.pi * (hour - 15.0) / 24.0)
    after = p.jump_boost_half_life_h * STEPS_HOUR
    boost = p.jump_boost * decayed_mean(excitement, after) / (1.0 - keep(after))
    return np.exp(log_variance) * diurnal * (1.0 + np.concatenate(([0.0], boost[:-1])))
