# SPDX-License-Identifier: Apache-2.0
"""Everybody's books at one venue of one linear contract, in integers, as columns.

Rows are accounts (ours is the first), then the insurance fund, then the makers: whoever stands
outside and trades with the venue's order book. Equity = balance + lots x ticks x UNIT - cost. No
operation makes or loses a quantum: lots of all rows sum to zero, and equity of all rows with the
fees is the same at every price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.tiers import TierTable
from tidegate.model.errors import ensure

IntArray = NDArray[np.int64]
OURS, FUND, MAKERS = 0, -2, -1
# Micro-dollars of one tick (a dime) on one lot (a thousandth of a coin).
UNIT = 100


@dataclass(slots=True)
class Books:
    """Rows of lots, cost and balance (quanta), and the fees that were taken (quanta)."""

    lots: IntArray
    cost: IntArray
    balance: IntArray
    fees: int = 0

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return int(self.lots.size) - 2

    def equity(self, ticks: int) -> IntArray:
        """Worth of every row at a price."""
        return np.asarray(self.balance + self.lots * (ticks * UNIT) - self.cost)

    def total(self, ticks: int) -> int:
        """Everything that is in the venue, fees included: it never changes."""
        return int(self.equity(ticks).sum()) + self.fees

    def close(self, who: IntArray, lots: IntArray, ticks: int, taker: int) -> None:
        """Accounts close lots (of the sign that they hold) at a price to the fund or the makers."""
        self._realise(who, lots, ticks)
        self._take(taker, int(lots.sum()), ticks)

    def match(self, loser: int, lots: int, ticks: int, winners: tuple[IntArray, IntArray]) -> None:
        """One row closes lots against winners, who close as many between them, at a price."""
        who, theirs = winners
        ensure(int(theirs.sum()) == -lots, "a deleveraging closes as much on either side")
        self._realise(who, theirs, ticks)
        if loser in (FUND, self.lots.size + FUND):
            self._take(FUND, -lots, ticks)
        else:
            self._realise(np.array([loser]), np.array([lots]), ticks)

    def charge(self, who: IntArray, quanta: IntArray, taker: int | None = None) -> None:
        """Money of accounts goes to a row, or to the fees."""
        self.balance[who] -= quanta
        if taker is None:
            self.fees += int(quanta.sum())
        else:
            self.balance[taker] += int(quanta.sum())

    def _realise(self, who: IntArray, lots: IntArray, ticks: int) -> None:
        held = self.lots[who]
        ensure(bool(((lots * held > 0) & (np.abs(lots) <= np.abs(held))).all()), "closes too much")
        # The mean cost of a lot in whole quanta; what is left of it stays with the rest.
        part = np.where(lots == held, self.cost[who], self.cost[who] // held * lots)
        self.balance[who] += lots * (ticks * UNIT) - part
        self.cost[who] -= part
        self.lots[who] -= lots

    def _take(self, row: int, lots: int, ticks: int) -> None:
        self.lots[row] += lots
        self.cost[row] += lots * ticks * UNIT


def maintenance(table: TierTable, notional: IntArray) -> IntArray:
    """Maintenance of notionals (quanta), rounded up: as `TierTable.maintenance`, for a column.

    M = max_j ceil((n x numerator_j - offset_j) / denominator_j) over tiers; 0 where n is 0.
    """
    lines = [-((t.offset - notional * t.rate_numerator) // t.denominator) for t in table.tiers]
    return np.asarray(np.maximum(np.max(lines, axis=0), 0))


def shared_out(total: int, weights: IntArray) -> IntArray:
    """A sum in whole quanta by weights (which are not all 0): shares rounded down, and what is left
    one each to the first of the heaviest."""
    whole = int(weights.sum())
    shares = np.array([total * int(weight) // whole for weight in weights], dtype=np.int64)
    order = np.argsort(-weights, kind="stable")
    shares[order[: total - int(shares.sum())]] += 1
    return shares
