# SPDX-License-Identifier: Apache-2.0
"""Marginal rates by tranche of an amount, exact: discounts of collateral, multipliers, charges.

    total(n) = sum_j rate_j (min(n, cap_j) - cap_{j-1})+

Only what lies inside a tranche takes its rate. Source: OKX, scaling factor of the minimum charge
(support article 4417291853837, December 2021); Bybit, tiered collateral ratios (help centre,
18 September 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tidegate.model.errors import InputError


@dataclass(frozen=True, slots=True)
class Tranche:
    """The part of an amount up to a cap (None: without end) and the rate that it takes."""

    up_to: Fraction | None
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Tranches:
    """Ascending tranches from zero, dated; a cap that does not rise raises `InputError`."""

    rows: tuple[Tranche, ...]
    as_of: str
    source: str

    def __post_init__(self) -> None:
        floor = Fraction(0)
        for number, row in enumerate(self.rows):
            last = number == len(self.rows) - 1
            if row.rate < 0 or (not last if row.up_to is None else row.up_to <= floor):
                raise InputError(
                    self.source, f"tranche {number}", "expected rising caps and rates of at least 0"
                )
            floor = row.up_to or floor
        if not self.rows:
            raise InputError(self.source, "tranches", "expected at least one")

    def total(self, amount: Fraction) -> Fraction:
        """Sum over tranches of rate times the part inside; nothing beyond the last cap."""
        total, floor = Fraction(0), Fraction(0)
        for row in self.rows:
            inside = (amount if row.up_to is None else min(amount, row.up_to)) - floor
            if inside <= 0:
                break
            total += row.rate * inside
            floor = row.up_to or floor
        return total

    def charge(self, amount: Fraction) -> Fraction:
        """`total` of what must be paid: an amount beyond the last cap raises `InputError`, since
        no rate is known for it."""
        end = self.rows[-1].up_to
        if end is not None and amount > end:
            raise InputError(
                self.source, "tranches", f"expected an amount of at most {float(end):g}"
            )
        return self.total(amount)

    def pieces(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(rate, offset) of each straight piece, total = rate n + offset, the last one flat where
        the tranches end."""
        pieces, floor, reached = [], Fraction(0), Fraction(0)
        for row in self.rows:
            pieces.append((row.rate, reached - row.rate * floor))
            if row.up_to is not None:
                reached += row.rate * (row.up_to - floor)
                floor = row.up_to
        if self.rows[-1].up_to is not None:
            pieces.append((Fraction(0), reached))
        return tuple(pieces)


def tranches(
    rows: tuple[tuple[str | None, str], ...], as_of: str = "", source: str = "tranches"
) -> Tranches:
    """Tranches of (cap, rate) in decimal text, e.g. `(("10", "0.98"), (None, "0.9"))`."""
    parts = (Tranche(None if cap is None else Fraction(cap), Fraction(rate)) for cap, rate in rows)
    return Tranches(tuple(parts), as_of, source)
