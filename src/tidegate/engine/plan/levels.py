# SPDX-License-Identifier: Apache-2.0
"""Two stress levels: which accounts stand the outer one now, and what is asked while money comes.

Below the outer level money is sent: the outer moves must be stood once it has landed, the inner
ones until then, and positions may only shrink. What stands the outer level needs no such patience,
so growth never leans on money that is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.moves import moved, moves_of, spread_against
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
    worst, name = 0.0, ""
    holdings = account.book.holdings
    for move in moves_of(account, moves):
        market = moved(account, move, terms.vol)
        against = spread_against(market, holdings, terms.venue_spread)
        there = replace(account, book=replace(account.book, market=against))
        stated = there.statement()
        health = stated.health * there.price(stated.unit)
        if health < worst:
            worst, name = health, move.name
    return worst, name
