# SPDX-License-Identifier: Apache-2.0
"""Profit that a venue does not let go is made money by closing and reopening what earned it."""

from __future__ import annotations

from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.trading import Trader
from tidegate.model.instruments import InstrumentId
from tidegate.model.units import MICRO


def free_profit(trader: Trader, venue: str, wanted_usd: float) -> None:
    """Roll the most profitable positions of a venue, in part, until so many dollars may leave; do
    nothing where the venue's rule lets profit leave anyway, or where nothing trades."""
    sight = Sight.of(trader.session)
    account, rule = sight.accounts[venue], sight.rules[venue]
    free = rule.state(account, sight.marks).withdrawable
    closed = sight.after(account, {n: -p.lots for n, p in account.positions.items()})
    again = sight.after(closed, {n: p.lots for n, p in account.positions.items()})
    if venue in sight.out or rule.state(again, sight.marks).withdrawable <= free:
        return
    missing_usd = wanted_usd - free / MICRO
    for profit_usd, name, lots in _profits(sight, venue):
        part = int(lots * min(1.0, missing_usd / profit_usd))
        if missing_usd > 0 and part and trader.order(name, -part):
            trader.order(name, part)
        missing_usd -= profit_usd


def _profits(sight: Sight, venue: str) -> list[tuple[float, InstrumentId, int]]:
    """Unrealised profit in dollars of each winning position, with its lots; the largest first."""
    found = []
    for name, position in sight.accounts[venue].positions.items():
        profit = sight.instruments[name].value(position.lots, sight.marks[name]) - position.cost
        if profit > 0:
            found.append((profit / MICRO, name, position.lots))
    return sorted(found, reverse=True)
