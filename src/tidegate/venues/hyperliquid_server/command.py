# SPDX-License-Identifier: Apache-2.0
"""What `tidegate paper hyperliquid` does: a market, paper accounts, and a server until it ends."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.venues.hyperliquid_server import listing
from tidegate.venues.hyperliquid_server.house import House
from tidegate.venues.hyperliquid_server.keys import addresses
from tidegate.venues.hyperliquid_server.rate_limits import BUFFER, WEIGHT_A_MINUTE, Weights
from tidegate.venues.hyperliquid_server.server import LOOPBACK, serve_to_the_end
from tidegate.venues.paper_arguments import Asked
from tidegate.venues.street.clock import RunningClock
from tidegate.venues.street.market import MarketTerms, make_market
from tidegate.venues.street.street import Street

# Dollars of a new account, in quanta: a hundred thousand.
OPENING = 100_000 * 10**6
KEYS = "hyperliquid-paper.json"


def serve(asked: Asked) -> None:
    """Serve until the market ends; raises `InputError` where it cannot."""
    path = asked.credentials or Path(tempfile.mkdtemp(prefix="tidegate-")) / KEYS
    house = open_house(asked, path, _wall_ms)
    serve_to_the_end(house, asked.port, lambda port: _tell(house, asked, path, port))


def open_house(asked: Asked, path: Path, wall_ms: Callable[[], int]) -> House:
    """The market, its clock and an account for each key of a file."""
    coins = listing.coins()
    listed = listing.listings(coins)
    terms = MarketTerms(asked.seed, asked.days, asked.crisis, wall_ms(), listing.VENUE, listed)
    market = make_market(terms)
    street = Street(market, listing.terms(coins), RunningClock(market.begin_ms, asked.speed))
    weights = Weights(WEIGHT_A_MINUTE if asked.limits else 0)
    house = House(street, coins, OPENING, wall_ms, weights, BUFFER if asked.limits else 0)
    for address in addresses(path, asked.accounts):
        house.open(address)
    return house


def _tell(house: House, asked: Asked, path: Path, port: int) -> None:
    where = {
        "rest": f"http://{LOOPBACK}:{port}",
        "websocket": f"ws://{LOOPBACK}:{port}/ws",
        "credentials": str(path),
        "begin_ms": house.street.market.begin_ms,
        "end_ms": house.street.end_ms,
    }
    words = f"paper Hyperliquid on {where['rest']} and {where['websocket']}; keys in {path}"
    print(json.dumps(where) if asked.as_json else words, flush=True)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
