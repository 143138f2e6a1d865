# SPDX-License-Identifier: Apache-2.0
"""Accounts by their exact rules at every point of the history's scenarios.

Nothing here knows of the forms that the programme was solved with: holdings after the plan are
stated by the venue's rule in each market, with what has landed by then, and the tail is the mean of
the worst scenarios, each at its worst point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np

from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.engine.margin_book.account_book import named
from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount, exact
from tidegate.engine.plan.after import Changes, account_after, with_money
from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.history_markets import funding_rates, moved_markets, moved_values
from tidegate.engine.plan.past import FloatArray, IntArray
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.market_values import Key, MarketValues, mark_of
from tidegate.model.instruments import Option
from tidegate.model.units import unit_quanta


@dataclass(frozen=True, slots=True)
class HistoryTail:
    """An account over the history: the mean shortfall of its tail, USD (below 0: what it has to
    spare), and how many scenarios' worst point it does not stand, of the tail's mass."""

    venue: str
    shortfall_usd: float
    insolvent: int
    mass: float


def history_tail_of(asked: Asked, account: PlanAccount, changed: Changes) -> HistoryTail | None:
    """An account after changes over the scenarios of the book's history; None where there are none,
    or nothing that it holds can be liquidated."""
    if asked.scenarios is None or isinstance(account.book.rule, WalletAccount):
        return None
    paths = asked.scenarios.paths
    moved = moved_markets(account, paths)
    health = healths_usd(asked, account, changed, moved).reshape(paths.count, paths.points)
    worst = -health.min(axis=1)
    ordered = np.sort(worst)[::-1]
    count = int(np.ceil(paths.mass))
    weights = np.full(count, 1.0 / paths.mass)
    weights[-1] = (paths.mass - (count - 1)) / paths.mass
    shortfall = float(weights @ ordered[:count])
    return HistoryTail(account.venue, shortfall, int((worst > 0.0).sum()), paths.mass)


def healths_usd(
    asked: Asked, account: PlanAccount, changed: Changes, moved: MovedMarkets
) -> FloatArray:
    """Equity less maintenance by the exact rule in every market, USD [M], with the money that has
    landed there and funding paid."""
    places = {way.name: e for e, way in enumerate(asked.book.ways)}
    coming = [each for each in changed.transfers if each.way.destination == account.venue]
    after = account_after(asked, account, changed, landed=False)
    there = moved.paths.landed.reshape(moved.count, -1)
    flags = there[:, [places[each.way.name] for each in coming]]
    found = np.empty(moved.count)
    for arrived in product((False, True), repeat=len(coming)):
        rows = np.flatnonzero((flags == np.array(arrived, dtype=bool)).all(axis=1))
        if not rows.size:
            continue
        money = sum(each.received for each, is_in in zip(coming, arrived, strict=True) if is_in)
        holdings = with_money(after.book.holdings, account.asset, money)
        held = replace(after, book=replace(after.book, holdings=replace(holdings, orders=())))
        found[rows] = _stated_usd(held, moved, rows)
    return found - _funding_usd(after, moved)


def _funding_usd(after: PlanAccount, moved: MovedMarkets) -> FloatArray:
    held = np.array([after.held(i.id) * after.notional_per_size(i) for i in after.dealt])
    return np.asarray(funding_rates(after.dealt, moved) @ held)


def _stated_usd(held: PlanAccount, moved: MovedMarkets, rows: IntArray) -> FloatArray:
    rule = held.book.rule
    if isinstance(rule, ExactAccount) and not any(isinstance(i, Option) for i in held.dealt):
        return _of_integers(held, rule, moved, rows)
    instruments = tuple(each.instrument for each in held.book.holdings.positions if each.size)
    if not instruments:
        return _one_by_one(held, {}, moved, rows)
    values = {k: v[rows] for k, v in moved_values(held, moved, instruments).items()}
    if not isinstance(rule, DeribitPortfolio | DerivePortfolio):
        return _one_by_one(held, values, moved, rows)
    unit = held.statement().unit
    with named(held.book.where):
        moving: Any = rule.moving(held.book.holdings, held.book.market)
        prices, others = moving.keys()
        stated = moving.statements({k: v for k, v in values.items() if k in {*prices, *others}})
    return np.asarray(stated.health * held.price(unit) * _usd(unit, moved)[rows])


def _usd(asset: str, moved: MovedMarkets) -> FloatArray:
    if asset in moved.paths.stables or asset in moved.paths.coins:
        return moved.usd(asset)
    return np.ones(moved.count)


def _of_integers(
    held: PlanAccount, rule: ExactAccount, moved: MovedMarkets, rows: IntArray
) -> FloatArray:
    """By the rule of integers itself, marks rounded against the position."""
    account = rule.account(held.book.holdings)
    market = held.book.market.doubted()
    positions = held.book.holdings.positions
    ratios = {each.instrument.id: moved.marks(each.instrument)[rows] for each in positions}
    now = {each.instrument.id: market.positive(mark_of(each.instrument.id)) for each in positions}
    unit, found = unit_quanta(rule.unit), np.empty(len(rows))
    for m in range(len(rows)):
        marks = {}
        for each in positions:
            name, tick = each.instrument.id, each.instrument.tick
            ticks = exact(now[name] * float(ratios[name][m])) / exact(float(tick))
            marks[name] = max(1, ceil(ticks) if each.size < 0 else floor(ticks))
        equity, maintenance = rule.rule.health_at(account, marks)
        found[m] = (equity - maintenance) / unit
    return found * held.price(rule.unit) * _usd(rule.unit, moved)[rows]


def _one_by_one(
    held: PlanAccount, values: Mapping[Key, FloatArray], moved: MovedMarkets, rows: IntArray
) -> FloatArray:
    found = np.empty(len(rows))
    for m, market in enumerate(_markets(held.book.market, values, len(rows))):
        stated = replace(held, book=replace(held.book, market=market)).statement()
        found[m] = stated.health * held.price(stated.unit) * _usd(stated.unit, moved)[rows[m]]
    return found


def _markets(
    market: MarketValues, values: Mapping[Key, FloatArray], count: int
) -> Iterator[MarketValues]:
    for m in range(count):
        there = {k: market.values[k].moved(float(v[m])) for k, v in values.items()}
        yield replace(market, values={**market.values, **there})
