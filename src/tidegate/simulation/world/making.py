# SPDX-License-Identifier: Apache-2.0
"""Makes a world from its parameters and a seed: each part from a random stream of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.model.errors import InputError
from tidegate.simulation.world.arrays import FloatArray, stream
from tidegate.simulation.world.basis import draw_basis, mark_basis
from tidegate.simulation.world.crises import CrisisPlan, draw_crisis
from tidegate.simulation.world.deleveraging import deleverage, planned_step
from tidegate.simulation.world.funding import draw_slow_premium, funding_rows, state_premium
from tidegate.simulation.world.interruptions import (
    Intervals,
    draw_freezes,
    draw_outages,
    rushes,
)
from tidegate.simulation.world.leverage import Cascade, Market, run_cascade
from tidegate.simulation.world.liquidity import (
    calm_depth,
    counted_collateral,
    day_volume,
    draw_depth,
    draw_half_spread,
    draw_stablecoins,
    draw_volume,
)
from tidegate.simulation.world.parameters import WorldParameters
from tidegate.simulation.world.paths import WorldPaths
from tidegate.simulation.world.prices import draw_returns
from tidegate.simulation.world.queues import queue_lights, steps_before_hours
from tidegate.simulation.world.regimes import Background, draw_background, with_shocks

DAYS_MAX = 400


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """The index' log prices (coins, sub-steps) with forced closing in them, and the way there."""

    log_price: FloatArray
    stress: FloatArray
    background: Background
    cascade: Cascade


def make_world(
    parameters: WorldParameters, seed: int, days: int, crisis: str, crisis_day: int
) -> WorldPaths:
    """Make a market of whole days with a named crisis on one of them (0 is the first).

    Index = diffusion + jumps + crisis + forced closing; venue price = index * exp(basis +
    premium); funding by each venue's formula from the same premium. The same arguments give the
    same world, and worlds of one seed share every draw that the crisis does not change. Raises
    `InputError` on an unknown crisis or days out of range.
    """
    _check(seed, days, crisis_day)
    p = parameters
    steps = days * p.steps_per_day
    per_day = p.steps_per_day * p.substeps
    betas = np.array([coin.crisis_beta for coin in p.coins])
    place = (crisis_day * per_day, per_day)
    draws = stream(seed, "crisis")
    plan = draw_crisis(draws, p.crisis(crisis), p.crisis_draw, betas, len(p.venues), place)
    index = _index(p, seed, steps, plan)
    basis = draw_basis(stream(seed, "basis"), p, index.stress, plan)
    basis += _forced_flow(p, seed, index.cascade)
    premium = basis + _premium(p, seed, index, plan)
    return _paths(p, seed, plan, index, premium)


def _check(seed: int, days: int, crisis_day: int) -> None:
    if seed < 0:
        raise InputError("world", "seed", f"expected 0 or more, got {seed}")
    if not 1 <= days <= DAYS_MAX:
        raise InputError("world", "days", f"expected 1 to {DAYS_MAX}, got {days}")
    if not 0 <= crisis_day < days:
        raise InputError("world", "crisis_day", f"expected 0 to {days - 1}, got {crisis_day}")


def _index(p: WorldParameters, seed: int, steps: int, plan: CrisisPlan) -> _Index:
    background = draw_background(stream(seed, "regimes"), p, steps, plan)
    returns = draw_returns(stream(seed, "returns"), p, background, plan)
    first = np.log(np.array([coin.price_usd for coin in p.coins]))[:, None]
    log_price = first + np.cumsum(returns, axis=1)
    stress = with_shocks(background, p, returns[0].reshape(steps, -1).sum(axis=1))
    grid = log_price.reshape(len(p.coins), steps, p.substeps)
    market = Market(grid.min(axis=2), grid.max(axis=2), grid[:, :, -1], calm_depth(p, stress))
    wanted = planned_step(p, plan).union(steps_before_hours(p, steps))
    cascade = run_cascade(stream(seed, "holders"), p, market, wanted)
    return _Index(log_price + _within(cascade.offset, p.substeps), stress, background, cascade)


def _within(values: FloatArray, substeps: int) -> FloatArray:
    """Values at steps' ends (..., steps) drawn in straight lines over sub-steps, from zero."""
    before = np.concatenate([np.zeros((*values.shape[:-1], 1)), values[..., :-1]], axis=-1)
    part = np.arange(1, substeps + 1) / substeps
    lines = before[..., None] + (values - before)[..., None] * part
    return np.asarray(lines.reshape(*values.shape[:-1], -1))


def _forced_flow(p: WorldParameters, seed: int, cascade: Cascade) -> FloatArray:
    """Forced closing weighs more on some venues than on others (venues, coins, sub-steps)."""
    lean = stream(seed, "flow").standard_normal((len(p.venues), len(p.coins), 1))
    return np.asarray(p.basis.forced_flow_lean * lean * _within(cascade.offset, p.substeps))


def _premium(p: WorldParameters, seed: int, index: _Index, plan: CrisisPlan) -> FloatArray:
    """Slow premium (venues, coins, sub-steps): hourly points joined, and the market's state."""
    cascade = index.cascade
    steps = index.stress.size
    hours = round(steps * p.step_hours)
    points = draw_slow_premium(stream(seed, "premium"), p, hours)
    per_hour = round(1.0 / p.substep_hours)
    slow = points[:, :, :1] + _within(points[:, :, 1:] - points[:, :, :1], per_hour)
    closes = index.log_price[:, p.substeps - 1 :: p.substeps]
    imbalance = cascade.held[:, 0] - cascade.held[:, 1]
    return slow + np.repeat(state_premium(p, closes, imbalance, plan), p.substeps, axis=2)


def _paths(
    p: WorldParameters, seed: int, plan: CrisisPlan, index: _Index, premium: FloatArray
) -> WorldPaths:
    steps = index.stress.size
    traded = _bars(p, index.log_price + premium)
    marked = _bars(p, index.log_price + mark_basis(p, premium))
    _stick(p, plan, marked)
    grid = premium.reshape(*premium.shape[:2], steps, p.substeps)
    closes = index.log_price[:, p.substeps - 1 :: p.substeps]
    distance = (grid.min(axis=3), grid.max(axis=3))
    depth = draw_depth(stream(seed, "depth"), p, index.stress, index.background.crisis, plan)
    outages = draw_outages(stream(seed, "outages"), p, steps, plan)
    forced = index.cascade.closed.sum(axis=1) * _interest(p)
    volume = draw_volume(stream(seed, "volume"), p, index.background.vol) + forced
    _silence(p, volume, outages)
    return WorldPaths(
        start_ms=p.start_ms,
        step_ms=p.step_ms,
        steps=steps,
        instruments=p.instruments,
        open=_named(p, traded[0]),
        high=_named(p, traded[1]),
        low=_named(p, traded[2]),
        close=_named(p, traded[3]),
        mark_high=_named(p, marked[1]),
        mark_low=_named(p, marked[2]),
        mark_close=_named(p, marked[3]),
        volume_usd=_named(p, volume),
        half_spread=_named(p, draw_half_spread(stream(seed, "spread"), p, index.stress)),
        depth=_named(p, depth),
        liquidated_usd=_named(p, forced),
        funding=funding_rows(p, premium),
        stable=draw_stablecoins(stream(seed, "stable"), p, index.stress, plan),
        freezes=draw_freezes(stream(seed, "freezes"), p, steps, plan),
        outages=outages,
        adl=deleverage(p, index.cascade, closes, distance, plan),
        adl_scores=queue_lights(p, index.cascade, _hour_begins(p, index)),
        stress=index.stress,
        crisis=plan.shape.name,
        crisis_start_ms=_start_ms(p, plan),
        crisis_venue=p.venues[plan.venue].name if plan.on else None,
        counted=counted_collateral(p, plan, steps),
        rushes=rushes(p, plan),
    )


def _hour_begins(p: WorldParameters, index: _Index) -> FloatArray:
    """Log prices of the index (coins, hours) as each hour begins: where the last step closed."""
    ends = np.array(steps_before_hours(p, index.stress.size)) + 1
    return np.asarray(index.log_price[:, np.maximum(ends * p.substeps - 1, 0)])


def _start_ms(p: WorldParameters, plan: CrisisPlan) -> int | None:
    """Begin of the step in which the crisis begins."""
    return p.start_ms + plan.start // p.substeps * p.step_ms if plan.on else None


def _interest(p: WorldParameters) -> FloatArray:
    """Full open interest of one side (venues, coins, 1), USD."""
    return np.asarray(p.leverage.interest_share * day_volume(p))[:, :, None]


def _bars(
    p: WorldParameters, log_price: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Open, high, low, close (venues, coins, steps); a step opens where the last one closed."""
    prices = np.exp(log_price)
    grid = prices.reshape(*prices.shape[:2], -1, p.substeps)
    close = grid[..., -1]
    opened = np.concatenate([grid[..., :1, 0], close[..., :-1]], axis=2)
    high = np.maximum(grid.max(axis=3), opened)
    return opened, high, np.minimum(grid.min(axis=3), opened), close


def _stick(p: WorldParameters, plan: CrisisPlan, bars: tuple[FloatArray, ...]) -> None:
    """Hold the struck venue's bars where they stood when the crisis began, for as long as its
    marks are stuck."""
    first = plan.start // p.substeps
    last = first + round(plan.shape.stuck_mark_minutes / 60.0 / p.step_hours)
    if last > first and plan.on:
        stood = bars[3][plan.venue, :, max(0, first - 1), None].copy()
        for column in bars:
            column[plan.venue, :, first:last] = stood


def _named(p: WorldParameters, values: FloatArray) -> dict[str, FloatArray]:
    """Rows by id, each an array of its own."""
    return {
        f"{venue.name}:{coin.name}": values[v, c].copy()
        for v, venue in enumerate(p.venues)
        for c, coin in enumerate(p.coins)
    }


def _silence(p: WorldParameters, volume: FloatArray, outages: Intervals) -> None:
    """No volume while a venue is out."""
    names = [venue.name for venue in p.venues]
    for venue, start_ms, end_ms in outages:
        first, last = ((ms - p.start_ms) // p.step_ms for ms in (start_ms, end_ms))
        volume[names.index(venue), :, first:last] = 0.0
