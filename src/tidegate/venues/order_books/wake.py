# SPDX-License-Identifier: Apache-2.0
"""Whether a message of a stream is a reason to decide anew, asked of every message.

A decision says beforehand at which prices another one is due: outside a band of the mid. So what is
asked of a message is two comparisons of integers, and between triggers nothing is solved.
"""

from __future__ import annotations

from typing import NamedTuple

from tidegate.venues.order_books.book import Ages, Best, Outcome, Unknown
from tidegate.venues.order_books.keepers import Keeper


class Band(NamedTuple):
    """Twice the mid, in ticks, between which no decision is due; twice, so that it is whole."""

    low_ticks: int
    high_ticks: int


class Wake(NamedTuple):
    """Why a decision is due, and what is known of the prices."""

    reason: str
    seen: Best | Unknown


class Watch:
    """One book and the band of the last decision about it."""

    def __init__(self, keeper: Keeper, ages: Ages, band: Band) -> None:
        self.keeper, self.ages, self.band = keeper, ages, band

    def take(self, content: bytes, received_ms: int) -> Wake | None:
        """Take a message; why a decision is due, if one is. What is ignored is no reason."""
        book = self.keeper.book
        if self.keeper.take(content, received_ms) is Outcome.IGNORED:
            return None
        if not (doubt := book.doubt(received_ms, self.ages)):
            if self.band.low_ticks <= book.twice_mid_ticks <= self.band.high_ticks:
                return None
            doubt = "the mid left its band"
        return Wake(doubt, book.best(received_ms, self.ages))

    def lose(self, reason: str, received_ms: int) -> Wake:
        """Make the book stale since messages of it are gone; that is a reason to decide anew."""
        self.keeper.book.distrust(reason)
        return Wake(reason, self.keeper.book.best(received_ms, self.ages))
