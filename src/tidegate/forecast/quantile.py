# SPDX-License-Identifier: Apache-2.0
"""Linear quantile regression, by iteratively reweighted least squares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

_ITERATIONS = 60
# Residuals below this are treated as this large, so that the check loss has a slope at zero.
_SMALLEST = 1e-4
_RIDGE = 1e-6
# Coefficients that move by less between passes have arrived.
_SETTLED = 1e-4


def check_loss(errors: FloatArray, probability: float) -> float:
    """Mean of e (p - 1{e < 0}), which the p-quantile makes least; errors are y - forecast."""
    return float(np.mean(errors * (probability - (errors < 0.0))))


def quantile_regression(
    rows: FloatArray, target: FloatArray, probability: float, start: FloatArray | None = None
) -> FloatArray:
    """Coefficients b that make the check loss of target - rows b least, within 1e-4 of a unit.

    Each pass solves least squares with weights p / |e| above the line and (1 - p) / |e| below it,
    whose fixed point has the gradient of the check loss. A ridge of 1e-6 of the trace keeps rows
    that move together solvable.

    Args: `rows` float64[n, k], `target` float64[n], finite, n >= k; `probability` in (0, 1);
    `start` float64[k], coefficients near the answer, else those of least squares.
    Returns: float64[k]. Raises: `InputError`. Source: Koenker and Bassett (1978) for the loss,
    Hunter and Lange (2000) for the majorisation.
    """
    if not 0.0 < probability < 1.0:
        raise InputError("quantile regression", "probability", f"expected in (0, 1): {probability}")
    if rows.ndim != 2 or target.shape != rows.shape[:1] or rows.shape[0] < rows.shape[1]:
        raise InputError("quantile regression", "rows", "expected n rows of k <= n columns")
    if not (np.all(np.isfinite(rows)) and np.all(np.isfinite(target))):
        raise InputError("quantile regression", "rows", "expected finite numbers")
    coefficients = np.zeros(rows.shape[1]) if start is None else start
    weights = np.ones(target.size)
    if start is not None:
        weights = _weights(target - rows @ start, probability)
    for _ in range(_ITERATIONS):
        weighted = rows * weights[:, None]
        gram = weighted.T @ rows
        ridge = _RIDGE * float(np.trace(gram)) / rows.shape[1]
        moved = np.linalg.solve(gram + ridge * np.eye(rows.shape[1]), weighted.T @ target)
        change = float(np.abs(moved - coefficients).max())
        coefficients = moved
        if change < _SETTLED:
            break
        weights = _weights(target - rows @ coefficients, probability)
    return np.asarray(coefficients, dtype=np.float64)


def _weights(errors: FloatArray, probability: float) -> FloatArray:
    """p / |e| above the line, (1 - p) / |e| below it."""
    side = np.where(errors > 0.0, probability, 1.0 - probability)
    return np.asarray(side / np.maximum(np.abs(errors), _SMALLEST))
