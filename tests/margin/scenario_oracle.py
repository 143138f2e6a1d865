# SPDX-License-Identifier: Apache-2.0
"""A second, slow implementation of scenario margin, for the fast one to agree with.

Three functions of (holdings, market, parameters), each giving `Margins(equity, maintenance,
initial)`; the requirements are >= 0 and a venue's published net margin is equity less requirement:

    derive_portfolio   PMRM2 of one underlying, dollars        oracle_derive_portfolio.py
    derive_standard    standard manager, all coins, dollars    oracle_derive_standard.py
    deribit_portfolio  segregated (coin) or crossed (dollars)  oracle_deribit.py

Each has a `..._parts` beside it that gives every line of the sum. They are written from documents
and published cases alone, with `math` and nothing else, a function for each line of the formulas.

Readings of what the documents leave open; at the function it stands in full.

    confirmed by a published case
      owned expiries x BASE_STATIC_DISCOUNT (0.95), owed x BASE_STATIC_DISCOUNT_NEG (1.04)  pm2 *
      an expiry is owned or owed by its sum in the scenario, not by its mark now         pm2 65
      debt is discounted no further than to its undiscounted sum; uncapped in            pm2 61, 65
      short or long power by the real time left, not by the floored one                  pm2 81
      a down-volatility stops at zero                                                    pm2 77
      a skew that makes a volatility negative prices at zero volatility                  pm2 61
      -|profit| by expiry, not of the sum; dampening multiplies skews too                pm2 97, 41
      basis by expiry, at the mark's discount alone                                      pm2 101
      doubt of options: all |q|, min(spot, perpetual if held, forward, vols of expiry)   pm2 33, 49
      doubt of collateral: min(own, underlying's spot), the perpetual's left out         pm2 9, 33
      perpetual: scenarios at its own price, contingencies and doubt at spot             pm2 33
      short call and long put of a strike cancel for naked shorts                        pm2 24
      standard manager: moneyness by spot, marks by forward                              srm
      Deribit: inverse arithmetic, roll on its floor, sums by expiry not offset          capture

    shown by no published case, read in the venue's published source
      a negative rate counts as none in the mark and in both static discounts        PMRMLib_2
      a skew moves no forward, but perpetual and collateral by its spot              PMRMLib_2

    not shown by any published case
      the floor of up-volatility; confidence at the threshold itself
      the rate feed's confidence (named in the formula; in case 61 the spot's is lower)
      a forward that settlement has fixed in part
      standard manager: spot's confidence for options and perpetuals
      Deribit: everything of options; delta shock, by coin; growth of the roll; offsets between
      books, of one currency too; a crossed account's coins, which count at each scenario's price
"""

from __future__ import annotations

from tests.margin.oracle_black import Margins
from tests.margin.oracle_deribit import (
    DeribitCurrency,
    DeribitPair,
    DeribitPortfolioParameters,
    deribit_parts,
    deribit_portfolio,
)
from tests.margin.oracle_derive_portfolio import (
    CollateralTerms,
    DerivePortfolioParameters,
    Scenario,
    derive_portfolio,
    derive_portfolio_parts,
)
from tests.margin.oracle_derive_standard import (
    BaseTerms,
    DeriveStandardParameters,
    derive_standard,
    derive_standard_parts,
)

__all__ = [
    "BaseTerms",
    "CollateralTerms",
    "DeribitCurrency",
    "DeribitPair",
    "DeribitPortfolioParameters",
    "DerivePortfolioParameters",
    "DeriveStandardParameters",
    "Margins",
    "Scenario",
    "deribit_parts",
    "deribit_portfolio",
    "derive_portfolio",
    "derive_portfolio_parts",
    "derive_standard",
    "derive_standard_parts",
]
