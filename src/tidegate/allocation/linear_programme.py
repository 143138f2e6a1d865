# SPDX-License-Identifier: Apache-2.0
"""A linear programme built from named blocks of variables and named blocks of rows.

Names survive to the answer, so that a binding limit can be named and its shadow price reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StandardForm:
    """minimise cost'x subject to row_lower <= A x <= row_upper, lower <= x <= upper."""

    cost: FloatArray
    matrix: sparse.csc_array
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    blocks: Mapping[str, slice]
    rows: Mapping[str, slice]


def with_rows(
    form: StandardForm, coefficients: Mapping[str, ArrayLike], lower: FloatArray, upper: FloatArray
) -> StandardForm:
    """The same programme with more rows, given as those of `Builder.constrain`."""
    block = np.zeros((lower.size, form.cost.size))
    for name, values in coefficients.items():
        block[:, form.blocks[name]] = values
    return replace(
        form,
        matrix=sparse.csc_array(sparse.vstack([form.matrix, sparse.csc_array(block)])),
        row_lower=np.concatenate([form.row_lower, lower]),
        row_upper=np.concatenate([form.row_upper, upper]),
    )


@dataclass(slots=True)
class Builder:
    """Collects blocks; every coefficient array has shape (rows, size of its block)."""

    _cost: list[FloatArray] = field(default_factory=list)
    _lower: list[FloatArray] = field(default_factory=list)
    _upper: list[FloatArray] = field(default_factory=list)
    _blocks: dict[str, slice] = field(default_factory=dict)
    _entries: list[tuple[int, int, FloatArray]] = field(default_factory=list)
    _row_lower: list[FloatArray] = field(default_factory=list)
    _row_upper: list[FloatArray] = field(default_factory=list)
    _rows: dict[str, slice] = field(default_factory=dict)
    _columns: int = 0
    _height: int = 0

    def variables(
        self,
        name: str,
        size: int,
        cost: ArrayLike = 0.0,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
    ) -> None:
        """Declare a block of variables with its cost and bounds (scalars broadcast)."""
        self._blocks[name] = slice(self._columns, self._columns + size)
        self._columns += size
        for store, value in ((self._cost, cost), (self._lower, lower), (self._upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, dtype=float), (size,)))

    def constrain(
        self,
        name: str,
        coefficients: Mapping[str, ArrayLike],
        lower: ArrayLike,
        upper: ArrayLike,
    ) -> None:
        """Declare rows lower <= sum of coefficients x variables <= upper."""
        blocks = {key: np.atleast_2d(np.asarray(c, float)) for key, c in coefficients.items()}
        height = next(iter(blocks.values())).shape[0]
        for key, block in blocks.items():
            self._entries.append((self._height, self._blocks[key].start, block))
        self._rows[name] = slice(self._height, self._height + height)
        self._height += height
        for store, value in ((self._row_lower, lower), (self._row_upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, dtype=float), (height,)))

    def assemble(self) -> StandardForm:
        """The programme as sparse arrays."""
        parts = []
        for top, left, block in self._entries:
            row, column = np.nonzero(block)
            parts.append((block[row, column], row + top, column + left))
        values, rows, columns = (np.concatenate(p) for p in zip(*parts, strict=True))
        shape = (self._height, self._columns)
        matrix = sparse.csc_array((values, (rows, columns)), shape=shape)
        return StandardForm(
            np.concatenate(self._cost),
            matrix,
            np.concatenate(self._row_lower),
            np.concatenate(self._row_upper),
            np.concatenate(self._lower),
            np.concatenate(self._upper),
            dict(self._blocks),
            dict(self._rows),
        )
