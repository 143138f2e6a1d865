# SPDX-License-Identifier: Apache-2.0
"""Where a quantity may lie over a cell: an affine part and what is left, for many cells at once.

    f(x) in centre + sum_j slopes_j e_j + [low, high]          |e_j| <= 1 over the cell

with e_j a variable's distance from the middle of the cell over half the cell's width. Sums keep
what cancels between their terms, which intervals of the terms would lose (affine arithmetic: de
Figueiredo and Stolfi 2004). `low` and `high` are apart, so that a concave function, which lies
above its chord, keeps its lower bound exact at the corners. Rounding of floats is not in it; who
uses a bound takes its allowance off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

# Variables of a coin: ratios of its price, of the venue's marks to its index, and of its vols.
PRICE, SPREAD, VOL = range(3)
VARIABLES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Enclosure:
    """`centre`, `low` <= 0 <= `high` of one shape and `slopes` [3, shape]."""

    centre: FloatArray
    slopes: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def constant(cls, value: ArrayLike) -> Enclosure:
        """A figure that does not move."""
        centre = np.asarray(value, dtype=float)
        zero = np.zeros_like(centre)
        return cls(centre, np.zeros((VARIABLES, *centre.shape)), zero, zero)

    @property
    def reach(self) -> FloatArray:
        """How far the affine part goes from the centre."""
        return np.asarray(np.abs(self.slopes).sum(axis=0))

    @property
    def lower(self) -> FloatArray:
        """Never above the quantity."""
        return self.centre - self.reach + self.low

    @property
    def upper(self) -> FloatArray:
        """Never below the quantity."""
        return self.centre + self.reach + self.high

    def column(self) -> Enclosure:
        """The same with an axis behind, along which many scenarios may stand."""
        return Enclosure(
            self.centre[..., None],
            self.slopes[..., None],
            self.low[..., None],
            self.high[..., None],
        )

    def row(self) -> Enclosure:
        """The same with an axis in front, along which expiries may stand."""
        return Enclosure(self.centre[None], self.slopes[:, None], self.low[None], self.high[None])

    def at(self, place: object) -> Enclosure:
        """A part of it, by an index of its shape."""
        index = place if isinstance(place, tuple) else (place,)
        return Enclosure(
            self.centre[index],
            self.slopes[(slice(None), *index)],
            self.low[index],
            self.high[index],
        )

    def __add__(self, other: Enclosure) -> Enclosure:
        return Enclosure(
            self.centre + other.centre,
            self.slopes + other.slopes,
            self.low + other.low,
            self.high + other.high,
        )

    def __sub__(self, other: Enclosure) -> Enclosure:
        return self + other.times(-1.0)

    def plus(self, value: ArrayLike) -> Enclosure:
        """A known figure more."""
        by = np.asarray(value, dtype=float)
        still = np.zeros_like(by)
        return Enclosure(self.centre + by, self.slopes + still, self.low + still, self.high + still)

    def times(self, factor: ArrayLike) -> Enclosure:
        """Times a known factor of either sign."""
        by = np.asarray(factor, dtype=float)
        ends = self.low * by, self.high * by
        return Enclosure(self.centre * by, self.slopes * by, np.minimum(*ends), np.maximum(*ends))

    def widened(self, low: ArrayLike, high: ArrayLike) -> Enclosure:
        """With more left over, `low` <= 0 <= `high`."""
        more, most = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
        return Enclosure(self.centre, self.slopes, self.low + more, self.high + most)

    def over(self, axis: int) -> Enclosure:
        """Summed over an axis of its shape."""
        return Enclosure(
            self.centre.sum(axis=axis),
            self.slopes.sum(axis=axis if axis < 0 else axis + 1),
            self.low.sum(axis=axis),
            self.high.sum(axis=axis),
        )


def variable(low: FloatArray, high: FloatArray, number: int) -> Enclosure:
    """One variable between its ends in each cell, [B]."""
    made = Enclosure.constant(0.5 * (low + high))
    made.slopes[number] = 0.5 * (high - low)
    return made


def product(x: Enclosure, y: Enclosure) -> Enclosure:
    """x y, whose product of moves is left over.

    With x = x0 + p + a and y = y0 + r + b, p and r the affine moves, a and b what is left:
    x y = x0 y0 + (x0 r + y0 p) + {p r + x0 b + y0 a + p b + a r + a b}.
    """
    slopes = x.centre * y.slopes + y.centre * x.slopes
    first, second = x.times(y.centre), y.times(x.centre)
    x_most, y_most = np.maximum(-x.low, x.high), np.maximum(-y.low, y.high)
    mixed = x.reach * y.reach + x.reach * y_most + x_most * y.reach + x_most * y_most
    return Enclosure(
        x.centre * y.centre,
        slopes,
        first.low + second.low - mixed,
        first.high + second.high + mixed,
    )


def kinked(x: Enclosure, kink: ArrayLike, below: ArrayLike, above: ArrayLike) -> Enclosure:
    """below min(x - kink, 0) + above max(x - kink, 0), by its chord where x spans the kink."""
    kink, below, above = (np.asarray(each, dtype=float) for each in (kink, below, above))
    lowest, highest = x.lower - kink, x.upper - kink
    left, right = below * np.minimum(lowest, 0.0), above * np.maximum(highest, 0.0)
    spans = (lowest < 0.0) & (highest > 0.0)
    width = np.where(spans, highest - lowest, 1.0)
    side = np.where(highest <= 0.0, below, above)
    slope = np.where(spans, (right - left) / width, side)
    intercept = np.where(spans, left - slope * lowest, 0.0)
    line = x.plus(-kink).times(slope).plus(intercept)
    # At the kink itself the function is 0 and the chord is the intercept.
    return line.widened(np.minimum(-intercept, 0.0), np.maximum(-intercept, 0.0))


def least(x: Enclosure, y: Enclosure) -> Enclosure:
    """min(x, y) = y + min(x - y, 0)."""
    return y + kinked(x - y, 0.0, 1.0, 0.0)


def reciprocal(x: Enclosure) -> Enclosure:
    """1 / x of what is above 0 all over its cell: below its chord, above the parallel tangent."""
    low, high = x.lower, x.upper
    chord = 1.0 / low + 1.0 / high
    tangent = 2.0 / np.sqrt(low * high)
    line = x.times(-1.0 / (low * high)).plus(chord)
    return line.widened(np.minimum(tangent - chord, 0.0), 0.0)
