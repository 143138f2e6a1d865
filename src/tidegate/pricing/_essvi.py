# SPDX-License-Identifier: Apache-2.0
"""Two eSSVI regimes mixed in price: their common implied smile, as one text for numpy and numba.

The functions that end in an underscore are ordinary numpy code, and `twin` strings them together;
numba inlines them into the loops of `smiles`. With c_j the undiscounted out-of-the-money value over
the forward in regime j, the mixture is c = (1 - share) c_low + share c_high, and its total variance
w solves Black(k, w) = c. By put-call symmetry everything is computed at kappa = |k| with the wings
exchanged for k < 0. There s = sqrt(w), h = kappa / s - s / 2, u = kappa / s + s / 2, and with
Mills' ratio M and the normal density phi the value is phi(h) (M(h) - M(u)). It is kept as its
logarithm, so that no wing underflows, and beside it that of its distance from the bound 1,
phi(h) (M(-h) + M(u)), so that none is lost where an option is worth nearly its bound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from tidegate.pricing._elementary import SQRT_2PI, exp_, log_, mills_, select
from tidegate.pricing._kernels import INLINE, inner, kernel

FloatArray = npt.NDArray[np.float64]

LOG_SQRT_2PI = 0.9189385332046727
LOG_2 = 0.6931471805599453

# Where h is below 0 and its square above this, 1 - value is below 1e-16 and ln value is minus it.
NEAR_BOUND = 72.0

# Rows of an input: k, then theta, put wing, call wing of the low regime and of the high one.
INPUTS = 7
# Rows of an answer: value over forward, w, dw/dk, Durrleman's g.
OUTPUTS = 4
# Halley's error is cubed by each step, so a step of this share of s is the last.
LAST_STEP, STEPS_MAX = 1e-5, 80
# Three steps do as a rule; after this many every second one halves the bracket.
STEPS_TRUSTED = 10
ROUNDING = 1e-12

BLOCK = 128
# Rows of a block: inputs; then s, dw/dkappa, g, ln value, ln rest, h, u, M(u) of each regime; then
# target, whether it is the rest, the deviation sought, its bracket, the last step; then answers.
REGIME = 8
LOW = INPUTS
HIGH = LOW + REGIME
TARGET = HIGH + REGIME
FULL, ROOT, LEAST, MOST, STEP = range(TARGET + 1, TARGET + 6)
ANSWER = STEP + 1
ROWS = ANSWER + OUTPUTS


@register_jitable(**INLINE)
def slice_(theta: Any, near: Any, far: Any, kappa: Any) -> Any:
    """w, dw/dkappa and g of one slice at kappa >= 0, `far` the wing on the side of kappa."""
    tilt, product = 0.5 * (far - near), far * near
    a = theta + tilt * kappa
    pull = product * kappa * kappa
    d = np.sqrt(a * a + pull)
    w = 0.5 * select(a >= 0.0, a + d, pull / select(a >= 0.0, 1.0, d - a))
    slope = (tilt * w + 0.5 * product * kappa) / d
    bend = 0.5 * product * (theta * theta) / (d * d * d)
    level = 1.0 - 0.5 * kappa * slope / w
    g = level * level - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend
    return w, slope, g


@register_jitable(**INLINE)
def black_(kappa: Any, s: Any) -> Any:
    """Logarithms of value and of 1 - value, each + ln sqrt(2 pi); h, u, M(u); and the gaps
    M(h) - M(u) and M(-h) + M(u), which are value and 1 - value over phi(h)."""
    y = kappa / s
    h, u = y - 0.5 * s, y + 0.5 * s
    square = h * h
    tail, mills_u = mills_(abs(h)), mills_(u)
    both = SQRT_2PI * exp_(select(square < 1400.0, 0.5 * square, 700.0))
    gap = select(h < 0.0, both - tail, tail) - mills_u
    rest = select(h < 0.0, tail, both - tail) + mills_u
    log_value = log_(gap) - 0.5 * square
    near_bound = LOG_SQRT_2PI - rest * exp_(-0.5 * square) / SQRT_2PI
    log_value = select((h < 0.0) & (square > NEAR_BOUND), near_bound, log_value)
    log_rest = select(h < 0.0, log_(rest) - 0.5 * square, 0.0)
    small = log_(1.0 - exp_(select(h < 0.0, -1.0, log_value - LOG_SQRT_2PI))) + LOG_SQRT_2PI
    return log_value, select(h < 0.0, log_rest, small), h, u, mills_u, gap, rest


@register_jitable(**INLINE)
def regime_(k: Any, theta: Any, put: Any, call: Any) -> Any:
    """One regime at k, as the rows of a block have it."""
    kappa, left = abs(k), k < 0.0
    w, slope, g = slice_(theta, select(left, call, put), select(left, put, call), kappa)
    s = np.sqrt(w)
    log_value, log_rest, h, u, mills_u, _, _ = black_(kappa, s)
    return s, slope, g, log_value, log_rest, h, u, mills_u


@register_jitable(**INLINE)
def target_(low: Any, high: Any, share: Any) -> Any:
    """Logarithm of the mixture's value or, where that is over a half, of its rest; which of them;
    a start, the deviations' mean by share and vega, exact to first order in their distance; and
    the bracket of the two."""
    top = select(low[3] > high[3], low[3], high[3])
    value = top + log_((1.0 - share) * exp_(low[3] - top) + share * exp_(high[3] - top))
    most = select(low[4] > high[4], low[4], high[4])
    rest = most + log_((1.0 - share) * exp_(low[4] - most) + share * exp_(high[4] - most))
    full = value > LOG_SQRT_2PI - LOG_2
    vega1 = (1.0 - share) * exp_(-0.5 * low[5] * low[5] - top)
    vega2 = share * exp_(-0.5 * high[5] * high[5] - top)
    vega = vega1 + vega2
    mean = low[0] + (high[0] - low[0]) * (vega2 / select(vega > 0.0, vega, 1.0))
    start = select(vega > 0.0, mean, np.sqrt(low[0] * high[0]))
    least = select(low[0] < high[0], low[0], high[0])
    most = select(low[0] < high[0], high[0], low[0])
    return select(full, rest, value), select(full, 1.0, 0.0), start, least, most


@register_jitable(**INLINE)
def halley_(kappa: Any, sought: Any, bracket: Any, s: Any, trusted: Any) -> Any:
    """A step of Halley's method to the deviation of a value, its length over s, and the bracket.

    f = ln Black - target has f' = 1 / gap and f'' = f' (h u / s - f'); the rest likewise with
    f' = -1 / rest. A step that leaves the bracket, or is not trusted, goes to the bracket's middle
    instead, and counts as long.
    """
    target, full = sought
    log_value, log_rest, h, u, _, gap, rest = black_(kappa, s)
    signed = select(full > 0.0, -rest, gap)
    newton = (target - select(full > 0.0, log_rest, log_value)) * signed
    least = select(newton > 0.0, s, bracket[0])
    most = select(newton > 0.0, bracket[1], s)
    better = s + newton / (1.0 + 0.5 * newton * (h * u / s - 1.0 / signed))
    inside = (better >= least * (1.0 - ROUNDING)) & (better <= most * (1.0 + ROUNDING)) & trusted
    better = select(inside, better, np.sqrt(least * most))
    return better, select(inside, abs(better - s) / s, 1.0), least, most


@register_jitable(**INLINE)
def answer_(k: Any, low: Any, high: Any, share: Any, s: Any) -> Any:
    """Value over forward, w, dw/dk and g of the mixture.

    From c_kappa = -phi(h) M(u) + phi(h) w' / (2 s) and c_kappa kappa - c_kappa = phi(h) g / s, with
    E_j = phi(h_j) / phi(h), follow w' = 2 s (M(u) + sum share_j E_j (w_j' / (2 s_j) - M(u_j))) and
    g = s sum share_j E_j g_j / s_j: a mixture of densities is a density.
    """
    kappa, left = abs(k), k < 0.0
    h, u = kappa / s - 0.5 * s, kappa / s + 0.5 * s
    e1 = (1.0 - share) * exp_(0.5 * (h * h - low[5] * low[5]))
    e2 = share * exp_(0.5 * (h * h - high[5] * high[5]))
    inner = e1 * (0.5 * low[1] / low[0] - low[7]) + e2 * (0.5 * high[1] / high[0] - high[7])
    slope = 2.0 * s * (mills_(u) + inner)
    mixed = (1.0 - share) * exp_(low[3] - LOG_SQRT_2PI) + share * exp_(high[3] - LOG_SQRT_2PI)
    value = mixed * exp_(select(left, k, 0.0))
    g = s * (e1 * low[2] / low[0] + e2 * high[2] / high[0])
    return value, s * s, select(left, -slope, slope), g


def twin(inputs: FloatArray, share: float) -> FloatArray:
    """The numpy twin of `smiles`."""
    k, kappa = inputs[0], abs(inputs[0])
    low, high = regime_(k, *inputs[1:4]), regime_(k, *inputs[4:7])
    target, full, s, *bracket = target_(low, high, share)
    for n in range(STEPS_MAX):
        trusted = (n < STEPS_TRUSTED) | (n % 2 == 1)
        s, step, *bracket = halley_(kappa, (target, full), bracket, s, trusted)
        if np.max(step) <= LAST_STEP:
            break
    return np.stack(answer_(k, low, high, share, s))


def shifted(rows: FloatArray, before: FloatArray, k: FloatArray) -> FloatArray:
    """Answers at `before`, seen from a moved forward at k: w and dw/dk stay, the rest is anew.

    w'' stays, so g changes by what its first term does: (1 - k w' / (2 w))**2.
    """
    _, w, slope, g = rows
    log_value = black_(abs(k), np.sqrt(w))[0]
    value = exp_(log_value - LOG_SQRT_2PI + np.minimum(k, 0.0))
    old, new = (1.0 - 0.5 * x * slope / w for x in (before, k))
    return np.stack([value, w, slope, g - old * old + new * new])


@register_jitable(**INLINE)
def _regime(work: Any, row: Any, i: Any) -> Any:
    """The rows of one regime at one place of a block."""
    return (
        work[row * BLOCK + i],
        work[(row + 1) * BLOCK + i],
        work[(row + 2) * BLOCK + i],
        work[(row + 3) * BLOCK + i],
        work[(row + 4) * BLOCK + i],
        work[(row + 5) * BLOCK + i],
        work[(row + 6) * BLOCK + i],
        work[(row + 7) * BLOCK + i],
    )


@inner
def _fill_regime(work: FloatArray, inputs: int, row: int) -> None:
    for i in range(BLOCK):
        theta, put = work[inputs * BLOCK + i], work[(inputs + 1) * BLOCK + i]
        found = regime_(work[i], theta, put, work[(inputs + 2) * BLOCK + i])
        work[row * BLOCK + i] = found[0]
        work[(row + 1) * BLOCK + i] = found[1]
        work[(row + 2) * BLOCK + i] = found[2]
        work[(row + 3) * BLOCK + i] = found[3]
        work[(row + 4) * BLOCK + i] = found[4]
        work[(row + 5) * BLOCK + i] = found[5]
        work[(row + 6) * BLOCK + i] = found[6]
        work[(row + 7) * BLOCK + i] = found[7]


@inner
def _solve(work: FloatArray, share: float) -> None:
    """The deviation at each place of a block, in as many steps as its slowest place needs."""
    for i in range(BLOCK):
        found = target_(_regime(work, LOW, i), _regime(work, HIGH, i), share)
        work[TARGET * BLOCK + i] = found[0]
        work[FULL * BLOCK + i] = found[1]
        work[ROOT * BLOCK + i] = found[2]
        work[LEAST * BLOCK + i] = found[3]
        work[MOST * BLOCK + i] = found[4]
    for n in range(STEPS_MAX):
        trusted = (n < STEPS_TRUSTED) | (n % 2 == 1)
        for i in range(BLOCK):
            bracket = (work[LEAST * BLOCK + i], work[MOST * BLOCK + i])
            sought = (work[TARGET * BLOCK + i], work[FULL * BLOCK + i])
            found = halley_(abs(work[i]), sought, bracket, work[ROOT * BLOCK + i], trusted)
            work[ROOT * BLOCK + i] = found[0]
            work[STEP * BLOCK + i] = found[1]
            work[LEAST * BLOCK + i] = found[2]
            work[MOST * BLOCK + i] = found[3]
        longest = 0.0
        for i in range(BLOCK):
            longest = max(longest, work[STEP * BLOCK + i])
        if longest <= LAST_STEP:
            break


@kernel
def smiles(inputs: FloatArray, share: float, answers: FloatArray) -> None:
    """The mixture at each column of `inputs` [7, n], into `answers` [4, n].

    0 < share < 1, or both regimes alike. A block stands in rows of one array at fixed distances,
    so that LLVM sees no overlap and vectorises the loops; what is left of the last block holds
    ones, or the block before.
    """
    work = np.ones(ROWS * BLOCK)
    size = inputs.shape[1]
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        for row in range(INPUTS):
            for i in range(count):
                work[row * BLOCK + i] = inputs[row, start + i]
        _fill_regime(work, 1, LOW)
        _fill_regime(work, 4, HIGH)
        _solve(work, share)
        for i in range(BLOCK):
            low, high, s = _regime(work, LOW, i), _regime(work, HIGH, i), work[ROOT * BLOCK + i]
            found = answer_(work[i], low, high, share, s)
            work[ANSWER * BLOCK + i] = found[0]
            work[(ANSWER + 1) * BLOCK + i] = found[1]
            work[(ANSWER + 2) * BLOCK + i] = found[2]
            work[(ANSWER + 3) * BLOCK + i] = found[3]
        for row in range(OUTPUTS):
            for i in range(count):
                answers[row, start + i] = work[(ANSWER + row) * BLOCK + i]
