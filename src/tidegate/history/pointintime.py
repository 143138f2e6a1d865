# SPDX-License-Identifier: Apache-2.0
"""Bars as they were known at a moment: a bar is known at its open plus its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate.history.bars import Bars
from tidegate.history.parquet import FloatArray
from tidegate.model.errors import InputError
from tidegate.model.times import format_time


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Bars asked only through a time, so that nothing after it can be seen."""

    bars: Bars

    def known_at(self, ts_ms: int) -> int:
        """Index of the last bar that is closed at `ts_ms` (ms UTC).

        index = floor((ts - first open) / interval) - 1, the bars being a whole grid. Raises
        `InputError` before the first close, and once a bar has closed that was not read: an old
        bar is not passed off as the last one.
        """
        bars = self.bars
        index = (ts_ms - int(bars.open_ms[0])) // bars.interval_ms - 1
        if index < 0:
            first = format_time(int(bars.open_ms[0]) + bars.interval_ms)
            raise self._refusal(f"expected a time not before the first close {first}", ts_ms)
        if index >= len(bars):
            last = format_time(int(bars.open_ms[-1]) + 2 * bars.interval_ms)
            raise self._refusal(f"expected a time before {last}, where the bars end", ts_ms)
        return index

    def closed_until(self, ts_ms: int, count: int) -> Bars:
        """The last `count` bars that are closed at `ts_ms`; too few of them raise `InputError`."""
        end = self.known_at(ts_ms) + 1
        if not 0 < count <= end:
            raise self._refusal(f"expected a count from 1 to the {end} closed, got {count}", ts_ms)
        part = slice(end - count, end)
        bars = self.bars
        return replace(
            bars,
            open_ms=bars.open_ms[part],
            open=bars.open[part],
            high=bars.high[part],
            low=bars.low[part],
            close=bars.close[part],
            volume=None if bars.volume is None else bars.volume[part],
        )

    def closes_until(self, ts_ms: int, count: int) -> FloatArray:
        """Closing prices (count, quote per unit of base) of the last bars closed at `ts_ms`."""
        return self.closed_until(ts_ms, count).close

    def _refusal(self, expected: str, ts_ms: int) -> InputError:
        where = f"{self.bars.venue} {self.bars.symbol} {self.bars.kind} bars"
        return InputError(where, "history", f"{expected}, asked at {format_time(ts_ms)}")
