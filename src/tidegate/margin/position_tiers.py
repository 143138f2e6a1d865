# SPDX-License-Identifier: Apache-2.0
"""Maintenance and initial rates that rise with a position, marginal or on the whole of it.

    marginal    M(n) = n r_j - o_j,  o_j = o_{j-1} + floor_j (r_j - r_{j-1})     (Binance, Bybit,
                                                                                  Hyperliquid)
    whole       M(n) = n r_j                                                      (OKX)

for n in the tier j. The tier is found by what the position is worth in its settlement asset
(`by` "worth") or by its size in base coins or dollars of face (`by` "size"). Whole tiers jump up
at each floor, so they are not convex; their convex form is one line at the rate of the span.

Source: Binance brackets and Hyperliquid margin tiers as in `tiers`; Bybit, margin parameters
(announcement page, read in November 2026); OKX, position tiers by contracts (announcements of 2022
to 2025). That OKX takes one rate on the whole position is remembered, not read: not pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from typing import Literal

from tidegate.margin.convex_form import ConvexForm, convex_form
from tidegate.model.errors import InputError


@dataclass(frozen=True, slots=True)
class PositionTier:
    """Rates of a position up to a cap (None: without end)."""

    up_to: Fraction | None
    maintenance: Fraction
    initial: Fraction


@dataclass(frozen=True, slots=True)
class PositionTiers:
    """All tiers of one instrument, dated; a table that is not one raises `InputError`."""

    tiers: tuple[PositionTier, ...]
    marginal: bool
    by: Literal["worth", "size"]
    as_of: str
    source: str

    def __post_init__(self) -> None:
        caps = [tier.up_to for tier in self.tiers]
        ends = [cap for cap in caps if cap is not None]
        joined = None not in caps[:-1] and all(a < b for a, b in pairwise([Fraction(0), *ends]))
        rising = all(a.maintenance <= b.maintenance for a, b in pairwise(self.tiers))
        sound = all(0 < tier.maintenance <= tier.initial <= 1 for tier in self.tiers)
        if not (self.tiers and joined and rising and sound):
            raise InputError(
                self.source, "tiers", "expected rising caps and rates, 0 < maintenance <= initial"
            )
        if self.marginal and self.by != "worth":
            raise InputError(self.source, "by", "expected worth: marginal rates are taken on it")

    def tier(self, worth: Fraction, size: Fraction) -> PositionTier:
        """The tier of a position; beyond the last cap the venue opens none: `InputError`."""
        amount = worth if self.by == "worth" else size
        for tier in self.tiers:
            if tier.up_to is None or amount <= tier.up_to:
                return tier
        raise InputError(self.source, "tiers", f"expected at most {tier.up_to}, got {amount}")

    def maintenance(self, worth: Fraction, size: Fraction) -> Fraction:
        """Maintenance of a position without sign, in the unit of its worth."""
        tier = self.tier(worth, size)
        if not self.marginal:
            return worth * tier.maintenance
        return max(rate * worth - deduction for rate, deduction in self.lines())

    def lines(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(rate, deduction) of each tier of a marginal table, deductions by the recurrence."""
        lines, floor, rate, deduction = [], Fraction(0), Fraction(0), Fraction(0)
        for tier in self.tiers:
            deduction += floor * (tier.maintenance - rate)
            rate, floor = tier.maintenance, tier.up_to or floor
            lines.append((rate, deduction))
        return tuple(lines)

    def bounding_lines(self, span: float) -> list[tuple[Fraction, Fraction]]:
        """Exact lines (rate, deduction) whose largest bounds maintenance for every worth up to the
        span (of tables by size: every size, as a rate on the worth). A convex bound that is exact
        at the span of whole tiers is the line from zero through it, so that is the one taken.
        Raises `InputError` beyond the tiers."""
        if not (isfinite(span) and span > 0):
            raise InputError(self.source, "span", f"expected above 0, got {span}")
        last = self.tier(Fraction(span), Fraction(span))
        if not self.marginal:
            return [(last.maintenance, Fraction(0))]
        return list(self.lines()[: self.tiers.index(last) + 1])

    def convex_form(self, span: float) -> ConvexForm:
        """`bounding_lines` in floats rounded outward."""
        return convex_form(self.bounding_lines(span), span)


def leverage_tiers(
    rows: Sequence[tuple[str, int]], as_of: str, source: str = "hyperliquid"
) -> PositionTiers:
    """Hyperliquid's tiers from (floor in dollars, maximum leverage): initial 1 / leverage, and
    maintenance half of it, marginal; the last tier has no cap."""
    floors = [Fraction(floor) for floor, _ in rows]
    if floors[:1] != [0]:
        raise InputError(source, "tiers", "expected the first floor to be 0")
    caps = [*floors[1:], None]
    tiers = tuple(
        PositionTier(cap, Fraction(1, 2 * most), Fraction(1, most))
        for cap, (_, most) in zip(caps, rows, strict=True)
    )
    return PositionTiers(tiers, True, "worth", as_of, source)
