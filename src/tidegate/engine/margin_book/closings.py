# SPDX-License-Identifier: Apache-2.0
"""What the venue closes first: now, or where the nearest move of one coin kills the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log

import msgspec

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.distances import Distance, moved_account
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.margin.binance_multi_assets import BinanceMultiAssets
from tidegate.margin.bybit import BybitCross
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.hyperliquid_isolated import HyperliquidIsolated
from tidegate.margin.market_values import MarketValues
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError

# How far beyond the border the account is looked at, until it is below maintenance.
BEYOND = (1e-9, 1e-6, 1e-4, 1e-2)


class Trade(msgspec.Struct, frozen=True):
    """What the venue trades: signed size, in the book's sizes."""

    symbol: str
    size: float


class Closing(msgspec.Struct, frozen=True):
    """`documented` is what the venue's papers say; where the rule plays it, `at` says in which
    market, `stage` which step, and `trades` what is traded first."""

    documented: str
    at: str = ""
    stage: str = ""
    trades: tuple[Trade, ...] = ()


def first_closed(account: AccountBook, now: Statement, moves: Sequence[Distance]) -> Closing:
    """The first step of liquidation, as far as the rule knows it."""
    documented = account.card.closes_first
    if now.health < 0.0:
        return _closing(account, account.market, "now", documented)
    for coin, ratio in _nearest(moves):
        for beyond in BEYOND:
            further = ratio * (1.0 - beyond if ratio < 1.0 else 1.0 + beyond)
            found = _closing_at(account, coin, further, documented)
            if found.stage:
                return found
    return Closing(documented)


def _nearest(moves: Sequence[Distance]) -> list[tuple[str, float]]:
    """The coin and ratio of the nearest death, or nothing."""
    sides = [(each.coin, side) for each in moves for side in (each.below, each.above)]
    found = [(coin, 1.0 + side.move) for coin, side in sides if side.move is not None]
    return sorted((one for one in found if one[1] > 0.0), key=lambda one: abs(log(one[1])))[:1]


def _closing_at(account: AccountBook, coin: str, ratio: float, documented: str) -> Closing:
    try:
        market = moved_account(account, [coin], ratio)
    except InputError:
        return Closing(documented)
    return _closing(account, market, f"{coin} {ratio - 1.0:+.1%}", documented)


def _closing(account: AccountBook, market: MarketValues, at: str, documented: str) -> Closing:
    try:
        step = _step(replace(account, market=market))
    except InputError:
        step = None
    if step is None:
        return Closing(documented)
    stage, trades = step
    named = tuple(Trade(account.symbol(name), size) for name, size in trades)
    return Closing(documented, at, stage, named)


def _step(account: AccountBook) -> tuple[str, list[tuple[str, float]]] | None:
    """The name of the step and what it trades; None where the rule plays none or is solvent."""
    rule = account.rule
    if isinstance(rule, ExactAccount):
        return _exact_step(rule, account)
    if isinstance(rule, HyperliquidIsolated | BinanceMultiAssets | BybitCross | DeribitPortfolio):
        action = rule.liquidation(account.holdings, account.market)
        return None if action is None else (action.stage, list(action.closes))
    return None


def _exact_step(
    rule: ExactAccount, account: AccountBook
) -> tuple[str, list[tuple[str, float]]] | None:
    step = rule.step(account.holdings, account.market)
    if step is None:
        return None
    trades = [(name, rule.size_of(name, lots)) for name, lots in step.closes]
    return "takeover" if step.takeover else "close", trades
