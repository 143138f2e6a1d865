# SPDX-License-Identifier: Apache-2.0
"""Where at-the-money implied volatility is likely to go: back toward its mean, and how far.

    x_{t+h} = m + phi^h (x_t - m) + e,   sd(e) = s sqrt((1 - phi^{2h}) / (1 - phi^2)),

with x the log of at-the-money volatility, fitted on a trailing window of the user's surface or
index. The edge is per vega, less the spread that the caller states; it has no capacity.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError
from tidegate.signals.edges import Edge, Loading

FloatArray = npt.NDArray[np.float64]

WINDOW, MIN_PAIRS = 365, 90
_PHI_MAX = 0.995


class VolShift(msgspec.Struct, frozen=True):
    """Expected change of ATM volatility over the horizon (1.0 is 100 %), and its error."""

    now: float
    expected: float
    standard_error: float
    half_life_days: float


def vol_shift(atm_vol_annual: FloatArray, horizon_days: int) -> VolShift:
    """Forecast from the last row of a daily series, NaN in holes.

    Raises: `InsufficientHistory` where the last row is not known, with fewer than 90 pairs, or
    where the series never moved (a stuck feed); `InputError` on values at or below zero.
    """
    if horizon_days < 1 or np.any(atm_vol_annual <= 0.0) or np.any(np.isinf(atm_vol_annual)):
        raise InputError("vol shift", "atm_vol_annual", "expected above zero or NaN")
    x = np.log(atm_vol_annual[-WINDOW:])
    both = np.isfinite(x[1:]) & np.isfinite(x[:-1])
    before, after = x[:-1][both], x[1:][both]
    if both.sum() < MIN_PAIRS or not math.isfinite(x[-1]) or np.ptp(before) == 0.0:
        raise InsufficientHistory(
            "vol shift", "atm_vol_annual", f"expected {MIN_PAIRS} pairs that move and a last row"
        )
    apart = before - before.mean()
    raw = float(apart @ (after - after.mean())) / float(apart @ apart)
    phi = min(max(raw + (1.0 + 3.0 * raw) / before.size, 0.0), _PHI_MAX)
    mean = float(x[np.isfinite(x)].mean())
    residual = (after - mean) - phi * (before - mean)
    square = float(residual @ residual) / (before.size - 2)
    spread = math.sqrt(square * (1.0 - phi ** (2 * horizon_days)) / (1.0 - phi**2))
    centre = mean + phi**horizon_days * (float(x[-1]) - mean)
    now, then = math.exp(x[-1]), math.exp(centre + 0.5 * spread**2)
    half_life = -math.log(2.0) / math.log(phi) if phi > 0.0 else 0.0
    return VolShift(now, then - now, then * math.sqrt(math.expm1(spread**2)), half_life)


def vol_shift_edge(name: str, shift: VolShift, horizon_days: int, cost_vol: float) -> Edge:
    """Buy or sell vega with the shift: volatility points a year per vega, less a round trip."""
    if not cost_vol >= 0.0:
        raise InputError(name, "cost_vol", "expected at least zero")
    per_year = 365.0 / horizon_days
    side = math.copysign(1.0, shift.expected)
    loading = Loading(f"{name} shift", side, shift.standard_error * per_year)
    gross = abs(shift.expected) * per_year
    return Edge("vol shift", f"{name} {'long' if side > 0 else 'short'} vega", gross,
                cost_vol * per_year, (loading,), None)  # fmt: skip
