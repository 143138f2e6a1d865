# SPDX-License-Identifier: Apache-2.0
"""What an account is valued with: each figure with its time and the venue's confidence in it.

A figure that is not there, or is too old, is an error that names it; nothing stands in for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite

from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import format_time

WHERE = "market"
Key = tuple[str, ...]


def index_of(coin: str) -> Key:
    """Spot index of a coin in USD."""
    return ("index", coin)


def mark_of(name: InstrumentId) -> Key:
    """The venue's mark of an instrument: quote currency, of options per coin in the settlement."""
    return ("mark", name)


def forward_of(coin: str, expiry_ms: int) -> Key:
    """Forward of a coin at an expiry, USD."""
    return ("forward", coin, format_time(expiry_ms))


def fixed_of(coin: str, expiry_ms: int) -> Key:
    """What prices seen so far have added to the delivery average of a coin at an expiry, USD."""
    return ("fixed", coin, format_time(expiry_ms))


def fixed_share_of(coin: str, expiry_ms: int) -> Key:
    """The share of the delivery average that has been seen; it is fixed + (1 - share) forward."""
    return ("fixed share", coin, format_time(expiry_ms))


def rate_of(coin: str, expiry_ms: int) -> Key:
    """Continuously compounded annual rate of a coin to an expiry."""
    return ("rate", coin, format_time(expiry_ms))


def vol_of(name: InstrumentId) -> Key:
    """The venue's mark volatility of an option, annual decimal."""
    return ("vol", name)


def funding_of(name: InstrumentId) -> Key:
    """What a long pays for the next eight hours, as a share of its worth."""
    return ("funding", name)


def dollar_of(asset: str) -> Key:
    """What one dollar coin is worth in USD."""
    return ("dollar", asset)


@dataclass(frozen=True, slots=True)
class Seen:
    """A figure, when it was seen, and how sure the venue is of it (1 where it does not say)."""

    value: float
    as_of_ms: int
    confidence: float = 1.0

    def moved(self, value: float) -> Seen:
        """Another figure of the same time and confidence; `replace` takes three times as long."""
        return Seen(value, self.as_of_ms, self.confidence)


@dataclass(frozen=True, slots=True)
class MarketValues:
    """Figures by key at `now_ms`; one older than `stale_after_ms` is as good as missing, and so is
    one that the venue is less sure of than `least_confidence`, unless who asks names another least
    because its venue has a penalty of its own."""

    now_ms: int
    values: Mapping[Key, Seen]
    stale_after_ms: int
    least_confidence: float = 1.0

    def seen(self, key: Key, least_confidence: float | None = None) -> Seen:
        """The figure with its confidence; raises `InputError` where it is missing, not finite, of
        the future, stale, or less sure than the caller asks, by default this market."""
        least = self.least_confidence if least_confidence is None else least_confidence
        found, name = self.values.get(key), " ".join(key)
        if found is None:
            raise InputError(WHERE, name, "expected a value; it is missing")
        if not isfinite(found.value) or not 0 <= found.confidence <= 1:
            raise InputError(WHERE, name, f"expected a finite value, got {found}")
        age_ms = self.now_ms - found.as_of_ms
        if not 0 <= age_ms <= self.stale_after_ms:
            expected = f"expected at most {self.stale_after_ms} ms old, got {age_ms} ms"
            raise InputError(WHERE, name, expected)
        if found.confidence < least:
            expected = f"expected a confidence of at least {least}"
            raise InputError(WHERE, name, f"{expected}, got {found.confidence}")
        return found

    def doubted(self) -> MarketValues:
        """The same for figures whose confidence the venue's own penalty answers, or nobody asks."""
        return replace(self, least_confidence=0.0)

    def value(self, key: Key, least_confidence: float | None = None) -> float:
        """The figure alone; raises as `seen` does."""
        return self.seen(key, least_confidence).value

    def positive(self, key: Key, least_confidence: float | None = None) -> float:
        """A figure that must be above zero; raises as `seen` does, and where it is not."""
        value = self.value(key, least_confidence)
        if value <= 0.0:
            raise InputError(WHERE, " ".join(key), f"expected a figure above 0, got {value}")
        return value

    def at_least_zero(self, key: Key, least_confidence: float | None = None) -> float:
        """A figure that may be nothing and never less; raises as `seen` does, and where it is."""
        value = self.value(key, least_confidence)
        if value < 0.0:
            raise InputError(WHERE, " ".join(key), f"expected at least 0, got {value}")
        return value
