# SPDX-License-Identifier: Apache-2.0
"""Closed bars and settled funding of running venues, asked for when they are due.

A venue's hole stays a hole: bars are used from after the last one on, so that no return spans it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.forecast.funding import FundingPrints
from tidegate.history.intake.fetching import spacing_h
from tidegate.history.intake.venue_answers import Busy, Cut
from tidegate.history.intake.venue_sources import Ask, VenueSource, source_of
from tidegate.model.errors import InputError
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.ports import PastBars

BARS_DAYS, FUNDING_DAYS = 200, 365
PRICES = ("high", "low", "close")
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fetch = Callable[[Ask], bytes]


@dataclass(slots=True)
class Column:
    """Rows of one kind of history of one contract, by time, and until when it was asked."""

    source: VenueSource
    symbol: str
    server: str | None
    begin_ms: int
    ts_ms: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)
    asked_ms: int = 0

    def extend(self, until_ms: int, fetch: Fetch, pause: Callable[[float], None]) -> None:
        """Ask for what happened since the last row; raises `Busy`, `Cut` or `InputError`."""
        start_ms = int(self.ts_ms[-1]) + 1 if self.ts_ms.size else self.begin_ms
        while start_ms < until_ms:
            span_ms = self.source.page_rows * self.source.step_ms
            end_ms = min(until_ms, start_ms + span_ms)
            body = fetch(self.source.ask(self.server, self.symbol, start_ms, end_ms))
            if self.server is None:
                pause(self.source.pause_s)
            found = self.source.read(body)
            self._append(found.ts_ms, found.numbers, start_ms, end_ms)
            start_ms = end_ms
        self.asked_ms = until_ms

    def told(self, kind: str) -> FloatArray:
        """Numbers of a kind; none as long as the venue has told none."""
        return self.numbers.get(kind, np.zeros(0))

    def _append(
        self, ts_ms: IntArray, numbers: Mapping[str, FloatArray], start_ms: int, end_ms: int
    ) -> None:
        order = np.argsort(ts_ms, kind="stable")
        order = order[(ts_ms[order] >= start_ms) & (ts_ms[order] < end_ms)]
        if not order.size:
            return
        kept, self.ts_ms = self.ts_ms.size, np.concatenate([self.ts_ms, ts_ms[order]])
        before = self.numbers or {name: np.zeros(kept) for name in numbers}
        self.numbers = {
            name: np.concatenate([before[name], values[order]]) for name, values in numbers.items()
        }


class Past:
    """The past of all contracts; `servers` names one on this machine for a venue, if it has one."""

    def __init__(
        self,
        contracts: Mapping[InstrumentId, Contract],
        servers: Mapping[str, str | None],
        fetch: Fetch,
        now_ms: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fetch, self._pause = fetch, pause
        self.late: tuple[InstrumentId, ...] = ()
        self._bars: dict[InstrumentId, Column] = {}
        self._funding: dict[InstrumentId, Column] = {}
        self._coins: dict[str, InstrumentId] = {}
        for name, contract in contracts.items():
            server, symbol = servers.get(contract.venue), contract.symbol
            bars = source_of(contract.venue, "bars", symbol)
            prints = source_of(contract.venue, "funding", symbol)
            # A grid of whole bars, so that all coins' bars open at the same times.
            begin_ms = (now_ms - BARS_DAYS * DAY_MS) // bars.step_ms * bars.step_ms
            self._bars[name] = Column(bars, symbol, server, begin_ms)
            self._funding[name] = Column(prints, symbol, server, now_ms - FUNDING_DAYS * DAY_MS)
            # Hourly bars are what every venue has; finer ones could not be joined with them.
            if bars.step_ms == HOUR_MS:
                self._coins.setdefault(contract.base, name)
        if missing := {c.base for c in contracts.values()} - self._coins.keys():
            expected = f"expected a contract with hourly bars for {', '.join(sorted(missing))}"
            raise InputError("market", "bars", expected)

    def refresh(self, now_ms: int) -> None:
        """Ask for what closed or settled in a whole hour since; a venue that does not answer is
        asked again at the next call and named in `late`. Nonsense raises `InputError`."""
        until_ms, late = now_ms // HOUR_MS * HOUR_MS, list[InstrumentId]()
        for columns in (self._bars, self._funding):
            for name, column in columns.items():
                if column.asked_ms >= until_ms:
                    continue
                try:
                    column.extend(until_ms, self._fetch, self._pause)
                except (Busy, Cut):
                    late.append(name)
        self.late = tuple(dict.fromkeys(late))

    @property
    def unknown(self) -> tuple[InstrumentId, ...]:
        """Contracts whose past was not told whole yet; nothing can be decided before it is."""
        columns = (self._bars, self._funding)
        return tuple(n for n in self._bars if any(c[n].asked_ms == 0 for c in columns))

    def bars(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Joint closed bars of each coin's first contract, after the last hole of any of them."""
        columns = [self._bars[self._coins[coin]] for coin in coins]
        step_ms = columns[0].source.step_ms
        joint = columns[0].ts_ms
        for column in columns[1:]:
            joint = np.intersect1d(joint, column.ts_ms)
        joint = joint[(joint >= ts_ms - days * DAY_MS) & (joint + step_ms <= ts_ms)]
        holes = np.flatnonzero(np.diff(joint) != step_ms)
        joint = joint[holes[-1] + 1 :] if holes.size else joint
        prices = [
            np.column_stack([c.told(key)[np.searchsorted(c.ts_ms, joint)] for c in columns])
            for key in PRICES
        ]
        return PastBars(joint, step_ms, *prices)

    def prints(self, name: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """Funding settled at or before a time; an interval no venue tells is told by spacing."""
        column = self._funding[name]
        count = int(np.searchsorted(column.ts_ms, ts_ms, side="right"))
        if not count or (count < 3 and not column.source.interval_h):
            return None
        stamps = column.ts_ms[:count]
        stated_h = column.source.interval_h
        hours = np.full(count, float(stated_h)) if stated_h else spacing_h(stamps)
        return FundingPrints(stamps, column.numbers["rate"][:count], hours)

    def vol_daily(self, name: InstrumentId, ts_ms: int) -> float | None:
        """Daily volatility over the last week of bars; None before two days of them."""
        column = self._bars[name]
        last = int(np.searchsorted(column.ts_ms, ts_ms - column.source.step_ms, side="right"))
        week = 7 * DAY_MS // column.source.step_ms
        close = column.numbers["close"][max(0, last - week) : last] if last else np.zeros(0)
        per_day = DAY_MS / column.source.step_ms
        if close.size < 2 * per_day:
            return None
        return float(np.std(np.diff(np.log(close))) * np.sqrt(per_day))
