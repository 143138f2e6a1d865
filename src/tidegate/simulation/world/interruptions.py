# SPDX-License-Identifier: Apache-2.0
"""When a venue does not trade, and when its money does not move."""

from __future__ import annotations

import numpy as np

from tidegate.model.times import HOUR_MS
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.parameters import WorldParameters

Intervals = tuple[tuple[str, int, int], ...]


def draw_outages(
    rng: np.random.Generator, parameters: WorldParameters, steps: int, plan: CrisisPlan
) -> Intervals:
    """Outages as (venue, start_ms, end_ms) on whole steps, in time order.

    Poisson arrivals with exponential lengths; a crisis may bring one at the struck venue.
    """
    i = parameters.interruptions
    found = _poisson(rng, parameters, steps, i.outages_per_year, i.outage_minutes / 60.0)
    struck = rng.random() < plan.shape.outage_probability
    delay, minutes = rng.random(), rng.uniform(*i.crisis_outage_minutes)
    if struck:
        begin = plan.start + delay * plan.length
        found.append(_interval(parameters, plan.venue, begin, minutes / 60.0))
    return _in_order(found)


def draw_freezes(
    rng: np.random.Generator, parameters: WorldParameters, steps: int, plan: CrisisPlan
) -> Intervals:
    """Withdrawal freezes as (venue, start_ms, end_ms), in time order; they may outlast the world.

    Poisson arrivals with exponential lengths, and the crisis' own from its first step on, or from
    the end of the rush for withdrawals.
    """
    i = parameters.interruptions
    found = _poisson(rng, parameters, steps, i.freezes_per_year, i.freeze_hours)
    if plan.freeze_hours:
        begin = plan.start + plan.shape.rush_hours / parameters.substep_hours
        found.append(_interval(parameters, plan.venue, begin, plan.freeze_hours))
    return _in_order(found)


def rushes(parameters: WorldParameters, plan: CrisisPlan) -> tuple[tuple[str, int, int, int], ...]:
    """The crisis' rush as (venue, start_ms, end_ms, longest wait in ms); none without one.

    First come, first served: all is asked for evenly within the rush and paid evenly over the
    drain, so who asks at an age of a waits a * (drain / rush - 1).
    """
    shape = plan.shape
    if not shape.rush_hours or not plan.on:
        return ()
    wait_ms = round(max(0.0, shape.drain_hours - shape.rush_hours) * HOUR_MS)
    return ((*_interval(parameters, plan.venue, plan.start, shape.rush_hours), wait_ms),)


def _poisson(
    rng: np.random.Generator,
    parameters: WorldParameters,
    steps: int,
    per_year: float,
    mean_hours: float,
) -> list[tuple[str, int, int]]:
    expected = per_year * steps * parameters.step_hours / 8_760.0
    found = []
    for venue in range(len(parameters.venues)):
        for _ in range(rng.poisson(expected)):
            begin = rng.uniform(0.0, steps * parameters.substeps)
            found.append(_interval(parameters, venue, begin, rng.exponential(mean_hours)))
    return found


def _interval(
    parameters: WorldParameters, venue: int, substep: float, hours: float
) -> tuple[str, int, int]:
    """From the step that contains a sub-step, for whole steps, at least one."""
    begin = int(substep) // parameters.substeps
    length = max(1, round(hours * HOUR_MS / parameters.step_ms))
    start_ms = parameters.start_ms + begin * parameters.step_ms
    return parameters.venues[venue].name, start_ms, start_ms + length * parameters.step_ms


def _in_order(found: list[tuple[str, int, int]]) -> Intervals:
    return tuple(sorted(found, key=lambda interval: (interval[1], interval[0], interval[2])))
