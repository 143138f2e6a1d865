# SPDX-License-Identifier: Apache-2.0
"""Implied volatilities are exact to rounding, compiled and in numpy, wherever a quote lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.pricing.implied_vol_quotes import (
    EPS,
    HOUR_YEARS,
    MINUTE_YEARS,
    FloatArray,
    Quotes,
    random_quotes,
    relative_errors,
)
from tidegate.pricing import _implied_vol
from tidegate.pricing.implied_vol import Refusal, implied_vol

RANDOM = np.random.default_rng(2015)
N = 20_000


def solved(quotes: Quotes) -> FloatArray:
    """Volatilities of the public function, of which none may be refused."""
    price, forward, strike, expiry, call, _ = quotes.columns
    answer = implied_vol(price, forward, strike, expiry, call)
    assert len(price) > 0
    assert np.all(answer.refusal == Refusal.NONE)
    vols: FloatArray = answer.vol_annual
    assert np.all(vols > 0.0)
    return vols


def few(quotes: Quotes, count: int = 60) -> Quotes:
    return quotes.where(np.linspace(0, len(quotes.price) - 1, count).astype(int))


def uniform(low: float, high: float) -> FloatArray:
    return RANDOM.uniform(low, high, N)


def log_uniform(low: float, high: float) -> FloatArray:
    return np.exp(uniform(np.log(low), np.log(high)))


def signs() -> FloatArray:
    return RANDOM.choice([-1.0, 1.0], N)


def deviations(log_moneyness: FloatArray, s: FloatArray) -> Quotes:
    """Quotes of a given s, with an expiry of 0.3 years."""
    return Quotes.out_of_the_money(log_moneyness, 0.3, s / np.sqrt(0.3))


AWAY = uniform(0.01, 3.0)
NEAR = log_uniform(1e-13, 1e-3) * signs()
FAR = uniform(4.0, 200.0)
SETS = {
    "random": random_quotes(N, seed=1),
    "high-vol": Quotes.out_of_the_money(uniform(-1.5, 1.5), log_uniform(0.01, 1), uniform(5, 10)),
    "vanishing": deviations(AWAY * signs(), AWAY / uniform(10.0, 36.0)),
    "minutes": Quotes.out_of_the_money(
        NEAR, log_uniform(MINUTE_YEARS, 24 * HOUR_YEARS), uniform(0.2, 2.5)
    ),
    "at-the-forward": Quotes.out_of_the_money(0.0, log_uniform(1e-12, 10.0), uniform(0.01, 2.5)),
    "low-vol": deviations(NEAR, np.abs(NEAR) / uniform(0.01, 30.0)),
    "up-to-the-bound": deviations(uniform(-3.5, 3.5), uniform(2.0, 16.0)),
    "around-the-seams": deviations(uniform(-4.5, 4.5), uniform(2.2, 3.2)),
    "far-strikes": deviations(FAR * signs(), np.sqrt(2.0 * FAR) * uniform(0.8, 1.2)),
}

LOSSY = ("low-vol", "at-the-forward", "minutes", "up-to-the-bound")


@pytest.mark.parametrize("name", SETS)
def test_implied_vol_against_mpmath_is_within_ten_eps(name: str) -> None:
    quotes = few(SETS[name])
    errors = relative_errors(quotes, solved(quotes))
    assert errors.max() <= 10.0 * EPS, (name, errors.max(), quotes.where([errors.argmax()]))


@pytest.mark.parametrize("name", SETS)
def test_every_quote_of_a_hard_set_is_solved_near_the_vol_that_made_it(name: str) -> None:
    quotes = SETS[name]
    vol = solved(quotes)
    # The test's own prices lose digits near the forward, and every price does near the bound.
    assert np.abs(vol / quotes.vol - 1.0).max() < (1e-2 if name in LOSSY else 1e-6)


def round_trip(count: int, seed: int) -> None:
    quotes = random_quotes(count, seed)
    assert len(quotes.vol) == count
    assert np.abs(solved(quotes) - quotes.vol).max() <= 1e-12


def test_implied_vol_of_two_hundred_thousand_random_quotes_is_the_vol_that_made_them() -> None:
    round_trip(200_000, seed=2)


@pytest.mark.soak(promise="R18")
@pytest.mark.parametrize("seed", range(10, 20))
def test_implied_vol_of_two_million_random_quotes_is_the_vol_that_made_them(seed: int) -> None:
    round_trip(2_000_000, seed)


def itm_bound(quotes: Quotes, vol: FloatArray) -> FloatArray:
    """What the docstring of `implied_vol` states: 10 eps vol + eps price / vega."""
    s = vol * np.sqrt(quotes.expiry)
    d1 = np.log(quotes.forward / quotes.strike) / s + 0.5 * s
    vega = quotes.forward * np.sqrt(quotes.expiry) * np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    bound: FloatArray = 10.0 * EPS * vol + EPS * quotes.price / vega
    return bound


def test_implied_vol_in_the_money_is_as_exact_as_the_time_value_allows() -> None:
    quotes = random_quotes(N, seed=3).in_the_money()
    price, forward, strike, expiry, call, _ = quotes.columns
    answer = implied_vol(price, forward, strike, expiry, call)
    bound = itm_bound(quotes, answer.vol_annual)
    meaningful = np.flatnonzero(bound < 1e-3 * answer.vol_annual)
    quotes = few(quotes.where(meaningful), 200)
    vol, bound = answer.vol_annual[meaningful], bound[meaningful]
    rows = np.linspace(0, len(meaningful) - 1, 200).astype(int)
    errors = relative_errors(quotes, vol[rows]) * vol[rows]
    assert np.all(errors <= bound[rows])
    assert errors.max() > 1e-9  # Among them are some that have lost most of their digits.


def test_every_option_deep_in_the_money_is_solved_or_has_no_time_value_left() -> None:
    quotes = random_quotes(N, seed=4)
    intrinsic = np.abs(quotes.forward - quotes.strike)
    price = quotes.price + intrinsic
    answer = implied_vol(price, quotes.forward, quotes.strike, quotes.expiry, 1.0 - quotes.call)
    without = price == intrinsic
    assert 0.05 < without.mean() < 0.5
    assert np.array_equal(answer.refusal == Refusal.NO_TIME_VALUE, without)
    assert np.array_equal(answer.refusal == Refusal.NONE, ~without)


@pytest.mark.parametrize("name", [*SETS, "in-the-money"])
def test_numpy_twin_agrees_with_the_kernel_to_rounding(name: str) -> None:
    quotes = SETS[name] if name in SETS else SETS["random"].in_the_money()
    kernel, twin = np.empty(len(quotes.vol)), np.empty(len(quotes.vol))
    _implied_vol.solve(quotes.quote, kernel)
    _implied_vol.solve_numpy(quotes.quote, twin)
    assert np.array_equal(np.isnan(kernel), np.isnan(twin))
    done = ~np.isnan(kernel)
    assert np.abs(kernel[done] / twin[done] - 1.0).max(initial=0.0) < 20.0 * EPS


def test_bisection_agrees_with_the_kernel_to_rounding() -> None:
    for name in ("random", "high-vol", "vanishing", "minutes"):
        quotes = few(SETS[name], 500)
        vol = solved(quotes)
        quote = tuple(np.broadcast_to(column, vol.shape) for column in quotes.quote)
        assert np.abs(_implied_vol.bisected(quote) / vol - 1.0).max() < 20.0 * EPS


def kernel_answers(quotes: Quotes) -> FloatArray:
    vol = np.empty(len(quotes.vol))
    _implied_vol.solve(quotes.quote, vol)
    return vol


@pytest.mark.parametrize("name", ["random", "high-vol", "vanishing", "minutes", "up-to-the-bound"])
def test_guess_serves_every_quote_of_the_usual_range(name: str) -> None:
    assert not np.isnan(kernel_answers(SETS[name])).any()


def test_guess_leaves_far_strikes_to_bisection() -> None:
    assert np.isnan(kernel_answers(SETS["far-strikes"])).any()


def test_step_from_a_guess_as_far_off_as_is_accepted_ends_within_rounding() -> None:
    """The bound on the step is what makes one step enough."""
    for name in ("random", "vanishing", "up-to-the-bound", "around-the-seams"):
        quotes = SETS[name]
        terms = _implied_vol.normalised_(quotes.quote)
        s = quotes.vol * np.sqrt(quotes.expiry)
        for off in (1.0 - _implied_vol.STEP_MAX, 1.0 + _implied_vol.STEP_MAX):
            first = s * off
            first = first + first * _implied_vol.step_(
                first, _implied_vol.reach_(first, terms[3]), terms
            )
            second: Any = _implied_vol.step_(first, _implied_vol.reach_(first, terms[3]), terms)
            assert np.abs(second).max() < 20.0 * EPS


def test_price_at_or_above_the_bound_is_invalid_to_the_kernel_too() -> None:
    """Not only because no step from the guess would be short enough."""
    prices = np.array([60_000.0, 60_001.0, 59_999.0])
    row = (prices, *(np.full(3, value) for value in (60_000.0, 70_000.0, 0.5, 1.0, 1.0)))
    valid = _implied_vol.valid_(row, _implied_vol.normalised_(row))
    assert valid.tolist() == [False, False, True]
