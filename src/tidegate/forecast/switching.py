# SPDX-License-Identifier: Apache-2.0
"""Two-state Markov switching of a Gaussian level, such as log realised variance.

x_t ~ N(mu_s, sigma_s^2) with s a Markov chain. The filter gives P(s_t = high | x_1..x_t), and the
parameters come from expectation and maximisation over the smoothed chain. Source: Hamilton (1989)
for the filter, Kim (1994) for the smoother, Hamilton (1990) for the maximisation.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 120
_ROUNDS = 60
_TOLERANCE = 1e-5
_STAY_MAX = 0.999
# A state may not shrink onto a few equal values: its deviation stays above this share of the whole.
_SPREAD_MIN = 0.1


class SwitchingModel(msgspec.Struct, frozen=True):
    """Means and deviations of the low and the high state, and the chance of staying in each."""

    mean: tuple[float, float]
    deviation: tuple[float, float]
    stay: tuple[float, float]
    log_likelihood: float

    @property
    def share_high(self) -> float:
        """Long-run share of time in the high state."""
        leave_low, leave_high = 1.0 - self.stay[0], 1.0 - self.stay[1]
        return leave_low / (leave_low + leave_high)


def filtered_high(values: FloatArray, model: SwitchingModel) -> FloatArray:
    """P(high at t | rows up to t), float64[n]; a NaN row only lets the chain move on."""
    return _filter(values, model)[0][:, 1]


def fit_switching(values: FloatArray) -> SwitchingModel:
    """Maximum likelihood by EM, started from the halves below and above the median.

    Args: `values` float64[n], finite, n >= 120, not constant. Raises: `InsufficientHistory`
    below 120 rows or without variation, `InputError`.
    """
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise InputError("switching model", "values", "expected finite rows")
    spread = float(values.std()) if values.size else 0.0
    if values.size < MIN_ROWS or spread <= 0.0:
        raise InsufficientHistory("switching model", "rows", f"expected {MIN_ROWS} that vary")
    high = values > np.median(values)
    model = SwitchingModel(
        (float(values[~high].mean()), float(values[high].mean())), (spread, spread), (0.95, 0.95), 0
    )
    before = -math.inf
    for _ in range(_ROUNDS):
        model, likelihood = _improve(values, model, _SPREAD_MIN * spread)
        if likelihood - before < _TOLERANCE * abs(likelihood):
            break
        before = likelihood
    return _ordered(model)


def _improve(
    values: FloatArray, model: SwitchingModel, floor: float
) -> tuple[SwitchingModel, float]:
    """One round of EM; the likelihood returned is that of the model given."""
    filtered, predicted, likelihood = _filter(values, model)
    smoothed, pairs = _smooth(filtered, predicted, model)
    weight = smoothed.sum(axis=0)
    mean = (smoothed * values[:, None]).sum(axis=0) / weight
    variance = (smoothed * (values[:, None] - mean) ** 2).sum(axis=0) / weight
    deviation = np.maximum(np.sqrt(variance), floor)
    stay = np.clip(np.diag(pairs) / pairs.sum(axis=1), 0.5, _STAY_MAX)
    return (
        SwitchingModel(
            (float(mean[0]), float(mean[1])),
            (float(deviation[0]), float(deviation[1])),
            (float(stay[0]), float(stay[1])),
            likelihood,
        ),
        likelihood,
    )


def _filter(values: FloatArray, model: SwitchingModel) -> tuple[FloatArray, FloatArray, float]:
    """Filtered and one-step predicted probabilities [n, 2], and the log likelihood."""
    density = _densities(values, model)
    stay_low, stay_high = model.stay
    high, likelihood = model.share_high, 0.0
    filtered, predicted = np.empty((2, len(values), 2))
    for t, (low_density, high_density) in enumerate(density.tolist()):
        if t:
            high = high * stay_high + (1.0 - high) * (1.0 - stay_low)
        predicted[t] = 1.0 - high, high
        both = (1.0 - high) * low_density + high * high_density
        high = high * high_density / both
        likelihood += math.log(both)
        filtered[t] = 1.0 - high, high
    return filtered, predicted, likelihood


def _densities(values: FloatArray, model: SwitchingModel) -> FloatArray:
    """Normal densities [n, 2], never quite zero so that one wild row cannot end the chain."""
    mean, deviation = np.array(model.mean), np.array(model.deviation)
    z = (values[:, None] - mean) / deviation
    density = np.exp(-0.5 * z**2) / (deviation * math.sqrt(2.0 * math.pi))
    return np.where(np.isfinite(z), np.maximum(density, 1e-12), 1.0)


def _smooth(
    filtered: FloatArray, predicted: FloatArray, model: SwitchingModel
) -> tuple[FloatArray, FloatArray]:
    """Smoothed probabilities [n, 2] and expected transitions [2, 2] from low, high."""
    stay_low, stay_high = model.stay
    smoothed = filtered.copy()
    known, ahead = filtered.tolist(), predicted.tolist()
    low, high = known[-1]
    ll = lh = hl = hh = 0.0
    for t in range(len(known) - 2, -1, -1):
        ratio_low, ratio_high = low / ahead[t + 1][0], high / ahead[t + 1][1]
        was_low, was_high = known[t]
        low_low, low_high = was_low * stay_low * ratio_low, was_low * (1 - stay_low) * ratio_high
        high_low = was_high * (1 - stay_high) * ratio_low
        high_high = was_high * stay_high * ratio_high
        ll, lh, hl, hh = ll + low_low, lh + low_high, hl + high_low, hh + high_high
        low, high = low_low + low_high, high_low + high_high
        smoothed[t] = low, high
    return smoothed, np.array([[ll, lh], [hl, hh]])


def _ordered(model: SwitchingModel) -> SwitchingModel:
    """The same model with the lower mean first."""
    if model.mean[0] <= model.mean[1]:
        return model
    return SwitchingModel(
        model.mean[::-1], model.deviation[::-1], model.stay[::-1], model.log_likelihood
    )
