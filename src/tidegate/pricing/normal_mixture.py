# SPDX-License-Identifier: Apache-2.0
"""Mixtures of normal laws: what a log return is, given how many jumps there were."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from tidegate.pricing import black76
from tidegate.pricing.arrays import FloatArray, as_row
from tidegate.pricing.cos_method import LOG_PRICE_MAX, in_blocks

Curve = Callable[[FloatArray], FloatArray]

_WHERE = "normal mixture"
_TINY = float(np.finfo(np.float64).tiny)
# Beyond so many deviations the density is 0 in float64, and their square may overflow.
_FAR = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class NormalMixture:
    """A mixture of normal laws of X = ln(F_T / F): weights, means and variances of shape (m,)."""

    weights: FloatArray
    means: FloatArray
    variances: FloatArray

    @property
    def rounding(self) -> float:
        """None, for all of the terms are positive: a small probability has all of its digits."""
        return 0.0

    def density(self, log_return: FloatArray) -> FloatArray:
        """Density per unit of log return: the weighted mean of normal ones.

        Args, Raises, Source: as `cumulative`. Returns: shape (n,), >= 0.
        """
        scale = np.sqrt(2.0 * np.pi * self.variances)

        def bell(z: FloatArray) -> FloatArray:
            return np.asarray(np.exp(-0.5 * np.minimum(np.abs(z), _FAR) ** 2) / scale)

        return self._mixed(bell, log_return)

    def cumulative(self, log_return: FloatArray) -> FloatArray:
        """P(X <= x): the weighted mean of normal probabilities.

        Args: log return x, shape (n,). Returns: shape (n,), within [0, 1]; NaN where x is missing.
        Raises: `InputError` for what is no row of numbers. Source: Merton (1976).
        """
        return np.minimum(self._mixed(ndtr, log_return), 1.0)

    def cumulative_and_density(self, log_return: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, as an inversion wants them.

        Args, Raises, Source: as `cumulative`. Returns: two arrays of shape (n,).
        """
        return self.cumulative(log_return), self.density(log_return)

    def out_of_the_money(self, log_strike: FloatArray) -> FloatArray:
        """The mean of Black-76 prices, each on the forward that its number of jumps leads to.

        Args: log strikes k = ln(K / F), shape (n,). Returns: the put for k <= 0 and the call for
        k > 0, per unit of forward; NaN where |k| is over 230 or k is missing.
        Raises: `InputError` for what is no row of numbers. Source: Merton (1976).
        """
        points = as_row("log_strike", log_strike, _WHERE)
        points = np.where(np.abs(points) <= LOG_PRICE_MAX, points, np.nan)
        # A forward of exp(-230) is as good as none, and it is still a number.
        forwards = np.exp(np.maximum(self.means + 0.5 * self.variances, -LOG_PRICE_MAX))
        vols = np.sqrt(self.variances)

        def prices(part: FloatArray) -> FloatArray:
            strikes, is_call = np.exp(part)[:, None], part[:, None] > 0
            return np.asarray(black76.price(forwards, strikes, 1.0, vols, is_call) @ self.weights)

        return in_blocks(prices, points, self.weights.size)

    def _mixed(self, curve: Curve, log_return: FloatArray) -> FloatArray:
        points, deviations = as_row("log_return", log_return, _WHERE), np.sqrt(self.variances)

        def block(part: FloatArray) -> FloatArray:
            return np.asarray(curve((part[:, None] - self.means) / deviations) @ self.weights)

        return in_blocks(block, points, self.weights.size)


def jump_counts(least: float, most: float) -> FloatArray:
    """Numbers of jumps that matter for every Poisson mean m in [least, most].

    By Bernstein's inequality less than exp(-50) lies above m + 10 sqrt(m) + 40, and less than that
    below m - 10 sqrt(m).
    """
    low = math.floor(max(least - 10.0 * math.sqrt(least), 0.0))
    high = math.ceil(most + 10.0 * math.sqrt(most) + 40.0)
    return np.arange(low, high + 1, dtype=np.float64)


def poisson_weights(counts: FloatArray, mean: float) -> FloatArray:
    """Poisson weights of consecutive counts that hold all of the mass but exp(-50).

    Ratios of neighbours are exact where factorials are not, and the sum is known to be one.
    """
    if mean < _TINY:
        return np.where(counts == 0, 1.0, 0.0)
    logs = np.concatenate(([0.0], np.cumsum(np.log(mean / counts[1:]))))
    weights = np.exp(logs - np.max(logs))
    return np.asarray(weights / np.sum(weights))
