# SPDX-License-Identifier: Apache-2.0
"""What a rule of one venue asks of the market by name: marks, vols, indices, worth in dollars.

What makes a figure fit to count with stands in `MarketValues` alone; the columns of options that
the scenario core takes are read by `scenario.quotes`.

A venue that publishes no confidence has confidence 1. A figure of less is refused unless the
caller lowers `least_confidence`: none of the rules that use this has a penalty of its own for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.market_values import (
    Key,
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
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
        return self.market.value(key, self.least_confidence)

    def positive(self, key: Key) -> float:
        """As `value`, and above zero."""
        return self.market.positive(key, self.least_confidence)

    def mark(self, name: InstrumentId) -> float:
        """The venue's mark of a perpetual, future or coin."""
        return self.positive(mark_of(name))

    def option_mark(self, name: InstrumentId) -> float:
        """The venue's mark of an option, which may be worth nothing and never less."""
        return self.market.at_least_zero(mark_of(name), self.least_confidence)

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
        return self.market.at_least_zero(dollar_of(asset), self.least_confidence)

    def is_dollar(self, asset: str) -> bool:
        """Whether an asset is the dollar or a coin of it: known as one, or marked as one."""
        return asset_decimals(asset) == DOLLAR_DECIMALS or dollar_of(asset) in self.market.values
