# SPDX-License-Identifier: Apache-2.0
"""How near each account is: calm, below the outer level (send money), or below the inner (cut).

Two levels keep the book from churning: money is sent below a share of the outer level, positions
are cut below the inner level, and the book grows again only where the outer level holds.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tidegate.model.account import Account
from tidegate.risk.plan import Situation, Terms, held_lots
from tidegate.risk.stress import Moves, scaled, stressed_health


class Level(Enum):
    """What an account's distance calls for."""

    CALM = "calm"
    TRANSFER = "transfer"
    REDUCE = "reduce"


class Alarm(msgspec.Struct, frozen=True):
    """The worst level over all accounts, and the account that caused it."""

    level: Level
    venue: str | None


def assess(terms: Terms, situation: Situation) -> Alarm:
    """Judge every account by its exact rule under both stress levels, and every hedge.

    Money under way counts for the outer level only, and only where its venue is not frozen. A
    broken hedge calls for cutting and has no venue.
    """
    if naked_coins(terms, situation):
        return Alarm(Level.REDUCE, None)
    outer = scaled(situation.outer, terms.mandate.stress.transfer_trigger)
    worst = Alarm(Level.CALM, None)
    for venue, account in situation.portfolio.accounts.items():
        if not account.positions:
            continue
        rule, marks = terms.rules[venue], situation.marks
        cutting = cutting_moves(terms, situation, venue)
        if stressed_health(rule, account, marks, terms.instruments, cutting) < 0:
            return Alarm(Level.REDUCE, venue)
        awaited = with_landings(terms, situation, account)
        if stressed_health(rule, awaited, marks, terms.instruments, outer) < 0:
            worst = Alarm(Level.TRANSFER, venue)
    return worst


def cutting_moves(terms: Terms, situation: Situation, venue: str) -> Moves:
    """Moves that an account must stand, or it is cut: the inner level's; where no money can come,
    at least a share of the outer level's, as a cut is then the only cure."""
    if venue not in situation.snapshot.frozen_venues:
        return situation.inner
    share = terms.mandate.stress.blocked_share
    return {c: max(situation.inner[c], share * move) for c, move in situation.outer.items()}


def naked_coins(terms: Terms, situation: Situation) -> frozenset[str]:
    """Coins whose net position is worth more than the mandate's naked limit: a partner is gone."""
    net: dict[str, float] = {}
    for name, instrument in terms.instruments.items():
        lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        if lots:
            worth = lots * float(instrument.lot) * instrument.price(situation.marks[name])
            net[instrument.base] = net.get(instrument.base, 0.0) + worth
    limit = terms.mandate.limits.naked_usd
    return frozenset(coin for coin, worth in net.items() if abs(worth) > limit)


def with_landings(terms: Terms, situation: Situation, account: Account) -> Account:
    """The account as it will be when money under way has landed; none lands while frozen."""
    if account.venue in situation.snapshot.frozen_venues:
        return account
    asset = terms.rules[account.venue].collateral
    arriving = sum(
        terms.passages[s.source, s.destination].received(s.quanta)
        for s in situation.portfolio.shipments
        if s.destination == account.venue
    )
    if not arriving:
        return account
    balances = {**account.balances, asset: account.balances.get(asset, 0) + arriving}
    return Account(account.venue, balances, account.positions)
