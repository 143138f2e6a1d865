# SPDX-License-Identifier: Apache-2.0
"""Depth, spread and volume of each venue and coin, and the stablecoins' prices."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.world.arrays import FloatArray, kept_share, ornstein_uhlenbeck
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.parameters import WorldParameters


def calm_depth(parameters: WorldParameters, stress: FloatArray) -> FloatArray:
    """Depth as a multiple of the calm one: stress_depth ** stress, from 1 down to 8 %."""
    return np.asarray(parameters.liquidity.stress_depth**stress)


def draw_depth(
    rng: np.random.Generator,
    parameters: WorldParameters,
    stress: FloatArray,
    crisis: FloatArray,
    plan: CrisisPlan,
) -> FloatArray:
    """Depth (venues, coins, steps) with noise; the struck venue falls to the crisis' floor."""
    shape = (len(parameters.venues), len(parameters.coins), stress.size)
    noise = np.exp(parameters.liquidity.noise * rng.standard_normal(shape))
    depth = calm_depth(parameters, stress) * noise
    if plan.on:
        floor = np.where(crisis > 0.0, plan.shape.depth_floor**crisis, np.inf)
        depth[plan.venue] = np.minimum(depth[plan.venue], floor)
    return np.asarray(depth)


def draw_half_spread(
    rng: np.random.Generator, parameters: WorldParameters, stress: FloatArray
) -> FloatArray:
    """Half spread (venues, coins, steps) as a share of the price; wider for thinner coins.

    venue * (volume of the first coin / volume)^0.25 * stress_spread ** stress * noise.
    """
    liquidity = parameters.liquidity
    volumes = np.array([coin.volume_day_usd for coin in parameters.coins])
    thin = (volumes[0] / volumes) ** liquidity.spread_power
    calm = np.array([venue.half_spread for venue in parameters.venues])
    shape = (calm.size, volumes.size, stress.size)
    noise = np.exp(liquidity.noise * rng.standard_normal(shape))
    widened = liquidity.stress_spread**stress
    return np.asarray(calm[:, None, None] * thin[:, None] * widened * noise)


def day_volume(parameters: WorldParameters) -> FloatArray:
    """Calm volume of a day (venues, coins), USD."""
    shares = np.array([venue.volume_share for venue in parameters.venues])
    volumes = np.array([coin.volume_day_usd for coin in parameters.coins])
    return np.asarray(shares[:, None] * volumes)


def draw_volume(
    rng: np.random.Generator, parameters: WorldParameters, vol: FloatArray
) -> FloatArray:
    """Volume (venues, coins, steps), USD: more by day (UTC) and with volatility."""
    liquidity = parameters.liquidity
    hour = np.arange(vol.size) * parameters.step_hours % 24.0
    busy = 1.0 + liquidity.day_swing * np.cos((hour - 15.0) / 24.0 * 2.0 * np.pi)
    shape = (len(parameters.venues), len(parameters.coins), vol.size)
    noise = np.exp(liquidity.volume_noise * rng.standard_normal(shape))
    per_step = day_volume(parameters)[:, :, None] / parameters.steps_per_day
    return np.asarray(per_step * busy * vol**liquidity.volume_power * noise)


def draw_stablecoins(
    rng: np.random.Generator, parameters: WorldParameters, stress: FloatArray, plan: CrisisPlan
) -> dict[str, FloatArray]:
    """Price in USD per stablecoin (steps): wobble, and the depeg of the crisis."""
    s = parameters.stablecoins
    scale = s.deviation * (1.0 + (s.stress_scale - 1.0) * stress)
    kept = kept_share(parameters.step_hours, s.half_life_hours)
    prices = 1.0 + ornstein_uhlenbeck(rng, (len(s.assets), stress.size), kept, scale)
    if plan.shape.depeg:
        prices[plan.stablecoin % len(s.assets)] -= _depeg(parameters, plan, stress.size)
    return {asset: prices[k].copy() for k, asset in enumerate(s.assets)}


def counted_collateral(
    parameters: WorldParameters, plan: CrisisPlan, steps: int
) -> dict[str, FloatArray]:
    """What the struck venue counts a unit of collateral at (steps), where the crisis touches it:
    in straight lines down to its worst in the middle of the time given, and back."""
    shape = plan.shape
    if not shape.collateral_depeg or not plan.on:
        return {}
    length = max(2, round(shape.collateral_depeg_minutes / 60.0 / parameters.step_hours))
    age = np.arange(steps) - plan.start // parameters.substeps + 0.5
    inside = np.clip(1.0 - np.abs(2.0 * age / length - 1.0), 0.0, 1.0)
    counted = 1.0 - shape.collateral_depeg * inside / inside.max()
    return {parameters.venues[plan.venue].name: np.asarray(counted)}


def _depeg(parameters: WorldParameters, plan: CrisisPlan, steps: int) -> FloatArray:
    """Loss of the peg (steps): in a straight line to its worst, then healing."""
    s = parameters.stablecoins
    age_hours = (np.arange(steps) - plan.start // parameters.substeps) * parameters.step_hours
    coming = np.clip(age_hours / s.depeg_hours, 0.0, 1.0)
    healing = 0.5 ** (np.maximum(age_hours - s.depeg_hours, 0.0) / s.heal_half_life_hours)
    return np.asarray(plan.shape.depeg * coming * healing)
