# SPDX-License-Identifier: Apache-2.0
"""Profit that waits for Deribit's settlement at 08:00 UTC: equity at once, cash only then.

A gain of the session is no cash that may leave before; a loss leaves cash at once. Premiums of
options and coins are paid at once too. Source: support.deribit.com, Daily settlement
(25944756807069), as in `tidegate.margin.deribit_portfolio`.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.margin.holding_values import CONTRACTS, filled
from tidegate.margin.holdings import Holdings
from tidegate.model.instruments import Instrument

RULES = frozenset(("deribit_standard", "deribit_portfolio", "deribit_portfolio_cross"))


def with_losses_paid(holdings: Holdings) -> Holdings:
    """The session's net loss of each asset taken out of cash; its net gain waits."""
    cash, waiting = dict(holdings.collateral), {}
    for asset, amount in holdings.realised.items():
        if amount < 0.0:
            cash[asset] = cash.get(asset, 0.0) + amount
        else:
            waiting[asset] = amount
    return replace(holdings, collateral=cash, realised=waiting)


def filled_in_session(
    holdings: Holdings, instrument: Instrument, size: float, price: float
) -> Holdings:
    """Holdings after a fill, what a contract earned by it in `realised`."""
    if not isinstance(instrument, CONTRACTS):
        return filled(holdings, instrument, size, price)
    made = filled(replace(holdings, collateral={}), instrument, size, price)
    waiting, settle = dict(holdings.realised), instrument.settle
    waiting[settle] = waiting.get(settle, 0.0) + made.collateral.get(settle, 0.0)
    return replace(made, collateral=holdings.collateral, realised=waiting)
