# SPDX-License-Identifier: Apache-2.0
"""Worlds that several tests look at, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tidegate.simulation.second_world import SecondParameters, make_second_world
from tidegate.simulation.world.paths import WorldPaths

FloatArray = NDArray[np.float64]

PARAMETERS = SecondParameters()
VENUES = tuple(PARAMETERS.venues)
COINS = tuple(PARAMETERS.coins)
CRISES = ("crash", "gap", "squeeze", "freeze", "depeg", "insolvency")
CRISIS_DAY = 3
LONG_DAYS = 90  # of a calm world in which slow things are seen
STEP_MS = 300_000


@cache
def calm(seed: int, days: int) -> WorldPaths:
    return make_second_world(PARAMETERS, seed, days, "calm", 0)


@cache
def crisis(seed: int, name: str) -> WorldPaths:
    return make_second_world(PARAMETERS, seed, 6, name, CRISIS_DAY)


def table(columns: Mapping[str, FloatArray]) -> FloatArray:
    """Columns by id as one array (venues, coins, ...)."""
    return np.array([[columns[f"{venue}:{coin}"] for coin in COINS] for venue in VENUES])


def first_step(world: WorldPaths) -> int:
    """The step in which the crisis begins."""
    assert world.crisis_start_ms is not None
    return (world.crisis_start_ms - world.start_ms) // STEP_MS


def moves(world: WorldPaths, minutes: int) -> FloatArray:
    """Return of each coin at Binance from before the crisis to so long after (coins)."""
    step = first_step(world)
    close = table(world.close)[VENUES.index("binance")]
    return np.asarray(close[:, step + -(-minutes // 5)] / close[:, step - 1] - 1.0)


def daily_funding(world: WorldPaths) -> FloatArray:
    """Funding of each day (venues, coins, days)."""
    days = world.steps // 288
    sums = {f"{venue}:{coin}": np.zeros(days) for venue in VENUES for coin in COINS}
    for ts_ms, name, rate in world.funding:
        sums[name][(ts_ms - 1 - world.start_ms) // 86_400_000] += rate / 1e12
    return table(sums)
