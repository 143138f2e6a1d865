# SPDX-License-Identifier: Apache-2.0
"""OKX outside portfolio margin: one rate on the whole position, in size."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.margin.statement_books import (
    BTC,
    BTC_INVERSE,
    COLLATERAL,
    WHOLE,
    held,
    market,
    terms,
)
from tidegate.margin.holdings import Holdings
from tidegate.margin.liquidation_distance import LOWEST_RATIO, liquidation_ratios
from tidegate.margin.okx_tiered import OkxCross, OkxIsolated
from tidegate.model.errors import InputError

FEE = Fraction(5, 10_000)


def test_rate_of_the_tier_is_on_the_whole_position() -> None:
    # 10 BTC are in the tier of 0.4 %, a hundredth more in that of 1 %.
    rule = OkxIsolated(WHOLE, 10, FEE)
    for size, rate in ((10.0, 0.004), (10.01, 0.01)):
        book = Holdings((held(BTC, size, 60_000.0),), {"USDT": 10**6})
        state = rule.statement(book, market())
        worth = size * 60_000
        assert state.maintenance == pytest.approx(worth * (rate + 0.0005))
        assert state.initial == pytest.approx(worth * 0.1005)
        assert state.withdrawable == pytest.approx(10**6 - worth * 0.1005)


def test_leverage_above_the_tier_is_capped_by_it() -> None:
    rule = OkxIsolated(WHOLE, 100, Fraction(0))
    state = rule.statement(Holdings((held(BTC, 50.0, 60_000.0),), {"USDT": 10**6}), market())
    assert state.initial == pytest.approx(3_000_000 / 50)


def test_inverse_position_is_margined_in_its_coin() -> None:
    rule = OkxIsolated(terms(WHOLE).positions[BTC_INVERSE.id].tiers, 10, Fraction(0))
    book = Holdings((held(BTC_INVERSE, -600_000.0, 60_000.0),), {"BTC": 2.0})
    state = rule.statement(book, market())
    assert (state.unit, state.maintenance) == ("BTC", pytest.approx(0.04))


def test_cross_equity_discounts_by_tranche_with_profit_netted() -> None:
    # 12 BTC and 2 of profit: 10 at 0.98 and 4 at 0.95.
    book = Holdings((held(BTC_INVERSE, 60_000.0 * 10, 60_000.0),), {"BTC": 12.0})
    state = OkxCross(terms(WHOLE)).statement(book, market({("mark", BTC_INVERSE.id): 75_000.0}))
    assert state.equity == pytest.approx((9.8 + 4 * 0.95) * 60_000)
    assert COLLATERAL.terms["BTC"].discount.rows[0].rate == Fraction("0.98")


def test_what_is_owed_without_loan_rates_is_refused_by_its_asset() -> None:
    rule = OkxCross(terms(WHOLE, loans=False))
    owned = Holdings((held(BTC, 1.0, 60_000.0),), {"USDT": 1_000.0, "BTC": 5.0})
    assert rule.statement(owned, market()).maintenance > 0
    for owing in (
        Holdings((), {"USDT": -1_000.0, "BTC": 5.0}),
        Holdings((held(BTC, 1.0, 70_000.0),), {"USDT": 1_000.0, "BTC": 5.0}),
    ):
        with pytest.raises(InputError, match=r"USDT: expected loan rates"):
            rule.statement(owing, market())


def test_debt_that_a_move_makes_without_loan_rates_is_unknown_and_not_safe() -> None:
    rule = OkxCross(terms(WHOLE, loans=False))
    book = Holdings((held(BTC, 0.1, 60_000.0),), {"USDT": 1_000.0, "BTC": 5.0})
    found = liquidation_ratios(rule, book, market(), "BTC")
    # From 50,000 on the loss is more than the 1,000 USDT.
    assert found.below is None
    assert LOWEST_RATIO < found.lowest
    assert found.lowest == pytest.approx(50 / 60, abs=0.03)
