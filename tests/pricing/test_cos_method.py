# SPDX-License-Identifier: Apache-2.0
"""The cosine series keeps its bounds: against closed series, Fourier integrals and its refusals."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr

from tidegate.model.errors import InputError
from tidegate.pricing import cos_method
from tidegate.pricing.cos_method import NEGLECTED_MAX, CosineSeries, in_blocks, support
from tidegate.pricing.jump_diffusion import Kou, Merton

DAY = 1 / 365

mertons = st.builds(
    Merton,
    vol_annual=st.floats(0.05, 3.0),
    jumps_annual=st.floats(0.0, 50.0),
    jump_mean=st.floats(-0.5, 0.3),
    jump_deviation=st.floats(0.0, 0.5),
)
expiries = st.floats(DAY / 4, 3.0)
LOG_STRIKES = np.concatenate((np.linspace(-2.0, 2.0, 41), [-30.0, -8.0, 8.0, 30.0]))


@settings(max_examples=30)
@example(Merton(1.0, 40.0, -0.5, 0.0), 2.0)
@given(mertons, expiries)
def test_series_of_merton_s_law_equals_his_closed_one(law: Merton, years: float) -> None:
    closed, series = law.at(years), CosineSeries.of(law, years)
    deviation = math.sqrt(law.diffusion_variance(years))
    points = np.concatenate((LOG_STRIKES, np.linspace(-8 * deviation, 8 * deviation, 33)))
    missed = series.out_of_the_money(points) - closed.out_of_the_money(points)
    bound = 5e-15 + 5e-16 * law.jumps_annual * years
    assert np.max(np.abs(missed) / np.maximum(np.exp(points), 1.0)) < bound
    missed = series.cumulative(points) - closed.cumulative(points)
    assert np.max(np.abs(missed)) < 2 * series.rounding
    missed = series.density(points) - closed.density(points)
    assert np.max(np.abs(missed)) < 20 * series.rounding / deviation


@settings(max_examples=40)
@given(mertons, expiries)
def test_range_leaves_less_than_its_tail_on_either_side(law: Merton, years: float) -> None:
    low, high = support(law, years, math.log(NEGLECTED_MAX))
    mixture = law.at(years)
    assert mixture.cumulative(np.array([low]))[0] <= NEGLECTED_MAX
    logs = log_ndtr((mixture.means - high) / np.sqrt(mixture.variances))
    assert float(mixture.weights @ np.exp(logs)) <= NEGLECTED_MAX


def test_range_of_a_normal_law_is_chernoff_s() -> None:
    law = Merton(0.5, 0.0, 0.0, 0.0)
    low, high = support(law, 1.0, math.log(NEGLECTED_MAX))
    reach = 0.5 * math.sqrt(-2 * math.log(NEGLECTED_MAX))
    assert low == pytest.approx(-0.125 - reach, rel=1e-3, abs=0)
    assert high == pytest.approx(-0.125 + reach, rel=1e-3, abs=0)


def fourier_puts(law: Kou, log_strikes: list[float], years: float) -> list[float]:
    """Puts per forward by an integral of the characteristic function (Lewis 2001), with the law
    written out anew in 30 digits.

    The trapezium rule's error is exp(-2 pi 0.5 / step), as the integrand is analytic up to 0.5 i.
    """
    with mpmath.workdps(30):
        fields = (law.vol_annual, law.jumps_annual, law.up_share, law.up_rate, law.down_rate)
        vol, rate, share, up, down = (mpmath.mpf(field) for field in fields)
        time, step = mpmath.mpf(years), mpmath.mpf("0.07")
        growth = share * up / (up - 1) + (1 - share) * down / (down + 1) - 1
        drift = -(vol**2) / 2 - rate * growth
        calls = [mpmath.mpf(0)] * len(log_strikes)
        for place in range(int(mpmath.sqrt(90 / time) / vol / step)):
            u = place * step
            w = mpmath.mpc(0.5, u)
            jump = share * up / (up - w) + (1 - share) * down / (down + w) - 1
            moment = mpmath.exp(time * (w * drift + (vol * w) ** 2 / 2 + rate * jump))
            moment *= step / (u**2 + 0.25) / (2 if place == 0 else 1)
            for index, k in enumerate(log_strikes):
                calls[index] += (mpmath.expj(-u * k) * moment).real
        strikes = [mpmath.exp(mpmath.mpf(k)) for k in log_strikes]
        return [
            float(strike - mpmath.sqrt(strike) * call / mpmath.pi)
            for strike, call in zip(strikes, calls, strict=True)
        ]


@pytest.mark.parametrize(
    ("law", "years"),
    [
        (Kou(0.16, 1.0, 0.4, 10.0, 5.0), 0.5),
        (Kou(0.6, 20.0, 0.5, 15.0, 12.0), 7 * DAY),
        (Kou(0.3, 5.0, 0.3, 1.5, 2.0), 0.25),
        (Kou(0.8, 100.0, 0.0, 3.0, 25.0), 1.0),
        (Kou(0.4, 50.0, 1.0, 30.0, 0.7), 30 * DAY),
    ],
)
def test_series_of_kou_s_law_equals_the_fourier_integral(law: Kou, years: float) -> None:
    log_strikes = [-0.5, -0.05, 0.0, 0.05, 0.5]
    puts = np.array(fourier_puts(law, log_strikes, years))
    points = np.array(log_strikes)
    series = CosineSeries.of(law, years)
    assert series.put(points) == pytest.approx(puts, rel=0, abs=4e-15)
    calls = puts + 1 - np.exp(points)
    otm = np.where(points > 0, calls, puts)
    assert series.out_of_the_money(points) == pytest.approx(otm, rel=0, abs=4e-15)


def test_range_from_four_cumulants_would_misprice_where_ours_does_not() -> None:
    """Rare large crashes: the usual ten times (c2 + sqrt(c4))^(1/2) cuts off part of the tail."""
    law, years = Kou(0.1, 0.001, 0.0, 10.0, 0.5), 0.1
    cumulants = law.cumulants(years)
    reach = 10 * math.sqrt(cumulants.variance + math.sqrt(cumulants.fourth))
    low, _ = support(law, years, math.log(NEGLECTED_MAX))
    series = CosineSeries.of(law, years)
    lost = series.cumulative(np.array([cumulants.mean - reach]))[0]
    assert lost > 1e-8 > NEGLECTED_MAX
    assert low < cumulants.mean - reach
    (put,) = fourier_puts(law, [-1.5], years)
    assert series.put(np.array([-1.5]))[0] == pytest.approx(put, rel=0, abs=1e-15)


@pytest.mark.parametrize("years", [DAY, 30 * DAY, 2.0])
def test_twice_the_terms_change_nothing_and_a_third_of_them_do(
    years: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    law = Kou(0.3, 5.0, 0.3, 4.0, 3.0)
    deviation = math.sqrt(law.diffusion_variance(years))
    points = np.linspace(-6, 6, 50) * deviation
    needed = CosineSeries.of(law, years)
    monkeypatch.setattr(cos_method, "_terms_needed", lambda *_: 2 * needed.weights.size)
    twice = CosineSeries.of(law, years)
    monkeypatch.setattr(cos_method, "_terms_needed", lambda *_: needed.weights.size // 3)
    third = CosineSeries.of(law, years)
    assert np.max(np.abs(needed.put(points) - twice.put(points))) < 3e-15
    assert np.max(np.abs(needed.cumulative(points) - twice.cumulative(points))) < 1e-14
    assert np.max(np.abs(needed.cumulative(points) - third.cumulative(points))) > 1e-8


@settings(max_examples=15)
@given(
    st.builds(
        Kou,
        vol_annual=st.floats(0.1, 2.0),
        jumps_annual=st.floats(0.0, 50.0),
        up_share=st.floats(0.0, 1.0),
        up_rate=st.floats(1.2, 50.0),
        down_rate=st.floats(0.3, 50.0),
    ),
    st.floats(DAY, 1.0),
)
def test_puts_are_convex_within_their_bounds_and_their_slope_is_the_probability(
    law: Kou, years: float
) -> None:
    series = CosineSeries.of(law, years)
    points = np.log(np.linspace(0.2, 3.0, 57))
    puts, strikes = series.put(points), np.exp(points)
    assert np.all(puts >= np.maximum(strikes - 1, 0))
    assert np.all(puts <= strikes)
    slopes = np.diff(puts) / np.diff(strikes)
    assert np.all(np.diff(slopes) > -1e-12)
    chances = series.cumulative(points)
    assert np.all(slopes >= chances[:-1] - 1e-12)
    assert np.all(slopes <= chances[1:] + 1e-12)


def test_density_integrates_to_the_cumulative_and_to_one() -> None:
    series = CosineSeries.of(Kou(0.5, 10.0, 0.4, 8.0, 6.0), 0.1)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    for end in (-0.3, 0.0, 0.2, series.high):
        edges = np.linspace(series.low, end, 101)
        half = 0.5 * (edges[1] - edges[0])
        points = np.add.outer(edges[:-1] + half, half * nodes)
        density = series.density(points.ravel()).reshape(points.shape)
        integral = half * float(np.sum(density @ weights))
        assert integral == pytest.approx(float(series.cumulative(np.array([end]))[0]), abs=1e-13)
    assert series.cumulative(np.array([series.low, series.high])).tolist() == pytest.approx(
        [0.0, 1.0], abs=1e-15
    )


def test_outside_the_range_density_is_zero_and_a_put_gains_what_its_strike_gains() -> None:
    series = CosineSeries.of(Kou(0.5, 10.0, 0.4, 8.0, 6.0), 0.1)
    outside = np.array([series.low - 1, series.high + 1])
    assert series.density(outside).tolist() == [0.0, 0.0]
    assert series.cumulative(outside).tolist() == pytest.approx([0.0, 1.0], abs=1e-15)
    puts = series.put(outside)
    assert puts[0] == 0.0
    assert puts[1] == pytest.approx(math.exp(outside[1]) - 1, rel=1e-15, abs=0)


def test_narrow_diffusion_in_a_wide_range_keeps_its_digits() -> None:
    """x - a would lose them: there the probability is 1e-13 off."""
    law, years = Merton(0.05, 3.0, -0.1, 0.5), DAY / 24
    series = CosineSeries.of(law, years)
    deviation = math.sqrt(law.diffusion_variance(years))
    points = np.linspace(-3, 3, 101) * deviation
    missed = series.cumulative(points) - law.at(years).cumulative(points)
    assert series.high - series.low > 1e4 * deviation
    assert np.max(np.abs(missed)) < 3e-14


def test_put_of_a_minute_keeps_the_digits_of_its_small_value() -> None:
    """Its range is so narrow that parts of the payoff's constant are a thousand times the put."""
    law, years = Merton(0.05, 0.0, 0.0, 0.0), DAY / 1440
    deviation = math.sqrt(law.diffusion_variance(years))
    points = np.linspace(-2, 2, 41) * deviation
    series, closed = CosineSeries.of(law, years), law.at(years)
    missed = series.out_of_the_money(points) - closed.out_of_the_money(points)
    assert np.max(np.abs(missed)) < 1e-15


@pytest.mark.parametrize("years", [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
def test_density_far_outside_the_range_is_zero_and_no_rounding(years: float) -> None:
    law = Kou(0.5, 10.0, 0.4, 8.0, 6.0)
    assert CosineSeries.of(law, years).density(np.array([-99.0, 99.0])).tolist() == [0.0, 0.0]


def test_blocks_hold_no_more_elements_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cos_method, "BLOCK_ELEMENTS", 100)
    sizes: list[int] = []

    def block(part: np.ndarray) -> np.ndarray:
        sizes.append(part.size)
        return part**2

    points = np.arange(25.0)
    assert in_blocks(block, points, terms=30).tolist() == (points**2).tolist()
    assert sizes == [3] * 8 + [1]
    assert in_blocks(block, points, terms=1_000).tolist() == (points**2).tolist()


def test_points_in_blocks_are_as_points_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    series = CosineSeries.of(Kou(0.5, 10.0, 0.4, 8.0, 6.0), 0.1)
    points = np.linspace(-1, 1, 23)
    at_once = series.put(points)
    monkeypatch.setattr(cos_method, "BLOCK_ELEMENTS", 5 * series.weights.size)
    assert series.put(points) == pytest.approx(at_once, abs=1e-15)
    assert series.put(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("vol", [1e-3, 1e-9])
def test_law_too_narrow_for_the_series_is_refused_in_one_line(vol: float) -> None:
    law = Kou(vol, 1.0, 0.4, 10.0, 5.0)
    with pytest.raises(InputError, match="262144 cosine terms") as refusal:
        CosineSeries.of(law, 1e-6)
    assert refusal.value.where == "Kou law"
    assert refusal.value.field == "vol_annual"
    assert "\n" not in str(refusal.value)
