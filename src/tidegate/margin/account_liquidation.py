# SPDX-License-Identifier: Apache-2.0
"""What venues do to an account of a `Statement` that is below maintenance, as documented.

Deribit closes step by step what contributes most to the requirement, and, where that does not
trade, hedges the book's delta with the perpetual if this lowers maintenance margin; the hedge
stays. Derive auctions the whole book: the discount on its mark value falls quickly to a share of
it, then slowly to nothing; an insolvent book is auctioned with the security module paying.

Sources: support.deribit.com, Liquidations (25944769313309) and release of 1 August 2023
(25944825289245), undated and dated; derivexyz/v2-core at 7736900d, test configuration of the
auction, and docs.derive.xyz, Portfolio Margin Parameters (penalty of 500 bp). Not pinned: what one
round of Deribit's closes and at which price, and Derive's live auction times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tidegate.margin.scenario.marginal import Marginal, PreparedRule, hedge, marginals
from tidegate.model.errors import InputError

WHERE = "liquidation"


@dataclass(frozen=True, slots=True)
class Closing:
    """What goes first: the column and all of its size, and what closing it relieves; or, where
    closing nothing relieves, a hedge."""

    name: str
    size: float
    relief: float
    hedges: bool


def first_closing(
    prepared: PreparedRule, book: ArrayLike, hedge_with: str | None = None
) -> Closing | None:
    """What Deribit's rounds turn to first, or None while the book is solvent.

    The position whose removal relieves maintenance margin most; if none does, the delta hedge with
    `hedge_with`, a perpetual of the columns.
    """
    sizes = np.asarray(book, dtype=float)
    if prepared.statements(sizes).health[0] >= 0.0:
        return None
    relieving = [one for one in marginals(prepared, sizes) if _relieves(one)]
    if relieving:
        worst = relieving[0]
        size = -float(sizes[prepared.columns.index(worst.name)])
        return Closing(worst.name, size, worst.removal_maintenance, False)
    if hedge_with is None:
        return None
    reach = float(np.abs(sizes).sum())
    size, left = hedge(prepared, sizes, hedge_with, reach)
    relief = float(prepared.statements(sizes).maintenance[0]) - left
    return Closing(hedge_with, size, relief, True) if relief > 0.0 else None


def _relieves(one: Marginal) -> bool:
    return one.removal_maintenance > 0.0


@dataclass(frozen=True, slots=True)
class Auction:
    """A Dutch auction of a solvent book: its price falls from mark value less nothing to
    `fast_share` of it within `fast_s`, and to nothing within `slow_s` more; `buffer` of the
    margin is restored beyond what is needed, `penalty` of the mark value is the venue's."""

    fast_s: float
    fast_share: float
    slow_s: float
    insolvent_s: float
    buffer: float
    penalty: float
    as_of: str
    source: str

    def discounted(self, mark_value: float, elapsed_s: float) -> float:
        """Bid price of the whole book after so long, in the account's unit."""
        if elapsed_s < 0.0:
            raise InputError(WHERE, "elapsed_s", f"expected at least 0, got {elapsed_s}")
        if mark_value <= 0.0:
            return mark_value
        if elapsed_s < self.fast_s:
            share = 1.0 - (1.0 - self.fast_share) * elapsed_s / self.fast_s
            return mark_value * share
        left = max(0.0, 1.0 - (elapsed_s - self.fast_s) / self.slow_s)
        return mark_value * self.fast_share * left


DERIVE_AUCTION = Auction(
    fast_s=600.0,
    fast_share=0.8,
    slow_s=7_200.0,
    insolvent_s=600.0,
    buffer=0.1,
    penalty=0.05,
    as_of="2026-01-31",
    source="derivexyz/v2-core@7736900d, test configuration; docs.derive.xyz (penalty)",
)
