# SPDX-License-Identifier: Apache-2.0
"""dYdX v4: subaccounts of an address by the indexer, without a key (docs.dydx.xyz, November 2026).

The USDC of a subaccount is what is left after its positions were paid for, so its balance here is
that plus what they cost at their entries. Positions are marked at oracle prices. The indexer tells
equity and free collateral, hence initial margin; it tells no maintenance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from math import ceil

import msgspec

from tidegate.venues.accounts.answers import answer
from tidegate.venues.accounts.told import Book, Market, Stated, Told, moment, number
from tidegate.venues.exchanges.client import Client

USDC, QUOTE = "USDC", "-USD"
DIGITS = 12


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Position(_Camel, frozen=True):
    """A perpetual position; its size is signed."""

    market: str
    size: Decimal
    entry_price: Decimal


class Asset(_Camel, frozen=True):
    """A balance; its size has no sign."""

    symbol: str
    side: str
    size: Decimal


class Subaccount(_Camel, frozen=True):
    """Equity, free collateral and positions."""

    subaccount_number: int
    equity: Decimal
    free_collateral: Decimal
    open_perpetual_positions: dict[str, Position]
    asset_positions: dict[str, Asset]


class Listing(_Camel, frozen=True):
    """A market: oracle price, margin fractions, steps and open interest."""

    ticker: str
    oracle_price: Decimal
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    open_interest: Decimal
    tick_size: str
    step_size: str
    open_interest_lower_cap: Decimal = Decimal(0)
    open_interest_upper_cap: Decimal = Decimal(0)


class Answers(msgspec.Struct, frozen=True):
    """All that was asked of one address."""

    time: str
    subaccounts: list[Subaccount]
    markets: dict[str, Listing]


def accounts(venue: str, answers: Answers) -> tuple[Told, ...]:
    """One account for each subaccount that holds anything."""
    used = [s for s in answers.subaccounts if s.equity or s.open_perpetual_positions]
    return tuple(_told(venue, answers, one) for one in used)


def _told(venue: str, answers: Answers, one: Subaccount) -> Told:
    held = one.open_perpetual_positions
    market = market_of(answers.markets, held)
    cash = sum((a.size if a.side == "LONG" else -a.size for a in _dollars(one)), Decimal(0))
    cost = sum((p.size * p.entry_price for p in held.values()), Decimal(0))
    book = {
        "as_of": moment(_ms(answers.time)),
        "venue": f"{venue}.{one.subaccount_number}",
        "rule": "dydx_cross",
        "collateral": USDC,
        "balances": {USDC: number(cash + cost)},
        "positions": [_position(row, held[name]) for name, row in market.rows.items()],
        "coins": market.coins,
    }
    stated = Stated(USDC, one.equity, one.equity - one.free_collateral)
    others = [a.symbol for a in one.asset_positions.values() if a.symbol != USDC]
    strange = [*market.lacking, *others]
    return Told(book, stated, tuple(f"{name}: not listed" for name in strange))


def _dollars(one: Subaccount) -> Iterable[Asset]:
    return (a for a in one.asset_positions.values() if a.symbol == USDC)


def market_of(listed: Mapping[str, Listing], symbols: Iterable[str]) -> Market:
    """Markets as positions of nothing."""
    names = sorted(symbols)
    known = [listed[name] for name in names if name in listed]
    rows = {one.ticker: _row(one) for one in known}
    coins = {_coin(one): {"index": number(one.oracle_price)} for one in known}
    return Market(rows, coins, 0, tuple(name for name in names if name not in listed))


def _row(one: Listing) -> Book:
    first, last = one.initial_margin_fraction, one.maintenance_margin_fraction
    share = round(last / first, DIGITS).normalize()
    return {
        "symbol": one.ticker,
        "kind": "perpetual",
        "base": _coin(one),
        "settle": USDC,
        "tick": one.tick_size,
        "lot": one.step_size,
        "size": "0",
        "mark": number(one.oracle_price),
        "funding": "0",
        # The next whole leverage, so that the market's own fraction is what binds.
        "leverage": ceil(1 / first),
        "open_interest": number(one.open_interest),
        "liquidity_tier": {
            "initial": number(first),
            "maintenance_fraction": number(share),
            "open_notional_lower": number(one.open_interest_lower_cap),
            "open_notional_upper": number(one.open_interest_upper_cap),
        },
    }


def _coin(one: Listing) -> str:
    return one.ticker.removesuffix(QUOTE)


def _position(row: Book, held: Position) -> Book:
    return {**row, "size": number(held.size), "entry": number(held.entry_price)}


def _ms(iso: str) -> int:
    return round(datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp() * 1_000)


class _Clock(msgspec.Struct, frozen=True):
    iso: str


class _Subaccounts(msgspec.Struct, frozen=True):
    subaccounts: list[Subaccount]


class _Markets(msgspec.Struct, frozen=True):
    markets: dict[str, Listing]


def ask(client: Client, address: str) -> Answers:
    """Everything that an address holds; raises `NotTold`."""
    of = partial(client.indexerGetAddressesAddress, {"address": address})
    every = answer("subaccounts", of, _Subaccounts).subaccounts
    markets = answer("perpetualMarkets", client.indexerGetPerpetualMarkets, _Markets).markets
    clock = answer("time", client.indexerGetTime, _Clock)
    return Answers(clock.iso, every, markets)


def ask_market(client: Client, symbols: Iterable[str]) -> Market:
    """What is public of markets, at no time of its own; raises `NotTold`."""
    listed = answer("perpetualMarkets", client.indexerGetPerpetualMarkets, _Markets).markets
    return market_of(listed, symbols)
