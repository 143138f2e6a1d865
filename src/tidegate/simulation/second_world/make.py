# SPDX-License-Identifier: Apache-2.0
"""Puts the second world together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.simulation.second_world.bars import (
    IndexBars,
    Liquidity,
    VenueBars,
    basis,
    halted_steps,
    index_bars,
    liquidity,
    venue_bars,
)
from tidegate.simulation.second_world.carry import demand_premium, funding_rows
from tidegate.simulation.second_world.cascade import CoinPaths, cascade
from tidegate.simulation.second_world.crises import Crisis, check_crisis, draw_crisis
from tidegate.simulation.second_world.deleveraging import deleveraged
from tidegate.simulation.second_world.faults import Span, freezes, outages, stables, stress_level
from tidegate.simulation.second_world.grid import MINUTES, STEP_MS, FloatArray, Grid
from tidegate.simulation.second_world.holders import (
    Crowd,
    hourly_marks,
    score_quantiles,
    with_history,
)
from tidegate.simulation.second_world.parameters import SecondParameters
from tidegate.simulation.second_world.prices import coin_returns
from tidegate.simulation.world.paths import WorldPaths


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """All that was drawn, by array; `WorldPaths` names its parts by instrument."""

    crisis: Crisis | None
    paths: CoinPaths
    bars: VenueBars
    liquidity: Liquidity
    premium: FloatArray
    stress: FloatArray
    outages: tuple[Span, ...]


def _coins(grid: Grid, p: SecondParameters, crisis: Crisis | None) -> tuple[CoinPaths, IndexBars]:
    seeds = None if crisis is None else (crisis.start // MINUTES, p.jumps.crisis_seeds)
    returns, deviation = coin_returns(grid, p, seeds)
    paths = cascade(grid, p, returns, crisis)
    return paths, index_bars(grid, p, paths, deviation)


def _market(grid: Grid, p: SecondParameters, crisis: Crisis | None) -> Market:
    paths, index = _coins(grid, p, crisis)
    premium = demand_premium(grid, p, index.close) + basis(grid, p, paths)
    stress = stress_level(paths.depth)
    stops = outages(grid, p, stress)
    halted = halted_steps(grid, p, stops)
    bars = venue_bars(p, index, premium, halted)
    tradable = liquidity(grid, p, paths, halted)
    return Market(crisis, paths, bars, tradable, premium, stress, stops)


def _crowds(grid: Grid, p: SecondParameters, bars: VenueBars) -> dict[str, Crowd]:
    """Holders of each id, with the marks at which they came in."""
    marks = with_history(grid, p, hourly_marks(bars.mark_close, bars.open[..., 0]))
    return {
        f"{venue}:{coin}": Crowd(terms, p.holders, marks[v, c])
        for v, (venue, terms) in enumerate(p.venues.items())
        for c, coin in enumerate(p.coins)
    }


def _named(names: Iterable[str], columns: FloatArray) -> dict[str, FloatArray]:
    """The columns (venues, coins, ...) by id."""
    rows = columns.reshape(-1, *columns.shape[2:])
    return {name: row.copy() for name, row in zip(names, rows, strict=True)}


def make_second_world(
    parameters: SecondParameters, seed: int, days: int, crisis: str, crisis_day: int
) -> WorldPaths:
    """A market of four venues and six coins whose dynamics are not those of the first world.

    Jumps excite themselves and leave variance behind; log-variance is rough; coins share a
    factor and a common Student mixing; forced sales come from a density of liquidation levels and
    meet providers who withdraw after losses; venues are held together by limited arbitrage.

    `days` from `parameters.start_ms`; `crisis` is one of `crises.NAMES` and begins on day
    `crisis_day` (0 is the first). The same arguments give the same world. `InputError` where the
    window is empty, the crisis unknown or its day outside.
    """
    check_crisis(days, crisis, crisis_day)
    p, grid = parameters, Grid(parameters.start_ms, days, seed)
    drawn = draw_crisis(grid, p, crisis, crisis_day)
    market = _market(grid, p, drawn)
    bars, tradable = market.bars, market.liquidity
    crowds = _crowds(grid, p, bars)
    sources = (market.paths, bars, tradable)
    return WorldPaths(
        start_ms=grid.start_ms,
        step_ms=STEP_MS,
        steps=grid.steps,
        instruments=tuple((venue, coin) for venue in p.venues for coin in p.coins),
        open=_named(crowds, bars.open),
        high=_named(crowds, bars.high),
        low=_named(crowds, bars.low),
        close=_named(crowds, bars.close),
        mark_high=_named(crowds, bars.mark_high),
        mark_low=_named(crowds, bars.mark_low),
        mark_close=_named(crowds, bars.mark_close),
        volume_usd=_named(crowds, tradable.volume_usd),
        half_spread=_named(crowds, tradable.half_spread),
        depth=_named(crowds, tradable.depth),
        liquidated_usd=_named(crowds, tradable.liquidated_usd),
        adl_scores={name: score_quantiles(crowd, grid.hours) for name, crowd in crowds.items()},
        funding=funding_rows(grid, p, market.premium),
        stable=stables(grid, p, drawn),
        freezes=freezes(grid, p, market.stress, drawn),
        outages=market.outages,
        adl=deleveraged(grid, p, crowds, sources, drawn),
        stress=market.stress,
        crisis=crisis,
        crisis_start_ms=None if drawn is None else grid.ms(drawn.start),
        crisis_venue=(drawn.venue or None) if drawn is not None else None,
    )
