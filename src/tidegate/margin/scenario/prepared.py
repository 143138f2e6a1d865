# SPDX-License-Identifier: Apache-2.0
"""A rule at one market, ready for any book of the columns it was prepared with.

    initial = f (max(loss, floor)) + charges + extra        f: the initial factor
    maintenance                    the same with its own factor, rates and extra

`BookStatements` answer for many books at once; equity is linear in the sizes of the columns, one of
which is cash: a trade at the mark pays for itself there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.scenario.charges import Charges, Side
from tidegate.margin.scenario.table import ScenarioTable
from tidegate.margin.scenario.what_if import WhatIf
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

FLOOR = "floor"


@dataclass(frozen=True, slots=True, eq=False)
class BookStatements:
    """Many books under one rule, [B] each, in the rule's unit; `binding` indexes
    `Prepared.binding_names`."""

    equity: FloatArray
    initial: FloatArray
    maintenance: FloatArray
    loss: FloatArray
    binding: IndexArray

    @property
    def health(self) -> FloatArray:
        """Equity less maintenance; solvent where >= 0."""
        return np.asarray(self.equity - self.maintenance)


@dataclass(frozen=True, eq=False)
class Prepared:
    """One rule at one market over `columns`: instruments' ids, then assets.

    `equity_per_unit` [n] is what equity counts for one unit. `factors` multiply the worst loss.
    `floor` are charges that the loss is at least. `extra` are fixed addends by name. Where
    `flat_column` is given, books without a position there have `flat_charges` instead.
    """

    rule: str
    unit: str
    columns: tuple[str, ...]
    table: ScenarioTable
    charges: Charges
    equity_per_unit: FloatArray
    factors: Side
    floor: Charges | None = None
    extra: Mapping[str, Side] = field(default_factory=dict)
    flat_column: int | None = None
    flat_charges: Charges | None = None

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Column of an instrument's id or an asset."""
        return {name: index for index, name in enumerate(self.columns)}

    @property
    def binding_names(self) -> tuple[str, ...]:
        """What can set the requirement: the scenarios, the basis, nothing, the floor."""
        return (*self.table.binding_names, FLOOR)

    def sizes(self, amounts: Mapping[str, float]) -> FloatArray:
        """A book as sizes [n] of the columns; raises `InputError` for an unknown name."""
        row = np.zeros(len(self.columns))
        for name, amount in amounts.items():
            if name not in self.place:
                raise InputError(self.rule, name, "expected an instrument or asset prepared for")
            row[self.place[name]] += amount
        return row

    def books(self, sizes: ArrayLike) -> FloatArray:
        """Sizes as an array [B, n]; raises `InputError` for another shape or what is not finite."""
        books = np.ascontiguousarray(np.atleast_2d(np.asarray(sizes, dtype=float)))
        if books.ndim != 2 or books.shape[1] != len(self.columns):
            expected = f"expected {len(self.columns)} columns, got the shape {books.shape}"
            raise InputError(self.rule, "sizes", expected)
        if not np.isfinite(books).all():
            raise InputError(self.rule, "sizes", "expected finite numbers")
        return books

    def statements(self, sizes: ArrayLike) -> BookStatements:
        """Many books [B, n] at this market, by the compiled kernels.

        Raises: `InputError` as `books` does. Equal to the rule's statement of each to 1e-9.
        """
        from tidegate.margin.scenario import _losses as kernels

        return kernels.statements(self, self.books(sizes))

    def what_if(self, book: ArrayLike) -> WhatIf:
        """The book made ready for single orders; raises `InputError` as `books` does."""
        return WhatIf(self, np.asarray(book, dtype=float))

    def statements_twin(self, sizes: ArrayLike) -> BookStatements:
        """The same by numpy, which needs no compiler."""
        books = self.books(sizes)
        loss, binding = self.table.worst(self.table.sums(books))
        initial, maintenance = self.charged(books)
        return self.assembled(books, (loss, binding), (initial, maintenance))

    def assembled(
        self,
        books: FloatArray,
        worst: tuple[FloatArray, IndexArray],
        charged: tuple[FloatArray, FloatArray],
    ) -> BookStatements:
        """Requirements from worst losses and charges, as the module's formula says."""
        loss, binding = worst
        if self.floor is not None:
            least = self.floor.asked(self.floor.nets(books))[0].sum(axis=1)
            binding = np.where(least > loss, len(self.binding_names) - 1, binding)
            loss = np.maximum(loss, least)
        extra = [sum(getattr(side, each) for side in self.extra.values()) for each in KINDS]
        return BookStatements(
            equity=books @ self.equity_per_unit,
            initial=self.factors.initial * loss + charged[0] + extra[0],
            maintenance=self.factors.maintenance * loss + charged[1] + extra[1],
            loss=loss,
            binding=binding,
        )

    def charged(self, books: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Initial and maintenance charges of each book, [B] each."""
        initial, maintenance = (row.sum(axis=1) for row in self._asked(self.charges, books))
        if self.flat_column is not None and self.flat_charges is not None:
            flat = books[:, self.flat_column] == 0.0
            if flat.any():
                asked = self._asked(self.flat_charges, books[flat])
                initial[flat], maintenance[flat] = (row.sum(axis=1) for row in asked)
        return initial, maintenance

    @staticmethod
    def _asked(charges: Charges, books: FloatArray) -> tuple[FloatArray, FloatArray]:
        return charges.asked(charges.nets(books))

    def statement(self, sizes: FloatArray, withdrawable: float | None = None) -> Statement:
        """One book's statement with its addends by name; `withdrawable` is the rule's to say."""
        stated = self.statements_twin(sizes)
        return Statement(
            rule=self.rule,
            unit=self.unit,
            equity=float(stated.equity[0]),
            initial=float(stated.initial[0]),
            maintenance=float(stated.maintenance[0]),
            withdrawable=withdrawable,
            binding=self.binding_names[int(stated.binding[0])],
            parts=self._parts(self.books(sizes), float(stated.loss[0])),
        )

    def _parts(self, book: FloatArray, loss: float) -> dict[str, float]:
        parts = {
            "initial: worst loss": self.factors.initial * loss,
            "maintenance: worst loss": self.factors.maintenance * loss,
        }
        flat = self.flat_column is not None and book[0, self.flat_column] == 0.0
        charges = self.flat_charges if flat and self.flat_charges is not None else self.charges
        for kind, asked in zip(KINDS, self._asked(charges, book), strict=True):
            for label, amount in zip(charges.labels, asked[0], strict=True):
                name = f"{kind}: {label}"
                parts[name] = parts.get(name, 0.0) + float(amount)
            for label, side in self.extra.items():
                parts[f"{kind}: {label}"] = getattr(side, kind)
        return parts


KINDS: Sequence[str] = ("initial", "maintenance")
