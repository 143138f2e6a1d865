# SPDX-License-Identifier: Apache-2.0
"""What a venue owes us, what it may come to owe while prices move, and what its failure costs.

    owed_v          = equity_v + money under way to it
    claim_v(moves)  = owed_v + sum_i move_i |q_i|        each position at its own favourable move

A freeze keeps profit where it is made, so a cap that is to hold through one must hold with the
profit that the move brings. `stress.claims` is the share of the stress moves that counts; where the
mandate does not say it, only transfers are held to the cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import UNSET

from tidegate.model.account import FLAT
from tidegate.model.actions import Order
from tidegate.model.instruments import Spot
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, Terms, held_lots, order_cost
from tidegate.risk.stress import Moves, scaled

# A claim is a share of equity, and what is lost elsewhere makes it a larger one while a freeze
# keeps it where it is: so a watched claim keeps to a little less than its cap.
RESERVE = 0.03


class FailureLoss(msgspec.Struct, frozen=True):
    """What one venue's failure is stated to cost in USD, and as a share of equity: the claim now,
    and the legs elsewhere that lose their partner until they are closed."""

    venue: str
    claim_usd: float
    orphan_usd: float
    orphan_loss_usd: float


def owed_quanta(terms: Terms, situation: Situation, venue: str) -> int:
    """What a venue owes now, in quanta of its collateral: our equity there, unrealised profit
    included, and all that is or may be under way to it."""
    account = situation.portfolio.accounts[venue]
    owed, _ = terms.rules[venue].health_at(account, situation.marks)
    under_way = situation.unsettled.arriving.get(venue, 0)
    for shipment in situation.portfolio.shipments:
        if shipment.destination == venue:
            way = terms.passages.get((shipment.source, shipment.destination))
            # What a route that the mandate no longer has takes on the way is unknown.
            under_way += way.received(shipment.quanta) if way else shipment.quanta
    owed += under_way
    return owed


def excess_usd(terms: Terms, situation: Situation, venue: str, moves: Moves) -> float:
    """By how much a venue's claim after favourable moves is above its cap, less the reserve of one
    that is watched; negative below it."""
    owed = owed_quanta(terms, situation, venue) / MICRO
    gain = 0.0
    for name, position in situation.portfolio.accounts[venue].positions.items():
        instrument = terms.instruments[name]
        size = instrument.notional(position.lots, situation.marks[name]) / MICRO
        gain += moves[instrument.base] * size
    for instrument in terms.instruments.values():
        if isinstance(instrument, Spot) and instrument.venue == venue:
            lots = held_lots(situation.portfolio.accounts[venue], instrument)
            size = instrument.notional(lots, situation.marks[instrument.id]) / MICRO if lots else 0
            gain += moves[instrument.base] * size
    return owed + gain - watched_cap(terms, venue) * situation.equity_usd


def watched_cap(terms: Terms, venue: str) -> float:
    """Share of equity that a claim is kept to: the cap, less the reserve where it is watched."""
    cap = terms.mandate.venue[venue].claim_cap
    return cap * (1 - RESERVE) if are_watched(terms) else cap


def counted(terms: Terms, moves: Moves) -> dict[str, float]:
    """The part of stress moves whose profit a claim must hold within its cap."""
    share = terms.mandate.stress.claims
    return scaled(moves, 0.0 if share is UNSET else share)


def are_watched(terms: Terms) -> bool:
    """Whether claims are held to their caps at every look, and not by transfers alone."""
    return terms.mandate.stress.claims is not UNSET


def failure_loss(
    terms: Terms, situation: Situation, venue: str, moves: Mapping[str, float]
) -> FailureLoss:
    """What a venue's failure costs by what is known now: all that it owes, and for each coin what
    its partners elsewhere may lose to `moves` before they are closed, and what closing them costs
    by the quotes of now.

    What is closed of a coin is as much as the venue held of it, net; the surviving leg for which
    that is dearest is taken to bear all of it.
    """
    owed = owed_quanta(terms, situation, venue) / MICRO
    orphans = loss = 0.0
    for coin, coins in _orphaned(terms, situation, venue).items():
        sizes = _closings(terms, situation, venue, coin, coins)
        if not sizes:
            continue
        size = max(usd for usd, _ in sizes)
        orphans += size
        loss += size * moves[coin] + max(cost for _, cost in sizes)
    return FailureLoss(venue, owed, orphans, loss)


def _orphaned(terms: Terms, situation: Situation, venue: str) -> dict[str, Decimal]:
    """Coins that a venue holds for us, net; without them as many elsewhere have no partner."""
    net: dict[str, Decimal] = {}
    account = situation.portfolio.accounts[venue]
    for instrument in terms.instruments.values():
        if instrument.venue == venue:
            held = held_lots(account, instrument) * instrument.lot
            net[instrument.base] = net.get(instrument.base, Decimal(0)) + held
    return {coin: coins for coin, coins in net.items() if coins}


def _closings(
    terms: Terms, situation: Situation, venue: str, coin: str, coins: Decimal
) -> list[tuple[float, float]]:
    """Notional and cost in USD of closing coins in each surviving leg on their other side."""
    found = []
    for name, instrument in terms.instruments.items():
        if instrument.base != coin or instrument.venue == venue:
            continue
        held = situation.portfolio.accounts[instrument.venue].positions.get(name, FLAT).lots
        if isinstance(instrument, Spot):
            held = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        if held * coins < 0:
            lots = max(1, round(abs(coins) / instrument.lot)) * (-1 if held > 0 else 1)
            size = instrument.notional(lots, situation.marks[name]) / MICRO
            order = Order("orphan", name, lots, True, "orphan")
            found.append((size, order_cost(terms, situation, order, 0.0) / MICRO))
    return found
