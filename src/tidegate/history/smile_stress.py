# SPDX-License-Identifier: Apache-2.0
"""Slope and skew of implied volatility as early warnings, on the months that have option chains.

Of each UTC day the last snapshot counts, and it is known at the day's end. Per expiry the venue's
mark vols of options out of the money are interpolated to K = F and to 25 delta; at-the-money total
variance is then interpolated in time to 7 and 30 days, the risk reversal to 30 days. The price is
that of Binance's perpetual, whose quarter-hours cover the same months.

The days are too few to train the walk-forward gauge (it wants 400), so each feature is scored as it
stands, with nothing fitted, beside what realised variance alone says on the same days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from tidegate.forecast.stress_features import range_variance, skew, term_slope, trailing_mean
from tidegate.history.chain_window import ChainSnapshot, read_chains
from tidegate.history.daily_bars import DailyBars
from tidegate.history.parquet import FloatArray, IntArray, Selection, read_columns
from tidegate.history.volatility_history import BARS, BARS_MS, EVER
from tidegate.history.window import Window
from tidegate.model.times import DAY_MS, YEAR_MS

SHORT_DAYS, LONG_DAYS = 7.0, 30.0
LEAST_DAYS, LEAST_STRIKES = 1.0, 5
PUT_DELTA, CALL_DELTA = 0.75, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """Annual vols of one snapshot at constant maturities; NaN where no expiries lie around."""

    atm_vol_short: float
    atm_vol_long: float
    risk_reversal: float


def smile_of(snapshot: ChainSnapshot) -> Smile:
    """At-the-money vols at 7 and 30 days, and the 25-delta risk reversal at 30, of mark vols."""
    rows = []
    for expiry_ms in np.unique(snapshot.expiry_ms):
        years = (int(expiry_ms) - snapshot.ts_ms) / YEAR_MS
        if years * YEAR_MS >= LEAST_DAYS * DAY_MS:
            rows.append((years, *_of_expiry(snapshot, snapshot.expiry_ms == expiry_ms, years)))
    table = np.array([row for row in rows if np.all(np.isfinite(row))]).reshape(-1, 3)
    tenors = table[:, 0]
    variance = table[:, 1] ** 2 * tenors
    short, long = (_at(days, tenors, variance) for days in (SHORT_DAYS, LONG_DAYS))
    return Smile(
        float(np.sqrt(short * YEAR_MS / (SHORT_DAYS * DAY_MS))),
        float(np.sqrt(long * YEAR_MS / (LONG_DAYS * DAY_MS))),
        _at(LONG_DAYS, tenors, table[:, 2]),
    )


def smile_features(root: Path, coin: str) -> tuple[DailyBars, Mapping[str, FloatArray]]:
    """Bars of the days that the coin's chains cover, and each feature on them, worse when high.

    `IV slope` is 7-day over 30-day at-the-money vol, `IV skew` minus the 30-day risk reversal over
    it, and `range alone` the log of the week's over the month's range variance.
    Raises: `InputError` for absent or damaged files.
    """
    snapshots = read_chains(root, coin, EVER)
    first_ms, last_ms = (snapshots[i].ts_ms // DAY_MS * DAY_MS for i in (0, -1))
    bars = read_perpetual_days(root, coin, Window(first_ms, last_ms + DAY_MS))
    return bars, features_of(snapshots, bars)


def features_of(snapshots: Sequence[ChainSnapshot], bars: DailyBars) -> Mapping[str, FloatArray]:
    """The features on the days of the bars, each from that day's snapshots and bars up to it.

    Args: snapshots in order of time; those of other days are left out.
    """
    laid = np.full((3, bars.day_ms.size), np.nan)
    for snapshot in {each.ts_ms // DAY_MS: each for each in snapshots}.values():
        row = (snapshot.ts_ms - int(bars.day_ms[0])) // DAY_MS
        if 0 <= row < bars.day_ms.size:
            smile = smile_of(snapshot)
            laid[:, row] = smile.atm_vol_short, smile.atm_vol_long, smile.risk_reversal
    variance = range_variance(bars.high, bars.low)
    return {
        "IV slope": term_slope(laid[0], laid[1]),
        "IV skew": -skew(laid[2], laid[1]),
        "range alone": np.log(trailing_mean(variance, 7) / trailing_mean(variance, 30)),
    }


def read_perpetual_days(root: Path, coin: str, window: Window) -> DailyBars:
    """Days of Binance's perpetual out of its quarter-hours; a day that lacks one is a hole."""
    selection = Selection(root, BARS, (("symbol", f"{coin}USDT"),), f"{coin}USDT")
    ts_ms, values = read_columns(selection, ("high", "low", "close", "volume"), window)
    days: IntArray = np.arange(ts_ms[0] // DAY_MS, ts_ms[-1] // DAY_MS + 1, dtype=np.int64)
    there, starts, counts = np.unique(ts_ms // DAY_MS, return_index=True, return_counts=True)
    columns = np.array(
        [
            np.maximum.reduceat(values["high"], starts),
            np.minimum.reduceat(values["low"], starts),
            values["close"][starts + counts - 1],
            np.add.reduceat(values["volume"], starts),
        ]
    )
    laid = np.full((4, days.size), np.nan)
    laid[:, there - days[0]] = np.where(counts == DAY_MS // BARS_MS, columns, np.nan)
    return DailyBars(days * DAY_MS, *laid)


def _of_expiry(
    snapshot: ChainSnapshot, rows: np.typing.NDArray[np.bool_], years: float
) -> tuple[float, float]:
    """Vol at K = F and the risk reversal of one expiry, linear between strikes; NaN outside."""
    k = np.log(snapshot.strike_usd[rows] / snapshot.forward_usd[rows])
    vol = snapshot.vol_annual[rows]
    out = (snapshot.is_call[rows] == (k >= 0.0)) & (vol > 0.0)
    k, vol = k[out], vol[out]
    if k.size < LEAST_STRIKES:
        return np.nan, np.nan
    delta = ndtr(-k / (vol * np.sqrt(years)) + 0.5 * vol * np.sqrt(years))
    order = np.argsort(delta)
    put, call = (
        float(np.interp(at, delta[order], vol[order], left=np.nan, right=np.nan))
        for at in (PUT_DELTA, CALL_DELTA)
    )
    return float(np.interp(0.0, k, vol, left=np.nan, right=np.nan)), call - put


def _at(days: float, years: FloatArray, values: FloatArray) -> float:
    if years.size == 0:
        return np.nan
    return float(np.interp(days * DAY_MS / YEAR_MS, years, values, left=np.nan, right=np.nan))
