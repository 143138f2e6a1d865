# SPDX-License-Identifier: Apache-2.0
"""Price bars of a venue over a window, from the finest file that reaches back far enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tidegate.history.parquet import (
    FloatArray,
    IntArray,
    Selection,
    first_stamp_ms,
    freeze,
    read_columns,
)
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, MINUTE_MS, format_time

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of one symbol on a whole grid: no hole, no repeat, every price positive.

    `open_ms` (int64, n) is the opening time of a bar, which is known only at `open_ms` +
    `interval_ms`. `open`, `high`, `low`, `close` (float64, n) are quote units per unit of base;
    `volume` (float64, n) is in base units, None for marks.
    """

    venue: str
    symbol: str
    kind: str
    interval_ms: int
    open_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None

    def __post_init__(self) -> None:
        freeze(self.open_ms, self.open, self.high, self.low, self.close, self.volume)

    def __len__(self) -> int:
        return int(self.open_ms.size)


@dataclass(frozen=True, slots=True)
class BarSource:
    """One file with bars of a venue and kind; `names` maps symbols where the file has others."""

    venue: str
    kind: str
    file: str
    interval_ms: int
    symbol_column: str
    match: tuple[tuple[str, str], ...] = ()
    names: Mapping[str, str] | None = None


_EIGHT_HOURS = "ohlcv/spot_perp_8h_3venues.parquet"
_BASES = MappingProxyType({"BTCUSDT": "BTC", "ETHUSDT": "ETH"})

# Of the sources of a venue and kind the finer one stands first.
BAR_SOURCES = (
    BarSource("binance", "last", "ohlcv/binance_usdm_perp_15m.parquet", 15 * MINUTE_MS, "symbol"),
    BarSource(
        "binance",
        "last",
        _EIGHT_HOURS,
        8 * HOUR_MS,
        "base",
        (("venue", "binance"), ("market", "perpetual"), ("margin", "linear")),
        _BASES,
    ),
    BarSource("binance", "mark", "ohlcv/binance_usdm_mark_1h.parquet", HOUR_MS, "symbol"),
    BarSource(
        "binance-spot",
        "last",
        _EIGHT_HOURS,
        8 * HOUR_MS,
        "base",
        (("venue", "binance"), ("market", "spot"), ("margin", "spot")),
        _BASES,
    ),
    BarSource("hyperliquid", "last", "ohlcv/hyperliquid_perp_1h.parquet", HOUR_MS, "coin"),
    *(
        BarSource(venue, "last", f"ohlcv/{venue}_perp_1h.parquet", HOUR_MS, "symbol")
        for venue in ("bybit", "okx", "deribit")
    ),
)


def read_bars(
    root: Path,
    venue: str,
    symbol: str,
    kind: str,
    window: Window,
    interval_ms: int | None = None,
) -> Bars:
    """Read the bars that open in the window (start included, end not), whole or not at all.

    The finest source is taken, unless its rows begin after the window does and a coarser one
    reaches back to it; a demanded `interval_ms` leaves only sources of that interval. Raises
    `InputError` for an unknown venue, kind, interval or symbol, an absent or damaged file, and
    for holes: the line names the file, the symbol, the first missing bar and how many.
    """
    source = _choose(root, _sources(venue, kind, interval_ms), symbol, window.start_ms)
    columns = _PRICES if kind == "mark" else (*_PRICES, "volume")
    selection = _select(root, source, symbol)
    ts_ms, values = read_columns(selection, columns, window)
    _ensure_grid(selection, source.interval_ms, ts_ms)
    _ensure_whole(selection, source.interval_ms, ts_ms, window)
    for check in _CHECKS:
        _ensure_bars(selection, ts_ms, check, values)
    return Bars(
        venue=venue,
        symbol=symbol,
        kind=kind,
        interval_ms=source.interval_ms,
        open_ms=ts_ms,
        open=values["open"],
        high=values["high"],
        low=values["low"],
        close=values["close"],
        volume=values.get("volume"),
    )


def bar_files(venue: str, kind: str, interval_ms: int | None = None) -> tuple[str, ...]:
    """Names inside the data folder of the files `read_bars` may read, finest first."""
    return tuple(source.file for source in _sources(venue, kind, interval_ms))


def _sources(venue: str, kind: str, interval_ms: int | None) -> tuple[BarSource, ...]:
    offered = [source for source in BAR_SOURCES if source.venue == venue]
    if not offered:
        known = ", ".join(sorted({source.venue for source in BAR_SOURCES}))
        raise InputError("bars", "venue", f"expected one of {known}, got {venue!r}")
    offered = [source for source in offered if source.kind == kind]
    if not offered:
        raise InputError("bars", "kind", f"{venue} has no bars of kind {kind!r}")
    chosen = tuple(s for s in offered if interval_ms in (None, s.interval_ms))
    if not chosen:
        known = ", ".join(str(source.interval_ms) for source in offered)
        expected = f"{venue} {kind}: expected one of {known}, got {interval_ms}"
        raise InputError("bars", "interval_ms", expected)
    return chosen


def _choose(root: Path, sources: tuple[BarSource, ...], symbol: str, start_ms: int) -> BarSource:
    finest = sources[0]
    for source in sources if len(sources) > 1 else ():
        if source is not finest and not _offers(root, source, symbol):
            continue
        first_ms = first_stamp_ms(_select(root, source, symbol))
        if first_ms is not None and first_ms <= start_ms:
            return source
    return finest


def _offers(root: Path, source: BarSource, symbol: str) -> bool:
    named = source.names is None or symbol in source.names
    return named and (root / source.file).is_file()


def _select(root: Path, source: BarSource, symbol: str) -> Selection:
    names = source.names or {symbol: symbol}
    if symbol not in names:
        expected = f"expected one of {', '.join(sorted(names))}, got {symbol!r}"
        raise InputError(source.file, "symbol", expected)
    match = ((source.symbol_column, names[symbol]), *source.match)
    return Selection(root, source.file, match, symbol)


def _ensure_grid(selection: Selection, interval_ms: int, ts_ms: IntArray) -> None:
    off = ts_ms[ts_ms % interval_ms != 0]
    if off.size:
        expected = (
            f"{selection.symbol}: expected opens on a grid of {interval_ms} ms,"
            f" {off.size} are not, the first at {format_time(int(off[0]))}"
        )
        raise InputError(selection.where, "ts", expected)
    repeats = ts_ms[1:][np.diff(ts_ms) == 0]
    if repeats.size:
        expected = (
            f"{selection.symbol}: expected one bar per open,"
            f" {repeats.size} are repeated, the first at {format_time(int(repeats[0]))}"
        )
        raise InputError(selection.where, "ts", expected)


def _ensure_whole(selection: Selection, interval_ms: int, ts_ms: IntArray, window: Window) -> None:
    first_ms = -(-window.start_ms // interval_ms) * interval_ms
    wanted = np.arange(first_ms, window.end_ms, interval_ms, dtype=np.int64)
    if not wanted.size:
        expected = f"expected a window that holds a bar of {interval_ms} ms, got {window}"
        raise InputError(selection.where, selection.symbol, expected)
    missing = np.setdiff1d(wanted, ts_ms, assume_unique=True)
    if missing.size:
        expected = (
            f"expected every bar of {window}: {missing.size} of {wanted.size} are missing,"
            f" the first opens at {format_time(int(missing[0]))}"
        )
        raise InputError(selection.where, selection.symbol, expected)


BarCheck = tuple[str, str, Callable[[Mapping[str, FloatArray]], IntArray]]

_CHECKS: tuple[BarCheck, ...] = (
    (
        "low",
        "expected prices above zero",
        lambda v: np.flatnonzero(np.minimum.reduce([v[name] for name in _PRICES]) <= 0.0),
    ),
    (
        "high",
        "expected no high below its open, close or low",
        lambda v: np.flatnonzero(v["high"] < np.maximum.reduce([v[n] for n in _PRICES])),
    ),
    (
        "low",
        "expected no low above its open or close",
        lambda v: np.flatnonzero(v["low"] > np.minimum(v["open"], v["close"])),
    ),
    (
        "volume",
        "expected no volume below zero",
        lambda v: np.flatnonzero(v.get("volume", v["low"]) < 0.0),
    ),
)


def _ensure_bars(
    selection: Selection, ts_ms: IntArray, check: BarCheck, values: Mapping[str, FloatArray]
) -> None:
    field, expected, offenders = check
    bad = offenders(values)
    if bad.size:
        at = format_time(int(ts_ms[bad[0]]))
        detail = f"{selection.symbol}: {expected}, {bad.size} are so, the first at {at}"
        raise InputError(selection.where, field, detail)
