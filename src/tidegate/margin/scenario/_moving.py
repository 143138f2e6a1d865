# SPDX-License-Identifier: Apache-2.0
"""One book of options in many markets, compiled; the twin is each market's own statement.

A market's forwards and vols move, what depends on time stays. The loop runs over scenarios inside,
so that each is an accumulator of its own and nothing is summed across lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.pricing._black76 import NO_DEVIATION
from tidegate.pricing._elementary import log_, mills_, normal_cdf_
from tidegate.pricing._kernels import inner, kernel
from tidegate.pricing._scenarios import arguments_, revalued_

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Rows of the options, [10, n]; multipliers and skew caps depend on time alone.
STRIKE, LOG_STRIKE, ROOT, SIGN, SIZE, UP, DOWN, LINEAR, ABSOLUTE, WIDTH = range(10)
# Rows of the expiries, [4, E].
FIXED, LIVE_SHARE, DISCOUNT, LEAST_UP = range(4)
# Rows of the workspace, each as wide as a stretch of scenarios.
STRETCH = 64
FORWARD, LOG_FORWARD, DEVIATION, INVERSE, D1, D2, MILLS1, MILLS2, TOTAL, ROWS = range(10)
LEAST_FORWARD = 1e-100


@inner
def _skewed(k: Any, most: Any, width: Any) -> Any:
    tilt = k * most / width
    held = min(tilt, most) if k >= 0.0 else max(tilt, -most)
    return max(1.0 + held, 0.0)


@inner
def _deviations(vol: float, k: float, option: FloatArray, least_up: float, out: FloatArray) -> None:
    """Shocked vol times root of time by `VolMove`, and 1 over it, into out[2, 5]."""
    root = option[ROOT]
    out[0, 0] = vol * root
    out[0, 1] = max(vol * option[UP], least_up) * root
    out[0, 2] = vol * option[DOWN] * root
    out[0, 3] = vol * _skewed(k, option[LINEAR], option[WIDTH]) * root
    out[0, 4] = vol * _skewed(abs(k), option[ABSOLUTE], option[WIDTH]) * root
    for move in range(5):
        out[1, move] = 1.0 / max(out[0, move], NO_DEVIATION)


@inner
def _add_option(work: FloatArray, width: int, option: FloatArray) -> None:
    """Adds the option's worth in every scenario of the stretch to the totals."""
    strike, log_strike, sign, size = (
        option[STRIKE],
        option[LOG_STRIKE],
        option[SIGN],
        option[SIZE],
    )
    for p in range(width):
        log_moneyness = work[LOG_FORWARD * STRETCH + p] - log_strike
        deviation = work[DEVIATION * STRETCH + p]
        d1, d2 = arguments_(log_moneyness, deviation, work[INVERSE * STRETCH + p])
        work[D1 * STRETCH + p] = d1
        work[D2 * STRETCH + p] = d2
    for p in range(width):
        work[MILLS1 * STRETCH + p] = mills_(abs(work[D1 * STRETCH + p]))
        work[MILLS2 * STRETCH + p] = mills_(abs(work[D2 * STRETCH + p]))
    for p in range(width):
        forward = work[FORWARD * STRETCH + p]
        d = (work[D1 * STRETCH + p], work[D2 * STRETCH + p])
        mills = (work[MILLS1 * STRETCH + p], work[MILLS2 * STRETCH + p])
        deviation = work[DEVIATION * STRETCH + p]
        value = revalued_((forward, strike, sign), d, mills, deviation)
        work[TOTAL * STRETCH + p] += size * value


@kernel
def expiry_sums(
    prices: tuple[FloatArray, FloatArray],
    expiries: FloatArray,
    options: FloatArray,
    starts: IndexArray,
    moves: tuple[FloatArray, IndexArray],
    out: FloatArray,
) -> None:
    """Worth of each expiry's options in every market and scenario, into out[E, M, R].

    `prices` are live forwards [M, E] and vols [M, n]; `options` [n, 10]; `moves` ratios and vol
    moves [R].
    """
    forwards, vols = prices
    ratios, vol_moves = moves
    work, shocked = np.zeros(ROWS * STRETCH), np.empty((2, 5))
    for m in range(len(forwards)):
        for e in range(len(starts) - 1):
            live = forwards[m, e] * expiries[LIVE_SHARE, e]
            log_now = log_(live + expiries[FIXED, e])
            for first in range(0, len(ratios), STRETCH):
                width = min(STRETCH, len(ratios) - first)
                for p in range(width):
                    forward = max(live * ratios[first + p] + expiries[FIXED, e], LEAST_FORWARD)
                    work[FORWARD * STRETCH + p] = forward
                    work[LOG_FORWARD * STRETCH + p] = log_(forward)
                    work[TOTAL * STRETCH + p] = 0.0
                for i in range(starts[e], starts[e + 1]):
                    k = options[i, LOG_STRIKE] - log_now
                    _deviations(vols[m, i], k, options[i], expiries[LEAST_UP, e], shocked)
                    for p in range(width):
                        move = vol_moves[first + p]
                        work[DEVIATION * STRETCH + p] = shocked[0, move]
                        work[INVERSE * STRETCH + p] = shocked[1, move]
                    _add_option(work, width, options[i])
                for p in range(width):
                    worth = work[TOTAL * STRETCH + p] * expiries[DISCOUNT, e]
                    out[e, m, first + p] = worth


@kernel
def present(
    prices: tuple[FloatArray, FloatArray],
    expiries: FloatArray,
    options: FloatArray,
    starts: IndexArray,
    out: FloatArray,
) -> None:
    """Value of one unit, undiscounted, and Black-76 delta of every option in every market, into
    out[2, M, n]."""
    forwards, vols = prices
    for m in range(len(forwards)):
        for e in range(len(starts) - 1):
            forward = forwards[m, e] * expiries[LIVE_SHARE, e] + expiries[FIXED, e]
            log_forward = log_(forward)
            for i in range(starts[e], starts[e + 1]):
                sign = options[i, SIGN]
                deviation = vols[m, i] * options[i, ROOT]
                inverse = 1.0 / max(deviation, NO_DEVIATION)
                d = arguments_(log_forward - options[i, LOG_STRIKE], deviation, inverse)
                mills = (mills_(abs(d[0])), mills_(abs(d[1])))
                terms = (forward, options[i, STRIKE], sign)
                out[0, m, i] = revalued_(terms, d, mills, deviation)
                out[1, m, i] = sign * normal_cdf_(sign * d[0])
