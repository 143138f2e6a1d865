# SPDX-License-Identifier: Apache-2.0
"""What protocols show on the chain, as the market's past and present for the engine.

A series is a price (the pool's, of one instrument) or a rate (what a dollar earns at one venue a
year), point by point as the chain has it. What a venue is expected to earn is the forecast of
`signals.lending` over the mandate's payback time, c, shrunk for its error s as a carry is: c t^2 /
(1 + t^2) with t = c / s (Thompson 1968; see `signals.carry.shrunk_carry`). A venue without a
forecast earns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import FundingPrints
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.ports import PastBars
from tidegate.signals.lending import forecast_rate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MICRO = 10**6
Points = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Shown:
    """Which series there are: of each instrument its price, in what steps, how much of it the pool
    trades in a day; of each venue its rate, and over how many days it is forecast."""

    prices: Mapping[str, Contract]
    bar_ms: int
    volume_day_usd: float
    rates: tuple[str, ...]
    horizon_days: int


@dataclass(slots=True)
class VaultFeed:
    """A feed over series in millionths, which `take` extends; it never looks beyond a time."""

    shown: Shown
    _points: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, points: Mapping[str, Points]) -> None:
        """More points (second, value) of each series, later than those before."""
        for series, more in points.items():
            self._points.setdefault(series, []).extend(more)

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """The last prices, each as old as it is, and what dollars are expected to earn."""
        quotes = {}
        for series, contract in self.shown.prices.items():
            at_s, values = self._until(series, ts_ms)
            vol = self._vol_daily(series, ts_ms)
            if values.size and vol is not None:
                ticks = max(1, round(float(values[-1]) / MICRO / float(contract.tick)))
                at_ms, volume = int(at_s[-1]) * SECOND_MS, self.shown.volume_day_usd
                quotes[contract.id] = Quote(ticks, at_ms, False, volume, vol)
        yields = {venue: self._yield(venue, ts_ms) for venue in self.shown.rates}
        return MarketSnapshot(ts_ms, quotes, frozen, yields_annual=yields)

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Bars between the points of the prices, on their grid; those after the last hole."""
        step_ms = self.shown.bar_ms
        by_coin = {contract.base: series for series, contract in self.shown.prices.items()}
        columns = [self._closes(by_coin[coin], ts_ms) for coin in coins]
        begin = max(int(stamps[0]) for stamps, _ in columns)
        begin = max(begin, ts_ms - days * DAY_MS)
        cut = [(s[s >= begin], v[s >= begin]) for s, v in columns]
        size = min(stamps.size for stamps, _ in cut)
        stamps = cut[0][0][-size:]
        prices = np.column_stack([values[-size:] for _, values in cut])
        before, close = prices[:-1], prices[1:]
        open_ms = stamps[:-1]
        high, low = np.maximum(before, close), np.minimum(before, close)
        return PastBars(open_ms, step_ms, high, low, close)

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """None: what a venue earns is its rate."""
        return None

    def rates(self, ts_ms: int) -> dict[str, float]:
        """The last rate of each venue, a year."""
        told = {venue: self._until(venue, ts_ms)[1] for venue in self.shown.rates}
        return {venue: float(values[-1]) / MICRO for venue, values in told.items() if values.size}

    def _until(self, series: str, ts_ms: int) -> tuple[IntArray, FloatArray]:
        known = [p for p in self._points.get(series, ()) if p[0] * SECOND_MS <= ts_ms]
        at_s = np.array([at for at, _ in known], dtype=np.int64)
        return at_s, np.array([value for _, value in known], dtype=np.float64)

    def _closes(self, series: str, ts_ms: int) -> tuple[IntArray, FloatArray]:
        """Points on the grid of bars, after the last hole."""
        at_s, values = self._until(series, ts_ms)
        stamps = at_s * SECOND_MS
        on_grid = stamps % self.shown.bar_ms == 0
        stamps, values = stamps[on_grid], values[on_grid] / MICRO
        holes = np.flatnonzero(np.diff(stamps) != self.shown.bar_ms)
        start = int(holes[-1]) + 1 if holes.size else 0
        return stamps[start:], values[start:]

    def _vol_daily(self, series: str, ts_ms: int) -> float | None:
        """Of the last month of bars; None before two days of them."""
        _, closes = self._closes(series, ts_ms)
        per_day = DAY_MS // self.shown.bar_ms
        closes = closes[-30 * per_day - 1 :]
        if closes.size < 2 * per_day:
            return None
        return float(np.std(np.diff(np.log(closes))) * np.sqrt(per_day))

    def _yield(self, venue: str, ts_ms: int) -> float:
        daily = self._daily(venue, ts_ms)
        try:
            found = forecast_rate(venue, daily, self.shown.horizon_days)
        except InsufficientHistory:
            return 0.0
        square = (found.rate_annual / found.standard_error_annual) ** 2
        return found.rate_annual * square / (1.0 + square)

    def _daily(self, venue: str, ts_ms: int) -> FloatArray:
        """The last rate of each day, NaN where there is none."""
        at_s, values = self._until(venue, ts_ms)
        if not at_s.size:
            return np.zeros(0)
        days = at_s // (DAY_MS // SECOND_MS)
        daily = np.full(int(days[-1] - days[0]) + 1, np.nan)
        daily[days - days[0]] = values / MICRO
        return daily
