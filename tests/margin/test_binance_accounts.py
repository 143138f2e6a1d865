# SPDX-License-Identifier: Apache-2.0
"""Binance: multi-assets mode and portfolio margin."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.margin.statement_books import (
    BRACKETS,
    BTC,
    BTC_INVERSE,
    ETH,
    LOANS,
    held,
    market,
    terms,
)
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.binance_portfolio import LOAN_RATE, BinancePortfolio, uni_mmr_state
from tidegate.margin.collateral import CollateralTable, flat
from tidegate.margin.holdings import Holdings, WorkingOrder
from tidegate.margin.market_values import mark_of
from tidegate.margin.tiered_account import CrossTerms, LoanRates, PositionTerms
from tidegate.model.errors import InputError

# Collateral rates of the FAQ 29b45c48 (28 May 2021): BTC 95 %, USDT and USDC 99.99 %.
RATES = CollateralTable(
    {"BTC": flat("0.95"), "USDT": flat("0.9999"), "USDC": flat("0.9999", debt_weight="1.001")},
    "2021-05-28",
    "binance FAQ 29b45c48",
)
PLAIN = {name: PositionTerms(BRACKETS, Fraction(10)) for name in (BTC.id, ETH.id)}
JOINT = BinanceMultiAssets(CrossTerms(PLAIN, RATES), {BTC.id: 0.0125})


def test_value_haircut_of_the_rules_page() -> None:
    # "BNB with a market value of 1,000 USD is valued at 950": here of BTC.
    state = JOINT.statement(Holdings((), {"BTC": 1_000 / 60_000}), market())
    assert state.equity == pytest.approx(950.0)
    assert state.withdrawable == pytest.approx(950.0)


def test_profit_in_one_dollar_carries_loss_in_another_and_a_debt_weighs_more() -> None:
    # 2 BTC from 59,000 gain 2,000 USDT; 10 ETH from 3,500 lose 5,000 USDC, of 1,000 owned.
    book = Holdings((held(BTC, 2.0, 59_000.0), held(ETH, 10.0, 3_500.0)), {"USDC": 1_000.0})
    state = JOINT.statement(book, market())
    assert state.equity == pytest.approx(2_000 * 0.9999 - 4_000 * 1.001)
    assert state.initial == pytest.approx(15_000.0)
    # 120,000 x 1 % - 300, and 30,000 x 0.4 %.
    assert state.maintenance == pytest.approx(900.0 + 120.0)
    assert state.withdrawable == 0.0


def test_unrealised_profit_does_not_leave() -> None:
    book = Holdings((held(BTC, 1.0, 40_000.0),), {"USDT": 3_000.0})
    state = JOINT.statement(book, market())
    assert state.withdrawable == pytest.approx(3_000 * 0.9999)


def test_largest_requirement_is_cut_to_the_tier_below_for_a_fee() -> None:
    book = Holdings((held(BTC, -2.0, 50_000.0), held(ETH, 1.0, 3_000.0)), {"USDT": 20_000.0})
    step = JOINT.liquidation(book, market())
    assert step is not None
    ((name, size),) = step.closes
    assert (step.stage, name) == ("close", BTC.id)
    assert (-2.0 + size) * 60_000 == pytest.approx(-50_000.0)
    assert step.penalty == pytest.approx(70_000 * 0.0125)
    solvent = replace(book, collateral={"USDT": 200_000.0})
    assert JOINT.liquidation(solvent, market()) is None
    unpriced = BinanceMultiAssets(CrossTerms(PLAIN, RATES), {})
    with pytest.raises(InputError, match="clearance fee"):
        unpriced.liquidation(book, market())


def test_order_margin_is_the_worse_of_bids_and_asks() -> None:
    # Long 1 BTC; a bid for 1 makes 2, asks for 3 make -2 with the same margin: either adds one
    # initial margin of 6,000; both stay at the mark, so nothing is lost.
    book = Holdings((held(BTC, 1.0, 60_000.0),), {"USDT": 50_000.0})
    plain = JOINT.statement(book, market()).initial
    for sizes, added in (
        ((1.0,), 6_000.0),
        ((-3.0,), 6_000.0),
        ((1.0, -3.0), 6_000.0),
        ((-1.0,), 0.0),
        ((-2.0,), 0.0),
        ((1.0, 1.0), 12_000.0),
    ):
        orders = tuple(WorkingOrder(BTC, size, 60_000.0) for size in sizes)
        state = JOINT.statement(replace(book, orders=orders), market())
        assert state.initial - plain == pytest.approx(added, abs=1e-6)
    reducing = (WorkingOrder(BTC, -5.0, 60_000.0, reduce_only=True),)
    assert JOINT.statement(replace(book, orders=reducing), market()).initial == plain


def test_order_beyond_the_mark_counts_its_loss_and_one_far_from_it_no_profit() -> None:
    book = Holdings((), {"USDT": 50_000.0})
    above = replace(book, orders=(WorkingOrder(BTC, 1.0, 61_000.0),))
    below = replace(book, orders=(WorkingOrder(BTC, 1.0, 30_000.0),))
    assert JOINT.statement(above, market()).initial == pytest.approx(6_000 + 1_000 * 0.9999)
    assert JOINT.statement(below, market()).initial == pytest.approx(6_000.0)


def with_leverage(leverage: int) -> BinancePortfolio:
    rate = LOAN_RATE[leverage]
    loan = LoanRates(rate, rate, "2025-02-06", "FAQ 4868b2f1")
    inverse = terms().positions[BTC_INVERSE.id]
    table = CrossTerms({**PLAIN, BTC_INVERSE.id: inverse}, RATES, {"USDT": loan, "BTC": loan})
    return BinancePortfolio(table)


def test_uni_mmr_is_adjusted_equity_over_unified_maintenance() -> None:
    # 1 BTC counts 57,000; 20,000 USDT owed count whole and need 10, 8 or 5 % by leverage; the short
    # of 0.5 BTC needs 30,000 x 0.4 %.
    book = Holdings((held(BTC, -0.5, 60_000.0),), {"BTC": 1.0, "USDT": -20_000.0})
    for leverage, loan in ((3, 2_000.0), (5, 1_600.0), (10, 1_000.0)):
        found = with_leverage(leverage).uni_mmr(book, market())
        assert found == pytest.approx(37_000 / (loan + 120.0))


@pytest.mark.parametrize(
    ("ratio", "state"),
    [
        (1.5001, "free"),
        (1.5, "reminder"),
        (1.2001, "reminder"),
        (1.2, "reduce_only"),
        (1.0501, "reduce_only"),
        (1.05, "liquidation"),
        (-3.0, "liquidation"),
    ],
)
def test_levels_of_the_programme_are_named(ratio: float, state: str) -> None:
    assert uni_mmr_state(ratio) == state


def test_health_is_gone_at_105_and_room_to_open_at_120_percent() -> None:
    rule = with_leverage(10)
    short = Holdings((held(BTC, -10.0, 60_000.0),), {})
    unified = 600_000 * 0.01 - 300
    for level in (1.05, 1.2, 1.5):
        owned = level * unified / 0.9999
        book = replace(short, collateral={"USDT": owned})
        state = rule.statement(book, market())
        assert rule.uni_mmr(book, market()) == pytest.approx(level)
        assert state.health == pytest.approx((level - 1.05) * unified, abs=1e-6)
        assert state.equity - state.initial == pytest.approx((level - 1.2) * unified, abs=1e-6)
        # FAQ 446ce2c3: at most equity - 1.2 maintenance may leave.
        assert state.withdrawable == pytest.approx(max(0.0, (level - 1.2) * unified), abs=1e-6)


def test_without_positions_or_loans_the_ratio_is_infinite_and_free() -> None:
    rule = with_leverage(3)
    assert rule.uni_mmr(Holdings((), {"USDT": 5.0}), market()) == float("inf")
    assert rule.state(Holdings((), {"USDT": 5.0}), market()) == "free"


def test_working_order_is_open_loss_and_no_margin_of_its_own() -> None:
    rule = with_leverage(3)
    book = Holdings((), {"USDT": 50_000.0}, (WorkingOrder(BTC, 1.0, 61_000.0),))
    state = rule.statement(book, market())
    assert state.parts["open_loss"] == pytest.approx(1_000 * 0.9999)
    assert state.equity == pytest.approx(49_000 * 0.9999)
    assert state.maintenance == 0.0


def test_inverse_contract_is_margined_in_its_coin() -> None:
    # 600,000 dollars at 60,000 are 10 BTC: 5 x 0.5 % and 5 x 2 %, 0.125 BTC, and the fee.
    book = Holdings((held(BTC_INVERSE, -600_000.0, 60_000.0),), {"BTC": 1.0})
    state = with_leverage(3).statement(book, market())
    assert state.parts["futures_maintenance"] == pytest.approx((0.125 + 10 * 0.00055) * 60_000)
    risen = with_leverage(3).statement(book, market({mark_of(BTC_INVERSE.id): 66_000.0}))
    loss = 10.0 - 600_000 / 66_000
    assert risen.equity == pytest.approx((1 - loss) * 60_000 * 0.95)


def test_loan_without_rates_and_terms_without_loans_are_refused() -> None:
    with pytest.raises(InputError, match="loan rates"):
        BinancePortfolio(terms(loans=False))
    with pytest.raises(InputError, match="loan rates"):
        with_leverage(3).statement(Holdings((), {"USDC": -1.0}), market())
    with pytest.raises(InputError, match="maintenance <= initial"):
        LoanRates(Fraction(1, 20), Fraction(1, 10), "", "test")
    assert LOANS["USDT"].maintenance == LOAN_RATE[10]
