# SPDX-License-Identifier: Apache-2.0
"""What the market did before now: bars, a day's figures and funding prints, up to the last step
that has ended."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegate.model.instruments import InstrumentId
from tidegate.model.times import DAY_MS, MINUTE_MS
from tidegate.model.units import nearest_ticks
from tidegate.simulation.world.arrays import FloatArray
from tidegate.venues.street.chunk import market_trades, middles, usd_per_lot
from tidegate.venues.street.listings import Listing
from tidegate.venues.street.market import Market
from tidegate.venues.street.values import Bar, FundingPrint


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A perpetual's last 24 hours, up to the last step that has ended."""

    high_ticks: int
    low_ticks: int
    first_ticks: int
    last_ticks: int
    lots: int
    usd: float


class Past:
    """The past of a market's perpetuals."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings = {one.instrument.id: one for one in market.terms.listings}
        self._prints: dict[InstrumentId, tuple[FundingPrint, ...]] = {}

    def bars(self, name: InstrumentId, first_ms: int, last_ms: int, now_ms: int) -> list[Bar]:
        """Bars of the world's step that begin within the times and have ended; none of options."""
        listing = self._listings.get(name)
        if listing is None:
            return []
        paths = self._market.paths
        first = max(0, -(-(first_ms - paths.start_ms) // paths.step_ms))
        last = min(last_ms - paths.start_ms, now_ms - paths.start_ms - paths.step_ms)
        return list(self._bars(listing, first, last // paths.step_ms + 1))

    def minutes(self, name: InstrumentId, first_ms: int, last_ms: int, now_ms: int) -> list[Bar]:
        """Bars of a minute that begin within the times and have ended, of middles; none of
        options."""
        listing, paths = self._listings.get(name), self._market.paths
        if listing is None:
            return []
        first = max(0, (first_ms - paths.start_ms) // paths.step_ms)
        last = min((min(last_ms, now_ms) - paths.start_ms) // paths.step_ms, paths.steps - 1)
        every = (bar for step in range(first, last + 1) for bar in self._minutes(listing, step))
        latest = min(last_ms, now_ms - MINUTE_MS)
        return [bar for bar in every if first_ms <= bar.open_ms <= latest]

    def _minutes(self, listing: Listing, step: int) -> Iterator[Bar]:
        market, per_minute = self._market, MINUTE_MS // self._market.terms.tick_ms
        of = market, listing.instrument, listing.world, step
        ticks, lots = middles(*of), np.abs(market_trades(*of))
        begin_ms = market.paths.start_ms + step * market.paths.step_ms
        for place in range(0, len(ticks), per_minute):
            part = ticks[place : place + per_minute]
            traded = int(lots[place : place + per_minute].sum())
            open_ms = begin_ms + place * market.terms.tick_ms
            yield Bar(open_ms, part[0], max(part), min(part), part[-1], traded)

    def day(self, name: InstrumentId, now_ms: int) -> DayFigures | None:
        """The last day's figures; None of options."""
        listing = self._listings.get(name)
        if listing is None:
            return None
        paths, world, perpetual = self._market.paths, listing.world, listing.instrument
        end = (now_ms - paths.start_ms) // paths.step_ms
        part = slice(max(0, end - DAY_MS // paths.step_ms), end)
        columns = (paths.high, paths.low, paths.open, paths.close)
        high, low, first, last = (nearest_ticks(c[world][part], perpetual.tick) for c in columns)
        usd = float(paths.volume_usd[world][part].sum())
        lots = int(usd / usd_per_lot(perpetual, float(paths.close[world][end - 1])))
        ends = int(first[0]), int(last[-1])
        return DayFigures(int(high.max()), int(low.min()), *ends, lots, usd)

    def funding(
        self, name: InstrumentId, first_ms: int, last_ms: int, now_ms: int
    ) -> tuple[FundingPrint, ...]:
        """Prints with stamps within the times that are not after now."""
        if name not in self._prints:
            listing = self._listings.get(name)
            self._prints[name] = () if listing is None else tuple(self._made(listing))
        prints = self._prints[name]
        first = bisect_left(prints, first_ms, key=lambda p: p.ts_ms)
        return prints[first : bisect_right(prints, min(last_ms, now_ms), key=lambda p: p.ts_ms)]

    def _made(self, listing: Listing) -> Iterator[FundingPrint]:
        paths = self._market.paths
        index = self._market.index_paths[listing.instrument.base].close
        for ts_ms, world, rate_e12 in sorted(paths.funding):
            step = (ts_ms - paths.start_ms) // paths.step_ms - 1
            if world == listing.world and 0 <= step < paths.steps:
                ticks = int(nearest_ticks(index[step : step + 1], listing.index.tick)[0])
                yield FundingPrint(ts_ms, listing.instrument.symbol, rate_e12, ticks)

    def _bars(self, listing: Listing, first: int, end: int) -> Iterator[Bar]:
        if end <= first:
            return
        paths, world = self._market.paths, listing.world
        part = slice(first, end)

        def ticks(column: FloatArray) -> list[int]:
            return list(nearest_ticks(column[part], listing.instrument.tick).tolist())

        prices = (ticks(c[world]) for c in (paths.open, paths.high, paths.low, paths.close))
        per_lot = np.array(
            [usd_per_lot(listing.instrument, float(p)) for p in paths.close[world][part]]
        )
        lots = (paths.volume_usd[world][part] / per_lot).astype(np.int64).tolist()
        for place, row in enumerate(zip(*prices, lots, strict=True)):
            yield Bar(paths.start_ms + (first + place) * paths.step_ms, *row)
