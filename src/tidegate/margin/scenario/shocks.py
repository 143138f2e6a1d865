# SPDX-License-Identifier: Apache-2.0
"""How a scenario moves prices and volatilities.

    up      max(vol (1 + u m), least)      m = (30 / max(days, floor)) ^ power
    down    max(vol (1 - d m), 0)          power: short up to 30 days to expiry, long beyond
    skew    vol max(1 + c(k), 0)           k = ln(K / F), of the absolute skew |k|

with c(k) = k cap / k*, held at the cap on the side of k: at most cap where k >= 0, at least -cap
below; cap = slope sqrt(T) + intercept and k* = max(least, sqrt(T) width (a + b sqrt(T))).

Sources: support.deribit.com, Portfolio Margin (25944756247837); docs.derive.xyz, PM2;
docs.paradex.trade, Portfolio Margin; all undated, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]

SWITCH_DAYS = 30.0
DAYS_PER_YEAR = 365.0
LEAST_WIDTH = 1e-100
WHERE = "scenarios"


class VolMove(IntEnum):
    """What a scenario does to volatilities."""

    NONE = 0
    UP = 1
    DOWN = 2
    LINEAR_SKEW = 3
    ABSOLUTE_SKEW = 4


@dataclass(frozen=True, slots=True)
class Scenario:
    """Prices times `ratio`, volatilities moved; the result counts by `weight`."""

    name: str
    ratio: float
    vol: VolMove
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.ratio < np.inf:
            raise InputError(WHERE, self.name, f"expected a ratio of at least 0, got {self.ratio}")
        if not 0.0 <= self.weight < np.inf:
            raise InputError(WHERE, self.name, f"expected a weight of at least 0: {self.weight}")

    @property
    def skews(self) -> bool:
        """Whether only the smile moves; such a scenario counts each expiry's change as a loss."""
        return self.vol >= VolMove.LINEAR_SKEW


@dataclass(frozen=True, slots=True)
class VolShock:
    """Relative shocks of volatility by days to expiry; the formula stands in the module."""

    up: float
    down: float
    short_power: float
    long_power: float
    floor_days: float
    least_vol_up: float

    def multipliers(self, expiry_years: FloatArray) -> FloatArray:
        """What vols are multiplied with when shocked up and down, [2, n], the latter >= 0."""
        days = np.asarray(expiry_years) * DAYS_PER_YEAR
        power = np.where(days <= SWITCH_DAYS, self.short_power, self.long_power)
        term = (SWITCH_DAYS / np.maximum(days, self.floor_days)) ** power
        return np.stack([1.0 + self.up * term, np.maximum(1.0 - self.down * term, 0.0)])


@dataclass(frozen=True, slots=True)
class SkewCap:
    """How far a skew scenario moves a vol at most: intercept + slope sqrt(years)."""

    intercept: float
    slope: float


@dataclass(frozen=True, slots=True)
class SkewShock:
    """Tilts the smile (linear) or lifts its wings (absolute); the formula stands in the module."""

    linear: SkewCap
    absolute: SkewCap
    least_width: float
    width: float
    vol_static: float
    vol_slope: float

    def multipliers(self, log_strike: FloatArray, expiry_years: FloatArray) -> FloatArray:
        """What vols are multiplied with under linear and absolute skew, [2, n], each >= 0."""
        most_of, width = self.caps(expiry_years)
        rows = []
        for most, k in zip(most_of, (log_strike, np.abs(log_strike)), strict=True):
            tilt = k * most / width
            held = np.where(k >= 0.0, np.minimum(tilt, most), np.maximum(tilt, -most))
            rows.append(np.maximum(1.0 + held, 0.0))
        return np.stack(rows)

    def caps(self, expiry_years: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Caps of linear and absolute skew, [2, n], and the width k*, [n]."""
        root = np.sqrt(expiry_years)
        deviation = self.vol_static + root * self.vol_slope
        # With a width of nothing every strike but the forward itself is at its cap.
        least = max(self.least_width, LEAST_WIDTH)
        width = np.maximum(least, root * self.width * deviation)
        caps = [cap.slope * root + cap.intercept for cap in (self.linear, self.absolute)]
        return np.stack(caps), width


def vol_multipliers(
    vol_shock: VolShock,
    skew_shock: SkewShock | None,
    log_strike: FloatArray,
    expiry_years: FloatArray,
) -> FloatArray:
    """Multipliers of vols by `VolMove`, [5, n]; without a skew shock its rows are ones."""
    ones = np.ones((1, len(log_strike)))
    skew = np.ones((2, len(log_strike)))
    if skew_shock is not None:
        skew = skew_shock.multipliers(log_strike, expiry_years)
    return np.concatenate([ones, vol_shock.multipliers(expiry_years), skew])


def least_vols(vol_shock: VolShock) -> FloatArray:
    """The least shocked vol by `VolMove`, [5, 1]: only the shock up has a floor above zero."""
    least = np.zeros((len(VolMove), 1))
    least[VolMove.UP] = vol_shock.least_vol_up
    return least


def grid(
    ratios: Sequence[float], moves: Sequence[VolMove], edge: Sequence[VolMove]
) -> tuple[Scenario, ...]:
    """Every ratio with every vol move, in this order; the outermost ratios with `edge` alone."""
    ends = {min(ratios), max(ratios)}
    return tuple(
        Scenario(f"{ratio - 1.0:+.1%} vol {move.name.lower()}", ratio, move)
        for ratio in ratios
        for move in (edge if ratio in ends else moves)
    )
