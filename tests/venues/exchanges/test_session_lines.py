# SPDX-License-Identifier: Apache-2.0
"""What a session writes to whoever started it: whole reasons, once, and no key."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")

from tests.venues.drill import GATE, NOW, TRADE, WATCH
from tests.venues.exchanges.fake_session import FakeSession
from tests.venues.exchanges.test_session_start import Start
from tests.venues.test_wire import VENUES
from tidegate.model.replies import Unclear
from tidegate.venues.exchanges.session import OffTheGrid
from tidegate.venues.exchanges.session_command import COMMAND, open_house
from tidegate.venues.exchanges.settings import read_session_file
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway

OFF = "0.15 is no whole number of steps of 0.1: mend the settings"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    return Start(tmp_path, monkeypatch)


class Odd(FakeSession):
    """A venue whose log holds what the settings cannot count, and whose words bend a terminal."""

    reason = OFF

    def news(self, *_: object) -> Unclear:  # type: ignore[override]
        return Unclear(self.reason)


def test_venue_whose_log_cannot_be_read_is_named_once_with_the_whole_reason_and_when_it_is_back(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    house = open_house(start.path, read_session_file(start.path), GATE, {})
    good, odd = start.fake, Odd(NOW)
    for session in (good, odd, odd, odd, good, good):
        house._sessions = {"hyperliquid": session}
        house.pushed()
    odd.reason = "two\nlines \x1b[2J"
    house._sessions = {"hyperliquid": odd}
    house.statement("hyperliquid")
    house._log.close()
    assert capsys.readouterr().err.splitlines() == [
        f"tidegate session: hyperliquid: {OFF}",
        "tidegate session: hyperliquid: answers again",
        "tidegate session: hyperliquid: two lines  [2J",
    ]


class Broken:
    """A house in which every request fails."""

    end_ms = NOW

    def __init__(self, error: Exception) -> None:
        self._error = error

    def has(self, venue: str) -> bool:
        raise self._error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OffTheGrid(OFF), f"tidegate session: OffTheGrid in a request: {OFF}"),
        # A library's words may hold what it was given, a key among it.
        (ValueError("not a key: 0xsecret"), "tidegate session: ValueError in a request"),
    ],
)
def test_fault_in_a_request_is_told_by_its_command_with_words_that_are_ours(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    access = Access(TRADE, WATCH)
    with PaperServer(Broken(error), access, None, 0, COMMAND) as server:  # type: ignore[arg-type]
        gateway = RemoteGateway(server.port, TRADE, VENUES, timeout_s=2.0)
        assert isinstance(gateway.statement("alpha"), Unclear)
    assert capsys.readouterr().err == f"{line}\n"
