# SPDX-License-Identifier: Apache-2.0
"""An account after a shift of its market: prices, vols in three ways, its venue's prices apart from
all others', dollar coins, and days of funding.

    prices   index, forwards and marks of a coin times its ratio; option marks by Black-76
    vols     vol level (30 d / T)^term + skew ln(K / F), not below a hundredth of the vol now
    spread   marks of contracts against each position held, indices stand
    dollars  a dollar coin times its ratio p: what is owned of it is worth p, prices quoted in it
             rise to 1 / p, as coins' dollar prices stand; of what is not said to be quoted in the
             coin that settles it (or in USD), shorts rise and longs do not
    funding  paid on every perpetual's notional, longs and shorts alike, out of what settles it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tidegate.engine.margin_book.account_book import AccountBook, named
from tidegate.engine.plan.book import USD
from tidegate.engine.plan.moves import LEAST_VOL_SHARE, MONTH_YEARS, spread_against
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_moves import revalued
from tidegate.margin.market_values import MarketValues, dollar_of, mark_of
from tidegate.margin.scenario.revaluation import FloatArray, OptionColumns
from tidegate.model.instruments import Perpetual

DAY_YEARS = 1.0 / 365.0


@dataclass(frozen=True, slots=True)
class Shift:
    """Ratios of prices by coin, of the vol level, and of dollar coins; `skew` in vol points (as a
    decimal) per unit of log moneyness, `term` an exponent, `spread` a share, `funding_share` of
    notional paid."""

    prices: Mapping[str, float] = field(default_factory=dict)
    vol: float = 1.0
    skew: float = 0.0
    term: float = 0.0
    spread: float = 0.0
    dollars: Mapping[str, float] = field(default_factory=dict)
    funding_share: float = 0.0


def shifted(account: AccountBook, shift: Shift, quotes: Mapping[str, str]) -> AccountBook:
    """The account there; raises `InputError` for what cannot be valued."""
    held = {each.instrument.id: each.instrument for each in account.holdings.positions}
    held |= {each.instrument.id: each.instrument for each in account.holdings.orders}
    ratios = {**shift.prices, **shift.dollars}
    market = revalued(
        account.market,
        held.values(),
        lambda coin: ratios.get(coin, 1.0),
        lambda columns: _vols(columns, shift),
    )
    if shift.spread:
        market = spread_against(market, account.holdings, shift.spread)
    if shift.dollars:
        market = _depegged(market, account.holdings, shift.dollars, quotes)
    holdings = account.holdings
    if shift.funding_share:
        holdings = _funded(holdings, account.market, shift.funding_share)
    return replace(account, market=market, holdings=holdings)


def health(account: AccountBook, shift: Shift, quotes: Mapping[str, str]) -> float:
    """Health after the shift in the account's unit, by its exact rule."""
    with named(account.where):
        there = shifted(account, shift, quotes)
        return there.rule.statement(there.holdings, there.market).health


def _vols(columns: OptionColumns, shift: Shift) -> FloatArray:
    if shift.vol == 1.0 and not shift.skew and not shift.term:
        return columns.vol
    years = np.maximum(columns.expiry_years, DAY_YEARS)
    level = columns.vol * shift.vol * (MONTH_YEARS / years) ** shift.term
    tilted = level + shift.skew * columns.log_strike
    return np.asarray(np.maximum(tilted, LEAST_VOL_SHARE * columns.vol))


def _depegged(
    market: MarketValues,
    holdings: Holdings,
    dollars: Mapping[str, float],
    quotes: Mapping[str, str],
) -> MarketValues:
    values = dict(market.values)
    for asset, ratio in dollars.items():
        key = dollar_of(asset)
        if key in values:
            values[key] = values[key].moved(values[key].value * ratio)
    for each in holdings.positions:
        name, settle = each.instrument.id, each.instrument.settle
        said = quotes.get(name, settle if each.size < 0.0 else USD)
        key = mark_of(name)
        if key in values and not each.instrument.inverse:
            values[key] = values[key].moved(values[key].value / dollars.get(said, 1.0))
    return replace(market, values=values)


def _funded(holdings: Holdings, market: MarketValues, share: float) -> Holdings:
    """What is accrued after paying a share of every perpetual's notional."""
    positions = []
    for each in holdings.positions:
        if isinstance(each.instrument, Perpetual) and each.size:
            mark = market.doubted().positive(mark_of(each.instrument.id))
            worth = abs(each.size) / mark if each.instrument.inverse else abs(each.size) * mark
            each = replace(each, funding=each.funding - share * worth)
        positions.append(each)
    return replace(holdings, positions=tuple(positions))
