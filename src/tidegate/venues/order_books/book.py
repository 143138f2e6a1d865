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
        self._keys = np.zeros((2, CAPACITY), np.int64)
        self._sizes = np.zeros((2, CAPACITY), np.int64)
        self._state = np.array([0, 0, *price, *size, 0, 1, 2], np.int64)
        self._cells = Cells(0, 1, 2)
        self._best = (0, 0, 0, 0)
        self.terms = terms
        self.live = False
        self.reason = "no snapshot yet"
        self.sequence = self.as_of_ms = self.received_ms = 0

    def replace(self, bids: bytes, asks: bytes, cells: Cells) -> Outcome:
        """A snapshot: the texts of both sides become the whole book."""
        self._state[:2] = 0
        self.live = True
        return self.change(bids, asks, cells)

    def change(self, bids: bytes, asks: bytes, cells: Cells) -> Outcome:
        """Put the levels of both texts; the book goes stale for whatever it cannot keep."""
        if cells is not self._cells:
            self._cells = cells
            self._state[6:9] = list(cells)
        code, *best = _levels.put_levels(bids, asks, self._keys, self._sizes, self._state)
        if code:
            return self.distrust(REASONS[code])
        self._best = tuple(best)
        return Outcome.FRESH

    def stamp(self, sequence: int, as_of_ms: int, received_ms: int) -> None:
        """Say which message of the venue the book now equals, and both times of it."""
        self.sequence, self.as_of_ms, self.received_ms = sequence, as_of_ms, received_ms

    def distrust(self, reason: str) -> Outcome:
        """Make the book stale, for a reason, until a snapshot replaces it."""
        self.live, self.reason = False, reason
        return Outcome.RESYNC

    def best(self, now_ms: int, ages: Ages) -> Best | Unknown:
        """The best prices, or why they are not known at a time of our clock."""
        if not self.live:
            return Unknown(self.reason)
        if not 0 <= now_ms - self.received_ms <= ages.silence_ms:
            return Unknown(f"silent for {now_ms - self.received_ms} ms")
        if not -ages.lead_ms <= self.received_ms - self.as_of_ms <= ages.lag_ms:
            return Unknown(f"came {self.received_ms - self.as_of_ms} ms late")
        if not (self._best[1] and self._best[3]):
            return Unknown("a side without levels")
        return Best(*self._best, self.as_of_ms, self.received_ms)

    def levels(self, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best levels of both sides, price in ticks and size in lots, the best one first."""
        sides = []
        for side, sign in ((0, 1), (1, -1)):
            count = int(self._state[side])
            least = max(0, count - depth)
            keys = (sign * self._keys[side, least:count][::-1]).tolist()
            sides.append(
                list(zip(keys, self._sizes[side, least:count][::-1].tolist(), strict=True))
            )
        return sides[0], sides[1]
