# SPDX-License-Identifier: Apache-2.0
"""Worlds that several tests look at, made once."""

from __future__ import annotations

from functools import cache

from tidegate.simulation.world import WorldParameters, WorldPaths, make_world

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
