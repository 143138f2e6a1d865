# SPDX-License-Identifier: Apache-2.0
"""A requirement as the allocator takes it: a convex bound from above, inside a declared span.

    requirement(n) <= max_j (rate_j n - deduction_j)    for n <= span

It is of one amount, as tiers and haircuts are; what binds a book's positions together is bounded by
`scenario.convex`. Rates are rounded up and deductions down, so that the floats are never below the
exact lines for n >= 0; below zero, where the amount is a debt, the lines hold to one rounding of
each product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from tidegate.margin.rule import Lines
from tidegate.model.errors import InputError
from tidegate.model.units import float_down, float_up


@dataclass(frozen=True, slots=True)
class ConvexForm:
    """Lines in the unit of the amount (not micro-units), and the amount up to which they hold."""

    lines: Lines
    span: float

    def bound(self, amount: float) -> float:
        """The largest line at an amount; raises `InputError` beyond the span."""
        if not amount <= self.span:
            raise InputError("convex form", "amount", f"expected at most {self.span}, got {amount}")
        return max(rate * amount - deduction for rate, deduction in self.lines)


def convex_form(lines: Sequence[tuple[Fraction, Fraction]], span: float) -> ConvexForm:
    """Exact lines (rate, deduction) as floats rounded outward; a span that is not a positive
    number raises `InputError`."""
    if not (isfinite(span) and span > 0):
        raise InputError("convex form", "span", f"expected above 0, got {span}")
    return ConvexForm(outward(lines), span)


def outward(lines: Sequence[tuple[Fraction, Fraction]], scale: int = 1) -> Lines:
    """Floats never below exact lines (rate, deduction): rates rounded up, deductions times a scale
    rounded down."""
    return tuple((float_up(rate), float_down(offset * scale)) for rate, offset in lines)
