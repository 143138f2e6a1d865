# SPDX-License-Identifier: Apache-2.0
"""Bayesian online change-point detection of a Gaussian series of unknown mean and variance.

The run length r is the time since the last change. With a constant hazard H, predictive density
pi_r (Student t of a normal-gamma posterior) and joint weights w_r,

    growth  w'_{r+1} = w_r pi_r (1 - H),    change  w'_0 = sum_r w_r pi_r H.

Source: Adams and MacKay (2007), algorithm 1; Murphy (2007), eqs. 85-100 for the posterior.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]


class ChangePointPrior(msgspec.Struct, frozen=True):
    """Hazard per row, and the normal-gamma prior in units of the standardised series."""

    hazard: float = 1.0 / 200.0
    mean: float = 0.0
    strength: float = 0.1
    shape: float = 1.0
    scale: float = 1.0
    runs_kept: int = 400

    def __post_init__(self) -> None:
        positive = (self.strength, self.shape, self.scale)
        if not 0.0 < self.hazard < 1.0 or min(positive) <= 0.0 or self.runs_kept < 2:
            raise InputError(
                "change point", "prior", "expected hazard in (0, 1), the rest above zero"
            )


def recent_change(values: FloatArray, prior: ChangePointPrior, within: int) -> FloatArray:
    """P(the last change lies fewer than `within` rows back | rows so far), float64[n].

    A NaN row says nothing: runs grow by the hazard alone. Runs longer than `runs_kept` are held
    there together. Args: `values` float64[n], roughly standardised; `within` >= 1.
    """
    if within < 1 or values.ndim != 1 or np.any(np.isinf(values)):
        raise InputError("change point", "values, within", "expected finite or NaN rows, >= 1")
    weights = np.ones(1)
    state = _start(prior, 1)
    alarm = np.empty(values.size)
    for t, value in enumerate(values.tolist()):
        seen = value == value
        density = _student(value, state) if seen else np.ones(weights.size)
        grown = weights * density
        change = prior.hazard * float(grown.sum())
        weights = np.concatenate([[change], (1.0 - prior.hazard) * grown])
        weights /= weights.sum()
        state = _grown(value, state, prior) if seen else _shifted(state, prior)
        weights, state = _kept(weights, state, prior.runs_kept)
        alarm[t] = float(weights[:within].sum())
    return alarm


def _start(prior: ChangePointPrior, count: int) -> FloatArray:
    """Rows mean, strength, shape, scale of the prior, float64[4, count]."""
    each = np.array([prior.mean, prior.strength, prior.shape, prior.scale])
    return np.repeat(each[:, None], count, axis=1)


def _student(value: float, state: FloatArray) -> FloatArray:
    """Predictive density of a value under each run: t with 2 shape degrees of freedom."""
    mean, strength, shape, scale = state
    square = scale * (strength + 1.0) / (shape * strength)
    freedom = 2.0 * shape
    constant = gammaln((freedom + 1.0) / 2.0) - gammaln(freedom / 2.0)
    log_density = (
        constant
        - 0.5 * np.log(freedom * np.pi * square)
        - (freedom + 1.0) / 2.0 * np.log1p((value - mean) ** 2 / (freedom * square))
    )
    return np.asarray(np.exp(np.maximum(log_density, -600.0)))


def _grown(value: float, state: FloatArray, prior: ChangePointPrior) -> FloatArray:
    """Posteriors after the value, with the prior in front for a run that starts now."""
    mean, strength, shape, scale = state
    updated = np.stack(
        [
            (strength * mean + value) / (strength + 1.0),
            strength + 1.0,
            shape + 0.5,
            scale + strength * (value - mean) ** 2 / (2.0 * (strength + 1.0)),
        ]
    )
    return np.concatenate([_start(prior, 1), updated], axis=1)


def _shifted(state: FloatArray, prior: ChangePointPrior) -> FloatArray:
    return np.concatenate([_start(prior, 1), state], axis=1)


def _kept(weights: FloatArray, state: FloatArray, runs_kept: int) -> tuple[FloatArray, FloatArray]:
    """The shortest runs; the weight of the longer joins the last of them."""
    if weights.size <= runs_kept:
        return weights, state
    joined = weights[:runs_kept].copy()
    joined[-1] += weights[runs_kept:].sum()
    return joined, np.concatenate([state[:, : runs_kept - 1], state[:, -1:]], axis=1)
