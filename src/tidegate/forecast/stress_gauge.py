# SPDX-License-Identifier: Apache-2.0
"""A gauge of stress between 0 and 1, and the only thing it may do: widen buffers, lower limits.

The gauge is the past rank of a ridge logistic probability of the event, refitted on rows whose
label is settled. It says nothing of direction, and with `GaugeScaling()` as shipped it changes
nothing: it is switched on only where `buffer_value` showed that it pays.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tidegate.forecast.stress_features import past_rank
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

_NEWTON_STEPS = 30


class GaugeFit(msgspec.Struct, frozen=True):
    """First training rows, days between refits, ridge on standardised features."""

    first_rows: int = 400
    refit_days: int = 30
    ridge: float = 1.0

    def __post_init__(self) -> None:
        if self.first_rows < 60 or self.refit_days < 1 or not self.ridge > 0.0:
            raise InputError("gauge", "first_rows, refit_days, ridge", "expected >= 60, >= 1, > 0")


class GaugeScaling(msgspec.Struct, frozen=True):
    """How much the gauge may do: buffers times 1 + strength g, limits over the same. Off by
    default; off, or with an unknown gauge while off, both factors are 1."""

    strength: float = 0.0
    enabled: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 10.0:
            raise InputError("gauge scaling", "strength", f"expected 0 to 10, got {self.strength}")

    def buffer_factor(self, gauge: float) -> float:
        """At least 1. An unknown gauge, while switched on, is taken as full stress."""
        if not self.enabled:
            return 1.0
        level = gauge if np.isfinite(gauge) else 1.0
        if not 0.0 <= level <= 1.0:
            raise InputError("gauge scaling", "gauge", f"expected 0 to 1, got {gauge}")
        return 1.0 + self.strength * float(level)

    def limit_factor(self, gauge: float) -> float:
        """At most 1, above 0."""
        return 1.0 / self.buffer_factor(gauge)


def walk_forward_probability(
    features: FloatArray, labels: FloatArray, horizon_days: int, fit: GaugeFit
) -> FloatArray:
    """Probability of the event at each row from rows up to it, float64[n]; NaN where not known.

    `labels` float64[n] is 1, 0 or NaN, and row t settles `horizon_days` after t: rows later than
    t - horizon never train the forecast of t. A row with an unknown feature is refused. A set of
    training rows of one class alone gives that class's share, not a fit.

    Args: `features` float64[n, f]. Raises: `InputError`.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or horizon_days < 1:
        raise InputError("gauge", "labels, horizon_days", "expected one per row, at least 1")
    known = np.all(np.isfinite(features), axis=1)
    probability = np.full(labels.size, np.nan)
    model: tuple[FloatArray, FloatArray, FloatArray] | None = None
    for t in range(labels.size):
        if model is None or t % fit.refit_days == 0:
            settled = np.arange(labels.size) <= t - horizon_days
            used = settled & known & np.isfinite(labels)
            if used.sum() >= fit.first_rows:
                model = _fit(features[used], labels[used], fit.ridge)
        if model is not None and known[t]:
            mean, spread, coefficients = model
            row = np.clip((features[t] - mean) / spread, -5.0, 5.0)
            probability[t] = expit(coefficients[0] + row @ coefficients[1:])
    return probability


def gauge(probability: FloatArray) -> FloatArray:
    """Past rank of the probability, in (0, 1]: 0.9 is higher than 90 % of the days before."""
    return past_rank(probability)


def composite(columns: FloatArray, worse_when_high: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean of the past ranks of the features known at each row, with no fit at all, float64[n].

    Args: `columns` float64[n, f]; `worse_when_high` bool[f]. NaN where fewer than half are known.
    """
    if columns.ndim != 2 or worse_when_high.shape != columns.shape[1:]:
        raise InputError("composite", "worse_when_high", "expected one per column")
    signed = np.where(worse_when_high, columns, -columns)
    ranks = np.column_stack([past_rank(column) for column in signed.T])
    known = np.isfinite(ranks)
    count = known.sum(axis=1)
    mean = np.where(known, ranks, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(2 * count >= columns.shape[1], mean, np.nan)


def _fit(
    rows: FloatArray, labels: FloatArray, ridge: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, spread and coefficients of a ridge logistic regression by Newton's method."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)
    x = np.column_stack([np.ones(len(rows)), np.clip((rows - mean) / spread, -5.0, 5.0)])
    penalty = ridge * np.eye(x.shape[1])
    penalty[0, 0] = 1e-6
    share = float(np.clip(labels.mean(), 1e-4, 1.0 - 1e-4))
    coefficients = np.zeros(x.shape[1])
    coefficients[0] = np.log(share / (1.0 - share))
    for _ in range(_NEWTON_STEPS):
        p = expit(x @ coefficients)
        gradient = x.T @ (labels - p) - penalty @ coefficients
        hessian = (x * (p * (1.0 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(hessian, gradient)
        coefficients = coefficients + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return mean, spread, coefficients
