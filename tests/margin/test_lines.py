# SPDX-License-Identifier: Apache-2.0
"""The convex pieces that every rule gives: never below its exact requirement, and their stack."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin import test_deribit, test_dydx
from tests.margin.books import BTC, STEEP, binance, hyperliquid, tables
from tidegate.margin.batch import stacked_lines, tier_lines
from tidegate.margin.linear import SpotWallet
from tidegate.margin.rule import Lines, MarginRule
from tidegate.margin.tiers import TierTable
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Instrument
from tidegate.model.units import MICRO

# What each rule rounds up, in quanta, is not in its lines.
RULES: list[tuple[MarginRule, Instrument, int]] = [
    (hyperliquid(), BTC, 1),
    (binance(), BTC, 1),
    (test_dydx.venue(), test_dydx.SOL, 2),
    (test_deribit.rule(test_deribit.LINEAR), test_deribit.LINEAR, 1),
]
PIECES = st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 1e12)), min_size=0, max_size=6).map(
    tuple
)
SIZES = st.floats(-1e7, 1e7)


def largest(lines: Lines, notional_usd: Fraction) -> Fraction:
    return max(
        (Fraction(rate) * notional_usd - Fraction(less) / MICRO for rate, less in lines),
        default=Fraction(0),
    )


@pytest.mark.parametrize(("rule", "instrument", "rounded"), RULES)
@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(100, 10**6),
    st.integers(0, 10**6),
    st.fractions(1, 3),
)
def test_lines_of_any_rule_are_never_below_its_exact_maintenance(
    rule: MarginRule,
    instrument: Instrument,
    rounded: int,
    lots: int,
    lowest: int,
    rise: int,
    wider: Fraction,
) -> None:
    """At any price from the lowest on, and any size inside the span, long or short."""
    marks = {instrument.id: lowest + rise}
    worth = instrument.value(abs(lots), lowest + rise)
    held = Account(instrument.venue, {}, {instrument.id: Position(lots, 0)})
    _, maintenance = rule.health_at(held, marks)
    lines = rule.lines(instrument.id, lowest, float(Fraction(worth, MICRO) * wider) + 1.0)
    covered = largest(lines, Fraction(worth, MICRO)) * MICRO
    # A rate as a float is off by a part in 1e16.
    assert covered * (1 + Fraction(1, 10**15)) + rounded >= maintenance


def test_coin_held_outright_has_no_lines_and_its_row_requires_nothing() -> None:
    lines = SpotWallet("USDC", {"BTC": BTC}).lines(BTC.id, 1, 1.0)
    assert lines == ()
    stacked = stacked_lines([STEEP.lines(), lines])
    alone = tier_lines([STEEP])
    for size in (0.0, 1e3, -1e6, 1e8):
        assert stacked.maintenance(np.array([size, 1e9])) == alone.maintenance(np.array([size]))


@given(st.lists(PIECES, min_size=1, max_size=5), st.data())
def test_stack_requires_the_sum_over_rows_of_their_largest_piece(
    rows: list[Lines], data: st.DataObject
) -> None:
    """Rows of other lengths stand beside it, and padding changes no maximum."""
    sizes = data.draw(st.lists(SIZES, min_size=len(rows), max_size=len(rows)))
    expected = sum(
        float(largest(row, Fraction(abs(size)))) for row, size in zip(rows, sizes, strict=True)
    )
    found = float(stacked_lines(rows).maintenance(np.array(sizes)))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-3)


@given(st.lists(tables(), min_size=1, max_size=3), st.data())
def test_stack_of_tiers_is_the_stack_of_their_lines(
    many: list[TierTable], data: st.DataObject
) -> None:
    sizes = np.array(data.draw(st.lists(SIZES, min_size=len(many), max_size=len(many))))
    one, other = tier_lines(many), stacked_lines([table.lines() for table in many])
    assert one.maintenance(sizes) == other.maintenance(sizes)


@given(PIECES.filter(bool), st.lists(SIZES, min_size=1, max_size=6))
def test_stack_broadcasts_over_many_markets(row: Lines, sizes: list[float]) -> None:
    stacked = stacked_lines([row])
    together = stacked.maintenance(np.array(sizes)[:, None])
    assert together.tolist() == [float(stacked.maintenance(np.array([size]))) for size in sizes]
