# SPDX-License-Identifier: Apache-2.0
"""The oracle's parameters and markets as those of the rules, for the two to be compared.

Names differ and nothing else: no figure is worked out here but a scenario's name and a dollar
coin's index, which the oracle reads as that coin's price and Deribit's rule as its index.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.margin.oracle_deribit import (
    DOLLARS,
    DeribitCurrency,
    DeribitPair,
    DeribitPortfolioParameters,
)
from tests.margin.oracle_derive_portfolio import DerivePortfolioParameters
from tests.margin.oracle_derive_standard import DeriveStandardParameters
from tests.margin.random_books import DeribitBook, PortfolioBook, StandardBook
from tidegate.margin.deribit_parameters import CurrencyTerms, PairTerms, PortfolioTerms
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_parameters import (
    CollateralTerms,
    DiscountTerms,
    PortfolioParameters,
    StandardParameters,
)
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues, Seen, dollar_of, index_of
from tidegate.margin.scenario.shocks import Scenario, SkewCap, SkewShock, VolMove, VolShock
from tidegate.model.instruments import Option

MOVES = {
    "up": VolMove.UP,
    "none": VolMove.NONE,
    "down": VolMove.DOWN,
    "linear": VolMove.LINEAR_SKEW,
    "abs": VolMove.ABSOLUTE_SKEW,
}


def derive_portfolio_rule(p: DerivePortfolioParameters) -> DerivePortfolio:
    terms = {
        name: CollateralTerms(one.maintenance_haircut, one.initial_haircut, one.risk_cancelling)
        for name, one in p.collaterals.items()
    }
    return DerivePortfolio(p.coin, terms, portfolio_parameters(p), p.cash)


def portfolio_parameters(p: DerivePortfolioParameters) -> PortfolioParameters:
    return PortfolioParameters(
        scenarios=tuple(Scenario(s.name, s.spot, MOVES[s.kind], s.dampening) for s in p.scenarios),
        vol_shock=VolShock(
            *(p.vol_up, p.vol_down, p.short_power, p.long_power),
            *(p.dte_floor_days, p.min_vol_up_shock),
        ),
        skew_shock=SkewShock(
            SkewCap(p.linear_base_cap, p.linear_c_base),
            SkewCap(p.abs_base_cap, p.abs_c_base),
            *(p.min_k_star, p.width, p.vol_static, p.vol_scale),
        ),
        initial_factor=p.initial_factor,
        maintenance_factor=p.maintenance_factor,
        long_discount=DiscountTerms(p.long_base, p.long_mult, p.long_add),
        short_discount=DiscountTerms(p.short_base, p.short_mult, p.short_add),
        basis_up=p.basis_up,
        basis_down=p.basis_down,
        basis_static=p.basis_add,
        basis_per_year=p.basis_mult,
        perpetual_maintenance=p.maintenance_perp,
        perpetual_initial=p.initial_perp,
        option_maintenance=p.maintenance_option,
        option_initial=p.initial_option,
        peg_threshold=p.peg_threshold,
        peg_factor=p.peg_factor,
        confidence_threshold=p.confidence_threshold,
        confidence_margin=p.confidence_margin,
        as_of="oracle",
        source="oracle",
    )


def derive_standard_rule(p: DeriveStandardParameters) -> DeriveStandard:
    factors = {coin: (one.margin_factor, one.initial_scale) for coin, one in p.bases.items()}
    parameters = StandardParameters(
        most_of_spot=p.max_spot,
        least_of_spot=p.min_spot,
        call_maintenance=p.maintenance_call,
        put_maintenance=p.maintenance_put,
        put_mark_maintenance=p.put_mark,
        unpaired_initial=p.unpaired_initial,
        unpaired_maintenance=p.unpaired_maintenance,
        put_offset=p.offset_scale,
        perpetual_initial=p.perp_initial,
        perpetual_maintenance=p.perp_maintenance,
        confidence_threshold=p.confidence_threshold,
        oracle_factor=p.oracle_factor,
        peg_threshold=p.depeg_threshold,
        peg_factor=p.depeg_factor,
        as_of="oracle",
        source="oracle",
    )
    return DeriveStandard(factors, parameters, p.cash)


def currency_terms(one: DeribitCurrency) -> CurrencyTerms:
    return CurrencyTerms(
        one.min_annualised_move,
        one.annualised_move_risk,
        one.pnl_offset,
        one.max_offsetable_pnl,
        one.extended_dampener,
        one.haircut,
        one.equity_side_impact,
    )


def pair_terms(one: DeribitPair) -> PairTerms:
    return PairTerms(
        *(one.price_range, one.volatility_range_up, one.volatility_range_down),
        *(one.min_volatility_for_shock_up, one.short_term_vega_power, one.long_term_vega_power),
        *(one.extended_table_factor, one.m_inc),
        *(one.delta_total_liq_shock_threshold, one.max_delta_shock),
    )


def deribit_rule(p: DeribitPortfolioParameters) -> DeribitPortfolio:
    """What the oracle is given for orders, protection and spot stands here as protection."""
    terms = PortfolioTerms(
        {
            ("usd" if x in DOLLARS else x.lower()): currency_terms(y)
            for x, y in p.currencies.items()
        },
        {coin.lower(): pair_terms(one) for coin, one in p.pairs.items()},
        p.mm_factor,
        p.buckets_count,
        "oracle",
        "oracle",
    )
    given = p.mmp_margin + p.open_orders_margin + p.spot_margin
    if p.settlement is None:
        return DeribitPortfolio("USD", terms, given, cross=True)
    return DeribitPortfolio(p.settlement, terms, given)


def sure_market(market: MarketValues) -> MarketValues:
    """Deribit publishes no confidence; and what a dollar coin is worth is its index."""
    values = {key: Seen(one.value, one.as_of_ms) for key, one in market.values.items()}
    for asset in DOLLARS:
        if dollar_of(asset) in values:
            values[index_of(asset)] = values[dollar_of(asset)]
    return replace(market, values=values)


def settled_here(holdings: Holdings, settlement: str | None) -> Holdings:
    """Of a segregated account what is settled in its asset, the rest being other accounts'."""
    if settlement is None:
        return holdings
    kept = tuple(x for x in holdings.positions if x.instrument.settle == settlement)
    amount = holdings.collateral.get(settlement, 0.0)
    return replace(holdings, positions=kept, collateral={settlement: amount})


def ruled(book: Any) -> tuple[Any, Holdings, MarketValues]:
    """The rule of a random book, and what it is asked."""
    if isinstance(book, PortfolioBook):
        return derive_portfolio_rule(book.parameters), book.holdings, book.market
    if isinstance(book, StandardBook):
        return derive_standard_rule(book.parameters), book.holdings, book.market
    assert isinstance(book, DeribitBook)
    held = settled_here(book.holdings, book.parameters.settlement)
    return deribit_rule(book.parameters), held, sure_market(book.market)


def account_sizes(prepared: Any, rule: Any, holdings: Holdings) -> np.ndarray:
    """An account as sizes of the prepared columns, cash less what positions have cost."""
    if hasattr(rule, "amounts"):
        return np.asarray(prepared.sizes(rule.amounts(holdings)))
    amounts = dict(holdings.collateral)
    for each in holdings.positions:
        if each.size != 0.0:
            amounts[each.instrument.id] = each.size
            cost = 0.0 if isinstance(each.instrument, Option) else each.size * each.entry
            amounts[rule.cash] = amounts.get(rule.cash, 0.0) + each.funding - cost
    return np.asarray(prepared.sizes(amounts))
