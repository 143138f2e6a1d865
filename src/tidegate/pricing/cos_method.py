# SPDX-License-Identifier: Apache-2.0
"""Densities, prices and quantiles from a characteristic function, by series of proven error.

On [a, b] the density of X = ln(F_T / F) is a cosine series whose coefficients are values of its
characteristic function (Fang, Oosterlee 2008). Two things are cut off, and both are bounded before
anything is summed, because a range from the first four cumulants alone can misprice badly (Junike,
Pankrashkin 2022):

- The range. The coefficients are those of X reflected at a and b into the range, so a payoff within
  [0, K] is wrong by at most K P(X outside). The range is where Chernoff's bound, on the whole
  cumulant generating function, puts less than 1e-17 on either side.
- The terms. |phi(u)| <= exp(-v u^2 / 2) with v the diffusion's variance, and the payoff's
  coefficient at frequency u is at most K / u, since it is monotone. The terms from N on are then
  below K E1(c (N - 1)^2) / pi, c = v pi^2 / (2 (b - a)^2). N is the first for which that is below
  1e-17 (Junike 2024 has another such bound); a law that needs more than 2^18 terms is refused.

What remains is rounding: about 1e-15 of K in a price, and 4e-16 more for each jump that is expected
by the expiry; 1e-16 sqrt(N) in a probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import as_row

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
Waves = tuple[FloatArray, FloatArray]

_WHERE = "cosine series"
NEGLECTED_MAX = 1e-17
# A strike or a forward further than this from the forward is not an option's (`black76`).
LOG_PRICE_MAX = 230.0
TERMS_MAX = 2**18
# Elements of one block of points by terms: 8 MiB of float64.
BLOCK_ELEMENTS = 2**20
# Halving a bracket of float64 this often leaves nothing of it.
STEPS_MAX = 80
# How many orders of moments are tried for Chernoff's bound, and the least of them.
ORDERS, ORDER_MIN = 512, 1e-3


class ReturnLaw(Protocol):
    """The law of X = ln(F_T / F), as far as the cosine series has to know it."""

    def characteristic(self, frequency: FloatArray, expiry_years: float) -> ComplexArray:
        """E exp(i u X) at real frequencies u of any shape."""

    def log_moment(self, order: FloatArray, expiry_years: float) -> FloatArray:
        """ln E exp(s X) at real orders s of any shape, infinite where there is no such moment."""

    def diffusion_variance(self, expiry_years: float) -> float:
        """v > 0 with |E exp(i u X)| <= exp(-v u^2 / 2) for every u."""


class LawAtExpiry(Protocol):
    """The law of X at one expiry, at points of shape (n,)."""

    @property
    def rounding(self) -> float:
        """How far rounding may move a probability."""

    def density(self, log_return: FloatArray) -> FloatArray:
        """Density per unit of log return."""

    def cumulative(self, log_return: FloatArray) -> FloatArray:
        """P(X <= x)."""

    def cumulative_and_density(self, log_return: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at once."""

    def out_of_the_money(self, log_strike: FloatArray) -> FloatArray:
        """The put for k <= 0 and the call for k > 0, per unit of forward."""


@dataclass(frozen=True, slots=True, eq=False)
class CosineSeries:
    """One law at one expiry: X lies in [low, high] but for 2e-17, where its density is the sum of
    weights[k] cos(frequencies[k] (x - low))."""

    low: float
    high: float
    frequencies: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, law: ReturnLaw, expiry_years: float) -> CosineSeries:
        """The series of a law at an expiry > 0 in years.

        Weights are 2 / (b - a) Re(phi(u_k) exp(-i u_k a)), u_k = k pi / (b - a), the first halved.
        Args: a `ReturnLaw`; T in years. Returns: `CosineSeries`.
        Raises: `InputError` where the series would need more than 2^18 terms.
        Source: Fang, Oosterlee 2008, A Novel Pricing Method for European Options Based on
        Fourier-Cosine Series Expansions.
        """
        if not hasattr(law, "diffusion_variance"):
            raise InputError(_WHERE, "law", "expected a law of the log return")
        low, high = support(law, expiry_years, math.log(NEGLECTED_MAX))
        terms = _terms_needed(law, expiry_years, high - low)
        frequencies = np.arange(terms, dtype=np.float64) * (np.pi / (high - low))
        phase = np.exp(-1j * frequencies * low)
        values = law.characteristic(frequencies, expiry_years) * phase
        weights = np.ascontiguousarray(values.real) * (2.0 / (high - low))
        weights[0] *= 0.5
        return cls(low, high, frequencies, weights)

    @property
    def rounding(self) -> float:
        """How far rounding may move a probability: its digits are not worth a further step."""
        return float(np.finfo(np.float64).eps) * math.sqrt(self.weights.size)

    def density(self, log_return: FloatArray) -> FloatArray:
        """Density per unit of log return, the series itself; zero outside the range.

        Args, Raises, Source: as `cumulative`. Returns: shape (n,), >= 0.
        """
        points = as_row("log_return", log_return, _WHERE)
        outside = (points < self.low) | (points > self.high)
        return np.where(outside, 0.0, self.cumulative_and_density(points)[1])

    def cumulative(self, log_return: FloatArray) -> FloatArray:
        """P(X <= x), the series integrated term by term.

        Args: log return x, shape (n,). Returns: shape (n,), held within [0, 1]; error about
        `rounding`. Raises: `InputError` for what is no row of numbers. Source: as `of`.
        """
        return self.cumulative_and_density(log_return)[0]

    def cumulative_and_density(self, log_return: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both for the price of one, as an inversion wants them.

        Args, Raises, Source: as `cumulative`. Returns: two arrays of shape (n,).
        """
        held = np.clip(as_row("log_return", log_return, _WHERE), self.low, self.high)
        both = self._summed(self._both_block, held)
        return np.clip(both[:, 0], 0.0, 1.0), np.maximum(both[:, 1], 0.0)

    def put(self, log_strike: FloatArray) -> FloatArray:
        """E (exp(k) - exp(X))+, the value of a put per unit of forward.

        With y = k - a the payoff's coefficient is
        exp(k) (sin(u y) / u - cos(u y) + exp(-y)) / (1 + u^2).
        Args: log strikes k = ln(K / F), shape (n,). Source: as `of`.
        Returns: between intrinsic value and exp(k); absolute error about 1e-15 exp(k); NaN where
        |k| is over 230 or k is missing. Raises: `InputError` for what is no row of numbers.
        """
        log_strike = as_row("log_strike", log_strike, _WHERE)
        log_strike = np.where(np.abs(log_strike) <= LOG_PRICE_MAX, log_strike, np.nan)
        held = np.clip(log_strike, self.low, self.high)
        strike = np.exp(log_strike)
        # Beyond the range a put gains what its strike gains, for all of X lies below.
        values = self._summed(self._put_block, held) + (strike - np.exp(held))
        return np.asarray(np.clip(values, np.maximum(strike - 1.0, 0.0), strike))

    def out_of_the_money(self, log_strike: FloatArray) -> FloatArray:
        """The put for k <= 0 and the call for k > 0, which is put + 1 - exp(k), per forward.

        Args, Returns, Raises, Source: as `put`.
        """
        puts = self.put(log_strike)
        k = np.where(np.isnan(puts), np.nan, np.asarray(log_strike, dtype=np.float64))
        return np.where(k > 0, np.maximum(puts + 1.0 - np.exp(k), 0.0), puts)

    def _summed(self, block: Callable[[FloatArray], FloatArray], points: FloatArray) -> FloatArray:
        return in_blocks(block, points, self.weights.size)

    def _both_block(self, points: FloatArray) -> FloatArray:
        waves = self._waves(points)
        sines = self._sines(waves, self._integrated(self.weights))
        cumulative = sines + self.weights[0] * (points - self.low)
        return np.stack((cumulative, self._cosines(waves, self.weights)), axis=1)

    def _put_block(self, points: FloatArray) -> FloatArray:
        """The constant stands apart: in a narrow range its parts are large and nearly cancel."""
        damped = self.weights / (1.0 + self.frequencies**2)
        constant, damped[0] = damped[0], 0.0
        waves, depth = self._waves(points), points - self.low
        waving = self._sines(waves, self._integrated(damped)) - self._cosines(waves, damped)
        level = np.exp(-depth) * np.sum(damped) + constant * (depth + np.expm1(-depth))
        return np.asarray(np.exp(points) * (waving + level))

    def _integrated(self, weights: FloatArray) -> FloatArray:
        """Weights over frequencies, without the constant, which integrates to a line."""
        return np.concatenate(([0.0], weights[1:] / self.frequencies[1:]))

    def _waves(self, points: FloatArray) -> Waves:
        """Cosine and sine of u x, points by frequencies.

        The angle u (x - a) is never formed: x - a would round x to the scale of a, and where the
        diffusion is narrow the density is steep on that scale. Whole turns are taken off first,
        since large angles are slow.
        """
        turns = np.multiply.outer(points, self.frequencies / (2.0 * np.pi))
        turns -= np.rint(turns)
        turns *= 2.0 * np.pi
        return np.cos(turns), np.sin(turns)

    def _cosines(self, waves: Waves, weights: FloatArray) -> FloatArray:
        """Sum of weights[k] cos(u_k (x - a))."""
        cosine, sine = waves
        start = self.frequencies * self.low
        return np.asarray(cosine @ (weights * np.cos(start)) + sine @ (weights * np.sin(start)))

    def _sines(self, waves: Waves, weights: FloatArray) -> FloatArray:
        """Sum of weights[k] sin(u_k (x - a))."""
        cosine, sine = waves
        start = self.frequencies * self.low
        return np.asarray(sine @ (weights * np.cos(start)) - cosine @ (weights * np.sin(start)))


def in_blocks(
    block: Callable[[FloatArray], FloatArray], points: FloatArray, terms: int
) -> FloatArray:
    """A function of points that sums over terms, in blocks, so that memory stays bounded."""
    size = max(1, BLOCK_ELEMENTS // terms)
    starts = range(0, points.size, size)
    parts = [block(points[start : start + size]) for start in starts]
    return np.concatenate(parts) if parts else block(points)


def support(law: ReturnLaw, expiry_years: float, log_tail: float) -> tuple[float, float]:
    """A range outside of which X lies with probability at most exp(log_tail) on either side.

    P(X >= b) <= E exp(s X) exp(-s b) for any s > 0, so b = (ln E exp(s X) - log_tail) / s will do;
    the least b over a grid of s is taken, and likewise the greatest a over -s.
    Args: log_tail < 0. Returns: (a, b) in log return.
    Source: Chernoff 1952; Junike, Pankrashkin 2022 for the COS method's range by Markov's bound.
    """
    # Without jumps sqrt(-2 log_tail / v) would be the best order; jumps only lower it.
    highest = 2.0 * math.sqrt(-2.0 * log_tail / law.diffusion_variance(expiry_years))
    orders = np.geomspace(min(ORDER_MIN, 1e-3 * highest), highest, ORDERS)
    above = (law.log_moment(orders, expiry_years) - log_tail) / orders
    below = (law.log_moment(-orders, expiry_years) - log_tail) / orders
    return -float(np.min(below)), float(np.min(above))


def _terms_needed(law: ReturnLaw, expiry_years: float, width: float) -> int:
    # c (N - 1)^2 = 36, and E1(36) / pi is 2e-18.
    terms = 1.0 + width / math.pi * math.sqrt(72.0 / law.diffusion_variance(expiry_years))
    if terms > TERMS_MAX:
        raise InputError(
            f"{type(law).__name__} law",
            "vol_annual",
            f"expected a diffusion wide enough for {TERMS_MAX} cosine terms over {width:.3g} "
            f"of log return, at an expiry of {expiry_years:.3g} years",
        )
    return math.ceil(terms)


def inverted(
    law: LawAtExpiry, probability: FloatArray, nodes: FloatArray, close: float
) -> FloatArray:
    """The x with P(X <= x) = probability, by Newton's steps within brackets.

    They start from a cubic through a table of the law at the nodes, and end with a step below
    `close` or a miss within the law's rounding. A step that leaves its bracket halves it.
    Args: probability of shape (n,), nodes ascending, from below the least to above the greatest
    answer, close in log return. Returns: log returns of shape (n,).
    """
    cumulative, density = law.cumulative_and_density(nodes)
    table = np.maximum.accumulate(cumulative)
    above = np.clip(np.searchsorted(table, probability), 1, nodes.size - 1)
    low, high = nodes[above - 1], nodes[above]
    points = _interpolated(probability, above, (nodes, table, density))
    left = np.arange(points.size)
    for _ in range(STEPS_MAX):
        if not left.size:
            break
        here = points[left]
        reached, slope = law.cumulative_and_density(here)
        miss = reached - probability[left]
        low[left] = np.where(miss <= 0, here, low[left])
        high[left] = np.where(miss >= 0, here, high[left])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = here - miss / slope
        points[left] = _within(newton, low[left], high[left])
        left = left[(np.abs(points[left] - here) > close) & (np.abs(miss) > law.rounding)]
    return points


def _interpolated(
    probability: FloatArray,
    above: npt.NDArray[np.intp],
    table: tuple[FloatArray, FloatArray, FloatArray],
) -> FloatArray:
    """Hermite's cubic for x as a function of its probability, from nodes, P and density there."""
    nodes, share, density = table
    x0, x1, p0 = nodes[above - 1], nodes[above], share[above - 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rise = share[above] - p0
        s = (probability - p0) / rise
        bend0 = rise / density[above - 1] - (x1 - x0)
        bend1 = rise / density[above] - (x1 - x0)
        cubic = x0 + s * (x1 - x0) + s * (1.0 - s) * ((1.0 - s) * bend0 - s * bend1)
    return _within(cubic, x0, x1)


def _within(points: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The points where they lie in their brackets, and else the middle of those."""
    return np.where((points >= low) & (points <= high), points, 0.5 * (low + high))
