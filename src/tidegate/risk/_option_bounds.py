# SPDX-License-Identifier: Apache-2.0
"""Bounds of a book of options over cells of price and vol, in every scenario of a rule, compiled.

With F the scenario's forward and s = vol sqrt(T), from a cell's middle (F0, s0),

    V(F, s) = V(F0, s0) + vega(s') (s - s0) + delta(F0, s) (F - F0) + R
    R = gamma(F', s) (F - F0)^2 / 2  >= 0          and at most (delta - delta(F0, s)) (F - F0)

delta = N(d1), vega = F0 n(d1) in s, gamma = n(d1) / (F s); each is taken over its range, which
follows from that of d1 = ln(F / K) / s + s / 2: rising in ln(F / K), convex in s above the strike
with its least at sqrt(2 ln(F / K)), rising below it. What is left is netted over the options of an
expiry where that is tighter: sum q [gamma] (F - F0)^2 / 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.scenario._moving import (
    ABSOLUTE,
    DISCOUNT,
    DOWN,
    FIXED,
    LEAST_FORWARD,
    LEAST_UP,
    LINEAR,
    LIVE_SHARE,
    LOG_STRIKE,
    ROOT,
    SIGN,
    SIZE,
    STRIKE,
    UP,
    WIDTH,
)
from tidegate.pricing._black76 import NO_DEVIATION
from tidegate.pricing._elementary import log_, mills_, normal_cdf_, normal_density_
from tidegate.pricing._kernels import inner, kernel
from tidegate.pricing._scenarios import arguments_, revalued_

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Rows of what is answered, and of a cell: ends and middle of the contracts' price and of vol.
VALUE, SLOPE_PRICE, SLOPE_VOL, LOW, HIGH, ROWS = range(6)
PRICE_LOW, PRICE_MID, PRICE_HIGH, VOL_LOW, VOL_MID, VOL_HIGH = range(6)
NONE, SHIFT_UP, SHIFT_DOWN, SHIFT_LINEAR, SHIFT_ABSOLUTE = range(5)


@inner
def d1_range(x_low: float, x_high: float, s_low: float, s_high: float) -> Any:
    """Least and largest d1 over ranges of ln(F / K) and of s."""
    least_s, most_s = max(s_low, NO_DEVIATION), max(s_high, NO_DEVIATION)
    low = min(x_low / least_s + 0.5 * least_s, x_low / most_s + 0.5 * most_s)
    if x_low > 0.0:
        turn = np.sqrt(2.0 * x_low)
        if least_s < turn < most_s:
            low = turn
    high = max(x_high / least_s + 0.5 * least_s, x_high / most_s + 0.5 * most_s)
    return low, high


@inner
def density_range(low: float, high: float) -> Any:
    """Least and largest n(d) for d in a range."""
    nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return normal_density_(max(abs(low), abs(high))), normal_density_(nearest)


@inner
def _tilt(k: float, most: float, width: float) -> float:
    held = min(max(k * most / width, -most), most)
    return max(1.0 + held, 0.0)


@inner
def _skew_range(k_low: float, k_high: float, most: float, width: float) -> Any:
    """Least and largest multiplier for k in a range, and least and largest slope in k."""
    slope = most / width
    inside = k_low > -width and k_high < width and most < 1.0
    outside = k_low >= width or k_high <= -width
    flat = 0.0 if not inside else slope
    return _tilt(k_low, most, width), _tilt(k_high, most, width), flat, 0.0 if outside else slope


@inner
def _skews(k_low: float, k_high: float, option: FloatArray, move: int) -> Any:
    """As `_skew_range` for k or, of the absolute skew, |k|, with slopes in k itself."""
    width = option[WIDTH]
    if move == SHIFT_LINEAR:
        return _skew_range(k_low, k_high, option[LINEAR], width)
    most = option[ABSOLUTE]
    far = max(abs(k_low), abs(k_high))
    if k_low >= 0.0:
        return _skew_range(k_low, k_high, most, width)
    if k_high <= 0.0:
        low, high, flat, steep = _skew_range(-k_high, -k_low, most, width)
        return low, high, -steep, -flat
    return 1.0, _tilt(far, most, width), -most / width, most / width


@inner
def _vol_range(
    cell: FloatArray, ks: tuple[float, float, float], option: FloatArray, vol: float, rule: Any
) -> Any:
    """s low, middle, high; least and largest ds / dvol; least and largest ds / dk at any vol."""
    move, least_up = rule
    root = option[ROOT]
    unit = vol * root
    if move == SHIFT_UP:
        unit *= option[UP]
        floor = least_up * root
        steep = unit if cell[VOL_HIGH] * unit > floor else 0.0
        flat = unit if cell[VOL_LOW] * unit >= floor else 0.0
        ends = (
            max(cell[VOL_LOW] * unit, floor),
            max(cell[VOL_MID] * unit, floor),
            max(cell[VOL_HIGH] * unit, floor),
        )
        return ends, (flat, steep), (0.0, 0.0)
    if move == SHIFT_DOWN:
        unit *= option[DOWN]
    if move <= SHIFT_DOWN:
        ends = (cell[VOL_LOW] * unit, cell[VOL_MID] * unit, cell[VOL_HIGH] * unit)
        return ends, (unit, unit), (0.0, 0.0)
    least, largest, flat, steep = _skews(ks[0], ks[2], option, move)
    middle = _skews(ks[1], ks[1], option, move)[0]
    ends = (
        cell[VOL_LOW] * unit * least,
        cell[VOL_MID] * unit * middle,
        cell[VOL_HIGH] * unit * largest,
    )
    by_k = (
        min(flat * cell[VOL_LOW], flat * cell[VOL_HIGH]) * unit,
        max(steep * cell[VOL_LOW], steep * cell[VOL_HIGH]) * unit,
    )
    return ends, (unit * middle, unit * middle), by_k


@inner
def _interval_product(a_low: float, a_high: float, b_low: float, b_high: float) -> Any:
    ends = (a_low * b_low, a_low * b_high, a_high * b_low, a_high * b_high)
    return (
        min(min(ends[0], ends[1]), min(ends[2], ends[3])),
        max(max(ends[0], ends[1]), max(ends[2], ends[3])),
    )


@inner
def _value(forward: float, log_forward: float, option: FloatArray, deviation: float) -> float:
    inverse = 1.0 / max(deviation, NO_DEVIATION)
    d = arguments_(log_forward - option[LOG_STRIKE], deviation, inverse)
    mills = (mills_(abs(d[0])), mills_(abs(d[1])))
    return float(revalued_((forward, option[STRIKE], option[SIGN]), d, mills, deviation))


@inner
def _remainder(forwards: Any, full: Any, centre: Any, s: Any) -> Any:
    """Least and largest gamma, and the most that R can be, in dollars squared and dollars."""
    low, middle, high = forwards
    reach = max(high - middle, middle - low)
    densities = density_range(full[0], full[1])
    least_gamma = densities[0] / (high * max(s[2], NO_DEVIATION))
    most_gamma = densities[1] / (low * max(s[0], NO_DEVIATION))
    up = (normal_cdf_(full[1]) - normal_cdf_(centre[0])) * (high - middle)
    down = (normal_cdf_(centre[1]) - normal_cdf_(full[0])) * (middle - low)
    return least_gamma, most_gamma, min(0.5 * most_gamma * reach * reach, max(up, down))


@inner
def _add(total: FloatArray, option: FloatArray, forwards: Any, logs: Any, moved: Any) -> None:
    """Adds one option to the sums of its expiry in a cell and scenario; rows as in `expiry`."""
    cell, s, by_vol, by_price, live = moved
    size, log_strike = option[SIZE], option[LOG_STRIKE]
    x = (logs[0] - log_strike, logs[1] - log_strike, logs[2] - log_strike)
    centre, full = d1_range(x[1], x[1], s[0], s[2]), d1_range(x[0], x[2], s[0], s[2])
    total[0] += size * _value(forwards[1], logs[1], option, s[1])
    deltas = (normal_cdf_(centre[0]), normal_cdf_(centre[1]))
    put = 0.0 if option[SIGN] > 0.0 else 1.0
    vegas = density_range(centre[0], centre[1])
    vega = (forwards[1] * vegas[0], forwards[1] * vegas[1])
    in_vol = (vega[0] * by_vol[0], vega[1] * by_vol[1])
    in_price = _interval_product(vega[0], vega[1], by_price[0], by_price[1])
    total[1] += size * (
        live * (0.5 * (deltas[0] + deltas[1]) - put) + 0.5 * (in_price[0] + in_price[1])
    )
    total[2] += size * 0.5 * (in_vol[0] + in_vol[1])
    price_reach = max(cell[PRICE_HIGH] - cell[PRICE_MID], cell[PRICE_MID] - cell[PRICE_LOW])
    vol_reach = max(cell[VOL_HIGH] - cell[VOL_MID], cell[VOL_MID] - cell[VOL_LOW])
    left = 0.5 * (live * (deltas[1] - deltas[0]) + in_price[1] - in_price[0]) * price_reach
    total[3] += abs(size) * (left + 0.5 * (in_vol[1] - in_vol[0]) * vol_reach)
    if forwards[2] > forwards[0]:
        least, most, cap = _remainder(forwards, full, centre, s)
        if size > 0.0:
            total[5] += size * cap
            total[6] += size * least
            total[7] += size * most
        else:
            total[4] += size * cap
            total[6] += size * most
            total[7] += size * least


@kernel
def expiry_bounds(
    cells: FloatArray,
    market: tuple[FloatArray, FloatArray],
    expiries: FloatArray,
    book: tuple[FloatArray, IndexArray],
    moves: tuple[FloatArray, IndexArray],
    out: FloatArray,
) -> None:
    """Worth of each expiry's options over every cell [B, 6] in every scenario, out[5, E, B, R]:
    value in the middle, slopes in the contracts' price and in vol (per unit of the ratios), and
    what is left below and above. `market` holds forwards [E] and vols [n] now."""
    forward_now, vols = market
    options, starts = book
    ratios, vol_moves = moves
    total = np.empty(8)
    for e in range(len(starts) - 1):
        fixed, share = expiries[FIXED, e], expiries[LIVE_SHARE, e]
        for b in range(len(cells)):
            cell = cells[b]
            now = forward_now[e] * share
            ends = (now * cell[PRICE_LOW] + fixed, now * cell[PRICE_MID] + fixed)
            top = now * cell[PRICE_HIGH] + fixed
            log_now = (log_(ends[0]), log_(ends[1]), log_(top))
            for p in range(len(ratios)):
                live = now * ratios[p]
                forwards = (
                    max(live * cell[PRICE_LOW] + fixed, LEAST_FORWARD),
                    max(live * cell[PRICE_MID] + fixed, LEAST_FORWARD),
                    max(live * cell[PRICE_HIGH] + fixed, LEAST_FORWARD),
                )
                logs = (log_(forwards[0]), log_(forwards[1]), log_(forwards[2]))
                total[:] = 0.0
                for i in range(starts[e], starts[e + 1]):
                    option = options[i]
                    strike = option[LOG_STRIKE]
                    ks = (strike - log_now[2], strike - log_now[1], strike - log_now[0])
                    rule = (vol_moves[p], expiries[LEAST_UP, e])
                    s, by_vol, by_k = _vol_range(cell, ks, option, vols[i], rule)
                    # k falls as the price rises: dk / dprice = -now / forward.
                    by_price = (0.0, 0.0)
                    if vol_moves[p] > SHIFT_DOWN:
                        by_price = _interval_product(by_k[0], by_k[1], -now / ends[0], -now / top)
                    if option[SIZE] != 0.0:
                        _add(total, option, forwards, logs, (cell, s, by_vol, by_price, live))
                reach = max(forwards[2] - forwards[1], forwards[1] - forwards[0])
                low, high = total[4], total[5]
                if reach > 0.0:
                    half = 0.5 * reach * reach
                    low = max(low, half * min(total[6], 0.0))
                    high = min(high, half * max(total[7], 0.0))
                scale = expiries[DISCOUNT, e]
                out[VALUE, e, b, p] = total[0] * scale
                out[SLOPE_PRICE, e, b, p] = total[1] * scale
                out[SLOPE_VOL, e, b, p] = total[2] * scale
                out[LOW, e, b, p] = (low - total[3]) * scale
                out[HIGH, e, b, p] = (high + total[3]) * scale


@inner
def _bend_range(centre: Any, s: Any) -> Any:
    """Least and largest d delta / ds = -n(d1) d2 / s along the middle forward."""
    least_s, most_s = max(s[0], NO_DEVIATION), max(s[2], NO_DEVIATION)
    densities = density_range(centre[0], centre[1])
    d2 = (centre[0] - most_s, centre[1] - least_s)
    over = (densities[0] / most_s, densities[1] / least_s)
    high = d2[1] * (over[1] if d2[1] > 0.0 else over[0])
    low = d2[0] * (over[1] if d2[0] < 0.0 else over[0])
    return -high, -low


@inner
def _add_delta(total: FloatArray, option: FloatArray, logs: Any, moved: Any) -> None:
    """Adds one option's delta: an affine form, or the range alone where that is narrower."""
    cell, forwards, unit, now = moved
    size, log_strike = option[SIZE], option[LOG_STRIKE]
    s = (cell[VOL_LOW] * unit, cell[VOL_MID] * unit, cell[VOL_HIGH] * unit)
    x = (logs[0] - log_strike, logs[1] - log_strike, logs[2] - log_strike)
    centre, full = d1_range(x[1], x[1], s[0], s[2]), d1_range(x[0], x[2], s[0], s[2])
    put = 0.0 if option[SIGN] > 0.0 else 1.0
    ends = (normal_cdf_(full[0]), normal_cdf_(full[1]))
    densities = density_range(full[0], full[1])
    gamma = (
        densities[0] * now / (forwards[2] * max(s[2], NO_DEVIATION)),
        densities[1] * now / (forwards[0] * max(s[0], NO_DEVIATION)),
    )
    bend = _bend_range(centre, s)
    price_reach = max(cell[PRICE_HIGH] - cell[PRICE_MID], cell[PRICE_MID] - cell[PRICE_LOW])
    vol_reach = max(cell[VOL_HIGH] - cell[VOL_MID], cell[VOL_MID] - cell[VOL_LOW])
    left = 0.5 * (gamma[1] - gamma[0]) * price_reach
    left += 0.5 * (bend[1] - bend[0]) * unit * vol_reach
    half = 0.5 * (ends[1] - ends[0])
    if left < half:
        at = d1_range(x[1], x[1], s[1], s[1])
        total[VALUE] += size * (normal_cdf_(at[0]) - put)
        total[SLOPE_PRICE] += size * 0.5 * (gamma[0] + gamma[1])
        total[SLOPE_VOL] += size * 0.5 * (bend[0] + bend[1]) * unit
        total[HIGH] += abs(size) * left
    else:
        total[VALUE] += size * (0.5 * (ends[0] + ends[1]) - put)
        total[HIGH] += abs(size) * half


@kernel
def delta_bounds(
    cells: FloatArray,
    market: tuple[FloatArray, FloatArray],
    expiries: FloatArray,
    book: tuple[FloatArray, IndexArray],
    out: FloatArray,
) -> None:
    """Black-76 delta of each expiry's options over every cell, into out[5, E, B], as above."""
    forward_now, vols = market
    options, starts = book
    total = np.empty(ROWS)
    for e in range(len(starts) - 1):
        now = forward_now[e] * expiries[LIVE_SHARE, e]
        for b in range(len(cells)):
            cell = cells[b]
            forwards = (
                now * cell[PRICE_LOW] + expiries[FIXED, e],
                now * cell[PRICE_MID] + expiries[FIXED, e],
                now * cell[PRICE_HIGH] + expiries[FIXED, e],
            )
            logs = (log_(forwards[0]), log_(forwards[1]), log_(forwards[2]))
            total[:] = 0.0
            for i in range(starts[e], starts[e + 1]):
                if options[i, SIZE] != 0.0:
                    unit = vols[i] * options[i, ROOT]
                    _add_delta(total, options[i], logs, (cell, forwards, unit, now))
            out[VALUE, e, b] = total[VALUE]
            out[SLOPE_PRICE, e, b] = total[SLOPE_PRICE]
            out[SLOPE_VOL, e, b] = total[SLOPE_VOL]
            out[LOW, e, b] = -total[HIGH]
            out[HIGH, e, b] = total[HIGH]
