# SPDX-License-Identifier: Apache-2.0
"""The market's state: calm or stress, log-volatility, and one number for how bad it is."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Per step: stress of the regime and crisis (0 to 1), and what multiplies volatility."""

    stress: FloatArray
    vol: FloatArray
    crisis: FloatArray


def draw_background(
    rng: np.random.Generator, parameters: WorldParameters, steps: int, plan: CrisisPlan
) -> Background:
    """Draw regimes and volatility; a crisis brings full stress at once, which then fades.

    vol = exp(h - var h) * (1 + (stress_vol - 1) * regime) + (crisis_vol - 1) * crisis, with h the
    sum of a slow and a fast Ornstein-Uhlenbeck path, so that E[exp(2 (h - var h))] = 1 in calm.
    """
    r = parameters.regimes
    hours = parameters.step_hours
    slow = ornstein_uhlenbeck(rng, (steps,), kept_share(hours, r.slow_half_life_hours))
    fast = ornstein_uhlenbeck(rng, (steps,), kept_share(hours, r.fast_half_life_hours))
    h = r.slow_deviation * slow + r.fast_deviation * fast
    variance = r.slow_deviation**2 + r.fast_deviation**2
    onset = kept_share(hours, r.onset_half_life_hours)
    regime = smoothed(_stressed(rng, parameters, steps), onset)
    crisis = _crisis(parameters, steps, plan)
    vol = np.exp(h - variance) * (1.0 + (r.stress_vol - 1.0) * regime)
    return Background(
        stress=np.maximum(r.stress_level * regime, crisis),
        vol=vol + (r.crisis_vol - 1.0) * crisis,
        crisis=crisis,
    )


def with_shocks(
    background: Background, parameters: WorldParameters, returns: FloatArray
) -> FloatArray:
    """Stress per step, raised where the first coin has moved much within 15 minutes.

    shock = |sum of the last 15 minutes' returns| / shock_move, at most 1, fading over an hour;
    stress = max(regime, crisis, shock). `returns` are the first coin's log returns per step.
    """
    width = max(1, round(0.25 / parameters.step_hours))
    path = np.concatenate([np.zeros(width), np.cumsum(returns)])
    moved = np.abs(path[width:] - path[:-width]) / parameters.regimes.shock_move
    shock = np.clip(moved - 0.25, 0.0, 1.0)
    return np.maximum(
        background.stress, _fading_maximum(shock, kept_share(parameters.step_hours, 1.0))
    )


def _fading_maximum(values: FloatArray, kept: float) -> FloatArray:
    """y_t = max over s <= t of kept^(t - s) * x_s, in logs a running maximum of a tilted path."""
    tilt = np.arange(values.size) * -np.log(kept)
    logs = np.log(np.maximum(values, 1e-12)) + tilt
    return np.asarray(np.exp(np.maximum.accumulate(logs) - tilt))


def _stressed(rng: np.random.Generator, parameters: WorldParameters, steps: int) -> FloatArray:
    """1 in stress and 0 in calm, durations exponential, begun in the stationary law."""
    r = parameters.regimes
    means = (r.calm_hours / parameters.step_hours, r.stress_hours / parameters.step_hours)
    state = int(rng.random() < r.stress_hours / (r.stress_hours + r.calm_hours))
    states = np.zeros(steps)
    at = 0
    while at < steps:
        until = at + max(1, round(rng.exponential(means[state])))
        states[at:until] = state
        at, state = until, 1 - state
    return states


def _crisis(parameters: WorldParameters, steps: int, plan: CrisisPlan) -> FloatArray:
    """1 from the crisis' begin to its end, then fading; 0 everywhere without a crisis."""
    envelope = np.zeros(steps)
    if plan.on:
        first = plan.start // parameters.substeps
        last = (plan.start + plan.length - 1) // parameters.substeps
        envelope[last] = 1.0
        kept = kept_share(parameters.step_hours, parameters.regimes.crisis_half_life_hours)
        envelope = decayed(envelope, kept)
        envelope[first : last + 1] = 1.0
    return envelope
