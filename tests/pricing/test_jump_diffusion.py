# SPDX-License-Identifier: Apache-2.0
"""Merton's and Kou's laws: published prices, oracles in many digits, and the law they promise."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import gammainc, gammaincc

from tidegate.model.errors import InputError
from tidegate.pricing import black76
from tidegate.pricing.jump_diffusion import (
    JumpDiffusion,
    Kou,
    Merton,
)
from tidegate.pricing.normal_mixture import jump_counts, poisson_weights

DAY = 1 / 365
MERTON = Merton(0.45, 12.0, -0.02, 0.06)
KOU = Kou(0.16, 1.0, 0.4, 10.0, 5.0)
CRASHES = Kou(0.6, 20.0, 0.3, 15.0, 8.0)
LAWS = [MERTON, KOU, CRASHES, Merton(0.8, 3.0, 0.05, 0.25)]

mertons = st.builds(
    Merton,
    vol_annual=st.floats(0.05, 3.0),
    jumps_annual=st.floats(0.0, 60.0),
    jump_mean=st.floats(-0.4, 0.2),
    jump_deviation=st.floats(0.0, 0.3),
)
kous = st.builds(
    Kou,
    vol_annual=st.floats(0.1, 2.0),
    jumps_annual=st.floats(0.0, 50.0),
    up_share=st.floats(0.0, 1.0),
    up_rate=st.floats(2.0, 50.0),
    down_rate=st.floats(2.0, 50.0),
)
laws = st.one_of(mertons, kous)
expiries = st.floats(DAY, 2.0)


# Kou 2002, the example of his section on option pricing: a call of 9.14732 on a spot of 100.
def test_kou_s_published_call_is_met_to_its_last_digit() -> None:
    forward, discount = 100.0 * math.exp(0.05 * 0.5), math.exp(-0.05 * 0.5)
    assert KOU.price(forward, 98.0, 0.5, True, discount) == pytest.approx(9.147317, abs=5e-7)


def exact_merton(law: Merton, forward: float, strike: float, years: float) -> tuple[float, float]:
    """Call and put by the series of Merton 1976, summed to the end in 40 digits."""
    with mpmath.workdps(40):
        vol, rate, mean, deviation = (
            mpmath.mpf(x)
            for x in (law.vol_annual, law.jumps_annual, law.jump_mean, law.jump_deviation)
        )
        ahead, struck, time = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.mpf(years)
        growth = mean + deviation**2 / 2
        weighted = rate * mpmath.exp(growth) * time
        call, weight, count = mpmath.mpf(0), mpmath.exp(-weighted), 0
        while count < weighted or weight > 1e-42:
            drift = -rate * mpmath.expm1(growth) * time + count * growth
            spread = mpmath.sqrt(vol**2 * time + count * deviation**2)
            d1 = (mpmath.log(ahead / struck) + drift) / spread + spread / 2
            paid = struck * mpmath.exp(-drift) * mpmath.ncdf(d1 - spread)
            call += weight * (ahead * mpmath.ncdf(d1) - paid)
            count += 1
            weight *= weighted / count
        return float(call), float(call - ahead + struck)


# 721.7278342102 is what a closed series and a cosine series in float64 shared; in forty digits the
# last of it is 1.
def test_merton_s_golden_call_is_met_to_the_digits_given() -> None:
    price = MERTON.price(1e5, 1.2e5, 30 * DAY, True)
    exact, _ = exact_merton(MERTON, 1e5, 1.2e5, 30 * DAY)
    assert price == pytest.approx(721.7278342102, rel=0, abs=1e-10)
    assert price == pytest.approx(exact, rel=0, abs=1e-11)


@settings(max_examples=25)
@given(mertons, expiries, st.floats(-1.0, 1.0))
def test_merton_s_prices_equal_his_series_in_forty_digits(
    law: Merton, years: float, log_strike: float
) -> None:
    strike, is_call = math.exp(log_strike), log_strike > 0
    call, put = exact_merton(law, 1.0, strike, years)
    # The strike itself is rounded, which a narrow diffusion feels most.
    narrow = law.vol_annual * math.sqrt(years)
    relative = 1e-13 + 1e-14 / narrow * (1 + abs(log_strike) / narrow)
    exact = call if is_call else put
    price = law.price(1.0, strike, years, is_call)
    assert price == pytest.approx(exact, rel=relative, abs=1e-20 * max(1.0, strike))


@settings(max_examples=40)
@given(laws, expiries, st.floats(-2.0, 2.0), st.floats(0.1, 1.0))
def test_put_call_parity_and_bounds_hold(
    law: JumpDiffusion, years: float, log_strike: float, discount: float
) -> None:
    forward, strike = 60_000.0, 60_000.0 * math.exp(log_strike)
    call, put = law.price(forward, strike, years, [True, False], discount)
    scale = discount * max(forward, strike)
    assert call - put == pytest.approx(discount * (forward - strike), rel=0, abs=1e-12 * scale)
    assert discount * max(forward - strike, 0) <= call <= discount * forward * (1 + 1e-14)
    assert discount * max(strike - forward, 0) <= put <= discount * strike * (1 + 1e-14)


@settings(max_examples=40)
@given(st.floats(0.05, 3.0), expiries, st.floats(-1.0, 1.0), st.booleans())
def test_laws_without_jumps_price_as_black_76(
    vol: float, years: float, log_strike: float, is_call: bool
) -> None:
    strike = 100.0 * math.exp(log_strike)
    plain = black76.price(100.0, strike, years, vol, is_call)
    merton = Merton(vol, 0.0, -0.1, 0.2).price(100.0, strike, years, is_call)
    kou = Kou(vol, 0.0, 0.4, 10.0, 5.0).price(100.0, strike, years, is_call)
    assert merton == pytest.approx(plain, rel=1e-13, abs=1e-14 * max(strike, 100.0))
    assert kou == pytest.approx(plain, rel=0, abs=1e-14 * max(strike, 100.0))


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_expired_option_is_worth_its_intrinsic_value(law: JumpDiffusion) -> None:
    assert law.price(100.0, [90.0, 110.0], 0.0, True, 0.5).tolist() == [5.0, 0.0]
    assert law.price(100.0, [90.0, 110.0], 0.0, False, 0.5).tolist() == [0.0, 5.0]


@pytest.mark.parametrize("law", [MERTON, KOU], ids=repr)
@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_option_that_is_none_is_nan_and_its_neighbour_is_priced(
    law: JumpDiffusion, place: int, bad: float | None
) -> None:
    good: list[Any] = [100.0, 110.0, 0.2, 1.0, 0.9]
    rows = [[value, value] for value in good]
    rows[place][0] = bad
    answers = law.price(*rows)
    assert math.isnan(answers[0])
    assert answers[1] == law.price(*good)


@pytest.mark.parametrize(
    ("place", "bad"), [(0, 0.0), (1, 0.0), (4, 0.0), (0, -1.0), (1, -1.0), (2, -1.0), (4, -1.0)]
)
def test_input_of_the_wrong_sign_is_nan(place: int, bad: float) -> None:
    inputs: list[Any] = [100.0, 110.0, 0.2, True, 0.9]
    inputs[place] = bad
    assert math.isnan(MERTON.price(*inputs))


@pytest.mark.parametrize("law", [MERTON, KOU], ids=repr)
def test_strike_beyond_any_option_is_nan(law: JumpDiffusion) -> None:
    assert math.isnan(law.price(1e-60, 1e60, 0.1, True))
    assert math.isnan(law.price(1e300, 1e-300, 0.1, False))


def test_forwards_that_vanish_after_many_crashes_leave_a_put_its_price() -> None:
    law = Merton(0.5, 100.0, -2.0, 0.1)
    _, put = exact_merton(law, 1.0, 0.5, 1.0)
    assert law.price(1.0, 0.5, 1.0, False) == pytest.approx(put, rel=1e-13, abs=0)


@settings(max_examples=60)
@given(laws, st.floats(DAY, 2.0))
def test_forward_is_a_martingale(law: JumpDiffusion, years: float) -> None:
    spread = math.sqrt(law.cumulants(years).variance)
    assert law.log_moment(np.array([1.0]), years)[0] == pytest.approx(
        0.0, abs=1e-13 + 1e-13 * spread
    )


@settings(max_examples=60)
@given(laws, st.floats(DAY, 2.0))
def test_cumulants_are_the_derivatives_of_the_log_moment_at_zero(
    law: JumpDiffusion, years: float
) -> None:
    """Contour integral of the logarithm of the characteristic function, continued to z."""
    angles = 2 * np.pi * (np.arange(64) + 0.5) / 64
    radius = 0.2
    circle = radius * np.exp(1j * angles)
    logs = np.log(law.characteristic(-1j * circle, 0.1)) * years / 0.1
    found = law.cumulants(years)
    for order, cumulant in enumerate(
        (found.mean, found.variance, found.third, found.fourth), start=1
    ):
        exact = math.factorial(order) * np.mean(logs / circle**order).real
        scale = math.factorial(order) * float(np.max(np.abs(logs))) / radius**order
        assert cumulant == pytest.approx(exact, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("years", [10 * DAY, 0.25])
def test_moments_of_the_density_are_the_cumulants(law: JumpDiffusion, years: float) -> None:
    """Trapezium rule on the density; both ends hold nothing."""
    wanted = law.cumulants(years)
    points = np.linspace(-6.0, 5.0, 6_001)
    step = points[1] - points[0]
    mass = law.density(points, years) * step
    mean = float(points @ mass)
    central = [float((points - mean) ** order @ mass) for order in range(5)]
    assert central[0] == pytest.approx(1.0, abs=1e-11)
    assert mean == pytest.approx(wanted.mean, abs=1e-11)
    assert central[2] == pytest.approx(wanted.variance, rel=1e-9, abs=0)
    assert central[3] == pytest.approx(wanted.third, rel=1e-8, abs=0)
    assert central[4] - 3 * central[2] ** 2 == pytest.approx(wanted.fourth, rel=1e-7, abs=0)


def simulated_returns(law: JumpDiffusion, years: float, paths: int) -> np.ndarray:
    """X by its definition: a diffusion, a number of jumps, and each jump drawn by itself."""
    rng = np.random.default_rng(2002)
    counts = rng.poisson(law.jumps_annual * years, paths)
    owner, total = np.repeat(np.arange(paths), counts), int(counts.sum())
    if isinstance(law, Merton):
        jumps = rng.normal(law.jump_mean, law.jump_deviation, total)
        growth = math.exp(law.jump_mean + law.jump_deviation**2 / 2) - 1
    else:
        up = rng.random(total) < law.up_share
        rises = rng.exponential(1 / law.up_rate, total)
        jumps = np.where(up, rises, -rng.exponential(1 / law.down_rate, total))
        growth = law.up_share * law.up_rate / (law.up_rate - 1)
        growth += (1 - law.up_share) * law.down_rate / (law.down_rate + 1) - 1
    drift = -(law.vol_annual**2) / 2 - law.jumps_annual * growth
    noise = law.vol_annual * math.sqrt(years) * rng.standard_normal(paths)
    return drift * years + noise + np.bincount(owner, jumps, paths)


@pytest.mark.parametrize("law", [MERTON, CRASHES], ids=repr)
def test_probabilities_and_prices_agree_with_simulated_jumps(law: JumpDiffusion) -> None:
    years, paths = 0.25, 200_000
    returns = simulated_returns(law, years, paths)
    points = np.linspace(-0.8, 0.8, 17)
    seen = np.array([float(np.mean(returns <= point)) for point in points])
    chances = law.cumulative(points, years)
    error = np.sqrt(chances * (1 - chances) / paths)
    assert np.all(np.abs(seen - chances) < 4.5 * error + 1e-5)
    paid = np.maximum(0.9 - np.exp(returns), 0)
    put = law.price(1.0, 0.9, years, False)
    assert abs(float(np.mean(paid)) - put) < 4.5 * float(np.std(paid)) / math.sqrt(paths)


@settings(max_examples=20)
@given(
    laws,
    st.floats(14 * DAY, 2.0),
    st.lists(st.floats(1e-10, 1 - 1e-10), min_size=1, max_size=20, unique=True),
)
def test_quantile_is_the_inverse_of_the_cumulative_and_increases(
    law: JumpDiffusion, years: float, probabilities: list[float]
) -> None:
    wanted = np.sort(np.array(probabilities))
    found = law.quantile(wanted, years)
    # One ulp of the return moves the probability by the density times that ulp.
    slack = 4e-16 * law.density(found, years) * np.abs(found)
    assert np.all(np.abs(law.cumulative(found, years) - wanted) <= 2e-14 + slack)
    assert np.all(np.diff(found) >= 0)


def test_merton_s_lower_quantiles_are_exact_however_small_the_probability() -> None:
    wanted = np.array([1e-300, 1e-100, 1e-16, 1e-10])
    found = MERTON.quantile(wanted, 0.1)
    assert MERTON.cumulative(found, 0.1) == pytest.approx(wanted, rel=1e-10, abs=0)


def test_scenarios_by_inversion_have_the_law_s_cumulants_and_keep_the_forward() -> None:
    midpoints = (np.arange(20_000) + 0.5) / 20_000
    returns = CRASHES.quantile(midpoints, 7 * DAY)
    cumulants = CRASHES.cumulants(7 * DAY)
    assert np.mean(returns) == pytest.approx(cumulants.mean, abs=2e-5)
    assert np.var(returns) == pytest.approx(cumulants.variance, rel=2e-3, abs=0)
    assert np.mean(np.exp(returns)) == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_quantile_out_of_bounds_is_nan(law: JumpDiffusion) -> None:
    bad = [0.0, 1.0, -0.1, 1.1, math.nan, None]
    assert np.all(np.isnan(law.quantile(bad, 0.1)))
    assert math.isnan(law.quantile(0.5, 0.0))
    assert math.isnan(law.quantile(0.5, math.nan))


def test_kou_s_quantiles_that_rounding_would_decide_are_refused() -> None:
    assert np.isnan(KOU.quantile([9e-11, 1e-10, 1 - 1e-10, 1 - 9e-11], 0.1)).tolist() == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("law", [MERTON, KOU], ids=repr)
def test_law_without_time_has_no_density_and_no_cumulants_before_it(law: JumpDiffusion) -> None:
    assert math.isnan(law.density(0.0, 0.0))
    assert math.isnan(law.cumulative(0.0, -1.0))
    assert math.isnan(law.density(math.inf, 1.0))
    assert law.cumulants(0.0).variance == 0.0
    assert math.isnan(law.cumulants(-1.0).fourth)


@given(st.floats(0.0, 1e5), st.floats(0.1, 10.0))
def test_counts_of_jumps_leave_nothing_out(mean: float, factor: float) -> None:
    other = min(mean * factor, 1e5)
    counts = jump_counts(min(mean, other), max(mean, other))
    for rate in (mean, other):
        assert gammainc(counts[-1] + 1, rate) < 2e-22
        assert counts[0] == 0 or gammaincc(counts[0], rate) < 2e-22


@given(st.floats(0.0, 2_000.0))
@example(5e-324)
def test_poisson_weights_are_exact(mean: float) -> None:
    counts = jump_counts(mean, mean)
    weights = poisson_weights(counts, mean)
    assert np.sum(weights) == pytest.approx(1.0, rel=1e-14, abs=0)
    for count in (counts[0], math.floor(mean), math.floor(mean + math.sqrt(mean)) + 1):
        exact = mpmath.exp(-mpmath.mpf(mean)) * mpmath.mpf(mean) ** int(count)
        exact /= mpmath.factorial(int(count))
        place = int(count - counts[0])
        assert weights[place] == pytest.approx(float(exact), rel=2e-13, abs=1e-30)


def test_prices_of_many_expected_jumps_approach_the_diffusion_of_their_variance() -> None:
    """Ten thousand jumps of a twentieth of a per cent, up or down."""
    law = Merton(0.3, 10_000.0, 0.0, 0.005)
    plain = black76.price(100.0, 105.0, 1.0, math.sqrt(0.3**2 + 10_000 * 0.005**2), True)
    assert law.price(100.0, 105.0, 1.0, True) == pytest.approx(plain, rel=1e-4, abs=0)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ((0.0, 1.0, 0.0, 0.1), "vol_annual"),
        ((-0.5, 1.0, 0.0, 0.1), "vol_annual"),
        ((math.nan, 1.0, 0.0, 0.1), "vol_annual"),
        ((0.5, -1.0, 0.0, 0.1), "jumps_annual"),
        ((0.5, "1", 0.0, 0.1), "jumps_annual"),
        ((0.5, 1.0, 6.0, 0.1), "jump_mean"),
        ((0.5, 1.0, -math.inf, 0.1), "jump_mean"),
        ((0.5, 1.0, 0.0, -0.1), "jump_deviation"),
        ((0.5, 1.0, 0.0, 5.1), "jump_deviation"),
    ],
)
def test_merton_s_parameter_out_of_bounds_is_refused_and_named(
    fields: tuple[float, ...], named: str
) -> None:
    with pytest.raises(InputError, match="expected a finite number") as refusal:
        Merton(*fields)
    assert (refusal.value.where, refusal.value.field) == ("Merton law", named)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ((0.0, 1.0, 0.5, 10.0, 5.0), "vol_annual"),
        ((0.5, -1.0, 0.5, 10.0, 5.0), "jumps_annual"),
        ((0.5, 1.0, 1.1, 10.0, 5.0), "up_share"),
        ((0.5, 1.0, -0.1, 10.0, 5.0), "up_share"),
        ((0.5, 1.0, 0.5, 1.0, 5.0), "up_rate"),
        ((0.5, 1.0, 0.5, 10.0, 0.0), "down_rate"),
        ((0.5, 1.0, 0.5, 10.0, math.nan), "down_rate"),
    ],
)
def test_kou_s_parameter_out_of_bounds_is_refused_and_named(
    fields: tuple[float, ...], named: str
) -> None:
    with pytest.raises(InputError, match="expected a finite number") as refusal:
        Kou(*fields)
    assert (refusal.value.where, refusal.value.field) == ("Kou law", named)


@pytest.mark.parametrize(
    ("law", "named"),
    [
        (Merton(0.5, 2e5, 0.0, 0.01), "jumps_annual"),
        (Merton(0.5, 100.0, 2.0, 0.1), "jump_mean"),
        (Merton(1e-16, 1.0, 0.0, 0.1), "vol_annual"),
        (Kou(1e-5, 1.0, 0.4, 10.0, 5.0), "vol_annual"),
        (Kou(1e-16, 1.0, 0.4, 10.0, 5.0), "vol_annual"),
    ],
)
def test_expiry_at_which_a_law_does_not_converge_is_refused_in_one_line(
    law: JumpDiffusion, named: str
) -> None:
    for ask in (
        lambda: law.price(100.0, 100.0, 1.0, True),
        lambda: law.density(0.0, 1.0),
        lambda: law.quantile(0.5, 1.0),
    ):
        with pytest.raises(InputError) as refusal:
            ask()
        assert refusal.value.field == named
        assert "\n" not in str(refusal.value)


def test_parameters_of_single_precision_become_plain_floats() -> None:
    law = Merton(np.float32(0.5), np.int64(12), np.float32(-0.25), np.float32(0.125))
    assert law == Merton(0.5, 12.0, -0.25, 0.125)
    assert type(law.jumps_annual) is float


@pytest.mark.parametrize("law", [MERTON, KOU], ids=repr)
def test_what_comes_out_is_of_the_kind_that_went_in(law: JumpDiffusion) -> None:
    strikes = [90.0, 100.0, 110.0]
    wanted = [law.price(100.0, strike, 0.1, True) for strike in strikes]
    assert all(type(price) is float for price in wanted)
    prices = law.price(100.0, strikes, 0.1, True)
    assert isinstance(prices, np.ndarray)
    assert prices.tolist() == pytest.approx(wanted, rel=0, abs=1e-12)
    series = law.price(100.0, pd.Series(strikes, index=["a", "b", "c"], name="K"), 0.1, True)
    assert isinstance(series, pd.Series)
    assert series.to_dict() == pytest.approx(
        dict(zip("abc", wanted, strict=True)), rel=0, abs=1e-12
    )
    frame = law.price(100.0, pl.Series("K", strikes), 0.1, pl.Series("K", [True] * 3))
    assert isinstance(frame, pl.Series)
    assert frame.to_list() == pytest.approx(wanted, rel=0, abs=1e-12)
    assert type(law.quantile(0.5, 0.1)) is float
    assert isinstance(law.density(pl.Series("x", [0.0]), 0.1), pl.Series)
    assert isinstance(law.cumulative(pd.Series([0.0]), 0.1), pd.Series)
    assert isinstance(law.cumulants([0.1, 0.2]).mean, np.ndarray)


@pytest.mark.parametrize("law", [MERTON, KOU], ids=repr)
def test_strikes_broadcast_against_expiries_and_calls_against_puts(law: JumpDiffusion) -> None:
    strikes = np.array([[90.0], [110.0]])
    years = np.array([0.05, 0.5, 1.5])
    table = law.price(100.0, strikes, years, np.array([True, False, True]), 0.95)
    assert table.shape == (2, 3)
    assert table[1, 1] == pytest.approx(law.price(100.0, 110.0, 0.5, False, 0.95), rel=1e-13, abs=0)
    assert law.cumulants(years).variance.shape == (3,)
    with pytest.raises(InputError, match="shapes"):
        law.price([1.0, 2.0], [1.0, 2.0, 3.0], 0.1, True)


@pytest.mark.parametrize("side", [-1, 2, 0.5])
def test_side_that_is_neither_call_nor_put_has_no_price(side: float) -> None:
    law = Merton(0.5, 1.0, 0.0, 0.1)
    assert math.isnan(law.price(100_000.0, 120_000.0, 30 / 365, side))
