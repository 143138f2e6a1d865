# SPDX-License-Identifier: Apache-2.0
"""What `tidegate paper deribit` does: a market, paper accounts, and a server until it ends."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tidegate.venues.deribit_server.accounts import Credentials, Keyring, credentials
from tidegate.venues.deribit_server.contracts import VENUES, market_terms, street_terms
from tidegate.venues.deribit_server.credits import Limits
from tidegate.venues.deribit_server.house import House
from tidegate.venues.deribit_server.server import HOST, REST, WEBSOCKET, run
from tidegate.venues.paper_arguments import Asked
from tidegate.venues.street.clock import Clock, RunningClock
from tidegate.venues.street.market import Market, make_market
from tidegate.venues.street.street import Street

# Paper money of each account, in quanta: 10 BTC, 100 ETH, a million USDC.
MONEY = {"BTC": 10 * 10**8, "ETH": 100 * 10**8, "USDC": 10**6 * 10**6}
CREDENTIALS = "deribit-paper.json"


@dataclass(frozen=True, slots=True)
class Opened:
    """A house, and where its credentials stand."""

    house: House
    path: Path


def serve(asked: Asked) -> None:
    """Serve until the market ends; raises `InputError` where it cannot."""
    opened = open_house(asked)
    run(opened.house, asked.port, lambda port: _say(opened, asked, port))


def open_house(asked: Asked) -> Opened:
    """The market, its clock and the accounts of a file."""
    market = make_market(
        market_terms(asked.seed, asked.days, asked.crisis, time.time_ns() // 1_000_000)
    )
    clock = RunningClock(market.begin_ms, asked.speed)
    path = asked.credentials or Path(tempfile.mkdtemp(prefix="tidegate-")) / CREDENTIALS
    held = credentials(path, asked.accounts)
    return Opened(house(market, clock, held, Limits(asked.limits)), path)


def house(market: Market, clock: Clock, held: Iterable[Credentials], limits: Limits) -> House:
    """A house with an account of paper money for each key."""
    street, keys = Street(market, street_terms(market), clock), tuple(held)
    for number, one in enumerate(keys):
        money = {(VENUES[asset], asset): quanta for asset, quanta in MONEY.items()}
        street.open(one.client_id, money, seed=number)
    return House(street, Keyring(keys), limits)


def _say(opened: Opened, asked: Asked, port: int) -> None:
    street = opened.house.street
    where = {
        "rest": f"http://{HOST}:{port}{REST}",
        "websocket": f"ws://{HOST}:{port}{WEBSOCKET}",
        "credentials": str(opened.path),
        "begin_ms": street.market.begin_ms,
        "end_ms": street.end_ms,
    }
    words = f"paper Deribit on {where['rest']} and {where['websocket']}; keys in {opened.path}"
    print(json.dumps(where) if asked.as_json else words, flush=True)
