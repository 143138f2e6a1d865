# SPDX-License-Identifier: Apache-2.0
"""Coin-settled options: parity and duality in coin, deltas by numeraire, the delivery average."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.pricing import black76, inverse
from tidegate.pricing.inverse import (
    CoinGreeks,
    averaged_share,
    delivery_inputs,
    greeks_coin,
    net_transaction_delta,
    price_coin,
)

forwards = st.floats(100.0, 1e6)
moneyness = st.floats(0.2, 5.0)
years = st.floats(1e-5, 3.0)
vols = st.floats(0.05, 5.0)
YEAR_S = 365 * 86_400


@given(forwards, moneyness, years, vols)
def test_call_less_put_in_coin_is_one_less_strike_over_forward(
    forward: float, ratio: float, expiry: float, vol: float
) -> None:
    strike = forward * ratio
    call, put = price_coin(forward, strike, expiry, vol, [True, False])
    assert abs((call - put) - (1 - strike / forward)) <= 1e-12 * max(1.0, ratio)


@given(forwards, moneyness, years, vols)
def test_inverse_call_is_so_many_puts_on_the_dollar_priced_in_coin(
    forward: float, ratio: float, expiry: float, vol: float
) -> None:
    # (1 - K / S)+ = K (1 / K - 1 / S)+: a dollar is worth 1 / S coins.
    strike = forward * ratio
    put_on_dollar = black76.price(1 / forward, 1 / strike, expiry, vol, False)
    expected = pytest.approx(strike * put_on_dollar, rel=1e-9, abs=1e-15 * max(1.0, ratio))
    assert price_coin(forward, strike, expiry, vol, True) == expected


def exact_coin(option: tuple[float, ...]) -> dict[str, Any]:
    """Price and Greeks in coin: the price by the textbook, the rest by differentiating it."""
    forward, strike, expiry, vol, call = (mp.mpf(float(each)) for each in option)
    sign = 1 if call else -1

    def coins(forward: Any, vol: Any, expiry: Any) -> Any:
        s = vol * mp.sqrt(expiry)
        d1 = mp.log(forward / strike) / s + s / 2
        in_strike = mp.ncdf(sign * (d1 - s))
        return sign * (mp.ncdf(sign * d1) - strike / forward * in_strike)

    at = (forward, vol, expiry)
    price = coins(*at)
    slope, curve = mp.diff(coins, at, (1, 0, 0)), mp.diff(coins, at, (2, 0, 0))
    return {
        "price": price,
        "delta": forward * slope,
        "gamma": slope + forward * curve,
        "vega": mp.diff(coins, at, (0, 1, 0)),
        "theta": -mp.diff(coins, at, (0, 0, 1)),
        "rho": -expiry * price,
        "vanna": forward * mp.diff(coins, at, (1, 1, 0)),
        "volga": mp.diff(coins, at, (0, 2, 0)),
    }


def test_coin_greeks_against_mpmath_derivatives_of_the_coin_price_agree() -> None:
    rng = np.random.default_rng(4)
    size = 30
    expiry, vol = np.exp(rng.uniform(-9, 1, size)), rng.uniform(0.1, 3, size)
    s = vol * np.sqrt(expiry)
    forward = np.exp(rng.uniform(2, 12, size))
    options = forward, forward * np.exp(rng.normal(size=size) * s * 2), expiry, vol
    options = (*options, rng.random(size) < 0.5)
    found = greeks_coin(*options)
    scales = {"price": 1.0, "delta": 1.0, "gamma": 1 / (forward * s), "vega": np.sqrt(expiry)}
    scales |= {
        "theta": vol / np.sqrt(expiry),
        "rho": expiry,
        "vanna": np.sqrt(expiry) * (1 + 1 / s),
    }
    scales |= {"volga": np.sqrt(expiry) * (1 + s * s) / vol}
    with mp.workdps(60):
        for i, option in enumerate(zip(*options, strict=True)):
            for name, value in exact_coin(option).items():
                error = abs(float(mp.mpf(float(getattr(found, name)[i])) - value))
                assert error < 1e-13 * np.broadcast_to(scales[name], size)[i], name


def test_golden_call_in_coin_has_the_published_price_and_both_deltas() -> None:
    # quant.md section 5.1: F 100,000, K 120,000, 30 days, 60 %.
    found = greeks_coin(100_000, 120_000, 30 / 365, 0.6, True)
    assert found.price == pytest.approx(0.01395481646, abs=5e-12)
    assert found.delta == pytest.approx(0.1510954442, abs=5e-11)
    assert found.usd.delta == pytest.approx(0.1650502606, abs=5e-11)
    assert found.usd.price == pytest.approx(1395.481646, abs=5e-7)


@given(forwards, moneyness, years, vols, st.booleans())
def test_coin_delta_is_the_usd_delta_less_the_price_in_coin(
    forward: float, ratio: float, expiry: float, vol: float, call: bool
) -> None:
    found = greeks_coin(forward, forward * ratio, expiry, vol, call)
    assert found.delta == found.usd.delta - found.price
    assert found.price == found.usd.price / forward
    assert net_transaction_delta(found.usd.delta, found.price) == found.delta


def test_option_that_is_none_has_no_coin_price_and_no_greeks() -> None:
    found = greeks_coin([100, 0, -1, np.nan, np.inf, 100], 100, [1, 1, 1, 1, 1, -1], 0.5, True)
    for name in CoinGreeks.__slots__[:-1]:
        assert np.isnan(getattr(found, name)).tolist() == [False] + [True] * 5, name
    assert np.isnan(price_coin([100, 0, -1], 100, 1, 0.5, True)).tolist() == [False, True, True]


def test_coin_greeks_come_back_as_what_came_in() -> None:
    found = greeks_coin(100, pd.Series([90, 110], index=[3, 4]), 1, 0.5, True)
    for name in CoinGreeks.__slots__[:-1]:
        assert getattr(found, name).index.tolist() == [3, 4], name
    assert found.usd.vega.index.tolist() == [3, 4]
    with pytest.raises(InputError, match="strike: expected a number"):
        price_coin(100, "90", 1, 0.5, True)


# The delivery average.


def test_share_of_the_average_grows_linearly_over_the_last_half_hour() -> None:
    shares = averaged_share([np.inf, 86_400, 1_800, 1_350, 900, 0, -60])
    assert shares.tolist() == [0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 1.0]
    assert np.isnan(averaged_share(np.nan))


def test_published_example_of_a_decayed_delta_is_met() -> None:
    # Deribit, "Delta decay during settlement": delta 1, mark 0.3, 15 of 30 minutes gone.
    assert net_transaction_delta(1.0, 0.3, 900) == pytest.approx(0.35, rel=1e-15)
    assert net_transaction_delta(0.5, 0.0, 900) == 0.25
    assert net_transaction_delta(1.0, 0.3) == 0.7
    assert net_transaction_delta(1.0, 0.3, 0) == 0.0
    assert np.isnan(net_transaction_delta(1.0, 0.3, None))


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1_800), st.floats(0, 1_800))
def test_decayed_delta_is_linear_in_the_time_left(
    delta: float, mark: float, one: float, other: float
) -> None:
    ends = net_transaction_delta(delta, mark, [one, other])
    middle = net_transaction_delta(delta, mark, (one + other) / 2)
    assert middle == pytest.approx(ends.mean(), abs=1e-15)


def deviation_of_average(forward: float, left_s: float, vol: float) -> float:
    """Deviation of what is not fixed of a continuous average of a driftless lognormal: exact.

    E[(integral of S)**2] = 2 F**2 (e**x - 1 - x) / sigma**4 with x = sigma**2 t.
    """
    with mp.workdps(50):
        window = mp.mpf(inverse.DELIVERY_AVERAGE_S) / YEAR_S
        left = mp.mpf(left_s) / YEAR_S
        within = min(left, window)
        x, before = mp.mpf(vol) ** 2 * within, mp.mpf(vol) ** 2 * (left - within)
        second = 2 * (mp.exp(x) - 1 - x) / mp.mpf(vol) ** 4 * mp.exp(before)
        return float(mp.mpf(forward) / window * mp.sqrt(second - within**2))


@pytest.mark.parametrize("left_s", [30, 600, 1_799, 1_800, 1_801, 7_200, 86_400])
@pytest.mark.parametrize("vol", [0.3, 1.0, 2.0])
def test_delivery_vol_has_the_deviation_of_the_average(left_s: float, vol: float) -> None:
    found = delivery_inputs(100.0, 90.0, left_s, vol)
    deviation = found.forward * found.vol_annual * np.sqrt(left_s / YEAR_S)
    tolerance = vol**2 * max(left_s, 1_800) / YEAR_S
    assert deviation == pytest.approx(deviation_of_average(100.0, left_s, vol), rel=tolerance)


def test_delivery_inputs_are_continuous_where_the_average_begins() -> None:
    before, after = (delivery_inputs(100.0, 90.0, left, 0.8) for left in (1_800.001, 1_799.999))
    assert before.forward == pytest.approx(after.forward, rel=1e-6)
    assert before.vol_annual == pytest.approx(after.vol_annual, rel=1e-5)
    assert before.live_share == pytest.approx(after.live_share, rel=1e-5)


def test_delivery_inputs_are_the_plain_ones_far_from_delivery_and_fixed_after_it() -> None:
    far = delivery_inputs(100.0, None, 365 * 86_400, 0.8)
    assert (far.forward, far.live_share) == (100.0, 1.0)
    assert far.vol_annual == pytest.approx(0.8, rel=1e-4)
    done = delivery_inputs(100.0, 90.0, [0.0, -5.0], 0.8)
    assert done.forward.tolist() == [90.0, 90.0]
    assert done.vol_annual.tolist() == done.live_share.tolist() == [0.0, 0.0]


def test_average_that_is_not_known_within_the_window_leaves_no_forward() -> None:
    found = delivery_inputs(100.0, None, 900, 0.8)
    assert np.isnan(found.forward)
    assert np.isnan(black76.price(found.forward, 100, 900 / YEAR_S, found.vol_annual, True))
    assert np.isnan(delivery_inputs(0.0, 0.0, 900, 0.8).vol_annual)


@given(st.floats(1.0, 1_799.0), st.floats(0.9, 1.1), st.floats(0.2, 3.0))
def test_delta_to_the_index_is_blacks_delta_times_what_is_live(
    left_s: float, average: float, vol: float
) -> None:
    # The vol of the average moves with the index as well; it is held here, as a desk holds it.
    step, expiry = 1e-6, left_s / YEAR_S
    at = delivery_inputs(1.0, average, left_s, vol)
    means = delivery_inputs([1.0 - step, 1.0 + step], average, left_s, vol).forward
    prices = black76.price(means, at.forward, expiry, at.vol_annual, True)
    delta = black76.greeks(at.forward, at.forward, expiry, at.vol_annual, True).delta
    slope = (prices[1] - prices[0]) / (2 * step)
    assert slope == pytest.approx(delta * at.live_share, abs=2e-3 * at.live_share)
