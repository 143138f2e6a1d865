# SPDX-License-Identifier: Apache-2.0
"""Distances of whole accounts by hand and by the exact rule, failure points within them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.plan.plain_books import set_balance, set_field
from tests.engine.survival.survival_books import (
    VOL,
    black,
    distance_of,
    health_of,
    linear_values,
    point_of,
    straddle_values,
    surveyed,
)
from tidegate.engine.book_fields import Reader
from tidegate.engine.survival.document import Document
from tidegate.engine.survival.failure import axes_of, shift_of
from tidegate.engine.survival.reading import whole_accounts
from tidegate.engine.survival.shifts import health

# Binance's second tier of the example: 0.5 % less 300.
SHORT, RATE, DEDUCTION, MONEY = 8.0, 0.005, 300.0, 400_000.0
DEATH_AT = (MONEY + SHORT * 60_000.0 + DEDUCTION) / (SHORT * (1.0 + RATE))
CALL, PUT = "BTC-25DEC26-60000-C", "BTC-25DEC26-60000-P"


@cache
def linear() -> Document:
    return surveyed(linear_values())


@cache
def straddle() -> Document:
    return surveyed(straddle_values())


def test_short_dies_where_price_depeg_spread_and_funding_take_all_it_has() -> None:
    up = distance_of(linear(), "binance", "price", "up")
    assert up.price == pytest.approx(DEATH_AT, abs=0.2)
    beta = distance_of(linear(), "binance", "beta", "up")
    assert beta.move == pytest.approx(up.move, abs=1e-5)
    # A coin's dollar price stands, so its price in a dollar coin worth p is 60,000 / p.
    depeg = distance_of(linear(), "binance", "stable", "depeg", "USDT")
    assert depeg.move == pytest.approx(60_000.0 / DEATH_AT - 1.0, abs=1e-5)
    # 0.3 % of 480,000 a day, out of 400,000 less the maintenance of 2,100.
    days = (MONEY - (SHORT * 60_000.0 * RATE - DEDUCTION)) / (0.003 * SHORT * 60_000.0)
    assert distance_of(linear(), "binance", "funding", "against").move == pytest.approx(days)
    poor = surveyed(linear_values(set_balance(0, "USDT", "100000")))
    spread = distance_of(poor, "binance", "spread", "apart")
    at = (100_000.0 + SHORT * 60_000.0 + DEDUCTION) / (SHORT * (1.0 + RATE))
    assert spread.move == pytest.approx(at / 60_000.0 - 1.0, abs=1e-5)


def test_depeg_kills_an_account_that_no_fall_of_prices_kills() -> None:
    down = distance_of(linear(), "binance", "price", "down")
    depeg = distance_of(linear(), "binance", "stable", "depeg", "USDT")
    assert (down.status, depeg.status) == ("never", "dies")
    long = distance_of(linear(), "hyperliquid", "stable", "depeg", "USDC")
    assert long.status == "never"


def test_price_in_a_coin_that_is_not_said_is_taken_the_way_that_hurts() -> None:
    def unsaid(book: dict[str, object]) -> None:
        book["observe"] = {"betas": {"BTC": "1", "ETH": "1"}}

    said = surveyed(linear_values(unsaid))
    depeg = distance_of(said, "binance", "stable", "depeg", "USDT")
    assert depeg.move == pytest.approx(60_000.0 / DEATH_AT - 1.0, abs=1e-5)
    assert any(gap.where == "observe.quotes.binance:BTCUSDT" for gap in said.unknown)
    assert distance_of(said, "hyperliquid", "stable", "depeg").status == "never"


def test_straddle_sold_dies_by_vol_alone_where_the_exact_rule_says() -> None:
    up = distance_of(straddle(), "deribit", "vol", "up")
    down = distance_of(straddle(), "deribit", "vol", "down")
    assert (up.status, down.status) == ("dies", "never")
    assert up.move is not None
    assert up.move > 0.05
    before = _straddle_health(1.0 + up.move * (1.0 - 1e-4))
    after = _straddle_health(1.0 + up.move * (1.0 + 1e-4))
    assert before > 0.0 > after


def _straddle_health(ratio: float) -> float:
    """By the exact rule at marks of Black (1976) on a vol written by hand."""
    marks = {CALL: black(VOL * ratio, True) / 60_000.0, PUT: black(VOL * ratio, False) / 60_000.0}
    return health_of(straddle_values(), 0, **marks)


def test_skew_and_term_are_told_where_options_are_held_and_nowhere_else() -> None:
    kinds = {each.kind for each in straddle().distances}
    assert {"vol", "skew", "term"} <= kinds
    assert not {"vol", "skew", "term"} & {each.kind for each in linear().distances}
    # At the money no tilt about the forward changes a vol.
    assert distance_of(straddle(), "deribit", "skew", "up").status == "never"
    assert "funding" not in kinds


def test_straddle_is_likelier_to_die_by_price_and_vol_together_than_by_either() -> None:
    point = point_of(straddle(), "deribit")
    alone, both = (level.distance for level in point.levels)
    assert both is not None
    assert alone is not None
    assert both < 0.9 * alone
    moves = {factor.name: factor.move for factor in point.at}
    assert moves["vol"] > 0.0
    assert point.health_usd == pytest.approx(0.0, abs=1.0)


def test_no_death_nearer_than_the_failure_point_is_met_in_random_directions() -> None:
    book, terms = whole_accounts(Reader("book.json"), straddle_values())
    account = book.accounts["deribit"].book
    axes = axes_of(account, terms)
    found = point_of(straddle(), "deribit").distance
    assert found is not None
    sd = np.array([axis.sd for axis in axes])
    correlation = terms.correlation([axis.kind for axis in axes])
    root = np.linalg.cholesky(correlation * np.outer(sd, sd))
    draw = np.random.default_rng(20261120)
    for _ in range(300):
        way = draw.normal(size=len(axes))
        z = root @ (way / np.linalg.norm(way)) * found * draw.uniform(0.8, 0.999)
        assert health(account, shift_of(axes, z), terms.quotes) >= 0.0


@settings(max_examples=8)
@given(
    st.integers(-200, 200).filter(lambda size: abs(size) > 10),
    st.integers(20_000, 900_000),
    st.floats(-0.6, 0.6).map(lambda rho: round(rho, 3)),
)
def test_failure_point_is_no_farther_by_more_factors_and_dead_by_the_exact_rule(
    tenths: int, money: int, rho: float
) -> None:
    def change(book: dict[str, object]) -> None:
        assert isinstance(book["observe"], dict)
        book["observe"]["correlations"] = {"price-vol": "0", "price-spread": str(rho)}

    values = linear_values(
        set_field(0, 0, size=str(tenths / 10)), set_balance(0, "USDT", str(money)), change
    )
    point = point_of(surveyed(values), "binance")
    found = [each.distance for each in point.levels if each.distance is not None]
    assert found == sorted(found, reverse=True)
    if point.distance is None:
        assert tenths > 0
        return
    assert point.distance == found[-1]
    moves = {factor.name: factor.move for factor in point.at}
    against = 1.0 - moves["spread"] if tenths > 0 else 1.0 + moves["spread"]
    mark = 60_000.0 * (1.0 + moves["BTC"]) * against / (1.0 + moves["depeg of USDT"])
    tick = 0.1 * abs(tenths) / 10
    health = health_of(values, 0, BTCUSDT=mark)
    if point.distance > 0.0:
        assert health == pytest.approx(0.0, abs=2.0 * tick + 1e-3)
    assert point.health_usd is not None
    assert point.health_usd <= 0.0
