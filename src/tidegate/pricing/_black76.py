# SPDX-License-Identifier: Apache-2.0
"""Black-76 price and Greeks without branches: one text for numpy and for compiled loops.

The functions with a trailing underscore are ordinary numpy code, and so their own twins; numba
inlines them into loops over the rows of a block. They stop at nothing: garbage of an option that
is none is replaced by NaN at the end. An option is the tuple (forward, strike, expiry,
vol, call, discount), each a number or an array, call being 1 or 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from tidegate.pricing._blocks import BLOCK, fill, spill
from tidegate.pricing._blocks import aligned as aligned
from tidegate.pricing._elementary import (
    log_,
    log_ratio_,
    mills_,
    normal_density_,
    select,
)
from tidegate.pricing._kernels import INLINE, inner, kernel
from tidegate.pricing._limits import AMOUNT_LEAST, AMOUNT_MOST

FloatArray = npt.NDArray[np.float64]
CallArray = npt.NDArray[np.uint8]
Columns = tuple[FloatArray, ...]

# A deviation sigma sqrt(T) up to here is none: the option is worth what it pays now.
NO_DEVIATION = 1e-100

# Rows of the workspace: the option, ln(discount), what the results are made of, eight results.
FORWARD, STRIKE, EXPIRY, VOL, CALL, DISCOUNT, LOG_DISCOUNT = range(7)
ROOT, INVERSE, INVERSE_S, D1, D2, WEIGHT, MILLS1, MILLS2, RESULT = range(7, 16)
ROWS = RESULT + 8


@register_jitable(**INLINE)
def amount_(x: Any) -> Any:
    """Whether an amount is positive and of a size that the formula bears; not so if NaN."""
    return (x >= AMOUNT_LEAST) & (x <= AMOUNT_MOST)


@register_jitable(**INLINE)
def span_(x: Any) -> Any:
    """Whether a time or a vol is not negative and bearable; not so if NaN."""
    return (x >= 0.0) & (x <= AMOUNT_MOST)


@register_jitable(**INLINE)
def valid_(option: Any) -> Any:
    """Whether every input is in its range."""
    forward, strike, expiry, vol, call, discount = option
    amounts = amount_(forward) & amount_(strike) & amount_(discount)
    return amounts & span_(expiry) & span_(vol) & ((call == 1.0) | (call == 0.0))


@register_jitable(**INLINE)
def moneyness_(option: Any) -> Any:
    """sqrt(T), 1 / F, 1 / s, d1 and d2, of the deviation s = sigma sqrt(T), or of next to none."""
    forward, strike, expiry, vol, _, _ = option
    root = np.sqrt(expiry)
    deviation = vol * root
    s = select(deviation > NO_DEVIATION, deviation, NO_DEVIATION)
    inverse = 1.0 / (forward * s)
    inverse_s = inverse * forward
    centre, half = log_ratio_(forward, strike) * inverse_s, 0.5 * s
    return root, inverse * s, inverse_s, centre + half, centre - half


@register_jitable(**INLINE)
def time_value_(forward: Any, strike: Any, d: Any, weight: Any, mills: Any) -> Any:
    """Undiscounted value of the out-of-the-money option, from (d1, d2) and F phi(d1).

    With Mills' ratios M of |d1| and |d2|, and F phi(d1) = K phi(d2), it is
    F phi(d1) |M(|d1|) - M(|d2|)| where d1 and d2 have one sign, else
    min(F, K) - F phi(d1) (M(|d1|) + M(|d2|)): one exponential, whose error cancels nowhere.
    """
    apart = weight * abs(mills[0] - mills[1])
    across = select(forward < strike, forward, strike) - weight * (mills[0] + mills[1])
    value = select(d[0] * d[1] > 0.0, apart, across)
    return select(value > 0.0, value, 0.0)


@register_jitable(**INLINE)
def value_(option: Any, terms: Any) -> Any:
    """Undiscounted value: what the option pays now, and its time value."""
    forward, strike, expiry, vol, call, _ = option
    _, _, _, d1, d2, weight, mills1, mills2 = terms
    time_value = time_value_(forward, strike, (d1, d2), weight, (mills1, mills2))
    time_value = select(vol * np.sqrt(expiry) > NO_DEVIATION, time_value, 0.0)
    paid = select(call == 1.0, forward - strike, strike - forward)
    return select(paid > 0.0, paid, 0.0) + time_value


@register_jitable(**INLINE)
def price_(option: Any, terms: Any) -> Any:
    """Discounted value; NaN where an input is out of its range."""
    return select(valid_(option), option[5] * value_(option, terms), np.nan)


@register_jitable(**INLINE)
def greeks_(option: Any, log_discount: Any, terms: Any) -> Any:
    """Price, delta, gamma, vega, theta, rho, vanna, volga; NaN where an input is out of range."""
    forward, strike, expiry, vol, call, discount = option
    root, inverse, inverse_s, d1, d2, weight, mills1, _ = terms
    kink = (vol * root <= NO_DEVIATION) & (forward == strike)
    price = discount * value_(option, terms)
    density = discount * weight * inverse
    tail = density * mills1
    # The tail is P(Z > |d1|): the delta itself where d1 speaks against the option.
    against = select(call == 1.0, d1, -d1) <= 0.0
    size = select(against, tail, discount - tail)
    lasts = expiry > AMOUNT_LEAST
    inverse_expiry = 1.0 / select(lasts, expiry, AMOUNT_LEAST)
    vega = discount * weight * root
    decay = 0.5 * vol * vega * inverse_expiry
    decay = select(kink & (expiry <= AMOUNT_LEAST) & (vol > 0.0), np.inf, decay)
    rate = select(lasts, -log_discount * inverse_expiry, np.nan)
    rate = select(log_discount == 0.0, 0.0, rate)
    slope = d2 * inverse_s
    poison = select(valid_(option), 0.0, np.nan)
    return (
        price + poison,
        select(call == 1.0, size, -size) + poison,
        select(kink, np.inf, density * inverse * inverse_s) + poison,
        vega + poison,
        rate * price - decay + poison,
        poison - expiry * price,
        poison - density * root * slope,
        vega * root * (d1 * slope) + poison,
    )


@register_jitable(**INLINE)
def _option(work: Any, i: Any) -> Any:
    return (
        work[FORWARD * BLOCK + i],
        work[STRIKE * BLOCK + i],
        work[EXPIRY * BLOCK + i],
        work[VOL * BLOCK + i],
        work[CALL * BLOCK + i],
        work[DISCOUNT * BLOCK + i],
    )


@register_jitable(**INLINE)
def _terms(work: Any, i: Any) -> Any:
    return (
        work[ROOT * BLOCK + i],
        work[INVERSE * BLOCK + i],
        work[INVERSE_S * BLOCK + i],
        work[D1 * BLOCK + i],
        work[D2 * BLOCK + i],
        work[WEIGHT * BLOCK + i],
        work[MILLS1 * BLOCK + i],
        work[MILLS2 * BLOCK + i],
    )


@inner
def _prepare(work: FloatArray, columns: Columns, call: CallArray, start: int) -> None:
    """Fills the rows of a block of options, and computes all that price and Greeks are made of."""
    for place in range(4):
        fill(work, place, columns[place], start)
    fill(work, CALL, call, start)
    fill(work, DISCOUNT, columns[4], start)
    for i in range(BLOCK):
        root, inverse, inverse_s, d1, d2 = moneyness_(_option(work, i))
        work[ROOT * BLOCK + i] = root
        work[INVERSE * BLOCK + i] = inverse
        work[INVERSE_S * BLOCK + i] = inverse_s
        work[D1 * BLOCK + i] = d1
        work[D2 * BLOCK + i] = d2
    for i in range(BLOCK):
        density = normal_density_(work[D1 * BLOCK + i])
        work[WEIGHT * BLOCK + i] = work[FORWARD * BLOCK + i] * density
    for i in range(BLOCK):
        work[MILLS1 * BLOCK + i] = mills_(abs(work[D1 * BLOCK + i]))
        work[MILLS2 * BLOCK + i] = mills_(abs(work[D2 * BLOCK + i]))


@kernel
def price(columns: Columns, call: CallArray, out: FloatArray, size: int) -> None:
    """Prices into the first `size` of out[1, stride]; a column has `size` values, or one."""
    work = np.ones(ROWS * BLOCK)
    for start in range(0, size, BLOCK):
        _prepare(work, columns, call, start)
        for i in range(BLOCK):
            work[RESULT * BLOCK + i] = price_(_option(work, i), _terms(work, i))
        spill(work, RESULT, out[0], start, size)


@inner
def _greeks_block(work: FloatArray) -> None:
    for i in range(BLOCK):
        log_discount = work[LOG_DISCOUNT * BLOCK + i]
        results = greeks_(_option(work, i), log_discount, _terms(work, i))
        work[RESULT * BLOCK + i] = results[0]
        work[(RESULT + 1) * BLOCK + i] = results[1]
        work[(RESULT + 2) * BLOCK + i] = results[2]
        work[(RESULT + 3) * BLOCK + i] = results[3]
        work[(RESULT + 4) * BLOCK + i] = results[4]
        work[(RESULT + 5) * BLOCK + i] = results[5]
        work[(RESULT + 6) * BLOCK + i] = results[6]
        work[(RESULT + 7) * BLOCK + i] = results[7]


@kernel
def greeks(columns: Columns, call: CallArray, out: FloatArray, size: int) -> None:
    """Greeks into the first `size` of out[8, stride]; a column has `size` values, or one."""
    work = np.ones(ROWS * BLOCK)
    for start in range(0, size, BLOCK):
        _prepare(work, columns, call, start)
        if start == 0 or len(columns[4]) > 1:
            for i in range(BLOCK):
                work[LOG_DISCOUNT * BLOCK + i] = log_(work[DISCOUNT * BLOCK + i])
        _greeks_block(work)
        for place in range(8):
            spill(work, RESULT + place, out[place], start, size)


def _twin_terms(option: Columns) -> Columns:
    root, inverse, inverse_s, d1, d2 = moneyness_(option)
    weight = option[0] * normal_density_(d1)
    return root, inverse, inverse_s, d1, d2, weight, mills_(abs(d1)), mills_(abs(d2))


def price_twin(option: Columns) -> FloatArray:
    """What `price` computes, by numpy, for options of equally long arrays."""
    with np.errstate(all="ignore"):
        return np.asarray(price_(option, _twin_terms(option)))


def greeks_twin(option: Columns) -> FloatArray:
    """What `greeks` computes, by numpy, for options of equally long arrays: float64[8, n]."""
    with np.errstate(all="ignore"):
        return np.array(greeks_(option, log_(option[5]), _twin_terms(option)))
