# SPDX-License-Identifier: Apache-2.0
"""The plain twin of the kernel: the exchange itself, over a tape that shows only the present.

Matching, margin, liquidation, funding, interest and transfers are the exchange's own, line by line;
what stands here is the order of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan

import numpy as np

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import (
    Filled,
    LiquidationStarted,
    OrderRefused,
    TransferLanded,
    TransferRefused,
)
from tidegate.model.instruments import InstrumentId
from tidegate.simulation.books import Extreme
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.requests import (
    Cancel,
    Request,
    Told,
    Wake,
    Woken,
)
from tidegate.simulation.kernel.resting import RestingExchange, show, unknown_track
from tidegate.simulation.kernel.tape import EventTape
from tidegate.simulation.tape import FundingStamp, Tape
from tidegate.simulation.terms import ExchangeTerms

RANKS = {at.CLOSE: 0} | dict.fromkeys((at.FUNDING, at.ACCRUE, at.QUOTE, at.DEPTH), 2)
LANDS, STOPS, ASKS, LATE = 1, 3, 4, 5
WAKES = {
    Filled: Wake.FILL,
    LiquidationStarted: Wake.LIQUIDATION,
    OrderRefused: Wake.REFUSAL,
    TransferRefused: Wake.REFUSAL,
    TransferLanded: Wake.LANDING,
}


class _Present(Tape):
    """A tape of one step that never ends; a step is still a step for impact."""

    __slots__ = ()

    def step_at(self, ts_ms: int) -> int:
        return (ts_ms - self.start_ms) // self.step_ms

    @property
    def end_ms(self) -> int:
        return at.NEVER


def _present(tape: EventTape) -> Tape:
    tracks = {name: unknown_track() for name in tape.instruments}
    rows = np.flatnonzero(tape.kind == at.FUNDING).tolist()
    stamps = tuple(
        FundingStamp(int(tape.ts_ms[r]), tape.instruments[tape.who[r]], int(tape.a[r]))
        for r in rows
    )
    start = tape.start_ms, tape.step_ms, 1
    return _Present(*start, tracks, stamps, tape.freezes, tape.outages)


class PlainExchange(RestingExchange):
    """As `CompiledExchange`, in plain Python."""

    def __init__(
        self,
        tape: EventTape,
        terms: ExchangeTerms,
        seed: int,
        maker_ppm: Mapping[InstrumentId, int] | None = None,
    ) -> None:
        super().__init__(_present(tape), terms, seed, maker_ppm)
        columns = tape.ts_ms, tape.kind, tape.who, tape.a, tape.b
        self._rows = list(zip(*(column.tolist() for column in columns), strict=True))
        self._shown, self._named = tape.depth.tolist(), tape.instruments
        self._last_ms, self._cursor = tape.end_ms, 0
        self._asked: list[tuple[int, Request]] = []
        self._levels: dict[str, int] = {}
        self._why = 0
        self.judged: list[Extreme] = []

    def ask(self, requests: Iterable[tuple[int, Request]]) -> None:
        """Requests that reach their venues at times."""
        self._asked = sorted((*self._asked, *requests), key=lambda pair: pair[0])

    def watch(self, venue: str, health: int) -> None:
        """Wake once when a judgement finds health below a level."""
        self._levels[venue] = health

    def health(self, venue: str) -> tuple[int, int]:
        """Equity and maintenance at the adverse extremes."""
        marks = dict(self._marks)
        account = self.account(venue)
        for name, position in account.positions.items():
            track = self._tape.tracks[name]
            marks[name] = (track.mark_low if position.lots > 0 else track.mark_high)[0]
        return self._terms.rule(venue, self.now_ms).health_at(account, marks)

    def run(self, until_ms: int | None = None, wake: Wake | int = 0) -> Woken:
        """Play to a time (None: the tape's end), or to one of what is waited for."""
        self._why = 0
        while not self._why & (int(wake) | Wake.TIME | Wake.END):
            self._next(at.NEVER if until_ms is None else until_ms)
        return Woken(self.now_ms, Wake(self._why))

    def _next(self, until_ms: int) -> None:
        """The first of what comes next: by time, then by rank."""
        comes = [(until_ms, STOPS)]
        if self._parcels:
            comes.append((self._parcels[0].due_ms, LANDS))
        if self._asked:
            comes.append((self._asked[0][0], ASKS))
        comes = [(ts_ms, rank) for ts_ms, rank in comes if ts_ms <= self._last_ms]
        if self._cursor < len(self._rows):
            ts_ms, kind = self._rows[self._cursor][:2]
            comes.append((ts_ms, RANKS.get(kind, LATE)))
        if not comes:
            self.now_ms, self._why = self._last_ms, self._why | Wake.END
            return
        self.now_ms, rank = min(comes)
        if rank == STOPS:
            self._why |= Wake.TIME
        elif rank == LANDS:
            self._events = []
            self._land(self._parcels.pop(0))
            self._hear(self._events)
        elif rank == ASKS:
            self._answer(self._asked.pop(0)[1])
        else:
            self._cursor += 1
            self._happen_one(*self._rows[self._cursor - 1][1:])

    def _hear(self, told: Iterable[Told]) -> None:
        for event in told:
            self._heard.append(event)
            self._why |= WAKES.get(type(event), 0)

    def _answer(self, request: Request) -> None:
        if isinstance(request, Order):
            self._hear(self.trade(request))
        elif isinstance(request, Transfer):
            self._hear(self.send(request))
        elif isinstance(request, Cancel):
            self._hear(self._cancel(request))
        else:
            self._hear(self._rest(request))

    def _happen_one(self, kind: int, who: int, a: int, b: int) -> None:
        name, self._events = self._named[who], []
        track = self._tape.tracks[name]
        if kind in (at.MARK, at.CLOSE):
            self._marks[name] = a
            show(track, mark_low=a, mark_high=a)
        if kind in (at.MARK, at.JUDGE):
            self._judge_all(kind == at.JUDGE)
        elif kind == at.RANGE:
            show(track, mark_low=a, mark_high=b)
        elif kind == at.QUOTE:
            show(track, open=a)
        elif kind == at.TRADE:
            self._meet(name, a, b)
        elif kind == at.FUNDING:
            self._play(self._schedule.pop())
        elif kind == at.ACCRUE:
            self._accrue(self.now_ms)
        elif kind == at.DEPTH:
            volume, vol, spread = self._shown[a]
            half_spread = None if isnan(spread) else spread
            show(track, volume_day_usd=volume, vol_daily=vol, half_spread=half_spread)
        self._hear(self._events)

    def _judge_all(self, told: bool) -> None:
        self.extremes = []
        self._judge(0)
        if told:
            self.judged += self.extremes
        for venue, level in tuple(self._levels.items()):
            equity, maintenance = self.health(venue)
            if equity - maintenance < level:
                del self._levels[venue]
                self._why |= Wake.HEALTH
