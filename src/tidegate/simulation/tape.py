# SPDX-License-Identifier: Apache-2.0
"""What the simulated exchange plays: prices, marks, funding and freezes on one time grid.

Only the exchange reads a tape. Policies see the market through snapshots that end at the present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tidegate.costs.financing import Passage
from tidegate.model.errors import ensure
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import Quote
from tidegate.model.units import MICRO


@dataclass(frozen=True, slots=True)
class Track:
    """One instrument: per step the first traded price, the mark's extremes and last value (ticks),
    the day's volume (what the depth of the moment stands for) and volatility known when the step
    begins, and half the spread then (None: as the cost terms state)."""

    open: Sequence[int]
    mark_high: Sequence[int]
    mark_low: Sequence[int]
    mark_close: Sequence[int]
    volume_day_usd: Sequence[float]
    vol_daily: Sequence[float]
    half_spread: Sequence[float] | None = None

    def first(self, steps: int) -> Track:
        """The track of the first steps."""
        return Track(
            self.open[:steps],
            self.mark_high[:steps],
            self.mark_low[:steps],
            self.mark_close[:steps],
            self.volume_day_usd[:steps],
            self.vol_daily[:steps],
            None if self.half_spread is None else self.half_spread[:steps],
        )

    def quote(self, step: int, mid: int, ts_ms: int) -> Quote:
        """What the market shows in a step around a middle, in ticks."""
        spread = None if self.half_spread is None else self.half_spread[step]
        return Quote(mid, ts_ms, False, self.volume_day_usd[step], self.vol_daily[step], spread)


@dataclass(frozen=True, slots=True, order=True)
class FundingStamp:
    """One funding print."""

    ts_ms: int
    instrument: InstrumentId
    rate_e12: int


@dataclass(frozen=True, slots=True, order=True)
class DeliveryPrice:
    """An index's delivery price, in ticks, for all that expires on it at a time."""

    ts_ms: int
    index: InstrumentId
    ticks: int


@dataclass(frozen=True, slots=True, order=True)
class Deleveraging:
    """A venue closes winners of one side (longs: +1, shorts: -1): all whose ranking score is at
    least `score`."""

    ts_ms: int
    instrument: InstrumentId
    side: int
    score: float


@dataclass(frozen=True, slots=True)
class Queue:
    """One instrument's queue for deleveraging: the ranking formula, and per hour, side (longs,
    shorts) and quantile (ascending) the score there."""

    ranking: str
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A venue that neither sends nor credits money in [start, end), or one where nothing trades."""

    venue: str
    start_ms: int
    end_ms: int

    def holds(self, ts_ms: int) -> bool:
        """Whether the freeze is on."""
        return self.start_ms <= ts_ms < self.end_ms


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """A venue that is gone for good from a time on. What it was asked to send within `holds_ms`
    before, and has not landed, never left it."""

    ts_ms: int
    venue: str
    holds_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rush:
    """A venue in [start, end) that all clients ask for their money: who asks later waits longer,
    in a straight line from nothing to `wait_ms`."""

    venue: str
    start_ms: int
    end_ms: int
    wait_ms: int

    def wait_at(self, ts_ms: int) -> int:
        """How long who asks at a time waits, in milliseconds."""
        if not self.start_ms <= ts_ms < self.end_ms:
            return 0
        return self.wait_ms * (ts_ms - self.start_ms) // (self.end_ms - self.start_ms)


@dataclass(frozen=True, slots=True)
class Tape:
    """Steps of `step_ms` from `start_ms`; funding, deleveragings, deliveries and failures in time
    order.
    Tracks are of instruments and of the indices that these settle on.

    `stable_micro` is what each dollar coin is worth when each step begins and when the last one
    ends (none: as the mandate states). `counted_ppm` is what a venue counts a unit of collateral at
    in each step, in parts per million (none: whole)."""

    start_ms: int
    step_ms: int
    steps: int
    tracks: Mapping[InstrumentId, Track]
    funding: tuple[FundingStamp, ...]
    freezes: tuple[Freeze, ...] = ()
    outages: tuple[Freeze, ...] = ()
    deleveragings: tuple[Deleveraging, ...] = ()
    queues: Mapping[InstrumentId, Queue] = field(default_factory=dict)
    stable_micro: Mapping[str, Sequence[int]] = field(default_factory=dict)
    deliveries: tuple[DeliveryPrice, ...] = ()
    rushes: tuple[Rush, ...] = ()
    counted_ppm: Mapping[str, Sequence[int]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        for name, track in self.tracks.items():
            columns = (getattr(track, column) for column in track.__slots__)
            lengths = {len(column) for column in columns if column is not None}
            ensure(lengths == {self.steps}, f"{name}: track does not cover the tape")
        stamps = [stamp.ts_ms for stamp in self.funding]
        ensure(stamps == sorted(stamps), "funding is not in time order")
        for asset, path in self.stable_micro.items():
            ensure(len(path) == self.steps + 1, f"{asset}: prices do not cover the tape")
        for venue, path in self.counted_ppm.items():
            ensure(len(path) == self.steps, f"{venue}: counted collateral does not cover the tape")
        for what in ("deleveragings", "deliveries", "failures"):
            times = [happening.ts_ms for happening in getattr(self, what)]
            ensure(times == sorted(times), f"{what} are not in time order")

    @property
    def end_ms(self) -> int:
        """First instant after the last step."""
        return self.start_ms + self.steps * self.step_ms

    def step_at(self, ts_ms: int) -> int:
        """Index of the step that contains a time; the last one at the very end."""
        return min((ts_ms - self.start_ms) // self.step_ms, self.steps - 1)

    def stable_micro_at(self, ts_ms: int) -> dict[str, int]:
        """What dollar coins are worth at a time, where the tape says."""
        begun = (ts_ms - self.start_ms) // self.step_ms
        return {asset: path[begun] for asset, path in self.stable_micro.items()}

    def until(self, end_ms: int) -> Tape:
        """The same tape up to the step that contains a time."""
        steps = self.step_at(end_ms) + 1
        tracks = {name: track.first(steps) for name, track in self.tracks.items()}
        stable = {asset: path[: steps + 1] for asset, path in self.stable_micro.items()}
        return replace(self, steps=steps, tracks=tracks, stable_micro=stable)

    def parity(self, passage: Passage, ts_ms: int) -> Fraction:
        """What a unit sent is worth in units received at a time, at the market's prices of both."""
        worth = self.stable_micro_at(ts_ms)
        sent, received = (worth.get(a, 0) for a in (passage.asset_sent, passage.asset_received))
        return Fraction(sent, received) if sent and received else Fraction(1)

    def frozen(self, venue: str, ts_ms: int) -> bool:
        """Whether a venue's money is frozen at a time."""
        return any(f.venue == venue and f.holds(ts_ms) for f in self.freezes)

    def out(self, venue: str, ts_ms: int) -> bool:
        """Whether nothing trades at a venue at a time."""
        return any(o.venue == venue and o.holds(ts_ms) for o in self.outages)

    def thaws_ms(self, venue: str, ts_ms: int) -> int:
        """The first time from `ts_ms` on at which a venue credits money."""
        while any(f.venue == venue and f.holds(ts_ms) for f in self.freezes):
            ts_ms = max(f.end_ms for f in self.freezes if f.venue == venue and f.holds(ts_ms))
        return ts_ms

    def waits_ms(self, venue: str, ts_ms: int) -> int:
        """How long money asked of a venue at a time waits before it leaves."""
        return max((r.wait_at(ts_ms) for r in self.rushes if r.venue == venue), default=0)

    def counted(self, venue: str, step: int, balances: Mapping[str, int]) -> dict[str, int]:
        """Balances as a venue counts them in a step: what is owned less its discount, rounded
        down, what is owed in full."""
        path = self.counted_ppm.get(venue)
        ppm = MICRO if path is None else path[step]
        return {asset: q * ppm // MICRO if q > 0 else q for asset, q in balances.items()}
