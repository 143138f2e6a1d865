# SPDX-License-Identifier: Apache-2.0
"""Winners that venues close: where insurance does not reach, and where a venue is insolvent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegate.simulation.second_world.bars import Liquidity, VenueBars
from tidegate.simulation.second_world.cascade import CoinPaths
from tidegate.simulation.second_world.crises import Crisis
from tidegate.simulation.second_world.grid import (
    MINUTES,
    STEPS_HOUR,
    FloatArray,
    Grid,
)
from tidegate.simulation.second_world.holders import Crowd, quantile
from tidegate.simulation.second_world.parameters import SecondParameters
from tidegate.simulation.world.paths import AdlEvent, Side

SETTLING_STEPS = 1  # an insolvent venue closes winners one step after the move


@dataclass(frozen=True, slots=True)
class Closing:
    """A share of the winners of a side (+1 long) closed at the end of a step."""

    step: int
    side: float
    share: float


def _uncovered(
    p: SecondParameters, fund_share: float, adverse: FloatArray, liquidated: FloatArray
) -> Iterator[tuple[int, float]]:
    """Steps after which insurance has run out within the hour, and the winners' share closed.

    Loss = liquidated * (adverse move of the step - cushion). The part of an hour's liquidations
    that the fund does not cover is closed against winners. `adverse` (steps) is a share of
    price, `liquidated` (steps) one of open interest.
    """
    cushion = p.cascade.shortfall_cushion
    loss = (liquidated * np.maximum(adverse - cushion, 0.0)).reshape(-1, STEPS_HOUR)
    closed = liquidated.reshape(-1, STEPS_HOUR).sum(axis=1)
    for hour in np.flatnonzero(loss.sum(axis=1) > fund_share):
        step = int(hour) * STEPS_HOUR + int(loss[hour].argmax())
        share = closed[hour] * (1.0 - fund_share / loss[hour].sum())
        yield step, min(float(share), p.cascade.deleverage_max)


def _closings(
    p: SecondParameters, fund_share: float, bars: tuple[FloatArray, FloatArray, FloatArray]
) -> Iterator[Closing]:
    """Closings of both sides of one venue and coin, from its mark closes, and the shares of open
    interest liquidated of longs and of shorts (steps)."""
    mark, longs, shorts = bars
    moves = np.diff(np.log(mark), prepend=np.log(mark[0]))
    for side, liquidated in ((-1.0, longs), (1.0, shorts)):
        for step, share in _uncovered(p, fund_share, side * moves, liquidated):
            yield Closing(step, side, share)


def _insolvency(p: SecondParameters, crisis: Crisis) -> Closing:
    step = -(-crisis.end // MINUTES) - 1 + SETTLING_STEPS
    side = -1.0 if crisis.target[0] < 0.0 else 1.0
    return Closing(step, side, p.crises.deleverage_share)


def _event(grid: Grid, crowd: Crowd, name: str, mark: float, closing: Closing) -> AdlEvent:
    hour = min((closing.step + 1) // STEPS_HOUR, grid.hours - 1)
    scores = crowd.scores(np.array([hour]), np.array([mark]), closing.side)
    word: Side = "long" if closing.side > 0.0 else "short"
    threshold = float(quantile(scores, 1.0 - closing.share)[0])
    return AdlEvent(grid.ms((closing.step + 1) * MINUTES), name, word, closing.share, threshold)


def deleveraged(
    grid: Grid,
    p: SecondParameters,
    crowds: dict[str, Crowd],
    market: tuple[CoinPaths, VenueBars, Liquidity],
    crisis: Crisis | None,
) -> tuple[AdlEvent, ...]:
    """Every deleveraging of the window in order of time and id, with the score it reached to."""
    paths, bars, liquidity = market
    events = []
    for v, (venue, terms) in enumerate(p.venues.items()):
        insolvent = crisis is not None and crisis.name == "insolvency" and crisis.venue == venue
        for c, coin in enumerate(p.coins):
            mark = bars.mark_close[v, c]
            trades = liquidity.volume_usd[v, c] > 0.0
            shares = (mark, trades * paths.longs_share[c], trades * paths.shorts_share[c])
            closings = list(_closings(p, terms.fund_share, shares))
            if insolvent and crisis is not None:
                last = _insolvency(p, crisis)
                during = range(crisis.start // MINUTES, last.step + 1)
                closings = [*(x for x in closings if x.step not in during), last]
            name = f"{venue}:{coin}"
            events += [_event(grid, crowds[name], name, mark[x.step], x) for x in closings]
    return tuple(sorted(events, key=lambda event: (event.ts_ms, event.instrument)))
