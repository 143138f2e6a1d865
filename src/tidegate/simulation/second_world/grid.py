# SPDX-License-Identifier: Apache-2.0
"""The time grid, streams of chance by name, and the linear filters that the rest is made of."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MINUTE_MS = 60_000
STEP_MS = 300_000
MINUTES = 5  # of a step
STEPS_HOUR = 12
STEPS_DAY = 288
STEPS_YEAR = 365 * STEPS_DAY


@dataclass(frozen=True, slots=True)
class Grid:
    """Days from a midnight UTC, and the seed of every stream of chance."""

    start_ms: int
    days: int
    seed: int

    @property
    def steps(self) -> int:
        """Steps of five minutes."""
        return self.days * STEPS_DAY

    @property
    def minutes(self) -> int:
        """Minutes, the inner grid."""
        return self.steps * MINUTES

    @property
    def hours(self) -> int:
        """Hours."""
        return self.days * 24

    def stream(self, name: str) -> np.random.Generator:
        """The stream of that name; no stream depends on what another has drawn."""
        word = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        return np.random.default_rng((self.seed, word))

    def ms(self, minute: int) -> int:
        """The time at which a minute begins."""
        return self.start_ms + minute * MINUTE_MS


def keep(half_life: float) -> float:
    """The share that is left after one step, for a half-life in steps."""
    return float(0.5 ** (1.0 / half_life))


def decayed_sum(x: FloatArray, half_life: float) -> FloatArray:
    """y[t] = x[t] + k y[t-1] along the last axis, from y = 0."""
    return _recursion(1.0, keep(half_life), x, np.zeros((*x.shape[:-1], 1)))


def decayed_mean(x: FloatArray, half_life: float, first: float = 0.0) -> FloatArray:
    """Exponentially weighted mean along the last axis, which stood at `first` before."""
    k = keep(half_life)
    state = np.full((*x.shape[:-1], 1), k * first)
    return _recursion(1.0 - k, k, x, state)


def _recursion(gain: float, kept: float, x: FloatArray, state: FloatArray) -> FloatArray:
    """y[t] = gain x[t] + kept y[t-1] along the last axis, from kept y[-1] = `state`."""
    # Imported where it is needed: few processes make a world, and all of SciPy comes with it.
    from scipy.signal import lfilter

    return np.asarray(lfilter([gain], [1.0, -kept], x, zi=state)[0], dtype=np.float64)


def decayed_max(x: FloatArray, half_life: float) -> FloatArray:
    """m[t] = max(x[t], k m[t-1]) along the last axis, for x >= 0, without a loop."""
    ramp = np.arange(x.shape[-1]) * (np.log(2.0) / half_life)
    tops = np.maximum.accumulate(np.log(np.maximum(x, 1e-300)) + ramp, axis=-1)
    return np.asarray(np.exp(tops - ramp))


def mean_reverting(
    rng: np.random.Generator, shape: tuple[int, ...], half_life: float
) -> FloatArray:
    """Stationary paths along the last axis with mean 0 and standard deviation 1."""
    k = keep(half_life)
    noise = rng.standard_normal(shape)
    noise[..., 1:] *= np.sqrt(1.0 - k * k)
    return decayed_sum(noise, half_life)
