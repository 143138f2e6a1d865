# SPDX-License-Identifier: Apache-2.0
"""What one order would do to a book: its sums are kept, and only what the order touches is redone.

Of every scenario the book's result without the order's group is kept, so that an order costs one
group's worth, the scenarios, and the charges that name its column; `Prepared.statements` of the
book with the order in it is the same number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.scenario.charges import Charges, stacked_together
from tidegate.margin.scenario.table import ScenarioTable
from tidegate.model.errors import InputError

if TYPE_CHECKING:
    from tidegate.margin.scenario.prepared import Prepared

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# The first floats, see `_header`.
EQUITY, INITIAL, MAINTENANCE, FLOOR, FACTOR_INITIAL, FACTOR_MAINTENANCE, HEADER = range(7)
# The first integers: scenarios, the first row of the floor, where each part of the floats begins
# after the header, and from `GROUP_OF` on the group and pool of each column and its rows.
SCENARIOS, FLOOR_FROM, PARTS = range(3)
(
    EQUITY_OF,
    VALUES,
    SUMS,
    REST,
    OTHERS,
    BASIS_REST,
    GROUP_TERMS,
    WEIGHTS,
    SHRINK,
    POOL_TERMS,
    SKEWS,
    PER_SCALE,
    NETS,
    ROW_RATES,
    ROW_WEIGHTS,
    GROUP_OF,
) = range(PARTS, PARTS + 16)


class Outcome(NamedTuple):
    """The account with the order filled, in the rule's unit; `binding` as `Prepared` names it."""

    equity: float
    initial: float
    maintenance: float
    binding: str

    @property
    def health(self) -> float:
        """Equity less maintenance; solvent where >= 0."""
        return self.equity - self.maintenance


@dataclass(frozen=True, eq=False)
class WhatIf:
    """A book of a prepared rule, ready for one order at a time."""

    prepared: Prepared
    book: FloatArray
    _floats: FloatArray = field(init=False, repr=False)
    _integers: IndexArray = field(init=False, repr=False)
    _out: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        book = self.prepared.books(self.book)[0]
        object.__setattr__(self, "book", book)
        floats, integers = _memory(self.prepared, book)
        object.__setattr__(self, "_floats", floats)
        object.__setattr__(self, "_integers", integers)
        object.__setattr__(self, "_out", np.empty(4))

    def order(self, name: str, size: float, paid: float = 0.0) -> Outcome:
        """The account once `size` of a column is bought (sold where negative) for `paid`.

        `paid` leaves equity in the rule's unit; it moves no risk, which is exact unless cash is a
        position itself, as coins are in Deribit's cross account. Raises: `InputError` for an
        unknown name.
        """
        from tidegate.margin.scenario import _what_if as kernels

        column = self.prepared.place.get(name)
        if column is None:
            raise InputError(self.prepared.rule, name, "expected an instrument or asset")
        flat = self.prepared.flat_column
        if column == flat and (self.book[flat] == 0.0 or self.book[flat] + size == 0.0):
            return self._anew(column, size, paid)
        kernels.outcome(column, size, self._floats, self._integers, self._out)
        equity, initial, maintenance, binding = self._out.tolist()
        names = self.prepared.binding_names
        return Outcome(equity - paid, initial, maintenance, names[int(binding)])

    def _anew(self, column: int, size: float, paid: float) -> Outcome:
        """Where an order opens or closes what other charges depend on."""
        book = self.book.copy()
        book[column] += size
        one = self.prepared.statements_twin(book)
        names = self.prepared.binding_names
        numbers = (float(one.equity[0]) - paid, float(one.initial[0]), float(one.maintenance[0]))
        return Outcome(*numbers, names[int(one.binding[0])])


def _memory(prepared: Prepared, book: FloatArray) -> tuple[FloatArray, IndexArray]:
    """Everything that an order needs, in two arrays: a call with two is quicker than with twenty.

    After the counts and places the integers give, of each column, its group, its pool, where its
    charges begin and, at last, the rows of charges column by column.
    """
    from tidegate.margin.scenario import _losses as kernels

    table = prepared.table
    terms, n = kernels.terms(table), len(prepared.columns)
    rows, floor_from = _rows(prepared, book)
    starts, named, weights = _by_column(rows, n)
    group_of = np.repeat(np.arange(len(table.groups)), np.diff(table.starts))
    sums = table.sums(book[None, :])[:, 0, :]
    rest, others, basis_rest = _without_each(table, sums)
    parts = (
        _header(prepared, book, rows, floor_from),
        prepared.equity_per_unit,
        np.ascontiguousarray(table.values.T),
        sums,
        rest,
        others,
        basis_rest,
        terms.groups,
        terms.weights,
        terms.shrink,
        terms.pools,
        terms.skews,
        terms.per_scale,
        rows.nets(book[None, :])[0],
        rows.rates,
        weights,
    )
    places = np.cumsum([part.size for part in parts[:-1]])
    counts = [len(table.names), floor_from, *places]
    integers = np.concatenate([counts, group_of, terms.pool_of[group_of], starts, named])
    return np.concatenate([part.ravel() for part in parts]), integers.astype(np.int64)


def _header(prepared: Prepared, book: FloatArray, rows: Charges, floor_from: int) -> FloatArray:
    """Equity, charges, floor and factors of the book without an order."""
    header = np.zeros(HEADER)
    initial, maintenance = (row[0] for row in rows.asked(rows.nets(book[None, :])))
    extra = prepared.extra.values()
    header[EQUITY] = book @ prepared.equity_per_unit
    header[INITIAL] = initial[:floor_from].sum() + sum(side.initial for side in extra)
    header[MAINTENANCE] = maintenance[:floor_from].sum() + sum(side.maintenance for side in extra)
    header[FLOOR] = initial[floor_from:].sum()
    header[FACTOR_INITIAL] = prepared.factors.initial
    header[FACTOR_MAINTENANCE] = prepared.factors.maintenance
    return header


def _rows(prepared: Prepared, book: FloatArray) -> tuple[Charges, int]:
    """Charges and floor in one, and where the floor's rows begin."""
    flat = prepared.flat_column
    charges = prepared.charges
    if flat is not None and book[flat] == 0.0 and prepared.flat_charges is not None:
        charges = prepared.flat_charges
    if prepared.floor is None:
        return charges, len(charges.labels)
    return stacked_together(charges, prepared.floor), len(charges.labels)


def _by_column(rows: Charges, n: int) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Rows by the columns that they name: starts [n + 1], rows and weights."""
    row_of = np.repeat(np.arange(len(rows.labels)), np.diff(rows.starts))
    order = np.argsort(rows.columns, kind="stable")
    starts = np.searchsorted(rows.columns[order], np.arange(n + 1))
    return starts, row_of[order], rows.weights[order]


def _without_each(
    table: ScenarioTable, sums: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gains [G, P] of each group's pool without the group, results [C, P] without each pool, and
    the basis [G] without each group."""
    gains = np.stack([table.group_gains(sums[g][None, :], g)[0] for g in range(len(sums))])
    pool_of = np.array([group.pool for group in table.groups])
    rest = np.empty_like(gains)
    for g, pool in enumerate(pool_of):
        same = pool_of == pool
        same[g] = False
        rest[g] = gains[same].sum(axis=0)
    results = np.stack(
        [
            table.pooled(gains[pool_of == c].sum(axis=0), pool, table.shrink_usd[c])
            for c, pool in enumerate(table.pools)
        ]
    )
    others = np.stack([np.delete(results, c, axis=0).sum(axis=0) for c in range(len(results))])
    falls = table.basis_falls(sums[:, None, :])[:, 0]
    basis = np.array([np.delete(falls, g).sum() for g in range(len(falls))])
    return rest, others, basis
