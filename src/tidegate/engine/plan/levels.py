# SPDX-License-Identifier: Apache-2.0
"""Two stress levels: which accounts stand the outer one now, and what is asked while money comes.

Below the outer level money is sent: the outer moves must be stood once it has landed, the inner
ones until then, and positions may only shrink. What stands the outer level needs no such patience,
so growth never leans on money that is on its way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.moves import Move, moved, moves_of, spread_against
from tidegate.model.plan_terms import PlanTerms

ONLY_REDUCED = "{venue} does not stand the outer stress: only reduced until money has come"


def inner_moves(terms: PlanTerms) -> Mapping[str, float]:
    """The inner moves; of a coin that has none the outer one."""
    stress = terms.mandate.stress
    return {coin: stress.inner.get(coin, outer) for coin, outer in stress.outer.items()}


def worst_move(
    terms: PlanTerms, account: PlanAccount, moves: Mapping[str, float]
) -> tuple[float, str]:
    """The least health by the exact rule among the named moves, USD, and the move's name; nought
    and no name where all are stood. Venue prices stand against every position."""
    health, move = least_health(terms, account, moves_of(account, moves))
    return (health, move.name) if move is not None and health < 0.0 else (0.0, "")


def least_health(
    terms: PlanTerms, account: PlanAccount, moves: Sequence[Move]
) -> tuple[float, Move | None]:
    """The least health by the exact rule over moves, USD, and the move of it; infinite and None
    where there are none. Venue prices stand against every position."""
    worst, which = math.inf, None
    for move in moves:
        health = health_at(terms, account, move)
        if health < worst:
            worst, which = health, move
    return worst, which


def health_at(terms: PlanTerms, account: PlanAccount, move: Move) -> float:
    """Health by the exact rule after one move, venue prices against every position, USD."""
    market = moved(account, move, terms.vol)
    against = spread_against(market, account.book.holdings, terms.venue_spread)
    there = replace(account, book=replace(account.book, market=against))
    stated = there.statement()
    return stated.health * there.price(stated.unit)
