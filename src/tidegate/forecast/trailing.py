# SPDX-License-Identifier: Apache-2.0
"""Means of realised variance behind and ahead of each row of a gapless grid, holes respected."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

MIN_COVERAGE = 0.9


def forward_mean(variance: FloatArray, horizon: int) -> FloatArray:
    """Mean of rows t+1..t+h at row t, float64[n]; NaN at the last h rows and beside holes."""
    ahead = np.full(variance.shape, np.nan)
    ahead[:-horizon] = trailing_mean(variance, horizon)[horizon:]
    return ahead


def trailing_mean(variance: FloatArray, n_rows: int) -> FloatArray:
    """Mean of the last n rows; NaN where fewer than 90 % of them are realised above zero."""
    known = np.where(variance > 0.0, variance, np.nan)
    padded = np.concatenate([np.full(n_rows, np.nan), known])
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_rows)[1:]
    count = np.isfinite(windows).sum(axis=1)
    enough = count >= max(1.0, MIN_COVERAGE * n_rows)
    return np.where(enough, np.nansum(windows, axis=1) / np.maximum(count, 1), np.nan)


def last_trailing_mean(variance: FloatArray, n_rows: int) -> float:
    """`trailing_mean` of the last row alone; NaN where it is not known."""
    return float(trailing_mean(variance[-n_rows:], n_rows)[-1]) if len(variance) else np.nan
