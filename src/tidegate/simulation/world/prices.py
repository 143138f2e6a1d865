# SPDX-License-Identifier: Apache-2.0
"""Index prices before forced closing: diffusion, jumps, and the crisis laid over them."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.world.arrays import FloatArray, kept_share
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.parameters import WorldParameters
from tidegate.simulation.world.regimes import Background

HOURS_PER_YEAR = 8_760.0


def draw_returns(
    rng: np.random.Generator,
    parameters: WorldParameters,
    background: Background,
    plan: CrisisPlan,
) -> FloatArray:
    """Log returns of the index (coins, sub-steps).

    r_i = vol * sigma_i * sqrt(dt) * (sqrt(rho) z_0 + sqrt(1 - rho) z_i) - drift + jumps, one
    common factor whose correlation rho rises from calm to stress (Longin and Solnik 2001 for the
    fact), and minus half the variance, so that prices have no drift from the noise. Sources: Kou
    2002 (jumps), Merton 1976. The crisis' window loses its own sum and gains the crisis' moves, and
    what follows takes part of them back.
    """
    substeps = parameters.substeps
    vol = np.repeat(background.vol, substeps)
    stress = np.repeat(background.stress, substeps)
    sigma = np.array([coin.vol_annual for coin in parameters.coins])[:, None]
    deviation = sigma * vol * np.sqrt(parameters.substep_hours / HOURS_PER_YEAR)
    z = rng.standard_normal((len(parameters.coins) + 1, vol.size))
    r = parameters.regimes
    rho = r.correlation_calm + (r.correlation_stress - r.correlation_calm) * stress
    returns = deviation * (np.sqrt(rho) * z[0] + np.sqrt(1.0 - rho) * z[1:])
    returns -= 0.5 * deviation**2
    returns += _jumps(rng, parameters, stress)
    if plan.on:
        _impose(rng, returns, plan, parameters.crisis_draw.evenness)
        _take_back(returns, plan, parameters)
    return np.asarray(returns)


def _jumps(rng: np.random.Generator, parameters: WorldParameters, stress: FloatArray) -> FloatArray:
    """Jumps (coins, sub-steps), less their mean, so that they bring no drift."""
    jumps, coins = parameters.jumps, parameters.coins
    days = parameters.substep_hours / 24.0
    rate = days * (1.0 + (jumps.stress_rate - 1.0) * stress)
    law = (jumps.down_share, jumps.common_down, jumps.common_up)
    common = _jump_path(rng.random(rate.shape), jumps.common_per_day * rate, law)
    betas = np.array([coin.jump_beta for coin in coins])[:, None]
    law = (0.5, jumps.coin_size, jumps.coin_size)
    uniforms = rng.random((len(coins), rate.size))
    return betas * common + _jump_path(uniforms, jumps.coin_per_day * rate, law)


def _jump_path(
    uniforms: FloatArray, rate: FloatArray, law: tuple[float, float, float]
) -> FloatArray:
    """Double-exponential jumps of a rate and law (share of falls, mean fall, mean rise).

    One uniform u a place decides all: a jump where u < rate, and then u / rate is uniform again,
    which gives direction and size by inversion. So worlds that differ later agree before.
    """
    down_share, fall, rise = law
    path = np.broadcast_to(-rate * ((1.0 - down_share) * rise - down_share * fall), uniforms.shape)
    path = path.copy()
    struck = uniforms < rate
    again = (uniforms / rate)[struck]
    falls = again < down_share
    sizes = -np.log(np.where(falls, again / down_share, (again - down_share) / (1.0 - down_share)))
    path[struck] += np.where(falls, -fall, rise) * sizes
    return np.asarray(path)


def _impose(
    rng: np.random.Generator, returns: FloatArray, plan: CrisisPlan, evenness: float
) -> None:
    """Make the crisis' window sum to its moves, unevenly spread; the noise around it stays."""
    window = slice(plan.start, plan.start + plan.length)
    weights = rng.gamma(evenness, size=plan.length)
    noise = returns[:, window]
    returns[:, window] = noise - noise.mean(axis=1, keepdims=True)
    returns[:, window] += plan.moves[:, None] * weights / weights.sum()


def _take_back(returns: FloatArray, plan: CrisisPlan, parameters: WorldParameters) -> None:
    """Part of the crisis' moves comes back after it, fast at first, fading over the hours."""
    begin = plan.start + plan.length
    left = returns.shape[1] - begin
    half_life = parameters.crisis_draw.rebound_half_life_hours
    kept = kept_share(parameters.substep_hours, half_life)
    weights = (1.0 - kept) * kept ** np.arange(left)
    returns[:, begin:] -= plan.rebound * plan.moves[:, None] * weights
