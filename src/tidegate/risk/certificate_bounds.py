# SPDX-License-Identifier: Apache-2.0
"""Best-first branch and bound for the least health of an account over a box.

    least health = min_s [constant + sum_coins min_x h_cs(x)]

since every rule here takes the worst scenario of sums over coins, and a coin's addends h_cs depend
on its own ratios alone: each coin has a tree of cells of its own, whatever the number of coins. A
cell's lower bound is that of its enclosures; the points are its corners where the affine part is
least, valued as cells without width. Cells are split in the middle of the variable that leaves
most over, until the bound is above nothing or a point is below it by the rule's own statement, and
both are within `gap_usd`, or the budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError, InvariantError
from tidegate.risk.certificate_box import Box, Cells, Point, cells_at
from tidegate.risk.enclosure import VARIABLES, Enclosure

FloatArray = NDArray[np.float64]

# What floats may have rounded, of the gross amounts of a coin at the far end of its box.
ROUNDING = 1e-9
# The far moves of a scenario rule multiply prices by up to six.
FARTHEST = 6.0
# Cells split at once: at least so many, and a part of all, so that ordering them stays cheap.
TOGETHER, PART = 8, 16
NARROWEST = 1e-7


class HealthForm(Protocol):
    """An account at one time, as a sum over coins of enclosures by scenario, in USD."""

    @property
    def coins(self) -> tuple[str, ...]:
        """Coins whose ratios the account depends on."""

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios of which the worst counts, [S]."""

    @property
    def constant_usd(self) -> float:
        """What depends on no coin."""

    def scale_usd(self, coin: str) -> float:
        """Gross amounts of a coin now."""

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """Its addends over cells, [B, S]."""

    def exact(self, point: Point) -> float:
        """Health by the rule itself, one market at a time."""


@dataclass(frozen=True, slots=True)
class Effort:
    """When to stop: `cells` looked at in all, the gap between bounds in USD, and `stop`, which the
    caller may answer by its clock. Without a gap the first proof or counter-example ends it; with
    one the least health is known within it, which is also what an account lacks."""

    cells: int = 20_000
    gap_usd: float = float("inf")
    stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        if not (self.cells >= 1 and self.gap_usd > 0.0):
            expected = f"expected at least 1 and above 0, got {self.cells} and {self.gap_usd}"
            raise InputError("certificate effort", "cells, gap_usd", expected)


@dataclass(frozen=True, slots=True)
class Leaves:
    """Cells that cover one coin's ranges, ends [n, 3]."""

    coin: str
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The least health lies in [lower, upper], the latter the rule's own at `worst`."""

    lower_usd: float
    upper_usd: float
    worst: Point
    binding: str
    cells: int
    leaves: tuple[Leaves, ...]


class CoinTree:
    """One coin's cells: ends [n, 3] and lower bounds [n, S]; the least of points by scenario."""

    def __init__(self, form: HealthForm, coin: str, box: Box) -> None:
        self.form, self.coin = form, coin
        low, high = box.of(coin).ends
        largest = max(1.0, float(high[0] * high[1]))
        self.allowance = ROUNDING * FARTHEST * largest * form.scale_usd(coin)
        self.low, self.high = low[None, :], high[None, :]
        whole = self.bounded(self.low, self.high)
        self.bounds = whole.lower - self.allowance
        self.values = np.full(self.bounds.shape[1], np.inf)
        self.at = np.zeros((self.bounds.shape[1], VARIABLES))
        self.root_width = high - low
        self.bends, self.floor = self._bends(low, high)
        self.look_at(_corners(low, high))

    def bounded(self, low: FloatArray, high: FloatArray) -> Enclosure:
        """Addends over cells; raises `InvariantError` for a bound that is no number."""
        bounded = self.form.health(self.coin, Cells(low, high))
        if not np.isfinite(bounded.lower).all():
            raise InvariantError(f"a bound of {self.coin} is not finite")
        return bounded

    def _bends(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each variable leaves over, by scenario, [3, S]: by itself, or by being there beside
        the others where that is more, as their product is; and what a point leaves over, [S]."""
        middle, rows = 0.5 * (low + high), np.eye(VARIABLES, dtype=bool)
        moves = np.concatenate([rows, ~rows, rows[:1] | True, rows[:1] & False])
        some = self.bounded(np.where(moves, low, middle), np.where(moves, high, middle))
        left = some.high - some.low
        alone, without, whole, nothing = left[:3], left[3:6], left[6], left[7]
        bends = np.maximum(np.maximum(alone - nothing, whole - without), 0.0)
        return bends, nothing + self.allowance

    def look_at(self, points: FloatArray) -> None:
        """Keeps the least value of each scenario, and where it is."""
        bounded = self.form.health(self.coin, cells_at(points))
        values = bounded.centre
        place = values.argmin(axis=0)
        least = np.take_along_axis(values, place[None, :], axis=0)[0]
        better = least < self.values
        self.values = np.where(better, least, self.values)
        self.at[better] = points[place[better]]

    @property
    def least(self) -> FloatArray:
        """Lower bounds by scenario, [S]."""
        return np.asarray(self.bounds.min(axis=0))

    def split(self, places: NDArray[np.int64], scenarios: NDArray[np.int64]) -> int:
        """Halves some cells, each where its scenario leaves most over; how many came of it."""
        low, high = self.low[places], self.high[places]
        share = np.divide(
            high - low, self.root_width, out=np.zeros_like(low), where=self.root_width > 0.0
        )
        score = np.where(share > NARROWEST, self.bends[:, scenarios].T * share**2, -1.0)
        number = score.argmax(axis=1)
        rows = np.arange(len(places))
        middle = 0.5 * (low[rows, number] + high[rows, number])
        first_high, second_low = high.copy(), low.copy()
        first_high[rows, number], second_low[rows, number] = middle, middle
        ends = np.concatenate([low, second_low]), np.concatenate([first_high, high])
        bounded = self.bounded(*ends)
        # A part is never worse than the whole it is a part of.
        whole = np.tile(self.bounds[places], (2, 1))
        bounds = np.maximum(bounded.lower - self.allowance, whole)
        self.look_at(_least_corners(bounded, ends, np.tile(scenarios, 2)))
        kept = np.ones(len(self.low), dtype=bool)
        kept[places] = False
        self.low = np.concatenate([self.low[kept], ends[0]])
        self.high = np.concatenate([self.high[kept], ends[1]])
        self.bounds = np.concatenate([self.bounds[kept], bounds])
        return len(bounds)

    def leaves(self) -> Leaves:
        """The cells as they are."""
        return Leaves(
            self.coin, tuple(map(tuple, self.low.tolist())), tuple(map(tuple, self.high.tolist()))
        )


def _corners(low: FloatArray, high: FloatArray) -> FloatArray:
    """The middle and the corners of a cell, [9, 3]."""
    sides = np.array(np.meshgrid(*[[0.0, 1.0]] * VARIABLES)).reshape(VARIABLES, -1).T
    return np.concatenate([0.5 * (low + high)[None, :], np.where(sides > 0.5, high, low)])


def _least_corners(
    bounded: Enclosure, ends: tuple[FloatArray, FloatArray], scenarios: NDArray[np.int64]
) -> FloatArray:
    """Where the affine part of one scenario is least in each cell, [B, 3]."""
    slopes = bounded.slopes[:, np.arange(len(scenarios)), scenarios].T
    return np.where(
        slopes > 0.0, ends[0], np.where(slopes < 0.0, ends[1], 0.5 * (ends[0] + ends[1]))
    )


@dataclass(eq=False)
class Search:
    """Trees of an account's coins, and the cells looked at so far."""

    form: HealthForm
    box: Box
    trees: list[CoinTree] = field(init=False)
    cells: int = field(init=False)

    def __post_init__(self) -> None:
        self.trees = [CoinTree(self.form, coin, self.box) for coin in self.form.coins]
        self.cells = len(self.trees)

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of health by scenario, [S]."""
        start = np.full(len(self.form.names), self.form.constant_usd)
        return np.asarray(sum((tree.least for tree in self.trees), start))

    @property
    def upper(self) -> FloatArray:
        """The least values seen, by scenario, [S]."""
        start = np.full(len(self.form.names), self.form.constant_usd)
        return np.asarray(sum((tree.values for tree in self.trees), start))

    def worst(self) -> tuple[Point, int]:
        """The point that is worst, and its scenario."""
        s = int(self.upper.argmin())
        return {tree.coin: _triple(tree.at[s]) for tree in self.trees}, s

    def step(self, target: float) -> bool:
        """Splits cells of the coin that is least sure in the worst scenario; False where none."""
        s = int(self.lower.argmin())
        unsure = [float(tree.values[s] - tree.least[s] - tree.floor[s]) for tree in self.trees]
        if not self.trees or max(unsure) <= 0.0:
            return False
        tree = self.trees[int(np.argmax(unsure))]
        rest = self.lower - tree.least
        scores = tree.bounds + rest
        scenarios = scores.argmin(axis=1)
        least = scores[np.arange(len(scores)), scenarios]
        bends = tree.bends.max(axis=1) > 0.0
        wide = (tree.high - tree.low) > NARROWEST * tree.root_width
        wide = np.asarray(wide[:, bends].any(axis=1))
        together = max(TOGETHER, len(least) // PART)
        order = np.argsort(np.where(wide, least, np.inf), kind="stable")[:together]
        order = order[wide[order] & (least[order] < target)]
        if not len(order):
            return False
        self.cells += tree.split(order, scenarios[order])
        return True


def _triple(row: FloatArray) -> tuple[float, float, float]:
    return float(row[0]), float(row[1]), float(row[2])


def least_health(form: HealthForm, box: Box, effort: Effort) -> Found:
    """Bounds of the least health of an account at one time; raises `InputError` for a coin that
    the box does not know, and for figures that the rule misses."""
    search = Search(form, box)
    point, _ = search.worst()
    exact = form.exact(point)
    seen = float(search.upper.min())
    while search.cells < effort.cells and not effort.stop():
        lower, upper = float(search.lower.min()), float(search.upper.min())
        if upper < seen:
            seen, (at, _) = upper, search.worst()
            value = form.exact(at)
            exact, point = (value, at) if value < exact else (exact, point)
        if (exact < 0.0 or lower > 0.0) and exact - lower <= effort.gap_usd:
            break
        target = min(upper, exact) - effort.gap_usd if effort.gap_usd < np.inf else 0.0
        if not search.step(target if target > lower else np.inf):
            break
    return _found(search, point, exact)


def _found(search: Search, point: Point, exact: float) -> Found:
    """The last point is looked at once more by the rule itself."""
    at, s = search.worst()
    value = search.form.exact(at)
    if value < exact:
        exact, point = value, at
    return Found(
        lower_usd=float(search.lower.min()),
        upper_usd=exact,
        worst=point,
        binding=search.form.names[s],
        cells=search.cells,
        leaves=tuple(tree.leaves() for tree in search.trees),
    )
