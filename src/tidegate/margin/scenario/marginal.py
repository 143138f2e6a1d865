# SPDX-License-Identifier: Apache-2.0
"""What each position adds to a book's requirement, and which one its closing would relieve most.

    removal     requirement(q) - requirement(q without i)
    gradient    d requirement / d q_i, by a central difference of a small part of the position

Removal is what closing frees; gradients are what the next unit costs, and add up to the requirement
of a rule that is homogeneous where nothing binds anew (Euler). A hedge has a negative share.

`margin.marginal` closes positions one by one under any rule, what that does to collateral included;
this asks a prepared rule for all columns of a book in one batch, and for gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.scenario.prepared import BookStatements

FloatArray = NDArray[np.float64]

# Part of a position by which it is moved for its gradient: far above rounding, far below a kink.
PART = 1e-6


class PreparedRule(Protocol):
    """A rule at one market that answers for many books of its columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Instruments' ids, then assets."""

    def statements(self, sizes: ArrayLike) -> BookStatements:
        """Many books [B, n]."""


@dataclass(frozen=True, slots=True)
class ColumnMarginal:
    """One position: what closing it frees of initial and maintenance margin (negative where it
    hedges), what the next unit adds, and by how much closing it at its mark betters health."""

    name: str
    removal_initial: float
    removal_maintenance: float
    gradient_initial: float
    gradient_maintenance: float


def column_marginals(prepared: PreparedRule, book: ArrayLike) -> tuple[ColumnMarginal, ...]:
    """Every column that the book [n] holds, the largest relief of maintenance margin first.

    A position closed at its mark leaves equity as it is, so its relief is what health gains.
    """
    sizes = np.asarray(book, dtype=float)
    held = np.flatnonzero(sizes)
    step = np.abs(sizes[held]) * PART
    books = np.tile(sizes, (1 + 3 * len(held), 1))
    for place, column in enumerate(held):
        books[1 + 3 * place, column] = 0.0
        books[2 + 3 * place, column] += step[place]
        books[3 + 3 * place, column] -= step[place]
    stated = prepared.statements(books)
    found = []
    for place, column in enumerate(held):
        row = 1 + 3 * place
        removal = [one[0] - one[row] for one in (stated.initial, stated.maintenance)]
        rise = [one[row + 1] - one[row + 2] for one in (stated.initial, stated.maintenance)]
        gradient = [float(each / (2.0 * step[place])) for each in rise]
        name = prepared.columns[column]
        found.append(ColumnMarginal(name, float(removal[0]), float(removal[1]), *gradient))
    return tuple(sorted(found, key=lambda each: -each.removal_maintenance))
