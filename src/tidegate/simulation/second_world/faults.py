# SPDX-License-Identifier: Apache-2.0
"""Venues that stop, withdrawals that stop, and stablecoins that are not quite a dollar."""

from __future__ import annotations

import numpy as np

from tidegate.simulation.second_world.crises import Crisis
from tidegate.simulation.second_world.grid import (
    MINUTES,
    STEPS_HOUR,
    STEPS_YEAR,
    FloatArray,
    Grid,
    mean_reverting,
)
from tidegate.simulation.second_world.parameters import Faults, SecondParameters

Span = tuple[str, int, int]
STABLES = ("USDT", "USDC")


def stress_level(depth: FloatArray) -> FloatArray:
    """0 where depth is calm, 1 where a tenth of it is left, in logs; of all coins (steps)."""
    return np.asarray(np.clip(-np.log10(depth).mean(axis=0), 0.0, 1.0))


def _beginnings(
    rng: np.random.Generator, stress: FloatArray, per_year: float, pull: float
) -> list[int]:
    """Steps in which something begins: Poisson, with a hazard that rises with stress."""
    counts = rng.poisson(per_year / STEPS_YEAR * (1.0 + pull * stress))
    return [int(step) for step in np.flatnonzero(counts)]


def _spans(grid: Grid, p: SecondParameters, stress: FloatArray, kind: str) -> list[Span]:
    """Outages or freezes of random venues, whole minutes, cut at the window's end."""
    q: Faults = p.faults
    rng = grid.stream(kind)
    outage = kind == "outages"
    rate = q.outages_year if outage else q.freezes_year
    median = q.outage_median_min if outage else 60.0 * q.freeze_median_h
    spans = []
    for step in _beginnings(rng, stress, rate, q.stress_pull):
        venue = str(rng.choice(list(p.venues)))
        minutes = max(MINUTES, round(median * float(rng.lognormal(0.0, q.log_sd))))
        begin = step * MINUTES
        spans.append((venue, grid.ms(begin), grid.ms(min(begin + minutes, grid.minutes))))
    return spans


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in time order, those of one venue that touch joined."""
    merged: list[Span] = []
    for venue, begin, end in sorted(spans):
        if merged and merged[-1][0] == venue and begin <= merged[-1][2]:
            merged[-1] = (venue, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((venue, begin, end))
    return tuple(sorted(merged, key=lambda span: (span[1], span[0])))


def outages(grid: Grid, p: SecondParameters, stress: FloatArray) -> tuple[Span, ...]:
    """(venue, begin, end) of times in which a venue does not trade."""
    return _merged(_spans(grid, p, stress, "outages"))


def freezes(
    grid: Grid, p: SecondParameters, stress: FloatArray, crisis: Crisis | None
) -> tuple[Span, ...]:
    """(venue, begin, end) of times in which a venue moves no money; a crisis adds its own."""
    spans = _spans(grid, p, stress, "freezes")
    if crisis is not None and crisis.venue:
        end = min(crisis.start + crisis.freeze_minutes, grid.minutes)
        spans.append((crisis.venue, grid.ms(crisis.start), grid.ms(end)))
    return _merged(spans)


def _depeg(grid: Grid, p: SecondParameters, crisis: Crisis) -> FloatArray:
    """Loss of a stablecoin that falls fast and comes back slowly, `depeg` at the worst (steps)."""
    minutes = np.maximum(np.arange(1, grid.steps + 1) * MINUTES - crisis.start, 0.0)
    fall = 1.0 - np.exp(-minutes / p.crises.depeg_minutes)
    shape = fall * 0.5 ** (minutes / (60.0 * p.crises.depeg_half_life_h))
    return np.asarray(crisis.depeg * shape / max(float(shape.max()), 1e-9))


def stables(grid: Grid, p: SecondParameters, crisis: Crisis | None) -> dict[str, FloatArray]:
    """Prices of stablecoins in USD at the end of each step."""
    prices = {}
    for name in STABLES:
        rng = grid.stream(f"stable {name}")
        half_life = p.faults.stable_half_life_h * STEPS_HOUR
        price = 1.0 + p.faults.stable_sd * mean_reverting(rng, (grid.steps,), half_life)
        if crisis is not None and crisis.stable == name:
            price = price - _depeg(grid, p, crisis)
        prices[name] = price
    return prices
