# SPDX-License-Identifier: Apache-2.0
"""The mixture of two eSSVI regimes: kernel, twin, and the exact smile in many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.pricing import _essvi
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.essvi import Parameters


def columns(size: int, seed: int = 3) -> FloatArray:
    """k, and the parameters of two regimes that hold no butterfly, from hours to years."""
    rng = np.random.default_rng(seed)
    years = 10.0 ** rng.uniform(-4.0, 0.5, size)
    k = rng.uniform(-1.5, 1.5, size)
    k[::10] *= np.sqrt(years[::10])
    k[::50] = 0.0
    theta = rng.uniform(0.2, 1.5, size) ** 2 * years
    ratio = np.exp(rng.uniform(-0.5, 1.2, size))
    wings = rng.uniform(0.05, 1.2, (4, size)) * np.sqrt(theta)
    wings[2:] *= np.sqrt(ratio)
    return np.stack([k, theta, wings[0], wings[1], theta * ratio, wings[2], wings[3]])


@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
@pytest.mark.parametrize("size", [1, _essvi.BLOCK, 1000])
def test_kernel_equals_its_numpy_twin(size: int, share: float) -> None:
    inputs = columns(size)
    rows = np.empty((_essvi.OUTPUTS, size))
    _essvi.smiles(inputs, share, rows)
    twin = _essvi.twin(inputs, share)
    assert rows[0] == pytest.approx(twin[0], rel=1e-12, abs=0.0)
    assert rows[1] == pytest.approx(twin[1], rel=3e-12, abs=0.0)
    assert rows[2] == pytest.approx(twin[2], rel=1e-9, abs=1e-12)
    assert rows[3] == pytest.approx(twin[3], rel=1e-10, abs=1e-12)


def black(k: mpmath.mpf, w: mpmath.mpf) -> mpmath.mpf:
    """Undiscounted out-of-the-money value over the forward."""
    s = mpmath.sqrt(w)
    d1 = -k / s + s / 2
    sign = 1 if k >= 0 else -1
    return sign * (mpmath.ncdf(sign * d1) - mpmath.exp(k) * mpmath.ncdf(sign * (d1 - s)))


def exact_variance(column: FloatArray, share: float, k: mpmath.mpf) -> mpmath.mpf:
    """The root of Black(k, w) = the mixture's value, by the logarithm of value or of rest."""
    w = []
    for theta, put, call in (column[1:4], column[4:7]):
        a = mpmath.mpf(theta) + (mpmath.mpf(call) - mpmath.mpf(put)) / 2 * k
        w.append((a + mpmath.sqrt(a * a + mpmath.mpf(put) * mpmath.mpf(call) * k * k)) / 2)
    if w[0] == w[1]:
        return w[0]
    value = (1 - share) * black(k, w[0]) + share * black(k, w[1])
    bound = min(mpmath.mpf(1), mpmath.exp(k))

    def miss(x: mpmath.mpf) -> mpmath.mpf:
        if value < bound / 2:
            return mpmath.log(black(k, x) / value)
        return mpmath.log((bound - black(k, x)) / (bound - value))

    return mpmath.findroot(miss, (min(w), max(w)), solver="anderson", tol=1e-60, maxsteps=200)


def test_total_variance_slope_and_g_are_those_of_the_exact_mixture() -> None:
    inputs, share = columns(25, seed=8), 0.25
    rows = np.empty((_essvi.OUTPUTS, 25))
    _essvi.smiles(inputs, share, rows)
    with mpmath.workdps(60):
        for n in range(25):
            k = mpmath.mpf(inputs[0, n])
            h = mpmath.mpf(10) ** -12 * (1 if inputs[0, n] >= 0 else -1)
            left, w, right = (exact_variance(inputs[:, n], share, k + i * h) for i in (0, 1, 2))
            slope, bend = (right - left) / (2 * h), (right - 2 * w + left) / (h * h)
            at = k + h
            g = (1 - at * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + bend / 2
            assert rows[1, n] == pytest.approx(float(left), rel=1e-12)
            assert rows[2, n] == pytest.approx(float(slope), rel=1e-8, abs=1e-9)
            assert rows[3, n] == pytest.approx(float(g), rel=1e-8, abs=1e-9)


def test_value_is_the_mixture_of_the_regimes_values() -> None:
    inputs, share = columns(30, seed=5), 0.25
    rows = np.empty((_essvi.OUTPUTS, 30))
    _essvi.smiles(inputs, share, rows)
    for n, k in enumerate(inputs[0]):
        w = [float(Parameters(*inputs[row : row + 3, n]).total_variance(k)) for row in (1, 4)]
        with mpmath.workdps(40):
            low, high = (black(mpmath.mpf(k), mpmath.mpf(part)) for part in w)
            want = float((1 - share) * low + share * high)
        # Of nearly equal Mills ratios a difference is left, about w / |k| of them.
        lost = 2e-12 + 4e-15 * abs(k) / rows[1, n]
        assert rows[0, n] == pytest.approx(want, rel=lost, abs=1e-300)


def test_regime_that_is_worth_its_bound_does_not_spoil_the_other() -> None:
    """With a share of 1/4 at the bound 1, the mixture is 3/4 of the low regime plus 1/4."""
    k, ones = np.array([-1.0, 0.0, 1.0]), np.ones(3)
    inputs = np.stack([k, *(x * ones for x in (0.04, 0.1, 0.1, 9000.0, 1.5, 3.5))])
    rows = np.empty((_essvi.OUTPUTS, 3))
    _essvi.smiles(inputs, 0.25, rows)
    with mpmath.workdps(40):
        for n in range(3):
            bound = min(1.0, float(mpmath.exp(k[n])))
            w = float(Parameters(*inputs[1:4, n]).total_variance(k[n]))
            low = black(mpmath.mpf(k[n]), mpmath.mpf(w))
            assert rows[0, n] == pytest.approx(float(0.75 * low) + 0.25 * bound, rel=1e-12)
            again = black(mpmath.mpf(k[n]), mpmath.mpf(float(rows[1, n])))
            assert float(again) == pytest.approx(rows[0, n], rel=1e-12)


@pytest.mark.parametrize("vol", [5.0, 10.0, 30.0])
def test_variance_is_found_where_options_are_worth_nearly_their_bound(vol: float) -> None:
    k = np.linspace(-1.5, 1.5, 7)
    ones = np.ones(7)
    w = vol**2 * ones
    inputs = np.stack([k, w, 1.5 * ones, ones, 1.3 * w, 2.0 * ones, 1.5 * ones])
    rows = np.empty((_essvi.OUTPUTS, 7))
    _essvi.smiles(inputs, 0.25, rows)
    with mpmath.workdps(500):
        for n in range(7):
            want = exact_variance(inputs[:, n], 0.25, mpmath.mpf(k[n]))
            assert rows[1, n] == pytest.approx(float(want), rel=1e-12)
    assert np.all(rows[3] >= 0.0)


@settings(max_examples=50)
@given(st.floats(-1.5, 1.5), st.floats(-0.5, 0.5))
def test_shifted_smile_keeps_variance_and_renews_value_and_g(k: float, move: float) -> None:
    inputs = columns(1)
    rows = np.empty((_essvi.OUTPUTS, 1))
    inputs[0] = k + move
    _essvi.smiles(inputs, 0.25, rows)
    moved = _essvi.shifted(rows, inputs[0], np.array([k]))
    back = _essvi.shifted(moved, np.array([k]), inputs[0])
    assert np.array_equal(moved[1:3], rows[1:3])
    assert back[3] == pytest.approx(rows[3], rel=1e-9, abs=1e-9)
    want = float(black(mpmath.mpf(k), mpmath.mpf(float(rows[1, 0]))))
    assert moved[0, 0] == pytest.approx(want, rel=1e-9, abs=1e-300)
