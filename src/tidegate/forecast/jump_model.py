# SPDX-License-Identifier: Apache-2.0
"""Statistical jump model: regimes that explain features and seldom change.

    minimise over states s and centres theta   sum_t 1/2 |y_t - theta_{s_t}|^2 + lambda #switches

The states of fixed centres are exact by dynamic programming (Viterbi); centres and states take
turns until neither moves. Source: Nystrup, Lindstrom and Madsen (2020); Shu, Yu and Mulvey (2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_ROWS = 60
_TURNS = 50


@dataclass(frozen=True, slots=True, eq=False)
class JumpModel:
    """Centres float64[k, f], ordered by their first feature, the penalty, and the objective."""

    centres: FloatArray
    penalty: float
    objective: float

    def path(self, features: FloatArray) -> IntArray:
        """Best states of a whole series, int64[n]: an early one may depend on later rows."""
        return viterbi(_distances(features, self.centres), self.penalty)

    def online(self, features: FloatArray) -> IntArray:
        """State of each row from the rows up to it alone, int64[n]."""
        cost = _distances(features, self.centres)
        reached = np.empty(len(cost), dtype=np.int64)
        best = np.zeros(cost.shape[1])
        for t, row in enumerate(cost):
            best = np.minimum(best, best.min() + self.penalty) + row
            reached[t] = int(best.argmin())
        return reached


def fit_jump_model(features: FloatArray, penalty: float, states: int = 2) -> JumpModel:
    """Centres and states of standardised features, from centres at quantiles of the first one.

    Args: `features` float64[n, f], finite, n >= 60; `penalty` lambda >= 0; `states` >= 2.
    Raises: `InsufficientHistory` below 60 rows, `InputError`.
    """
    if features.ndim != 2 or not np.all(np.isfinite(features)):
        raise InputError("jump model", "features", "expected finite rows")
    if not penalty >= 0.0 or states < 2:
        raise InputError("jump model", "penalty, states", "expected at least 0 and at least 2")
    if len(features) < MIN_ROWS:
        raise InsufficientHistory("jump model", "rows", f"expected {MIN_ROWS}: {len(features)}")
    order = np.argsort(features[:, 0], kind="stable")
    centres = np.stack([features[part].mean(axis=0) for part in np.array_split(order, states)])
    before = np.inf
    for _ in range(_TURNS):
        cost = _distances(features, centres)
        path = viterbi(cost, penalty)
        objective = path_cost(cost, path, penalty)
        if objective >= before - 1e-12 * max(1.0, abs(before)):
            break
        before = objective
        for state in np.unique(path):
            centres[state] = features[path == state].mean(axis=0)
    return JumpModel(centres[np.argsort(centres[:, 0], kind="stable")], penalty, float(before))


def viterbi(cost: FloatArray, penalty: float) -> IntArray:
    """States that make sum cost[t, s_t] + penalty #switches least, int64[n], exactly.

    Args: `cost` float64[n, k]. Ties stay in the state they are in.
    """
    n, k = cost.shape
    came_from = np.zeros((n, k), dtype=np.int64)
    best = cost[0].copy()
    for t in range(1, n):
        cheapest = int(best.argmin())
        switch = best[cheapest] + penalty < best
        came_from[t] = np.where(switch, cheapest, np.arange(k))
        best = np.where(switch, best[cheapest] + penalty, best) + cost[t]
    path = np.empty(n, dtype=np.int64)
    path[-1] = int(best.argmin())
    for t in range(n - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def path_cost(cost: FloatArray, path: IntArray, penalty: float) -> float:
    """The objective of a given path."""
    held = float(cost[np.arange(len(path)), path].sum())
    return held + penalty * int(np.count_nonzero(np.diff(path)))


def _distances(features: FloatArray, centres: FloatArray) -> FloatArray:
    """Half squared distance of each row to each centre, float64[n, k]."""
    apart = features[:, None, :] - centres[None, :, :]
    return np.asarray(0.5 * np.square(apart).sum(axis=2))
