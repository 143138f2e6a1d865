# SPDX-License-Identifier: Apache-2.0
"""Aave v3: health factor, borrowing room, withdrawals, e-mode, close factor and bonus."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import RESERVES, market
from tidegate.margin.aave import AaveAccount, EfficiencyMode, ReserveTerms, Seizure, leaves_dust
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import index_of
from tidegate.model.errors import InputError

RULE = AaveAccount(RESERVES)
ONE = ReserveTerms(Fraction(75, 100), Fraction(80, 100), Fraction(5, 100), "", "test")
NONE = ReserveTerms(Fraction(0), Fraction(0), Fraction(0), "", "test")
PAIR = AaveAccount({"ETH": ONE, "USDC": NONE})


def pair(eth: float, usdc: float) -> Holdings:
    return Holdings((), {"ETH": eth, "USDC": usdc})


def at(price: float) -> object:
    return market({index_of("ETH"): price})


def test_health_factor_is_the_example_of_the_protocol() -> None:
    # aave.com, liquidations: 10,000 USD of ETH at a threshold of 80 % and 6,000 borrowed: 1.333.
    found = PAIR.health_factor(pair(4.0, -6_000.0), market({index_of("ETH"): 2_500.0}))
    assert found == pytest.approx(4 / 3)
    assert PAIR.health_factor(pair(4.0, 0.0), market()) == float("inf")


def test_statement_is_solvent_exactly_while_the_factor_is_one_or_more() -> None:
    for price, solvent in ((2_500.0, True), (1_875.0, True), (1_874.9, False)):
        now = market({index_of("ETH"): price})
        state = PAIR.statement(pair(4.0, -6_000.0), now)
        assert (state.health >= -1e-9) is solvent
        assert (PAIR.health_factor(pair(4.0, -6_000.0), now) >= 1 - 1e-12) is solvent
        # What may still be borrowed: 75 % of the collateral less the debt.
        assert state.equity - state.initial == pytest.approx(4 * price * 0.75 - 6_000)


@given(st.floats(0, 5), st.floats(0, 100), st.floats(0, 200_000), st.floats(0, 1))
def test_what_may_leave_leaves_a_factor_of_one_and_no_more_may(
    btc: float, eth: float, usdc: float, share: float
) -> None:
    owned = {"BTC": btc, "ETH": eth, "USDC": usdc}
    capacity = RULE.statement(Holdings((), owned), market()).equity
    book = Holdings((), {**owned, "USDT": -share * capacity})
    for asset, price in (("BTC", 60_000.0), ("ETH", 3_000.0), ("USDC", 1.0)):
        free = RULE.withdrawable_usd(book, market(), asset)
        left = {**book.collateral, asset: owned[asset] - free / price}
        scale = 1 + capacity
        assert RULE.statement(Holdings((), left), market()).health >= -1e-9 * scale
        if free < owned[asset] * price * (1 - 1e-9):
            more = {**left, asset: left[asset] - 1e-6 * scale / price}
            assert RULE.statement(Holdings((), more), market()).health < 0
        whole = RULE.statement(book, market()).withdrawable
        assert whole is not None
        assert whole >= free - 1e-9 * scale


def test_least_threshold_leaves_first_since_it_costs_least_health() -> None:
    # 78,000 x ... : BTC and USDC at 78 %, ETH at 83 %; debt 1,000, so only ETH stays.
    book = Holdings((), {"BTC": 1.0, "ETH": 1.0, "USDT": -1_000.0})
    spare = 60_000 * 0.78 + 3_000 * 0.83 - 1_000
    expected = 60_000 + (spare - 60_000 * 0.78) / 0.83
    assert RULE.statement(book, market()).withdrawable == pytest.approx(expected)


def test_asset_that_carries_no_debt_may_leave_whole_beside_one() -> None:
    found = PAIR.withdrawable_usd(
        Holdings((), {"ETH": 4.0, "USDC": 100.0}), market({index_of("ETH"): 2_500.0}), "USDC"
    )
    assert found == pytest.approx(100.0)


def test_asset_of_which_nothing_is_held_needs_no_price() -> None:
    seen = market()
    blind = replace(seen, values={k: v for k, v in seen.values.items() if k != index_of("BTC")})
    book = Holdings((), {"BTC": 0.0, "ETH": 4.0, "USDT": -1_000.0})
    assert RULE.health_factor(book, blind) == RULE.health_factor(book, seen)
    with pytest.raises(InputError):
        RULE.health_factor(Holdings((), {**book.collateral, "BTC": 1.0}), blind)


@pytest.mark.parametrize("shares", [(-1, 80, 5), (81, 80, 5), (75, 101, 5), (75, 80, -1)], ids=str)
def test_reserve_terms_out_of_their_order_are_refused(shares: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="0 <= LTV <= threshold <= 1, bonus >= 0"):
        ReserveTerms(*(Fraction(share, 100) for share in shares), "", "test")


def test_efficiency_mode_takes_its_terms_for_its_assets_alone() -> None:
    close = ReserveTerms(Fraction(93, 100), Fraction(95, 100), Fraction(1, 100), "", "test")
    rule = AaveAccount(RESERVES, EfficiencyMode(frozenset({"ETH"}), close))
    book = Holdings((), {"BTC": 1.0, "ETH": 10.0})
    state = rule.statement(book, market())
    assert state.equity == pytest.approx(60_000 * 0.78 + 30_000 * 0.95)
    assert rule.terms("ETH").bonus == Fraction(1, 100)


def test_balance_that_is_no_collateral_carries_nothing_and_may_leave() -> None:
    rule = AaveAccount(RESERVES, None, frozenset({"ETH"}))
    book = Holdings((), {"BTC": 1.0, "ETH": 1.0, "USDT": -46_800.0})
    state = rule.statement(book, market())
    assert state.health == pytest.approx(0.0, abs=1e-9)
    assert state.withdrawable == pytest.approx(3_000.0)


@pytest.mark.parametrize(
    ("eth", "debt", "price", "expected"),
    [
        # 4 ETH at 1,850: threshold value 5,920 of 6,000, HF 0.987, both sides above 2,000: half.
        (4.0, 6_000.0, 1_850.0, Seizure(3_000.0, 3_150.0, 150.0)),
        # HF 0.94: all of it.
        (4.0, 6_000.0, 1_762.5, Seizure(6_000.0, 6_300.0, 300.0)),
        # A small account: all of it.
        (1.0, 1_500.0, 1_850.0, Seizure(1_500.0, 1_575.0, 75.0)),
        # Collateral of 6,000 does not cover 8,000 and the bonus: what it covers.
        (4.0, 8_000.0, 1_500.0, Seizure(6_000 / 1.05, 6_000.0, 6_000 / 1.05 * 0.05)),
    ],
)
def test_close_factor_and_bonus(eth: float, debt: float, price: float, expected: Seizure) -> None:
    now = market({index_of("ETH"): price})
    found = PAIR.seizure(pair(eth, -debt), now, "ETH", "USDC")
    assert found is not None
    assert found.repaid_usd == pytest.approx(expected.repaid_usd)
    assert found.seized_usd == pytest.approx(expected.seized_usd)
    assert found.bonus_usd == pytest.approx(expected.bonus_usd)


def test_half_is_of_all_debts_so_that_one_debt_may_go_whole() -> None:
    rule = AaveAccount({"ETH": ONE, "USDC": NONE, "USDT": NONE})
    book = Holdings((), {"ETH": 4.0, "USDC": -2_500.0, "USDT": -3_500.0})
    found = rule.seizure(book, market({index_of("ETH"): 1_850.0}), "ETH", "USDC")
    assert found is not None
    assert found.repaid_usd == pytest.approx(2_500.0)


def test_healthy_account_is_not_seized_and_a_pair_that_is_none_is_refused() -> None:
    assert PAIR.seizure(pair(4.0, -6_000.0), market(), "ETH", "USDC") is None
    poor = market({index_of("ETH"): 1_500.0})
    with pytest.raises(InputError, match="expected a collateral and a debt"):
        PAIR.seizure(pair(4.0, -6_000.0), poor, "USDC", "ETH")


@pytest.mark.parametrize(
    ("collateral", "debt", "dust"),
    [
        (0.0, 900.0, False),
        (999.0, 5_000.0, True),
        (5_000.0, 999.0, True),
        (1_000.0, 1_000.0, False),
    ],
)
def test_remainder_below_a_thousand_dollars_is_dust(
    collateral: float, debt: float, dust: bool
) -> None:
    assert leaves_dust(collateral, debt) is dust


def test_positions_unknown_assets_and_terms_that_are_none_are_refused() -> None:
    from tests.margin.statement_books import BTC

    with pytest.raises(InputError, match="collateral and debts"):
        RULE.statement(Holdings((Holding(BTC, 1.0, 1.0),)), market())
    with pytest.raises(InputError, match="SOL"):
        AaveAccount({}).terms("SOL")
    with pytest.raises(InputError, match="LTV <= threshold"):
        ReserveTerms(Fraction(9, 10), Fraction(8, 10), Fraction(0), "", "test")
