# SPDX-License-Identifier: Apache-2.0
"""Rows of a series drawn in blocks, so that a statistic's spread counts dependence in time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

IntArray = npt.NDArray[np.int64]

DRAWS = 500


def block_rows(rng: np.random.Generator, n: int, block: int) -> IntArray:
    """n row numbers in whole blocks whose starts are uniform on the circle, int64[n].

    Source: Politis and Romano (1992), the circular block bootstrap.
    """
    if n < 1 or block < 1:
        raise InputError("block bootstrap", "n, block", f"expected at least 1, got {n}, {block}")
    starts = rng.integers(0, n, size=-(-n // block))
    rows = (starts[:, None] + np.arange(block)).ravel()[:n] % n
    return np.asarray(rows, dtype=np.int64)


def block_interval(
    rng: np.random.Generator,
    n: int,
    block: int,
    statistic: Callable[[IntArray], float],
    draws: int = DRAWS,
) -> tuple[float, float]:
    """2.5 % and 97.5 % of a statistic of resampled rows; draws in which it is NaN are left out.

    Both are NaN where fewer than nine in ten draws gave a number: no interval is better than one
    from the draws that happened to work.
    """
    values = np.array([statistic(block_rows(rng, n, block)) for _ in range(draws)])
    known = values[np.isfinite(values)]
    if known.size < 0.9 * draws:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
