# SPDX-License-Identifier: Apache-2.0
"""Bybit: account rates of cross margin, isolated positions, liquidation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import BRACKETS, BTC, BTC_INVERSE, ETH, held, market, terms
from tidegate.margin.bybit import BybitCross, BybitIsolated
from tidegate.margin.collateral import CollateralTable, flat
from tidegate.margin.holdings import Holdings, WorkingOrder
from tidegate.margin.market_values import mark_of
from tidegate.margin.position_tiers import PositionTier, PositionTiers
from tidegate.margin.tiered_account import CrossTerms, LoanRates, PositionTerms
from tidegate.model.errors import InputError
from tidegate.model.instruments import Perpetual

HALF_PERCENT = PositionTiers(
    (PositionTier(None, Fraction(5, 1000), Fraction(1, 100)),), True, "worth", "", "test"
)
INVERSE = BybitIsolated(HALF_PERCENT, 10)
FEE = Fraction(55, 100_000)
LOAN = {"USDT": LoanRates(Fraction(1, 10), Fraction(1, 20), "", "test")}
TABLE = CollateralTable({"USDT": flat("1"), "BTC": flat("0.95")}, "", "test")
CROSS = BybitCross(CrossTerms({BTC.id: PositionTerms(BRACKETS, Fraction(10), FEE)}, TABLE, LOAN))


def test_liquidation_price_of_an_inverse_long_is_the_example_of_the_venue() -> None:
    # Help centre, liquidation price under isolated mode: 60,000 USD at 50,000 with 10x and 0.5 %:
    # value 1.2 BTC, initial 0.12, maintenance 0.006; 60,000 / (1.2 + 0.114).
    book = Holdings((held(BTC_INVERSE, 60_000.0, 50_000.0),), {"BTC": 0.12})
    assert INVERSE.liquidation_price(book) == pytest.approx(60_000 / 1.314)
    assert INVERSE.liquidation_price(book) == pytest.approx(45_662.10, abs=0.005)
    short = Holdings((held(BTC_INVERSE, -60_000.0, 50_000.0),), {"BTC": 0.12})
    assert INVERSE.liquidation_price(short) == pytest.approx(60_000 / 1.086)


def test_liquidation_price_of_linear_positions_moves_with_extra_margin() -> None:
    # 1 BTC at 60,000 and 10x: initial 6,000, maintenance 300; 1,000 more margin.
    for size, expected in ((1.0, 54_300.0), (-1.0, 65_700.0)):
        book = Holdings((held(BTC, size, 60_000.0),), {"USDT": 6_000.0})
        assert INVERSE.liquidation_price(book) == pytest.approx(expected)
        more = replace(book, collateral={"USDT": 7_000.0})
        assert INVERSE.liquidation_price(more) == pytest.approx(expected - 1_000 * size)


@pytest.mark.parametrize(("mark", "free"), [(60_000.0, 2e3), (61_000.0, 2e3), (59_000.0, 1e3)])
def test_margin_beyond_initial_may_leave_and_profit_may_not(mark: float, free: float) -> None:
    """8,000 under a position that needs 6,000; a loss is taken off, a gain is not added."""
    book = Holdings((held(BTC, 1.0, 60_000.0),), {"USDT": 8_000.0})
    found = INVERSE.statement(book, market({mark_of(BTC.id): mark}))
    assert found.withdrawable == pytest.approx(free)


@pytest.mark.parametrize(("btc", "eth", "closed"), [(2.0, 10.0, BTC), (1.0, 40.0, ETH)])
def test_liquidation_closes_of_the_position_that_requires_most(
    btc: float, eth: float, closed: Perpetual
) -> None:
    terms_of = {i.id: PositionTerms(BRACKETS, Fraction(10), FEE) for i in (BTC, ETH)}
    both = BybitCross(CrossTerms(terms_of, TABLE, LOAN))
    book = Holdings((held(BTC, btc, 60_000.0), held(ETH, eth, 3_000.0)), {"USDT": 500.0})
    step = both.liquidation(book, market())
    assert step is not None
    assert [name for name, _ in step.closes] == [closed.id]


@given(
    st.sampled_from([BTC, BTC_INVERSE]), st.floats(0.01, 50), st.booleans(), st.floats(0.011, 0.9)
)
def test_isolated_health_is_zero_at_the_liquidation_price(
    instrument: object, coins: float, long: bool, share: float
) -> None:
    contract = BTC_INVERSE if instrument is BTC_INVERSE else BTC
    size = coins * (60_000 if contract.inverse else 1) * (1 if long else -1)
    worth = coins * (1 if contract.inverse else 60_000)
    book = Holdings((held(contract, size, 60_000.0),), {contract.settle: share * worth})
    price = INVERSE.liquidation_price(book)
    assert price is not None
    there = INVERSE.statement(book, market({mark_of(contract.id): price}))
    assert there.health == pytest.approx(0.0, abs=1e-9 * worth)


def test_long_with_margin_above_its_worth_and_an_inverse_short_above_it_never_die() -> None:
    long = Holdings((held(BTC, 1.0, 60_000.0),), {"USDT": 61_000.0})
    short = Holdings((held(BTC_INVERSE, -60_000.0, 60_000.0),), {"BTC": 1.1})
    assert INVERSE.liquidation_price(long) is None
    assert INVERSE.liquidation_price(short) is None


def test_account_rates_count_fees_loans_and_ratios() -> None:
    # 2 BTC: 12,000 and 900 with a fee of 66 on each; 10,000 USDT owed: 1,000 and 500; 1 BTC
    # counts 57,000.
    book = Holdings((held(BTC, 2.0, 60_000.0),), {"BTC": 1.0, "USDT": -10_000.0})
    initial, maintenance = CROSS.account_rates(book, market())
    assert initial == pytest.approx((12_066 + 1_000) / 47_000)
    assert maintenance == pytest.approx((966 + 500) / 47_000)
    assert CROSS.statement(book, market()).withdrawable is None


def test_account_without_anything_has_rates_of_zero_and_a_ruined_one_infinite() -> None:
    assert CROSS.account_rates(Holdings((), {}), market()) == (0.0, 0.0)
    ruined = Holdings((held(BTC, 1.0, 70_000.0),), {"USDT": 1_000.0})
    assert CROSS.account_rates(ruined, market())[1] == float("inf")


def test_liquidation_goes_from_orders_to_loans_to_the_largest_tier() -> None:
    order = (WorkingOrder(BTC, 0.1, 60_000.0),)
    book = Holdings((held(BTC, 2.0, 60_000.0),), {"USDT": 900.0}, order)
    assert CROSS.liquidation(book, market()).stage == "cancel_orders"  # type: ignore[union-attr]
    step = CROSS.liquidation(replace(book, orders=()), market())
    assert step is not None
    assert step.stage == "close"
    ((name, size),) = step.closes
    assert name == BTC.id
    assert (2.0 + size) * 60_000 == pytest.approx(50_000.0)
    owing = Holdings((held(BTC, 2.0, 60_000.0),), {"BTC": 1.0, "USDT": -55_600.0})
    assert CROSS.account_rates(owing, market())[1] > 1.0
    assert CROSS.liquidation(owing, market()).stage == "repay"  # type: ignore[union-attr]


def test_loans_are_repaid_from_85_percent_and_a_healthy_account_is_left_alone() -> None:
    owing = Holdings((held(BTC, 2.0, 60_000.0),), {"BTC": 1.0, "USDT": -53_000.0})
    rate = CROSS.account_rates(owing, market())[1]
    assert 0.85 <= rate < 1.0
    assert CROSS.liquidation(owing, market()).stage == "repay"  # type: ignore[union-attr]
    healthy = replace(owing, collateral={"BTC": 1.0, "USDT": -10_000.0})
    assert CROSS.liquidation(healthy, market()) is None


def test_cross_terms_without_loans_are_refused() -> None:
    with pytest.raises(InputError, match="loan rates"):
        BybitCross(terms(loans=False))
