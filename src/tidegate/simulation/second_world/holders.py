# SPDX-License-Identifier: Apache-2.0
"""Who holds at a venue, and where they stand in the queue in which winners are closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tidegate.margin.adl import rank_score
from tidegate.simulation.second_world.grid import (
    STEPS_HOUR,
    FloatArray,
    Grid,
    IntArray,
)
from tidegate.simulation.second_world.parameters import Holders, SecondParameters, Venue

SIDES = (1.0, -1.0)
QUANTILES = (0.2, 0.4, 0.6, 0.8)


def _middles(count: int) -> FloatArray:
    """The middles of `count` equal parts of 0 to 1."""
    return (np.arange(count) + 0.5) / count


def holder_ages_h(p: Holders) -> IntArray:
    """Hours since holders came in, equally likely: quantiles of an exponential distribution."""
    return np.rint(-p.age_mean_h * np.log1p(-_middles(p.ages))).astype(np.int64)


def with_history(grid: Grid, p: SecondParameters, hourly: FloatArray) -> FloatArray:
    """Hourly marks with those before the window in front, as many as the oldest holder's age.

    The hours before are a random walk of the coin's yearly volatility, the same at every venue,
    that ends at the first mark. `hourly` (venues, coins, hours); history is added along the last.
    """
    oldest = int(holder_ages_h(p.holders).max())
    vols = np.array([coin.vol_annual for coin in p.coins.values()])[:, None]
    steps = grid.stream("before").standard_normal((len(p.coins), oldest))
    walk = np.cumsum(steps * vols / np.sqrt(365.0 * 24.0), axis=1)[:, ::-1]
    return np.concatenate((hourly[..., :1] * np.exp(walk), hourly), axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Holders of one venue and coin: hourly marks with history before, and the formula."""

    venue: Venue
    holders: Holders
    marks: FloatArray

    def scores(self, hours: IntArray, marks: FloatArray, side: float) -> FloatArray:
        """Ranking scores, sorted along the last axis, of the holders of a side at each time.

        `hours` of the window and `marks` (times); returns (times, ages * leverages). Leverage is
        what has become of the one at entry; who was taken over is replaced by a newcomer.
        """
        ages = holder_ages_h(self.holders)
        came_in = hours[:, None] + int(ages.max()) - ages
        entry = self.marks[came_in][:, :, None]
        now = marks[:, None, None]
        ratio = now / entry
        spread = self.holders.leverage_log_sd * ndtri(_middles(self.holders.leverages))
        begun = np.maximum(1.0, self.venue.leverage_median * np.exp(spread))
        equity = (1.0 / begun + side * (ratio - 1.0)) / ratio
        stays = equity > self.holders.equity_floor
        leverage = np.where(stays, 1.0 / np.where(stays, equity, 1.0), begun)
        scores = rank_score(self.venue.ranking, side, np.where(stays, entry, now), now, leverage)
        return np.sort(scores.reshape(len(hours), -1), axis=1)


def quantile(ordered: FloatArray, share: float) -> FloatArray:
    """Quantile along the last axis of values that are sorted along it, between neighbours."""
    at = share * (ordered.shape[-1] - 1)
    low = int(at)
    high = min(low + 1, ordered.shape[-1] - 1)
    return np.asarray(ordered[..., low] + (at - low) * (ordered[..., high] - ordered[..., low]))


def score_quantiles(crowd: Crowd, hours: int) -> FloatArray:
    """Quantiles `QUANTILES` of longs' (0) and shorts' (1) scores at each hour's begin
    (hours, 2, 4)."""
    at = np.arange(hours, dtype=np.int64)
    marks = crowd.marks[-hours:]
    found = np.empty((hours, len(SIDES), len(QUANTILES)))
    for row, side in enumerate(SIDES):
        ordered = crowd.scores(at, marks, side)
        for column, share in enumerate(QUANTILES):
            found[:, row, column] = quantile(ordered, share)
    return found


def hourly_marks(mark_close: FloatArray, first: FloatArray) -> FloatArray:
    """Marks at each hour's begin (..., hours): the close before it, and `first` for the first."""
    closes = mark_close[..., STEPS_HOUR - 1 :: STEPS_HOUR]
    return np.concatenate((first[..., None], closes[..., :-1]), axis=-1)
