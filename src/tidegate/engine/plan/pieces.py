# SPDX-License-Identifier: Apache-2.0
"""Convex pieces in the sizes traded: points that a maximum is taken over, and functions that add.

A sum of maxima is one point per combination while these are few; else, of a maximum of rows r_j,

    max_j r_j(d) <= r_0(d) + sum_j max(0, r_j(d) - r_0(d))

which is exact for two rows and a bound from above for more. Source: Boyd and Vandenberghe (2004),
section 3.2.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

COMBINATIONS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """An affine function slopes'd + constant; slopes (n)."""

    slopes: FloatArray
    constant: float

    def plus(self, other: Row) -> Row:
        """The sum of both."""
        return Row(self.slopes + other.slopes, self.constant + other.constant)

    def minus(self, other: Row) -> Row:
        """This less the other."""
        return Row(self.slopes - other.slopes, self.constant - other.constant)

    def times(self, factor: float) -> Row:
        """The row multiplied."""
        return Row(self.slopes * factor, self.constant * factor)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """weight max_j (slopes_j net'd - offsets_j), weight >= 0; net (n), slopes and offsets (J)."""

    net: FloatArray
    slopes: FloatArray
    offsets: FloatArray
    weight: float

    def at(self, traded: FloatArray) -> float:
        """Its value for sizes traded."""
        return self.weight * float((self.slopes * (self.net @ traded) - self.offsets).max())

    def times(self, factor: float) -> Function:
        """The function weighted by a factor >= 0."""
        return Function(self.net, self.slopes, self.offsets, self.weight * factor)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """max over `rows` plus the functions of each row plus those of `always`."""

    rows: tuple[tuple[Row, tuple[Function, ...]], ...]
    always: tuple[Function, ...]

    def at(self, traded: FloatArray) -> float:
        """Its value for sizes traded (n)."""
        found = [
            float(row.slopes @ traded) + row.constant + sum(f.at(traded) for f in functions)
            for row, functions in self.rows
        ]
        return max(found) + sum(f.at(traded) for f in self.always)


def hinge(net: Row, slopes: Sequence[float], bends: Sequence[float]) -> Function:
    """max_j (slope_j net - bend_j) as a function of the sizes traded."""
    each = np.asarray(slopes, dtype=float)
    offsets = np.asarray(bends, dtype=float) - each * net.constant
    return Function(net.slopes, each, offsets, 1.0)


def summed(maxima: Iterable[Sequence[Row]], size: int) -> list[tuple[Row, tuple[Function, ...]]]:
    """A sum of maxima over rows as points; see the module's head."""
    nothing = Row(np.zeros(size), 0.0)
    fixed, open_maxima, functions = nothing, [], []
    for rows in maxima:
        if len(rows) == 1:
            fixed = fixed.plus(rows[0])
        else:
            open_maxima.append(rows)
    count = 1
    several: list[Sequence[Row]] = []
    for rows in open_maxima:
        if count * len(rows) <= COMBINATIONS:
            count *= len(rows)
            several.append(rows)
            continue
        fixed = fixed.plus(rows[0])
        functions += [hinge(row.minus(rows[0]), (0.0, 1.0), (0.0, 0.0)) for row in rows[1:]]
    points = []
    for chosen in product(*several):
        total = fixed
        for row in chosen:
            total = total.plus(row)
        points.append((total, tuple(functions)))
    return points
