# SPDX-License-Identifier: Apache-2.0
"""How far a coin may move: the walk, the halving, and what moves with the price."""

from __future__ import annotations

import pytest

from tests.margin.statement_books import (
    BRACKETS,
    BTC,
    BTC_DATED,
    CALL,
    COLLATERAL,
    ETH,
    EXPIRY,
    PRICES,
    SAMPLES,
    held,
    market,
)
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.holdings import Holdings
from tidegate.margin.liquidation_distance import liquidation_ratios, moved
from tidegate.margin.market_values import forward_of, index_of, mark_of
from tidegate.margin.tiered_account import CrossTerms, PositionTerms
from tidegate.pricing import black76

PLAIN = BinanceMultiAssets(CrossTerms({BTC.id: PositionTerms(BRACKETS, 10)}, COLLATERAL), {})


def test_long_dies_at_the_price_worked_by_hand() -> None:
    # 0.5 BTC of 60,000 with 6,000 USDT at 0.9999; in the first tier: loss + 0.4 % of 30,000 r.
    book = Holdings((held(BTC, 0.5, 60_000.0),), {"USDT": 6_000.0})
    found = liquidation_ratios(PLAIN, book, market(), "BTC")
    # (6,000 + 30,000 (r - 1)) 0.9999 = 120 r.
    expected = 24_000 * 0.9999 / (30_000 * 0.9999 - 120)
    assert found.below == pytest.approx(expected, rel=1e-9)
    assert found.above is None
    assert found.highest == pytest.approx(10.0)


def test_account_without_health_has_no_distance() -> None:
    book = Holdings((held(BTC, 0.5, 80_000.0),), {"USDT": 100.0})
    found = liquidation_ratios(PLAIN, book, market(), "BTC")
    assert (found.below, found.above) == (1.0, 1.0)


def test_walk_ends_where_the_tiers_end_and_says_so() -> None:
    # 16,000 BTC are 960 million of 1,000 million dollars that the tiers know.
    book = Holdings((held(BTC, 16_000.0, 60_000.0),), {"USDT": 1e9})
    found = liquidation_ratios(PLAIN, book, market(), "BTC")
    assert found.above is None
    assert found.highest < 1.05


def test_all_figures_of_one_coin_move_and_those_of_others_stay() -> None:
    book = Holdings((held(BTC, 1.0, 1.0), held(BTC_DATED, 1.0, 1.0), held(CALL, 1.0, 0.0)), {})
    there = moved(market(), book, "BTC", 1.1)
    for key in (index_of("BTC"), mark_of(BTC.id), mark_of(BTC_DATED.id), forward_of("BTC", EXPIRY)):
        assert there.value(key) == pytest.approx(1.1 * PRICES[key])
    assert there.value(mark_of(ETH.id)) == PRICES[mark_of(ETH.id)]
    forward = 60_500 * 1.1
    worth = black76.price(forward, 66_000.0, 30 / 365, 0.55, True)
    assert there.value(mark_of(CALL.id)) == pytest.approx(worth / forward)


def test_short_option_of_a_scanned_book_dies_upwards() -> None:
    rule = SAMPLES["span_16"].rule
    book = Holdings((held(CALL, -10.0, 0.02),), {"USDT": 200_000.0})
    found = liquidation_ratios(rule, book, market(), "BTC")
    assert found.above is not None
    assert found.above > 1
