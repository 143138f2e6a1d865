# SPDX-License-Identifier: Apache-2.0
"""What the simulated exchange plays: prices, marks, funding and freezes on one time grid.

Only the exchange reads a tape. Policies see the market through snapshots that end at the present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.model.errors import ensure
from tidegate.model.instruments import InstrumentId


@dataclass(frozen=True, slots=True)
class Track:
    """One instrument: per step the first traded price, the mark's extremes and last value (ticks),
    and the day's volume and volatility known when the step begins."""

    open: Sequence[int]
    mark_high: Sequence[int]
    mark_low: Sequence[int]
    mark_close: Sequence[int]
    volume_day_usd: Sequence[float]
    vol_daily: Sequence[float]


@dataclass(frozen=True, slots=True, order=True)
class FundingStamp:
    """One funding print."""

    ts_ms: int
    instrument: InstrumentId
    rate_e12: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """A venue that neither sends nor credits money in [start, end)."""

    venue: str
    start_ms: int
    end_ms: int

    def holds(self, ts_ms: int) -> bool:
        """Whether the freeze is on."""
        return self.start_ms <= ts_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Tape:
    """Steps of `step_ms` from `start_ms`; funding in time order."""

    start_ms: int
    step_ms: int
    steps: int
    tracks: Mapping[InstrumentId, Track]
    funding: tuple[FundingStamp, ...]
    freezes: tuple[Freeze, ...] = ()

    def __post_init__(self) -> None:
        for name, track in self.tracks.items():
            columns = (getattr(track, column) for column in track.__slots__)
            lengths = {len(column) for column in columns}
            ensure(lengths == {self.steps}, f"{name}: track does not cover the tape")
        stamps = [stamp.ts_ms for stamp in self.funding]
        ensure(stamps == sorted(stamps), "funding is not in time order")

    @property
    def end_ms(self) -> int:
        """First instant after the last step."""
        return self.start_ms + self.steps * self.step_ms

    def step_at(self, ts_ms: int) -> int:
        """Index of the step that contains a time; the last one at the very end."""
        return min((ts_ms - self.start_ms) // self.step_ms, self.steps - 1)

    def frozen(self, venue: str, ts_ms: int) -> bool:
        """Whether a venue's money is frozen at a time."""
        return any(f.venue == venue and f.holds(ts_ms) for f in self.freezes)

    def thaws_ms(self, venue: str, ts_ms: int) -> int:
        """The first time from `ts_ms` on at which a venue credits money."""
        while any(f.venue == venue and f.holds(ts_ms) for f in self.freezes):
            ts_ms = max(f.end_ms for f in self.freezes if f.venue == venue and f.holds(ts_ms))
        return ts_ms
