# SPDX-License-Identifier: Apache-2.0
"""`tidegate observe --venue` on the local Deribit and Hyperliquid, with positions by ccxt."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tidegate.cli import app
from tidegate.model.errors import InputError
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials

MANDATE = str(Path(__file__).parents[3] / "examples/carry.toml")
END_S = 20
BITCOIN = "BTC/USDC:USDC"


@pytest.fixture(autouse=True)
def _live() -> None:
    for needed in ("ccxt", "aiohttp", "tidegate.venues.deribit_server"):
        pytest.importorskip(needed, reason="neither the extra `live` nor local venues are here")


@contextmanager
def local(venue: str, keys: Path) -> Iterator[str]:
    """A local venue in a process of its own; its address without a path."""
    words = ("paper", venue, "--days", "1", "--no-limits", "--json", "--credentials", str(keys))
    command = (sys.executable, "-m", "tidegate.cli", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            yield "/".join(where["rest"].split("/")[:3])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(END_S)


def observed(*more: str) -> Result:
    return CliRunner().invoke(app, ["observe", "--json", *more])


def deribit_key(keys: Path, folder: Path) -> tuple[Credentials, Path]:
    """The first paper account's key, as ccxt wants it and in a file of its own."""
    first = json.loads(keys.read_text())["accounts"][0]
    fields = {"apiKey": first["client_id"], "secret": first["client_secret"]}
    path = folder / "key.json"
    path.write_text(json.dumps(fields))
    path.chmod(0o600)
    return Credentials(fields), path


def parities(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return {one["venue"]: one for one in json.loads(result.stdout)["parity"]}


@pytest.mark.soak
def test_local_deribits_margin_is_ours_and_its_key_that_can_withdraw_is_refused(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys.json"
    with local("deribit", keys) as url:
        key, path = deribit_key(keys, tmp_path)
        client = open_client("deribit", key, url)
        order = {"instrument_name": "BTC-PERPETUAL", "amount": 10_000, "type": "market"}
        client.privateGetBuy(order)
        client.privateGetSell({**order, "instrument_name": "ETH-PERPETUAL", "amount": 5_000})
        words = ("--venue", f"deribit:file:{path}", "--url", f"deribit={url}")
        refused = observed(*words)
        assert isinstance(refused.exception, InputError)
        assert "right to withdraw" in str(refused.exception)
        found = parities(observed(*words, "--mandate", MANDATE))
    assert {name: one["verdict"] for name, one in found.items()} == {
        "deribit.BTC": "agrees",
        "deribit.ETH": "agrees",
        "deribit.USDC": "agrees",
    }
    assert found["deribit.BTC"]["sums"][1]["theirs"] > 0


@pytest.mark.soak
def test_local_hyperliquids_margin_is_ours(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    with local("hyperliquid", keys) as url:
        first = json.loads(keys.read_text())["accounts"][0]
        address, private = first["address"], first["private_key"]
        key = Credentials({"walletAddress": address, "privateKey": private})
        client = open_client("hyperliquid", key, url)
        client.load_markets()
        client.create_order(
            "BTC/USDC:USDC", "market", "buy", 0.2, client.fetch_ticker("BTC/USDC:USDC")["last"]
        )
        words = ("--venue", f"hyperliquid:{address}", "--url", f"hyperliquid={url}")
        found = parities(observed(*words))
    assert found["hyperliquid"]["verdict"] == "agrees"
    assert found["hyperliquid"]["sums"][1]["theirs"] > 0
