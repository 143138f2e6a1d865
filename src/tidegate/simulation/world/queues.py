# SPDX-License-Identifier: Apache-2.0
"""Where leveraged holders stand in the queue for deleveraging, and the light that shows it."""

from __future__ import annotations

import numpy as np

from tidegate.margin.adl import rank_score
from tidegate.model.times import HOUR_MS
from tidegate.simulation.world.arrays import BoolArray, FloatArray
from tidegate.simulation.world.leverage import SIDES, Cascade
from tidegate.simulation.world.parameters import WorldParameters

QUANTILES = np.array([0.2, 0.4, 0.6, 0.8])
# Who has nothing left has no leverage; below this share of the entry's notional it is cut off.
VALUE_MIN = 1e-6


def steps_before_hours(parameters: WorldParameters, steps: int) -> range:
    """The step that ends as each hour begins; -1, before every step, for the first hour."""
    return range(-1, steps - 1, HOUR_MS // parameters.step_ms)


def standing(
    side: int, log_entry: FloatArray, leverage: FloatArray, log_mark: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Mark over entry, and the leverage at the mark: (m / e) / (1 / L + s (m / e - 1))."""
    ratio = np.exp(log_mark - log_entry)
    value = 1.0 / leverage + SIDES[side] * (ratio - 1.0)
    return ratio, np.asarray(ratio / np.maximum(value, VALUE_MIN))


def queue_lights(
    parameters: WorldParameters, cascade: Cascade, log_mark: FloatArray
) -> dict[str, FloatArray]:
    """Scores at the quantiles of each side's holders as every hour begins (hours, 2, 4), by id.

    Each holder has the same part of the open interest. `log_mark` (coins, hours) is the index as
    the hour begins. A side that nobody holds shows zeros: there, any winner is the first in line.
    """
    steps = cascade.offset.shape[1]
    seen = [cascade.snapshots[step] for step in steps_before_hours(parameters, steps)]
    entries = np.stack([holders.log_entry for holders in seen], axis=1)
    holding = np.stack([holders.holding for holders in seen], axis=1)
    rankings = {venue.ranking for venue in parameters.venues}
    shape = (*log_mark.shape, SIDES.size, QUANTILES.size)
    lights = {ranking: np.empty(shape) for ranking in rankings}
    for side, sign in enumerate(SIDES.tolist()):
        leverage = seen[0].leverage[:, None, side]
        ratio, now = standing(side, entries[:, :, side], leverage, log_mark[..., None])
        for ranking, light in lights.items():
            scores = rank_score(ranking, sign, 1.0, ratio, now)
            light[:, :, side] = held_quantiles(scores, holding[:, :, side])
    return {
        f"{venue.name}:{coin.name}": lights[venue.ranking][c].copy()
        for venue in parameters.venues
        for c, coin in enumerate(parameters.coins)
    }


def held_quantiles(scores: FloatArray, holding: BoolArray) -> FloatArray:
    """Quantiles (..., 4) of the scores of those who hold (..., holders); zeros where nobody does.

    Between neighbours in a straight line (Hyndman and Fan 1996, definition 7).
    """
    ordered = np.sort(np.where(holding, scores, np.inf), axis=-1)
    ordered[~holding.any(axis=-1)] = 0.0
    last = np.maximum(holding.sum(axis=-1, keepdims=True) - 1, 0)
    place = last * QUANTILES
    low = place.astype(np.int64)
    below = np.take_along_axis(ordered, low, axis=-1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, last), axis=-1)
    # Rounding may not lift a quantile above its upper neighbour, or they would not ascend.
    return np.asarray(np.minimum(below + (place - low) * (above - below), above))
