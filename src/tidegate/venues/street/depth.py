# SPDX-License-Identifier: Apache-2.0
"""The public book around a middle, drawn from the same law by which market orders fill.

An order of Q dollars fills on average at the middle, half a spread and Y sigma sqrt(Q / V) worse
(`costs.trading`). A book whose depth up to a relative distance x beyond the half-spread is
V (x / (1.5 Y sigma))^2 gives just that average when it is walked, since the mean of a square root
is two thirds of its end. A level shows what stands up to its price, less what was taken there
before within the same step of impact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt

from tidegate.costs.trading import TradingCosts
from tidegate.model.market import Quote

MARGINAL = 1.5
LOTS_MAX = 10**12


@dataclass(frozen=True, slots=True)
class Depth:
    """One instrument's book: the middle and half the spread in ticks, and by `scale` the ticks
    beyond the spread that an amount reaches, scale x sqrt(amount), amounts in the unit of
    `per_lot`."""

    mid_ticks: int
    spread_ticks: int
    scale: float
    per_lot: float

    def best(self, side: int) -> int | None:
        """The price at which one lot fills: a buyer's (side +1, the ask) or a seller's (-1, the
        bid), None if none."""
        first = max(1, ceil(self.scale / MARGINAL * sqrt(self.per_lot)))
        ticks = self.mid_ticks + side * (self.spread_ticks + first)
        return ticks if self.mid_ticks > 0 and ticks > 0 else None

    def lots_within(self, side: int, ticks: int, before: float = 0.0) -> int:
        """Lots that a buyer (+1) or seller (-1) can take up to a price, after an amount before."""
        best = self.best(side)
        if best is None or (ticks - best) * side < 0:
            return 0
        if self.scale <= 0.0:
            return LOTS_MAX
        beyond = (ticks - self.mid_ticks) * side - self.spread_ticks
        lots = floor(((beyond / self.scale) ** 2 - before) / self.per_lot)
        return min(LOTS_MAX, max(0 if before > 0.0 else 1, lots))

    def levels(self, side: int, count: int) -> tuple[tuple[int, int], ...]:
        """Up to `count` levels of (ticks, lots) that a side can take, best first; each price shows
        what stands between the one before and itself."""
        best, found, taken = self.best(side), [], 0
        if best is None:
            return ()
        # No level is so near to the one before that it would hold less than a lot.
        step = max(1, (self.spread_ticks + 1) // 2, ceil(self.scale * sqrt(self.per_lot)))
        for place in range(count):
            ticks = best + side * place * step
            reached = self.lots_within(side, ticks) if ticks > 0 else 0
            if reached <= taken:
                break
            found.append((ticks, reached - taken))
            taken = reached
        return tuple(found)


def depth_of(costs: TradingCosts, quote: Quote, per_lot: float) -> Depth:
    """The book around a quote; `per_lot` is what a lot is worth in the unit of the volume."""
    scale = MARGINAL * costs.impact_coefficient * quote.vol_daily * quote.ticks
    spread = ceil(quote.ticks * costs.spread_at(quote))
    unit = scale / sqrt(quote.volume_day_usd) if quote.volume_day_usd > 0 else 0.0
    return Depth(quote.ticks, spread, unit, per_lot)
