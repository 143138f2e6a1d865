# SPDX-License-Identifier: Apache-2.0
"""Elementary functions, compiled and in numpy, against mpmath; and their coefficients, again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from tidegate.pricing import _elementary, _implied_vol
from tidegate.pricing._elementary import (
    erfcx_,
    exp_,
    log_,
    log_ratio_,
    mills_,
    normal_cdf_,
    normal_density_,
)
from tidegate.pricing._kernels import inner

RANDOM = np.random.default_rng(76)


def mp_mills(y: Any) -> Any:
    return mpmath.sqrt(mp.pi / 2) * mpmath.exp(y * y / 2) * mpmath.erfc(y / mpmath.sqrt(2))


def mp_erfcx(x: Any) -> Any:
    return mpmath.exp(x * x) * mpmath.erfc(x)


@inner
def compiled_exp(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = exp_(x[i])


@inner
def compiled_log(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = log_(x[i])


@inner
def compiled_mills(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = mills_(x[i])


@inner
def compiled_erfcx(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = erfcx_(x[i])


@inner
def compiled_density(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = normal_density_(x[i])


@inner
def compiled_cdf(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = normal_cdf_(x[i])


@inner
def compiled_log_ratio(a: Any, b: Any, out: Any) -> None:
    for i in range(len(a)):
        out[i] = log_ratio_(a[i], b[i])


COMPILED = {
    exp_: compiled_exp,
    log_: compiled_log,
    mills_: compiled_mills,
    erfcx_: compiled_erfcx,
    normal_density_: compiled_density,
    normal_cdf_: compiled_cdf,
}


def both(function: Any, x: Any) -> list[Any]:
    """The answers of the compiled and of the numpy form."""
    out = np.empty_like(x)
    COMPILED[function](x, out)
    return [out, function(x)]


def ulps(got: Any, exact: list[Any]) -> Any:
    """Errors in units of the last place of the exact value."""
    units = np.spacing(np.abs(np.array([float(value) for value in exact])))
    return np.array(
        [
            float(abs(mpf(float(a)) - b) / mpf(float(unit)))
            for a, b, unit in zip(got, exact, units, strict=True)
        ]
    )


WIDE = np.concatenate([RANDOM.uniform(-707.9, 709.7, 600), RANDOM.uniform(-2.0, 2.0, 600)])
POSITIVE = np.concatenate(
    [
        np.exp(RANDOM.uniform(-740.0, 709.0, 400)),
        RANDOM.uniform(0.5, 2.0, 400),
        1.0 + RANDOM.uniform(-1.0, 1.0, 200) * 10.0 ** RANDOM.uniform(-16.0, -3.0, 200),
    ]
)
TAILS = np.exp(RANDOM.uniform(-12.0, 8.0, 600))
SIGNED = np.concatenate([RANDOM.uniform(-6.0, 6.0, 600), RANDOM.uniform(-37.0, 37.0, 300)])


def square_ulps(x: Any) -> Any:
    return 1.0 + 0.5 * x * x


# Each with its range, the exact function, and the bound in ulp that its docstring states.
ACCURACY: list[tuple[Any, Any, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (exp_, WIDE, mpmath.exp, lambda x: 1.0),
    (log_, POSITIVE, mpmath.log, lambda x: 1.0),
    (mills_, TAILS, mp_mills, lambda x: 7.0),
    (erfcx_, np.concatenate([TAILS, [0.0]]), mp_erfcx, lambda x: 9.0),
    (erfcx_, -RANDOM.uniform(0.0, 26.0, 300), mp_erfcx, lambda x: 9.0 + 2.0 * x * x),
    (normal_density_, SIGNED, mpmath.npdf, lambda x: 1.5 + square_ulps(x)),
    (normal_cdf_, SIGNED, mpmath.ncdf, lambda x: 8.0 + square_ulps(x)),
]


@pytest.mark.parametrize(
    ("function", "x", "exact", "bound"),
    ACCURACY,
    ids=["exp", "log", "mills", "erfcx", "erfcx-negative", "density", "cdf"],
)
def test_function_against_mpmath_is_within_the_ulps_that_it_states(
    function: Any, x: Any, exact: Any, bound: Any
) -> None:
    with mp.workdps(40):
        expected = [exact(mpf(float(value))) for value in x]
        for got in both(function, x):
            excess = ulps(got, expected) / bound(x)
            assert excess.max() <= 1.0, (x[excess.argmax()], excess.max())


def test_log_of_a_ratio_against_mpmath_is_within_two_ulp_also_of_near_numbers() -> None:
    b = np.exp(RANDOM.uniform(-200.0, 200.0, 900))
    a = np.exp(RANDOM.uniform(-200.0, 200.0, 900))
    a[300:600] = b[300:600] * RANDOM.uniform(0.4, 2.5, 300)
    a[600:] = b[600:] * (1.0 + RANDOM.uniform(-1.0, 1.0, 300) * 1e-9)
    out = np.empty_like(a)
    compiled_log_ratio(a, b, out)
    with mp.workdps(40):
        expected = [mpmath.log(mpf(float(x)) / mpf(float(y))) for x, y in zip(a, b, strict=True)]
        for got in (out, log_ratio_(a, b)):
            assert ulps(got, expected).max() <= 2.0


INF, NAN = np.inf, np.nan
SPECIAL = [
    (exp_, [NAN, INF, -INF, 0.0, -708.1, 709.79], [NAN, INF, 0.0, 1.0, 0.0, INF]),
    (log_, [NAN, INF, -INF, 0.0, -1.0, 1.0], [NAN, INF, NAN, -INF, NAN, 0.0]),
    (mills_, [NAN, INF, 0.0], [NAN, 0.0, np.sqrt(np.pi / 2.0)]),
    (erfcx_, [NAN, INF, -INF, 0.0, -27.0], [NAN, 0.0, INF, 1.0, INF]),
    (normal_density_, [NAN, INF, -INF, 0.0], [NAN, 0.0, 0.0, 1.0 / np.sqrt(2.0 * np.pi)]),
    (normal_cdf_, [NAN, INF, -INF, 0.0], [NAN, 1.0, 0.0, 0.5]),
]


@pytest.mark.parametrize(
    ("function", "x", "expected"), SPECIAL, ids=["exp", "log", "mills", "erfcx", "density", "cdf"]
)
def test_function_at_nan_infinity_and_the_ends_of_its_range_keeps_their_meaning(
    function: Any, x: list[float], expected: list[float]
) -> None:
    for got in both(function, np.array(x)):
        np.testing.assert_allclose(got, expected, rtol=1e-15, atol=0.0)


def test_exponential_and_distribution_on_a_fine_grid_fall_by_no_more_than_rounding() -> None:
    for function in (exp_, normal_cdf_):
        for got in both(function, np.linspace(-8.0, 8.0, 100_001)):
            assert np.all(np.diff(got) >= -4e-16 * got[1:])


# The coefficients, from what they interpolate.


def interpolant(function: Callable[[Any], Any], span: tuple[Any, Any], terms: int) -> list[float]:
    """Coefficients of the polynomial through `function` at Chebyshev points of the span."""
    with mp.workdps(50):
        low, high = span
        angles = [mp.pi * (2 * k + 1) / (2 * terms) for k in range(terms)]
        points = [(low + high) / 2 + (high - low) / 2 * mpmath.cos(angle) for angle in angles]
        powers = mpmath.matrix([[point**power for power in range(terms)] for point in points])
        values = mpmath.matrix([function(point) for point in points])
        return [float(value) for value in mpmath.lu_solve(powers, values)]


def mills_series(shift: Any, least: Any) -> Callable[[Any], Any]:
    """(M(y) / u - 1) / (w u) on y >= least, u = 1 / (y + shift), as function of v = w u - 1."""
    width = 2 * (shift + least)

    def series(v: Any) -> Any:
        u = (v + 1) / width
        return (mp_mills(1 / u - shift) / u - 1) / (v + 1)

    return series


def same(got: tuple[float, ...], expected: list[float]) -> None:
    np.testing.assert_allclose(got, expected, rtol=2e-16, atol=0.0)


def test_coefficients_of_the_exponential_are_the_interpolant_of_its_remainder() -> None:
    with mp.workdps(50):
        half = mpmath.log(2) / 2
        same(
            _elementary._EXP,
            interpolant(lambda r: 2 * (mpmath.exp(r) - 1 - r) / r**2, (-half, half), 10),
        )


def test_coefficients_of_the_logarithm_are_the_interpolant_of_its_remainder() -> None:
    def remainder(z: Any) -> Any:
        s = mpmath.sqrt(z)
        return (2 * mpmath.atanh(s) - 2 * s) / s**3

    with mp.workdps(50):
        same(_elementary._ATANH, interpolant(remainder, (mpf(0), mpf("0.0401")), 8))


def test_coefficients_of_mills_ratio_are_the_interpolant_of_its_remainder() -> None:
    with mp.workdps(50):
        one = mpf(1)
        same(_elementary._MILLS, interpolant(mills_series(mpf(5), mpf(0)), (-one, one), 22))
        extended = interpolant(mills_series(mpf(5), mpf("-0.5")), (-one, one), 24)
        same(_implied_vol._MILLS, extended)
