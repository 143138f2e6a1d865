# SPDX-License-Identifier: Apache-2.0
"""Venues' margin rules: requirement, equity, health and what can be withdrawn.

Where the margin of a venue's account is computed; names are those of `registry`, whose cards say
where each rule comes from and what it does not know. Rules of integers margin-call on the exchange
(`rule.MarginRule`), rules of floats state a whole account (`statement.AccountRule`).

    venue        account                            numbers   file
    Aave         v3, collateral and debts           floats    aave
    Binance      USD-M, single asset, cross         integers  linear
                 USD-M, multi-assets                floats    binance_multi_assets
                 portfolio margin (uniMMR)          floats    binance_portfolio
    Bybit        unified cross, isolated            floats    bybit
    Deribit      standard, perpetuals and futures   integers  deribit
                 standard, with options             integers  deribit_options
                 portfolio, segregated and cross    floats    deribit_portfolio
    Derive       standard manager                   floats    derive_standard
                 portfolio manager PM2              floats    derive_portfolio
    dYdX         v4, cross                          integers  dydx
    Hyperliquid  cross                              integers  linear
                 isolated                           floats    hyperliquid_isolated
                 portfolio margin                   floats    hyperliquid_portfolio
    OKX          multi-currency, isolated           floats    okx_tiered
                 portfolio margin (MR1 to MR9)      floats    okx_portfolio
    Paradex      portfolio margin                   floats    paradex_portfolio
    any          SPAN, 16 scenarios                 floats    span
                 97.5 % expected shortfall          floats    expected_shortfall
                 a wallet without borrowing         integers  linear

A file beside these whose name begins with the venue's is a part of its rule: parameters, books,
many markets, convex form, liquidation. What rules share:

    market_values, prices, holdings, holding_values       what a rule is given, and reads of it
    tiers, position_tiers, tiered_account, tranches       tables: of integers, of floats
    collateral, borrowing, open_orders, isolated_position
    scenario/, coin_books                                 revaluation under shocks
    convex_form, scenario/convex, batch                   bounds for the allocator: amount, book
    scenario/path_form, tiered_paths                      the same of a book in many moved markets
    marginal, scenario/marginal                           what a position adds: one rule, one batch
    liquidation, liquidation_distance                     where an account dies: in ticks, in floats
    liquidation_action, adl                               what the venue does then
"""
