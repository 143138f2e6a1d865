# SPDX-License-Identifier: Apache-2.0
"""How far each coin may move before the account is liquidated, and the account in other markets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.margin.liquidation_distance import (
    HIGHEST_RATIO,
    LOWEST_RATIO,
    STEPS,
    liquidation_ratios,
    moved_market,
)
from tidegate.margin.market_values import MarketValues, index_of, mark_of
from tidegate.margin.prices import Prices
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

EDGE = 1e-9


class Side(msgspec.Struct, frozen=True):
    """One direction: the relative move and price of the coin at which health is first zero.

    "never" where no move within `searched_to` does it; "unknown" where the rule cannot judge beyond
    it (past the last tier, or a figure is missing), for the reason in `why`.
    """

    status: Literal["dies", "never", "unknown"]
    move: float | None
    price: float | None
    searched_to: float | None
    why: str = ""


class Distance(msgspec.Struct, frozen=True):
    """A coin's price now, by the figure that is named, and how far it may fall and rise."""

    coin: str
    price: float | None
    price_of: str
    below: Side
    above: Side


def coins_of(account: AccountBook) -> list[str]:
    """Every coin that the account's health may depend on."""
    prices = Prices(account.market, 0.0)
    bases = {held.instrument.base for held in account.holdings.positions}
    owned = {asset for asset, amount in account.holdings.collateral.items() if amount}
    return sorted(coin for coin in bases | owned if not prices.is_dollar(coin))


def moved_account(
    account: AccountBook, coins: Sequence[str], ratio: float, vol_ratio: float = 1.0
) -> MarketValues:
    """The market after the prices of these coins and the vols of their options were multiplied."""
    return moved_market(account.market, account.holdings, coins, ratio, vol_ratio)


def distances(account: AccountBook) -> tuple[Distance, ...]:
    """Of every coin alone, the others standing still."""
    return tuple(_distance(account, coin) for coin in coins_of(account))


def _distance(account: AccountBook, coin: str) -> Distance:
    name, price = _price(account, coin)
    try:
        found = liquidation_ratios(account.rule, account.holdings, account.market, coin)
    except InputError as error:
        lost = Side("unknown", None, None, None, f"{error.field}: {error.expected}")
        return Distance(coin, price, name, lost, lost)
    sides = []
    ways = ((found.below, found.lowest, LOWEST_RATIO), (found.above, found.highest, HIGHEST_RATIO))
    for ratio, reached, end in ways:
        side = _side(ratio, reached, end, price)
        if side.status == "unknown":
            side = replace(side, why=_why_not_beyond(account, coin, reached, end))
        sides.append(side)
    return Distance(coin, price, name, *sides)


def _side(found: float | None, reached: float, end: float, price: float | None) -> Side:
    if found is not None:
        at = None if price is None else price * found
        return Side("dies", found - 1.0, at, None)
    stopped = abs(reached / end - 1.0) > EDGE
    return Side("unknown" if stopped else "never", None, None, reached - 1.0)


def _why_not_beyond(account: AccountBook, coin: str, reached: float, end: float) -> str:
    """What the rule says in the first market that it refused, one step beyond the last judged."""
    beyond, why = reached * end ** (1.0 / STEPS), "no tier or figure is given for it"
    try:
        account.rule.statement(account.holdings, moved_account(account, [coin], beyond))
    except InputError as error:
        why = f"{error.field}: {error.expected}"
    return f"the rule cannot judge beyond: {why}"


def _price(account: AccountBook, coin: str) -> tuple[str, float | None]:
    """The index, else the first contract's mark."""
    values = account.market.values
    if index_of(coin) in values:
        return "index", values[index_of(coin)].value
    for held in account.holdings.positions:
        one = held.instrument
        if one.base == coin and not isinstance(one, Option) and mark_of(one.id) in values:
            return one.symbol, values[mark_of(one.id)].value
    return "", None
