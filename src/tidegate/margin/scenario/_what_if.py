# SPDX-License-Identifier: Apache-2.0
"""The compiled answer to one order: `what_if` lays the two arrays out that it reads.

Its twin is `Prepared.statements_twin` of the book with the order in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.scenario._losses import BASIS, asked, gain, pooled
from tidegate.margin.scenario.charges import RATES
from tidegate.margin.scenario.what_if import (
    BASIS_REST,
    EQUITY,
    EQUITY_OF,
    FACTOR_INITIAL,
    FACTOR_MAINTENANCE,
    FLOOR,
    FLOOR_FROM,
    GROUP_OF,
    GROUP_TERMS,
    INITIAL,
    MAINTENANCE,
    NETS,
    OTHERS,
    PER_SCALE,
    POOL_TERMS,
    REST,
    ROW_RATES,
    ROW_WEIGHTS,
    SCENARIOS,
    SHRINK,
    SKEWS,
    SUMS,
    VALUES,
    WEIGHTS,
)
from tidegate.pricing._kernels import inner, kernel

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@inner
def _part(floats: FloatArray, integers: IndexArray, part: int, row: int, width: int) -> FloatArray:
    """Row `row` of one part of the memory, whose rows are `width` wide."""
    start = integers[part] + row * width
    return floats[start : start + width]


@inner
def _least(
    column: int, size: float, floats: FloatArray, integers: IndexArray, n: int
) -> tuple[float, int]:
    """The worst result with the order filled, at most 0, and what it is."""
    count = integers[SCENARIOS]
    group, pool = integers[GROUP_OF + column], integers[GROUP_OF + n + column]
    values = _part(floats, integers, VALUES, column, count + 3)
    sums = _part(floats, integers, SUMS, group, count + 3)
    rest = _part(floats, integers, REST, group, count)
    others = _part(floats, integers, OTHERS, pool, count)
    terms = _part(floats, integers, GROUP_TERMS, group, 4)
    weights = _part(floats, integers, WEIGHTS, group, count)
    shrink = _part(floats, integers, SHRINK, pool, count)
    pool_terms = _part(floats, integers, POOL_TERMS, pool, 2)
    skews = _part(floats, integers, SKEWS, 0, count)
    per_scale = _part(floats, integers, PER_SCALE, 0, count)
    now = sums[count + 2] + size * values[count + 2]
    least, place = 0.0, count + 1
    for p in range(count):
        worth = sums[p] + size * values[p]
        x = rest[p] + gain(worth, now, terms, weights[p], skews[p])
        result = (others[p] + pooled(x, shrink[p], pool_terms)) * per_scale[p]
        if result < least:
            least, place = result, p
    up = sums[count] + size * values[count]
    down = sums[count + 1] + size * values[count + 1]
    fall = min(min(up, down) - now, 0.0) * terms[BASIS]
    basis = floats[integers[BASIS_REST] + group] + fall
    return (basis, count) if basis < least else (least, place)


@inner
def _recharged(
    column: int, size: float, floats: FloatArray, integers: IndexArray, n: int
) -> tuple[float, float, float]:
    """Initial charges, maintenance charges and the floor with the order filled."""
    initial, maintenance, floor = floats[INITIAL], floats[MAINTENANCE], floats[FLOOR]
    starts = GROUP_OF + 2 * n
    named = starts + n + 1
    for place in range(integers[starts + column], integers[starts + column + 1]):
        row = integers[named + place]
        rates = _part(floats, integers, ROW_RATES, row, RATES)
        net = floats[integers[NETS] + row]
        before = asked(net, rates)
        after = asked(net + size * floats[integers[ROW_WEIGHTS] + place], rates)
        if row < integers[FLOOR_FROM]:
            initial += after[0] - before[0]
            maintenance += after[1] - before[1]
        else:
            floor += after[0] - before[0]
    return initial, maintenance, floor


@kernel
def outcome(
    column: int, size: float, floats: FloatArray, integers: IndexArray, out: FloatArray
) -> None:
    """Equity, initial and maintenance margin and what binds, into out[4], with the order filled."""
    n = integers[VALUES] - integers[EQUITY_OF]
    least, place = _least(column, size, floats, integers, n)
    initial, maintenance, floor = _recharged(column, size, floats, integers, n)
    loss = -least
    if floor > loss:
        loss, place = floor, integers[SCENARIOS] + 2
    out[0] = floats[EQUITY] + size * floats[integers[EQUITY_OF] + column]
    out[1] = floats[FACTOR_INITIAL] * loss + initial
    out[2] = floats[FACTOR_MAINTENANCE] * loss + maintenance
    out[3] = place
