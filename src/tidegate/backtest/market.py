# SPDX-License-Identifier: Apache-2.0
"""The past that a run needs, read once and checked: bars, marks and funding per instrument."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.backtest.arrangement import Arrangement
from tidegate.history.bars import Bars, bar_files, read_bars
from tidegate.history.digest import digest_files
from tidegate.history.funding import FundingPrints, funding_file, read_funding, read_known_funding
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId, Spot
from tidegate.model.mandate import Terms
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

INTERVALS_MS = {"5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "1h": HOUR_MS, "8h": 8 * HOUR_MS}
LIQUIDITY_MS = 8 * HOUR_MS
VOL_DAYS = 7
FUNDING_PAST_DAYS = 365
VOL_WARMUP_DAYS = 400


@dataclass(frozen=True, slots=True)
class Market:
    """Bars, marks (None: the last price serves as mark) and funding (None for spot); `reference`
    is each coin's instrument with the finest bars and the longest past."""

    window: Window
    step_ms: int
    bars: Mapping[InstrumentId, Bars]
    marks: Mapping[InstrumentId, Bars | None]
    funding: Mapping[InstrumentId, FundingPrints | None]
    reference: Mapping[str, InstrumentId]
    digest: str


def load_market(root: Path, arrangement: Arrangement, window: Window, where: str) -> Market:
    """Read and check everything; raises `InputError` naming what is missing."""
    said = _said(arrangement)
    step_ms = min(INTERVALS_MS[terms.bars] for terms in said.values())
    _check_window(window, said.values(), where)
    reference = _references(arrangement, said)
    bars: dict[InstrumentId, Bars] = {}
    marks: dict[InstrumentId, Bars | None] = {}
    funding: dict[InstrumentId, FundingPrints | None] = {}
    for name, terms in said.items():
        instrument = arrangement.terms.instruments[name]
        interval_ms = INTERVALS_MS[terms.bars]
        days = VOL_WARMUP_DAYS if name in reference.values() else 0
        bars[name] = _bars_with_past(
            root, instrument.venue, instrument.symbol, interval_ms, window, days
        )
        marks[name] = _marks(root, instrument.venue, instrument.symbol, terms, window, where)
        spot = isinstance(instrument, Spot)
        funding[name] = None if spot else _funding(root, name, window)
    digest = market_digest(root, arrangement)
    return Market(window, step_ms, bars, marks, funding, reference, digest)


def market_digest(root: Path, arrangement: Arrangement) -> str:
    """Digest of the files that `load_market` reads, without reading what is in them; raises
    `InputError` for one that is missing."""
    files: set[str] = set()
    for name, terms in _said(arrangement).items():
        venue = name.partition(":")[0]
        files.update(bar_files(venue, "last", INTERVALS_MS[terms.bars]))
        if not isinstance(arrangement.terms.instruments[name], Spot):
            files.add(funding_file(venue))
        if terms.mark.value == "mark":
            files.update(bar_files(venue, "mark"))
        files.update(VenueTables(root).table_files(venue))
    return digest_files(root, sorted(files))


def _said(arrangement: Arrangement) -> dict[InstrumentId, Terms]:
    return {
        f"{venue}:{symbol}": terms
        for venue, said in arrangement.mandate.venue.items()
        for symbol, terms in said.instruments.items()
    }


def _check_window(window: Window, said: Collection[Terms], where: str) -> None:
    """The window must hold whole bars and whole marks of every market."""
    whole = {INTERVALS_MS[terms.bars] for terms in said}
    whole |= {HOUR_MS for terms in said if terms.mark.value == "mark"}
    longest_ms = max(whole)
    if window.start_ms % longest_ms or window.end_ms % longest_ms:
        expected = f"expected whole bars of {longest_ms // MINUTE_MS} minutes at both ends"
        raise InputError(where, "--from/--to", expected)


def _references(
    arrangement: Arrangement, said: Mapping[InstrumentId, Terms]
) -> dict[str, InstrumentId]:
    """Per coin the margined instrument with the finest bars; ties by name."""
    best: dict[str, tuple[int, InstrumentId]] = {}
    for name, terms in said.items():
        if terms.kind == "spot":
            continue
        key = (INTERVALS_MS[terms.bars], name)
        best[terms.base] = min(best.get(terms.base, key), key)
    return {coin: name for coin, (_, name) in best.items()}


def _bars_with_past(
    root: Path, venue: str, symbol: str, interval_ms: int, window: Window, days: int
) -> Bars:
    """Bars of the window and as much unbroken past as there is, up to `days`; at least the
    liquidity look-back."""
    least = Window(window.start_ms - LIQUIDITY_MS, window.end_ms)
    found = read_bars(root, venue, symbol, "last", least, interval_ms)
    if days:
        longest = _unbroken(root, venue, symbol, interval_ms, least, days)
        found = longest if longest is not None else found
    return found


def _unbroken(
    root: Path, venue: str, symbol: str, interval_ms: int, least: Window, days: int
) -> Bars | None:
    for span in (days, 240, 120, 60, 30, VOL_DAYS + 1):
        if span > days:
            continue
        try:
            start = least.start_ms - span * DAY_MS
            return read_bars(root, venue, symbol, "last", Window(start, least.end_ms), interval_ms)
        except InputError:
            continue
    return None


def _marks(
    root: Path, venue: str, symbol: str, terms: Terms, window: Window, where: str
) -> Bars | None:
    if terms.mark.value == "mark":
        return read_bars(root, venue, symbol, "mark", window)
    if terms.mark.value == "last":
        return None
    field = f"venue.{venue}.instruments.{symbol}.mark"
    raise InputError(where, field, f"expected 'mark' or 'last', got {terms.mark.value!r}")


def _funding(root: Path, name: InstrumentId, window: Window) -> FundingPrints:
    """Every print of the window, and those of the past that are known."""
    venue, symbol = name.split(":")
    now = read_funding(root, venue, symbol, window)
    start_ms = window.start_ms - FUNDING_PAST_DAYS * DAY_MS
    past = read_known_funding(root, venue, symbol, Window(start_ms, window.start_ms))
    return FundingPrints(
        venue,
        symbol,
        np.concatenate([past.ts_ms, now.ts_ms]),
        np.concatenate([past.rate_e12, now.rate_e12]),
        np.concatenate([past.interval_ms, now.interval_ms]),
    )


def trailing_volatility_daily(bars: Bars, at_ms: np.ndarray, days: int) -> np.ndarray:
    """Root mean realised variance a day over the last days before each time, from closed bars."""
    per_day = DAY_MS // bars.interval_ms
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(bars.close)) ** 2)])
    closed = (at_ms - int(bars.open_ms[0])) // bars.interval_ms - 1
    first = closed - days * per_day
    if first.min() < 0:
        raise InputError(
            f"{bars.venue} {bars.symbol}", "history", f"expected {days} days of bars before the run"
        )
    return np.asarray(np.sqrt((squares[closed] - squares[first]) / days))


def trailing_volume_day_usd(bars: Bars, at_ms: np.ndarray) -> np.ndarray:
    """A day's traded notional, estimated from the bars closed in the look-back before each time."""
    if bars.volume is None:
        raise InputError(f"{bars.venue} {bars.symbol}", "volume", "expected bars with volume")
    count = LIQUIDITY_MS // bars.interval_ms
    traded = np.concatenate([[0.0], np.cumsum(bars.volume * bars.close)])
    closed = (at_ms - int(bars.open_ms[0])) // bars.interval_ms
    volume = (traded[closed] - traded[closed - count]) * (DAY_MS / LIQUIDITY_MS)
    if volume.min() <= 0:
        raise InputError(f"{bars.venue} {bars.symbol}", "volume", "expected trading before the run")
    return np.asarray(volume)
