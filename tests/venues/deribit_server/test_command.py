# SPDX-License-Identifier: Apache-2.0
"""`tidegate paper deribit`: what it opens, what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.model.errors import InputError
from tidegate.venues import paper_arguments
from tidegate.venues.paper_arguments import Asked

COMMAND = (sys.executable, "-m", "tidegate.cli", "paper", "deribit")


def asked(path: Path, crisis: str = "calm", speed: float = 1.0) -> Asked:
    return Asked(0, 3, 1, speed, crisis, path, 2, True, True)


@pytest.fixture
def live() -> None:
    pytest.importorskip("aiohttp", reason="the extra `live` is not installed")


def test_without_the_web_library_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("command", "server"):
        monkeypatch.delitem(sys.modules, f"tidegate.venues.deribit_server.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(InputError, match=r"needs aiohttp: install tidegate\[live\]"):
        paper_arguments.server("deribit")


def test_house_is_opened_with_keys_of_its_file_and_money_of_paper(
    live: None, tmp_path: Path
) -> None:
    from tidegate.venues.deribit_server.accounts import credentials
    from tidegate.venues.deribit_server.command import MONEY, open_house

    path = tmp_path / "keys.json"
    opened = open_house(asked(path))
    keys = [c.client_id for c in credentials(path, 1)]
    assert list(opened.house.street.accounts) == keys
    for key in keys:
        account = opened.house.street.account(key)
        assert account is not None
        assert account.margin("deribit-usdc").equity == MONEY["USDC"]
    assert opened.house.street.end_ms - opened.house.street.market.begin_ms == 86_400_000


def test_crisis_begins_within_hours_of_the_begin(live: None, tmp_path: Path) -> None:
    from tidegate.venues.deribit_server.command import open_house

    market = open_house(asked(tmp_path / "keys.json", "gap")).house.street.market
    assert market.paths.crisis_start_ms is not None
    hours = (market.paths.crisis_start_ms - market.begin_ms) / 3_600_000
    assert 6 <= hours < 7


@pytest.mark.parametrize(("crisis", "speed"), [("boom", 1.0), ("calm", 0.0), ("calm", 1e9)])
def test_unknown_crisis_and_speed_out_of_range_are_refused(
    live: None, tmp_path: Path, crisis: str, speed: float
) -> None:
    from tidegate.venues.deribit_server.command import open_house

    with pytest.raises(InputError, match="expected"):
        open_house(asked(tmp_path / "keys.json", crisis, speed))
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_client_trades_on_a_server_of_its_own_process_through_a_crisis(
    live: None, tmp_path: Path
) -> None:
    pytest.importorskip("ccxt", reason="ccxt is not installed")
    import asyncio

    from tests.venues.deribit_server.cases import PERP, client

    path = tmp_path / "keys.json"
    words = ("--json", "--crisis", "crash", "--speed", "900", "--days", "1", "--no-limits")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = subprocess.Popen(
        [*COMMAND, *words, "--credentials", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert running.stdout is not None
    where = json.loads(running.stdout.readline())
    port = int(where["rest"].split(":")[2].split("/")[0])
    key = json.loads(path.read_text())["accounts"][0]

    async def trade() -> float:
        async with client(port, key["client_id"], key["client_secret"]) as one:
            worst = 1e9
            while await one.fetch_time() < where["begin_ms"] + 20 * 3_600_000:
                await one.create_order(PERP, "market", "buy", 100)
                worst = min(worst, (await one.fetch_ticker(PERP))["last"])
                await asyncio.sleep(1)
            total = (await one.fetch_balance({"code": "BTC"}))["BTC"]["total"]
            assert 0 < total < 11
            return worst

    try:
        assert asyncio.run(trade()) > 0
    finally:
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert key["client_secret"] not in errors
    assert "Traceback" not in errors
