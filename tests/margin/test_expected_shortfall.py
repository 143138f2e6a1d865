# SPDX-License-Identifier: Apache-2.0
"""Expected shortfall, its liquidity horizons, and the rule over given scenarios."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import BTC, CALL, ETH, MOVES, held, market
from tidegate.margin.expected_shortfall import (
    FRTB_HORIZONS_DAYS,
    FRTB_LEVEL,
    ExpectedShortfall,
    MarketMove,
    capital_measure,
    expected_shortfall,
    scaled_by_liquidity,
)
from tidegate.margin.holdings import Holdings
from tidegate.model.errors import InputError

RULE = ExpectedShortfall(MOVES, {"BTC": 20.0, "ETH": 40.0}, 10.0)
OUTCOMES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def test_tail_is_averaged_and_its_last_outcome_counted_in_part() -> None:
    # 100 outcomes of -1 to -100: 2.5 of them, (100 + 99 + 98 / 2) / 2.5.
    profits = [-float(n) for n in range(1, 101)]
    assert expected_shortfall(profits, FRTB_LEVEL) == pytest.approx((100 + 99 + 49) / 2.5)
    assert expected_shortfall([-3.0, 5.0], Fraction(1, 2)) == 3.0
    assert expected_shortfall([7.0], FRTB_LEVEL) == -7.0


@given(OUTCOMES, OUTCOMES)
def test_shortfall_lies_between_mean_and_worst_and_is_subadditive(
    first: list[float], second: list[float]
) -> None:
    both = min(len(first), len(second))
    a, b = np.array(first[:both]), np.array(second[:both])
    es_a, es_b = expected_shortfall(a, FRTB_LEVEL), expected_shortfall(b, FRTB_LEVEL)
    assert -a.mean() - 1e-6 <= es_a <= -a.min() + 1e-6
    assert expected_shortfall(a + b, FRTB_LEVEL) <= es_a + es_b + 1e-6


def test_horizons_scale_by_the_root_of_time() -> None:
    # MAR33: one factor of 20 days at T = 10: both rungs have the same shortfall, root of 2.
    ladder = [10.0, 10.0, 0.0, 0.0, 0.0]
    assert scaled_by_liquidity(ladder, FRTB_HORIZONS_DAYS, 10.0) == pytest.approx(10 * sqrt(2))
    every = scaled_by_liquidity([10.0] * 5, FRTB_HORIZONS_DAYS, 10.0)
    assert every == pytest.approx(10 * sqrt(12))
    mixed = scaled_by_liquidity([5.0, 4.0, 3.0, 2.0, 1.0], FRTB_HORIZONS_DAYS, 10.0)
    assert mixed == pytest.approx(sqrt(25 + 16 + 2 * 9 + 2 * 4 + 6 * 1))
    assert scaled_by_liquidity([-5.0], [10.0], 10.0) == 0.0


def test_capital_measure_scales_the_stressed_set_up_and_never_down() -> None:
    assert capital_measure(100.0, 60.0, 50.0) == pytest.approx(120.0)
    assert capital_measure(100.0, 40.0, 50.0) == 100.0
    with pytest.raises(InputError, match="reduced_now"):
        capital_measure(1.0, 1.0, 0.0)


def test_rule_shocks_each_rung_with_the_coins_that_take_so_long() -> None:
    book = Holdings((held(BTC, 1.0, 60_000.0), held(ETH, 20.0, 3_000.0)), {"USDT": 1e6})
    found = RULE.statement(book, market())
    btc = np.array([move.prices["BTC"] for move in MOVES]) * 60_000
    eth = np.array([move.prices["ETH"] for move in MOVES]) * 60_000
    both, slow = expected_shortfall(btc + eth, FRTB_LEVEL), expected_shortfall(eth, FRTB_LEVEL)
    assert list(found.parts.values()) == pytest.approx([both, both, slow, 0.0, 0.0])
    assert found.maintenance == pytest.approx(sqrt(both**2 * 2 + slow**2 * 2))


def test_coin_that_closes_before_the_first_rung_is_not_forgotten() -> None:
    quick = replace(RULE, horizon_days={"BTC": 0.1})
    book = Holdings((held(BTC, 1.0, 60_000.0),), {"USDT": 1e6})
    assert quick.statement(book, market()).maintenance > 0
    with pytest.raises(InputError, match="days to close"):
        replace(RULE, horizon_days={}).statement(book, market())


def test_options_are_valued_anew_with_their_vol() -> None:
    still = ExpectedShortfall((MarketMove({}, {"BTC": -0.1}),), {"BTC": 10.0}, 10.0, (10.0,))
    book = Holdings((held(CALL, 10.0, 0.02),), {"USDT": 1e6})
    assert still.statement(book, market()).maintenance > 0
    short = Holdings((held(CALL, -10.0, 0.02),), {"USDT": 1e6})
    assert still.statement(short, market()).maintenance == 0.0


def test_coins_held_outright_are_shocked_too() -> None:
    found = RULE.statement(Holdings((), {"BTC": 1.0}), market())
    assert found.maintenance > 0
    hedged = RULE.statement(Holdings((held(BTC, -1.0, 60_000.0),), {"BTC": 1.0}), market())
    assert hedged.maintenance == pytest.approx(0.0, abs=1e-6)


def test_outcomes_and_horizons_that_are_none_are_refused() -> None:
    for profits, level in (([], FRTB_LEVEL), ([float("nan")], FRTB_LEVEL), ([1.0], Fraction(1))):
        with pytest.raises(InputError, match="profits"):
            expected_shortfall(profits, level)
    for horizons in ((10.0,), (20.0, 10.0)):
        with pytest.raises(InputError, match="horizons"):
            scaled_by_liquidity([1.0, 1.0], horizons, 10.0)
