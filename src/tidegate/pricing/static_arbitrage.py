# SPDX-License-Identifier: Apache-2.0
"""Looks for static arbitrage in a surface on a grid, whatever the surface promises.

A butterfly costs less than nothing where Durrleman's g < 0; a calendar spread does where the total
variance at one k = ln(K / F) falls with expiry (Gatheral and Jacquier 2014, lemmas 2.1 and 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import FloatArray, as_floats, as_positive, as_row, as_whole

_WHERE = "static arbitrage"
# Rounding may take this much off g, or off a total variance.
TOLERANCE = 1e-12
LOG_STRIKES, LOG_STRIKE_MAX = 300, 1.5
# Expiries looked at between two slices, and before the first.
BETWEEN = 3
BEYOND_LAST = 1.25


class Curves(Protocol):
    """Total variance and Durrleman's g at the points that were asked for."""

    @property
    def total_variance(self) -> Any:
        """w, of the shape of the points."""

    @property
    def durrleman(self) -> Any:
        """g, of the shape of the points."""


class HasSmiles(Protocol):
    """What can be looked at: a surface, or anything else with smiles at any k and expiry."""

    def smile(self, log_strike: FloatArray, expiry_years: FloatArray) -> Curves:
        """The curves at k = ln(K / F) and expiries in years, arrays of one shape."""
        ...


@dataclass(frozen=True, slots=True)
class ArbitrageReport:
    """What was found on the grid; a violation is a point beyond the tolerance, or not a number.

    Attributes:
        points: number of grid points; expiries: number of expiries.
        butterflies: points with g < -tolerance; calendars: points whose total variance is more
            than the tolerance below that of the expiry before.
        least_g: the smallest g; least_rise: the smallest rise of total variance (inf for a single
            expiry); both NaN if a point is not a number.
    """

    points: int
    expiries: int
    butterflies: int
    calendars: int
    least_g: float
    least_rise: float

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return self.butterflies == 0 and self.calendars == 0


def log_strikes(points: int = LOG_STRIKES, farthest: float = LOG_STRIKE_MAX) -> FloatArray:
    """Evenly spaced k = ln(K / F) over |k| <= farthest.

    Args: how many, at least 2; farthest, positive. Returns: shape (points,).
    Raises: `InputError` for anything else.
    """
    far = as_positive("farthest", farthest, _WHERE)
    return np.linspace(-far, far, as_whole("points", points, 2, _WHERE))


def expiries_between(expiry_years: FloatArray, between: int = BETWEEN) -> FloatArray:
    """The expiries, as many evenly spaced ones before the first and between each two of them as
    asked for, and one a quarter beyond the last; increasing.

    Args: expiry_years, increasing and positive, shape (m,); how many between.
    Returns: shape (m (between + 1) + 1,). Raises: `InputError` for anything else.
    Source: a grid of ours, which looks where a surface interpolates and extrapolates.
    """
    years = _increasing(expiry_years)
    between = as_whole("between", between, 0, _WHERE)
    starts = np.concatenate([np.zeros(1), years[:-1]])
    steps = np.arange(1, between + 1) / (between + 1)
    inner = starts[:, None] + np.outer(years - starts, steps)
    return np.concatenate([np.column_stack([inner, years]).reshape(-1), years[-1:] * BEYOND_LAST])


def _increasing(expiry_years: FloatArray) -> FloatArray:
    years = as_floats("expiry_years", expiry_years, _WHERE)
    good = years.ndim == 1 and years.size and np.all(np.diff(years, prepend=0.0) > 0.0)
    if not (good and np.isfinite(years[-1])):
        raise InputError(_WHERE, "expiry_years", "expected increasing positive years")
    return years


def check(
    surface: HasSmiles, expiry_years: FloatArray, log_strike: FloatArray | None = None
) -> ArbitrageReport:
    """Counts violations on the grid of all expiries and log-strikes.

    Butterfly: g(k, T) < -1e-12. Calendar: w(k, T') < w(k, T) - 1e-12 for successive T < T'.

    Args: a surface; expiries in years, increasing, shape (m,); log-strikes, by default 300 over
    |k| <= 1.5. Returns: `ArbitrageReport`. Raises: `InputError` for expiries that do not increase,
    log-strikes that are no row of finite numbers, and what has no smiles.
    Source: Durrleman (2003); Gatheral and Jacquier (2014).
    """
    if not hasattr(surface, "smile"):
        raise InputError(_WHERE, "surface", "expected something that has smiles")
    years = _increasing(expiry_years)
    k = log_strikes() if log_strike is None else as_row("log_strike", log_strike, _WHERE)
    if not (k.size and np.all(np.isfinite(k))):
        raise InputError(_WHERE, "log_strike", "expected finite log-strikes")
    grid_k, grid_t = (part.reshape(-1) for part in np.meshgrid(k, years))
    shape = (years.size, k.size)
    curves = surface.smile(grid_k, grid_t)
    g = np.asarray(curves.durrleman).reshape(shape)
    rise = np.diff(np.asarray(curves.total_variance).reshape(shape), axis=0)
    return ArbitrageReport(
        g.size,
        years.size,
        int(np.sum(~(g >= -TOLERANCE))),
        int(np.sum(~(rise >= -TOLERANCE))),
        float(g.min()),
        float(rise.min()) if rise.size else float("inf"),
    )
