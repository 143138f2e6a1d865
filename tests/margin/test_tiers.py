# SPDX-License-Identifier: Apache-2.0
"""Tiered maintenance: shape, the convex form, and its batched twin."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.books import BTC, ETH, TierRow, binance, books, hyperliquid, tables
from tidegate.margin.batch import health, tier_lines
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO

NOTIONALS = st.integers(0, 40_000_000 * MICRO)


@given(tables(), NOTIONALS, NOTIONALS)
def test_maintenance_rises_with_notional_and_is_convex_but_for_a_quantum(
    table: TierTable, one: int, other: int
) -> None:
    low, high = sorted((one, other))
    middle = (low + high) // 2
    assert 0 <= table.maintenance(low) <= table.maintenance(middle) <= table.maintenance(high)
    chord = Fraction(
        table.maintenance(low) * (high - middle) + table.maintenance(high) * (middle - low),
        max(1, high - low),
    )
    assert low == high or table.maintenance(middle) <= chord + 1


@given(tables(), NOTIONALS)
def test_tier_lookup_equals_the_maximum_over_all_pieces(table: TierTable, notional: int) -> None:
    exact = max(tier.rate * notional - tier.deduction for tier in table.tiers)
    assert table.maintenance(notional) == -(-exact.numerator // exact.denominator)


@given(tables(), NOTIONALS)
def test_scalar_maintenance_equals_its_batched_twin_within_a_quantum(
    table: TierTable, notional: int
) -> None:
    scalar = table.maintenance(notional)
    batched = float(tier_lines([table]).maintenance(np.array([notional / MICRO]))) * MICRO
    assert abs(scalar - batched) <= max(1.0, 1e-6 * scalar)


@given(tables(), tables(), st.lists(books(), min_size=1, max_size=4))
def test_batched_health_of_many_books_equals_the_exact_rule_one_by_one(
    btc: TierTable, eth: TierTable, many: list[tuple[Account, dict[str, int]]]
) -> None:
    names = (BTC.id, ETH.id)
    wallet = np.array([account.balances["USDC"] / MICRO for account, _ in many])
    amounts, costs, prices = (np.zeros((len(many), 2)) for _ in range(3))
    for row, (account, marks) in enumerate(many):
        for column, (name, instrument) in enumerate(zip(names, (BTC, ETH), strict=True)):
            prices[row, column] = instrument.price(marks[name])
            if name in account.positions:
                position = account.positions[name]
                amounts[row, column] = position.lots * float(instrument.lot)
                costs[row, column] = position.cost / MICRO
    found = health(tier_lines([btc, eth]), wallet, amounts, costs, prices) * MICRO
    for rule in (hyperliquid(btc, eth), binance(btc, eth)):
        for row, (account, marks) in enumerate(many):
            scalar = rule.state(account, marks).health
            gross = abs(wallet[row]) + np.abs(amounts[row] * prices[row]).sum()
            gross += np.abs(costs[row]).sum()
            assert abs(found[row] - scalar) <= 8 + 1e-9 * gross * MICRO


ROWS: list[TierRow] = [
    (Decimal(0), Decimal(100), Fraction(1, 100), Fraction(0), 50),
    (Decimal(100), Decimal(200), Fraction(2, 100), Fraction(1), 25),
    (Decimal(200), None, Fraction(4, 100), Fraction(5), 12),
]


def changed(row: int, column: int, value: object) -> list[TierRow]:
    rows = [list(each) for each in ROWS]
    rows[row][column] = value
    return [tuple(each) for each in rows]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("rows", "tier"),
    [
        (changed(0, 0, Decimal(1)), 0),
        (changed(0, 2, Fraction(0)), 0),
        (changed(0, 3, Fraction(1)), 0),
        (changed(1, 0, Decimal(101)), 1),
        (changed(1, 2, Fraction(1, 1000)), 1),
        (changed(1, 3, Fraction(2)), 1),
        (changed(1, 1, None), 1),
        (changed(1, 4, 0), 1),
        (changed(2, 1, Decimal(200)), 2),
    ],
)
def test_table_with_a_hole_a_fall_or_a_wrong_deduction_is_refused_and_the_tier_named(
    rows: list[TierRow], tier: int
) -> None:
    with pytest.raises(InputError, match=f"made up: tier {tier}: expected joined tiers"):
        tier_table(rows, "USDC", "2024-01-01", "made up")


def test_table_whose_caps_fall_is_refused_though_its_floors_join() -> None:
    rows: list[TierRow] = [
        (Decimal(0), Decimal(100), Fraction(1, 100), Fraction(0), 50),
        (Decimal(100), Decimal(50), Fraction(2, 100), Fraction(1), 25),
        (Decimal(50), None, Fraction(4, 100), Fraction(2), 12),
    ]
    with pytest.raises(InputError, match="tier 1"):
        tier_table(rows, "USDC", "2024-01-01", "made up")


def test_table_without_tiers_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least one tier"):
        tier_table([], "USDC", "2024-01-01", "made up")


def test_notional_at_a_cap_is_in_the_lower_tier_and_beyond_every_cap_in_the_last() -> None:
    closed = [*ROWS[:2], (*ROWS[2][:1], Decimal(300), *ROWS[2][2:])]
    table = tier_table(closed, "USDC", "2024-01-01", "made up")
    leverages = [table.at(n).max_leverage for n in (100 * MICRO, 100 * MICRO + 1, 999 * MICRO)]
    assert leverages == [50, 25, 12]
