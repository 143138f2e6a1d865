# SPDX-License-Identifier: Apache-2.0
"""What is known of the market at one time, frozen, with its own content id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.model.instruments import InstrumentId


class Quote(msgspec.Struct, frozen=True):
    """One instrument's price in ticks, and when it was observed.

    `estimated` marks a price carried forward from an older observation by the return of a fresher
    market on the same coin. `volume_day_usd` (as much of it as the present depth stands for) and
    `vol_daily` (log, one day) feed the impact law; `half_spread` is the one seen now, None where
    nobody reports it and the stated cost terms hold.
    """

    ticks: int
    as_of_ms: int
    estimated: bool
    volume_day_usd: float
    vol_daily: float
    half_spread: float | None = None


def carried(
    quotes: Mapping[InstrumentId, Quote], before: Mapping[InstrumentId, Quote]
) -> dict[InstrumentId, Quote]:
    """Quotes with gaps filled by those that were seen before, as old as they are; a crossed book is
    no quote."""
    sound = {n: q for n, q in quotes.items() if q.half_spread is None or q.half_spread >= 0}
    return {**before, **sound}


class MarketSnapshot(msgspec.Struct, frozen=True):
    """All quotes at `ts_ms`, the venues that now neither send nor credit money, those where
    nothing trades, and what dollar coins are worth (micro-dollars; absent: as the mandate says).
    `yields_annual` is what a dollar that lies at a venue is expected to earn, shrunk for its error,
    where a feed says; one that does not leaves it out of the content."""

    ts_ms: int
    quotes: Mapping[InstrumentId, Quote]
    frozen_venues: tuple[str, ...] = ()
    out_venues: tuple[str, ...] = ()
    stable_micro: Mapping[str, int] = {}
    yields_annual: Mapping[str, float] | UnsetType = UNSET

    @property
    def id(self) -> str:
        """Content id: SHA-256 over the canonical encoding, first 16 hex digits."""
        return content_id(self)

    def ticks(self) -> dict[InstrumentId, int]:
        """Prices alone."""
        return {name: quote.ticks for name, quote in self.quotes.items()}

    def fresh_ticks(self, age_ms: int) -> dict[InstrumentId, int]:
        """Prices in ticks of quotes at most so old; the others are missing."""
        return {
            name: quote.ticks
            for name, quote in self.quotes.items()
            if self.ts_ms - quote.as_of_ms <= age_ms
        }


_encoder = msgspec.json.Encoder(order="deterministic")


def content_id(value: object) -> str:
    """First 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(_encoder.encode(value)).hexdigest()[:16]
