# SPDX-License-Identifier: Apache-2.0
"""Every margin rule by name: its source and date, what is not pinned, what the user must give.

A rule of floats keeps its card beside its class; a new one is a line in `CARDS`. The rules of
integers that the exchange margin-calls with have theirs here.
"""

from __future__ import annotations

from tidegate.margin import (
    aave,
    binance_multi_assets,
    binance_portfolio,
    bybit,
    deribit_portfolio,
    derive_portfolio,
    derive_standard,
    expected_shortfall,
    hyperliquid_isolated,
    hyperliquid_portfolio,
    okx_portfolio,
    okx_tiered,
    paradex_portfolio,
    span,
)
from tidegate.margin.rule_card import RuleCard
from tidegate.model.errors import InputError

HYPERLIQUID_CROSS = RuleCard(
    name="hyperliquid_cross",
    subject="Hyperliquid, cross margin of perpetuals in USDC",
    answers="linear.HyperliquidCross",
    source=("hyperliquid.gitbook.io, margining and liquidations (stored copies, November 2026)",),
    not_pinned=("dates of changes of tiers",),
    user_gives=("margin tiers, dated", "leverage"),
    closes_first="a fifth of each position above 100,000 USDC, then all; below 2/3 the vault",
    convex_form="exact: `lines`",
    of_integers=True,
)
BINANCE_USDM = RuleCard(
    name="binance_usdm",
    subject="Binance USD-M, single-asset cross margin",
    answers="linear.BinanceUsdm",
    source=(
        "Binance USD-M documentation: brackets, maxWithdrawAmount, liquidation (November 2026)",
    ),
    not_pinned=("multipliers of an account's own brackets",),
    user_gives=("brackets, dated", "leverage", "clearance fee"),
    closes_first="the largest requirement, to the tier below; clearance fee on what is closed",
    convex_form="exact: `lines`",
    of_integers=True,
)
DERIBIT_STANDARD = RuleCard(
    name="deribit_standard",
    subject="Deribit, standard margin, segregated: perpetuals, futures and options",
    answers="deribit.DeribitStandard, deribit_options.DeribitOptions",
    source=(
        "support.deribit.com 25944738177565, 25944769313309 (undated) and the change of 11 January"
        " 2022 (25944826427293)",
        "docs.deribit.com, get_account_summary: funds for withdrawal (read in November 2026)",
    ),
    not_pinned=(
        "margin on the mark, where a page says index",
        "which position is closed first, and what portion of it",
        "a session's profit where the account does not say it: then it is taken for cash",
        "shares of options of coins other than BTC and ETH",
    ),
    user_gives=("rates and slopes by instrument, dated", "liquidation fee"),
    closes_first="what requires most, a part each round, until margin suffices; fee on it",
    convex_form="chords above the quadratic: `lines`; options none",
    of_integers=True,
)
DYDX_CROSS = RuleCard(
    name="dydx_cross",
    subject="dYdX v4, cross margin of one subaccount, open interest scaling the initial fraction",
    answers="dydx.DydxCross",
    source=(
        "v4-chain, module perpetuals at 84d4664b, clob at 014223b6, genesis of 12 December 2024",
    ),
    not_pinned=("order of positions within a block", "limits that governance has set since"),
    user_gives=("liquidity tiers, dated", "open interest where caps are", "leverage"),
    closes_first="up to a tenth of every position a block; fee at most 1.5 % and never to bankrupt",
    convex_form="exact but for two roundings: `lines`",
    of_integers=True,
)
SPOT = RuleCard(
    name="spot",
    subject="A wallet without borrowing",
    answers="linear.SpotWallet",
    source=("nothing is borrowed",),
    not_pinned=(),
    user_gives=(),
    closes_first="never",
    convex_form="nothing is required",
    of_integers=True,
)

CARDS: tuple[RuleCard, ...] = (
    HYPERLIQUID_CROSS,
    hyperliquid_isolated.CARD,
    hyperliquid_portfolio.CARD,
    BINANCE_USDM,
    binance_multi_assets.CARD,
    binance_portfolio.CARD,
    bybit.CROSS_CARD,
    bybit.ISOLATED_CARD,
    okx_tiered.CROSS_CARD,
    okx_tiered.ISOLATED_CARD,
    okx_portfolio.CARD,
    DERIBIT_STANDARD,
    deribit_portfolio.CARD,
    deribit_portfolio.CROSS_CARD,
    derive_standard.CARD,
    derive_portfolio.CARD,
    paradex_portfolio.CARD,
    DYDX_CROSS,
    aave.CARD,
    span.CARD,
    expected_shortfall.CARD,
    SPOT,
)


def card(name: str) -> RuleCard:
    """The card of a rule; an unknown name raises `InputError` with those that are known."""
    for found in CARDS:
        if found.name == name:
            return found
    known = ", ".join(sorted(each.name for each in CARDS))
    raise InputError("margin rule", name, f"expected one of {known}")
