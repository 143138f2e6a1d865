# SPDX-License-Identifier: Apache-2.0
"""Compiled loops over many books: worst losses and charges, as `table` and `charges` define them.

The twins are `ScenarioTable.worst` and `Charges.asked`. Products of sizes and values are left to
BLAS, for so many books at a time that their worth in all rows stays in a near cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.scenario.charges import (
    CEILING,
    GROWTH_INITIAL,
    GROWTH_MAINTENANCE,
    LONG_INITIAL,
    LONG_MAINTENANCE,
    SHORT_INITIAL,
    SHORT_MAINTENANCE,
    SLOPE,
    THRESHOLD,
    Charges,
)
from tidegate.margin.scenario.table import ScenarioTable
from tidegate.pricing._kernels import inner, kernel

if TYPE_CHECKING:
    from tidegate.margin.scenario.prepared import BookStatements, Prepared

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Books whose rows of worth stay in the second cache together.
TOGETHER = 128
# Columns of `Terms.groups` and `Terms.pools`.
LONG, SHORT, BASIS, SMILES = range(4)
KEEP, CAP = range(2)


class Terms(NamedTuple):
    """What the kernel needs of a table: groups [G, 4], the pool of each [G], pools [C, 2], weights
    [G, P], shrinking [C, P], skews [P] as 1, 1 / z [P]."""

    groups: FloatArray
    pool_of: IndexArray
    pools: FloatArray
    weights: FloatArray
    shrink: FloatArray
    skews: FloatArray
    per_scale: FloatArray


def terms(table: ScenarioTable) -> Terms:
    """The table's parameters as arrays."""
    groups = [
        (one.long_factor, one.short_factor, one.basis_factor, float(one.smiles))
        for one in table.groups
    ]
    return Terms(
        np.array(groups).reshape(-1, 4),
        np.array([one.pool for one in table.groups], dtype=np.int64),
        np.array([(one.keep, one.cap_usd) for one in table.pools]).reshape(-1, 2),
        table.weights,
        table.shrink_usd,
        table.skews.astype(float),
        1.0 / table.scale,
    )


@inner
def gain(worth: Any, base: Any, group: FloatArray, weight: Any, skews: Any) -> Any:
    """x_g of one scenario."""
    factor = group[LONG] if worth >= 0.0 else group[SHORT]
    x = (worth * factor - base) * weight
    return -abs(x) if skews * group[SMILES] != 0.0 else x


@inner
def pooled(gains: Any, shrink: Any, pool: FloatArray) -> Any:
    """t_c of one scenario after shrinking and its share of gains."""
    size = max(abs(gains) - shrink, 0.0)
    kept = min(pool[KEEP] * size, pool[CAP])
    return kept if gains > 0.0 else -size


@kernel
def worst(sums: FloatArray, t: Terms, loss: FloatArray, binding: IndexArray) -> None:
    """Worst loss and what binds, of books [B], from sums [G, B, P + 3]."""
    groups, scenarios = len(t.groups), len(t.per_scale)
    total, gains = np.empty(scenarios), np.empty(scenarios)
    for b in range(len(loss)):
        total[:] = 0.0
        basis = 0.0
        for c in range(len(t.pools)):
            gains[:] = 0.0
            for g in range(groups):
                if t.pool_of[g] != c:
                    continue
                base = sums[g, b, scenarios + 2]
                for p in range(scenarios):
                    x = gain(sums[g, b, p], base, t.groups[g], t.weights[g, p], t.skews[p])
                    gains[p] += x
                moved = min(sums[g, b, scenarios], sums[g, b, scenarios + 1])
                basis += min(moved - base, 0.0) * t.groups[g, BASIS]
            for p in range(scenarios):
                total[p] += pooled(gains[p], t.shrink[c, p], t.pools[c])
        least, place = 0.0, scenarios + 1
        for p in range(scenarios):
            result = total[p] * t.per_scale[p]
            if result < least:
                least, place = result, p
        if basis < least:
            least, place = basis, scenarios
        loss[b] = -least
        binding[b] = place


@inner
def asked(net: Any, rates: FloatArray) -> Any:
    """Initial and maintenance charge of one row."""
    size = abs(net)
    beyond = max(size - rates[THRESHOLD], 0.0)
    grown = size * min(rates[CEILING], rates[SLOPE] * beyond)
    long = net >= 0.0
    initial = size * (rates[LONG_INITIAL] if long else rates[SHORT_INITIAL])
    kept = size * (rates[LONG_MAINTENANCE] if long else rates[SHORT_MAINTENANCE])
    return initial + grown * rates[GROWTH_INITIAL], kept + grown * rates[GROWTH_MAINTENANCE]


@kernel
def charge(
    books: FloatArray,
    starts: IndexArray,
    columns: IndexArray,
    weights: FloatArray,
    rates: FloatArray,
    out: FloatArray,
) -> None:
    """Charges of books [B, n] into out[2, B], initial and maintenance."""
    for b in range(len(books)):
        initial, maintenance = 0.0, 0.0
        for k in range(len(rates)):
            net = 0.0
            for place in range(starts[k], starts[k + 1]):
                net += books[b, columns[place]] * weights[place]
            first, kept = asked(net, rates[k])
            initial += first
            maintenance += kept
        out[0, b] = initial
        out[1, b] = maintenance


def charged(charges: Charges, books: FloatArray) -> FloatArray:
    """Initial and maintenance charges of books, [2, B]."""
    out = np.zeros((2, len(books)))
    charge(books, charges.starts, charges.columns, charges.weights, charges.rates, out)
    return out


def statements(prepared: Prepared, books: FloatArray) -> BookStatements:
    """What `Prepared.statements` answers."""
    loss, binding = np.empty(len(books)), np.empty(len(books), dtype=np.int64)
    table_terms = terms(prepared.table)
    for start in range(0, len(books), TOGETHER):
        some = slice(start, start + TOGETHER)
        worst(prepared.table.sums(books[some]), table_terms, loss[some], binding[some])
    asked_of = charged(prepared.charges, books)
    if prepared.flat_column is not None and prepared.flat_charges is not None:
        flat = books[:, prepared.flat_column] == 0.0
        if flat.any():
            asked_of[:, flat] = charged(prepared.flat_charges, np.ascontiguousarray(books[flat]))
    return prepared.assembled(books, (loss, binding), (asked_of[0], asked_of[1]))
