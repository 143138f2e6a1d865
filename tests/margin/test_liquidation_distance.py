# SPDX-License-Identifier: Apache-2.0
"""How far a coin may move: the walk, the halving, and what moves with the price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.margin.statement_books import (
    BRACKETS,
    BTC,
    BTC_DATED,
    CALL,
    COLLATERAL,
    ETH,
    EXPIRY,
    NOW,
    PRICES,
    SAMPLES,
    held,
    market,
    option,
)
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.holdings import Holdings
from tidegate.margin.liquidation_distance import LOWEST_RATIO, liquidation_ratios, moved_market
from tidegate.margin.market_values import MarketValues, forward_of, index_of, mark_of, vol_of
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import CrossTerms, PositionTerms
from tidegate.model.errors import InputError
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
    there = moved_market(market(), book, ("BTC",), 1.1)
    for key in (index_of("BTC"), mark_of(BTC.id), mark_of(BTC_DATED.id), forward_of("BTC", EXPIRY)):
        assert there.value(key) == pytest.approx(1.1 * PRICES[key])
    assert there.value(mark_of(ETH.id)) == PRICES[mark_of(ETH.id)]
    before, after = (
        black76.price(forward, 66_000.0, 30 / 365, 0.55, True) / forward
        for forward in (60_500.0, 60_500.0 * 1.1)
    )
    expected = PRICES[mark_of(CALL.id)] + after - before
    assert there.value(mark_of(CALL.id)) == pytest.approx(expected, rel=1e-12)


def test_market_that_has_not_moved_is_the_present_one_whatever_marks_have_beyond_the_model() -> (
    None
):
    book = Holdings((held(BTC, 1.0, 1.0), held(CALL, 1.0, 0.0)), {"BTC": 1.0})
    assert moved_market(market(), book, ("BTC", "ETH"), 1.0).values == market().values


def test_vols_of_a_coin_are_multiplied_and_its_options_priced_anew() -> None:
    book = Holdings((held(CALL, 1.0, 0.0),), {})
    there = moved_market(market(), book, ("BTC",), 1.0, 1.2)
    before, after = (
        black76.price(60_500.0, 66_000.0, 30 / 365, vol, True) / 60_500.0 for vol in (0.55, 0.66)
    )
    assert there.value(vol_of(CALL.id)) == pytest.approx(0.66)
    expected = PRICES[mark_of(CALL.id)] + after - before
    assert there.value(mark_of(CALL.id)) == pytest.approx(expected, rel=1e-12)


def test_account_is_judged_at_the_venues_marks_and_not_at_the_models() -> None:
    # The mark is twice what the model says: a short call that the mark kills is dead now.
    dear = market({mark_of(CALL.id): 0.5})
    book = Holdings((held(CALL, -10.0, 0.02),), {"USDT": 200_000.0})
    rule = SAMPLES["span_16"].rule
    assert rule.statement(book, dear).health < 0.0
    found = liquidation_ratios(rule, book, dear, "BTC")
    assert (found.below, found.above) == (1.0, 1.0)


@dataclass(frozen=True)
class Shaped:
    """A rule whose health is a function of the price of one bitcoin over 60,000."""

    health: Callable[[float], float]
    name: str = "shaped"

    def statement(self, holdings: Holdings, seen: MarketValues) -> Statement:
        ratio = seen.value(index_of("BTC")) / 60_000.0
        return Statement("shaped", "USD", self.health(ratio), 0.0, 0.0, None, "", {})


@pytest.mark.parametrize("bottom", [0.993, 0.9, 0.905, 0.91, 0.42])
def test_fall_and_recovery_between_two_steps_are_seen(bottom: float) -> None:
    rule = Shaped(lambda ratio: abs(ratio - bottom) - 1e-6)
    found = liquidation_ratios(rule, Holdings(), market(), "BTC")
    assert found.below == pytest.approx(bottom + 1e-6, abs=1e-12)
    assert found.above is None


def test_jump_and_recovery_between_two_steps_are_seen() -> None:
    # As of a tier on the whole position: health jumps at 1.2 and rises again.
    rule = Shaped(lambda ratio: ratio - 1.0 + 0.1 if ratio < 1.2 else ratio - 1.2 - 1e-4)
    found = liquidation_ratios(rule, Holdings(), market(), "BTC")
    assert found.above == pytest.approx(1.2, abs=1e-12)
    assert found.below == pytest.approx(0.9, abs=1e-12)


def test_account_that_holds_nothing_does_not_die() -> None:
    found = liquidation_ratios(PLAIN, Holdings(), market(), "BTC")
    assert (found.below, found.above) == (None, None)


def test_figure_that_the_present_market_lacks_is_an_error_and_not_a_distance() -> None:
    rest = {key: seen for key, seen in market().values.items() if key != mark_of(BTC.id)}
    book = Holdings((held(BTC, 0.5, 60_000.0),), {"USDT": 6_000.0})
    with pytest.raises(InputError, match=BTC.id):
        liquidation_ratios(PLAIN, book, replace(market(), values=rest), "BTC")


def test_short_option_of_a_scanned_book_dies_upwards() -> None:
    rule = SAMPLES["span_16"].rule
    book = Holdings((held(CALL, -10.0, 0.02),), {"USDT": 200_000.0})
    found = liquidation_ratios(rule, book, market(), "BTC")
    assert found.above is not None
    assert found.above > 1


PINNED = tuple(
    replace(option(strike, False), expiry_ms=NOW + 3_600_000) for strike in (50_000, 49_000)
)


@pytest.mark.parametrize("coins", [1.85, 1.9])
def test_dip_between_two_strikes_of_an_expiring_book_is_never_stepped_over(coins: float) -> None:
    # Deribit, one hour left: short 100 puts of 50,000 and long 200 of 49,000 pin the account in a
    # dip of two per cent of the price, with another one further down.
    at = NOW + 3_600_000
    figures = {index_of("BTC"): 60_000.0, forward_of("BTC", at): 60_000.0}
    figures |= {vol_of(each.id): 0.45 for each in PINNED}
    figures |= {mark_of(each.id): 0.0 for each in PINNED}
    book = Holdings((held(PINNED[0], -100.0, 0.0), held(PINNED[1], 200.0, 0.0)), {"BTC": coins})
    rule, seen = SAMPLES["deribit_portfolio"].rule, market(figures)
    found = liquidation_ratios(rule, book, seen, "BTC")
    assert found.below is not None
    assert 48_600 / 60_000 < found.below < 50_000 / 60_000
    for ratio in np.linspace(found.below, 1.0, 300):
        there = moved_market(seen, book, ("BTC",), float(ratio))
        assert rule.statement(book, there).health >= 0.0


def test_search_without_end_is_unknown_and_not_safe() -> None:
    # Health that is rough at every scale: no bound on its slope lets a step be left.
    rule = Shaped(lambda ratio: 1.0 + np.sin(1e9 * ratio))
    found = liquidation_ratios(rule, Holdings(), market(), "BTC")
    assert found.below is None
    assert found.lowest > LOWEST_RATIO
