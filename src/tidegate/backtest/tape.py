# SPDX-License-Identifier: Apache-2.0
"""From bars to the exchange's tape: one grid, each venue's own extremes, marks and funding.

Where a venue's bars are coarser than the grid, its path inside a bar must be stated in the
mandate: `scaled:VENUE:SYMBOL` takes the shape of another market's finer path, stretched to this
venue's own high and low; `first` puts both extremes at the start of the bar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.market import (
    VOL_DAYS,
    Market,
    trailing_volatility_daily,
    trailing_volume_day_usd,
)
from tidegate.history.bars import Bars
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.units import nearest_ticks
from tidegate.simulation.tape import Freeze, FundingStamp, Tape, Track

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Path:
    """Prices per grid step: first, highest, lowest, last."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


def build_tape(
    market: Market, arrangement: Arrangement, freezes: tuple[Freeze, ...], where: str
) -> Tape:
    """The tape of a run; freezes must name venues of the mandate."""
    for freeze in freezes:
        if freeze.venue not in arrangement.mandate.venue:
            raise InputError(
                "--freeze", "VENUE", f"expected a venue of {where}, got {freeze.venue!r}"
            )
    start, end = market.window.start_ms, market.window.end_ms
    if any(freeze.end_ms <= start or freeze.start_ms >= end for freeze in freezes):
        raise InputError("--freeze", "FROM:TO", "expected a time inside the run")
    steps = (end - start) // market.step_ms
    tracks = {
        name: _track(market, arrangement, name, where) for name in arrangement.terms.instruments
    }
    stamps = sorted(
        FundingStamp(int(ts), name, int(rate))
        for name, prints in market.funding.items()
        if prints is not None
        for ts, rate in zip(prints.ts_ms, prints.rate_e12, strict=True)
        if start < ts < end
    )
    return Tape(start, market.step_ms, steps, tracks, tuple(stamps), freezes)


def _track(market: Market, arrangement: Arrangement, name: InstrumentId, where: str) -> Track:
    instrument = arrangement.terms.instruments[name]
    last = _path(market, arrangement, name, where)
    marks = market.marks[name]
    mark = last if marks is None else _mark_path(market, last, marks)
    grid = np.arange(market.window.start_ms, market.window.end_ms, market.step_ms)
    reference = market.bars[market.reference[instrument.base]]
    return Track(
        _ticks(last.open, instrument),
        _ticks(mark.high, instrument),
        _ticks(mark.low, instrument),
        _ticks(mark.close, instrument),
        trailing_volume_day_usd(market.bars[name], grid).tolist(),
        trailing_volatility_daily(reference, grid, VOL_DAYS).tolist(),
    )


def _ticks(prices: FloatArray, instrument: Instrument) -> list[int]:
    ticks: list[int] = nearest_ticks(prices, instrument.tick).tolist()
    if min(ticks) <= 0:
        raise InputError(instrument.id, "price", "expected prices of at least one tick")
    return ticks


def inside(bars: Bars, start_ms: int, end_ms: int) -> Path:
    """The bars of a window as arrays."""
    keep = (bars.open_ms >= start_ms) & (bars.open_ms < end_ms)
    return Path(bars.open[keep], bars.high[keep], bars.low[keep], bars.close[keep])


def _path(market: Market, arrangement: Arrangement, name: InstrumentId, where: str) -> Path:
    window = market.window
    bars = market.bars[name]
    own = inside(bars, window.start_ms, window.end_ms)
    parts = bars.interval_ms // market.step_ms
    if parts == 1:
        return own
    venue, symbol = name.split(":")
    field = f"venue.{venue}.instruments.{symbol}.intrabar"
    said = arrangement.mandate.venue[venue].instruments[symbol].intrabar
    if said is None:
        raise InputError(where, field, "expected 'first' or 'scaled:VENUE:SYMBOL' for coarse bars")
    if said.value == "first":
        return _extremes_first(own, parts)
    kind, _, peer = said.value.partition(":")
    if kind != "scaled" or peer not in market.bars:
        raise InputError(
            where, field, f"expected 'first' or 'scaled:VENUE:SYMBOL', got {said.value!r}"
        )
    finer = market.bars[peer]
    if finer.interval_ms != market.step_ms:
        raise InputError(
            where, field, f"expected a market with bars of the finest grid, got {peer}"
        )
    return scaled_path(own, inside(finer, window.start_ms, window.end_ms), parts)


def _extremes_first(own: Path, parts: int) -> Path:
    """Both extremes in the first part; in between the price stays where the bar opened."""
    count = own.open.size * parts
    opens, closes = np.repeat(own.open, parts), np.repeat(own.open, parts)
    closes[parts - 1 :: parts] = own.close
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    first = np.arange(0, count, parts)
    high[first], low[first] = own.high, own.low
    return Path(opens, high, low, closes)


def scaled_path(own: Path, peer: Path, parts: int) -> Path:
    """The peer's finer path inside each bar, mapped linearly so that its extremes become ours.

    First and last prices are our own. Where the peer did not move, both extremes count at once.
    """
    shape = (own.open.size, parts)
    peer_high, peer_low = (x.reshape(shape) for x in (peer.high, peer.low))
    top, bottom = peer_high.max(axis=1), peer_low.min(axis=1)
    span = np.where(top > bottom, top - bottom, 1.0)

    def mapped(prices: FloatArray) -> FloatArray:
        share = (prices.reshape(shape) - bottom[:, None]) / span[:, None]
        return np.asarray(own.low[:, None] + share * (own.high - own.low)[:, None])

    opens, closes = mapped(peer.open), mapped(peer.close)
    opens[:, 0], closes[:, -1] = own.open, own.close
    high, low = mapped(peer_high), mapped(peer_low)
    flat = top <= bottom
    high[flat], low[flat] = own.high[flat, None], own.low[flat, None]
    opens[flat], closes[flat, :-1] = own.open[flat, None], own.open[flat, None]
    high = np.maximum(high, np.maximum(opens, closes))
    low = np.minimum(low, np.minimum(opens, closes))
    return Path(opens.ravel(), high.ravel(), low.ravel(), closes.ravel())


def _mark_path(market: Market, last: Path, marks: Bars) -> Path:
    """Hourly marks on the grid: the last price's path, kept inside the hour's mark range, with the
    mark's extreme in the part where the last price had its own."""
    window = market.window
    own = inside(marks, window.start_ms, window.end_ms)
    parts = marks.interval_ms // market.step_ms
    if parts <= 1:
        return own
    shape = (own.open.size, parts)
    low, high = own.low[:, None], own.high[:, None]
    highs = np.clip(last.high.reshape(shape), low, high)
    lows = np.clip(last.low.reshape(shape), low, high)
    closes = np.clip(last.close.reshape(shape), low, high)
    rows = np.arange(shape[0])
    highs[rows, last.high.reshape(shape).argmax(axis=1)] = own.high
    lows[rows, last.low.reshape(shape).argmin(axis=1)] = own.low
    closes[:, -1] = own.close
    return Path(last.open, highs.ravel(), lows.ravel(), closes.ravel())
