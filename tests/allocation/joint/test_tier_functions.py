# SPDX-License-Identifier: Apache-2.0
"""Tiered maintenance as a maximum of lines: the exact rule, and what a solver pays for it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from tests.allocation.joint.hand_questions import one_coin
from tidegate.allocation.joint.question import Functions, Question
from tidegate.allocation.joint.reference import solve_reference
from tidegate.margin.tiers import tier_table
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO

FLOORS = (0, 50_000, 250_000, 10**6, 10**7, 2 * 10**7, 5 * 10**7, 10**8, 2 * 10**8, 3 * 10**8)
RATES = tuple(Fraction(r, 1000) for r in (4, 5, 10, 25, 50, 100, 125, 150, 250, 500))
# reference quant 3.3, a table in the style of Binance's for BTC.
OFFSETS = (0, 50, 1_300, 16_300, 266_300, 1_266_300, 2_516_300, 5_016_300, 25_016_300, 100_016_300)


def offsets() -> list[Fraction]:
    """o_j = o_j-1 + b_j (r_j - r_j-1)."""
    found = [Fraction(0)]
    for floor, (before, rate) in zip(FLOORS[1:], pairwise(RATES), strict=True):
        found.append(found[-1] + floor * (rate - before))
    return found


def rows(given: tuple[int, ...]) -> list[tuple[Decimal, Decimal | None, Fraction, Fraction, int]]:
    caps = [*FLOORS[1:], None]
    return [
        (Decimal(floor), None if cap is None else Decimal(cap), rate, Fraction(offset), 1)
        for floor, cap, rate, offset in zip(FLOORS, caps, RATES, given, strict=True)
    ]


def test_golden_offsets_follow_from_floors_and_rates() -> None:
    assert offsets() == [Fraction(o) for o in OFFSETS]


def test_exact_rule_takes_the_golden_table_and_refuses_one_dollar_more_anywhere() -> None:
    table = tier_table(rows(OFFSETS), "USDT", "2024-01-01", "golden")
    for floor, rate, offset in zip(FLOORS, RATES, OFFSETS, strict=True):
        assert table.maintenance(floor * MICRO) == (floor * rate - offset) * MICRO
    for place in range(1, len(OFFSETS)):
        wrong = (*OFFSETS[:place], OFFSETS[place] + 1, *OFFSETS[place + 1 :])
        with pytest.raises(InputError, match=f"tier {place}"):
            tier_table(rows(wrong), "USDT", "2024-01-01", "golden")


def tiered(equity_usd: float, amount: float) -> Question:
    """A question of one position that must keep the golden maintenance and survive a small move."""
    slope = np.array([[float(rate) for rate in RATES]])
    offset = np.array([[o / equity_usd for o in OFFSETS]])
    functions = Functions(np.eye(1), slope, offset)
    return replace(one_coin(amount=amount, cost=0.0), functions=functions)


@pytest.mark.parametrize("usd", [40_000, 200_000, 900_000, 7_000_000, 18_000_000, 40_000_000])
def test_money_for_the_exact_maintenance_of_a_size_carries_just_that_size(usd: int) -> None:
    """A size of x loses 0.001 x and must keep M(x) of the table."""
    equity = 1e6
    table = tier_table(rows(OFFSETS), "USDT", "2024-01-01", "golden")
    need = table.maintenance(usd * MICRO) / MICRO + 0.001 * usd
    answer = solve_reference(tiered(equity, need / equity), "HIGHS")
    assert answer.size[0, 0] * equity == pytest.approx(usd, rel=1e-7)
