# SPDX-License-Identifier: Apache-2.0
"""Tiers of a position, marginal or on the whole, and their convex form."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.books import ladder
from tests.margin.statement_books import BRACKETS, BTC, COIN_BRACKETS, LADDER, WHOLE, held
from tidegate.margin.convex_form import convex_form
from tidegate.margin.position_tiers import PositionTier, PositionTiers, leverage_tiers
from tidegate.margin.tiered_account import PositionTerms, close_to_tier_below
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO

TABLES = st.sampled_from([BRACKETS, COIN_BRACKETS, LADDER, WHOLE])


@given(st.integers(0, 10**15))
def test_ladder_agrees_with_the_integer_rule_of_the_exchange(micro: int) -> None:
    exact = LADDER.maintenance(Fraction(micro, MICRO), Fraction(0)) * MICRO
    integer = ladder([(0, 40), (150_000_000, 20)]).maintenance(micro)
    assert integer == -(-exact.numerator // exact.denominator)


@given(TABLES, st.fractions(0, 5 * 10**5), st.fractions(0, 5 * 10**5))
def test_maintenance_never_falls_with_the_position(
    table: PositionTiers, low: Fraction, step: Fraction
) -> None:
    before = table.maintenance(low, low)
    assert 0 <= before <= table.maintenance(low + step, low + step)


@given(TABLES, st.floats(1e-3, 1e6), st.fractions(0, 1))
def test_convex_form_is_never_below_the_rule_inside_its_span(
    table: PositionTiers, span: float, part: Fraction
) -> None:
    amount = Fraction(span) * part
    form = table.convex_form(span)
    lines = max(Fraction(rate) * amount - Fraction(cut) for rate, cut in form.lines)
    exact = table.maintenance(amount, amount)
    assert lines >= exact
    if table.marginal:
        assert lines <= exact + Fraction(1 + span) / 10**12
    assert max(r * span - d for r, d in form.lines) == pytest.approx(
        float(table.maintenance(Fraction(span), Fraction(span)))
    )


@given(st.floats(1e-3, 1e6), st.fractions(0, 1))
def test_convex_form_with_a_fee_covers_the_fee(span: float, part: Fraction) -> None:
    terms = PositionTerms(BRACKETS, Fraction(10), Fraction(55, 100_000))
    amount = Fraction(span) * part
    lines = [Fraction(r) * amount - Fraction(d) for r, d in terms.convex_form(span).lines]
    exact = BRACKETS.maintenance(amount, amount) + amount * Fraction(55, 100_000)
    assert max(lines) >= exact


def test_one_line_less_than_the_rate_at_the_span_would_be_below_the_rule() -> None:
    form = WHOLE.convex_form(50.0)
    assert form.lines == ((0.01, 0.0),)
    assert form.bound(10.5) >= 0.105
    smaller = WHOLE.convex_form(10.0)
    assert smaller.lines[0][0] * 10.5 < WHOLE.maintenance(Fraction(21, 2), Fraction(21, 2))


def test_position_and_span_beyond_the_last_tier_are_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        BRACKETS.maintenance(Fraction(10**9 + 1), Fraction(0))
    with pytest.raises(InputError, match="at most"):
        BRACKETS.convex_form(2e9)
    for span in (0.0, float("nan")):
        with pytest.raises(InputError, match="span"):
            BRACKETS.convex_form(span)
    with pytest.raises(InputError, match="span"):
        convex_form([(Fraction(1), Fraction(0))], float("inf"))


def tier(up_to: int | None, maintenance: str, initial: str) -> PositionTier:
    cap = None if up_to is None else Fraction(up_to)
    return PositionTier(cap, Fraction(maintenance), Fraction(initial))


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (tier(2, "0.01", "0.02"), tier(1, "0.02", "0.03")),
        (tier(1, "0.02", "0.03"), tier(2, "0.01", "0.03")),
        (tier(1, "0.02", "0.01"),),
        (tier(1, "0", "0.01"),),
        (tier(None, "0.01", "0.01"), tier(2, "0.01", "0.01")),
    ],
)
def test_table_that_is_none_is_refused(rows: tuple[PositionTier, ...]) -> None:
    with pytest.raises(InputError, match="expected rising caps and rates"):
        PositionTiers(rows, True, "worth", "", "test")


def test_marginal_tiers_by_size_and_a_ladder_off_zero_are_refused() -> None:
    with pytest.raises(InputError, match="expected worth"):
        PositionTiers((tier(1, "0.01", "0.02"),), True, "size", "", "test")
    with pytest.raises(InputError, match="first floor"):
        leverage_tiers([("5", 10)], "")


@given(st.floats(-400, 400).filter(lambda x: abs(x) > 1e-3))
def test_closing_to_the_tier_below_leaves_at_most_its_cap(size: float) -> None:
    holding = held(BTC, size, 60_000.0)
    close = close_to_tier_below(holding, BRACKETS, 60_000.0)
    left = (size + close) * 60_000.0
    assert close * size < 0
    before = BRACKETS.tiers.index(BRACKETS.tier(Fraction(abs(size) * 60_000.0), Fraction(0)))
    expected = 0.0 if before == 0 else float(BRACKETS.tiers[before - 1].up_to or 0)
    assert abs(left) == pytest.approx(expected, abs=1e-6)
