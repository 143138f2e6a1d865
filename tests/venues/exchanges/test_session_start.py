# SPDX-License-Identifier: Apache-2.0
"""A session that fails to start leaves nothing, and one that starts knows its own log."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")

from tests.venues.drill import GATE, NOW, TRADE, WATCH
from tests.venues.exchanges.fake_session import FakeSession
from tidegate.execution.secret_file import write_private, write_secret
from tidegate.model.errors import InputError
from tidegate.venues.exchanges.client import Client
from tidegate.venues.exchanges.session import Session, Venue
from tidegate.venues.exchanges.session_command import SESSIONS, open_house, serve_session
from tidegate.venues.exchanges.settings import read_session_file

SETTINGS = """
[session]
trading_token = "trading.token"
watching_token = "watching.token"
gate_key = "gate.key"
log = "session.log"
port = {port}
[venue.hyperliquid]
kind = "hyperliquid"
credentials = "file:key.json"
[venue.hyperliquid.contracts]
BTC = {{ base = "BTC", tick = "1", lot = "0.00001" }}
[policy]
kinds = ["order", "transfer"]
[[policy.withdrawals]]
source = "hyperliquid"
destination = "deribit"
asset = "USDC"
address = "0xours"
most_day = 1000
"""
FILES = ["gate.key", "key.json", "session.toml", "trading.token", "watching.token"]


class Start:
    """A folder with a session's files, and the venue behind it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.path, self.fake = folder, folder / "session.toml", FakeSession(NOW)
        self.says(0)
        for name, secret in (("trading.token", TRADE), ("watching.token", WATCH)):
            write_secret(folder / name, secret)
        write_secret(folder / "gate.key", b"k" * 32)
        self.key("key.json", "0x" + "1" * 40)
        monkeypatch.setitem(SESSIONS, "hyperliquid", self._session)  # type: ignore[arg-type]

    def _session(self, client: Client, venue: Venue) -> Session:
        self.fake.venue = venue
        return self.fake

    def says(self, port: int) -> None:
        self.path.write_text(SETTINGS.format(port=port))

    def key(self, name: str, address: str) -> None:
        text = json.dumps({"walletAddress": address, "privateKey": "0x" + "2" * 64})
        write_private(self.folder / name, text.encode())

    def opens(self) -> None:
        house = open_house(self.path, read_session_file(self.path), GATE, {})
        house._log.close()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    return Start(tmp_path, monkeypatch)


def test_start_leaves_nothing_where_a_venue_does_not_answer(start: Start) -> None:
    start.fake.silent = True
    with pytest.raises(InputError, match="expected an answer"):
        serve_session(start.path, as_json=False)
    assert start.files() == FILES
    start.fake.silent = False
    start.opens()


def test_start_leaves_nothing_where_its_port_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        start.says(taken.getsockname()[1])
        with pytest.raises(InputError, match="a port that is free"):
            serve_session(start.path, as_json=False)
    assert start.files() == FILES


def test_start_that_fails_leaves_the_log_that_was_there(start: Start) -> None:
    start.opens()
    before = (start.folder / "session.log.partial").read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        start.says(taken.getsockname()[1])
        with pytest.raises(InputError, match="a port that is free"):
            serve_session(start.path, as_json=False)
    assert (start.folder / "session.log.partial").read_bytes() == before


def test_key_that_is_moved_keeps_the_log_and_another_accounts_key_does_not(start: Start) -> None:
    start.opens()
    (start.folder / "key.json").rename(start.folder / "moved.json")
    start.path.write_text(start.path.read_text().replace("file:key.json", "file:moved.json"))
    start.opens()
    start.key("other.json", "0x" + "3" * 40)
    start.path.write_text(start.path.read_text().replace("file:moved.json", "file:other.json"))
    with pytest.raises(InputError, match="log of these venues, contracts and keys"):
        start.opens()
