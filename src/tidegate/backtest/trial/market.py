# SPDX-License-Identifier: Apache-2.0
"""From a generated world to what a run needs: bars, prints, and the exchange's tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.market import Market
from tidegate.backtest.tape import build_tape
from tidegate.history.bars import Bars
from tidegate.history.funding import FundingPrints
from tidegate.history.window import Window
from tidegate.model.errors import ensure
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import HOUR_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Deleveraging, Freeze, Queue, Rush, Tape, Track
from tidegate.simulation.world.paths import WorldPaths

# By which formula a venue of a rule orders winners; those not named here rank by profit.
RANKING: Mapping[str, str] = MappingProxyType({"hyperliquid_cross": "price_leverage"})


def world_market(paths: WorldPaths, arrangement: Arrangement, window: Window) -> Market:
    """Bars, marks and prints of the mandate's instruments; the window lies inside the world.

    Each coin's reference is its Binance-like market where there is one, else the first by name.
    """
    names = tuple(arrangement.terms.instruments)
    for name in names:
        ensure(name in paths.close, f"{name}: not in this world")
    prints = _prints(paths, names)
    return Market(
        window,
        paths.step_ms,
        {name: _bars(paths, name, "last") for name in names},
        {name: _bars(paths, name, "mark") for name in names},
        prints,
        _references(arrangement),
        paths.digest(),
    )


def _references(arrangement: Arrangement) -> dict[str, InstrumentId]:
    best: dict[str, tuple[bool, InstrumentId]] = {}
    for name, instrument in arrangement.terms.instruments.items():
        key = (instrument.venue != "binance", name)
        best[instrument.base] = min(best.get(instrument.base, key), key)
    return {coin: name for coin, (_, name) in best.items()}


def _bars(paths: WorldPaths, name: InstrumentId, kind: str) -> Bars:
    venue, symbol = name.split(":")
    open_ms = paths.start_ms + paths.step_ms * np.arange(paths.steps, dtype=np.int64)
    if kind == "mark":
        close = paths.mark_close[name]
        opened = np.concatenate([close[:1], close[:-1]])
        high = np.maximum(paths.mark_high[name], opened)
        low = np.minimum(paths.mark_low[name], opened)
        return Bars(venue, symbol, kind, paths.step_ms, open_ms, opened, high, low, close, None)
    prices = (paths.open[name], paths.high[name], paths.low[name], paths.close[name])
    volume = paths.volume_usd[name] / paths.close[name]
    return Bars(venue, symbol, kind, paths.step_ms, open_ms, *prices, volume)


def _prints(
    paths: WorldPaths, names: tuple[InstrumentId, ...]
) -> dict[InstrumentId, FundingPrints | None]:
    rows: dict[InstrumentId, list[tuple[int, int]]] = {name: [] for name in names}
    for ts_ms, name, rate_e12 in paths.funding:
        if name in rows:
            rows[name].append((ts_ms, rate_e12))
    found: dict[InstrumentId, FundingPrints | None] = {}
    for name, stamps in rows.items():
        venue, symbol = name.split(":")
        table = np.array(stamps, dtype=np.int64).reshape(-1, 2)
        interval = np.diff(table[:, 0], prepend=paths.start_ms)
        found[name] = FundingPrints(venue, symbol, table[:, 0], table[:, 1], interval)
    return found


def world_tape(paths: WorldPaths, market: Market, arrangement: Arrangement) -> Tape:
    """The tape of the market's window with everything that a world adds: depth and spread of the
    moment, freezes, outages, deleveragings and their queues, and what dollar coins are worth."""
    window = market.window
    base = build_tape(market, arrangement, (), "the trial's mandate")
    first = (window.start_ms - paths.start_ms) // paths.step_ms
    part = slice(first, first + base.steps)
    inside = (window.start_ms, window.end_ms)
    closings = sorted(
        Deleveraging(e.ts_ms, e.instrument, 1 if e.side == "long" else -1, e.rank_threshold)
        for e in paths.adl
        if inside[0] < e.ts_ms <= inside[1] and e.instrument in base.tracks
    )
    return replace(
        base,
        tracks={name: _liquid(track, paths, name, part) for name, track in base.tracks.items()},
        freezes=_within(paths.freezes, inside),
        outages=_within(paths.outages, inside),
        deleveragings=tuple(closings),
        queues=_queues(paths, arrangement, window),
        stable_micro={
            asset: np.rint(price[part.start - 1 : part.stop] * MICRO).astype(int).tolist()
            for asset, price in paths.stable.items()
        },
        counted_ppm={
            venue: np.floor(path[part] * MICRO).astype(int).tolist()
            for venue, path in paths.counted.items()
        },
        rushes=tuple(Rush(*rush) for rush in paths.rushes if inside[0] <= rush[1] < inside[1]),
    )


def _liquid(track: Track, paths: WorldPaths, name: InstrumentId, part: slice) -> Track:
    """Depth and spread as they stood when each step began: those of the step before it."""
    before = slice(part.start - 1, part.stop - 1)
    volume = np.array(track.volume_day_usd) * paths.depth[name][before]
    spread = paths.half_spread[name][before]
    return replace(track, volume_day_usd=volume.tolist(), half_spread=spread.tolist())


def _within(
    intervals: tuple[tuple[str, int, int], ...], inside: tuple[int, int]
) -> tuple[Freeze, ...]:
    return tuple(
        Freeze(venue, start, end)
        for venue, start, end in intervals
        if end > inside[0] and start < inside[1]
    )


def _queues(
    paths: WorldPaths, arrangement: Arrangement, window: Window
) -> dict[InstrumentId, Queue]:
    hour = (window.start_ms - paths.start_ms) // HOUR_MS
    found = {}
    for name, instrument in arrangement.terms.instruments.items():
        rule = arrangement.mandate.venue[instrument.venue].rule
        ranking = RANKING.get(rule, "profit_leverage")
        found[name] = Queue(ranking, paths.adl_scores[name][hour:])
    return found
