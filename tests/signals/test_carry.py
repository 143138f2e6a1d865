# SPDX-License-Identifier: Apache-2.0
"""Carry edges pay in the direction they name, and are trusted no more than their error allows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.forecast.funding import FundingForecast
from tidegate.model.errors import InputError
from tidegate.signals.carry import CarryEdge, CarryLeg, carry_edges, shrunk_carry

RATES = st.floats(-1.0, 1.0)
ERRORS = st.floats(0.001, 1.0)
CORRELATIONS = st.floats(-1.0, 0.99)


def _perpetual(name: str, rate: float, error: float = 0.02, life: float = 5.0) -> CarryLeg:
    return CarryLeg(name, "BTC", 1e6, FundingForecast(rate, error, life, 100))


def _spot(name: str = "spot", capacity_usd: float = 5e5) -> CarryLeg:
    return CarryLeg(name, "BTC", capacity_usd, None, is_spot=True)


@given(RATES, RATES, ERRORS, ERRORS, CORRELATIONS)
def test_edge_receives_on_the_short_what_exceeds_the_long(
    rate_a: float, rate_b: float, s1: float, s2: float, rho: float
) -> None:
    legs = {"a": _perpetual("a", rate_a, s1), "b": _perpetual("b", rate_b, s2)}
    rates = {"a": rate_a, "b": rate_b}
    edges = carry_edges(tuple(legs.values()), rho, 0.0)
    assert len(edges) == (rate_a != rate_b)
    for edge in edges:
        assert edge.carry_annual == rates[edge.short_instrument] - rates[edge.long_instrument] > 0
        variance = s1**2 + s2**2 - 2 * rho * s1 * s2
        assert edge.standard_error_annual**2 == pytest.approx(variance, rel=1e-6)
        assert edge.t_statistic == edge.carry_annual / edge.standard_error_annual


def test_spot_is_held_long_against_positive_funding_and_never_short() -> None:
    (edge,) = carry_edges((_spot(), _perpetual("perp", 0.1, 0.02, 3.0)), 0.5, 0.0)
    assert edge == CarryEdge("BTC", "spot", "perp", 0.1, 0.02, 3.0, 5e5, 5.0)
    assert carry_edges((_spot(), _perpetual("perp", -0.1)), 0.5, 0.0) == ()
    assert carry_edges((_spot(), _spot("other")), 0.5, 0.0) == ()


def test_edge_takes_the_shorter_life_and_the_smaller_capacity() -> None:
    small = CarryLeg("b", "BTC", 7.0, FundingForecast(0.1, 0.02, 2.0, 100))
    (edge,) = carry_edges((_perpetual("a", 0.0, life=9.0), small), 0.0, 0.0)
    assert (edge.half_life_days, edge.capacity_usd) == (2.0, 7.0)


def test_coins_are_not_mixed_and_order_of_legs_does_not_matter() -> None:
    ether = CarryLeg("e", "ETH", 1e6, FundingForecast(0.5, 0.02, 5.0, 100))
    legs = (_perpetual("a", 0.0), _perpetual("b", 0.1), _perpetual("c", 0.3), ether, _spot())
    edges = carry_edges(legs, 0.0, 0.0)
    assert edges == carry_edges(legs[::-1], 0.0, 0.0)
    pairs = [(e.long_instrument, e.short_instrument) for e in edges]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c"), ("spot", "b"), ("spot", "c")]


@given(st.floats(0.01, 10.0))
def test_edges_below_the_least_t_are_left_out(min_t: float) -> None:
    edges = carry_edges((_spot(), _perpetual("perp", 0.1, 0.02)), 0.0, min_t)
    assert len(edges) == (0.1 / 0.02 >= min_t)


def test_a_leg_without_capacity_gives_no_edge() -> None:
    assert carry_edges((_spot(capacity_usd=0.0), _perpetual("perp", 0.1)), 0.0, 0.0) == ()


@pytest.mark.parametrize("rho", [1.0, -1.1, math.nan])
def test_a_correlation_that_hides_all_error_is_refused(rho: float) -> None:
    with pytest.raises(InputError, match="correlation: expected in"):
        carry_edges((), rho, 0.0)


def test_bad_legs_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="each instrument once"):
        carry_edges((_spot(), _spot()), 0.0, 0.0)
    with pytest.raises(InputError, match="min_t"):
        carry_edges((), 0.0, math.nan)
    with pytest.raises(InputError, match="a forecast for a perpetual"):
        CarryLeg("x", "BTC", 1.0, None)
    with pytest.raises(InputError, match="capacity_usd"):
        CarryLeg("x", "BTC", math.nan, None, is_spot=True)
    with pytest.raises(InputError, match="standard_error_annual"):
        carry_edges((_spot(), _perpetual("perp", 0.1, 0.0)), 0.0, 0.0)


@given(st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_shrunk_carry_minimises_squared_error_at_its_own_estimate(carry: float, se: float) -> None:
    """The weight beats its neighbours in w^2 s^2 + (1 - w)^2 c^2, the loss it is derived from."""
    edge = CarryEdge("BTC", "a", "b", carry, se, 5.0, 1.0, carry / se)
    weight = shrunk_carry(edge) / carry
    assert 0.0 < weight < 1.0

    def loss(w: float) -> float:
        return (w * se) ** 2 + ((1.0 - w) * carry) ** 2

    slack = 1e-9 * (se**2 + carry**2)
    assert loss(weight) <= min(loss(weight - 0.01), loss(weight + 0.01)) + slack


@given(st.floats(0.1, 20.0), st.floats(1.01, 3.0))
def test_a_surer_carry_is_shrunk_less(t: float, factor: float) -> None:
    edges = [CarryEdge("BTC", "a", "b", 0.1, 0.1 / x, 5.0, 1.0, x) for x in (t, t * factor)]
    assert shrunk_carry(edges[0]) < shrunk_carry(edges[1]) < 0.1
