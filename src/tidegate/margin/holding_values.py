# SPDX-License-Identifier: Apache-2.0
"""What a holding is worth and has earned at a mark, and what holding it becomes after a fill.

Per unit of the settlement asset, with size q, entry p0 and mark p: a linear contract is worth
|q| p and has earned q (p - p0); an inverse one of q dollars is worth |q| / p coins and has earned
q (1 / p0 - 1 / p). Funding that is accrued is added. An option and a coin are worth q p, and their
price has left the collateral already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.prices import Prices
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Instrument, Option, Perpetual, Spot

WHERE = "holdings"
CONTRACTS = Perpetual | Future


def contract(holding: Holding) -> Holding:
    """The holding if it is a perpetual or future with finite size and an entry above zero; any
    other raises `InputError`."""
    if not isinstance(holding.instrument, CONTRACTS):
        raise InputError(WHERE, holding.instrument.id, "expected a perpetual or future")
    if not (isfinite(holding.size) and isfinite(holding.funding)):
        raise InputError(WHERE, holding.instrument.id, "expected a finite size and funding")
    if not (isfinite(holding.entry) and holding.entry > 0):
        raise InputError(WHERE, holding.instrument.id, "expected an entry above 0")
    return holding


def settled(holdings: Holdings) -> Mapping[str, float]:
    """Collateral of a venue that settles profit at once; profit that waits for a settlement, which
    only other rules know, raises `InputError`."""
    if any(holdings.realised.values()):
        raise InputError(WHERE, "realised", "expected none: this venue settles profit at once")
    return holdings.collateral


def worth(holding: Holding, mark: float) -> float:
    """Worth of a contract without sign, in its settlement asset."""
    size = abs(holding.size)
    return size / mark if holding.instrument.inverse else size * mark


def profit(holding: Holding, mark: float) -> float:
    """What a contract has earned and not yet been paid, in its settlement asset."""
    return value_between(holding, holding.entry, mark) + holding.funding


def value_between(holding: Holding, before: float, after: float) -> float:
    """What a contract earns between two prices, in its settlement asset."""
    if holding.instrument.inverse:
        return holding.size * (1.0 / before - 1.0 / after)
    return holding.size * (after - before)


def mark_price(instrument: Instrument, prices: Prices) -> float:
    """The mark of any instrument; only an option's may be zero."""
    if isinstance(instrument, Option):
        return prices.option_mark(instrument.id)
    return prices.mark(instrument.id)


def filled(holdings: Holdings, instrument: Instrument, size: float, price: float) -> Holdings:
    """Holdings after a fill of a signed size at a price, by average cost: the closed part's profit
    is realised into the settlement asset. Options and coins are paid for out of it; a coin becomes
    collateral. Working orders stay as they were."""
    if isinstance(instrument, Spot):
        paid = _paid(holdings, instrument.settle, -size * price)
        return _paid(paid, instrument.base, size)
    held = {holding.instrument.id: holding for holding in holdings.positions}
    before = held.get(instrument.id, Holding(instrument, 0.0, price))
    if isinstance(instrument, Option):
        after, cash = replace(before, size=before.size + size), -size * price
    else:
        after, cash = _contract_filled(before, size, price)
    if after.size == 0.0:
        cash += after.funding
        held.pop(instrument.id, None)
    else:
        held[instrument.id] = after
    return _paid(replace(holdings, positions=tuple(held.values())), instrument.settle, cash)


def _contract_filled(before: Holding, size: float, price: float) -> tuple[Holding, float]:
    """A contract after a fill, and the profit that the closed part realised."""
    total = before.size + size
    if before.size * size >= 0:
        return replace(before, size=total, entry=_average(before, size, price)), 0.0
    closed = -size if abs(size) <= abs(before.size) else before.size
    realised = value_between(replace(before, size=closed), before.entry, price)
    entry = before.entry if before.size * total > 0 else price
    return replace(before, size=total, entry=entry), realised


def _average(before: Holding, size: float, price: float) -> float:
    total = before.size + size
    if total == 0.0:
        return price
    if before.instrument.inverse:
        return total / (before.size / before.entry + size / price)
    return (before.size * before.entry + size * price) / total


def _paid(holdings: Holdings, asset: str, amount: float) -> Holdings:
    balances = dict(holdings.collateral)
    balances[asset] = balances.get(asset, 0.0) + amount
    return replace(holdings, collateral=balances)
