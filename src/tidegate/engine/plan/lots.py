# SPDX-License-Identifier: Apache-2.0
"""A solved book as whole lots: sizes down, and what that leaves unhedged made good per coin.

Every target is cut toward nought to a lot, which is the way that margin falls of itself. The delta
that this leaves over in a coin is then taken by the contract of the smallest lot that may trade, to
the nearest lot; so a coin's legs are never further from their hedge than half of that lot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import trunc

import numpy as np
from numpy.typing import NDArray

from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.bounds import Bound

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# An amount so near to a whole lot is that lot, seen through a float.
NOISE_LOTS = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Lots:
    """Lots held and lots aimed at, by position (n)."""

    held: IntArray
    target: IntArray

    @property
    def traded(self) -> IntArray:
        """Signed lots to trade."""
        return self.target - self.held

    def without(self, places: Iterable[int]) -> Lots:
        """The same, with these positions left as they are."""
        target = self.target.copy()
        for place in places:
            target[place] = self.held[place]
        return Lots(self.held, target)


def notional_usd(asked: Asked, lots: IntArray) -> FloatArray:
    """Notionals of whole lots, USD (n)."""
    return np.asarray(lots * np.array([bound.lot_usd for bound in asked.bounds]))


def broken_limits(asked: Asked, lots: IntArray) -> dict[str, float]:
    """Linear limits of the mandate that whole lots lie outside of, USD."""
    notional = notional_usd(asked, lots)
    found = {box.name: box.broken(notional) for box in asked.boxes if not box.aimed}
    return {name: by for name, by in found.items() if by > 0.0}


def held_lots(asked: Asked) -> IntArray:
    """Lots held; a book's sizes are whole lots."""
    found = [round(bound.held_usd / bound.lot_usd) for bound in asked.bounds]
    return np.array(found, dtype=np.int64)


def rounded(asked: Asked, size: FloatArray) -> Lots:
    """Notionals (n), units of equity, as whole lots; see the module's head."""
    usd = size * asked.equity_usd
    held = held_lots(asked)
    target = np.array(
        [_cut(usd[i] / bound.lot_usd, int(held[i])) for i, bound in enumerate(asked.bounds)],
        dtype=np.int64,
    )
    for coin in asked.book.coins:
        _hedge(asked, coin, usd, target)
    return Lots(held, target)


def _cut(lots: float, held: int) -> int:
    if abs(lots - held) <= max(NOISE_LOTS, 1e-9 * abs(held)):
        return held
    way = NOISE_LOTS if lots > 0.0 else -NOISE_LOTS
    return trunc(lots + way)


def _hedge(asked: Asked, coin: str, usd: FloatArray, target: IntArray) -> None:
    """Give the delta that cutting left over to the coin's contract of the smallest lot."""
    delta = asked.greeks.delta
    rows = [i for i, bound in enumerate(asked.bounds) if bound.instrument.base == coin]
    over = sum(delta[i] * (usd[i] - target[i] * asked.bounds[i].lot_usd) for i in rows)
    for i in sorted(rows, key=lambda i: asked.bounds[i].lot_usd):
        bound = asked.bounds[i]
        if not bound.hedges:
            continue
        more = round(over / (delta[i] * bound.lot_usd))
        if more and _within(bound, int(target[i]) + more):
            target[i] += more
            return


def _within(bound: Bound, lots: int) -> bool:
    usd = lots * bound.lot_usd
    least, most = min(bound.lower_usd, bound.held_usd), max(bound.upper_usd, bound.held_usd)
    return least <= usd <= most
