# SPDX-License-Identifier: Apache-2.0
"""Worlds that several tests look at, made once."""

from __future__ import annotations

from functools import cache

import numpy as np

from tidegate.simulation.world import WorldParameters, WorldPaths, make_world
from tidegate.simulation.world.arrays import FloatArray, stream
from tidegate.simulation.world.crises import CrisisPlan, draw_crisis
from tidegate.simulation.world.prices import draw_returns
from tidegate.simulation.world.regimes import draw_background

PARAMETERS = WorldParameters()
DAYS, CRISIS_DAY = 3, 1
COINS = tuple(coin.name for coin in PARAMETERS.coins)
VENUES = tuple(venue.name for venue in PARAMETERS.venues)


@cache
def world(crisis: str, seed: int) -> WorldPaths:
    return make_world(PARAMETERS, seed, DAYS, crisis, CRISIS_DAY)


def crisis_step(paths: WorldPaths) -> int:
    assert paths.crisis_start_ms is not None
    return (paths.crisis_start_ms - paths.start_ms) // paths.step_ms


@cache
def plan(crisis: str, seed: int) -> CrisisPlan:
    """What the seed draws of the crisis of `world`."""
    per_day = PARAMETERS.steps_per_day * PARAMETERS.substeps
    return draw_crisis(
        stream(seed, "crisis"),
        PARAMETERS.crisis(crisis),
        PARAMETERS.crisis_draw,
        np.array([coin.crisis_beta for coin in PARAMETERS.coins]),
        len(VENUES),
        (CRISIS_DAY * per_day, per_day),
    )


def returns(drawn: CrisisPlan, seed: int) -> FloatArray:
    """Log returns of the index (coins, sub-steps) in `world`, before forced closing."""
    steps = DAYS * PARAMETERS.steps_per_day
    background = draw_background(stream(seed, "regimes"), PARAMETERS, steps, drawn)
    return draw_returns(stream(seed, "returns"), PARAMETERS, background, drawn)
