# SPDX-License-Identifier: Apache-2.0
"""Regimes along a history as they would have been called at the time: fits on past rows alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.forecast.jump_model import fit_jump_model
from tidegate.forecast.stress_features import trailing_mean
from tidegate.forecast.switching import filtered_high, fit_switching

FloatArray = npt.NDArray[np.float64]

FIRST_ROWS = 250
REFIT_ROWS = 90
PENALTY = 20.0


def jump_states(log_variance: FloatArray, return_log: FloatArray) -> FloatArray:
    """State 0 (calm) or 1 (stressed) of each day from rows up to it, float64[n].

    Features: 7-day mean of log variance and of the return, standardised by the training rows.
    Refitted every 90 rows on all before; NaN for the first 250 known rows and beside holes.
    """
    columns = [trailing_mean(log_variance, 7), trailing_mean(return_log, 7)]

    def called(past: FloatArray, until: FloatArray) -> FloatArray:
        mean, spread = past.mean(axis=0), past.std(axis=0)
        spread = np.where(spread > 0.0, spread, 1.0)
        model = fit_jump_model((past - mean) / spread, PENALTY)
        return model.online((until - mean) / spread).astype(np.float64)

    return _walk(np.column_stack(columns), called)


def switching_probability(log_variance: FloatArray) -> FloatArray:
    """P(high-variance state | rows up to each), refitted every 90 rows, float64[n]."""

    def called(past: FloatArray, until: FloatArray) -> FloatArray:
        return filtered_high(until[:, 0], fit_switching(past[:, 0]))

    return _walk(log_variance[:, None], called)


def _walk(rows: FloatArray, called: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
    """Known rows in chunks, each called by a fit on the rows before the chunk."""
    found = np.full(len(rows), np.nan)
    known = np.flatnonzero(np.all(np.isfinite(rows), axis=1))
    for first in range(FIRST_ROWS, known.size, REFIT_ROWS):
        stop = min(first + REFIT_ROWS, known.size)
        found[known[first:stop]] = called(rows[known[:first]], rows[known[:stop]])[first:]
    return found
