# SPDX-License-Identifier: Apache-2.0
"""One coin's volatility surface on its way through time, free of static arbitrage at every step.

At each step the total variance at the money is the integral of a forward variance above zero,

    theta(T) = L^2 (T + slow (1 - exp(-a T)) / a + fast (1 - exp(-b T)) / b),

and the wings of the eSSVI slice at T are put_wing sqrt(theta) and call_wing sqrt(theta), at most
3.999. theta and both wings then never fall with T, phi = psi / theta never rises, and psi p <= 4
theta where neither wing passes 1.9: all bounds of `pricing.essvi` hold at every T. What a step
knows is what happened until its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from tidegate.model.times import YEAR_MS
from tidegate.pricing.essvi import WING_MAX as SLICE_WING_MAX
from tidegate.pricing.essvi import Essvi, Parameters
from tidegate.simulation.world.arrays import (
    FloatArray,
    decayed,
    kept_share,
    ornstein_uhlenbeck,
    smoothed,
)
from tidegate.simulation.world.option_parameters import (
    WING_MAX,
    OptionCoin,
    OptionParameters,
    Term,
)

IntArray = NDArray[np.int64]
DAYS_A_YEAR = 365.0
STEP_HOURS_A_YEAR = 8_760.0
# Deribit delivers at the mean of its index over this long before the expiry.
AVERAGED_YEARS = 1_800_000 / YEAR_MS


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePath:
    """The surface's state at the end of each step, (steps): annual variance `level`, the `slow` and
    `fast` parts in units of it, the wings in units of sqrt(theta)."""

    term: Term
    level: FloatArray
    slow: FloatArray
    fast: FloatArray
    put_wing: FloatArray
    call_wing: FloatArray

    def parameters(self, steps: IntArray, years: FloatArray) -> Parameters:
        """The eSSVI parameters of steps at times to expiry, both of one shape."""
        theta = self.theta(steps, years)
        root = np.sqrt(theta)
        put, call = (
            np.minimum(wing[steps] * root, SLICE_WING_MAX)
            for wing in (self.put_wing, self.call_wing)
        )
        return Parameters(theta, put, call)

    def theta(self, steps: IntArray, years: FloatArray) -> FloatArray:
        """Total variance at the money of steps at times to expiry, both of one shape."""
        total = np.array(years, dtype=np.float64)
        for part, days in ((self.slow, self.term.slow_days), (self.fast, self.term.fast_days)):
            rate = log(2.0) * DAYS_A_YEAR / days
            total += part[steps] * -np.expm1(-rate * years) / rate
        return np.asarray(self.level[steps] * total)

    def slices(self, step: int, years: FloatArray) -> Essvi:
        """The surface of a step at increasing times to expiry."""
        at = self.parameters(np.full(years.size, step, dtype=np.int64), years)
        return Essvi(years, at.theta, at.put_wing, at.call_wing)


def averaging_years(years: FloatArray) -> FloatArray:
    """The time that counts for the variance of the mean over the last half hour, W: T - 2 W / 3
    before it begins and T^3 / (3 W^2) within it (Kemna and Vorst 1990); rises with T."""
    within = years**3 / (3.0 * AVERAGED_YEARS**2)
    return np.where(years < AVERAGED_YEARS, within, years - 2.0 * AVERAGED_YEARS / 3.0)


def draw_surface(
    rng: np.random.Generator,
    parameters: OptionParameters,
    coin: OptionCoin,
    step_hours: float,
    market: tuple[FloatArray, FloatArray],
) -> SurfacePath:
    """Draw a coin's surface over its (index at steps' ends, stress), each (steps)."""
    index, stress = market
    log_price = np.log(index)
    term, noise, smile = parameters.term, parameters.noise, parameters.smile
    z = _excess(term, log_price, coin.long_run_vol, step_hours)
    gap = smoothed(log_price, kept_share(step_hours, term.fall_hours)) - log_price
    fall, jump = np.maximum(gap, -term.rise_most), smile.jump * stress
    skew = noise.skew * _path(rng, log_price.size, step_hours, noise.skew_half_life_hours)
    put = smile.put_fall * np.maximum(gap, 0.0)
    call = smile.call_rise * np.maximum(-gap, 0.0)
    level = _level(rng, parameters, stress, step_hours) * np.exp(2.0 * term.level_fall * gap)
    return SurfacePath(
        term,
        coin.long_run_vol**2 * level,
        _answer(z, term.slow_up, term.slow_down) + term.slow_fall * fall,
        _answer(z, term.fast_up, term.fast_down) + term.fast_fall * fall,
        _wing(coin.put_wing + jump + np.minimum(put, smile.most) + skew),
        _wing(coin.call_wing + jump + np.minimum(call, smile.most) - skew),
    )


def _excess(
    term: Term, log_price: FloatArray, long_run_vol: float, step_hours: float
) -> FloatArray:
    """sqrt(realised / long-run variance) - 1, begun at 0: realised variance is an exponential
    average of squared returns, in which falls weigh more."""
    usual = long_run_vol**2 * step_hours / STEP_HOURS_A_YEAR
    returns = np.diff(log_price, prepend=log_price[0])
    surprise = returns**2 * (1.0 - term.asymmetry * np.sign(returns)) / usual - 1.0
    surprise[0] = 0.0
    kept = kept_share(step_hours, term.memory_hours)
    return np.asarray(np.sqrt(np.maximum(1.0 + decayed((1.0 - kept) * surprise, kept), 0.0)) - 1.0)


def _answer(z: FloatArray, up: float, down: float) -> FloatArray:
    return np.asarray(np.where(z > 0.0, up, down) * z)


def _level(
    rng: np.random.Generator, parameters: OptionParameters, stress: FloatArray, step_hours: float
) -> FloatArray:
    """What multiplies variance: exp of twice a slow and a fast noise, whose shocks grow in
    stress."""
    noise = parameters.noise
    shaken = noise.fast * (1.0 + (noise.stress_scale - 1.0) * stress)
    slow = noise.slow * _path(rng, stress.size, step_hours, noise.slow_half_life_hours)
    fast = _path(rng, stress.size, step_hours, noise.fast_half_life_hours, shaken)
    return np.asarray(np.exp(2.0 * (slow + fast)))


def _path(
    rng: np.random.Generator,
    steps: int,
    step_hours: float,
    half_life_hours: float,
    scale: FloatArray | float = 1.0,
) -> FloatArray:
    return ornstein_uhlenbeck(rng, (steps,), kept_share(step_hours, half_life_hours), scale)


def _wing(wing: FloatArray) -> FloatArray:
    return np.clip(wing, 0.1, WING_MAX)
