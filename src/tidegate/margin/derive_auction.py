# SPDX-License-Identifier: Apache-2.0
"""Derive's auction of an account that is below maintenance: the whole book, to whoever bids first.

The discount on its mark value falls quickly to a share of it, then slowly to nothing; an insolvent
book is auctioned with the security module paying.

Source: derivexyz/v2-core at 7736900d, test configuration of the auction, and docs.derive.xyz,
Portfolio Margin Parameters (penalty of 500 bp). Not pinned: Derive's live auction times.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.errors import InputError

WHERE = "liquidation"


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
