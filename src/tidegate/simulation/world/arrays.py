# SPDX-License-Identifier: Apache-2.0
"""The array type of the world, its named random streams, and mean-reverting paths."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream of its own for each part of the world, so that parts do not disturb.

    The stream's key is (seed, first 8 bytes of SHA-256 of the name); PCG64 (O'Neill 2014).
    """
    key = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


def kept_share(step_hours: float, half_life_hours: float) -> float:
    """What an exponential decay leaves after one step: 0.5 ** (step / half-life)."""
    return float(0.5 ** (step_hours / half_life_hours))


def ornstein_uhlenbeck(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    kept: float,
    scale: FloatArray | float = 1.0,
) -> FloatArray:
    """Mean-reverting paths along the last axis, begun in their stationary law.

    x' = kept * x + sqrt(1 - kept^2) * scale * z, with z standard normal; `scale` broadcasts to
    `shape` and is the stationary deviation where it is constant (Uhlenbeck and Ornstein 1930).
    """
    shocks = rng.standard_normal(shape) * scale * np.sqrt(1.0 - kept**2)
    first = np.broadcast_to(np.asarray(scale), shape)[..., :1]
    begin = kept * first * rng.standard_normal((*shape[:-1], 1))
    return _recursion(1.0, kept, shocks, begin)


def decayed(impulses: FloatArray, kept: float) -> FloatArray:
    """Impulses along the last axis, each fading: y' = kept * y + impulse."""
    return _recursion(1.0, kept, impulses, np.zeros((*impulses.shape[:-1], 1)))


def smoothed(values: FloatArray, kept: float) -> FloatArray:
    """Exponential average along the last axis that begins at the first value."""
    begin = kept * values[..., :1]
    return _recursion(1.0 - kept, kept, values, begin)


def _recursion(gain: float, kept: float, values: FloatArray, begin: FloatArray) -> FloatArray:
    """y' = kept * y + gain * x along the last axis; `begin` is kept * y before the first."""
    # It brings in half of SciPy, and most processes make no world.
    from scipy.signal import lfilter

    return np.asarray(lfilter([gain], [1.0, -kept], values, axis=-1, zi=begin)[0])
