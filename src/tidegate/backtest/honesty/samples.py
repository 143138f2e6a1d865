# SPDX-License-Identifier: Apache-2.0
"""What a sample must be before anything is said of it: flat, not empty, known at every seed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def finite_sample(where: str, field: str, values: npt.NDArray[np.generic]) -> FloatArray:
    """The values as float64[n], n >= 1. Raises: `InputError` unless flat, numeric and finite."""
    sample = np.asarray(values)
    if sample.dtype.kind not in "fiu":
        raise InputError(where, field, f"expected numbers, got {sample.dtype}")
    _require_flat(where, field, sample)
    unknown = np.flatnonzero(~np.isfinite(sample))
    if unknown.size:
        raise InputError(
            where, field, f"expected finite numbers, got {sample[unknown[0]]} at index {unknown[0]}"
        )
    return sample.astype(np.float64)


def yes_or_no_sample(where: str, field: str, values: npt.NDArray[np.generic]) -> BoolArray:
    """The values as bool[n], n >= 1. Raises: `InputError` unless flat and boolean.

    A float is refused even where it is 0 or 1, since a NaN would become a yes.
    """
    sample = np.asarray(values)
    if sample.dtype.kind != "b":
        raise InputError(where, field, f"expected booleans, got {sample.dtype}")
    _require_flat(where, field, sample)
    return sample.astype(np.bool_)


def require_paired(where: str, field: str, n: int, expected: int) -> None:
    """Raise `InputError` unless a sample has one value for each seed of the other."""
    if n != expected:
        raise InputError(where, field, f"expected one value per seed, {expected}, got {n}")


def require_level(where: str, level: float) -> None:
    """Raise `InputError` unless the level of confidence lies strictly between 0 and 1."""
    if not (math.isfinite(level) and 0.0 < level < 1.0):
        raise InputError(where, "level", f"expected above 0 and below 1, got {level}")


def _require_flat(where: str, field: str, sample: npt.NDArray[np.generic]) -> None:
    if sample.ndim != 1 or sample.size == 0:
        raise InputError(where, field, f"expected one value per seed, got shape {sample.shape}")
