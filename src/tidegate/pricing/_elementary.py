# SPDX-License-Identifier: Apache-2.0
"""Elementary functions without branches: one text, for numpy arrays and for compiled loops.

Each function below is ordinary numpy code, and so its own twin. Called inside a function that
numba compiles it takes one float64 instead, holds nothing but arithmetic and selections, and is
inlined, so that LLVM turns a loop over it into AVX2 or AVX-512 instructions. AVX2 knows neither
an arithmetic shift of 64 bits nor a conversion between 64-bit integers and floats: exponents are
therefore moved by logical shifts and by adding 1.5 * 2**52 (or 2**52), whose last bits then hold
the integer.

The coefficients interpolate at Chebyshev points of the interval that each function names, in 50
digits, then rounded; tests/pricing/test_elementary.py computes them again and compares.

A kernel that calls these is compiled with the options of `_kernels.KERNEL`: contraction to fused
multiply-add and free signs of zero, but NaN and infinity keep their meaning, and sums keep their
order. In numpy call them with arrays of at least one dimension. Errors are in units of the last
place (ulp) of the result, for the compiled and the numpy form, measured against mpmath.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from tidegate.pricing._kernels import INLINE

# ln 2 in two parts; the first has 40 bits, so that its product with an exponent is exact.
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fefa2000p-1"), 7.371002565167799e-13
LOG2_E = 1.4426950408889634
INV_SQRT_2PI, SQRT_2PI = 0.3989422804014327, 2.5066282746310002
SQRT_2, SQRT_2_OVER_PI = 1.4142135623730951, 0.7978845608028654
INFINITY, NOT_A_NUMBER = np.inf, np.nan

# Adding it rounds to an integer, which the last bits of the sum then hold.
ROUNDER = 1.5 * 2.0**52
# 2**52 as a float, and its bits: with an integer below 2**52 in the last bits it is 2**52 + that.
TWO_52 = 2.0**52
TWO_52_BITS = np.uint64(0x4330000000000000)
EXPONENT_SHIFT, HALF_BIAS = np.uint64(52), np.uint64(1022)
MANTISSA_MASK = np.uint64(0x000FFFFFFFFFFFFF)
SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
# Takes a float's exponent field to 2048 + k, where x = 2**k * m and sqrt(1/2) <= m < sqrt(2).
CENTRED_BITS = np.uint64((0x8000000000000000 - 0x3FE6A09E667F3BCD) % 2**64)
# Rounds k to the nearest integer above 2048; 2048 itself in the exponent field.
HALF_AND_2048_BITS = np.uint64(0x8008000000000000)
TOP_BIT = np.uint64(0x8000000000000000)
SMALLEST_NORMAL = 2.2250738585072014e-308
EXP_MIN, EXP_MAX = -708.0, 709.782712893384

# 2 (e^r - 1 - r) / r**2 on |r| <= ln(2) / 2.
_EXP = (
    1.0000000000000002,
    0.33333333333333337,
    0.08333333333324833,
    0.01666666666666013,
    0.0027777777834393437,
    0.0003968253972608109,
    4.9603042644737384e-05,
    5.511453696062005e-06,
    5.524015175996673e-07,
    5.020075166512247e-08,
)
# (2 atanh(s) - 2 s) / s**3 in powers of s**2 on 0 <= s**2 <= 0.0401.
_ATANH = (
    0.6666666666666666,
    0.4000000000000794,
    0.28571428567275936,
    0.2222222304835159,
    0.18181737626302938,
    0.15388867805613718,
    0.13209708242059462,
    0.13609030262858499,
)
# With M(y) Mills' ratio and u = 1 / (y + 5): (M(y) / u - 1) / (10 u) on y >= 0, in powers of
# v = 10 u - 1, which runs from 1 at y = 0 to -1 at infinity.
_MILLS = (
    0.9280810471531576,
    0.7397855480358024,
    0.5017615135380636,
    0.2841495620084494,
    0.1294951537242201,
    0.04375958036436116,
    0.008365922048987883,
    -0.0008626392514683528,
    -0.0011373227428621128,
    -0.00022853622959848939,
    7.970334200342663e-05,
    4.5031428620863746e-05,
    -3.2176372897562674e-06,
    -6.754547758028214e-06,
    -1.8812781505197126e-07,
    1.0193336694322053e-06,
    6.986850865808172e-08,
    -1.6070944497776153e-07,
    -1.0302145376204388e-08,
    2.3342887058915552e-08,
    7.79546258483197e-10,
    -2.1311453339919675e-09,
)


def select(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`; both are computed."""
    return np.where(condition, yes, no)


@overload(select, jit_options=INLINE, strict=False)
def _select_compiled(condition: Any, yes: Any, no: Any) -> Any:
    return lambda condition, yes, no: yes if condition else no


def _bits(x: Any) -> Any:
    """The 64 bits of floats, as unsigned integers."""
    return np.asarray(x).view(np.uint64)


@overload(_bits, jit_options=INLINE, strict=False)
def _bits_compiled(x: Any) -> Any:
    return lambda x: np.float64(x).view(np.uint64)


def _float(bits: Any) -> Any:
    """The floats that 64 bits stand for."""
    return np.asarray(bits).view(np.float64)


@overload(_float, jit_options=INLINE, strict=False)
def _float_compiled(bits: Any) -> Any:
    return lambda bits: np.uint64(bits).view(np.float64)


@register_jitable(**INLINE)
def _cubic(c: Any, x: Any, x2: Any) -> Any:
    """c0 + c1 x + c2 x**2 + c3 x**3, in two halves that do not wait for each other."""
    return (c[0] + c[1] * x) + (c[2] + c[3] * x) * x2


@register_jitable(**INLINE)
def exp_(x: Any) -> Any:
    """e to the power x, within 1 ulp; below x = -708 it is 0, above 709.78 infinite.

    x = n ln 2 + r with |r| <= ln(2)/2; the series gives 2 e^r, the exponent 2**(n - 1).
    """
    inside = select(x < EXP_MIN, EXP_MIN, select(x > EXP_MAX, EXP_MAX, x))
    shifted = inside * LOG2_E + ROUNDER
    n = shifted - ROUNDER
    r = (inside - n * LN2_HIGH) - n * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    high = _cubic(_EXP[4:8], r, r2) + (_EXP[8] + _EXP[9] * r) * r4
    series = _cubic(_EXP[:4], r, r2) + high * r4
    power = _float((_bits(shifted) + HALF_BIAS) << EXPONENT_SHIFT)
    y = (2.0 + (2.0 * r + r2 * series)) * power
    return select(x < EXP_MIN, 0.0, select(x > EXP_MAX, INFINITY, y))


@register_jitable(**INLINE)
def atanh_series_(z: Any) -> Any:
    """(2 atanh(s) - 2 s) / s**3 of z = s**2, for |s| <= 0.2."""
    z2 = z * z
    return _cubic(_ATANH[:4], z, z2) + _cubic(_ATANH[4:], z, z2) * (z2 * z2)


@register_jitable(**INLINE)
def log_(x: Any) -> Any:
    """The natural logarithm, within 1 ulp; -inf at 0, NaN below.

    x = 2**k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f) and
    ln m = 2 atanh(s) = f - f**2 / 2 + s (f**2 / 2 + s**2 R(s**2)).
    """
    tiny = x < SMALLEST_NORMAL
    bits = _bits(x * select(tiny, 2.0**54, 1.0))
    centred = bits + CENTRED_BITS
    exponent = (centred >> EXPONENT_SHIFT) | TWO_52_BITS
    k = _float(exponent) - (TWO_52 + 2048.0) - select(tiny, 54.0, 0.0)
    m = _float((centred & MANTISSA_MASK) + SQRT_HALF_BITS)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    y = k * LN2_HIGH + (f - (half - (s * (half + z * atanh_series_(z)) + k * LN2_LOW)))
    y = select(x == INFINITY, x, y)
    return select(x > 0.0, y, select(x == 0.0, -INFINITY, NOT_A_NUMBER))


@register_jitable(**INLINE)
def log_ratio_(a: Any, b: Any) -> Any:
    """ln(a / b) of two positive, normal, finite numbers, within 2 ulp, also where a is near b.

    With k the integer nearest to log2(a / b), near enough, c = a / 2**k is within a factor 3/2 of
    b, so that c - b is exact (Sterbenz 1974), and ln(c / b) = 2 atanh((c - b) / (c + b)).
    """
    offset = _bits(a) - _bits(b) + HALF_AND_2048_BITS
    exponent = (offset >> EXPONENT_SHIFT) | TWO_52_BITS
    k = _float(exponent) - (TWO_52 + 2048.0)
    scaled = _bits(a) - ((offset >> EXPONENT_SHIFT) << EXPONENT_SHIFT) + TOP_BIT
    c = _float(scaled)
    s = (c - b) / (c + b)
    z = s * s
    return k * LN2_HIGH + (2.0 * s + (s * (z * atanh_series_(z)) + k * LN2_LOW))


@register_jitable(**INLINE)
def mills_(y: Any) -> Any:
    """Mills' ratio (1 - Phi(y)) / phi(y) for y >= 0, within 7 ulp (Mills 1926).

    It falls from sqrt(pi/2) like 1/y: with u = 1 / (y + 5) it is u (1 + 10 u R(10 u - 1)).
    """
    u = 1.0 / (y + 5.0)
    w = 10.0 * u
    v = w - 1.0
    v2 = v * v
    v4 = v2 * v2
    low = _cubic(_MILLS[0:4], v, v2) + _cubic(_MILLS[4:8], v, v2) * v4
    middle = _cubic(_MILLS[8:12], v, v2) + _cubic(_MILLS[12:16], v, v2) * v4
    high = _cubic(_MILLS[16:20], v, v2) + (_MILLS[20] + _MILLS[21] * v) * v4
    v8 = v4 * v4
    return u + (u * w) * (low + (middle + high * v8) * v8)


@register_jitable(**INLINE)
def erfcx_(x: Any) -> Any:
    """The scaled complementary error function exp(x**2) erfc(x).

    sqrt(2/pi) times Mills' ratio of sqrt(2) x, within 9 ulp for x >= 0;
    2 exp(x**2) - erfcx(-x) below, where the square's rounding adds x**2 ulp.
    """
    size = abs(x)
    y = SQRT_2_OVER_PI * mills_(SQRT_2 * size)
    return select(x < 0.0, 2.0 * exp_(select(x < 0.0, x * x, 0.0)) - y, y)


@register_jitable(**INLINE)
def normal_density_(z: Any) -> Any:
    """The standard normal density exp(-z**2 / 2) / sqrt(2 pi); relative error 1 + z**2 / 2 ulp."""
    return INV_SQRT_2PI * exp_(-0.5 * (z * z))


@register_jitable(**INLINE)
def normal_cdf_(z: Any) -> Any:
    """The standard normal distribution function Phi(z); relative error 8 + z**2 / 2 ulp below 0.

    Density times Mills' ratio of |z| is the tail; above 0 it is taken from 1.
    """
    tail = normal_density_(z) * mills_(abs(z))
    return select(z > 0.0, 1.0 - tail, tail)
