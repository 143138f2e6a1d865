# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid: isolated positions and portfolio margin."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import BTC, ETH, LADDER, PLAIN, held, market
from tidegate.margin.holdings import Holdings, WorkingOrder
from tidegate.margin.hyperliquid_isolated import HyperliquidIsolated, liquidation_price
from tidegate.margin.hyperliquid_portfolio import HyperliquidPortfolio, PortfolioCollateral
from tidegate.margin.market_values import index_of, mark_of
from tidegate.margin.position_tiers import leverage_tiers
from tidegate.model.errors import InputError

RULE = HyperliquidIsolated(LADDER, 20)
SMALL = leverage_tiers([("0", 10), ("3000000", 5)], "2026-11", "test")


def position(size: float, entry: float, margin: float) -> Holdings:
    return Holdings((held(BTC, size, entry),), {"USDT": margin})


def at(mark: float) -> object:
    return market({mark_of(BTC.id): mark})


def test_isolated_position_worked_by_hand() -> None:
    # 2 BTC from 60,000 at 58,000: 4,000 lost of 6,000; 1/20 and 1/80 of 116,000 are required.
    state = RULE.statement(position(2.0, 60_000.0, 6_000.0), market({mark_of(BTC.id): 58_000.0}))
    assert (state.equity, state.initial, state.maintenance) == (2_000.0, 5_800.0, 1_450.0)
    assert state.withdrawable == 0.0


def test_margin_may_leave_down_to_a_tenth_of_the_worth_and_of_a_strict_position_none() -> None:
    book = position(1.0, 60_000.0, 10_000.0)
    assert RULE.statement(book, market()).withdrawable == 4_000.0
    strict = HyperliquidIsolated(LADDER, 20, strict=True)
    assert strict.statement(book, market()).withdrawable == 0.0


def test_liquidation_price_of_the_formula_worked_by_hand() -> None:
    # Long 1 BTC from 60,000 with 6,000 at 40x: available 6,000 - 750; 60,000 - 5,250 / 0.9875.
    assert liquidation_price(1.0, 1.0, 60_000.0, 5_250.0, 0.0125) == pytest.approx(54_683.5443)
    found = RULE.liquidation_price(position(1.0, 60_000.0, 6_000.0), market())
    assert found == pytest.approx(54_000 / 0.9875)
    short = RULE.liquidation_price(position(-1.0, 60_000.0, 6_000.0), market())
    assert short == pytest.approx(66_000 / 1.0125)


@given(
    st.floats(0.01, 5_000),
    st.sampled_from([1.0, -1.0]),
    st.floats(0.02, 0.9),
    st.sampled_from([LADDER, SMALL]),
)
def test_at_the_liquidation_price_health_is_zero_in_whatever_tier_it_lies(
    size: float, side: float, share: float, tiers: object
) -> None:
    rule = HyperliquidIsolated(tiers, 1)  # type: ignore[arg-type]
    book = position(side * size, 60_000.0, share * size * 60_000.0)
    price = rule.liquidation_price(book, market())
    if rule.statement(book, market()).health <= 0:
        return
    assert price is not None
    there = rule.statement(book, market({mark_of(BTC.id): price}))
    assert there.health == pytest.approx(0.0, abs=1e-9 * size * 60_000)
    nearer = rule.statement(book, market({mark_of(BTC.id): (price + 60_000.0) / 2}))
    assert nearer.health > 0


def test_long_with_margin_for_all_of_it_has_no_liquidation_price() -> None:
    assert RULE.liquidation_price(position(1.0, 60_000.0, 60_001.0), market()) is None


@pytest.mark.parametrize(
    ("size", "margin", "mark", "cooling", "stage", "closed"),
    [
        (1.0, 6_000.0, 60_000.0, False, None, None),
        # 54,600 < 100,000: all at once.
        (1.0, 6_000.0, 54_600.0, False, "close", -1.0),
        # 109,200 > 100,000: a fifth first, and all of it in the cooldown.
        (2.0, 12_000.0, 54_600.0, False, "partial", -0.4),
        (-2.0, 12_000.0, 65_300.0, False, "partial", 0.4),
        (2.0, 12_000.0, 54_600.0, True, "close", -2.0),
        # Equity 400 < 2/3 of 680.
        (1.0, 6_000.0, 54_400.0, False, "backstop", -1.0),
    ],
)
def test_steps_of_liquidation(
    size: float, margin: float, mark: float, cooling: bool, stage: str | None, closed: float | None
) -> None:
    book = position(size, 60_000.0, margin)
    step = RULE.liquidation(book, market({mark_of(BTC.id): mark}), cooling)
    if stage is None:
        assert step is None
        return
    assert step is not None
    assert (step.stage, step.closes) == (stage, ((BTC.id, closed),))
    # The vault keeps what is left of the margin; the book charges nothing.
    assert step.penalty == (400.0 if stage == "backstop" else 0.0)


def test_isolated_account_is_one_position_in_its_own_asset_without_orders() -> None:
    two = Holdings((held(BTC, 1.0, 1.0), held(ETH, 1.0, 1.0)), {})
    foreign = Holdings((held(BTC, 1.0, 1.0),), {"BTC": 1.0})
    working = Holdings((held(BTC, 1.0, 1.0),), {}, (WorkingOrder(BTC, 1.0, 1.0),))
    for book, field in ((two, "positions"), (foreign, "BTC"), (working, "orders")):
        with pytest.raises(InputError, match=field):
            RULE.statement(book, market())


def portfolio(cap: float = 1e9, supply: float = 1e9) -> HyperliquidPortfolio:
    coin = PortfolioCollateral(Fraction(1, 2), supply)
    return HyperliquidPortfolio(PLAIN, {"HYPE": coin, "BTC": coin}, {"USDT": cap})


def test_borrowing_room_is_the_example_of_the_venue() -> None:
    # FAQ on portfolio margin (stored copy, November 2026): 10,000 coins at 40 USD and LTV 0.5 let
    # 200,000 USDC be borrowed; once something is, the offset of 20 USDC is required too.
    prices = market({index_of("HYPE"): 40.0})
    state = portfolio().statement(Holdings((), {"HYPE": 10_000.0}), prices)
    assert state.equity - state.initial == pytest.approx(200_000.0)
    drawn = Holdings((), {"HYPE": 10_000.0, "USDT": -199_980.0})
    state = portfolio().statement(drawn, prices)
    assert state.equity - state.initial == pytest.approx(0.0, abs=1e-6)


def test_ratio_of_095_is_where_health_is_gone() -> None:
    # 400,000 of HYPE count 0.75 of it: 300,000; 285,000 - 20 borrowed are 95 % of that.
    prices = market({index_of("HYPE"): 40.0})
    book = Holdings((), {"HYPE": 10_000.0, "USDT": -284_980.0})
    assert portfolio().ratio(book, prices) == pytest.approx(0.95)
    assert portfolio().statement(book, prices).health == pytest.approx(0.0, abs=1e-6)
    more = Holdings((), {"HYPE": 10_000.0, "USDT": -284_981.0})
    assert portfolio().statement(more, prices).health < 0


def test_caps_on_borrowing_and_supply_count_no_more_than_they_are() -> None:
    prices = market({index_of("HYPE"): 40.0})
    book = Holdings((), {"HYPE": 10_000.0, "USDT": 1_000.0})
    for rule, value in (
        (portfolio(cap=50_000.0), 51_000.0),
        (portfolio(supply=1_000.0), 31_000.0),
    ):
        assert rule.statement(book, prices).equity == pytest.approx(0.95 * value)


def test_profit_of_perpetuals_pays_back_what_is_borrowed() -> None:
    book = Holdings((held(BTC, 1.0, 50_000.0),), {"USDT": -4_000.0})
    state = portfolio().statement(book, market())
    assert state.parts["borrowed"] == 0.0
    assert state.equity == pytest.approx(0.95 * 6_000.0)


def test_carry_trade_is_carried_by_its_coin() -> None:
    # A coin against a short of its perpetual: no price takes it within a tenfold rise.
    book = Holdings((held(BTC, -1.0, 60_000.0),), {"BTC": 1.0})
    for ratio in (0.5, 1.0, 1.2):
        moved = market({mark_of(BTC.id): 60_000 * ratio, index_of("BTC"): 60_000 * ratio})
        assert portfolio().statement(book, moved).health > 0


def test_borrowed_coin_that_is_not_borrowable_and_unknown_collateral_are_refused() -> None:
    for balances in ({"BTC": -1.0}, {"SOL": 1.0}):
        with pytest.raises(InputError, match="terms of this collateral"):
            portfolio().statement(Holdings((), balances), market())
    with pytest.raises(InputError, match="LTV"):
        PortfolioCollateral(Fraction(2), 1.0)


def test_two_dollars_are_judged_by_the_worse_of_those_in_use() -> None:
    coin = PortfolioCollateral(Fraction(1, 2), 1e9)
    rule = HyperliquidPortfolio(PLAIN, {"BTC": coin}, {"USDT": 1e9, "USDC": 1e9})
    unused = rule.statement(Holdings((), {"USDC": 1_000.0}), market())
    assert (unused.equity, unused.maintenance) == (950.0, 0.0)
    book = Holdings((held(BTC, 0.1, 60_000.0),), {"USDT": 1_000.0, "USDC": -40_000.0, "BTC": 1.0})
    # USDT: 24 + 20 of 46,000; USDC: 40,020 of 45,000.
    assert rule.ratio(book, market()) == pytest.approx(40_020 / 45_000)
    assert rule.statement(book, market()).binding == "USDC"
