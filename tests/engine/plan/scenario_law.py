# SPDX-License-Identifier: Apache-2.0
"""The law that a plan's scenarios come from: clustered hourly returns with Student's tails.

    r_c = vol_c sqrt(h) (sqrt(rho) z + sqrt(1 - rho) z_c),   h' = 1 + a (x^2 - 1) + b (h - 1)

with z of Student's law of 5 degrees, scaled to variance 1. Windows of eight hours are filtered by
`risk.scenarios`, as of a history. Implied vols answer the window's worst move down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.engine.plan.scenario_tails import Markets
from tidegate.risk.scenarios import (
    BarBlock,
    Scenarios,
    filtered,
    path_tables,
    with_jump,
)

FloatArray = NDArray[np.float64]
VOL_DAILY = {"BTC": 0.03, "ETH": 0.04}
CORRELATION = 0.8
BARS, WINDOW, DEGREES = 43_800, 8, 5.0
ARCH, GARCH = 0.06, 0.92
# By how much implied vols rise for a fall of one daily deviation, and at most.
VOL_ANSWER, VOL_MOST = 0.12, 2.5
JUMP = 1.25


def history(seed: int) -> BarBlock:
    """Five years of hourly bars with the volatility that was known at each."""
    rng = np.random.default_rng(seed)
    coins = np.array(list(VOL_DAILY.values()))
    draws = rng.standard_t(DEGREES, (BARS, 1 + coins.size)) * np.sqrt((DEGREES - 2) / DEGREES)
    common = draws[:, 0]
    level = np.ones(BARS)
    for bar in range(1, BARS):
        last = level[bar - 1]
        level[bar] = (
            1.0 + ARCH * last * (common[bar - 1] ** 2 - 1.0) + (ARCH + GARCH) * (last - 1.0)
        )
    own = np.sqrt(CORRELATION) * common[:, None] + np.sqrt(1.0 - CORRELATION) * draws[:, 1:]
    deviation = coins / np.sqrt(24.0) * np.sqrt(level)[:, None]
    close = np.exp(np.cumsum(deviation * own, axis=0))
    opened = np.vstack([np.ones((1, coins.size)), close[:-1]])
    wick = np.exp(0.3 * deviation * np.abs(rng.standard_normal((2, BARS, coins.size))))
    high, low = np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1]
    return BarBlock(high, low, close, coins * np.sqrt(level)[:, None])


def scenarios(seed: int) -> tuple[Scenarios, int]:
    """Windows that do not overlap, filtered to today's vol, a jump beside them; and their count."""
    tables = path_tables(history(seed), (WINDOW,))
    starts = np.arange(0, tables.down.shape[1], WINDOW)
    vols = np.array(list(VOL_DAILY.values()))
    found = filtered(tables, starts, vols, np.full(starts.size, float(WINDOW)))
    return with_jump(found, JUMP), starts.size + 1


def markets(tail_share: float, seed: int) -> Markets:
    """The worst scenarios of a tail: both coins at their lows and highs in every combination, and
    the price now, with the vols that answer."""
    found, count = scenarios(seed)
    mass = max(1.0, tail_share * count)
    size = np.maximum(-np.log(found.low_after), np.log(found.high_after)).sum(axis=1)
    carried = min(count, 12 + int(3.0 * mass))
    chosen = np.argsort(-size, kind="stable")[:carried]
    low, high = found.low_after[chosen], found.high_after[chosen]
    ones = np.ones(carried)
    btc = np.stack([low[:, 0], high[:, 0], low[:, 0], high[:, 0], ones], axis=1)
    eth = np.stack([low[:, 1], high[:, 1], high[:, 1], low[:, 1], ones], axis=1)
    fall = -np.log(low[:, 0]) / VOL_DAILY["BTC"]
    up = np.minimum(1.0 + VOL_ANSWER * fall, VOL_MOST)
    vols = np.stack([up, ones, up, ones, up], axis=1)
    return Markets({"BTC": btc, "ETH": eth}, vols, mass)
