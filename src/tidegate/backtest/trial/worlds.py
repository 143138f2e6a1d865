# SPDX-License-Identifier: Apache-2.0
"""The generated markets that contests are held on, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from tidegate.backtest.trial.contest import World
from tidegate.model.errors import InputError
from tidegate.simulation.second_world import SecondParameters, make_second_world
from tidegate.simulation.world import WorldParameters, make_world
from tidegate.simulation.world.crises import CrisisShape
from tidegate.simulation.world.paths import WorldPaths


def first_world(*more: CrisisShape, fitted: WorldParameters | None = None) -> World:
    """The world of `simulation.world` with its own parameters, or those fitted to a history, and
    more crises if wanted."""
    own = fitted or WorldParameters()
    shapes = (*own.crises, *more)
    parameters = replace(own, crises=shapes)

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


def world_of(name: str, fitted: WorldParameters | None = None) -> World:
    """The world of a name, with parameters fitted to a history where they are given.

    Raises `InputError` for an unknown name, and for parameters with another world than the first,
    whose they are.
    """
    if name not in WORLDS:
        raise InputError("--world", name, f"expected one of {', '.join(WORLDS)}")
    if fitted is None:
        return WORLDS[name]()
    if name != "first":
        raise InputError("--parameters", name, "expected --world first, whose parameters they are")
    return first_world(fitted=fitted)
