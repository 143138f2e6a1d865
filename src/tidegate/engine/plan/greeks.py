# SPDX-License-Identifier: Apache-2.0
"""What a unit of size adds to the book's delta, gamma and vega, USD; and what is there beside it.

    delta   USD gained if the coin doubles at its present slope: notional of contracts; of options
            Delta S, less the premium where it is paid in the coin
    gamma   USD of delta per 1 % of price: Gamma S^2 / 100
    vega    USD per vol point: Vega / 100

Coins owned, and profit paid in coins, have a delta of what they are worth: a book's delta includes
them. Greeks are of Black (1976) on each option's own forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.engine.plan.book import PlanAccount
from tidegate.margin.holding_values import value_between
from tidegate.margin.market_values import index_of, mark_of
from tidegate.margin.scenario.quotes import option_columns
from tidegate.model.instruments import Option
from tidegate.pricing.black76 import greeks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SizeGreeks:
    """By unit of size of each instrument of an account (n): USD, see the module's head; years to
    expiry (infinite for contracts), Black-76 delta in coins of options."""

    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    expiry_years: FloatArray
    coin_delta: FloatArray


def size_greeks(account: PlanAccount) -> SizeGreeks:
    """Greeks by unit of size; raises `InputError` for an option that cannot be priced."""
    dealt, count = account.dealt, len(account.dealt)
    zeros = (np.zeros(count), np.zeros(count), np.zeros(count))
    found = SizeGreeks(*zeros, np.full(count, np.inf), np.ones(count))
    options = [each for each in dealt if isinstance(each, Option)]
    market = account.book.market.doubted()
    columns = option_columns(options, market)
    terms = (columns.forward, columns.strike, columns.expiry_years, columns.vol)
    each_greek = greeks(*terms, columns.sign > 0.0) if options else None
    place = 0
    for index, each in enumerate(dealt):
        per_size = account.notional_per_size(each)
        if not isinstance(each, Option):
            found.delta[index] = per_size
            continue
        assert each_greek is not None
        premium = market.value(mark_of(each.id)) * per_size if each.coin_settled else 0.0
        found.coin_delta[index] = each_greek.delta[place]
        found.delta[index] = each_greek.delta[place] * per_size - premium
        found.gamma[index] = each_greek.gamma[place] * per_size**2 / 100.0
        found.vega[index] = each_greek.vega[place] / 100.0
        found.expiry_years[index] = columns.expiry_years[place]
        place += 1
    return found


def coin_delta_usd(account: PlanAccount, coin: str) -> float:
    """USD of a coin that an account owns outright or has earned in it: its delta beside sizes."""
    holdings, market = account.book.holdings, account.book.market
    amount = holdings.collateral.get(coin, 0.0) + holdings.realised.get(coin, 0.0)
    for each in holdings.positions:
        if each.instrument.settle == coin:
            amount += each.funding
            if not isinstance(each.instrument, Option):
                mark = market.positive(mark_of(each.instrument.id))
                amount += value_between(each, each.entry, mark)
            elif each.instrument.coin_settled:
                # The premium leaves with the size: what was paid has left the balance already.
                amount += market.value(mark_of(each.instrument.id)) * each.size
    return amount * market.positive(index_of(coin)) if amount else 0.0
