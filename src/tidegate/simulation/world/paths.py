# SPDX-License-Identifier: Apache-2.0
"""What a world hands out: arrays on one time grid, and events in time order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Literal

import numpy as np

from tidegate.model.errors import ensure
from tidegate.model.times import HOUR_MS
from tidegate.simulation.world.arrays import FloatArray

Side = Literal["long", "short"]
LATER = frozenset({"counted", "rushes"})


@dataclass(frozen=True, slots=True)
class AdlEvent:
    """Winners of one side closed by the venue: the `share` of that side's open interest whose
    ranking score is at least `rank_threshold` (see `margin.adl.rank_score`)."""

    ts_ms: int
    instrument: str
    side: Side
    share: float
    rank_threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class WorldPaths:
    """A market of `steps` steps of `step_ms` from `start_ms`; ids read "venue:COIN".

    Prices in USD (steps); `volume_usd` traded in the step; `half_spread` a share of the price;
    `depth` a multiple of the calm depth; `liquidated_usd` what was closed by force; `stress` 0 to
    1. Funding rows are (ts_ms, id, rate * 1e12 of the interval that ends there), paid by longs
    where positive. In an outage marks go on but nothing trades; in a freeze money does not move.
    `counted` is what a venue counts a unit of collateral at (steps), by venue, where that is not 1;
    of a venue that all clients ask for their money, `rushes` states (venue, start, end, the longest
    wait, ms): who asks later waits longer, in a straight line from nothing to that.
    `adl_scores` (hours, 2, 4): as each hour begins, for longs and shorts, the ranking score by the
    venue's own formula at 20, 40, 60 and 80 % of the side's open interest.
    """

    start_ms: int
    step_ms: int
    steps: int
    instruments: tuple[tuple[str, str], ...]
    open: Mapping[str, FloatArray]
    high: Mapping[str, FloatArray]
    low: Mapping[str, FloatArray]
    close: Mapping[str, FloatArray]
    mark_high: Mapping[str, FloatArray]
    mark_low: Mapping[str, FloatArray]
    mark_close: Mapping[str, FloatArray]
    volume_usd: Mapping[str, FloatArray]
    half_spread: Mapping[str, FloatArray]
    depth: Mapping[str, FloatArray]
    liquidated_usd: Mapping[str, FloatArray]
    funding: tuple[tuple[int, str, int], ...]
    stable: Mapping[str, FloatArray]
    freezes: tuple[tuple[str, int, int], ...]
    outages: tuple[tuple[str, int, int], ...]
    adl: tuple[AdlEvent, ...]
    adl_scores: Mapping[str, FloatArray]
    stress: FloatArray
    crisis: str
    crisis_start_ms: int | None
    crisis_venue: str | None
    counted: Mapping[str, FloatArray] = field(default_factory=dict)
    rushes: tuple[tuple[str, int, int, int], ...] = ()

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            shape = (self.hours, 2, 4) if part.name == "adl_scores" else (self.steps,)
            if isinstance(value, Mapping):
                for name, column in value.items():
                    ensure(column.shape == shape, f"{part.name} {name}: wrong shape")
                    ensure(bool(np.isfinite(column).all()), f"{part.name} {name}: not finite")
                    column.setflags(write=False)

    @property
    def hours(self) -> int:
        """Whole hours of the world."""
        return self.steps * self.step_ms // HOUR_MS

    def digest(self) -> str:
        """SHA-256 over every array's bytes and every event, in the order of the fields; a part that
        came later is left out where there is none of it, so digests of older worlds stand."""
        lines = sha256()
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name in LATER and not value:
                continue
            columns = value if isinstance(value, Mapping) else {"": value}
            for name, column in columns.items():
                lines.update(f"{part.name} {name}\n".encode())
                raw = isinstance(column, np.ndarray)
                lines.update(column.tobytes() if raw else repr(column).encode())
        return lines.hexdigest()
