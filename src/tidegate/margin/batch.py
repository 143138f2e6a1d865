# SPDX-License-Identifier: Apache-2.0
"""Maintenance and health of many books or many markets at once, in floats, for search.

Decisions use the exact integer rule; this twin is held to it by a property test. Amounts are in
whole units of the collateral (dollars).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.rule import Lines
from tidegate.margin.tiers import TierTable
from tidegate.model.units import MICRO

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TierLines:
    """Convex pieces of tiered maintenance: rates (i, j) and deductions (i, j) in dollars.

    Rows are padded with their last piece, which changes no maximum.
    """

    rates: FloatArray
    deductions: FloatArray

    def maintenance(self, notional_usd: FloatArray) -> FloatArray:
        """Sum over instruments of max_j (r_j |x| - o_j); notional (..., i) gives (...)."""
        size = np.abs(notional_usd)[..., None]
        pieces = size * self.rates - self.deductions
        return np.asarray(pieces.max(axis=-1).sum(axis=-1))


def tier_lines(tables: Sequence[TierTable]) -> TierLines:
    """Stacked pieces of several instruments' tiers."""
    return stacked_lines([table.lines() for table in tables])


def stacked_lines(pieces: Sequence[Lines]) -> TierLines:
    """Stacked pieces of several instruments' requirements, as rules give them; an instrument
    without pieces requires nothing."""
    width = max([1, *(len(lines) for lines in pieces)])
    rates = np.empty((len(pieces), width))
    deductions = np.empty((len(pieces), width))
    for row, lines in enumerate(pieces):
        last = lines[-1] if lines else (0.0, 0.0)
        padded = lines + (last,) * (width - len(lines))
        rates[row] = [rate for rate, _ in padded]
        deductions[row] = [offset / MICRO for _, offset in padded]
    return TierLines(rates, deductions)


def health(
    lines: TierLines,
    wallet_usd: FloatArray,
    base_amounts: FloatArray,
    costs: FloatArray,
    prices: FloatArray,
) -> FloatArray:
    """Equity less maintenance in dollars of linear books.

    Shapes broadcast: wallet (...), base amounts, costs and prices (..., i). One market against
    many books and many markets against one book are both a broadcast.
    """
    notional = base_amounts * prices
    equity = wallet_usd + (notional - costs).sum(axis=-1)
    return np.asarray(equity - lines.maintenance(notional))
