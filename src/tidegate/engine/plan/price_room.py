# SPDX-License-Identifier: Apache-2.0
"""How far a coin's price may move until an account falls below its least collateral.

At a move m of one coin the account is below where it no longer stands the outer moves from there,
or its health is below what the tail takes before money lands (`collateral_levels`). Sought within
three of the coin's outer moves, both ways: at the ends and between them, then by halving with the
moves that were worst, each root being asked of all moves again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.collateral_levels import Level, tail_fall_usd
from tidegate.engine.plan.levels import least_health
from tidegate.engine.plan.moves import STILL, Move, moved, moves_of
from tidegate.engine.plan.watching import Watch

LOOKS = (1.0, 3.0)
LOWEST = -0.95
HALVINGS = 12
ROUNDS = 4


def price_watches(asked: Asked, levels: tuple[Level, ...]) -> Iterator[Watch]:
    """The nearest moves of each coin, down and up, that trigger each account."""
    for level in levels:
        account = asked.book.accounts[level.venue]
        tail = tail_fall_usd(asked, account, level.health_usd)
        room = _Room(asked, account, 0.0 if tail is None else tail[0])
        for coin in account.coins:
            for kind, way in (("price down", -1.0), ("price up", 1.0)):
                at = room.nearest(coin, way * asked.terms.mandate.stress.outer[coin])
                yield Watch(kind, level.venue, coin, 0.0, at, "of its price")


@dataclass(frozen=True, slots=True)
class _Room:
    """An account, and the fall of health that it must have beside its stresses."""

    asked: Asked
    account: PlanAccount
    tail_usd: float

    def nearest(self, coin: str, end: float) -> float | None:
        """The move of a coin nearest to nought, on the side of `end`, at which the account
        triggers; None where none of those that are looked at does."""
        every = moves_of(self.account, self.asked.terms.mandate.stress.outer)
        start, active = 0.0, list[Move]()
        for share in (0.0, *LOOKS):
            move = max(LOWEST, share * end)
            left, worst = self._left(coin, move, every)
            active += [worst] if worst is not None and worst not in active else []
            if left < 0.0:
                return self._root(coin, (start, move), every, active)
            start = move
        return None

    def _root(
        self, coin: str, ends: tuple[float, float], every: tuple[Move, ...], active: list[Move]
    ) -> float:
        """The least move between an end that stands and one that does not."""
        stands, fails = ends
        if stands == fails:
            return fails
        for _ in range(ROUNDS):
            low, high = stands, fails
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                if self._left(coin, middle, active)[0] < 0.0:
                    high = middle
                else:
                    low = middle
            left, worst = self._left(coin, low, every)
            if left >= 0.0 or worst is None or worst in active:
                return high
            active.append(worst)
            fails = low
        return fails

    def _left(
        self, coin: str, move: float, moves: tuple[Move, ...] | list[Move]
    ) -> tuple[float, Move | None]:
        """What is left above the least there, USD, and the worst of the moves."""
        market = moved(self.account, Move("", {coin: 1.0 + move}), self.asked.terms.vol)
        there = replace(self.account, book=replace(self.account.book, market=market))
        worst, which = least_health(self.asked.terms, there, moves)
        stated = there.statement()
        health = stated.health * there.price(stated.unit)
        return min(worst, health - self.tail_usd), which if which is not None else STILL
