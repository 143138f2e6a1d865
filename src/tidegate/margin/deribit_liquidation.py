# SPDX-License-Identifier: Apache-2.0
"""What Deribit closes first of a portfolio-margin account that is below maintenance.

Step by step it closes what contributes most to the requirement, and, where that does not trade,
hedges the book's delta with the perpetual if this lowers maintenance margin; the hedge stays.

Source: support.deribit.com, Liquidations (25944769313309, undated) and release of 1 August 2023
(25944825289245). Not pinned: what one round closes and at which price.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.holding_values import filled
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.liquidation_action import LiquidationAction
from tidegate.margin.marginal import marginal_margins
from tidegate.margin.market_values import MarketValues, mark_of
from tidegate.margin.statement import AccountRule
from tidegate.model.instruments import Perpetual

GOLDEN = (5.0**0.5 - 1.0) / 2.0
PRECISION = 1e-6


@dataclass(frozen=True, slots=True)
class Hedge:
    """A trade of one perpetual, and the maintenance margin that it leaves."""

    size: float
    maintenance: float


def first_closing(
    rule: AccountRule, holdings: Holdings, market: MarketValues
) -> LiquidationAction | None:
    """What the rounds turn to first, or None while the account is solvent or nothing relieves.

    The position whose closing at its mark relieves maintenance margin most, whole (stage "close");
    where none does, the delta hedge with a perpetual that is held (stage "hedge").
    """
    now = rule.statement(holdings, market)
    if now.health >= 0.0:
        return None
    margins = marginal_margins(rule, holdings, market)
    sizes = {held.instrument.id: held.size for held in holdings.positions}
    worst = max(margins, key=lambda name: (margins[name].maintenance, name), default=None)
    if worst is not None and margins[worst].maintenance > 0.0:
        closes = ((worst, -sizes[worst]),)
        return LiquidationAction("close", closes, relief=margins[worst].maintenance)
    for held in holdings.positions:
        if isinstance(held.instrument, Perpetual):
            found = best_hedge(rule, holdings, market, held.instrument)
            relief = now.maintenance - found.maintenance
            if relief > 0.0:
                closes = ((held.instrument.id, found.size),)
                return LiquidationAction("hedge", closes, relief=relief)
    return None


def best_hedge(
    rule: AccountRule, holdings: Holdings, market: MarketValues, perpetual: Perpetual
) -> Hedge:
    """The trade of a perpetual at its mark, up to all of the book's coins, that leaves the least
    maintenance margin: where that is convex in the size, to a millionth of the reach.

    Golden-section search; a venue that hedges a book's delta with its perpetual does no better.
    """
    mark = market.positive(mark_of(perpetual.id))

    def needed(size: float) -> float:
        return rule.statement(filled(holdings, perpetual, size, mark), market).maintenance

    held = (each for each in holdings.positions if each.instrument.base == perpetual.base)
    coins = sum(_coins(each, market) for each in held)
    reach = coins * mark if perpetual.inverse else coins
    low, high = -reach, reach
    while high - low > PRECISION * reach:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if needed(left) <= needed(right):
            high = right
        else:
            low = left
    best = min((0.0, (low + high) / 2.0), key=needed)
    return Hedge(best, needed(best))


def _coins(held: Holding, market: MarketValues) -> float:
    """Coins in a position, without sign."""
    if held.instrument.inverse:
        return abs(held.size) / market.positive(mark_of(held.instrument.id))
    return abs(held.size)
