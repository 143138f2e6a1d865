# SPDX-License-Identifier: Apache-2.0
"""Idle yield and passages between venues."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.costs.financing import Passage, accrued_yield, passage
from tidegate.model.mandate import Route
from tidegate.model.times import YEAR_MS
from tidegate.model.units import MICRO

ROUTE = Route(
    source="a",
    destination="b",
    fee="0.0000011",
    minimum="10",
    latency_median_s=600,
    latency_p95_s=1_800,
    conversion_cost="0.0001",
    conversion_rate="1",
    as_of="2024-01-01",
    provenance="test",
)


@given(
    st.integers(-(10**15), 10**15),
    st.fractions(-1, 1, max_denominator=10**6),
    st.integers(0, YEAR_MS),
)
def test_yield_is_simple_interest_rounded_down(
    quanta: int, rate: Fraction, elapsed_ms: int
) -> None:
    exact = quanta * rate * elapsed_ms / YEAR_MS
    assert 0 <= exact - accrued_yield(quanta, rate, elapsed_ms) < 1


def test_route_within_one_asset_converts_nothing_and_its_fee_is_rounded_up() -> None:
    same = passage(ROUTE, "USDC", "USDC")
    assert (same.received_share, same.fee_quanta, same.minimum_quanta) == (1, 2, 10 * MICRO)


@given(st.integers(0, 10**15))
def test_conversion_takes_its_cost_and_rounds_down(quanta: int) -> None:
    found = passage(ROUTE, "USDT", "USDC").received(quanta)
    assert found == quanta * 9_999 // 10_000


PARITIES = st.fractions(Fraction(1, 10), 2, max_denominator=10**6)


@given(st.integers(0, 10**15), PARITIES)
def test_conversion_takes_parity_and_cost_together_and_rounds_down_once(
    quanta: int, parity: Fraction
) -> None:
    found = passage(ROUTE, "USDT", "USDC").received(quanta, parity)
    assert 0 <= quanta * parity * Fraction(9_999, 10_000) - found < 1


@given(st.integers(0, 10**15), st.lists(PARITIES, min_size=2, max_size=2))
def test_lower_parity_never_brings_more_and_parity_one_is_the_mandates_rate(
    quanta: int, parities: list[Fraction]
) -> None:
    route = passage(ROUTE, "USDT", "USDC")
    low, high = (route.received(quanta, parity) for parity in sorted(parities))
    assert low <= high
    assert route.received(quanta, Fraction(1)) == route.received(quanta)


def test_mandates_rate_and_the_markets_parity_multiply() -> None:
    # 1,000 at a rate of 0.99 with no cost, and a market at 0.9: 891.
    route = msgspec.structs.replace(ROUTE, conversion_rate="0.99", conversion_cost="0")
    found = passage(route, "USDT", "USDC").received(1_000 * MICRO, Fraction(9, 10))
    assert found == 891 * MICRO


def test_received_amount_is_counted_in_the_quanta_of_the_other_asset() -> None:
    found = Passage("a", "b", "USDC", "BTC", 0, 0, Fraction(1, 50_000), 60.0, 60.0)
    assert found.received(50_000 * MICRO) == 10**8
    back = Passage("b", "a", "BTC", "USDC", 0, 0, Fraction(50_000), 60.0, 60.0)
    assert back.received(10**8 + 1) == 50_000 * MICRO + 500


@given(st.floats(1.0, 1e5), st.floats(1.0, 20.0), st.floats(0.001, 0.999))
def test_latency_has_the_median_and_the_95_percent_point_that_the_mandate_names(
    median: float, ratio: float, probability: float
) -> None:
    route = Passage("a", "b", "USDC", "USDC", 0, 0, Fraction(1), median, median * ratio)
    assert route.latency_quantile_s(0.5) == pytest.approx(median)
    assert route.latency_quantile_s(0.95) == pytest.approx(median * ratio)
    assert route.latency_quantile_s(probability) > 0
    higher = route.latency_quantile_s(probability + 0.0005)
    assert higher >= route.latency_quantile_s(probability)
