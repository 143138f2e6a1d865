# SPDX-License-Identifier: Apache-2.0
"""Deribit's published portfolio margin answers as holdings, market and rule of this project."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tidegate.margin.deribit_parameters import CurrencyTerms, PairTerms, PortfolioTerms
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import Key, MarketValues, Seen, index_of, mark_of
from tidegate.model.instruments import Future, Index, Perpetual

STEP, LOT, FACE = Decimal("0.01"), Decimal(10), Decimal(1)


def contract(name: str) -> Perpetual | Future:
    """An inverse contract by the venue's name, which gives the day of its delivery at 08:00 UTC."""
    coin, term = name.split("-")
    if term == "PERPETUAL":
        return Perpetual("deribit", name, coin, coin, STEP, LOT, FACE)
    day = datetime.strptime(f"{term} 08 +0000", "%d%b%y %H %z").astimezone(UTC)
    index = Index("deribit", f"{coin}_usd", STEP)
    expiry_ms = round(day.timestamp() * 1000)
    return Future("deribit", name, coin, coin, STEP, LOT, FACE, expiry_ms=expiry_ms, index=index)


def terms(raw: dict[str, Any]) -> PortfolioTerms:
    currencies = {
        name: CurrencyTerms(
            one["min_annualised_move"],
            one["annualised_move_risk"],
            one["pnl_offset"],
            one["max_offsetable_pnl"],
            one["extended_dampener"],
            one["haircut"],
            one["equity_side_impact"],
        )
        for name, one in raw["currency"].items()
    }
    pairs = {
        name.split("_")[0]: PairTerms(
            one["price_range"],
            one["volatility_range_up"],
            one["volatility_range_down"],
            one["min_volatility_for_shock_up"],
            one["short_term_vega_power"],
            one["long_term_vega_power"],
            one["extended_table_factor"],
            one["m_inc"],
            one["delta_total_liq_shock_threshold"],
            one["max_delta_shock"],
        )
        for name, one in raw["currency_pair"].items()
    }
    general = raw["general"]
    return PortfolioTerms(
        currencies, pairs, general["mm_factor"], general["buckets_count"], "case", "case"
    )


def portfolio(case: dict[str, Any]) -> tuple[DeribitPortfolio, Holdings, MarketValues]:
    """A case: its rule with the terms in it, holdings of a hundred coins, and its market."""
    values: dict[Key, float] = {}
    positions = []
    for name, coins in case["portfolio_position"].items():
        one, ticker = contract(name), case["ticker"][name]
        values[index_of(one.base)] = ticker["index_price"]
        values[mark_of(one.id)] = ticker["mark_price"]
        positions.append(Holding(one, coins * ticker["mark_price"], ticker["mark_price"]))
    coin = positions[0].instrument.base
    now = case["timestamp"]
    market = MarketValues(now, {key: Seen(value, now) for key, value in values.items()}, 0)
    rule = DeribitPortfolio(coin, terms(case["model_params"]), case["expected"]["mmp_margin"])
    return rule, Holdings(tuple(positions), {coin: 100.0}), market
