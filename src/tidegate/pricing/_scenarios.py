# SPDX-License-Identifier: Apache-2.0
"""Revaluation of a book of options in many scenarios: the compiled loop, and its numpy twin.

A scenario names a row of forward ratios, a row of vol shifts and a time that passes. A row has one
value for all options or one for each. What depends only on shift and time is kept from the
scenario before where those are the same, so that a grid is walked ratio by ratio.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from tidegate.pricing._black76 import NO_DEVIATION, time_value_
from tidegate.pricing._blocks import BLOCK, fill, spill
from tidegate.pricing._blocks import aligned as aligned
from tidegate.pricing._elementary import exp_, mills_, normal_density_, select
from tidegate.pricing._elementary import log_ratio_ as log_ratio_
from tidegate.pricing._kernels import INLINE, inner, kernel

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

# Rows of a book, float64[12, options]. The first eight are of the options; coin amounts are 0 for
# what is settled in USD, and the vol unit is what a shift is a multiple of.
LOG_MONEYNESS, FORWARD, STRIKE, EXPIRY, VOL, SIGN, RATE, VOL_UNIT = range(8)
QUANTITY, COIN_QUANTITY, BASE_USD, BASE_COIN, BOOK_ROWS = range(8, 13)
# Rows of the workspace after those of the book: the scenario, and what becomes of it.
RATIO, LOG_RATIO, SHIFT, ROOT, WORTH, DEVIATION, INVERSE_S = range(12, 19)
FORWARD_THEN, D1, D2, MILLS1, MILLS2, VALUE, PNL_USD, PNL_COIN, ROWS = range(19, 28)
# Options are walked in steps of so many, as wide as loops are unrolled, so that none is left over.
STEP = 32
# An option of no quantity, with which the last step is filled up.
PADDING = (0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


class Scenarios(NamedTuple):
    """Ratios and their logarithms [R, 1 or n], shifts [V, 1 or n]; by scenario: rows and years."""

    ratios: FloatArray
    log_ratios: FloatArray
    shifts: FloatArray
    ratio_rows: IndexArray
    shift_rows: IndexArray
    elapsed_years: FloatArray


@register_jitable(**INLINE)
def rolled_(expiry: Any, elapsed: Any, quantity: Any, rate: Any) -> Any:
    """Root of the time left, which is never below 0, and the quantity discounted from there."""
    left = select(expiry > elapsed, expiry - elapsed, 0.0)
    return np.sqrt(left), quantity * exp_(-rate * left)


@register_jitable(**INLINE)
def deviation_(vol: Any, shift: Any, root: Any) -> Any:
    """The shifted vol times the root of the time left, none where the vol is below 0; 1 over it."""
    deviation = (vol + shift) * root
    return deviation, 1.0 / select(deviation > NO_DEVIATION, deviation, NO_DEVIATION)


@register_jitable(**INLINE)
def arguments_(log_moneyness: Any, deviation: Any, inverse_s: Any) -> Any:
    """d1 and d2."""
    centre, half = log_moneyness * inverse_s, 0.5 * deviation
    return centre + half, centre - half


@register_jitable(**INLINE)
def revalued_(option: Any, d: Any, mills: Any, deviation: Any) -> Any:
    """Undiscounted value of (forward, strike, sign) with sign 1 for a call and -1 for a put."""
    forward, strike, sign = option
    time_value = time_value_(forward, strike, d, forward * normal_density_(d[0]), mills)
    paid = sign * (forward - strike)
    return select(paid > 0.0, paid, 0.0) + select(deviation > NO_DEVIATION, time_value, 0.0)


def revalue_twin(book: FloatArray, scenarios: Scenarios) -> FloatArray:
    """What `revalue` computes by option, by numpy: P&L in USD and coin, float64[2, P, options]."""
    pnl = np.empty((2, len(scenarios.elapsed_years), book.shape[1]))
    log_moneyness, forward, strike, expiry, vol, sign, rate, unit = book[:QUANTITY]
    for p, elapsed in enumerate(scenarios.elapsed_years):
        ratio, log_ratio, shift = _rows(scenarios, p)
        root, worth = rolled_(expiry, elapsed, book[QUANTITY], rate)
        deviation, inverse_s = deviation_(vol, shift * unit, root)
        d = arguments_(log_moneyness + log_ratio, deviation, inverse_s)
        mills = (mills_(abs(d[0])), mills_(abs(d[1])))
        value = revalued_((forward * ratio, strike, sign), d, mills, deviation)
        pnl[0, p] = value * worth - book[BASE_USD]
        pnl[1, p] = value * book[COIN_QUANTITY] / ratio - book[BASE_COIN]
    return pnl


def _rows(scenarios: Scenarios, p: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    ratio_row = scenarios.ratio_rows[p]
    ratio, log_ratio = scenarios.ratios[ratio_row], scenarios.log_ratios[ratio_row]
    return ratio, log_ratio, scenarios.shifts[scenarios.shift_rows[p]]


@inner
def _roll(work: FloatArray, width: int, elapsed: float) -> None:
    for i in range(width):
        root, worth = rolled_(
            work[EXPIRY * BLOCK + i],
            elapsed,
            work[QUANTITY * BLOCK + i],
            work[RATE * BLOCK + i],
        )
        work[ROOT * BLOCK + i] = root
        work[WORTH * BLOCK + i] = worth


@inner
def _shift(work: FloatArray, width: int) -> None:
    for i in range(width):
        shift = work[SHIFT * BLOCK + i] * work[VOL_UNIT * BLOCK + i]
        root = work[ROOT * BLOCK + i]
        deviation, inverse_s = deviation_(work[VOL * BLOCK + i], shift, root)
        work[DEVIATION * BLOCK + i] = deviation
        work[INVERSE_S * BLOCK + i] = inverse_s


@inner
def _revalue(work: FloatArray, width: int) -> None:
    for i in range(width):
        work[FORWARD_THEN * BLOCK + i] = work[FORWARD * BLOCK + i] * work[RATIO * BLOCK + i]
        log_moneyness = work[LOG_MONEYNESS * BLOCK + i] + work[LOG_RATIO * BLOCK + i]
        inverse_s = work[INVERSE_S * BLOCK + i]
        d1, d2 = arguments_(log_moneyness, work[DEVIATION * BLOCK + i], inverse_s)
        work[D1 * BLOCK + i] = d1
        work[D2 * BLOCK + i] = d2
    for i in range(width):
        work[MILLS1 * BLOCK + i] = mills_(abs(work[D1 * BLOCK + i]))
        work[MILLS2 * BLOCK + i] = mills_(abs(work[D2 * BLOCK + i]))
    for i in range(width):
        forward, strike = work[FORWARD_THEN * BLOCK + i], work[STRIKE * BLOCK + i]
        d = (work[D1 * BLOCK + i], work[D2 * BLOCK + i])
        mills = (work[MILLS1 * BLOCK + i], work[MILLS2 * BLOCK + i])
        option = (forward, strike, work[SIGN * BLOCK + i])
        value = revalued_(option, d, mills, work[DEVIATION * BLOCK + i])
        work[VALUE * BLOCK + i] = value
        work[PNL_USD * BLOCK + i] = value * work[WORTH * BLOCK + i]
    # In a loop of its own, so that the product is rounded as it was in the base: no move, no P&L.
    for i in range(width):
        work[PNL_USD * BLOCK + i] -= work[BASE_USD * BLOCK + i]


@inner
def _in_coin(work: FloatArray, width: int) -> None:
    for i in range(width):
        coins = work[VALUE * BLOCK + i] * work[COIN_QUANTITY * BLOCK + i]
        base = work[BASE_COIN * BLOCK + i]
        work[PNL_COIN * BLOCK + i] = coins / work[RATIO * BLOCK + i] - base


@inner
def _sum(work: FloatArray, width: int, row: int) -> float:
    """Sum of a row, folded to the width of one step and then in halves, which destroys it."""
    base = np.uintp(row * BLOCK)
    for begin in range(STEP, width, STEP):
        for i in range(np.uintp(STEP)):
            work[base + i] += work[base + np.uintp(begin) + i]
    half = STEP // 2
    while half > 0:
        for i in range(np.uintp(half)):
            work[base + i] += work[base + np.uintp(half) + i]
        half //= 2
    return float(work[base])


@kernel
def revalue(
    book: FloatArray,
    scenarios: Scenarios,
    totals: FloatArray,
    options_usd: FloatArray,
    options_coin: FloatArray,
) -> None:
    """Adds P&L against the base in USD and coin into totals[2, P]; by option where asked for."""
    size = book.shape[1]
    work = np.ones(ROWS * BLOCK)
    coin = False
    for i in range(size):
        coin |= book[COIN_QUANTITY, i] != 0.0
    for start in range(0, size, BLOCK):
        width = min(BLOCK, -(-(size - start) // STEP) * STEP)
        for row in range(BOOK_ROWS):
            for i in range(BLOCK):
                inside = start + i < size
                work[row * BLOCK + i] = book[row, start + i] if inside else PADDING[row]
        elapsed, shift_row, ratio_row = np.nan, -1, -1
        for p in range(len(scenarios.elapsed_years)):
            if scenarios.ratio_rows[p] != ratio_row:
                ratio_row = scenarios.ratio_rows[p]
                _spread(work, RATIO, scenarios.ratios[ratio_row], start)
                _spread(work, LOG_RATIO, scenarios.log_ratios[ratio_row], start)
            rolls = scenarios.elapsed_years[p] != elapsed
            if rolls:
                elapsed = scenarios.elapsed_years[p]
                _roll(work, width, elapsed)
            if rolls or scenarios.shift_rows[p] != shift_row:
                shift_row = scenarios.shift_rows[p]
                _spread(work, SHIFT, scenarios.shifts[shift_row], start)
                _shift(work, width)
            _revalue(work, width)
            if len(options_usd):
                spill(work, PNL_USD, options_usd[p], start, size)
            totals[0, p] += _sum(work, width, PNL_USD)
            if coin:
                _in_coin(work, width)
                if len(options_coin):
                    spill(work, PNL_COIN, options_coin[p], start, size)
                totals[1, p] += _sum(work, width, PNL_COIN)


@inner
def _spread(work: FloatArray, row: int, values: FloatArray, start: int) -> None:
    """A row of a scenario into the workspace: one value for all options, or each its own."""
    fill(work, row, values, start if len(values) > 1 else 0)
