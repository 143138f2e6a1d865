# SPDX-License-Identifier: Apache-2.0
"""Tiered maintenance margin in exact integers.

    M(n) = n r_j - o_j  for floor_j < n <= cap_j,   o_j = o_{j-1} + floor_j (r_j - r_{j-1})

Source: Binance USD-M leverage brackets ("cum") and Hyperliquid margin tiers ("deduction"). With
rates that do not fall, M is convex and equals max_j (r_j n - o_j).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm

from tidegate.model.errors import InputError
from tidegate.model.units import asset_decimals, ceil_div


@dataclass(frozen=True, slots=True)
class Tier:
    """One row: maintenance = ceil((n x rate_numerator - offset) / denominator), n in quanta."""

    floor: int
    cap: int | None
    rate: Fraction
    deduction: Fraction
    max_leverage: int
    rate_numerator: int
    offset: int
    denominator: int


@dataclass(frozen=True, slots=True)
class TierTable:
    """All tiers of one instrument, ascending, from zero and without holes."""

    tiers: tuple[Tier, ...]
    as_of: str
    source: str

    def at(self, notional: int) -> Tier:
        """The tier with floor < notional <= cap; the last one beyond every cap."""
        for tier in self.tiers:
            if tier.cap is None or notional <= tier.cap:
                return tier
        return self.tiers[-1]

    def maintenance(self, notional: int) -> int:
        """Maintenance requirement in quanta, rounded up."""
        tier = self.at(notional)
        return ceil_div(notional * tier.rate_numerator - tier.offset, tier.denominator)

    def lines(self) -> tuple[tuple[float, float], ...]:
        """(rate, deduction in whole units of the asset times 1e6) of each convex piece."""
        return tuple((float(t.rate), float(t.deduction)) for t in self.tiers)


def _tier(row: tuple[int, int | None, Fraction, Fraction, int]) -> Tier:
    floor, cap, rate, deduction, max_leverage = row
    denominator = lcm(rate.denominator, deduction.denominator)
    return Tier(
        floor,
        cap,
        rate,
        deduction,
        max_leverage,
        int(rate * denominator),
        int(deduction * denominator),
        denominator,
    )


def tier_table(
    rows: Sequence[tuple[Decimal, Decimal | None, Fraction, Fraction, int]],
    asset: str,
    as_of: str,
    source: str,
) -> TierTable:
    """A checked table from rows (floor, cap, rate, deduction, max leverage) in whole units.

    Raises `InputError` unless the rows start at zero, join without holes, have rates that do not
    fall and deductions that follow the recurrence exactly.
    """
    scale = 10 ** asset_decimals(asset)
    tiers: list[Tier] = []
    expected_floor, expected_deduction, rate_before = Fraction(0), Fraction(0), Fraction(0)
    for index, (floor, cap, rate, deduction, max_leverage) in enumerate(rows):
        expected_deduction += Fraction(floor) * (rate - rate_before) if index else 0
        well_formed = (
            Fraction(floor) == expected_floor
            and rate >= rate_before
            and rate > 0
            and deduction == expected_deduction
            and max_leverage >= 1
            and (index == len(rows) - 1 if cap is None else cap > floor)
        )
        if not well_formed:
            raise InputError(
                source, f"tier {index}", "expected joined tiers with an exact deduction recurrence"
            )
        cap_quanta = None if cap is None else int(Fraction(cap) * scale)
        tiers.append(
            _tier((int(Fraction(floor) * scale), cap_quanta, rate, deduction * scale, max_leverage))
        )
        expected_floor = Fraction(cap) if cap is not None else Fraction(0)
        rate_before = rate
    if not tiers:
        raise InputError(source, "tiers", "expected at least one tier")
    return TierTable(tuple(tiers), as_of, source)
