# SPDX-License-Identifier: Apache-2.0
"""What each position adds to an account's margin: the difference when it is closed at its mark.

Closing pays its profit into the collateral, so equity stays but for haircuts. A hedge has a
negative margin: without it more is required. It serves any rule, a statement for each position;
`scenario.marginal` answers for a prepared rule's columns in one batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.holding_values import WHERE, filled, mark_price
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.prices import Prices
from tidegate.margin.statement import AccountRule
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId


@dataclass(frozen=True, slots=True)
class MarginalMargin:
    """Requirements and health with a position less those without it, in the rule's unit."""

    initial: float
    maintenance: float
    health: float


def closed(holdings: Holdings, name: InstrumentId, market: MarketValues) -> Holdings:
    """Holdings after a position was closed at its mark; one not held raises `InputError`."""
    for holding in holdings.positions:
        if holding.instrument.id == name:
            price = mark_price(holding.instrument, Prices(market, 0.0))
            return filled(holdings, holding.instrument, -holding.size, price)
    raise InputError(WHERE, name, "expected a position that is held")


def marginal_margins(
    rule: AccountRule, holdings: Holdings, market: MarketValues
) -> dict[InstrumentId, MarginalMargin]:
    """Of every position; raises what the rule raises."""
    whole = rule.statement(holdings, market)
    margins = {}
    for holding in holdings.positions:
        name = holding.instrument.id
        less = rule.statement(closed(holdings, name, market), market)
        margins[name] = MarginalMargin(
            whole.initial - less.initial,
            whole.maintenance - less.maintenance,
            whole.health - less.health,
        )
    return margins
