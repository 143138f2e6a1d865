# SPDX-License-Identifier: Apache-2.0
"""An account's figures in the markets of a book's history, as its rule takes them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.past import FloatArray
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import Key, forward_of, mark_of, vol_of
from tidegate.margin.scenario.quotes import option_columns
from tidegate.model.instruments import Instrument, Option, Perpetual
from tidegate.pricing.black76 import price
from tidegate.risk.factor_paths import FactorPaths


def moved_markets(account: PlanAccount, paths: FactorPaths) -> MovedMarkets:
    """The account's markets; figures that the venue doubts count as they are."""
    return MovedMarkets(paths, account.venue, account.book.market.doubted())


def moved_values(
    account: PlanAccount, moved: MovedMarkets, instruments: tuple[Instrument, ...]
) -> dict[Key, FloatArray]:
    """Figures [M] by key of what values these instruments and the account's coins. A mark of an
    option under Deribit's margin moves by what Black-76 changes; Derive marks by Black-76 alone."""
    coins = [coin for coin in account.coins if coin in _owned(account)]
    values = moved.values(instruments, coins)
    options = [each for each in instruments if isinstance(each, Option)]
    if options and isinstance(account.book.rule, DeribitPortfolio):
        values |= _option_marks(account, options, values)
    return values


def _owned(account: PlanAccount) -> set[str]:
    holdings = account.book.holdings
    return {*holdings.collateral, *holdings.realised, account.asset}


def _option_marks(
    account: PlanAccount, options: list[Option], values: dict[Key, FloatArray]
) -> dict[Key, FloatArray]:
    market = account.book.market.doubted()
    columns = option_columns(options, market)
    marks = {}
    for i, each in enumerate(options):
        forward, vol = values[forward_of(each.base, each.expiry_ms)], values[vol_of(each.id)]
        strike, years, call = float(each.strike), columns.expiry_years[i], columns.sign[i] > 0.0
        now = np.asarray(price(columns.forward[i], strike, years, columns.vol[i], call))
        then = np.asarray(price(forward, strike, years, vol, call))
        if each.coin_settled:
            now, then = now / columns.forward[i], then / forward
        mark = market.at_least_zero(mark_of(each.id))
        marks[mark_of(each.id)] = np.maximum(0.0, mark + then - now)
    return marks


def funding_rates(instruments: Iterable[Instrument], moved: MovedMarkets) -> FloatArray:
    """Share of notional that a long of each has paid, [M, n]."""
    paid = [
        moved.funding(each.base) if isinstance(each, Perpetual) else np.zeros(moved.count)
        for each in instruments
    ]
    return np.stack(paid, axis=1) if paid else np.zeros((moved.count, 0))
