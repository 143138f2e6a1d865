# SPDX-License-Identifier: Apache-2.0
"""The named days: how far each coin is to move and when, and what else fails with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.model.errors import InputError
from tidegate.simulation.second_world.grid import (
    MINUTES,
    STEPS_HOUR,
    FloatArray,
    Grid,
)
from tidegate.simulation.second_world.parameters import Crises, SecondParameters

NAMES = ("calm", "crash", "gap", "squeeze", "freeze", "depeg", "insolvency")


@dataclass(frozen=True, slots=True, eq=False)
class Crisis:
    """A drawn crisis: from `start` for `length` minutes each coin moves by `target` (log).

    `rebound` is the share of the move that comes back. `venue` is frozen for `freeze_minutes`;
    `stable` loses `depeg` of its price. A venue of "" and a stablecoin of "" stand for none.
    """

    name: str
    start: int
    length: int
    target: FloatArray
    rebound: float
    depth: float
    venue: str
    freeze_minutes: int
    stable: str
    depeg: float

    @property
    def end(self) -> int:
        """The minute after the last one of the move."""
        return self.start + self.length


def _move_and_minutes(rng: np.random.Generator, p: Crises, name: str) -> tuple[float, int]:
    if name == "gap":
        return -rng.uniform(*p.gap), 1
    if name == "squeeze":
        return rng.uniform(*p.squeeze), int(rng.integers(*p.crash_minutes))
    if name == "insolvency":
        return -rng.uniform(*p.insolvency), p.insolvency_minutes
    return -rng.uniform(*p.crash), int(rng.integers(*p.crash_minutes))


def _freeze_minutes(rng: np.random.Generator, p: Crises, name: str) -> int:
    if name == "insolvency":
        return round(60 * p.insolvency_freeze_h)
    return round(60 * rng.uniform(*p.freeze_h)) if name == "freeze" else 0


def check_crisis(days: int, name: str, day: int) -> None:
    """Raise `InputError` unless the window is of whole days and holds the crisis."""
    where = "second world"
    if days < 1:
        raise InputError(where, "days", f"expected at least 1, got {days}")
    if name not in NAMES:
        raise InputError(where, "crisis", f"expected one of {', '.join(NAMES)}, got {name!r}")
    if name != "calm" and not 0 <= day < days:
        raise InputError(where, "crisis_day", f"expected 0 to {days - 1}, got {day}")


def draw_crisis(grid: Grid, p: SecondParameters, name: str, day: int) -> Crisis | None:
    """The crisis of that name, at a time of its day between 02:00 and 20:00; none when calm."""
    if name == "calm":
        return None
    rng = grid.stream("crisis")
    start = day * 1440 + int(rng.integers(120, 1200))
    move, length = _move_and_minutes(rng, p.crises, name)
    spread = p.crises.alt_spread * rng.standard_normal(len(p.coins))
    factor = np.array([coin.crash_factor for coin in p.coins.values()])
    factor = np.where(factor == 1.0, 1.0, factor * np.exp(spread))
    target = np.log1p(np.maximum(move * factor, -p.crises.fall_max))
    rebound = rng.uniform(*p.crises.rebound)
    minutes = _freeze_minutes(rng, p.crises, name)
    venue = str(rng.choice(list(p.venues))) if minutes else ""
    depth = p.crises.depth_insolvency if name == "insolvency" else p.crises.depth
    stable = str(rng.choice(["USDT", "USDC"])) if name == "depeg" else ""
    depeg = rng.uniform(*p.crises.depeg) if stable else 0.0
    return Crisis(
        name, start, length, target, rebound, depth, venue, minutes, stable, depeg
    )  # fmt: skip


def crisis_shape(grid: Grid, p: Crises, crisis: Crisis) -> FloatArray:
    """Share of the target that is reached by the end of each minute: in uneven steps that are
    largest in the middle, and back by the rebound (minutes)."""
    rng = grid.stream("crisis shape")
    middle = np.arange(1, crisis.length + 1) / (crisis.length + 1)
    weight = middle * (1.0 - middle) * rng.gamma(1.0, size=crisis.length)
    shape = np.zeros(grid.minutes)
    shape[crisis.start : crisis.end] = np.cumsum(weight) / weight.sum()
    later = np.arange(1, grid.minutes - crisis.end + 1) / (60.0 * p.rebound_half_life_h)
    shape[crisis.end :] = 1.0 - crisis.rebound * (1.0 - 0.5**later)
    return shape


def depth_ceiling(grid: Grid, p: Crises, crisis: Crisis | None) -> FloatArray:
    """The most that is left of calm depth: falls with the move, recovers slowly (steps)."""
    ceiling = np.full(grid.steps, np.inf)
    if crisis is None:
        return ceiling
    first, last = crisis.start // MINUTES, -(-crisis.end // MINUTES)
    ceiling[first:last] = crisis.depth
    hours = np.arange(1, grid.steps - last + 1) / STEPS_HOUR
    ceiling[last:] = crisis.depth * 2.0 ** (hours / p.depth_half_life_h)
    return ceiling
