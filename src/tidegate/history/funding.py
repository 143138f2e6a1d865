# SPDX-License-Identifier: Apache-2.0
"""Funding prints of a venue over a window: every one that was due, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tidegate.history.parquet import FloatArray, IntArray, Selection, freeze, read_columns
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, format_time

_E12 = 1e12
# No venue settles less often than daily, so a later print lies within a day of the window's end.
_LONGEST_INTERVAL_MS = DAY_MS


@dataclass(frozen=True, slots=True, eq=False)
class FundingPrints:
    """Settled funding of one symbol, complete over the window it was read for.

    `ts_ms` (int64, n) is the moment of settlement; `rate_e12` (int64, n) is the fraction of
    notional, times 1e12, that longs pay shorts for the interval that *ends* there; `interval_ms`
    (int64, n) is that interval's length.
    """

    venue: str
    symbol: str
    ts_ms: IntArray
    rate_e12: IntArray
    interval_ms: IntArray

    def __post_init__(self) -> None:
        freeze(self.ts_ms, self.rate_e12, self.interval_ms)

    def __len__(self) -> int:
        return int(self.ts_ms.size)


@dataclass(frozen=True, slots=True)
class FundingSource:
    """One file with the funding of a venue and the column that holds its symbols."""

    file: str
    symbol_column: str
    match: tuple[tuple[str, str], ...] = ()


def _centralised(venue: str, margin: str) -> FundingSource:
    file = "funding/funding_cex.parquet"
    return FundingSource(file, "symbol", (("venue", venue), ("margin", margin)))


FUNDING_SOURCES: Mapping[str, FundingSource] = MappingProxyType(
    {
        "binance": _centralised("binance", "linear"),
        "bybit": _centralised("bybit", "linear"),
        "okx": _centralised("okx", "linear"),
        "deribit": _centralised("deribit", "inverse"),
        "hyperliquid": FundingSource("funding/funding_hyperliquid.parquet", "coin"),
    }
)


def read_funding(root: Path, venue: str, symbol: str, window: Window) -> FundingPrints:
    """Read every print settled in the window (start included, end not).

    A row's stamp less its own interval must be the stamp of the row before, which also holds
    where a venue changes its interval. The first row is held to the window's start, the last to
    the first row after the window, or where the file ends there to its own interval. Raises
    `InputError` for an unknown venue or symbol, an absent or damaged file, a rate that is NaN or
    above one, a stamp off its interval's grid, and missing prints, the first of which it names.
    """
    selection = _select(root, venue, symbol)
    reach = Window(window.start_ms, window.end_ms + _LONGEST_INTERVAL_MS)
    ts_ms, values = read_columns(selection, ("rate", "interval_h"), reach)
    interval_ms = _intervals_ms(selection, ts_ms, values["interval_h"])
    _ensure_complete(selection, ts_ms, interval_ms, window)
    count = int(np.searchsorted(ts_ms, window.end_ms))
    rate_e12 = _rates_e12(selection, ts_ms, values["rate"])
    return FundingPrints(venue, symbol, ts_ms[:count], rate_e12[:count], interval_ms[:count])


def read_known_funding(root: Path, venue: str, symbol: str, window: Window) -> FundingPrints:
    """Read the prints of the window that are known, for estimates of the past: holes stay holes.

    Each row is checked as in `read_funding`, but missing ones are simply not there, and a window
    before the first print gives none. Never what a position is charged by.
    """
    selection = _select(root, venue, symbol)
    ts_ms, values = read_columns(selection, ("rate", "interval_h"), window)
    interval_ms = _intervals_ms(selection, ts_ms, values["interval_h"])
    rate_e12 = _rates_e12(selection, ts_ms, values["rate"])
    return FundingPrints(venue, symbol, ts_ms, rate_e12, interval_ms)


def funding_file(venue: str) -> str:
    """Name inside the data folder of the file that `read_funding` reads for a venue."""
    return _source(venue).file


def _source(venue: str) -> FundingSource:
    if venue not in FUNDING_SOURCES:
        known = ", ".join(sorted(FUNDING_SOURCES))
        raise InputError("funding", "venue", f"expected one of {known}, got {venue!r}")
    return FUNDING_SOURCES[venue]


def _select(root: Path, venue: str, symbol: str) -> Selection:
    source = _source(venue)
    match = ((source.symbol_column, symbol), *source.match)
    return Selection(root, source.file, match, symbol)


def _intervals_ms(selection: Selection, ts_ms: IntArray, interval_h: FloatArray) -> IntArray:
    _ensure_all(
        selection,
        ("interval_h", "expected whole hours from 1 to 24"),
        ts_ms,
        np.isin(interval_h, np.arange(1, 25)),
    )
    interval_ms = interval_h.astype(np.int64) * HOUR_MS
    _ensure_all(
        selection,
        ("ts", "expected stamps on the grid of their own interval"),
        ts_ms,
        ts_ms % interval_ms == 0,
    )
    return interval_ms


def _rates_e12(selection: Selection, ts_ms: IntArray, rate: FloatArray) -> IntArray:
    expected = "expected a fraction of notional per interval, between -1 and 1"
    _ensure_all(selection, ("rate", expected), ts_ms, np.abs(rate) <= 1.0)
    return np.rint(rate * _E12).astype(np.int64)


def _ensure_all(
    selection: Selection, field_expected: tuple[str, str], ts_ms: IntArray, good: np.ndarray
) -> None:
    bad = np.flatnonzero(~good)
    if bad.size:
        field, expected = field_expected
        first = format_time(int(ts_ms[bad[0]]))
        detail = f"{selection.symbol}: {expected}, {bad.size} are not so, the first at {first}"
        raise InputError(selection.where, field, detail)


def _ensure_complete(
    selection: Selection, ts_ms: IntArray, interval_ms: IntArray, window: Window
) -> None:
    if not ts_ms.size:
        raise _missing(selection, window, window.start_ms, "from")
    step_ms = int(interval_ms[0])
    due_first_ms = -(-window.start_ms // step_ms) * step_ms
    before_ms = np.concatenate(([due_first_ms - step_ms], ts_ms[:-1]))
    due_before_ms = ts_ms - interval_ms
    overlaps = due_before_ms < before_ms
    _ensure_all(selection, ("ts", "expected one print per interval"), ts_ms, ~overlaps)
    gaps = np.flatnonzero(due_before_ms > before_ms)
    if gaps.size:
        at = int(gaps[0])
        grid_ms = int(interval_ms[at])
        first_ms = (int(before_ms[at]) // grid_ms + 1) * grid_ms
        if first_ms < window.end_ms:
            raise _missing(selection, window, first_ms, "the first due at")
    next_ms = int(ts_ms[-1] + interval_ms[-1])
    if next_ms < window.end_ms:
        raise _missing(selection, window, next_ms, "all from the one due at")


def _missing(selection: Selection, window: Window, ts_ms: int, which: str) -> InputError:
    expected = f"expected every print of {window}, missing {which} {format_time(ts_ms)}"
    return InputError(selection.where, selection.symbol, expected)
