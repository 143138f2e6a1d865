# SPDX-License-Identifier: Apache-2.0
"""A tape of single events, as columns of integers, and the one that says what a tape of steps says.

| kind | what happens | a | b |
|---|---|---|---|
| mark | a mark moves and margin is judged | ticks | |
| close | a mark moves and nothing is judged | ticks | |
| range | a position is judged from now on at the adverse of two marks | low | high |
| judge | margin is judged at all venues | | |
| quote | the middle around which market orders fill | ticks | |
| depth | the market's depth, volatility and spread | row of `depth` | |
| trade | the market trades | ticks | lots, bought + |
| funding | the holder pays | rate, 1e-12 | |
| accrue | a day's interest on idle balances | | |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import DAY_MS
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.tape import Freeze, Tape

KINDS = "mark quote trade range judge close funding accrue depth".split()
Columns = tuple[at.Integers, at.Integers, at.Integers, at.Integers, at.Integers]
PRICED = (at.MARK, at.QUOTE, at.TRADE, at.RANGE, at.CLOSE)
NUMBER_MAX, PRICE_MAX, RATE_MAX = 2**62, 2**40, 10**12


@dataclass(frozen=True, slots=True)
class EventTape:
    """Events in time order; `who` counts `instruments`, which are sorted by name. `depth` has per
    row the day's volume in dollars, daily volatility, and half the relative spread (NaN: as the
    cost terms state). Impact adds up within steps of `step_ms`; freezes and outages as on a tape of
    steps. Raises `InputError` where a column is unusable."""

    instruments: tuple[InstrumentId, ...]
    start_ms: int
    step_ms: int
    ts_ms: at.Integers
    kind: at.Integers
    who: at.Integers
    a: at.Integers
    b: at.Integers
    depth: at.Floats
    freezes: tuple[Freeze, ...] = ()
    outages: tuple[Freeze, ...] = ()

    def __post_init__(self) -> None:
        columns = [getattr(self, f.name) for f in fields(self) if f.name in "ts_ms kind who a b"]
        sound = all(c.dtype == np.int64 and c.shape == self.ts_ms.shape for c in columns)
        _need(sound and self.ts_ms.ndim == 1, "columns", "expected int64 of one length")
        _need(self.ts_ms.size > 0 and self.step_ms > 0, "ts_ms", "expected events, and a step")
        _need(
            list(self.instruments) == sorted(set(self.instruments)), "instruments", "sorted names"
        )
        _check_numbers(self)
        _check_depth(self)
        _check_first(self)
        _check_interest(self)

    @property
    def end_ms(self) -> int:
        """Time of the last event."""
        return int(self.ts_ms[-1])

    def of_kind(self, *kinds: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which events are of one of some kinds."""
        return np.isin(self.kind, kinds)

    def highest_ticks(self) -> at.Integers:
        """The highest price of each instrument."""
        highest = np.ones(len(self.instruments), dtype=np.int64)
        priced = self.of_kind(*PRICED)
        prices = np.where(self.kind == at.RANGE, np.maximum(self.a, self.b), self.a)
        np.maximum.at(highest, self.who[priced], prices[priced])
        return highest


def _need(holds: bool | np.bool_, field: str, expected: str) -> None:
    if not holds:
        raise InputError("event tape", field, f"{expected}")


def _check_numbers(tape: EventTape) -> None:
    kind, a, b = tape.kind, tape.a, tape.b
    _need((np.diff(tape.ts_ms) >= 0).all(), "ts_ms", "expected time order")
    _need(tape.ts_ms[0] >= tape.start_ms >= 0, "ts_ms", "expected none before the start")
    _need(tape.ts_ms[-1] < NUMBER_MAX, "ts_ms", "expected times below 2^62")
    _need(((0 <= kind) & (kind < len(KINDS))).all(), "kind", f"expected 0 to {len(KINDS) - 1}")
    _need(((0 <= tape.who) & (tape.who < len(tape.instruments))).all(), "who", "an instrument")
    prices = a[tape.of_kind(*PRICED)]
    _need(((1 <= prices) & (prices <= PRICE_MAX)).all(), "a", "expected 1 to 2^40 ticks")
    ranges = kind == at.RANGE
    _need(((a <= b) & (b <= PRICE_MAX))[ranges].all(), "b", "expected a high not below the low")
    traded = b[kind == at.TRADE]
    _need(((traded != 0) & (abs(traded) < NUMBER_MAX)).all(), "b", "expected lots of a trade")
    _need((abs(a[kind == at.FUNDING]) <= RATE_MAX).all(), "a", "expected rates within 100 %")


def _check_depth(tape: EventTape) -> None:
    depth, rows = tape.depth, tape.a[tape.kind == at.DEPTH]
    _need(depth.ndim == 2 and depth.shape[1] == 3, "depth", "expected three columns")
    _need(((0 <= rows) & (rows < len(depth))).all(), "a", "expected a row of the depth")
    volume, vol, spread = depth.T
    sound = np.isfinite(volume) & (volume > 0) & np.isfinite(vol) & (vol >= 0)
    stated = np.isnan(spread) | ((spread >= 0) & (spread < 1))
    _need((sound & stated).all(), "depth", "expected a volume above 0, and a spread below 1")


def _check_first(tape: EventTape) -> None:
    """A mark and a depth are known before anything else happens to an instrument."""
    never = tape.ts_ms.size

    def first(*kinds: int) -> at.Integers:
        at_row = np.full(len(tape.instruments), never, dtype=np.int64)
        rows = np.flatnonzero(tape.of_kind(*kinds))
        np.minimum.at(at_row, tape.who[rows], rows)
        return at_row

    known = np.maximum(first(at.MARK, at.CLOSE), first(at.DEPTH))
    rest = first(at.QUOTE, at.TRADE, at.RANGE, at.FUNDING)
    early = np.flatnonzero((rest < known) | (known == never))
    name = tape.instruments[early[0]] if early.size else ""
    _need(early.size == 0, name, "expected a mark and a depth before all else")


def _check_interest(tape: EventTape) -> None:
    stamps = tape.ts_ms[tape.kind == at.ACCRUE]
    daily = tape.start_ms + DAY_MS * np.arange(1, stamps.size + 1)
    _need((stamps == daily).all(), "accrue", "expected one at the end of each day from the start")


def merged(rows: Iterable[tuple[int, ...]]) -> Columns:
    """Columns ts, kind, who, a, b of rows (ts, rank, kind, who, a, b), sorted by time and rank;
    those of the same rank as they come."""
    table = np.array(list(rows), dtype=np.int64).reshape(-1, 6)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    ts_ms, kind, who, a, b = (np.ascontiguousarray(table[:, c]) for c in (0, 2, 3, 4, 5))
    return ts_ms, kind, who, a, b


def from_steps(tape: Tape) -> EventTape:
    """The events of a tape of steps, in the order in which the exchange plays them.

    Raises `InputError` where it has what the kernel does not play: deleveragings, deliveries,
    prices of dollar coins and failures of venues.
    """
    unplayed = (tape.deleveragings, tape.queues, tape.deliveries, tape.stable_micro)
    if any((*unplayed, tape.failures)):
        plays = "plays no deleveraging, delivery, coin's price or failure"
        raise InputError("tape", "kernel", plays)
    names = tuple(sorted(tape.tracks))
    rows, depth = _steps(tape, names)
    rows += [
        (s.ts_ms, _rank(s.ts_ms, tape), at.FUNDING, names.index(s.instrument), s.rate_e12, 0)
        for s in tape.funding
        if tape.start_ms <= s.ts_ms <= tape.end_ms
    ]
    days = range(tape.start_ms + DAY_MS, tape.end_ms + 1, DAY_MS)
    rows += [(ts_ms, 3, at.ACCRUE, 0, 0, 0) for ts_ms in days]
    windows = tape.freezes, tape.outages
    columns = merged(rows)
    return EventTape(names, tape.start_ms, tape.step_ms, *columns, np.array(depth), *windows)


def _rank(ts_ms: int, tape: Tape) -> int:
    """Funding comes before orders of its time; at the very start the exchange pays it after."""
    return 2 if ts_ms > tape.start_ms else 9


def _steps(
    tape: Tape, names: tuple[InstrumentId, ...]
) -> tuple[list[tuple[int, ...]], list[tuple[float, float, float]]]:
    rows: list[tuple[int, ...]] = []
    depth: list[tuple[float, float, float]] = []
    for step in range(tape.steps):
        begins = tape.start_ms + step * tape.step_ms
        ends = begins + tape.step_ms
        for who, name in enumerate(names):
            track = tape.tracks[name]
            if step == 0:
                rows.append((begins, 0, at.CLOSE, who, track.open[0], 0))
            rows.append((begins, 4, at.DEPTH, who, len(depth), 0))
            rows.append((begins, 5, at.QUOTE, who, track.open[step], 0))
            rows.append((begins, 6, at.RANGE, who, track.mark_low[step], track.mark_high[step]))
            rows.append((ends, 0, at.CLOSE, who, track.mark_close[step], 0))
            spread = np.nan if track.half_spread is None else track.half_spread[step]
            depth.append((track.volume_day_usd[step], track.vol_daily[step], spread))
        rows.append((begins, 7, at.JUDGE, 0, 0, 0))
    return rows, depth
