# SPDX-License-Identifier: Apache-2.0
"""What a trade costs: fee, half the spread, and square-root impact.

    impact (relative) = Y sigma_day sqrt(Q / V_day)

Source: Toth et al. 2011, eq. 1 (square-root law); measured for bitcoin by Donier and Bonart 2015.
The exchange fills by this, and signals and allocation expect this: there is no second opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from tidegate.model.instruments import Instrument
from tidegate.model.market import Quote
from tidegate.model.units import MICRO, ceil_div


def power_3_2(x: float) -> float:
    """x^(3/2) for x >= 0."""
    return x * sqrt(x)


@dataclass(frozen=True, slots=True)
class TradingCosts:
    """Cost terms of one instrument; `taker_ppm` in parts per million, the others relative."""

    taker_ppm: int
    half_spread: float
    impact_coefficient: float

    def fee_quanta(self, notional: int) -> int:
        """Taker fee on a notional, in quanta, rounded up."""
        return ceil_div(notional * self.taker_ppm, MICRO)

    def impact(self, notional_usd: float, quote: Quote, before_usd: float = 0.0) -> float:
        """Relative impact of a notional when `before_usd` has just been traded on the same side.

        The law holds for the whole order, so a slice pays the difference of two totals
        Y sigma Q^(3/2) / sqrt(V): cutting an order into slices at one time saves nothing.
        """
        unit = self.impact_coefficient * quote.vol_daily / sqrt(quote.volume_day_usd)
        total = power_3_2(before_usd + notional_usd) - power_3_2(before_usd)
        return unit * total / notional_usd

    def linear_rate(self, quote: Quote | None = None) -> float:
        """Fee and half spread per dollar traded, at the quote's spread where it has one."""
        return self.taker_ppm / MICRO + self.spread_at(quote)

    def spread_at(self, quote: Quote | None) -> float:
        """Half the relative spread: the one that a quote shows, else the one stated."""
        seen = None if quote is None else quote.half_spread
        return self.half_spread if seen is None else seen


@dataclass(frozen=True, slots=True)
class Slippage:
    """Where an order fills, and how its distance from the middle splits, in quanta."""

    ticks: int
    spread_quanta: int
    impact_quanta: int


def slippage(
    instrument: Instrument, costs: TradingCosts, lots: int, quote: Quote, before_usd: float = 0.0
) -> Slippage:
    """Fill of a market order of signed lots around the quote's price, rounded against us."""
    mid_ticks = quote.ticks
    notional_usd = instrument.notional(lots, mid_ticks) / MICRO
    impact = costs.impact(notional_usd, quote, before_usd)
    spread_ticks = ceil(mid_ticks * costs.spread_at(quote))
    impact_ticks = ceil(mid_ticks * impact)
    side = 1 if lots > 0 else -1
    if side < 0:
        # No buyer pays less than one tick, however large the sale.
        spread_ticks = min(spread_ticks, mid_ticks - 1)
        impact_ticks = min(impact_ticks, mid_ticks - 1 - spread_ticks)
    per_tick = abs(lots) * instrument.unit_numerator
    return Slippage(
        mid_ticks + side * (spread_ticks + impact_ticks),
        spread_ticks * per_tick // instrument.unit_denominator,
        impact_ticks * per_tick // instrument.unit_denominator,
    )
