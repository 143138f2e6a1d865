# SPDX-License-Identifier: Apache-2.0
"""Option markets that several tests look at, each made once over a short world."""

from __future__ import annotations

from functools import cache

import numpy as np

from tests.simulation.world.worlds import PARAMETERS, crisis_step
from tidegate.simulation.world import WorldPaths, make_world
from tidegate.simulation.world.arrays import FloatArray
from tidegate.simulation.world.option_market import OptionMarket, make_option_market
from tidegate.simulation.world.option_parameters import OptionParameters

OPTIONS = OptionParameters()
DAYS, CRISIS_DAY = 6, 4
TENORS_YEARS = np.array([1.0, 7.0, 30.0, 90.0, 180.0]) / 365.0


@cache
def paths(crisis: str, seed: int) -> WorldPaths:
    return make_world(PARAMETERS, seed, DAYS, crisis, CRISIS_DAY)


@cache
def market(crisis: str, seed: int) -> OptionMarket:
    return make_option_market(OPTIONS, paths(crisis, seed), seed)


def at_the_money(made: OptionMarket, coin: str) -> FloatArray:
    """Volatility at the money (tenors, steps)."""
    steps = np.arange(made.steps)
    surface = made.coins[coin].surface
    rows = [surface.theta(steps, np.full(steps.size, t)) / t for t in TENORS_YEARS]
    return np.sqrt(np.array(rows))


def begin(crisis: str, seed: int) -> int:
    """The step in which the crisis begins."""
    return crisis_step(paths(crisis, seed))
