# SPDX-License-Identifier: Apache-2.0
"""The generated markets that contests are held on, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tidegate.backtest.trial.contest import World
from tidegate.simulation.second_world import SecondParameters, make_second_world
from tidegate.simulation.world import CRISES, WorldParameters, make_world
from tidegate.simulation.world.crises import CrisisShape
from tidegate.simulation.world.paths import WorldPaths


def first_world(*more: CrisisShape) -> World:
    """The world of `simulation.world` with its own parameters, and more crises if wanted."""
    shapes = (*CRISES.values(), *more)
    parameters = WorldParameters(crises=shapes)

    def make(seed: int, days: int, crisis: str, day: int) -> WorldPaths:
        return make_world(parameters, seed, days, crisis, day)

    return World("first", parameters.digest(), make, tuple(shape.name for shape in shapes))


def second_world() -> World:
    """The world of `simulation.second_world`: other dynamics, by another author."""
    parameters = SecondParameters()

    def make(seed: int, days: int, crisis: str, day: int) -> WorldPaths:
        return make_second_world(parameters, seed, days, crisis, day)

    return World("second", parameters.digest(), make)


WORLDS: Mapping[str, Callable[[], World]] = MappingProxyType(
    {"first": first_world, "second": second_world}
)
