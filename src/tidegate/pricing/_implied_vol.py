# SPDX-License-Identifier: Apache-2.0
"""Implied volatility without branches: one text for numpy and for a compiled loop.

A quote is the tuple (price, forward, strike, expiry, call, discount). It is first brought to the
out-of-the-money option of the same strike, in units of min(F, K), with a = |ln(F / K)|:

    p = (price / discount - intrinsic) / min(F, K)      time value, of (0, 1)
    q = (bound - price / discount) / min(F, K)          1 - p, without its rounding
    m = |F - K| / min(F, K) = exp(a) - 1

What is sought is the deviation s = vol sqrt(expiry). With h = -a / s, t = s / 2, z = h + t and
Mills' ratio M (of the normal distribution's tail; M(y) also for y a little below 0):

    p = phi(z) (M(-z) - M(t - h)),    q = phi(z) (M(z) + M(t - h)).

`guess_` is within 0.1 % of s up to a = 3.5. From there `reach_` and `step_` take one step with the
inverse Taylor series of ln p (or of ln q above z = 1/2) to the fifth power, whose error is some 50
times the sixth power of the guess's. No digits cancel, not even for tiny s: the difference of M
is a divided difference of its series. A quote that the guess does not serve, with |step| above
`STEP_MAX`, is bisected instead, and so found whatever it is.

Sources: the out-of-the-money form, and two regions with a guess and high-order steps, are after
Jaeckel (2015), "Let's be rational"; that a guess may start from the normal model's volatility,
after Choi, Kim and Kwak (2009), "Numerical approximation of the implied volatility under
arithmetic Brownian motion". Series, coefficients and regions were worked out anew;
tests/pricing/implied_vol_fit.py fits them again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from tidegate.pricing._blocks import BLOCK, fill
from tidegate.pricing._elementary import SQRT_2PI, exp_, log_ratio_, select
from tidegate.pricing._kernels import INLINE, kernel
from tidegate.pricing._limits import AMOUNT_LEAST, AMOUNT_MOST

FloatArray = npt.NDArray[np.float64]

# Below, p is not a normal float64 any more.
TIME_VALUE_LEAST = 2.3e-308
# Of the relative step that ends in a result; 50 times its sixth power is a rounding error.
STEP_MAX = 1.5e-3
BISECTIONS = 26

# Above this z the step works on ln q: p is then at least 0.38, and nothing is lost in q.
Z_LOW_MAX = 0.5
# The guess from the normal model holds below this p, about s = 2.5: intercept and slope in a.
P_LOW_MAX, P_LOW_SLOPE = 0.79, -0.136
# Next to the forward the guess takes |F - K| for at least this share of the time value.
DISTANCE_LEAST = 1e-6

# With u = 1 / (y + 5): (M(y) / u - 1) / (9 u) on y >= -1/2, in powers of v = 9 u - 1.
_MILLS = (
    1.1298714462220463,
    1.0648850435622506,
    0.8322212545257539,
    0.5293845212619943,
    0.26300406960311157,
    0.0922432364498475,
    0.015217313332547602,
    -0.004552831307623438,
    -0.003385924599993651,
    -0.0003186421778299225,
    0.0004126472626176902,
    0.00012164234802839056,
    -4.935715415228018e-05,
    -2.5038850373990723e-05,
    7.107205816794057e-06,
    4.703720124427771e-06,
    -1.3360597087305178e-06,
    -8.56860772424816e-07,
    2.872963195944833e-07,
    1.444398796230003e-07,
    -5.308779793618965e-08,
    -1.9628607787875895e-08,
    5.508960094399311e-09,
    1.543047911547799e-09,
)
# Of B = sqrt(ln(1 + m / p)): B**2 a / n, where n is the normal model's deviation for this a.
_NORMAL_ABOVE = (2.50734468, 0.0377705085, 0.274735796, 0.0586260437, 0.0340188881)
_NORMAL_BELOW = (1.0, 0.021282658, 0.088212786, 0.047944495)
# Of x = n**2 and a**2: s / n.
_LOW_ABOVE = (1.0000574940, -0.1161046891, 0.0024985581)
_LOW_BELOW = (-0.1582312900, 0.0032985995, 0.0028366406, -0.000137043630)
# ln(1 / q) + a / 2 falls by a**2 / (alpha y + beta + gamma a**2) to y, what it is at a = 0.
_ALPHA, _BETA, _GAMMA = 13.6120282, -0.1520868682, 0.06592549854
# Of w = sqrt(y): s.
_HIGH_ABOVE = (0.84375598, -1.1192688, 2.8698225057)
_HIGH_BELOW = (0.60020595, -0.16379118)


@register_jitable(**INLINE)
def normalised_(quote: Any) -> Any:
    """p, q, m and a of a quote."""
    price, forward, strike, _, call, discount = quote
    value = price / discount
    is_call = call > 0.5
    distance = forward - strike
    worth = select(is_call, distance, -distance)
    bound = select(is_call, forward, strike)
    inverse = 1.0 / select(forward < strike, forward, strike)
    p = (value - select(worth > 0.0, worth, 0.0)) * inverse
    q = (bound - value) * inverse
    return p, q, abs(distance) * inverse, abs(log_ratio_(forward, strike))


@register_jitable(**INLINE)
def _guess_low(w: Any, a: Any, a_least: Any) -> Any:
    """Numerator and denominator of s, of w = ln(1 + m / p), through the normal model."""
    root = np.sqrt(w)
    c, d = _NORMAL_ABOVE, _NORMAL_BELOW
    above = c[0] + root * (c[1] + root * (c[2] + root * (c[3] + root * c[4])))
    below = d[0] + root * (d[1] + root * (d[2] + root * d[3]))
    n, a2 = a_least * above / (below * w), a * a
    x = n * n
    e, f = _LOW_ABOVE, _LOW_BELOW
    numerator = n * (e[0] + x * (e[1] + a2 * e[2]))
    return numerator, 1.0 + x * (f[0] + x * f[1] + a2 * (f[2] + x * f[3]))


@register_jitable(**INLINE)
def _guess_high(w: Any, a: Any) -> Any:
    """Numerator and denominator of s, of w = ln(1 / q), through the option at the forward."""
    a2 = a * a
    beta = _BETA + _GAMMA * a2
    b = _ALPHA * (w + 0.5 * a) + beta
    square = b * b - (4.0 * _ALPHA) * a2
    root = np.sqrt((b - 2.0 * beta + np.sqrt(select(square > 0.0, square, 0.0))) * (0.5 / _ALPHA))
    numerator = root * (_HIGH_ABOVE[0] + root * (_HIGH_ABOVE[1] + root * _HIGH_ABOVE[2]))
    return numerator, _HIGH_BELOW[0] + root * (_HIGH_BELOW[1] + root)


@register_jitable(**INLINE)
def guess_(terms: Any) -> Any:
    """s within 0.1 % up to a = 3.5, else within a few per cent.

    The normal model's deviation n is a function of p / m alone, times a; s / n depends on n and
    hardly on a. Near the bound, s is nearly a function of ln(1 / q) + a / 2.
    """
    p, q, m, a = terms
    least = DISTANCE_LEAST * p
    low = p < P_LOW_MAX + P_LOW_SLOPE * a
    w = log_ratio_(select(low, p + select(m > least, m, least), 1.0), select(low, p, q))
    low_above, low_below = _guess_low(w, a, select(a > least, a, least))
    high_above, high_below = _guess_high(w, a)
    return select(low, low_above, high_above) / select(low, low_below, high_below)


@register_jitable(**INLINE)
def _climbed(pair: Any, coefficient: Any, x1: Any, x2: Any) -> Any:
    """One step of Horner's rule for a series at x1, and for its divided difference to x2."""
    return pair[0] * x1 + coefficient, pair[1] * x2 + pair[0]


@register_jitable(**INLINE)
def _with_difference(c: Any, x1: Any, x2: Any) -> Any:
    """The series c at x1, and (its value at x1 - its value at x2) / (x1 - x2)."""
    pair = c[11] * x1 + c[10], c[11]
    pair = _climbed(pair, c[9], x1, x2)
    pair = _climbed(pair, c[8], x1, x2)
    pair = _climbed(pair, c[7], x1, x2)
    pair = _climbed(pair, c[6], x1, x2)
    pair = _climbed(pair, c[5], x1, x2)
    pair = _climbed(pair, c[4], x1, x2)
    pair = _climbed(pair, c[3], x1, x2)
    pair = _climbed(pair, c[2], x1, x2)
    pair = _climbed(pair, c[1], x1, x2)
    return _climbed(pair, c[0], x1, x2)


@register_jitable(**INLINE)
def reach_(s: Any, a: Any) -> Any:
    """ds / d ln p where z < 1/2, else ds / d ln q, which is negative.

    M(-z) - M(t - h) and -(M(z) + M(t - h)), within 1e-15: M = u + 9 u**2 R(v), and
    R(v) = E(v**2) + v O(v**2), whose divided differences make that of M.
    """
    h = -a / s
    z = h + 0.5 * s
    low = z < Z_LOW_MAX
    near, far = select(low, -z, z) + 5.0, 0.5 * s - h + 5.0
    inverse = 1.0 / (near * far)
    u1, u2 = inverse * far, inverse * near
    w1, w2 = 9.0 * u1, 9.0 * u2
    v1, v2 = w1 - 1.0, w2 - 1.0
    even, even_slope = _with_difference(_MILLS[0::2], v1 * v1, v2 * v2)
    odd, odd_slope = _with_difference(_MILLS[1::2], v1 * v1, v2 * v2)
    series = even + v1 * odd
    slope = (v1 + v2) * (even_slope + v2 * odd_slope) + odd
    gap = select(low, s, -2.0 * h)
    difference = (gap * inverse) * (1.0 + ((w1 + w2) * series + (w2 * w2) * slope))
    return select(low, difference, difference - 2.0 * (u1 + u1 * w1 * series))


@register_jitable(**INLINE)
def missing_(s: Any, reach: Any, terms: Any) -> Any:
    """By how much ln p is too low at s, or ln q where z >= 1/2."""
    p, q, _, a = terms
    z = 0.5 * s - a / s
    target = SQRT_2PI * select(z < Z_LOW_MAX, p, q)
    return 0.5 * (z * z) - log_ratio_(abs(reach), target)


@register_jitable(**INLINE)
def step_(s: Any, reach: Any, terms: Any) -> Any:
    """The relative step from s to the solution.

    With G = `reach_`, G' = 1 + g G where g = (t**2 - h**2) / s, and so every derivative of s by
    ln p or ln q is a polynomial in G and g; the series is in what is missing of it.
    """
    missing = missing_(s, reach, terms)
    h, t = -terms[3] / s, 0.5 * s
    g, h2, t2 = reach / s, h * h, t * t
    e1, e2, e3 = t2 - h2, t2 + 3.0 * h2, 12.0 * h2
    d1 = 1.0 + e1 * g
    d2 = e2 * g + e1 * d1
    d3 = 2.0 * e2 * d1 + e1 * d2 - e3 * g
    d4 = 5.0 * e3 * g + 3.0 * (e2 * d2 - e3 * d1) + e1 * d3
    b1, b2, b3, b4 = d1 * d1, g * d2, g * g * d3, g * g * g * d4
    c2, c3 = d1 * (1.0 / 2.0), (b1 + b2) * (1.0 / 6.0)
    c4 = (d1 * (b1 + 4.0 * b2) + b3) * (1.0 / 24.0)
    c5 = (b1 * (b1 + 11.0 * b2) + 4.0 * b2 * b2 + 7.0 * d1 * b3 + b4) * (1.0 / 120.0)
    return g * missing * (1.0 + missing * (c2 + missing * (c3 + missing * (c4 + missing * c5))))


@register_jitable(**INLINE)
def in_range_(x: Any) -> Any:
    """Whether a number is positive and of a size that the arithmetic bears; not so if NaN."""
    return (x >= AMOUNT_LEAST) & (x <= AMOUNT_MOST)


@register_jitable(**INLINE)
def valid_(quote: Any, terms: Any) -> Any:
    """Whether there is a volatility: inputs in range, price between intrinsic and bound."""
    _, forward, strike, expiry, call, discount = quote
    inputs = in_range_(forward) & in_range_(strike) & in_range_(expiry) & in_range_(discount)
    return (
        inputs & (terms[0] >= TIME_VALUE_LEAST) & (terms[1] > 0.0) & ((call == 1.0) | (call == 0.0))
    )


@register_jitable(**INLINE)
def finished_(s: Any, reach: Any, terms: Any, quote: Any) -> Any:
    """The volatility after one step, NaN where the quote is invalid or the step too long."""
    step = step_(s, reach, terms)
    done = valid_(quote, terms) & (abs(step) <= STEP_MAX)
    return select(done, s + s * step, np.nan) / np.sqrt(quote[3])


def solve_numpy(quote: tuple[FloatArray, ...], vol: FloatArray) -> None:
    """The twin of `solve` in numpy: columns of full length or of length 1 into `vol`."""
    block = 16 * BLOCK
    with np.errstate(all="ignore"):
        for start in range(0, len(vol), block):
            rows = slice(start, start + block)
            part = tuple(column[rows] if len(column) > 1 else column for column in quote)
            terms = normalised_(part)
            s = guess_(terms)
            vol[rows] = finished_(s, reach_(s, terms[3]), terms, part)


def bisected(quote: tuple[FloatArray, ...]) -> FloatArray:
    """The volatilities of valid quotes, by bisection of ln s and one step; no guess is needed.

    s is at least a / 50 and p sqrt(min / max of F and K), and at most sqrt(8 (40 + a)), for any p
    and q that float64 holds; ln p and ln q are monotone in s.
    """
    with np.errstate(all="ignore"):
        terms = normalised_(quote)
        p, _, _, a = terms
        low, high = np.maximum(a / 50.0, p * exp_(-0.5 * a)), np.sqrt(8.0 * (40.0 + a))
        for _ in range(BISECTIONS):
            middle = np.sqrt(low * high)
            reach = reach_(middle, a)
            up = missing_(middle, reach, terms) * reach > 0.0
            low, high = np.where(up, middle, low), np.where(up, high, middle)
        s = np.sqrt(low * high)
        vol: FloatArray = (s + s * step_(s, reach_(s, a), terms)) / np.sqrt(quote[3])
    return vol


# Rows of the workspace: the quote, its terms, deviation, reach, volatility.
_P, _Q, _M, _A, _S, _REACH, _VOL, _ROWS = (BLOCK * row for row in range(6, 14))


@kernel
def solve(quote: tuple[FloatArray, ...], vol: FloatArray) -> None:
    """Volatilities of columns of full length or of length 1 into `vol`, NaN where not solved.

    Short loops over the rows of one block: each is vectorised, and none is one long chain.
    """
    w = np.ones(_ROWS)
    for start in range(0, len(vol), BLOCK):
        for row, column in enumerate(quote):
            fill(w, row, column, start)
        for i in range(np.uintp(BLOCK)):
            part = w[i], w[BLOCK + i], w[2 * BLOCK + i], 1.0, w[4 * BLOCK + i], w[5 * BLOCK + i]
            w[_P + i], w[_Q + i], w[_M + i], w[_A + i] = normalised_(part)
        for i in range(np.uintp(BLOCK)):
            w[_S + i] = guess_((w[_P + i], w[_Q + i], w[_M + i], w[_A + i]))
        for i in range(np.uintp(BLOCK)):
            w[_REACH + i] = reach_(w[_S + i], w[_A + i])
        for i in range(np.uintp(BLOCK)):
            terms = w[_P + i], w[_Q + i], w[_M + i], w[_A + i]
            part = (
                1.0,
                w[BLOCK + i],
                w[2 * BLOCK + i],
                w[3 * BLOCK + i],
                w[4 * BLOCK + i],
                w[5 * BLOCK + i],
            )
            w[_VOL + i] = finished_(w[_S + i], w[_REACH + i], terms, part)
        begin = np.uintp(start)
        for i in range(np.uintp(min(BLOCK, len(vol) - start))):
            vol[begin + i] = w[_VOL + i]
