# SPDX-License-Identifier: Apache-2.0
"""`tidegate paper hyperliquid`: what it opens, prints and refuses, and what it never says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from tests.venues.hyperliquid_server.running import KEYS, signed, wall_ms, wire  # noqa: E402
from tidegate.model.errors import InputError  # noqa: E402
from tidegate.venues import paper_arguments  # noqa: E402
from tidegate.venues.hyperliquid_server.command import OPENING, open_house  # noqa: E402
from tidegate.venues.hyperliquid_server.keys import addresses  # noqa: E402
from tidegate.venues.paper_arguments import Asked  # noqa: E402

COMMAND = (sys.executable, "-m", "tidegate.cli", "paper", "hyperliquid")


def asked(path: Path, crisis: str = "calm", limits: bool = True) -> Asked:
    return Asked(0, 3, 1, 1.0, crisis, path, 2, limits, True)


def test_without_the_library_of_signatures_one_line_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("command", "keys", "server", "exchange", "signatures"):
        name = f"tidegate.venues.hyperliquid_server.{module}"
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "coincurve", None)
    with pytest.raises(InputError, match=r"needs coincurve: install tidegate\[live\]"):
        paper_arguments.server("hyperliquid")


def test_house_is_opened_with_an_account_for_each_key_and_the_opening_balance(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys.json"
    house = open_house(asked(path), path, wall_ms)
    known = [user.address for user in house.users.all()]
    assert tuple(known) == addresses(path, 2)
    assert [house.desk(user).held().state.equity for user in house.users.all()] == [OPENING] * 2
    assert house.weights.limit == 1200


def test_limits_are_off_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    house = open_house(asked(path, limits=False), path, wall_ms)
    assert (house.weights.limit, house.users.buffer) == (0, 0)


def test_an_unknown_crisis_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(InputError, match="--crisis"):
        open_house(asked(path, crisis="none"), path, wall_ms)


def test_the_command_serves_until_it_is_stopped_and_says_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    arguments = [*COMMAND, "--credentials", str(path), "--days", "1", "--json"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        key = json.loads(path.read_bytes())["accounts"][0]["private_key"].removeprefix("0x")
        order = {"type": "order", "orders": [wire("60000")], "grouping": "na"}
        replies = [post(said["rest"], signed(order, k, wall_ms())) for k in (key, KEYS[0])]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert replies[0]["response"]["data"]["statuses"][0]["resting"]["oid"] > 0
    assert "does not exist" in replies[1]["response"]
    for text in (json.dumps(said), rest, errors, json.dumps(replies)):
        assert key not in text
        assert "Traceback" not in text


def post(url: str, body: bytes) -> Any:
    with urlopen(Request(f"{url}/exchange", body), timeout=30) as reply:
        return json.load(reply)
