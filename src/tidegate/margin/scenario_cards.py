# SPDX-License-Identifier: Apache-2.0
"""Cards of the rules that stand on the scenario core: Deribit's, Derive's and Paradex's."""

from __future__ import annotations

from tidegate.margin.rule_card import RuleCard

DERIBIT_PORTFOLIO = RuleCard(
    name="deribit_portfolio",
    subject="Deribit portfolio margin, segregated: one settlement currency, in it",
    answers="deribit_portfolio.DeribitPortfolio",
    source=(
        "support.deribit.com 25944756247837, 25944756807069 (undated, read in November 2026)",
        "docs.deribit.com, private/pme/simulate: model_params of 17 June 2024 and February 2026",
    ),
    not_pinned=(
        "exp(risk T) - 1 above the roll shock's floor, and the delta shock's shape",
        "pools by coin and settlement add up bucket by bucket, without correlation contingency",
        "open orders reserve what each would require by itself; spot orders nothing",
        "an option's delta is decayed, and its mark with it, over the last half hour",
    ),
    user_gives=("model_params of today, where the dated ones do not do",),
    closes_first="what relieves maintenance most, else a delta hedge with the perpetual",
    convex_form="cuts at scenarios, `scenario.convex`",
)
DERIBIT_PORTFOLIO_CROSS = RuleCard(
    name="deribit_portfolio_cross",
    subject="Deribit portfolio margin across settlement currencies, in USD",
    answers="deribit_portfolio.DeribitPortfolio",
    source=(*DERIBIT_PORTFOLIO.source, "support.deribit.com 25944777203869 (undated)"),
    not_pinned=(*DERIBIT_PORTFOLIO.not_pinned, "a haircut is on positive equity in the coin"),
    user_gives=(*DERIBIT_PORTFOLIO.user_gives, "haircuts, which model_params hold"),
    closes_first=DERIBIT_PORTFOLIO.closes_first,
    convex_form=DERIBIT_PORTFOLIO.convex_form,
)
DERIVE_PORTFOLIO = RuleCard(
    name="derive_portfolio",
    subject="Derive portfolio margin PM2, one coin, in a dollar coin",
    answers="derive_portfolio.DerivePortfolio",
    source=(
        "docs.derive.xyz, PM2; derivexyz/v2-core at 7736900d, mainnet configuration (January 2026)",
    ),
    not_pinned=(
        "the live venue's present parameters, set by governance",
        "what open orders reserve: nothing is counted",
        "what may be withdrawn beyond what initial margin leaves of cash",
    ),
    user_gives=("the account's coin", "haircuts of collateral beside cash"),
    closes_first="the whole book is auctioned",
    convex_form="cuts at scenarios, `scenario.convex`",
)
DERIVE_STANDARD = RuleCard(
    name="derive_standard",
    subject="Derive standard manager, across coins, in a dollar coin",
    answers="derive_standard.DeriveStandard",
    source=("docs.derive.xyz, Standard Margin; derivexyz/v2-core at 7736900d (January 2026)",),
    not_pinned=(*DERIVE_PORTFOLIO.not_pinned, "a negative coin balance, which is refused"),
    user_gives=("margin factors of coins other than BTC and ETH",),
    closes_first=DERIVE_PORTFOLIO.closes_first,
    convex_form="`derive_standard_convex`",
)
PARADEX_PORTFOLIO = RuleCard(
    name="paradex_portfolio",
    subject="Paradex portfolio margin (beta), one coin's options and perpetual, in a dollar coin",
    answers="paradex_portfolio.ParadexPortfolio",
    source=("docs.paradex.trade, Portfolio Margin (beta, undated, read in November 2026)",),
    not_pinned=(
        "books of one coin, as nothing says how coins add up",
        "funding that would be received covers nothing",
        "fees are a share of spot worth; orders reserve nothing",
    ),
    user_gives=("the account's coin", "the fee rate"),
    closes_first="not documented",
    convex_form="cuts at scenarios, `scenario.convex`",
)
CARDS = (
    DERIBIT_PORTFOLIO,
    DERIBIT_PORTFOLIO_CROSS,
    DERIVE_PORTFOLIO,
    DERIVE_STANDARD,
    PARADEX_PORTFOLIO,
)
