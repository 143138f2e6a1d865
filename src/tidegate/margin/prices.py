# SPDX-License-Identifier: Apache-2.0
"""Figures that a rule may count with: there, fresh, positive where they must be, and trusted.

A venue that publishes no confidence has confidence 1. A figure of less is refused unless the
caller lowers `least_confidence`: none of the rules that use this has a penalty of its own for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.market_values import (
    WHERE,
    Key,
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.units import asset_decimals

DOLLAR_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Prices:
    """Market values behind one check; every method raises `InputError` naming the figure."""

    market: MarketValues
    least_confidence: float = 1.0

    def value(self, key: Key) -> float:
        """A figure that is there, fresh, finite and trusted."""
        seen = self.market.seen(key)
        if seen.confidence < self.least_confidence:
            expected = f"expected confidence of {self.least_confidence}, got {seen.confidence}"
            raise InputError(WHERE, " ".join(key), expected)
        return seen.value

    def positive(self, key: Key) -> float:
        """As `value`, and above zero."""
        value = self.value(key)
        if value <= 0:
            raise InputError(WHERE, " ".join(key), f"expected above 0, got {value}")
        return value

    def mark(self, name: InstrumentId) -> float:
        """The venue's mark of a perpetual, future or coin."""
        return self.positive(mark_of(name))

    def option_mark(self, name: InstrumentId) -> float:
        """The venue's mark of an option, which may be worth nothing and never less."""
        value = self.value(mark_of(name))
        if value < 0:
            raise InputError(WHERE, " ".join(mark_of(name)), f"expected at least 0, got {value}")
        return value

    def vol(self, name: InstrumentId) -> float:
        """The venue's mark volatility of an option."""
        return self.positive(vol_of(name))

    def index(self, coin: str) -> float:
        """Spot index of a coin, USD."""
        return self.positive(index_of(coin))

    def forward(self, coin: str, expiry_ms: int) -> float:
        """Forward of a coin at an expiry, USD."""
        return self.positive(forward_of(coin, expiry_ms))

    def usd(self, asset: str) -> float:
        """What one unit of an asset is worth: of a dollar coin its mark, which need not be 1 and
        may be 0; of another coin its index; of the dollar itself 1."""
        if asset == "USD":
            return 1.0
        if not self.is_dollar(asset):
            return self.index(asset)
        value = self.value(dollar_of(asset))
        if value < 0:
            raise InputError(WHERE, " ".join(dollar_of(asset)), f"expected at least 0, got {value}")
        return value

    def is_dollar(self, asset: str) -> bool:
        """Whether an asset is the dollar or a coin of it: known as one, or marked as one."""
        return asset_decimals(asset) == DOLLAR_DECIMALS or dollar_of(asset) in self.market.values
