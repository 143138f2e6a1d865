# SPDX-License-Identifier: Apache-2.0
"""What is asked besides the worst scenario: rates on net sizes, the contingencies of the venues.

A row nets columns to d = sum w_i q_i (a position, an expiry's delta, the options of a strike) and
asks, for initial and for maintenance margin alike but with its own rates,

    long d   where d >= 0,      short |d|   below
    grows |d| min(ceiling, slope max(|d| - threshold, 0))      besides

so that a naked short has a rate on its short side alone, and a liquidity charge only grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Columns of the rates: initial and maintenance for long and short, then what growth counts for.
LONG_INITIAL, SHORT_INITIAL, LONG_MAINTENANCE, SHORT_MAINTENANCE = range(4)
GROWTH_INITIAL, GROWTH_MAINTENANCE, SLOPE, THRESHOLD, CEILING = range(4, 9)
RATES = 9


@dataclass(frozen=True, slots=True)
class Side:
    """A rate per unit of the net size for initial and for maintenance margin."""

    initial: float = 0.0
    maintenance: float = 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """A rate that rises by `slope` per unit beyond `threshold` up to `ceiling`, and how much of it
    counts for initial and maintenance margin."""

    counts: Side
    slope: float
    threshold: float
    ceiling: float


NONE = Side()
NO_GROWTH = Growth(NONE, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Charge:
    """One row: weights by column name, and its rates."""

    label: str
    weights: Mapping[str, float]
    long: Side = NONE
    short: Side = NONE
    growth: Growth = NO_GROWTH

    def rates(self) -> tuple[float, ...]:
        """The rates in the order of the module's columns."""
        grows = self.growth
        sides = (self.long.initial, self.short.initial, self.long.maintenance)
        counts = (self.short.maintenance, grows.counts.initial, grows.counts.maintenance)
        return (*sides, *counts, grows.slope, grows.threshold, grows.ceiling)


@dataclass(frozen=True, slots=True, eq=False)
class Charges:
    """Rows stacked sparsely: row k nets `columns[starts[k]:starts[k + 1]]` by the same `weights`;
    `rates` [K, 9]."""

    labels: tuple[str, ...]
    starts: IndexArray
    columns: IndexArray
    weights: FloatArray
    rates: FloatArray

    def nets(self, sizes: FloatArray) -> FloatArray:
        """Net size of each row of books [B, n], [B, K]."""
        if not len(self.columns):
            return np.zeros((len(sizes), 0))
        held = sizes[:, self.columns] * self.weights
        return np.asarray(np.add.reduceat(held, self.starts[:-1], axis=1))

    def asked(self, nets: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Initial and maintenance charge of each row, [B, K] each; the kernel's numpy twin."""
        rates, size = self.rates, np.abs(nets)
        beyond = np.maximum(size - rates[:, THRESHOLD], 0.0)
        grown = size * np.minimum(rates[:, CEILING], rates[:, SLOPE] * beyond)
        long = nets >= 0.0
        initial = size * np.where(long, rates[:, LONG_INITIAL], rates[:, SHORT_INITIAL])
        kept = np.where(long, rates[:, LONG_MAINTENANCE], rates[:, SHORT_MAINTENANCE])
        return (
            initial + grown * rates[:, GROWTH_INITIAL],
            size * kept + grown * rates[:, GROWTH_MAINTENANCE],
        )


def stacked_charges(rows: Sequence[Charge], columns: Sequence[str]) -> Charges:
    """The rows over these columns; one that nets nothing is left out."""
    place = {name: index for index, name in enumerate(columns)}
    kept = [row for row in rows if row.weights]
    lengths = [len(row.weights) for row in kept]
    return Charges(
        labels=tuple(row.label for row in kept),
        starts=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        columns=np.array([place[name] for row in kept for name in row.weights], dtype=np.int64),
        weights=np.array([w for row in kept for w in row.weights.values()], dtype=float),
        rates=np.array([row.rates() for row in kept], dtype=float).reshape(len(kept), RATES),
    )


def stacked_together(first: Charges, second: Charges) -> Charges:
    """The rows of both over the same columns."""
    return Charges(
        labels=first.labels + second.labels,
        starts=np.concatenate([first.starts, first.starts[-1] + second.starts[1:]]),
        columns=np.concatenate([first.columns, second.columns]),
        weights=np.concatenate([first.weights, second.weights]),
        rates=np.concatenate([first.rates, second.rates]),
    )
