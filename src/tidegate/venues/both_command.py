# SPDX-License-Identifier: Apache-2.0
"""What `tidegate paper both` does: the local Hyperliquid and Deribit on one world and one clock.

Each venue has its own market of the same seed, begin and past, which are therefore of one world:
prices of a coin differ between them as the world's own venues do. The past is long enough for an
engine's forecasts. The account's keys are written as `tidegate session` reads them.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from tidegate.execution.secret_file import read_private, write_private
from tidegate.model.errors import InputError
from tidegate.venues.deribit_server import accounts, contracts
from tidegate.venues.deribit_server.command import house as deribit_house
from tidegate.venues.deribit_server.credits import Limits
from tidegate.venues.deribit_server.house import House as DeribitHouse
from tidegate.venues.deribit_server.server import HOST, LOOK_S, Server
from tidegate.venues.hyperliquid_server import keys, listing
from tidegate.venues.hyperliquid_server.house import House as HyperliquidHouse
from tidegate.venues.hyperliquid_server.rate_limits import BUFFER, WEIGHT_A_MINUTE, Weights
from tidegate.venues.hyperliquid_server.server import serving
from tidegate.venues.paper_arguments import Asked
from tidegate.venues.street.clock import Clock, RunningClock, expect_speed
from tidegate.venues.street.market import Market, MarketTerms, make_market
from tidegate.venues.street.street import Street

PAST_DAYS = 75
# Dollars of the account at Hyperliquid, in quanta; Deribit's has a million.
OPENING = 500_000 * 10**6
HYPERLIQUID_KEY, DERIBIT_KEY = "hyperliquid.key.json", "deribit.key.json"
FILE_MAX, LAST_PORT = 4_096, 65_535


@dataclass(frozen=True, slots=True)
class Both:
    """Two houses whose streets go by one clock."""

    hyperliquid: HyperliquidHouse
    deribit: DeribitHouse

    @property
    def over(self) -> bool:
        """Whether both markets have ended."""
        streets = self.hyperliquid.street, self.deribit.street
        return all(s.now_ms + s.market.terms.tick_ms > s.end_ms for s in streets)


def serve(asked: Asked) -> None:
    """Serve until the markets end; raises `InputError` where it cannot."""
    if asked.port == LAST_PORT:
        expected = f"expected {LAST_PORT - 1} at most: Deribit's port is the next one"
        raise InputError("tidegate paper both", "--port", expected)
    expect_speed(asked.speed)
    folder = asked.credentials or Path(tempfile.mkdtemp(prefix="tidegate-"))
    markets = one_world(asked, time.time_ns() // 1_000_000)
    clock = RunningClock(markets[0].begin_ms, asked.speed)
    asyncio.run(_serve(open_both(markets, clock, folder, asked.limits), asked, folder))


def one_world(asked: Asked, begin_ms: int) -> tuple[Market, Market]:
    """Hyperliquid's and Deribit's markets of one world; no options are offered."""
    coins = listing.listings(listing.coins())
    about = asked.seed, asked.days, asked.crisis, begin_ms
    first = MarketTerms(*about, listing.VENUE, coins, past_days=PAST_DAYS)
    second = replace(contracts.market_terms(*about), offers=(), past_days=PAST_DAYS)
    return make_market(first), make_market(second)


def open_both(
    markets: tuple[Market, Market], clock: Clock, folder: Path, limits: bool = False
) -> Both:
    """Both houses, with an account for each key of a folder, where new ones are written."""
    address, credentials = _hyperliquid_key(folder), _deribit_key(folder)
    coins = listing.coins()
    street = Street(markets[0], listing.terms(coins), clock)
    bounds = Weights(WEIGHT_A_MINUTE if limits else 0), BUFFER if limits else 0
    first = HyperliquidHouse(street, coins, OPENING, _wall_ms, *bounds)
    # An approval's expiry is of the venues' time, which is not this machine's.
    first.due_ms = clock.now_ms
    first.open(address)
    return Both(first, deribit_house(markets[1], clock, (credentials,), Limits(limits)))


async def _serve(both: Both, asked: Asked, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(both.hyperliquid, asked.port))
        port = asked.port + 1 if asked.port else 0
        second = await stack.enter_async_context(Server(both.deribit, port))
        where = {
            "hyperliquid": f"http://{HOST}:{first.port}",
            "deribit": f"http://{HOST}:{second.port}",
            "keys": str(folder),
            "begin_ms": both.hyperliquid.street.market.begin_ms,
            "end_ms": both.hyperliquid.street.end_ms,
        }
        words = f"paper Hyperliquid on {where['hyperliquid']}, Deribit on {where['deribit']}"
        print(json.dumps(where) if asked.as_json else f"{words}; keys in {folder}", flush=True)

        async def watch() -> None:
            while not both.over:
                first.check()
                await asyncio.sleep(LOOK_S)

        await asyncio.gather(second.to_the_end(), watch())


def _hyperliquid_key(folder: Path) -> str:
    path = folder / HYPERLIQUID_KEY
    if not path.exists() and not path.is_symlink():
        made = keys.new_key()
        _write(path, {"walletAddress": made.address, "privateKey": made.private_key})
        return made.address
    said = _read(path, ("walletAddress", "privateKey"))
    try:
        sound = keys.key_address(said["privateKey"]) == said["walletAddress"].lower()
    except ValueError:
        sound = False
    if not sound:
        raise InputError(str(path), "privateKey", "expected the key of its address")
    return said["walletAddress"].lower()


def _deribit_key(folder: Path) -> accounts.Credentials:
    path = folder / DERIBIT_KEY
    made = accounts.new_credentials(0)
    if not path.exists() and not path.is_symlink():
        _write(path, {"apiKey": made.client_id, "secret": made.client_secret})
        return made
    said = _read(path, ("apiKey", "secret"))
    return msgspec.structs.replace(made, client_id=said["apiKey"], client_secret=said["secret"])


def _write(path: Path, fields: Mapping[str, str]) -> None:
    write_private(path, msgspec.json.encode(fields) + b"\n")


def _read(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The fields of a key; raises `InputError`, which never quotes the file."""
    expected = f"expected a key with {' and '.join(names)}, a JSON file"
    try:
        said = msgspec.json.decode(read_private(path, FILE_MAX), type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InputError(str(path), "file", expected) from None
    if said.keys() != set(names) or not all(said.values()):
        raise InputError(str(path), "file", expected)
    return said


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
