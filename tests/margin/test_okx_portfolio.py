# SPDX-License-Identifier: Apache-2.0
"""OKX portfolio margin: each stress by hand, and what they add up to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import (
    BTC,
    BTC_DATED,
    BTC_INVERSE,
    CALL,
    COLLATERAL,
    GIVEN,
    LATE_CALL,
    LOANS,
    PUT,
    held,
    market,
)
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.okx_portfolio import INITIAL_FACTOR, OkxPortfolio
from tidegate.margin.okx_scenarios import (
    LARGE,
    LARGE_MINIMUM_TIERS,
    MIDDLE,
    OTHER,
    DayCurve,
    announced,
    hedged_charge,
    unit_maintenance,
)
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.pricing import black76

RULE = OkxPortfolio({"BTC": (LARGE, GIVEN)}, COLLATERAL, LOANS)
NAMES = tuple(f"BTC MR{n}" for n in (1, 2, 3, 4, 5, 6, 9))


def state(*positions: Holding, **balances: float) -> Statement:
    return RULE.statement(Holdings(positions, balances), market())


def test_single_perpetual_is_its_moves_and_has_no_other_stress() -> None:
    # 10 BTC, 600,000 USD: 12 % of MR1, 24 % of MR6, which is larger and decides.
    found = state(held(BTC, 10.0, 60_000.0), USDT=10**6)
    assert found.parts["BTC MR1"] == pytest.approx(72_000.0)
    assert found.parts["BTC MR6"] == pytest.approx(144_000.0)
    assert [found.parts[f"BTC MR{n}"] for n in (2, 3, 4, 5, 9)] == [0.0] * 5
    assert found.parts["BTC MR7"] == pytest.approx(600_000 * 0.0045)
    assert found.maintenance == pytest.approx(144_000.0)
    assert found.initial == pytest.approx(1.3 * 144_000.0)


def test_spot_that_hedges_is_in_the_unit_and_no_more_of_it() -> None:
    found = state(held(BTC, -10.0, 60_000.0), BTC=25.0)
    assert found.parts["BTC MR1"] == found.parts["BTC MR6"] == 0.0
    assert found.parts["BTC MR4"] == pytest.approx(20 * 60_000 * 0.006)
    same_side = state(held(BTC, 10.0, 60_000.0), BTC=25.0)
    assert same_side.parts["BTC MR6"] == pytest.approx(144_000.0)


def test_basis_of_spot_against_perpetual_is_the_example_of_the_venue() -> None:
    # okx.com, features of portfolio margin, 31 May 2024: 10 BTC of spot against 1,000 contracts of
    # 0.01 BTC have MR4 = 8,053.32 and the contracts alone none. At the 0.6 % of 7 July 2023 that
    # is a price of 67,111.0 exactly.
    dollars = 10 * 67_111.0
    assert hedged_charge([dollars, -dollars], [0.006, 0.006]) == pytest.approx(8_053.32)
    assert hedged_charge([-dollars], [0.006]) == 0.0


def test_basis_of_a_dated_future_grows_with_its_days() -> None:
    # 30 days at 5 % a year are 0.411 %, below the floor; at 15 % 1.23 % of the dated leg.
    wide = OkxPortfolio({"BTC": (MIDDLE, GIVEN)}, COLLATERAL, LOANS)
    book = Holdings((held(BTC, -10.0, 60_000.0), held(BTC_DATED, 10.0, 60_500.0)), {"USDT": 1e6})
    found = wide.statement(book, market()).parts["BTC MR4"]
    hedged = 600_000 * 0.006 + 600_000 * 0.15 * 30 / 365
    assert found == pytest.approx(hedged)


def test_currencies_against_each_other_are_charged_for_a_depeg() -> None:
    # 100 BTC long in USDT against 6 million dollars of inverse contracts: 6 million are hedged,
    # 7,500 + 70,000 + 25,000.
    found = state(held(BTC, 100.0, 60_000.0), held(BTC_INVERSE, -6e6, 60_000.0), USDT=1e7)
    assert found.parts["BTC MR9"] == pytest.approx(102_500.0)
    assert found.parts["BTC MR6"] == pytest.approx(0.0, abs=1e-6)


def test_theta_of_long_options_is_what_a_day_takes() -> None:
    found = state(held(CALL, 10.0, 0.02), BTC=10.0)
    year = 30 / 365
    now, later = (
        black76.price(60_500.0, 66_000.0, t, 0.55, True) * 60_000 / 60_500
        for t in (year, year - 1 / 365)
    )
    # The discount of index over forward shortens with the time as well.
    assert found.parts["BTC MR2"] == pytest.approx(10 * (now - later), rel=0.02)
    short = state(held(CALL, -10.0, 0.02), BTC=10.0)
    assert short.parts["BTC MR2"] == 0.0


def test_vol_of_short_options_is_shocked_in_points_and_relative_whichever_loses_more() -> None:
    found = state(held(CALL, -10.0, 0.02), BTC=100.0)
    worst = 0.0
    for move in (0.0, 0.04, -0.04, 0.08, -0.08, 0.12, -0.12):
        for vol in (0.55, 0.55 + 0.25, 0.55 - 0.25, 0.55 * 1.35, 0.55 * 0.65):
            after = black76.price(60_500.0 * (1 + move), 66_000.0, 30 / 365, vol, True)
            before = black76.price(60_500.0, 66_000.0, 30 / 365, 0.55, True)
            spot = _spot_used() * move
            worst = min(worst, -10 * (after - before) * 60_000 / 60_500 + spot)
    assert found.parts["BTC MR1"] == pytest.approx(-worst)


def _spot_used() -> float:
    """Dollars of spot that hedge ten short calls: their delta, discounted, times the forward."""
    delta = black76.greeks(60_500.0, 66_000.0, 30 / 365, 0.55, True, 60_000 / 60_500).delta
    return float(10 * delta * 60_500)


def test_calendar_of_options_is_stressed_by_twists_and_by_rates() -> None:
    found = state(held(CALL, -10.0, 0.02), held(LATE_CALL, 10.0, 0.06), BTC=100.0)
    assert found.parts["BTC MR3"] > 0
    assert found.parts["BTC MR5"] > 0
    flat = replace(GIVEN, term_twists=(), rate_shifts=())
    none = OkxPortfolio({"BTC": (LARGE, flat)}, COLLATERAL, LOANS)
    book = Holdings((held(CALL, -10.0, 0.02), held(LATE_CALL, 10.0, 0.06)), {"BTC": 100.0})
    parts = none.statement(book, market()).parts
    assert (parts["BTC MR3"], parts["BTC MR5"]) == (0.0, 0.0)


def test_bought_options_lose_no_more_than_they_are_worth_in_any_price_stress() -> None:
    found = state(held(CALL, 10.0, 0.02), held(PUT, 10.0, 0.015), USDT=10**6)
    worth = (
        10
        * 60_000
        / 60_500
        * (
            black76.price(60_500.0, 66_000.0, 30 / 365, 0.55, True)
            + black76.price(60_500.0, 54_000.0, 30 / 365, 0.60, False)
        )
    )
    assert max(found.parts["BTC MR1"], found.parts["BTC MR6"]) <= worth


STRESS = st.fractions(0, 10**6)


@given(st.lists(STRESS, min_size=7, max_size=7), STRESS)
def test_unit_is_the_larger_of_the_sum_of_stresses_and_the_minimum(
    values: list[Fraction], minimum: Fraction
) -> None:
    names = ("MR1", "MR2", "MR3", "MR4", "MR5", "MR6", "MR9")
    stresses = dict(zip(names, values, strict=True))
    mmr, adjusted = unit_maintenance(stresses, minimum, LARGE_MINIMUM_TIERS)
    scanned = max(values[0], values[1], values[5])
    assert mmr == max(scanned + values[2] + values[3] + values[4] + values[6], adjusted)
    assert adjusted >= minimum
    larger = {**stresses, "MR4": stresses["MR4"] + 1}
    assert unit_maintenance(larger, minimum, LARGE_MINIMUM_TIERS)[0] >= mmr


def test_stress_that_is_negative_or_unknown_is_refused() -> None:
    for bad in ({"MR1": Fraction(-1)}, {"MR7": Fraction(1)}):
        with pytest.raises(InputError, match="MR"):
            unit_maintenance(bad, Fraction(0), LARGE_MINIMUM_TIERS)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.floats(0, 0.5))
def test_charge_on_what_is_hedged_is_the_share_of_both_sides_at_most(
    dollars: list[float], share: float
) -> None:
    longs = sum(d for d in dollars if d > 0)
    shorts = -sum(d for d in dollars if d < 0)
    found = hedged_charge(dollars, [share] * len(dollars))
    assert found == pytest.approx(2 * min(longs, shorts) * share, rel=1e-9, abs=1e-6)


def test_large_minimum_is_multiplied_tranche_by_tranche() -> None:
    # 250,000 + 2 x 250,000 + 4 x 100,000.
    assert LARGE_MINIMUM_TIERS.charge(Fraction(600_000)) == 1_150_000


def test_borrowing_margin_is_added_once_and_takes_no_factor() -> None:
    plain = state(held(BTC, 1.0, 60_000.0), BTC=10.0)
    owing = state(held(BTC, 1.0, 60_000.0), BTC=10.0, USDC=-10_000.0)
    assert owing.parts["MR8"] == pytest.approx(500.0)
    assert owing.maintenance - plain.maintenance == pytest.approx(500.0)
    assert owing.initial - plain.initial == pytest.approx(10_000 / 9)


def test_factor_may_be_another_and_not_below_one() -> None:
    assert INITIAL_FACTOR == 1.3
    other = OkxPortfolio({"BTC": (LARGE, GIVEN)}, COLLATERAL, LOANS, initial_factor=1.5)
    book = Holdings((held(BTC, 10.0, 60_000.0),), {"USDT": 1e6})
    assert other.statement(book, market()).initial == pytest.approx(1.5 * 144_000)
    with pytest.raises(InputError, match="initial_factor"):
        OkxPortfolio({}, COLLATERAL, LOANS, initial_factor=0.9)


def test_coin_without_sizes_is_refused() -> None:
    none = OkxPortfolio({}, COLLATERAL, LOANS)
    with pytest.raises(InputError, match="sizes of its risk unit"):
        none.statement(Holdings((held(BTC, 1.0, 60_000.0),), {}), market())


@pytest.mark.parametrize(
    ("coin", "moves"), [("BTC", LARGE), ("ETH", LARGE), ("SOL", MIDDLE), ("WIF", OTHER)]
)
def test_announced_sizes_are_by_class_of_coin(coin: str, moves: object) -> None:
    assert announced(coin) is moves


def test_curve_is_straight_between_its_points_and_level_beyond() -> None:
    curve = DayCurve((0.0, 30.0), (0.30, 0.20))
    assert curve.at(np.array([-1.0, 0.0, 15.0, 30.0, 400.0])) == pytest.approx(
        [0.30, 0.30, 0.25, 0.20, 0.20]
    )
    for days, shifts in (((), ()), ((0.0, 0.0), (0.1, 0.1)), ((0.0,), (0.1, 0.2))):
        with pytest.raises(InputError, match="rising days"):
            DayCurve(days, shifts)


@given(st.floats(0.1, 50), st.sampled_from([1.0, -1.0]))
def test_requirement_of_one_side_grows_with_its_size(size: float, side: float) -> None:
    small = state(held(BTC, side * size, 60_000.0), USDT=1e9)
    large = state(held(BTC, side * size * 1.1, 60_000.0), USDT=1e9)
    assert large.maintenance > small.maintenance
