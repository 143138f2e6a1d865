# SPDX-License-Identifier: Apache-2.0
"""The past replayed point in time: a bar is known at its open plus its interval, never before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidegate.forecast.funding import FundingPrints
from tidegate.history.bars import Bars
from tidegate.history.funding import FundingPrints as StoredPrints
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.ports import PastBars


@dataclass(frozen=True, slots=True)
class Liquidity:
    """Per instrument, on the run's grid: a day's volume in dollars, daily volatility, and half the
    spread where it is seen."""

    start_ms: int
    step_ms: int
    volume_day_usd: Mapping[InstrumentId, Sequence[float]]
    vol_daily: Mapping[InstrumentId, Sequence[float]]
    half_spread: Mapping[InstrumentId, Sequence[float]] = field(default_factory=dict)

    def at(self, name: InstrumentId, ts_ms: int) -> tuple[float, float, float | None]:
        """Volume, volatility and half spread known at a time."""
        volume, spread = self.volume_day_usd[name], self.half_spread.get(name)
        step = min((ts_ms - self.start_ms) // self.step_ms, len(volume) - 1)
        return volume[step], self.vol_daily[name][step], None if spread is None else spread[step]


@dataclass(slots=True)
class ReplayFeed:
    """A feed over stored bars and funding; `reference` is each coin's finest market."""

    instruments: Mapping[InstrumentId, Instrument]
    bars: Mapping[InstrumentId, Bars]
    prints: Mapping[InstrumentId, StoredPrints | None]
    reference: Mapping[str, InstrumentId]
    liquidity: Liquidity
    _closes: dict[InstrumentId, list[float]] = field(default_factory=dict)
    _quoted: dict[int, dict[InstrumentId, Quote]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._closes = {name: bars.close.tolist() for name, bars in self.bars.items()}

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """Last closes; one that is older than its coin's reference market is carried forward by the
        reference's return since, and marked as estimated."""
        if ts_ms not in self._quoted:
            # All policies of a study ask for the same times.
            self._quoted[ts_ms] = {name: self._quote(name, ts_ms) for name in self.instruments}
        return MarketSnapshot(ts_ms, self._quoted[ts_ms], frozen)

    def _quote(self, name: InstrumentId, ts_ms: int) -> Quote:
        instrument = self.instruments[name]
        close, as_of_ms = self._close_at(name, ts_ms)
        reference = self.reference[instrument.base]
        estimated = False
        if as_of_ms < ts_ms and reference != name:
            now, fresh_ms = self._close_at(reference, ts_ms)
            if fresh_ms > as_of_ms:
                then, _ = self._close_at(reference, as_of_ms)
                close, estimated = close * now / then, True
        ticks = max(1, round(close / float(instrument.tick)))
        return Quote(ticks, as_of_ms, estimated, *self.liquidity.at(name, ts_ms))

    def _close_at(self, name: InstrumentId, ts_ms: int) -> tuple[float, int]:
        bars = self.bars[name]
        first = int(bars.open_ms[0])
        index = min((ts_ms - first) // bars.interval_ms - 1, len(bars) - 1)
        return self._closes[name][index], first + (index + 1) * bars.interval_ms

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Closed bars over at most the last days, as far back as every coin's reference reaches."""
        bars = [self.bars[self.reference[coin]] for coin in coins]
        interval = bars[0].interval_ms
        start = max([ts_ms - days * DAY_MS, *(int(b.open_ms[0]) for b in bars)])
        parts = []
        for b in bars:
            first = -(-(start - int(b.open_ms[0])) // interval)
            last = (ts_ms - int(b.open_ms[0])) // interval
            parts.append(slice(first, last))
        columns = [
            np.column_stack([getattr(b, key)[part] for b, part in zip(bars, parts, strict=True)])
            for key in ("high", "low", "close")
        ]
        return PastBars(bars[0].open_ms[parts[0]], interval, *columns)

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """Prints settled at or before a time."""
        stored = self.prints[instrument]
        if stored is None:
            return None
        count = int(np.searchsorted(stored.ts_ms, ts_ms, side="right"))
        return FundingPrints(
            stored.ts_ms[:count],
            stored.rate_e12[:count] / 1e12,
            stored.interval_ms[:count] / HOUR_MS,
        )
