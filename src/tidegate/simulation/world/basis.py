# SPDX-License-Identifier: Apache-2.0
"""Distance of each venue's price from the index: fast noise, and the gaps of a crisis."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.world.arrays import (
    FloatArray,
    decayed,
    kept_share,
    ornstein_uhlenbeck,
    smoothed,
)
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.parameters import WorldParameters


def draw_basis(
    rng: np.random.Generator,
    parameters: WorldParameters,
    stress: FloatArray,
    plan: CrisisPlan,
) -> FloatArray:
    """Log distance from the index (venues, coins, sub-steps), stress given per step.

    An Ornstein-Uhlenbeck path whose deviation grows with stress, and in a crisis a few spikes,
    shared by a venue's coins, in the direction of the move, that fade within minutes.
    """
    b = parameters.basis
    scale = b.deviation * (1.0 + (b.stress_scale - 1.0) * np.repeat(stress, parameters.substeps))
    shape = (len(parameters.venues), len(parameters.coins), scale.size)
    kept = kept_share(parameters.substep_hours, b.half_life_hours)
    paths = ornstein_uhlenbeck(rng, shape, kept, scale)
    if plan.on:
        paths += _spikes(rng, parameters, plan, scale.size)
    return paths


def _spikes(
    rng: np.random.Generator, parameters: WorldParameters, plan: CrisisPlan, size: int
) -> FloatArray:
    """Dislocations (venues, coins, sub-steps) of a crisis; the first comes with its worst."""
    b = parameters.basis
    times = plan.start + rng.integers(0, max(plan.length, 12), b.spikes)
    times[0] = plan.start + plan.length - 1
    sizes = plan.shape.basis_kick * plan.sign * rng.exponential(1.0, b.spikes)
    impulses = np.zeros(size)
    np.add.at(impulses, np.minimum(times, size - 1), sizes)
    path = decayed(impulses, kept_share(parameters.substep_hours, b.spike_half_life_hours))
    coins = np.array([coin.crisis_beta for coin in parameters.coins])
    coins = coins * rng.uniform(0.7, 1.3, (plan.lean.size, coins.size))
    return np.asarray(plan.lean[:, None, None] * coins[:, :, None] * path)


def mark_basis(parameters: WorldParameters, premium: FloatArray) -> FloatArray:
    """Log distance of marks from the index: the perpetual's own, averaged and clamped.

    Venues average the perpetual's distance from their index over seconds to minutes and bound it,
    so marks see gaps in part (Binance, Hyperliquid, Deribit documentation of mark prices).
    """
    b = parameters.basis
    kept = kept_share(parameters.substep_hours, b.mark_half_life_hours)
    return np.clip(smoothed(premium, kept), -b.mark_clamp, b.mark_clamp)
