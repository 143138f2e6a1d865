# SPDX-License-Identifier: Apache-2.0
"""A liquidity position against its definition, its options, and simulated rebalancing."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.pricing.concentrated_liquidity import LiquidityPosition

mpmath.mp.dps = 30

PRICE_METHODS = ("value_usd", "delta", "gamma", "amount_coin", "amount_usd")
ETHER = LiquidityPosition(liquidity=10_000.0, lower_price=1_500.0, upper_price=2_500.0)


@st.composite
def positions(draw: st.DrawFn) -> LiquidityPosition:
    lower = draw(st.floats(1e-3, 1e5))
    width = draw(st.floats(1e-4, 20.0))
    return LiquidityPosition(draw(st.floats(1e-3, 1e9)), lower, lower * (1.0 + width))


@st.composite
def held(draw: st.DrawFn) -> tuple[LiquidityPosition, float]:
    """A position and a price below, in or above its range."""
    position = draw(positions())
    low, high = math.log(position.lower_price), math.log(position.upper_price)
    reach = 0.5 * (high - low)
    return position, math.exp(draw(st.floats(low - reach, high + reach)))


def exact_amounts(position: LiquidityPosition, price: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    lower, upper = mpmath.mpf(position.lower_price), mpmath.mpf(position.upper_price)
    root = mpmath.sqrt(min(max(mpmath.mpf(price), lower), upper))
    coin = position.liquidity * (1 / root - 1 / mpmath.sqrt(upper))
    return coin, position.liquidity * (root - mpmath.sqrt(lower))


def exact_value(position: LiquidityPosition, price: float) -> mpmath.mpf:
    coin, usd = exact_amounts(position, price)
    return coin * price + usd


def exact_expected_lvr(
    position: LiquidityPosition, price: float, vol: float, years: float
) -> float:
    """V(p) - E V(p_H), each moment of the lognormal price in 60 digits."""
    with mpmath.workdps(60):
        spread = mpmath.mpf(vol) * mpmath.sqrt(mpmath.mpf(years))
        size, now = mpmath.mpf(position.liquidity), mpmath.mpf(price)
        low, high = mpmath.mpf(position.lower_price), mpmath.mpf(position.upper_price)

        def below(border: mpmath.mpf, power: mpmath.mpf) -> mpmath.mpf:
            """E p_H^power while p_H is below the border."""
            z = mpmath.log(border / now) / spread + spread / 2 - power * spread
            growth = mpmath.exp(power * (power - 1) / 2 * spread**2)
            return now**power * growth * mpmath.ncdf(z)

        half, one, none = mpmath.mpf(1) / 2, mpmath.mpf(1), mpmath.mpf(0)
        roots = below(high, half) - below(low, half)
        coins = below(high, one) - below(low, one)
        inside = below(high, none) - below(low, none)
        later = size * (
            below(low, one) * (1 / mpmath.sqrt(low) - 1 / mpmath.sqrt(high))
            + 2 * roots
            - coins / mpmath.sqrt(high)
            - inside * mpmath.sqrt(low)
            + (1 - below(high, none)) * (mpmath.sqrt(high) - mpmath.sqrt(low))
        )
        return float(exact_value(position, price) - later)


@given(held())
def test_amounts_and_value_equal_the_whitepaper_s_in_thirty_digits(
    case: tuple[LiquidityPosition, float],
) -> None:
    position, price = case
    coin, usd = exact_amounts(position, price)
    assert position.amount_coin(price) == pytest.approx(float(coin), rel=1e-14, abs=0)
    assert position.amount_usd(price) == pytest.approx(float(usd), rel=1e-14, abs=0)
    assert position.value_usd(price) == pytest.approx(float(coin * price + usd), rel=1e-14, abs=0)


@given(held())
def test_amounts_of_both_tokens_are_never_negative_and_make_up_the_value(
    case: tuple[LiquidityPosition, float],
) -> None:
    position, price = case
    coin, usd = position.amount_coin(price), position.amount_usd(price)
    assert coin >= 0
    assert usd >= 0
    assert (coin == 0) == (price >= position.upper_price)
    assert (usd == 0) == (price <= position.lower_price)
    assert position.value_usd(price) == pytest.approx(coin * price + usd, rel=1e-15, abs=0)


@given(positions(), st.floats(0.01, 0.99))
def test_product_of_virtual_reserves_inside_the_range_is_liquidity_squared(
    position: LiquidityPosition, place: float
) -> None:
    price = position.lower_price ** (1 - place) * position.upper_price**place
    coin = position.amount_coin(price) + position.liquidity / math.sqrt(position.upper_price)
    usd = position.amount_usd(price) + position.liquidity * math.sqrt(position.lower_price)
    assert coin * usd == pytest.approx(position.liquidity**2, rel=1e-13, abs=0)


@given(held())
def test_delta_is_the_derivative_of_value_and_gamma_that_of_delta(
    case: tuple[LiquidityPosition, float],
) -> None:
    position, price = case
    with mpmath.workdps(70):
        step = price * mpmath.mpf(10) ** -20
        above, below = mpmath.mpf(price) + step, mpmath.mpf(price) - step
        slope = (exact_value(position, above) - exact_value(position, below)) / (2 * step)
        bend = (exact_amounts(position, above)[0] - exact_amounts(position, below)[0]) / (2 * step)
    assume(price not in (position.lower_price, position.upper_price))
    assert position.delta(price) == pytest.approx(float(slope), rel=1e-14, abs=0)
    assert position.gamma(price) == pytest.approx(float(bend), rel=1e-14, abs=0)


@given(positions(), st.lists(st.floats(-1.0, 2.0), min_size=3, max_size=3, unique=True))
def test_value_is_concave_and_increasing_in_price(
    position: LiquidityPosition, places: list[float]
) -> None:
    width = position.upper_price / position.lower_price
    left, middle, right = (position.lower_price * width**place for place in sorted(places))
    assume(left < middle < right)
    values = position.value_usd([left, middle, right])
    share = (right - middle) / (right - left)
    chord = share * values[0] + (1 - share) * values[2]
    slack = 1e-12 * abs(values[2])
    assert values[1] >= chord - slack
    assert values[0] <= values[1] + slack <= values[2] + 2 * slack


@given(positions())
def test_value_and_delta_across_either_border_are_continuous(position: LiquidityPosition) -> None:
    scale = position.value_usd(position.upper_price)
    coins = position.delta(position.lower_price)
    for border in (position.lower_price, position.upper_price):
        near = [math.nextafter(border, 0), border, math.nextafter(border, math.inf)]
        assert np.ptp(position.value_usd(near)) <= 1e-14 * scale
        # Near the top the coins vanish; one ulp of price is an ulp over the width of them.
        width = position.upper_price / position.lower_price - 1
        assert np.ptp(position.delta(near)) <= 1e-14 * coins / min(width, 1.0)


@given(positions(), st.floats(1.0001, 5.0))
def test_outside_the_range_the_position_is_only_coins_below_and_only_dollars_above(
    position: LiquidityPosition, factor: float
) -> None:
    below, above = position.lower_price / factor, position.upper_price * factor
    assert position.delta(below) == position.amount_coin(position.lower_price)
    assert position.amount_usd(above) == position.amount_usd(position.upper_price)
    assert position.value_usd(above) == position.amount_usd(above)
    assert position.gamma([below, above]).tolist() == [0.0, 0.0]
    assert position.lvr_usd_annual([below, above], 0.8).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("price", [900.0, 1_500.0, 1_800.0, 2_499.0, 2_500.0, 4_000.0])
def test_value_is_a_strip_of_covered_calls_weighted_by_gamma(price: float) -> None:
    """V(p) = integral over K in [pa, pb] of |gamma(K)| min(p, K) dK."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = sorted({1_500.0, min(max(price, 1_500.0), 2_500.0), 2_500.0})
    total = 0.0
    for low, high in itertools.pairwise(edges):
        strikes = 0.5 * (high + low) + 0.5 * (high - low) * nodes
        payoff = -ETHER.gamma(strikes) * np.minimum(price, strikes)
        total += 0.5 * (high - low) * float(payoff @ weights)
    assert ETHER.value_usd(price) == pytest.approx(total, rel=1e-13, abs=0)


@given(held(), st.just(0.0) | st.floats(1e-6, 10.0))
def test_lvr_rate_is_minus_half_the_gamma_times_dollar_variance(
    case: tuple[LiquidityPosition, float], vol: float
) -> None:
    position, price = case
    rate = position.lvr_usd_annual(price, vol)
    dollar_variance = (vol * price) ** 2
    assert rate == pytest.approx(-0.5 * position.gamma(price) * dollar_variance, rel=1e-14, abs=0)
    if position.lower_price <= price <= position.upper_price:
        closed = position.liquidity * vol**2 * math.sqrt(price) / 4
        assert rate == pytest.approx(closed, rel=1e-14, abs=0)


@given(held(), st.floats(0.05, 5.0), st.floats(1e-6, 5.0))
def test_expected_lvr_is_the_value_that_is_lost_on_average(
    case: tuple[LiquidityPosition, float], vol: float, years: float
) -> None:
    position, price = case
    full = position.liquidity * vol**2 * math.sqrt(price) * years / 4
    exact = exact_expected_lvr(position, price, vol, years)
    assert position.expected_lvr_usd(price, vol, years) == pytest.approx(
        exact, rel=1e-12, abs=2e-14 * full
    )


@pytest.mark.parametrize("spread", [0.59, 0.599999, 0.6, 0.600001, 0.61])
@pytest.mark.parametrize("price", [1_499.0, 1_500.0, 2_000.0, 2_600.0])
def test_expected_lvr_where_series_and_closed_form_meet_keeps_its_digits(
    spread: float, price: float
) -> None:
    exact = exact_expected_lvr(ETHER, price, spread, 1.0)
    full = ETHER.liquidity * spread**2 * math.sqrt(price) / 4
    assert abs(ETHER.expected_lvr_usd(price, spread, 1.0) - exact) <= 2e-14 * full


@given(held(), st.floats(0.05, 3.0), st.floats(1e-3, 2.0), st.floats(1.01, 4.0))
def test_expected_lvr_grows_with_the_horizon_and_never_above_the_full_rate(
    case: tuple[LiquidityPosition, float], vol: float, years: float, factor: float
) -> None:
    position, price = case
    sooner, later = position.expected_lvr_usd(price, vol, [years, factor * years])
    full = position.liquidity * vol**2 * math.sqrt(price) * years / 4
    assert 0 <= sooner <= later + 4e-14 * factor * full
    assert sooner <= full * (1 + 1e-12)


def test_expected_lvr_over_a_moment_inside_the_range_is_the_rate_times_the_moment() -> None:
    moment = 1e-10
    rate = ETHER.lvr_usd_annual(2_000.0, 0.6)
    assert ETHER.expected_lvr_usd(2_000.0, 0.6, moment) == pytest.approx(
        rate * moment, rel=1e-10, abs=0
    )
    # On a border half of the moment is spent inside.
    rate = ETHER.lvr_usd_annual(1_500.0, 0.6)
    lost = ETHER.expected_lvr_usd(1_500.0, 0.6, moment)
    assert lost == pytest.approx(rate * moment / 2, rel=1e-4, abs=0)


def test_expected_lvr_without_time_or_volatility_is_zero_everywhere() -> None:
    prices = [1_000.0, 1_500.0, 2_000.0, 2_500.0, 3_000.0]
    assert ETHER.expected_lvr_usd(prices, 0.6, 0.0).tolist() == [0.0] * 5
    assert ETHER.expected_lvr_usd(prices, 0.0, 1.0).tolist() == [0.0] * 5


@pytest.mark.parametrize("price", [1_450.0, 2_000.0, 2_450.0])
def test_expected_lvr_agrees_with_simulated_rebalancing(price: float) -> None:
    """Whoever holds the position's coins and trades at market ends richer by the loss."""
    vol, years, steps, paths = 0.8, 0.1, 200, 4_000
    rng = np.random.default_rng(20_221_101)
    shocks = rng.standard_normal((paths // 2, steps)) * vol * math.sqrt(years / steps)
    shocks = np.concatenate((shocks, -shocks)) - 0.5 * vol**2 * years / steps
    path = price * np.exp(np.cumsum(shocks, axis=1))
    path = np.concatenate((np.full((paths, 1), price), path), axis=1)
    coins = ETHER.delta(path)
    rebalanced = np.sum(coins[:, :-1] * np.diff(path, axis=1), axis=1)
    lost = rebalanced - (ETHER.value_usd(path[:, -1]) - ETHER.value_usd(price))
    error = float(np.std(lost)) / math.sqrt(paths)
    expected = ETHER.expected_lvr_usd(price, vol, years)
    assert error < 0.02 * expected
    assert abs(float(np.mean(lost)) - expected) < 4 * error


@pytest.mark.parametrize("method", PRICE_METHODS)
@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf, -math.inf, None])
def test_price_that_is_no_price_gives_nan_and_leaves_its_neighbours(
    method: str, price: float | None
) -> None:
    answers = getattr(ETHER, method)([price, 2_000.0])
    assert math.isnan(answers[0])
    assert answers[1] == getattr(ETHER, method)(2_000.0)


@pytest.mark.parametrize(
    ("price", "vol", "years"),
    [
        (-1.0, 0.5, 1.0),
        (2_000.0, -0.5, 1.0),
        (2_000.0, 0.5, -1.0),
        (math.nan, 0.5, 1.0),
        (2_000.0, math.nan, 1.0),
        (2_000.0, 0.5, math.inf),
        (2_000.0, math.inf, 0.0),
    ],
)
def test_expected_lvr_of_invalid_input_is_nan(price: float, vol: float, years: float) -> None:
    assert math.isnan(ETHER.expected_lvr_usd(price, vol, years))


def test_lvr_rate_of_a_negative_volatility_is_nan() -> None:
    assert math.isnan(ETHER.lvr_usd_annual(2_000.0, -0.5))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ((-1.0, 1.0, 2.0), "liquidity"),
        ((math.nan, 1.0, 2.0), "liquidity"),
        (("1", 1.0, 2.0), "liquidity"),
        ((1.0, 0.0, 2.0), "lower_price"),
        ((1.0, math.inf, 2.0), "lower_price"),
        ((1.0, 2.0, 2.0), "upper_price"),
        ((1.0, 2.0, 1.0), "upper_price"),
        ((1.0, 2.0, math.inf), "upper_price"),
    ],
)
def test_position_outside_its_bounds_is_refused_and_the_field_named(
    fields: tuple[float, float, float], named: str
) -> None:
    with pytest.raises(InputError, match="expected a finite number") as refusal:
        LiquidityPosition(*fields)
    assert refusal.value.field == named
    assert "\n" not in str(refusal.value)


def test_position_of_single_precision_fields_computes_in_double() -> None:
    position = LiquidityPosition(np.float32(1.0), np.float32(1.0), np.int64(4))
    assert position.value_usd(2.0) == LiquidityPosition(1.0, 1.0, 4.0).value_usd(2.0)
    assert type(position.liquidity) is float


@pytest.mark.parametrize("method", PRICE_METHODS)
def test_what_comes_out_is_of_the_kind_that_went_in(method: str) -> None:
    ask = getattr(ETHER, method)
    prices = [1_400.0, 2_000.0, 2_600.0]
    wanted = [ask(price) for price in prices]
    assert all(type(value) is float for value in wanted)
    assert isinstance(ask(prices), np.ndarray)
    assert ask(prices).tolist() == wanted
    assert ask(np.array(prices).reshape(3, 1)).shape == (3, 1)
    series = ask(pd.Series(prices, index=["a", "b", "c"], name="eth"))
    assert isinstance(series, pd.Series)
    assert series.to_dict() == dict(zip("abc", wanted, strict=True))
    frame = ask(pl.Series("eth", prices))
    assert isinstance(frame, pl.Series)
    assert frame.to_list() == wanted


def test_expected_lvr_broadcasts_prices_against_horizons() -> None:
    prices = np.array([[1_600.0], [2_000.0]])
    years = np.array([0.1, 0.2, 0.3])
    table = ETHER.expected_lvr_usd(prices, 0.7, years)
    assert table.shape == (2, 3)
    assert table[1, 2] == ETHER.expected_lvr_usd(2_000.0, 0.7, 0.3)
