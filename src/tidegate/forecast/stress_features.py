# SPDX-License-Identifier: Apache-2.0
"""Signs of stress from daily series; each row uses that day and earlier ones alone.

All are float64[n] in and out on one gapless grid of UTC days, NaN where not known. None of them
is a forecast by itself: `stress_gauge` weighs them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

_PARKINSON = 1.0 / (4.0 * math.log(2.0))
_CORWIN = 3.0 - 2.0 * math.sqrt(2.0)


def range_variance(high: FloatArray, low: FloatArray) -> FloatArray:
    """ln(high / low)^2 / (4 ln 2), daily variance. Source: Parkinson (1980)."""
    _check_prices(high, low)
    return np.asarray(_PARKINSON * np.log(high / low) ** 2)


def variance_features(high: FloatArray, low: FloatArray) -> FloatArray:
    """Range variance of the day and of the week over that of the month, and the month's, in logs,
    float64[n, 3]; all are worse when high."""
    variance = range_variance(high, low)
    month = trailing_mean(variance, 30)
    day, week = np.where(variance > 0.0, variance, np.nan), trailing_mean(variance, 7)
    return np.column_stack([np.log(day) - np.log(month), np.log(week / month), np.log(month)])


def trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last `window` rows; NaN where any is missing."""
    if window < 1:
        raise InputError("trailing mean", "window", f"expected at least 1, got {window}")
    mean = np.full(values.size, np.nan)
    if values.size >= window:
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        mean[window - 1 :] = windows.mean(axis=1)
    return mean


def term_slope(atm_vol_short: FloatArray, atm_vol_long: FloatArray) -> FloatArray:
    """Short at-the-money volatility over long; above 1 the term structure is inverted."""
    return _ratio(atm_vol_short, atm_vol_long)


def skew(risk_reversal: FloatArray, atm_vol: FloatArray) -> FloatArray:
    """25-delta risk reversal (call less put) over at-the-money volatility; negative in fear."""
    return _ratio(risk_reversal, atm_vol)


def variance_premium(implied_vol_annual: FloatArray, forecast_vol_annual: FloatArray) -> FloatArray:
    """Implied less forecast annual variance."""
    return np.asarray(implied_vol_annual**2 - forecast_vol_annual**2)


def leverage_change(open_interest_usd: FloatArray, days: int) -> FloatArray:
    """ln OI_t - ln OI_{t-days}; NaN beside a hole or an open interest of nothing."""
    logs = np.log(np.where(open_interest_usd > 0.0, open_interest_usd, np.nan))
    changed = np.full(logs.size, np.nan)
    changed[days:] = logs[days:] - logs[:-days]
    return changed


def amihud(return_log: FloatArray, volume_usd: FloatArray) -> FloatArray:
    """log of |r| per USD billion traded, the price of liquidity. Source: Amihud (2002), eq. 1."""
    billion = np.where(volume_usd > 0.0, volume_usd, np.nan) / 1e9
    moved = np.where(np.abs(return_log) > 0.0, np.abs(return_log), np.nan)
    return np.asarray(np.log(moved / billion))


def corwin_schultz(high: FloatArray, low: FloatArray) -> FloatArray:
    """Relative spread from two days' ranges, negative estimates at zero.

    b = sum of two days' ln(H/L)^2, g = ln^2 of the two-day range, a = (sqrt(2b) - sqrt(b)) / k
    - sqrt(g / k) with k = 3 - 2 sqrt 2, spread = 2 (e^a - 1) / (1 + e^a). Source: Corwin and
    Schultz (2012), eqs. 14 and 18.
    """
    _check_prices(high, low)
    day = np.log(high / low) ** 2
    spread = np.full(high.size, np.nan)
    beta = day[1:] + day[:-1]
    both_high, both_low = np.maximum(high[1:], high[:-1]), np.minimum(low[1:], low[:-1])
    gamma = np.log(both_high / both_low) ** 2
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / _CORWIN - np.sqrt(gamma / _CORWIN)
    spread[1:] = np.maximum(2.0 * np.expm1(alpha) / (1.0 + np.exp(alpha)), 0.0)
    return spread


def abdi_ranaldo(close: FloatArray, high: FloatArray, low: FloatArray, window: int) -> FloatArray:
    """sqrt(max(4 mean[(c_t - e_t)(c_t - e_{t+1})], 0)), e the mid of the log range.

    Each term needs the day after its close, so the mean at t is of terms up to t - 1. Source:
    Abdi and Ranaldo (2017), eq. 11, over a window instead of day by day.
    """
    _check_prices(high, low)
    mid, closes = 0.5 * (np.log(high) + np.log(low)), np.log(close)
    terms = np.full(close.size, np.nan)
    terms[1:] = (closes[:-1] - mid[:-1]) * (closes[:-1] - mid[1:])
    return np.asarray(np.sqrt(np.maximum(4.0 * trailing_mean(terms, window), 0.0)))


def stablecoin_deviation(price_usd: FloatArray) -> FloatArray:
    """|price - 1|: how far a dollar coin is from the dollar."""
    if np.any(price_usd <= 0.0):
        raise InputError("stablecoin", "price_usd", "expected prices above zero")
    return np.asarray(np.abs(price_usd - 1.0))


def past_rank(values: FloatArray, min_rows: int = 60) -> FloatArray:
    """Share of the known rows up to each that are at or below it, float64[n], in (0, 1]."""
    ranks = np.full(values.size, np.nan)
    seen: list[float] = []
    for t, value in enumerate(values.tolist()):
        if math.isfinite(value):
            at = int(np.searchsorted(seen, value, side="right"))
            seen.insert(at, value)
            if len(seen) >= min_rows:
                ranks[t] = (at + 1) / len(seen)
    return ranks


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    good = below > 0.0
    return np.asarray(np.where(good, above / np.where(good, below, 1.0), np.nan))


def _check_prices(high: FloatArray, low: FloatArray) -> None:
    """Refuse shapes that differ and a low above its high or not above zero."""
    known = np.isfinite(high) & np.isfinite(low)
    if high.shape != low.shape or np.any((low <= 0.0)[known] | (high < low)[known]):
        raise InputError("daily bars", "high, low", "expected 0 < low <= high, one per day")
