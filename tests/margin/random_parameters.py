# SPDX-License-Identifier: Apache-2.0
"""Parameters for random books: the venues' own, and sets in which rarer branches decide.

Derive's `mainnet` is its configuration of January 2026 with the two static bases as its published
cases have them (0.95 on what is owned, above 1 on what is owed); `unit` is that of those cases.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.margin.oracle_deribit import (
    DeribitCurrency,
    DeribitPair,
    DeribitPortfolioParameters,
)
from tests.margin.oracle_derive_portfolio import (
    CollateralTerms,
    DerivePortfolioParameters,
    Scenario,
)
from tests.margin.oracle_derive_standard import BaseTerms, DeriveStandardParameters

INNER = (0.135, 0.09, 0.045, 0.0, -0.045, -0.09, -0.135)
TAILS = (
    (-0.66, 0.21),
    (-0.33, 0.42),
    (0.5, 0.2772),
    (1.0, 0.1386),
    (2.0, 0.0693),
    (3.0, 0.0462),
    (4.0, 0.03465),
    (5.0, 0.02772),
)


def regular_scenarios() -> tuple[Scenario, ...]:
    """+-18 % with volatility up only, and seven moves with each of the three."""
    inner = [Scenario(1 + x, kind) for x in INNER for kind in ("up", "none", "down")]
    return (Scenario(1.18, "up"), *inner, Scenario(0.82, "up"))


def scenarios(skew_dampening: float = 1.0) -> tuple[Scenario, ...]:
    tails = [Scenario(1 + move, "up", dampening) for move, dampening in TAILS]
    skews = [Scenario(1.0, kind, skew_dampening) for kind in ("linear", "abs")]
    return (*regular_scenarios(), *tails, *skews)


HELD = {
    "BTC": {
        "BTC": CollateralTerms(0.02, 0.01, True),
        "ETH": CollateralTerms(0.15, 0.05, False),
    },
    "ETH": {
        "BTC": CollateralTerms(0.25, 0.05, False),
        "ETH": CollateralTerms(0.015, 0.005, True),
    },
}


def unit(coin: str) -> DerivePortfolioParameters:
    return DerivePortfolioParameters(coin, scenarios(), HELD[coin])


def mainnet(coin: str) -> DerivePortfolioParameters:
    return replace(
        unit(coin),
        vol_down=0.3,
        min_vol_up_shock=0.4,
        long_base=0.95,
        short_base=1.05,
        long_add=0.16,
        short_add=0.16,
        linear_base_cap=0.25,
        linear_c_base=-0.1,
        abs_base_cap=0.25,
        abs_c_base=-0.1,
        maintenance_perp=0.03,
        initial_perp=0.01,
        peg_threshold=0.99,
        peg_factor=4.0,
    )


def strained(coin: str) -> DerivePortfolioParameters:
    """Wide skews, wide floors, cheap rates on debt: what seldom decides, decides."""
    return replace(
        mainnet(coin),
        scenarios=scenarios(2.0),
        vol_down=0.45,
        min_vol_up_shock=0.6,
        dte_floor_days=2.0,
        short_base=1.0,
        short_mult=0.1,
        short_add=0.01,
        linear_base_cap=1.4,
        abs_base_cap=0.8,
        min_k_star=0.3,
        basis_add=1.5,
        basis_mult=4.0,
    )


def derive_portfolio_parameters(random: Random, coin: str) -> DerivePortfolioParameters:
    return random.choice((unit, mainnet, strained))(coin)


def derive_standard_parameters(random: Random) -> DeriveStandardParameters:
    """The published unit tests', or the mainnet's with its scaled collateral."""
    if random.random() < 0.5:
        return DeriveStandardParameters({"BTC": BaseTerms(0.8), "ETH": BaseTerms(0.8)})
    return DeriveStandardParameters(
        {"BTC": BaseTerms(0.75, 0.93), "ETH": BaseTerms(0.8, 0.9375)},
        min_spot=0.13,
        maintenance_call=0.09,
        maintenance_put=0.09,
        put_mark=0.09,
        perp_maintenance=0.065,
        perp_initial=0.10,
        confidence_threshold=0.55,
        oracle_factor=1.0,
        depeg_threshold=0.99,
        depeg_factor=2.0,
    )


def deribit_currencies(offsets: bool, impact: str = "none") -> dict[str, DeribitCurrency]:
    """Of the documentation (no offset), or with the offsets of the capture of February 2026."""
    btc = DeribitCurrency(equity_side_impact=impact)
    eth = DeribitCurrency(0.005, 0.05, extended_dampener=200_000.0, equity_side_impact=impact)
    usdc = DeribitCurrency(0.01, 0.10, extended_dampener=25_000.0)
    if not offsets:
        return {"BTC": btc, "ETH": eth, "USDC": usdc}
    gains = {"pnl_offset": 0.6, "max_offsetable_pnl": 2_000_000.0, "haircut": 0.05}
    return {
        "BTC": replace(btc, **gains),
        "ETH": replace(eth, **gains),
        "USDC": replace(usdc, pnl_offset=0.4, max_offsetable_pnl=20_000_000.0),
    }


def deribit_parameters(random: Random, settlement: str | None) -> DeribitPortfolioParameters:
    """Now and then no margin for market makers and working orders, else a little of each."""
    pairs = {
        "BTC": DeribitPair(),
        "ETH": DeribitPair(0.18, 0.40, m_inc=4e-6),
    }
    given = random.choice((0.0, 0.06))
    currencies = deribit_currencies(random.random() < 0.6, random.choice(("both", "none")))
    return DeribitPortfolioParameters(
        currencies, pairs, settlement, mmp_margin=given, open_orders_margin=given / 1000
    )
