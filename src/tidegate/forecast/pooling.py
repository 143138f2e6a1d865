# SPDX-License-Identifier: Apache-2.0
"""One forecast from many: a weighted mean of log variances, and a bound on what it can regret.

With x = log h, QLIKE is y e^{-x} + x + const and convex in x, so the loss of the pooled x is at
most the weighted mean of the experts' losses (Jensen); in h itself it is not convex for h > 2y.

Weights are AdaHedge's with a fixed share. Before round t, with eta_t = ln N / D_{t-1},

    v_t(i) = w_t(i) e^{-eta_t l_t(i)} / sum_j w_t(j) e^{-eta_t l_t(j)},
    w_{t+1}(i) = (1 - a) v_t(i) + a / N,   w_1(i) = 1 / N,

where D_t = sum_{s<=t} (<w_s, l_s> + ln sum_i w_s(i) e^{-eta_s l_s(i)} / eta_s) are the mixability
gaps, each >= 0, so that eta never rises; the first round with a gap is played at eta = infinity.
The losses need no cap: the rule is free of scale. An expert without a forecast is given the mean
loss of the others in that round, and so neither gains nor loses weight by its silence.

The bound. By v_t, each round's mix loss is l_t(k) + ln(v_t(k) / w_t(k)) / eta_t, and
ln v_t(k) <= ln w_{t+1}(k) - ln(1 - a). Summed by parts over T rounds, with 1 / eta_1 = 0 and
never falling, and ln w_t >= ln(a / N) from the second round on, every expert k has

    sum <w_t, l_t> - sum l_t(k) <= D_T + ln(N / a) / eta_T + ln(1 / (1 - a)) sum_t 1 / eta_t.

Where a loss is known only d rounds late, weights of d rounds before are used; what that costs is
sum <w_{t-d+1} - w_t, l_t>, which is counted exactly and added.

Source: de Rooij, van Erven, Grunwald and Koolen (2014) for AdaHedge; Herbster and Warmuth (1998)
for the share. The bound with both is derived above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

SHARE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of N experts over T rounds, float64[T, N], and the bookkeeping of their regret.

    `regret` and `bound` are float64[T], up to and with each round: the summed loss of the weights
    less that of the best expert, and what it cannot exceed. `late` is the part of both that comes
    from losses known late; 0 where they are known at once.
    """

    weights: FloatArray
    regret: FloatArray
    bound: FloatArray
    late: FloatArray


def hedge(losses: FloatArray, share: float = SHARE, delay: int = 1) -> Weights:
    """AdaHedge with fixed share over losses, each known `delay` rounds after it was played.

    Args: `losses` float64[T, N], NaN where an expert was silent; a round in which all were is no
    round and keeps the weights. `share` in (0, 1); `delay` >= 1, 1 for known before the next.
    Raises: `InputError`.
    """
    _check(losses, share, delay)
    rounds, n = losses.shape
    played, prompt = np.empty((2, rounds, n))
    sums = np.zeros((3, rounds))
    state = _State(n, share)
    best, lost, late = np.zeros(n), 0.0, 0.0
    for t in range(rounds):
        prompt[t] = state.weights
        played[t] = prompt[max(0, t - delay + 1)]
        filled = _filled(losses[t], prompt[t])
        if filled is not None:
            lost += float(prompt[t] @ filled)
            late += float(_awake(played[t], losses[t]) @ np.nan_to_num(losses[t]))
            late -= float(prompt[t] @ filled)
            best += filled
            state.update(filled)
        sums[:, t] = lost + late - best.min(), state.bound() + late, late
    return Weights(played, sums[0], sums[1], sums[2])


def pooled_log(log_forecasts: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean of the experts' log variances, float64[T]; NaN where all are silent.

    The weights of those who speak are scaled to sum to one.
    """
    spoken = np.isfinite(log_forecasts)
    awake = np.where(spoken, weights, 0.0)
    total = awake.sum(axis=1)
    mean = (awake * np.where(spoken, log_forecasts, 0.0)).sum(axis=1)
    return np.asarray(np.where(total > 0.0, mean / np.where(total > 0.0, total, 1.0), np.nan))


class _State:
    """Weights before a round, the summed gaps, and the two sums of 1 / eta in the bound."""

    def __init__(self, n: int, share: float) -> None:
        self.weights, self._share = np.full(n, 1.0 / n), share
        self._log_n, self._log_n_share = math.log(n), math.log(n / share)
        self._gap = self._slowness = self._last = 0.0

    def update(self, losses: FloatArray) -> None:
        """One round: 1 / eta is the gap so far over ln N, zero while there is none."""
        slow = self._gap / self._log_n if self._log_n > 0.0 else 0.0
        low = float(losses[self.weights > 0.0].min())
        if slow > 0.0:
            factors = self.weights * np.exp(-(losses - low) / slow)
            mix = low - slow * math.log(float(factors.sum()))
        else:
            factors = np.where(losses == low, self.weights, 0.0)
            mix = low
        self._gap += max(0.0, float(self.weights @ losses) - mix)
        self._slowness += slow
        self._last = slow
        shared = (1.0 - self._share) * factors / factors.sum()
        self.weights = shared + self._share / len(losses)

    def bound(self) -> float:
        """What the regret cannot exceed after the rounds so far."""
        opening = self._log_n_share * self._last
        return self._gap + opening - math.log(1.0 - self._share) * self._slowness


def _filled(losses: FloatArray, weights: FloatArray) -> FloatArray | None:
    """Losses with the others' mean in the place of the silent; None where all are."""
    spoken = np.isfinite(losses)
    if not spoken.any():
        return None
    mean = float(_awake(weights, losses) @ np.nan_to_num(losses))
    return np.where(spoken, losses, mean)


def _awake(weights: FloatArray, losses: FloatArray) -> FloatArray:
    """Weights of those who spoke, summing to one."""
    awake = np.where(np.isfinite(losses), weights, 0.0)
    return np.asarray(awake / awake.sum())


def _check(losses: FloatArray, share: float, delay: int) -> None:
    if losses.ndim != 2 or losses.shape[1] < 1 or np.any(np.isinf(losses)):
        raise InputError("pool", "losses", "expected finite rows of at least one expert, or NaN")
    if not 0.0 < share < 1.0:
        raise InputError("pool", "share", f"expected in (0, 1), got {share}")
    if delay < 1:
        raise InputError("pool", "delay", f"expected >= 1, got {delay}")
