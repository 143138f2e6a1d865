# SPDX-License-Identifier: Apache-2.0
"""Losses beyond bankruptcy, each venue's insurance, and whom it closes when that is spent."""

from __future__ import annotations

import numpy as np

from tidegate.margin.adl import rank_score
from tidegate.simulation.world.arrays import FloatArray
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.leverage import SIDES, Cascade, Snapshot
from tidegate.simulation.world.liquidity import day_volume
from tidegate.simulation.world.parameters import WorldParameters
from tidegate.simulation.world.paths import AdlEvent, Side
from tidegate.simulation.world.queues import standing

NAMES: tuple[Side, Side] = ("long", "short")
# Below one in ten thousand of a side nobody notices.
SHARE_MIN = 1e-4


def deleverage(
    parameters: WorldParameters,
    cascade: Cascade,
    log_index: FloatArray,
    basis: tuple[FloatArray, FloatArray],
    plan: CrisisPlan,
) -> tuple[AdlEvent, ...]:
    """Every deleveraging of the world, in time order.

    Those closed by force at step t are filled at the venue's worst price of the step; what that
    leaves below their bankruptcy price is charged to the venue's insurance; what it leaves
    above refills the insurance, up to where it began. The part of the loss
    that it cannot pay, as a share of the loss, is the part of the closed positions that winners
    must take over: share = part * closed / winners' open interest. `log_index` (coins, steps)
    with the cascade's offset; `basis` = lowest and highest distance (venues, coins, steps).
    """
    interest = parameters.leverage.interest_share * day_volume(parameters)
    shares = np.array([venue.insurance_share for venue in parameters.venues])
    full = shares * interest.sum(axis=1)
    fund = full.copy()
    events: list[AdlEvent] = []
    for step, (bankrupt, gone) in sorted(cascade.losses.items()):
        worst = log_index[:, step] + np.stack([basis[0][:, :, step], basis[1][:, :, step]])
        missing = SIDES[:, None] * (bankrupt[None] - worst.transpose(1, 2, 0)[..., None])
        beyond = (missing * gone).mean(axis=3) * interest[:, :, None]
        uncovered = _draw_on(fund, np.maximum(beyond, 0.0))
        fund = np.minimum(fund - np.minimum(beyond, 0.0).sum(axis=(1, 2)), full)
        if uncovered.any():
            events += _takeovers(parameters, cascade, step, uncovered, log_index)
    events += _ordered_by_plan(parameters, cascade, log_index, plan)
    return tuple(sorted(events, key=lambda event: (event.ts_ms, event.instrument, event.side)))


def planned_step(parameters: WorldParameters, plan: CrisisPlan) -> frozenset[int]:
    """The step at which an insolvent venue closes winners by order; empty without one."""
    if not plan.shape.adl_share:
        return frozenset()
    return frozenset({(plan.start + plan.length - 1) // parameters.substeps})


def _draw_on(fund: FloatArray, loss: FloatArray) -> FloatArray:
    """Charge losses (venues, coins, sides) to the funds in place; the share not covered."""
    total = loss.sum(axis=(1, 2))
    short = np.maximum(total - fund, 0.0)
    fund[:] = np.maximum(fund - total, 0.0)
    part = np.divide(short, total, out=np.zeros_like(total), where=total > 0.0)
    return np.where(loss > 0.0, part[:, None, None], 0.0)


def _takeovers(
    parameters: WorldParameters,
    cascade: Cascade,
    step: int,
    uncovered: FloatArray,
    log_index: FloatArray,
) -> list[AdlEvent]:
    events = []
    for v, c, loser in np.argwhere(uncovered > 0.0).tolist():
        winner = 1 - loser
        held = float(cascade.held[c, winner, step])
        if held:
            closed = float(cascade.closed[c, loser, step])
            share = min(1.0, float(uncovered[v, c, loser]) * closed / held)
            if share >= SHARE_MIN:
                mark = float(log_index[c, step])
                events.append(_event(parameters, cascade, (v, c, winner, step), share, mark))
    return events


def _ordered_by_plan(
    parameters: WorldParameters, cascade: Cascade, log_index: FloatArray, plan: CrisisPlan
) -> list[AdlEvent]:
    winner = 1 if plan.sign < 0 else 0
    return [
        _event(
            parameters,
            cascade,
            (plan.venue, c, winner, step),
            plan.shape.adl_share,
            float(log_index[c, step]),
        )
        for step in planned_step(parameters, plan)
        for c in range(len(parameters.coins))
    ]


def _event(
    parameters: WorldParameters,
    cascade: Cascade,
    place: tuple[int, int, int, int],
    share: float,
    log_mark: float,
) -> AdlEvent:
    v, c, side, step = place
    venue, coin = parameters.venues[v], parameters.coins[c]
    scores = _scores(cascade.snapshots[step], c, side, log_mark, venue.ranking)
    threshold = float(np.quantile(scores, 1.0 - share)) if scores.size else 0.0
    return AdlEvent(
        ts_ms=parameters.start_ms + (step + 1) * parameters.step_ms,
        instrument=f"{venue.name}:{coin.name}",
        side=NAMES[side],
        share=share,
        rank_threshold=threshold,
    )


def _scores(holders: Snapshot, coin: int, side: int, log_mark: float, ranking: str) -> FloatArray:
    """Scores of who still holds, leverage taken at the mark."""
    held = holders.holding[coin, side]
    entry, leverage = holders.log_entry[coin, side][held], holders.leverage[coin, side][held]
    ratio, now = standing(side, entry, leverage, log_mark)
    return rank_score(ranking, float(SIDES[side]), 1.0, ratio, now)
