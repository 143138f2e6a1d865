# SPDX-License-Identifier: Apache-2.0
"""Realised measures of a coin from the quarter-hours of a data folder, holes left as holes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tidegate.forecast.model import VolatilityHistory
from tidegate.forecast.realised import realised_measures
from tidegate.history.parquet import FloatArray, IntArray, Selection, read_columns
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, MINUTE_MS, format_time

BARS = "ohlcv/binance_usdm_perp_15m.parquet"
BARS_MS = 15 * MINUTE_MS
EVER = Window(0, 4_102_444_800_000)  # 1970 to 2100
PER_CENT = 100.0
DAYS_PER_YEAR = 365.0


def implied_file(coin: str) -> str:
    """Where the daily DVOL of a coin would be."""
    return f"index/deribit_{coin.lower()}_dvol_1d.parquet"


def history_files(root: Path, coin: str) -> tuple[str, ...]:
    """The files that `read_volatility_history` reads of a folder."""
    implied = implied_file(coin)
    return (BARS, implied) if (root / implied).is_file() else (BARS,)


def read_volatility_history(
    root: Path, coin: str, period_ms: int = DAY_MS, window: Window = EVER
) -> VolatilityHistory:
    """Measures of Binance's perpetual in USDT, and on days the variance that DVOL implies.

    A missing bar is a hole; a last period that is still under way is left out. DVOL of a day
    counts as known at the end of that day, as (DVOL / 100)^2 / 365; it is left out where the
    folder has none of the coin.
    Raises: `InputError` for an unknown coin, an absent or damaged file, bars off their grid or
    repeated, or a price that is not finite and above zero.
    """
    symbol = f"{coin}USDT"
    selection = Selection(root, BARS, (("symbol", symbol),), symbol)
    ts_ms, values = read_columns(selection, ("close",), window)
    if ts_ms.size == 0:
        raise InputError(BARS, symbol, f"expected bars in {window}, found none")
    _ensure_single(symbol, ts_ms)
    measures = realised_measures(ts_ms, values["close"], BARS_MS, period_ms)
    if int(measures.start_ms[-1]) + period_ms > int(ts_ms[-1]) + BARS_MS:
        measures = measures.rows(0, len(measures) - 1)
    if period_ms != DAY_MS or not (root / implied_file(coin)).is_file():
        return VolatilityHistory(measures)
    return VolatilityHistory(measures, _implied(root, coin, measures.start_ms))


def _ensure_single(symbol: str, ts_ms: IntArray) -> None:
    bad = np.flatnonzero((np.diff(ts_ms) == 0) | (ts_ms[1:] % BARS_MS != 0))
    if bad.size:
        expected = (
            f"{symbol}: expected one bar per open on a grid of {BARS_MS} ms, {bad.size} are not so,"
            f" the first at {format_time(int(ts_ms[bad[0] + 1]))}"
        )
        raise InputError(BARS, "ts", expected)


def _implied(root: Path, coin: str, start_ms: IntArray) -> FloatArray:
    """DVOL laid on the days of a history, as variance per day, NaN where there is none."""
    name = f"{coin}_DVOL"
    selection = Selection(root, implied_file(coin), (("symbol", name),), name)
    ts_ms, values = read_columns(selection, ("dvol",), EVER)
    days, last = np.unique(ts_ms[::-1] // DAY_MS, return_index=True)
    dvol = values["dvol"][::-1][last]
    laid = np.full(start_ms.size, np.nan)
    _, here, there = np.intersect1d(start_ms // DAY_MS, days, return_indices=True)
    laid[here] = (dvol[there] / PER_CENT) ** 2 / DAYS_PER_YEAR
    return laid
