# SPDX-License-Identifier: Apache-2.0
"""Average funding over the next hours or days, with a band, from the prints of many coins at once.

Funding has a point mass at the venue's default rate D and heavy tails, so the forecast is the
conditional median: it makes the mean absolute error least, and stays at D while nothing happens.
With z(x) = asinh((x - D) / s) and x_k the mean annual rate of the last k hours,

    median of z(y) = b0 + b' [z(last print), z(x_8), z(x_24), z(x_72), z(x_168), z(x_720)],

fitted by quantile regression on the rows of all coins in the window whose target has settled; a
median passes through z unchanged. The 10 % and 90 % lines are fitted likewise, and then moved per
coin by what they missed before: q += step (1{missed} - 0.1), from matured targets only (adaptive
conformal inference, Gibbs and Candes 2021). Everything is held within the venue's cap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace
from scipy.special import ndtri

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import HOURS_PER_YEAR, FundingPrints
from tidegate.forecast.funding_terms import FundingTerms
from tidegate.forecast.quantile import quantile_regression
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

WINDOWS_H = (8, 24, 72, 168, 720)
MIN_COVERAGE = 0.5
MIN_ROWS = 120
# A month in which the rate never moved by this much (annual) is a feed that is stuck.
MIN_RANGE_ANNUAL = 1e-6
_SINH_MAX = 12.0


class PanelSettings(msgspec.Struct, frozen=True):
    """Horizon in hours, training window and days between refits, scale s, band, conformal step."""

    horizon_h: int = 24
    window_days: int = 365
    refit_days: int = 7
    scale_annual: float = 0.05
    band: float = 0.8
    step: float = 0.05

    def __post_init__(self) -> None:
        if self.horizon_h < 1 or self.window_days < 30 or self.refit_days < 1:
            raise InputError(
                "funding panel", "horizon_h, window_days, refit_days", "expected >= 1, >= 30, >= 1"
            )
        if not (self.scale_annual > 0.0 and 0.0 < self.band < 1.0 and self.step >= 0.0):
            raise InputError(
                "funding panel", "scale_annual, band, step", "expected > 0, in (0, 1), >= 0"
            )

    @property
    def horizon_days(self) -> int:
        """Days until a target has settled, rounded up."""
        return -(-self.horizon_h // 24)

    @property
    def probabilities(self) -> tuple[float, float, float]:
        """Lower line, median, upper line."""
        tail = (1.0 - self.band) / 2.0
        return tail, 0.5, 1.0 - tail


@dataclass(frozen=True, slots=True, eq=False)
class PanelForecasts:
    """Annual rates at m origins of c coins, float64[m, c]; NaN where a forecast is refused."""

    at_ms: IntArray
    lower: FloatArray
    median: FloatArray
    upper: FloatArray


class FundingBand(msgspec.Struct, frozen=True):
    """One forecast: median and band of the mean annual rate over the horizon."""

    lower_annual: float
    median_annual: float
    upper_annual: float
    band: float = 0.8

    @property
    def standard_error_annual(self) -> float:
        """Deviation of the normal law whose central band is as wide: 0.39 of its width at 80 %."""
        return (self.upper_annual - self.lower_annual) / (2.0 * float(ndtri(0.5 + 0.5 * self.band)))


def panel_forecasts(
    panel: Sequence[FundingPrints], at_ms: IntArray, terms: FundingTerms, settings: PanelSettings
) -> PanelForecasts:
    """Forecasts of every coin at daily origins, each from the prints settled at or before it.

    A coin is refused (NaN) at an origin where its last print is older than two intervals, where
    less than half of any of the last 8 to 720 hours is covered, or where its rate did not move in
    the last 720 hours. All are refused until 120 rows with settled targets exist.

    Args: `panel` of c coins on one venue; `at_ms` int64[m], each a day after the one before.
    Raises: `InputError`. Source: module docstring.
    """
    return panel_forecasts_by_step(panel, at_ms, terms, settings, (settings.step,))[0]


def panel_forecasts_by_step(
    panel: Sequence[FundingPrints],
    at_ms: IntArray,
    terms: FundingTerms,
    settings: PanelSettings,
    steps: Sequence[float],
) -> tuple[PanelForecasts, ...]:
    """`panel_forecasts` for each of several conformal steps, whose fits are the same."""
    if not panel:
        raise InputError("funding panel", "panel", "expected at least one coin")
    if at_ms.size == 0 or np.any(np.diff(at_ms) != DAY_MS):
        raise InputError("funding panel", "at_ms", "expected origins one day apart")
    features = np.stack([_features(prints, at_ms) for prints in panel], axis=1)
    targets = np.stack([realised_mean(p, at_ms, settings.horizon_h) for p in panel], axis=1)
    squeeze = _Squeeze(terms.default_annual, settings.scale_annual)
    lines = _lines(squeeze.inward(features), squeeze.inward(targets), settings)
    found = []
    for step in steps:
        stepped = replace(settings, step=step)
        moved = _conformal(lines, squeeze.inward(targets), stepped)
        rates = np.clip(squeeze.outward(moved), -terms.cap_annual, terms.cap_annual)
        found.append(PanelForecasts(at_ms, rates[..., 0], rates[..., 1], rates[..., 2]))
    return tuple(found)


def panel_band(forecasts: PanelForecasts, coin: int) -> FundingBand:
    """The newest forecast of one coin. Raises: `InsufficientHistory` where it was refused."""
    values = [float(a[-1, coin]) for a in (forecasts.lower, forecasts.median, forecasts.upper)]
    if not all(math.isfinite(value) for value in values):
        raise InsufficientHistory(
            "funding panel",
            "prints",
            f"expected {MIN_ROWS} settled rows, a fresh print and a rate that moved in 30 days",
        )
    return FundingBand(*values)


def realised_mean(prints: FundingPrints, at_ms: IntArray, horizon_h: int) -> FloatArray:
    """Mean annual rate over (t, t + horizon], float64[m]; NaN where less than half has settled.

    It is NaN as well where the last print due by the end is not there: a horizon that has not
    ended looks no other, and what counts as settled must not hang on later prints.
    """
    end_ms = at_ms + horizon_h * HOUR_MS
    if prints.ts_ms.size == 0:
        return np.full(at_ms.size, np.nan)
    newest = np.maximum(np.searchsorted(prints.ts_ms, end_ms, side="right") - 1, 0)
    next_ms = prints.ts_ms[newest] + prints.interval_h[newest] * HOUR_MS
    return np.where(end_ms < next_ms, _mean_between(prints, at_ms, end_ms), np.nan)


@dataclass(frozen=True, slots=True)
class _Squeeze:
    """asinh around the default rate, and back."""

    default_annual: float
    scale_annual: float

    def inward(self, rate: FloatArray) -> FloatArray:
        return np.asarray(np.arcsinh((rate - self.default_annual) / self.scale_annual))

    def outward(self, squeezed: FloatArray) -> FloatArray:
        bounded = np.clip(squeezed, -_SINH_MAX, _SINH_MAX)
        return np.asarray(self.default_annual + self.scale_annual * np.sinh(bounded))


def _mean_between(prints: FundingPrints, start_ms: IntArray, end_ms: IntArray) -> FloatArray:
    """Mean annual rate of the prints in (start, end], NaN with less than half of it covered."""
    paid = np.concatenate([[0.0], np.cumsum(prints.rate)]) * HOURS_PER_YEAR
    hours = np.concatenate([[0.0], np.cumsum(prints.interval_h)])
    first = np.searchsorted(prints.ts_ms, start_ms, side="right")
    last = np.searchsorted(prints.ts_ms, end_ms, side="right")
    covered = hours[last] - hours[first]
    enough = covered >= MIN_COVERAGE * (end_ms - start_ms) / HOUR_MS
    mean = (paid[last] - paid[first]) / np.maximum(covered, 1e-9)
    return np.where(enough & (covered > 0.0), mean, np.nan)


def _features(prints: FundingPrints, at_ms: IntArray) -> FloatArray:
    """Last print and trailing means, annual, float64[m, 6]; a refused row is all NaN."""
    columns = [_last_print(prints, at_ms)]
    columns += [_mean_between(prints, at_ms - hours * HOUR_MS, at_ms) for hours in WINDOWS_H]
    rows = np.column_stack(columns)
    good = np.all(np.isfinite(rows), axis=1) & _moved(prints, at_ms)
    return np.where(good[:, None], rows, np.nan)


def _last_print(prints: FundingPrints, at_ms: IntArray) -> FloatArray:
    """Annual rate of the newest print, NaN where it is older than two of its intervals."""
    if prints.ts_ms.size == 0:
        return np.full(at_ms.size, np.nan)
    index = np.searchsorted(prints.ts_ms, at_ms, side="right") - 1
    newest = np.maximum(index, 0)
    age_h = (at_ms - prints.ts_ms[newest]) / HOUR_MS
    fresh = (index >= 0) & (age_h < 2.0 * prints.interval_h[newest])
    annual = prints.rate[newest] / prints.interval_h[newest] * HOURS_PER_YEAR
    return np.where(fresh, annual, np.nan)


def _moved(prints: FundingPrints, at_ms: IntArray) -> BoolArray:
    """Where any print of the last 720 hours differs from the one before it."""
    annual = prints.rate / prints.interval_h * HOURS_PER_YEAR
    moves = np.abs(np.diff(annual, prepend=annual[:1])) > MIN_RANGE_ANNUAL
    running = np.concatenate([[0], np.cumsum(moves)])
    last = np.searchsorted(prints.ts_ms, at_ms, side="right")
    first = np.searchsorted(prints.ts_ms, at_ms - WINDOWS_H[-1] * HOUR_MS, side="right")
    return np.asarray(running[last] > running[first], dtype=np.bool_)


def _lines(features: FloatArray, targets: FloatArray, settings: PanelSettings) -> FloatArray:
    """Quantile lines [m, c, 3] in squeezed units, refitted every few days on settled rows."""
    rows = np.concatenate([np.ones((*features.shape[:2], 1)), features], axis=2)
    lines = np.full((*targets.shape, 3), np.nan)
    coefficients: FloatArray | None = None
    for i in range(len(rows)):
        if i % settings.refit_days == 0:
            stop = i - settings.horizon_days + 1
            past = slice(max(0, stop - settings.window_days), max(0, stop))
            coefficients = _fit(rows[past], targets[past], settings, coefficients)
        if coefficients is not None:
            lines[i] = np.sort(rows[i] @ coefficients.T, axis=1)
    return lines


def _fit(
    rows: FloatArray, targets: FloatArray, settings: PanelSettings, last: FloatArray | None
) -> FloatArray | None:
    """Coefficients of the three lines [3, k], from the last ones on; None with too few rows."""
    used = np.all(np.isfinite(rows), axis=2) & np.isfinite(targets)
    if used.sum() < MIN_ROWS:
        return None
    x, y = rows[used], targets[used]
    starts = (None, None, None) if last is None else tuple(last)
    pairs = zip(settings.probabilities, starts, strict=True)
    return np.stack([quantile_regression(x, y, p, start) for p, start in pairs])


def _conformal(lines: FloatArray, targets: FloatArray, settings: PanelSettings) -> FloatArray:
    """Lines with the outer two moved by what earlier, settled ones of the same coin missed."""
    tail, delay = settings.probabilities[0], settings.horizon_days
    moved = lines.copy()
    low, high = np.zeros((2, lines.shape[1]))
    for i in range(len(lines)):
        if i >= delay:
            then, known = moved[i - delay], targets[i - delay]
            scored = np.isfinite(then[:, 1]) & np.isfinite(known)
            low += np.where(scored, settings.step * ((known < then[:, 0]) - tail), 0.0)
            high += np.where(scored, settings.step * ((known > then[:, 2]) - tail), 0.0)
        moved[i, :, 0] = np.minimum(lines[i, :, 0] - low, lines[i, :, 1])
        moved[i, :, 2] = np.maximum(lines[i, :, 2] + high, lines[i, :, 1])
    return moved
