# SPDX-License-Identifier: Apache-2.0
"""The market as the engine sees it: the tape up to now, through a feed with faults of its own.

The venues go on trading at the true prices while the feed is stale, frozen, crossed or wrong.
"""

from __future__ import annotations

import msgspec
import numpy as np

from tidegate.forecast.funding import FundingPrints
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.ports import PastBars
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.menu import Fault
from tidegate.simulation.faults.spells import Spells
from tidegate.simulation.tape import Tape

BAD_PRINT_MOVE = 0.3
LONG_STALE_MS = 3 * HOUR_MS
FAULTS = (
    Fault.FEED_STALE,
    Fault.QUOTE_FROZEN,
    Fault.QUOTE_CROSSED,
    Fault.QUOTE_GAP,
    Fault.BAD_PRINT,
)


class TapeFeed:
    """The close of the last whole step of each contract, its depth now, and nothing later."""

    def __init__(self, tape: Tape, instruments: dict[InstrumentId, Instrument]) -> None:
        self._tape, self._instruments = tape, instruments

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """What is known at a time."""
        step = (ts_ms - self._tape.start_ms) // self._tape.step_ms
        now = min(step, self._tape.steps - 1)
        quotes = {}
        for name in self._instruments:
            track = self._tape.tracks[name]
            ticks = track.mark_close[step - 1] if step else track.open[0]
            quotes[name] = track.quote(now, ticks, ts_ms)
        return MarketSnapshot(ts_ms, quotes, frozen)

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Closed steps of each coin's first contract within the last days."""
        tape = self._tape
        last = min((ts_ms - tape.start_ms) // tape.step_ms, tape.steps)
        first = max(0, last - days * DAY_MS // tape.step_ms)
        names = [next(n for n, i in self._instruments.items() if i.base == c) for c in coins]
        ticks = np.array([float(self._instruments[name].tick) for name in names])

        def columns(key: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            rows = [getattr(tape.tracks[name], key)[first:last] for name in names]
            return np.asarray(np.array(rows, dtype=float).T * ticks)

        opens = tape.start_ms + tape.step_ms * np.arange(first, last, dtype=np.int64)
        high, low, close = (columns(f"mark_{key}") for key in ("high", "low", "close"))
        return PastBars(opens, tape.step_ms, high, low, close)

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """Prints at or before a time."""
        stamps = [s for s in self._tape.funding if s.instrument == instrument and s.ts_ms <= ts_ms]
        times = np.array([s.ts_ms for s in stamps], dtype=np.int64)
        gaps = np.diff(times, prepend=self._tape.start_ms) / HOUR_MS
        return FundingPrints(times, np.array([s.rate_e12 / 1e12 for s in stamps]), gaps)


class FaultyFeed:
    """A feed whose quotes go wrong while spells are on."""

    def __init__(self, feed: TapeFeed, spells: Spells, coverage: Coverage) -> None:
        self._feed, self._spells, self._coverage = feed, spells, coverage
        self._kept: dict[InstrumentId, Quote] = {}
        self.seen: dict[InstrumentId, Quote] = {}

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """What the feed says at a time."""
        true = self._feed.snapshot(ts_ms, frozen)
        quotes = {}
        for name, quote in true.quotes.items():
            seen = self._seen(name, quote)
            if seen is not None:
                quotes[name] = seen
        self.seen.update(quotes)
        return msgspec.structs.replace(true, quotes=quotes)

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """As the feed below."""
        return self._feed.past(coins, ts_ms, days)

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """As the feed below."""
        return self._feed.funding(instrument, ts_ms)

    def _seen(self, name: InstrumentId, quote: Quote) -> Quote | None:
        venue = name.partition(":")[0]
        on = [fault for fault in FAULTS if self._spells.holds(fault, venue)]
        for fault in on:
            self._coverage.around(fault)
        if not on:
            self._kept[name] = quote
        kept = self._kept.get(name, quote)
        for fault in on:
            quote = _spoiled(fault, quote, kept, self._spells.size(fault, venue) or 0.0)
        return None if Fault.QUOTE_GAP in on else quote


def _spoiled(fault: Fault, quote: Quote, kept: Quote, size: float) -> Quote:
    """One fault's work on a quote; `kept` is the last that was whole."""
    match fault:
        case Fault.FEED_STALE:
            age_ms = LONG_STALE_MS if size > 0 else 0
            return msgspec.structs.replace(kept, as_of_ms=kept.as_of_ms - age_ms)
        case Fault.QUOTE_FROZEN:
            return msgspec.structs.replace(quote, ticks=kept.ticks)
        case Fault.QUOTE_CROSSED:
            return msgspec.structs.replace(quote, half_spread=-abs(size) / 100)
        case Fault.BAD_PRINT:
            return msgspec.structs.replace(
                quote, ticks=max(1, round(quote.ticks * (1 + BAD_PRINT_MOVE * size)))
            )
        case _:
            return quote
