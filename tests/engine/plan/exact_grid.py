# SPDX-License-Identifier: Apache-2.0
"""Accounts judged by their exact rules all over a box, by code that plans and proofs do not use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.after import account_after
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.deciding import Decision
from tidegate.margin.liquidation_distance import moved_market
from tidegate.margin.market_values import MarketValues, mark_of
from tidegate.model.instruments import Option
from tidegate.model.plan_terms import PlanTerms

LEAST_NOISE_USD = 1e-3


def accounts_after(decision: Decision) -> Iterator[PlanAccount]:
    """Every account once the plan is filled, its money sent and not arrived but where the account
    waits for it, orders cancelled."""
    for account in decision.asked.accounts:
        waits = account.venue in decision.asked.waiting
        after = account_after(decision.asked, account, decision.changed, landed=waits)
        holdings = replace(after.book.holdings, orders=())
        yield replace(after, book=replace(after.book, holdings=holdings))


def noise_usd(account: PlanAccount) -> float:
    """What rules of integers round marks by, which a box of prices knows nothing of: a tick of
    each position, against it."""
    if not isinstance(account.book.rule, ExactAccount):
        return LEAST_NOISE_USD
    held = account.book.holdings.positions
    ticks = sum(abs(each.size) * float(each.instrument.tick) for each in held)
    return LEAST_NOISE_USD + ticks


def least_health_usd(account: PlanAccount, terms: PlanTerms, points: int, seed: int) -> float:
    """The least exact health over random points of the mandate's box, ends and middles included.

    Prices and vols by `moved_market`, whose options follow their forwards; at accounts of linear
    contracts marks also stand apart from prices by the venue's spread.
    """
    rng = np.random.default_rng(seed)
    book, least = account.book, np.inf
    coins = account.coins
    for _ in range(points):
        market = book.market
        for coin in coins:
            outer = terms.mandate.stress.outer[coin]
            share = float(rng.choice([-1.0, 1.0, 0.0, rng.uniform(-1.0, 1.0)]))
            low, high = 1.0 - terms.vol.down, 1.0 + terms.vol.up
            vol = float(rng.choice([low, 1.0, high, rng.uniform(low, high)]))
            market = moved_market(market, book.holdings, (coin,), 1.0 + share * outer, vol)
            if isinstance(book.rule, ExactAccount):
                spread = float(rng.choice([-1.0, 1.0])) * terms.venue_spread
                market = _apart(account, market, coin, 1.0 + spread)
        there = replace(account, book=replace(book, market=market))
        stated = there.statement()
        least = min(least, stated.health * there.price(stated.unit))
    return float(least)


def _apart(account: PlanAccount, market: MarketValues, coin: str, ratio: float) -> MarketValues:
    values = dict(market.values)
    for each in account.book.holdings.positions:
        key = mark_of(each.instrument.id)
        if each.instrument.base == coin and not isinstance(each.instrument, Option):
            values[key] = replace(values[key], value=values[key].value * ratio)
    return replace(market, values=values)
