# SPDX-License-Identifier: Apache-2.0
"""A small street for tests: one seed's market, a clock by hand, accounts with money."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.venues.deribit_server.contracts import market_terms, street_terms
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.clock import HandClock
from tidegate.venues.street.market import Market, make_market
from tidegate.venues.street.street import Street

COIN, DOLLAR = 10**8, 10**6
BTC, ETH, USDC = "deribit-btc", "deribit-eth", "deribit-usdc"
# Monday, 30 November 2026, 06:00 UTC.
BEGIN_MS = 20_787 * DAY_MS + 6 * HOUR_MS
RICH = {(BTC, "BTC"): 100 * COIN, (ETH, "ETH"): 1_000 * COIN, (USDC, "USDC"): 10**7 * DOLLAR}


@lru_cache
def market(crisis: str = "calm", seed: int = 7, options: bool = True) -> Market:
    terms = market_terms(seed, 1, crisis, BEGIN_MS)
    return make_market(terms if options else replace(terms, offers=()))


def street(crisis: str = "calm", seed: int = 7, options: bool = True) -> tuple[Street, HandClock]:
    made = market(crisis, seed, options)
    clock = HandClock(made.begin_ms)
    return Street(made, street_terms(made), clock), clock


def opened(street: Street, key: str = "one", deposits: object = None) -> StreetAccount:
    account = street.open(key, RICH if deposits is None else deposits)  # type: ignore[arg-type]
    street.advance()
    return account
