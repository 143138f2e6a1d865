# SPDX-License-Identifier: Apache-2.0
"""Fees, spread and square-root impact: against us, additive over slices, never below a tick."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.costs.trading import TradingCosts, power_3_2, slippage
from tidegate.model.instruments import Perpetual
from tidegate.model.market import Quote
from tidegate.model.units import MICRO

BTC = Perpetual("venue", "BTC", "BTC", "USDC", Decimal("0.1"), Decimal("0.001"))
# A millionth of a dollar a tick on one lot of a tenth: a tick on a lot is a tenth of a quantum.
TINY = Perpetual("venue", "PEPE", "PEPE", "USDC", Decimal("0.000001"), Decimal("0.1"))
COSTS = TradingCosts(450, 0.00005, 1.0)
QUOTE = Quote(600_000, 0, False, 1e9, 0.03)


def test_impact_of_one_percent_of_a_days_volume_is_a_tenth_of_a_days_volatility() -> None:
    # Square-root law with Y = 1: 0.03 sqrt(0.01).
    assert COSTS.impact(1e7, QUOTE) == pytest.approx(0.003)


@given(st.lists(st.floats(1.0, 1e8), min_size=1, max_size=10), st.floats(0.0, 1e8))
def test_slices_pay_together_what_the_whole_pays(slices: list[float], before: float) -> None:
    whole = COSTS.impact(sum(slices), QUOTE, before) * sum(slices)
    paid, done = 0.0, before
    for size in slices:
        paid += COSTS.impact(size, QUOTE, done) * size
        done += size
    total = power_3_2(done) * 0.03 / sqrt(1e9)
    assert abs(paid - whole) <= 1e-12 * total + 1e-9


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(1_000, 2_000_000),
    st.floats(0.0, 0.01),
    st.floats(0.0, 1e8),
)
def test_fill_is_never_better_than_the_middle_plus_spread_and_parts_add_up(
    lots: int, mid: int, half_spread: float, before: float
) -> None:
    costs = TradingCosts(450, half_spread, 1.0)
    slip = slippage(BTC, costs, lots, Quote(mid, 0, False, 1e9, 0.03), before)
    side = 1 if lots > 0 else -1
    away = side * (slip.ticks - mid)
    assert slip.ticks >= 1
    assert away >= (mid * half_spread if side > 0 else min(mid - 1, mid * half_spread))
    assert slip.spread_quanta + slip.impact_quanta == away * abs(lots) * 100


def test_sale_larger_than_the_market_fills_at_one_tick_and_still_costs_a_fee() -> None:
    thin = Quote(600_000, 0, False, 1e3, 2.0)
    slip = slippage(BTC, COSTS, -1_000_000, thin)
    assert slip.ticks == 1
    assert COSTS.fee_quanta(BTC.notional(-1_000_000, slip.ticks)) > 0
    assert slip.spread_quanta + slip.impact_quanta == 599_999 * 1_000_000 * 100


@given(st.integers(1, 10**6))
def test_spread_on_a_contract_whose_tick_is_below_a_quantum_is_not_lost(lots: int) -> None:
    slip = slippage(TINY, TradingCosts(0, 0.01, 0.0), lots, Quote(1_000, 0, False, 1e9, 0.03))
    assert slip.ticks == 1_010
    assert slip.spread_quanta == 10 * lots // 10


@given(st.integers(0, 10**15), st.integers(0, 5_000))
def test_fee_is_rounded_up_and_a_rebate_toward_less(notional: int, ppm: int) -> None:
    fee = TradingCosts(ppm, 0.0, 0.0).fee_quanta(notional)
    assert 0 <= fee * MICRO - notional * ppm < MICRO
    rebate = -TradingCosts(-ppm, 0.0, 0.0).fee_quanta(notional)
    assert 0 <= notional * ppm - rebate * MICRO < MICRO


def test_linear_rate_is_fee_and_half_spread() -> None:
    assert COSTS.linear_rate() == pytest.approx(0.0005)


def showing(spread: float | None) -> Quote:
    return msgspec.structs.replace(QUOTE, half_spread=spread)


@given(st.floats(0.0, 0.1))
def test_spread_that_a_quote_shows_is_believed_before_the_one_stated(shown: float) -> None:
    assert COSTS.spread_at(showing(shown)) == shown
    assert COSTS.linear_rate(showing(shown)) == pytest.approx(0.00045 + shown)


@pytest.mark.parametrize("quote", [None, showing(None)])
def test_spread_that_nobody_shows_is_the_one_stated(quote: Quote | None) -> None:
    assert COSTS.spread_at(quote) == 0.00005
    assert COSTS.linear_rate(quote) == pytest.approx(0.0005)


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.lists(st.floats(0.0, 0.05), min_size=2, max_size=2),
)
def test_wider_spread_fills_further_away_by_the_whole_ticks_between(
    lots: int, spreads: list[float]
) -> None:
    """Impact is what it was, and a shown spread costs what the same spread stated costs."""
    near, far = (slippage(BTC, COSTS, lots, showing(spread)) for spread in sorted(spreads))
    between = ceil(QUOTE.ticks * max(spreads)) - ceil(QUOTE.ticks * min(spreads))
    assert abs(far.ticks - near.ticks) == between
    assert far.spread_quanta - near.spread_quanta == between * abs(lots) * 100
    assert far.impact_quanta == near.impact_quanta
    stated = TradingCosts(450, max(spreads), 1.0)
    assert slippage(BTC, stated, lots, QUOTE) == far
