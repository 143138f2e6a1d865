# SPDX-License-Identifier: Apache-2.0
"""Candles: the past's bars joined to the interval asked for, and minutes from trades seen here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import Bar, Print

INTERVALS = {f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)}
INTERVALS |= {f"{n}h": n * HOUR_MS for n in (1, 2, 4, 8, 12)}
INTERVALS |= {"1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS}
BAR_MS = 5 * MINUTE_MS
CANDLES_MAX, MINUTES_MAX = 5_000, 5_000


@dataclass(slots=True)
class Minutes:
    """Bars of a minute, made of the trades that were seen."""

    _bars: dict[str, deque[Bar]] = field(default_factory=dict)

    def take(self, said: Print) -> None:
        """Add a trade."""
        bars = self._bars.setdefault(said.symbol, deque(maxlen=MINUTES_MAX))
        begin_ms = said.ts_ms // MINUTE_MS * MINUTE_MS
        one = Bar(begin_ms, said.ticks, said.ticks, said.ticks, said.ticks, abs(said.lots))
        if bars and bars[-1].open_ms == begin_ms:
            bars[-1] = _join(bars[-1], one)
        else:
            bars.append(one)

    def of(self, symbol: str, first_ms: int, last_ms: int) -> list[Bar]:
        """Minutes that begin within the times."""
        return [b for b in self._bars.get(symbol, ()) if first_ms <= b.open_ms <= last_ms]


def _join(before: Bar, after: Bar) -> Bar:
    return replace(
        before,
        high=max(before.high, after.high),
        low=min(before.low, after.low),
        close=after.close,
        lots=before.lots + after.lots,
    )


def candles(
    street: Street, minutes: Minutes, symbol: str, length_ms: int, window: tuple[int, int]
) -> list[Bar]:
    """Bars of a length that begin within the times, the last one unfinished; at most 5000, the
    newest. Those below five minutes reach back to when the server began."""
    last_ms = min(window[1], street.now_ms)
    earliest_ms = last_ms - CANDLES_MAX * length_ms
    first_ms = -(-max(window[0], earliest_ms, 0) // length_ms) * length_ms
    past = [] if length_ms < BAR_MS else street.bars(symbol, first_ms, last_ms)
    seen_ms = past[-1].open_ms + BAR_MS if past else first_ms
    fresh = minutes.of(symbol, seen_ms, last_ms)
    return _joined((*past, *fresh), length_ms)[-CANDLES_MAX:]


def _joined(bars: Iterable[Bar], length_ms: int) -> list[Bar]:
    found: list[Bar] = []
    for bar in bars:
        begin_ms = bar.open_ms // length_ms * length_ms
        if found and found[-1].open_ms == begin_ms:
            found[-1] = _join(found[-1], bar)
        else:
            found.append(replace(bar, open_ms=begin_ms))
    return found
