# SPDX-License-Identifier: Apache-2.0
"""What `tidegate session` does: hold the keys, and sign for an engine what was approved."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from tidegate.execution.secret_file import read_secret
from tidegate.risk.gate import Gate
from tidegate.venues.accounts.permissions import expect_key
from tidegate.venues.exchanges.binance import open_binance
from tidegate.venues.exchanges.bybit import open_bybit
from tidegate.venues.exchanges.client import Client, open_client
from tidegate.venues.exchanges.credentials import public_name, read_credentials
from tidegate.venues.exchanges.deribit import DeribitSession
from tidegate.venues.exchanges.hearing import Hearing
from tidegate.venues.exchanges.house import ExchangeHouse
from tidegate.venues.exchanges.hyperliquid import HyperliquidSession
from tidegate.venues.exchanges.okx import open_okx
from tidegate.venues.exchanges.policy import Officer
from tidegate.venues.exchanges.session import Session, Venue
from tidegate.venues.exchanges.session_log import SessionLog
from tidegate.venues.exchanges.settings import (
    SessionFile,
    identity,
    keep_standing,
    read_session_file,
    standing_since,
    venue_of,
)
from tidegate.venues.paper_server import Access, PaperServer, tell
from tidegate.venues.streams.talk import stream_address
from tidegate.venues.toml_file import beside

Opens = Callable[[Client, Venue], Session]
SESSIONS: Mapping[str, Opens] = {
    "hyperliquid": HyperliquidSession,
    "deribit": DeribitSession,
    "binance": open_binance,
    "bybit": open_bybit,
    "okx": open_okx,
}


COMMAND = "tidegate session"


def wall_ms() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


def _say(words: str) -> None:
    tell(COMMAND, words)


def open_house(
    path: Path, said: SessionFile, gate: Gate, since_ms: Mapping[str, int]
) -> ExchangeHouse:
    """All sessions of a settings file, their log read; `since_ms` says since when each address of
    the policy has stood. Raises `InputError`, and then leaves no log that was not there."""
    sessions, keys = dict[str, Session](), dict[str, str]()
    transfers = "transfer" in said.policy.kinds
    for name, venue in said.venue.items():
        field = f"venue.{name}.credentials"
        credentials = read_credentials(venue.credentials, field, path.parent)
        client = open_client(venue.kind, credentials, venue.url)
        expect_key(field, venue.kind, client, transfers=transfers, acts=True)
        keys[name] = public_name(credentials)
        sessions[name] = SESSIONS[venue.kind](client, venue_of(name, venue, str(path)))
    contracts = {c.id: c for s in sessions.values() for c in s.venue.contracts.values()}
    log = SessionLog(beside(path, said.session.log), contracts, identity(said, keys))
    try:
        house = ExchangeHouse(sessions, gate, Officer(said.policy, since_ms), log, wall_ms, _say)
        house.open()
    except BaseException:
        log.withdraw()
        raise
    return house


def hearing_of(house: ExchangeHouse, said: SessionFile) -> Hearing:
    """The streams of all accounts that are listened to."""
    streams = {
        name: (stream_address(said.venue[name].kind, said.venue[name].url), talk)
        for name, talk in house.talks().items()
    }
    return Hearing(streams, _say)


def serve_session(path: Path, as_json: bool) -> None:
    """Serve until it is interrupted; raises `InputError` where the settings cannot be used."""
    said = read_session_file(path)
    trading, watching, key = (
        read_secret(beside(path, getattr(said.session, name)))
        for name in ("trading_token", "watching_token", "gate_key")
    )
    addresses = beside(path, said.session.log).with_suffix(".addresses")
    since_ms = standing_since(addresses, said.policy, wall_ms())
    house = open_house(path, said, Gate(key), since_ms)
    done = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        done.set()

    access = Access(trading, watching, lease=house.lease(time.monotonic))
    hearing = hearing_of(house, said)
    try:
        server = PaperServer(house, access, wall_ms, said.session.port, COMMAND, hearing.wait)
        keep_standing(addresses, since_ms)
    except BaseException:
        house.withdraw()
        raise
    signal.signal(signal.SIGTERM, stop)
    with hearing, server:
        where = {"port": server.port, "venues": sorted(said.venue)}
        line = json.dumps(where) if as_json else f"session on 127.0.0.1:{server.port}"
        print(line, flush=True)
        done.wait()
