# SPDX-License-Identifier: Apache-2.0
"""Implied volatility as users call it: what comes back, what is refused, and why."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.pricing.implied_vol_quotes import EPS, random_quotes
from tidegate.model.errors import InputError
from tidegate.pricing.implied_vol import (
    Refusal,
    implied_vol,
    implied_vol_coin,
    refusal_reason,
)

# F 100,000, K 120,000, 30 days, 60 %: Black 1976, with ten digits in the price.
GOLDEN_USD, GOLDEN_COIN, GOLDEN_VOL = 1_395.481646, 0.01395481646, 0.60
F, K, T = 100_000.0, 120_000.0, 30.0 / 365.0


def test_golden_price_in_usd_and_in_coin_has_the_golden_vol() -> None:
    assert implied_vol(GOLDEN_USD, F, K, T, True).vol_annual == pytest.approx(GOLDEN_VOL, abs=1e-10)
    coin = implied_vol_coin(GOLDEN_COIN, F, K, T, True)
    assert coin.vol_annual == pytest.approx(GOLDEN_VOL, abs=1e-10)
    assert coin.refusal == Refusal.NONE


# Properties of valid quotes.

moneyness = st.floats(-1.5, 1.5)
expiries = st.floats(1.0 / 8760.0, 2.0)
vols = st.floats(0.2, 2.5)


def call_price(forward: float, strike: float, expiry: float, vol: float) -> float:
    s = vol * math.sqrt(expiry)
    d1 = math.log(forward / strike) / s + 0.5 * s
    in_forward, in_strike = (0.5 * math.erfc(-d / math.sqrt(2.0)) for d in (d1, d1 - s))
    return forward * in_forward - strike * in_strike


@given(x=st.floats(-0.5, 0.5), expiry=st.floats(0.05, 2.0), vol=vols)
def test_call_and_put_of_one_strike_have_one_vol_to_what_their_prices_allow(
    x: float, expiry: float, vol: float
) -> None:
    strike = F * math.exp(x)
    call = call_price(F, strike, expiry, vol)
    put = call - (F - strike)
    both = implied_vol([call, put], F, strike, expiry, [True, False])
    d1 = -x / (vol * math.sqrt(expiry)) + 0.5 * vol * math.sqrt(expiry)
    vega = F * math.sqrt(expiry) * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    digits = 4.0 * EPS * (vol + (F + strike) / vega)
    assume(digits < 1e-3 * vol)
    assert both.vol_annual == pytest.approx([vol, vol], abs=digits)


@given(x=moneyness, expiry=expiries, vol=vols, power=st.integers(-60, 60))
def test_vol_in_another_unit_of_account_is_the_same_to_the_bit(
    x: float, expiry: float, vol: float, power: int
) -> None:
    strike, unit = F * math.exp(x), 2.0**power
    price = call_price(F, strike, expiry, vol)
    here = implied_vol(price, F, strike, expiry, True)
    there = implied_vol(price * unit, F * unit, strike * unit, expiry, True)
    assert np.array_equal(here.vol_annual, there.vol_annual, equal_nan=True)
    assert here.refusal == there.refusal


@given(x=moneyness, expiry=expiries, vol=vols)
def test_call_as_a_put_with_forward_and_strike_exchanged_has_the_same_vol(
    x: float, expiry: float, vol: float
) -> None:
    strike = F * math.exp(x)
    price = call_price(F, strike, expiry, vol)
    call = implied_vol(price, F, strike, expiry, True)
    put = implied_vol(price, strike, F, expiry, False)
    assert call.refusal == put.refusal
    assert call.vol_annual == pytest.approx(put.vol_annual, rel=1e-14, nan_ok=True)


@given(expiry=expiries, discount=st.floats(0.5, 1.2))
def test_discounted_price_with_its_discount_has_the_same_vol(
    expiry: float, discount: float
) -> None:
    plain = implied_vol(GOLDEN_USD, F, K, expiry, True)
    discounted = implied_vol(GOLDEN_USD * discount, F, K, expiry, True, discount)
    assert discounted.vol_annual == pytest.approx(plain.vol_annual, rel=1e-14)


@given(x=moneyness, expiry=expiries, vol=vols, times=st.floats(0.1, 10.0))
def test_vol_scales_with_the_inverse_root_of_the_expiry(
    x: float, expiry: float, vol: float, times: float
) -> None:
    strike = F * math.exp(abs(x))
    price = call_price(F, strike, expiry, vol)
    short = implied_vol(price, F, strike, expiry, True)
    long = implied_vol(price, F, strike, expiry * times, True)
    assert long.vol_annual * math.sqrt(times) == pytest.approx(
        short.vol_annual, rel=1e-14, nan_ok=True
    )


@given(x=st.floats(-1.0, 1.0), expiry=st.floats(0.01, 1.0))
def test_vol_rises_with_the_price_from_intrinsic_to_bound(x: float, expiry: float) -> None:
    strike = F * math.exp(x)
    intrinsic = max(F - strike, 0.0)
    prices = intrinsic + (F - intrinsic) * np.linspace(0.001, 0.999, 200)
    vol = implied_vol(prices, F, strike, expiry, True).vol_annual
    assert np.all(np.diff(vol) > 0.0)


# Refusals.

N_A_N, INF = math.nan, math.inf
GOOD = (1_000.0, F, K, T, 1.0, 1.0)
REFUSED = [
    (Refusal.NOT_A_NUMBER, 0, N_A_N),
    (Refusal.NOT_A_NUMBER, 1, N_A_N),
    (Refusal.NOT_A_NUMBER, 2, N_A_N),
    (Refusal.NOT_A_NUMBER, 3, N_A_N),
    (Refusal.NOT_A_NUMBER, 4, N_A_N),
    (Refusal.NOT_A_NUMBER, 5, N_A_N),
    (Refusal.NOT_A_NUMBER, 0, None),
    (Refusal.FORWARD_NOT_POSITIVE, 1, 0.0),
    (Refusal.FORWARD_NOT_POSITIVE, 1, -F),
    (Refusal.FORWARD_NOT_POSITIVE, 1, -INF),
    (Refusal.STRIKE_NOT_POSITIVE, 2, 0.0),
    (Refusal.STRIKE_NOT_POSITIVE, 2, -K),
    (Refusal.EXPIRY_NOT_POSITIVE, 3, 0.0),
    (Refusal.EXPIRY_NOT_POSITIVE, 3, -1e-9),
    (Refusal.DISCOUNT_NOT_POSITIVE, 5, 0.0),
    (Refusal.DISCOUNT_NOT_POSITIVE, 5, -0.9),
    (Refusal.OUT_OF_RANGE, 1, INF),
    (Refusal.OUT_OF_RANGE, 2, 1e101),
    (Refusal.OUT_OF_RANGE, 3, INF),
    (Refusal.OUT_OF_RANGE, 5, 1e-101),
    (Refusal.NEITHER_CALL_NOR_PUT, 4, 2.0),
    (Refusal.NEITHER_CALL_NOR_PUT, 4, 0.5),
    (Refusal.BELOW_INTRINSIC, 0, -1e-9),
    (Refusal.BELOW_INTRINSIC, 0, -INF),
    (Refusal.NO_TIME_VALUE, 0, 0.0),
    (Refusal.NO_TIME_VALUE, 0, 1e-304),
    (Refusal.ABOVE_BOUND, 0, F),
    (Refusal.ABOVE_BOUND, 0, 2.0 * F),
    (Refusal.ABOVE_BOUND, 0, INF),
]


@pytest.mark.parametrize(("code", "place", "value"), REFUSED)
def test_invalid_quote_is_refused_by_name_and_never_a_number(
    code: Refusal, place: int, value: Any
) -> None:
    quote = [value if here == place else good for here, good in enumerate(GOOD)]
    answer = implied_vol(*quote)
    assert math.isnan(answer.vol_annual)
    assert answer.refusal == code


def test_quotes_in_the_money_at_below_and_next_to_intrinsic_are_told_apart() -> None:
    intrinsic = 20_000.0
    above, below = math.nextafter(intrinsic, INF), math.nextafter(intrinsic, 0.0)
    prices = [below, intrinsic, above, math.nextafter(K, 0.0), K]
    put = implied_vol(prices, F, K, T, False)
    expected = [
        Refusal.BELOW_INTRINSIC,
        Refusal.NO_TIME_VALUE,
        Refusal.NONE,
        Refusal.NONE,
        Refusal.ABOVE_BOUND,
    ]
    assert put.refusal.tolist() == expected
    assert np.isfinite(put.vol_annual).tolist() == [False, False, True, True, False]


anything = st.floats(allow_nan=True, allow_infinity=True)
plausible = st.floats(1e-3, 1e3)


@given(
    quotes=arrays.arrays(np.float64, (6, 7), elements=st.one_of(plausible, anything)),
    flags=arrays.arrays(np.float64, 7, elements=st.sampled_from([0.0, 1.0, 1.0, 0.0, 2.0])),
)
def test_any_numbers_at_all_give_either_a_positive_vol_or_nan_and_a_reason(
    quotes: Any, flags: Any
) -> None:
    price, forward, strike, expiry, _, discount = quotes
    answer = implied_vol(price, forward, strike, expiry, flags, discount)
    refused = answer.refusal != Refusal.NONE
    assert np.array_equal(np.isnan(answer.vol_annual), refused)
    assert np.all(answer.vol_annual[~refused] > 0.0)
    assert np.all(np.isfinite(answer.vol_annual[~refused]))
    assert all(refusal_reason(int(code)) for code in answer.refusal)


def test_refused_quote_leaves_its_neighbours_as_they_are() -> None:
    quotes = random_quotes(1_000, seed=9)
    price, forward, strike, expiry, call, _ = quotes.columns
    alone = implied_vol(price, forward, strike, expiry, call).vol_annual
    spoiled = np.where(np.arange(1_000) % 3 == 0, np.nan, price)
    among = implied_vol(spoiled, forward, strike, expiry, call)
    kept = among.refusal == Refusal.NONE
    assert kept.sum() == 666
    assert np.array_equal(among.vol_annual[kept], alone[kept])


def test_bad_price_in_coin_is_refused_as_in_usd() -> None:
    answer = implied_vol_coin([N_A_N, 0.0, 1.0, -0.1, 0.01], F, K, T, [True] * 5)
    assert answer.refusal.tolist() == [
        Refusal.NOT_A_NUMBER,
        Refusal.NO_TIME_VALUE,
        Refusal.ABOVE_BOUND,
        Refusal.BELOW_INTRINSIC,
        Refusal.NONE,
    ]


def test_every_code_has_a_reason_of_its_own_and_other_numbers_are_refused() -> None:
    reasons = [refusal_reason(code) for code in Refusal]
    assert len(set(reasons)) == len(Refusal)
    with pytest.raises(InputError, match="implied_vol: code: expected a code of 0 to 10, got 11"):
        refusal_reason(11)


# Kinds and shapes.


def test_numbers_in_give_numbers_out() -> None:
    answer = implied_vol(GOLDEN_USD, F, K, T, True)
    assert type(answer.vol_annual) is float
    assert type(answer.refusal) is int


def test_lists_and_arrays_are_broadcast_against_each_other() -> None:
    answer = implied_vol([[900.0], [1_000.0]], F, np.array([110e3, 120e3, 130e3]), T, True)
    assert answer.vol_annual.shape == answer.refusal.shape == (2, 3)
    assert answer.refusal.dtype == np.uint8
    one = implied_vol(1_000.0, F, 130e3, T, True)
    assert answer.vol_annual[1, 2] == one.vol_annual


def test_no_quotes_give_no_answers() -> None:
    assert implied_vol([], F, K, T, True).vol_annual.shape == (0,)


def test_pandas_series_comes_back_with_its_index() -> None:
    prices = pd.Series([GOLDEN_USD, -1.0], index=["a", "b"], name="mid")
    answer = implied_vol(prices, F, K, T, True)
    assert answer.vol_annual.index.tolist() == answer.refusal.index.tolist() == ["a", "b"]
    assert answer.vol_annual["a"] == pytest.approx(GOLDEN_VOL, abs=1e-10)
    assert answer.refusal["b"] == Refusal.BELOW_INTRINSIC


def test_polars_series_comes_back_with_a_null_refused() -> None:
    answer = implied_vol(pl.Series("mid", [GOLDEN_USD, None]), F, K, T, True)
    assert isinstance(answer.vol_annual, pl.Series)
    assert answer.vol_annual[0] == pytest.approx(GOLDEN_VOL, abs=1e-10)
    assert answer.refusal.to_list() == [Refusal.NONE, Refusal.NOT_A_NUMBER]


def test_inputs_that_do_not_broadcast_are_refused_whole() -> None:
    with pytest.raises(InputError, match="price"):
        implied_vol([1.0, 2.0], F, [K, K, K], T, True)


def test_inputs_are_not_written_to() -> None:
    price = np.array([GOLDEN_USD, N_A_N])
    implied_vol(price, F, K, T, True)
    implied_vol_coin(price, F, K, T, True)
    assert price.flags.writeable
    assert price[0] == GOLDEN_USD


def test_import_of_the_public_face_does_not_import_numba() -> None:
    text = "import sys, tidegate.pricing.implied_vol; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
