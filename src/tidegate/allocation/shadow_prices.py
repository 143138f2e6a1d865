# SPDX-License-Identifier: Apache-2.0
"""What limits cost: shadow prices of named rows, read from a solved linear programme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.linear_programme import StandardForm
from tidegate.allocation.solve import Solution

FloatArray = NDArray[np.float64]
BINDING_PRICE = 1e-9


def binding_limits(
    form: StandardForm, solution: Solution, definitions: tuple[str, ...] = ()
) -> tuple[tuple[str, float], ...]:
    """Rows with a shadow price, the dearest first; rows that only define a variable are left out.

    Args: `definitions` are how the names of such rows begin. Returns: (name, price) per row block,
    the price being the largest in the block, in cost per unit of the row.
    """
    prices = {
        name: float(np.abs(solution.row_duals[rows]).max(initial=0.0))
        for name, rows in form.rows.items()
    }
    return tuple(
        (name, price)
        for name, price in sorted(prices.items(), key=lambda item: -item[1])
        if price > BINDING_PRICE and not name.startswith(definitions)
    )


def dollar_value(form: StandardForm, solution: Solution, venues: tuple[str, ...]) -> FloatArray:
    """What one more dollar at each venue (v) is worth: the prices of all rows that it would ease,
    which are those named "... at VENUE"; paths only feed the tail's row and are not counted."""
    value = np.zeros(len(venues))
    for venue, name in enumerate(venues):
        for row, rows in form.rows.items():
            if row.endswith(f" at {name}") and "path" not in row:
                value[venue] += float(np.abs(solution.row_duals[rows]).sum())
    return value
