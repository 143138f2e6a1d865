# SPDX-License-Identifier: Apache-2.0
"""How far the book is from death: the smallest move that liquidates any venue, and which first.

The distance is searched in one variable, the size of a move along a direction (a single coin, or
all coins by their betas), on the exact rule of every venue. Health is concave along the direction
for linear contracts, so bisection finds the one crossing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.margin.rule import MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.instruments import Instrument, InstrumentId

BISECTIONS = 40
FARTHEST_UP = 10.0


@dataclass(frozen=True, slots=True)
class Distance:
    """The relative move along a direction that first liquidates `venue`; None if none does, zero
    if it is lost already."""

    direction: str
    move: float | None
    venue: str | None


@dataclass(frozen=True, slots=True)
class Book:
    """Accounts with their rules, instruments and marks: what a distance is measured on."""

    accounts: Mapping[str, Account]
    rules: Mapping[str, MarginRule]
    instruments: Mapping[InstrumentId, Instrument]
    marks: Marks

    def health_after(self, venue: str, betas: Mapping[str, float], size: float) -> int:
        """Health of one venue's account after every coin moved by beta x size."""
        moved = {}
        for name, ticks in self.marks.items():
            beta = betas.get(self.instruments[name].base, 0.0)
            moved[name] = max(1, round(ticks * max(0.0, 1.0 + beta * size)))
        equity, maintenance = self.rules[venue].health_at(self.accounts[venue], moved)
        return equity - maintenance


def distance(book: Book, direction: str, betas: Mapping[str, float], *, up: bool) -> Distance:
    """The nearest liquidation along +betas or -betas."""
    farthest = FARTHEST_UP if up else -1.0 / max(betas.values())
    nearest: tuple[float, str] | None = None
    for venue in book.accounts:
        move = _crossing(book, venue, betas, farthest)
        if move is not None and (nearest is None or abs(move) < abs(nearest[0])):
            nearest = (move, venue)
    name = f"{direction} {'up' if up else 'down'}"
    return Distance(name, *nearest) if nearest else Distance(name, None, None)


def _crossing(book: Book, venue: str, betas: Mapping[str, float], farthest: float) -> float | None:
    # An account that is lost already is no further away for a market that would mend it.
    if book.health_after(venue, betas, 0.0) < 0:
        return 0.0
    if book.health_after(venue, betas, farthest) >= 0:
        return None
    good, bad = 0.0, farthest
    for _ in range(BISECTIONS):
        middle = (good + bad) / 2
        if book.health_after(venue, betas, middle) >= 0:
            good = middle
        else:
            bad = middle
    return bad


def joint_distances(book: Book, betas: Mapping[str, float]) -> tuple[Distance, ...]:
    """Distances for each coin alone and for all coins together by their betas, down and up."""
    directions = {coin: {coin: 1.0} for coin in betas} | {"all coins by beta": dict(betas)}
    return tuple(
        distance(book, name, direction, up=up)
        for name, direction in directions.items()
        for up in (False, True)
    )
