# SPDX-License-Identifier: Apache-2.0
"""A book's sizes from a file, its figures from venues' public data, without a key.

What moves and what the venue sets is the venue's: marks, vols, tiers, open interest, index and
forwards. What is ours stays the file's: sizes, entries, balances, leverage, orders. What is only in
the file of figures keeps the file's time, and is refused where that is too old by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tidegate.model.errors import InputError
from tidegate.venues.accounts import binance, bybit, deribit, derive, dydx, hyperliquid, okx
from tidegate.venues.accounts.answers import NotTold, Refused
from tidegate.venues.accounts.told import Market, moment
from tidegate.venues.exchanges.client import Client, open_client

MARKETS: dict[str, Callable[[Client, Iterable[str]], Market]] = {
    "hyperliquid": hyperliquid.ask_market,
    "dydx": dydx.ask_market,
    "deribit": deribit.ask_market,
    "binance": binance.ask_market,
    "okx": okx.ask_market,
    "bybit": bybit.ask_market,
    "derive": derive.ask_market,
}
FIGURES = ("mark", "vol")
SET_BY_VENUE = (*FIGURES, "tiers", "liquidity_tier", "open_interest")


def ask_markets(value: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Market]:
    """The public data of each account of a book, by its `venue`; raises `InputError`.

    The venue that is asked is the first word of the account's rule.
    """
    return {
        str(account["venue"]): _ask(account, urls)
        for account in _accounts(value)
        if account.get("positions")
    }


def _accounts(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    accounts = value.get("accounts")
    if not isinstance(accounts, list) or not all(
        isinstance(one, dict) and isinstance(one.get("rule"), str) and one.get("venue")
        for one in accounts
    ):
        raise InputError("observe", "accounts", "expected accounts with a venue and a rule")
    return accounts


def _ask(account: Mapping[str, Any], urls: Mapping[str, str]) -> Market:
    kind = account["rule"].partition("_")[0]
    if kind not in MARKETS:
        expected = f"expected a rule of one of {', '.join(MARKETS)} with --public"
        raise InputError("observe", f"{account['venue']}.rule", expected)
    client = open_client(kind, None, urls.get(kind))
    try:
        symbols = [str(row["symbol"]) for row in account["positions"]]
        return _market(partial(MARKETS[kind], client), symbols)
    except NotTold as error:
        where = f"expected an answer, got {error}"
        raise InputError("observe", str(account["venue"]), where) from None
    except (KeyError, TypeError):
        expected = "expected positions with a symbol each"
        raise InputError("observe", f"{account['venue']}.positions", expected) from None


def _market(ask: Callable[[list[str]], Market], symbols: list[str]) -> Market:
    """The market of symbols, those that the venue does not have among its `lacking`."""
    try:
        return ask(symbols)
    except Refused:
        if len(symbols) == 1:
            return Market({}, lacking=(symbols[0],))
    each = [_market(ask, [symbol]) for symbol in symbols]
    return Market(
        {name: row for one in each for name, row in one.rows.items()},
        {name: coin for one in each for name, coin in one.coins.items()},
        max(one.ts_ms for one in each),
        tuple(symbol for one in each for symbol in one.lacking),
    )


def with_markets(
    value: Mapping[str, Any], markets: Mapping[str, Market], now_ms: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The book at the latest time of the markets, or `now_ms` where none has one, and in words what
    is not listed."""
    times = [market.ts_ms for market in markets.values() if market.ts_ms]
    as_of = moment(max(times, default=now_ms))
    accounts = [_told(one, markets, as_of, str(value["as_of"])) for one in _accounts(value)]
    lacking = tuple(
        f"{venue}: {symbol}: not listed"
        for venue, market in markets.items()
        for symbol in market.lacking
    )
    return {**value, "as_of": as_of, "accounts": accounts}, lacking


def _told(
    account: Mapping[str, Any], markets: Mapping[str, Market], as_of: str, before: str
) -> dict[str, Any]:
    seen = account.get("figures_as_of") or account.get("as_of") or before
    told = {**account, "as_of": as_of, "figures_as_of": seen}
    market = markets.get(str(account["venue"]))
    if market is None:
        return told
    rows = [_row(row, market.rows.get(row["symbol"], {}), as_of) for row in account["positions"]]
    coins = dict(account.get("coins") or {})
    for coin, figures in market.coins.items():
        coins[coin] = {**(coins.get(coin) or {}), **_dated(figures, ("index",), as_of)}
    return {**told, "positions": rows, "coins": coins}


def _row(said: Mapping[str, Any], told: Mapping[str, Any], as_of: str) -> dict[str, Any]:
    dated = _dated(told, FIGURES, as_of)
    return {**dated, **said, **{name: dated[name] for name in SET_BY_VENUE if name in dated}}


def _dated(told: Mapping[str, Any], names: Iterable[str], as_of: str) -> dict[str, Any]:
    """Figures that a venue tells without their time were told as they were asked for."""
    plain = {n: told[n] for n in names if n in told and not isinstance(told[n], Mapping)}
    return {**told, **{name: {"value": v, "as_of": as_of} for name, v in plain.items()}}
