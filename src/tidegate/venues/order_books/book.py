# SPDX-License-Identifier: Apache-2.0
"""One order book in whole ticks and lots: what it is as of, and whether it may be believed.

A book waits for its first snapshot, is live, or is stale with a reason. Stale stays stale until a
snapshot replaces all of it: that is a *resync*, and whoever holds the connection is asked for it.
A book that is not live, or older than is allowed, answers with a reason and never with prices.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np

from tidegate.model.errors import InputError
from tidegate.venues.order_books import _levels

CAPACITY = 8_192
REASONS = {
    _levels.MALFORMED: "levels that are none",
    _levels.FINER: "a price or size finer than a tick or lot",
    _levels.LARGE: "a number of too many digits",
    _levels.FULL: f"more than {CAPACITY} levels on a side",
    _levels.CROSSED: "a bid at or above an ask",
}


class Outcome(Enum):
    """What became of a message."""

    FRESH = "the book is as of this message"
    IGNORED = "it changes nothing: older, doubled, or of something else"
    RESYNC = "the book is stale; a snapshot must be asked for"


class Cells(NamedTuple):
    """Which cells of a level hold price and size, and how many cells it has."""

    price: int
    size: int
    width: int


class BookTerms(msgspec.Struct, frozen=True):
    """An instrument as its venue names it, and its steps of price and size."""

    symbol: str
    tick: Decimal
    lot: Decimal


class Best(NamedTuple):
    """The best prices in ticks, their sizes in lots, and the times of the venue and of ours."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    as_of_ms: int
    received_ms: int


class Unknown(NamedTuple):
    """Why nothing is known; it is never a price."""

    reason: str


class Ages(msgspec.Struct, frozen=True):
    """The largest ages at which a book is believed, in ms.

    `silence_ms`: since its last message, by our clock. `lag_ms`: of a message when it came, by the
    venue's clock against ours. `lead_ms`: by how much the venue's clock may be ahead.
    """

    silence_ms: int = 5_000
    lag_ms: int = 3_000
    lead_ms: int = 2_000


def _decimals_and_step(step: Decimal, where: str, field: str) -> tuple[int, int]:
    """A step as an integer times a power of ten: 0.25 is 25 and 2 decimals."""
    if not step.is_finite() or step <= 0 or abs(step.adjusted()) > 12:
        raise InputError(where, field, f"expected a step above 0, got {step}")
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    return decimals, int(Fraction(step) * 10**decimals)


class OrderBook:
    """Levels of one instrument; changed by snapshots and changes alone."""

    def __init__(self, terms: BookTerms) -> None:
        price = _decimals_and_step(terms.tick, terms.symbol, "tick")
        size = _decimals_and_step(terms.lot, terms.symbol, "lot")
        self._cells = Cells(0, 1, 2)
        self._rows = np.zeros((5, CAPACITY), np.int64)
        self._state = self._rows[4]
        self._state[:9] = [0, 0, *price, *size, *self._cells]
        # A code, then price and size of the best bid and of the best ask.
        self._put = (_levels.FRESH, 0, 0, 0, 0)
        self.terms = terms
        self.live = False
        self.reason = "no snapshot yet"
        self.sequence = self.as_of_ms = self.received_ms = self.distrusts = 0

    def replace(self, bids: bytes, asks: bytes, cells: Cells) -> Outcome:
        """A snapshot: the texts of both sides become the whole book."""
        self._state[:2] = 0
        self.live, self.reason = True, ""
        return self.change(bids, asks, cells)

    def change(self, bids: bytes, asks: bytes, cells: Cells) -> Outcome:
        """Put the levels of both texts; the book goes stale for whatever it cannot keep."""
        if cells is not self._cells:
            self._cells = cells
            self._state[6:9] = list(cells)
        self._put = _levels.put_levels(bids, asks, self._rows)
        return self.distrust(REASONS[self._put[0]]) if self._put[0] else Outcome.FRESH

    def stamp(self, sequence: int, as_of_ms: int, received_ms: int) -> None:
        """Say which message of the venue the book now equals, and both times of it."""
        self.sequence, self.as_of_ms, self.received_ms = sequence, as_of_ms, received_ms

    def distrust(self, reason: str) -> Outcome:
        """Make the book stale, for a reason, until a snapshot replaces it."""
        self.distrusts += self.live
        self.live, self.reason = False, reason
        return Outcome.RESYNC

    @property
    def twice_mid_ticks(self) -> int:
        """The best bid plus the best ask, as it was put last."""
        return self._put[1] + self._put[3]

    def doubt(self, now_ms: int, ages: Ages) -> str:
        """Why the best prices are not known at a time of our clock; empty where they are."""
        silence_ms, lag_ms = now_ms - self.received_ms, self.received_ms - self.as_of_ms
        if not self.live:
            return self.reason
        if not 0 <= silence_ms <= ages.silence_ms:
            return f"silent for {silence_ms} ms"
        if not -ages.lead_ms <= lag_ms <= ages.lag_ms:
            return f"came {lag_ms} ms late"
        return "" if self._put[2] and self._put[4] else "a side without levels"

    def best(self, now_ms: int, ages: Ages) -> Best | Unknown:
        """The best prices, or why they are not known at a time of our clock."""
        if doubt := self.doubt(now_ms, ages):
            return Unknown(doubt)
        return Best(*self._put[1:], self.as_of_ms, self.received_ms)

    def levels(self, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best levels of both sides, price in ticks and size in lots, the best one first."""
        sides = []
        for side, sign in ((0, 1), (1, -1)):
            count = int(self._state[side])
            least = max(0, count - depth)
            keys, sizes = self._rows[2 * side : 2 * side + 2, least:count][:, ::-1]
            sides.append(list(zip((sign * keys).tolist(), sizes.tolist(), strict=True)))
        return sides[0], sides[1]
