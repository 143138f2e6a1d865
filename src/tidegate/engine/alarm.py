# SPDX-License-Identifier: Apache-2.0
"""How near each account is: calm, below the outer level (send money), or below the inner (cut).

Two levels keep the book from churning: money is sent below a share of the outer level, positions
are cut below the inner level, and the book grows again only where the outer level holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from tidegate.model.account import Account
from tidegate.model.units import MICRO
from tidegate.risk.claims import are_watched, counted, excess_usd
from tidegate.risk.plan import Situation, Terms, held_lots, least_certain, route_room_usd
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

    Whether an account must be cut is judged at the worst of what is not settled. Money under way
    counts for the outer level only, and only where its venue is not frozen. A broken hedge calls
    for cutting and has no venue. What a venue owes is judged at the same levels, where the mandate
    watches it, by what the moves would bring: beyond its cap money leaves, or positions are cut.
    """
    if naked_coins(terms, situation):
        return Alarm(Level.REDUCE, None)
    lacking = lacking_quanta(terms, situation)
    blocked = _unreached(terms, situation, lacking)
    marks = situation.marks
    for venue in situation.portfolio.accounts:
        cutting = cutting_moves(terms, situation, blocked=venue in blocked)
        account = least_certain(terms, situation, venue, cutting)
        if not account.positions:
            continue
        rule = terms.rules[venue]
        if stressed_health(rule, account, marks, terms.instruments, cutting) < 0:
            return Alarm(Level.REDUCE, venue)
    if (beyond := _beyond_cap(terms, situation)) is not None:
        return Alarm(Level.REDUCE, beyond)
    last = next(reversed(lacking), None) or next(iter(overfull_venues(terms, situation)), None)
    return Alarm(Level.CALM if last is None else Level.TRANSFER, last)


def _beyond_cap(terms: Terms, situation: Situation) -> str | None:
    """A venue where positions must be cut, or money leave at once, as its claim may pass its cap
    before the next look."""
    for venue, account in situation.portfolio.accounts.items():
        if are_watched(terms) and account.positions:
            moves = counted(terms, claim_moves(terms, situation, venue))
            if excess_usd(terms, situation, venue, moves) > 0:
                return venue
    return None


def claim_moves(terms: Terms, situation: Situation, venue: str) -> Moves:
    """Moves of which a claim must hold the profit, or positions there are cut: as those that an
    account must stand, where money that cannot leave is what is in the way."""
    frozen = venue in situation.snapshot.frozen_venues
    return cutting_moves(terms, situation, blocked=frozen)


def overfull_venues(terms: Terms, situation: Situation) -> tuple[str, ...]:
    """Venues from which money is to leave before prices bring their claims to the cap; from one
    that is frozen none can, and less than the least transfer does not."""
    moves = counted(terms, scaled(situation.outer, terms.mandate.stress.transfer_trigger))
    least_usd = terms.mandate.limits.minimum_transfer_usd
    return tuple(
        venue
        for venue in situation.portfolio.accounts
        if are_watched(terms)
        and venue not in situation.snapshot.frozen_venues
        and excess_usd(terms, situation, venue, moves) > least_usd
    )


def lacking_quanta(terms: Terms, situation: Situation) -> dict[str, int]:
    """What accounts lack at the level below which money is sent, those that lack nothing apart."""
    found = {}
    for venue, account in situation.portfolio.accounts.items():
        if account.positions:
            health = _at_trigger(terms, situation, with_landings(terms, situation, account))
            if health < 0:
                found[venue] = -health
    return found


def blocked_venues(terms: Terms, situation: Situation) -> frozenset[str]:
    """Venues whose accounts lack more than may come to them: they or the others are frozen, or the
    others, who keep what they need themselves, cannot spare enough for all over the routes that are
    open."""
    return _unreached(terms, situation, lacking_quanta(terms, situation))


def _unreached(terms: Terms, situation: Situation, lacking: Mapping[str, int]) -> frozenset[str]:
    frozen = situation.snapshot.frozen_venues
    wanted = sum(quanta for venue, quanta in lacking.items() if venue not in frozen)
    rooms = {route: route_room_usd(p, situation) * MICRO for route, p in terms.passages.items()}
    ways = [route for route, room in rooms.items() if room > 0 and route[1] in lacking]
    sources = {source for source, _ in ways} if wanted else set()
    spare = {venue: _spared(terms, situation, venue) for venue in sources}
    reach = {
        venue: sum(min(spare.get(r[0], 0), rooms[r]) for r in ways if r[1] == venue)
        for venue in lacking
        if venue not in frozen
    }
    return frozenset(venue for venue in lacking if venue in frozen or reach[venue] < wanted)


def _spared(terms: Terms, situation: Situation, venue: str) -> int:
    """What an account may send and lack nothing itself."""
    account = situation.portfolio.accounts[venue]
    free = terms.rules[venue].state(account, situation.marks).withdrawable
    return max(0, min(free, _at_trigger(terms, situation, account)))


def _at_trigger(terms: Terms, situation: Situation, account: Account) -> int:
    moves = scaled(situation.outer, terms.mandate.stress.transfer_trigger)
    rule = terms.rules[account.venue]
    return stressed_health(rule, account, situation.marks, terms.instruments, moves)


def cutting_moves(terms: Terms, situation: Situation, *, blocked: bool) -> Moves:
    """Moves that an account must stand, or it is cut: the inner level's; where not enough money can
    come, at least a share of the outer level's, as a cut is then the only cure."""
    if not blocked:
        return situation.inner
    share = terms.mandate.stress.blocked_share
    return {c: max(situation.inner[c], share * move) for c, move in situation.outer.items()}


def naked_coins(terms: Terms, situation: Situation) -> frozenset[str]:
    """Coins whose net position is worth more than the mandate's naked limit, or, where legs came
    apart too long ago, than the least trade: a partner is gone."""
    net: dict[str, float] = {}
    quotes, accounts = situation.snapshot.quotes, situation.portfolio.accounts
    for name, instrument in terms.instruments.items():
        lots = held_lots(accounts[instrument.venue], instrument)
        if lots:
            worth = lots * float(instrument.lot) * instrument.price(quotes[name].ticks)
            net[instrument.base] = net.get(instrument.base, 0.0) + worth
    limits = terms.mandate.limits
    allowed = dict.fromkeys(net, limits.naked_usd)
    allowed |= dict.fromkeys(situation.loose & net.keys(), 1.001 * limits.minimum_trade_usd)
    return frozenset(coin for coin, worth in net.items() if abs(worth) > allowed[coin])


def with_landings(terms: Terms, situation: Situation, account: Account) -> Account:
    """The account as it will be when money under way has landed; none lands while frozen,
    and none is counted on that may be gone."""
    if account.venue in situation.snapshot.frozen_venues:
        return account
    asset = terms.rules[account.venue].collateral
    arriving = sum(
        terms.passages[s.source, s.destination].received(s.quanta)
        for s in situation.portfolio.shipments
        if s.destination == account.venue and s.id not in situation.void
    )
    if not arriving:
        return account
    balances = {**account.balances, asset: account.balances.get(asset, 0) + arriving}
    return Account(account.venue, balances, account.positions)
