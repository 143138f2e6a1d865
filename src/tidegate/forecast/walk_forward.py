# SPDX-License-Identifier: Apache-2.0
"""A model's forecasts at every row of a history, each made from the rows up to it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.model import Fitted, Model, VolatilityHistory
from tidegate.forecast.pooling import Weights, hedge, pooled_log
from tidegate.forecast.scoring import qlike
from tidegate.forecast.trailing import forward_mean
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

ERROR_ROWS, MIN_ERROR_ROWS = 250, 60


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Forecasts of the mean variance of the next h rows, float64[n]; NaN where refused.

    `variance` is the expectation, `log_median` and `standard_error_log` describe its logarithm.
    """

    model: str
    horizon: int
    variance: FloatArray
    log_median: FloatArray
    standard_error_log: FloatArray


def walk(model: Model, history: VolatilityHistory, horizon: int, refit_every: int = 1) -> Walk:
    """Fit and forecast row by row.

    The model is shown nothing but a slice that ends with the row, so it cannot look ahead.

    Args: `refit_every` rows a fit is kept for, 1 to refit at each. Where a fit is refused, no row
    is forecast until the next one.
    """
    if refit_every < 1:
        raise InputError("walk-forward", "refit_every", f"expected >= 1, got {refit_every}")
    found = np.full((3, len(history)), np.nan)
    fitted: Fitted | None = None
    for row in range(len(history)):
        past = history.rows(0, row + 1)
        if row % refit_every == 0:
            fitted = _fit(model, past, horizon)
        if fitted is not None:
            found[:, row] = _predict(fitted, past)
    return Walk(model.name, horizon, *found)


def realised_after(history: VolatilityHistory, horizon: int) -> FloatArray:
    """What came: the mean variance of the next h rows, float64[n], NaN where not realised."""
    return forward_mean(history.measures.variance, horizon)


def _fit(model: Model, past: VolatilityHistory, horizon: int) -> Fitted | None:
    try:
        return model.fit(past, horizon)
    except InsufficientHistory:
        return None


def _predict(fitted: Fitted, past: VolatilityHistory) -> tuple[float, float, float]:
    try:
        found = fitted.predict(past)
    except InsufficientHistory:
        return np.nan, np.nan, np.nan
    return found.variance, found.log_median, found.standard_error_log


def pool(walks: Sequence[Walk], realised: FloatArray, name: str = "pool") -> tuple[Walk, Weights]:
    """The experts' forecasts pooled in log space, each row with the weights known at its time.

    The spread of the pool's logarithm is that of its own errors among the last 250 rows whose
    outcome is known, NaN below 60 of them.

    Args: walks of one horizon; `realised` float64[n], `realised_after` of the same history.
    """
    horizon = walks[0].horizon
    logs = np.log(np.column_stack([found.variance for found in walks]))
    losses = qlike(realised[:, None], np.exp(logs))
    weights = hedge(losses, delay=horizon)
    mean = pooled_log(logs, weights.weights)
    centre, spread = _own_errors(np.log(realised) - mean, horizon)
    return Walk(name, horizon, np.exp(mean), mean + centre, spread), weights


def _own_errors(errors: FloatArray, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation at each row of the last 250 errors known by then."""
    centre, spread = np.full((2, errors.size), np.nan)
    for row in range(errors.size):
        stop = max(0, row - horizon + 1)
        known = errors[max(0, stop - ERROR_ROWS) : stop]
        known = known[np.isfinite(known)]
        if known.size >= MIN_ERROR_ROWS:
            centre[row], spread[row] = known.mean(), known.std(ddof=1)
    return centre, spread
