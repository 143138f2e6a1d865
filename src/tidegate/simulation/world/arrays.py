# SPDX-License-Identifier: Apache-2.0
"""The array type of the world, its named random streams, and mean-reverting paths."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

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
    paths, _ = lfilter([1.0], [1.0, -kept], shocks, axis=-1, zi=begin)
    return np.asarray(paths)


def decayed(impulses: FloatArray, kept: float) -> FloatArray:
    """Impulses along the last axis, each fading: y' = kept * y + impulse."""
    return np.asarray(lfilter([1.0], [1.0, -kept], impulses, axis=-1))


def smoothed(values: FloatArray, kept: float) -> FloatArray:
    """Exponential average along the last axis that begins at the first value."""
    begin = kept * values[..., :1]
    paths, _ = lfilter([1.0 - kept], [1.0, -kept], values, axis=-1, zi=begin)
    return np.asarray(paths)
