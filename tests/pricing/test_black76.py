# SPDX-License-Identifier: Apache-2.0
"""Black-76: parity, symmetry, what is no option, kernel and twin, and the memory used again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.pricing import _black76, black76
from tidegate.pricing.black76 import Greeks, GreeksBuffer, greeks, price

NAMES = Greeks.__slots__
amounts = st.floats(1e-3, 1e7)
years = st.floats(1e-6, 10.0)
vols = st.floats(0.01, 10.0)
discounts = st.floats(0.2, 1.5)


def sample(size: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    forward = np.exp(rng.uniform(-3, 11, size))
    expiry = np.exp(rng.uniform(np.log(1e-6), 1, size))
    vol = rng.uniform(0.05, 5, size)
    strike = forward * np.exp(vol * np.sqrt(expiry) * rng.normal(size=size) * 4)
    return forward, strike, expiry, vol, rng.random(size) < 0.5, rng.uniform(0.5, 1.2, size)


@given(amounts, amounts, years, vols, discounts)
def test_call_less_put_is_the_discounted_forward_less_strike(
    forward: float, strike: float, expiry: float, vol: float, discount: float
) -> None:
    call, put = price(forward, strike, expiry, vol, [True, False], discount)
    gap = (call - put) - discount * (forward - strike)
    assert abs(gap) <= 1e-12 * discount * max(forward, strike)


@given(amounts, amounts, years, vols, discounts)
def test_greeks_of_call_and_put_differ_by_those_of_the_forward(
    forward: float, strike: float, expiry: float, vol: float, discount: float
) -> None:
    both = greeks(forward, strike, expiry, vol, [True, False], discount)
    most = discount * max(forward, strike)
    assert both.delta[0] - both.delta[1] == pytest.approx(discount, rel=1e-14)
    for name in ("gamma", "vega", "vanna", "volga"):
        assert getattr(both, name)[0] == getattr(both, name)[1]
    parity = discount * (forward - strike)
    assert abs(both.rho[0] - both.rho[1] + expiry * parity) <= 1e-13 * expiry * most
    carry = -np.log(discount) / expiry
    size = abs(carry) * most + abs(both.theta[0]) + 1e-300
    assert abs(both.theta[0] - both.theta[1] - carry * parity) <= 1e-12 * size


@given(amounts, amounts, years, vols, st.booleans())
def test_price_lies_between_intrinsic_and_its_bound(
    forward: float, strike: float, expiry: float, vol: float, call: bool
) -> None:
    value = price(forward, strike, expiry, vol, call)
    intrinsic = max(forward - strike if call else strike - forward, 0.0)
    assert intrinsic <= value <= (forward if call else strike) * (1 + 1e-15)


def test_time_value_lost_in_rounding_is_never_negative() -> None:
    rng = np.random.default_rng(6)
    forward = rng.uniform(1, 1e5, 20_000)
    strike = forward * (1 + rng.choice([0.0, 1e-16, -1e-15, 1e-12], 20_000))
    vol = np.exp(rng.uniform(np.log(1e-18), np.log(1e-6), 20_000))
    call = rng.random(20_000) < 0.5
    paid = np.maximum(np.where(call, forward - strike, strike - forward), 0.0)
    assert (price(forward, strike, 1.0, vol, call) >= paid).all()


@given(amounts, amounts, years, vols, st.floats(1.0001, 2.0), st.booleans())
def test_price_never_falls_with_vol_or_with_time(
    forward: float, strike: float, expiry: float, vol: float, factor: float, call: bool
) -> None:
    values = price(
        forward, strike, [expiry, expiry, expiry * factor], [vol, vol * factor, vol], call
    )
    slack = 1e-15 * max(forward, strike)
    assert values[1] >= values[0] - slack
    assert values[2] >= values[0] - slack


@given(amounts, amounts, years, vols, st.integers(-20, 20))
def test_price_scales_with_the_currency_and_delta_does_not(
    forward: float, strike: float, expiry: float, vol: float, power: int
) -> None:
    unit = 2.0**power
    assume(forward * unit > 1e-50 and strike * unit > 1e-50)
    here = greeks(forward, strike, expiry, vol, True)
    there = greeks(forward * unit, strike * unit, expiry, vol, True)
    assert there.price == pytest.approx(here.price * unit, rel=1e-12, abs=1e-15 * forward * unit)
    assert there.delta == pytest.approx(here.delta, rel=1e-12, abs=1e-300)
    assert there.gamma * unit == pytest.approx(here.gamma, rel=1e-12, abs=1e-290)


# What is no option.

GOOD = (100.0, 110.0, 0.5, 0.6, True, 0.99)
AMOUNT, SPAN, FLAG = (0.0, -1.0, 1e-320, 1e101), (-1e-9, -1.0, 1e101), (2.0, -1.0, 0.5)
UNKNOWN = (np.nan, np.inf, -np.inf, None)
BAD = [
    (place, value)
    for place, values in enumerate((AMOUNT, AMOUNT, SPAN, SPAN, FLAG, AMOUNT))
    for value in (*values, *UNKNOWN)
]


@pytest.mark.parametrize(("place", "value"), BAD)
def test_option_that_is_none_gives_nan_for_itself_and_leaves_its_neighbours(
    place: int, value: Any
) -> None:
    inputs: list[Any] = [[each, each, each] for each in GOOD]
    inputs[place][1] = value
    found = greeks(*inputs)
    expected = greeks(*GOOD)
    for name in NAMES:
        values = getattr(found, name)
        assert np.isnan(values[1]), name
        assert values[0] == values[2] == getattr(expected, name)
    assert np.isnan(price(*inputs)).tolist() == [False, True, False]


@pytest.mark.parametrize(("expiry", "vol"), [(0.0, 0.8), (0.5, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("call", [True, False])
@pytest.mark.parametrize("strike", [90.0, 110.0])
def test_option_without_time_or_vol_is_worth_what_it_pays_and_moves_only_with_it(
    expiry: float, vol: float, call: bool, strike: float
) -> None:
    sign = 1.0 if call else -1.0
    pays = max(sign * (100.0 - strike), 0.0)
    found = greeks(100.0, strike, expiry, vol, call)
    assert found.price == pays
    assert found.delta == (sign if pays > 0 else 0.0)
    assert found.rho == -expiry * pays
    for name in ("gamma", "vega", "theta", "vanna", "volga"):
        assert getattr(found, name) == 0.0


@pytest.mark.parametrize("call", [True, False])
def test_option_at_its_strike_without_time_or_vol_has_the_greeks_of_the_limit(call: bool) -> None:
    half = 0.5 if call else -0.5
    at_expiry, at_rest = greeks(100, 100, 0, 0.8, call), greeks(100, 100, 0.25, 0, call)
    neither = greeks(100, 100, 0, 0, call)
    for found in (at_expiry, at_rest, neither):
        assert (found.price, found.delta, found.gamma) == (0.0, half, np.inf)
    assert (at_expiry.theta, at_rest.theta, neither.theta) == (-np.inf, 0.0, 0.0)
    # As vol goes to 0 the price is F sigma sqrt(T) phi(0) and the delta 1/2 + s phi(0) / 2.
    assert at_rest.vega == pytest.approx(100 * 0.5 * 0.3989422804014327, rel=1e-15)
    assert at_rest.vanna == pytest.approx(0.25 * 0.3989422804014327, rel=1e-15)
    assert (at_expiry.vega, neither.vega) == (0.0, 0.0)


@pytest.mark.parametrize("strike", [80.0, 100.0, 120.0])
@pytest.mark.parametrize("small", ["expiry", "vol"])
def test_greeks_without_time_or_vol_are_those_of_next_to_none(strike: float, small: str) -> None:
    tiny, none = ((1e-14, 0.8), (0.0, 0.8)) if small == "expiry" else ((0.5, 1e-9), (0.5, 0.0))
    near, limit = greeks(100.0, strike, *tiny, True), greeks(100.0, strike, *none, True)
    for name in NAMES:
        if np.isfinite(getattr(limit, name)):
            expected = pytest.approx(getattr(near, name), abs=1e-4)
            assert getattr(limit, name) == expected, name
        else:
            assert abs(getattr(near, name)) > 1e4, name


def test_discount_other_than_one_at_expiry_has_no_rate_and_theta_is_nan() -> None:
    found = greeks(100, 90, 0, 0.5, True, 0.9)
    assert found.price == 9.0
    assert np.isnan(found.theta)
    assert greeks(100, 90, 0, 0.5, True, 1.0).theta == 0.0


# Kernel and twin.


def test_kernel_and_numpy_twin_agree_to_rounding() -> None:
    options = sample(3_000, seed=5)
    twin = _black76.greeks_twin(tuple(np.asarray(each, dtype=float) for each in options))
    found = greeks(*options)
    for name, expected in zip(NAMES, twin, strict=True):
        size = np.abs(expected) + 1e-13 * np.abs(expected).max()
        assert np.max(np.abs(getattr(found, name) - expected) / size) < 2e-10, name
    floats = tuple(np.asarray(each, dtype=float) for each in options)
    np.testing.assert_allclose(price(*options), _black76.price_twin(floats), rtol=1e-10)


def test_kernel_and_numpy_twin_refuse_the_same_of_every_mixture_of_extremes() -> None:
    rng = np.random.default_rng(9)
    extremes = np.array([0, -1, np.nan, np.inf, 1, 100, 1e-320, 1e-100, 1e100, 5e-324, 1e308, 0.5])
    options = tuple(rng.choice(extremes, 20_000) for _ in range(6))
    twin = _black76.greeks_twin(options)
    valid = _black76.valid_(options)
    assert 20 < valid.sum() < 2_000
    for name, expected in zip(NAMES, twin, strict=True):
        found = getattr(greeks(*options), name)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        assert np.isnan(found[~valid]).all()
        if name != "theta":
            assert not np.isnan(found[valid]).any(), name
    np.testing.assert_array_equal(np.isnan(price(*options)), ~valid)


def test_many_options_at_once_are_each_as_if_alone() -> None:
    # More than the kernel writes through the caches, and no multiple of a block or of a line.
    options = sample(40_013, seed=11)
    found, prices = greeks(*options), price(*options)
    for part in (slice(0, 1), slice(250, 263), slice(39_990, 40_013)):
        alone = greeks(*(each[part] for each in options))
        for name in NAMES:
            np.testing.assert_array_equal(getattr(found, name)[part], getattr(alone, name))
        np.testing.assert_array_equal(prices[part], alone.price)


def test_number_for_all_is_the_same_as_an_array_of_it() -> None:
    _, strike, expiry, vol, call, _ = sample(1_000, seed=3)
    spread = np.full(1_000, 100.0), strike, expiry, vol, call, np.full(1_000, 0.9)
    by_number, by_array = greeks(100.0, strike, expiry, vol, call, 0.9), greeks(*spread)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(by_number, name), getattr(by_array, name))


# Memory used again, and the kinds of input.


def test_buffer_gives_the_same_greeks_and_is_used_again_by_the_next_call() -> None:
    buffer = GreeksBuffer(1_000)
    first, second = sample(1_000, seed=1), sample(700, seed=2)
    found = buffer.greeks(*first)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(greeks(*first), name))
    again = buffer.greeks(*second)
    assert np.shares_memory(found.delta, again.delta)
    np.testing.assert_array_equal(again.volga, greeks(*second).volga)


def test_buffer_refuses_more_options_than_it_has_room_for() -> None:
    with pytest.raises(InputError, match="expected at most 2, got 3"):
        GreeksBuffer(2).greeks(100, [90, 100, 110], 1, 0.5, True)


def test_greeks_come_back_as_what_came_in() -> None:
    strikes = [90.0, 110.0]
    assert type(greeks(100, 90, 1, 0.5, True).delta) is float
    grid = greeks(np.full((3, 1), 100.0), strikes, 1, 0.5, True)
    assert grid.gamma.shape == (3, 2)
    pandas = greeks(100, pd.Series(strikes, index=[7, 8]), 1, 0.5, True).vega
    assert pandas.index.tolist() == [7, 8]
    polars = price(100, pl.Series("strike", strikes), 1, 0.5, True)
    np.testing.assert_array_equal(polars.to_numpy(), price(100, strikes, 1, 0.5, True))
    assert price(100, [], 1, 0.5, True).shape == (0,)


def test_what_is_not_numbers_or_does_not_broadcast_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="vol_annual: expected a number"):
        price(100, 100, 1, "high", True)
    with pytest.raises(InputError, match="expected shapes that broadcast"):
        greeks([100, 101], [90, 100, 110], 1, 0.5, True)


def test_call_given_as_number_is_a_call_and_as_zero_a_put() -> None:
    kinds = price(100, 90, 1, 0.5, [True, False])
    np.testing.assert_array_equal(price(100, 90, 1, 0.5, [1, 0]), kinds)
    np.testing.assert_array_equal(price(100, 90, 1, 0.5, np.array([1.0, 0.0])), kinds)
    assert black76.price(100, 90, 1, 0.5, np.True_) == kinds[0]
