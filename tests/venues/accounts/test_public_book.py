# SPDX-License-Identifier: Apache-2.0
"""A book's sizes stay the file's, and its figures become the venues', without a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.venues.accounts import told_deribit, told_others
from tests.venues.accounts.served import served
from tidegate.cli import app
from tidegate.model.errors import InputError

OLD = "2026-01-01T00:00Z"
BINANCE = {
    "venue": "near", "rule": "binance_usdm", "collateral": "USDT", "leverage": 20,
    "balances": {"USDT": "50000"},
    "positions": [
        {
            "symbol": "BTCUSDT", "kind": "perpetual", "base": "BTC", "settle": "USDT", "size": "8",
            "entry": "60000", "mark": "1", "tick": "0.1", "lot": "0.001",
            "tiers": [["0", None, "0.005", 100]],
        }
    ],
}  # fmt: skip
DERIBIT = {
    "venue": "far", "rule": "deribit_portfolio", "collateral": "BTC", "balances": {"BTC": "6"},
    "realised": {"BTC": "0"},
    "positions": [{"symbol": told_deribit.CALL, "size": "-2", "kind": "option", "base": "BTC",
                   "settle": "BTC"}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _live() -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")


GONE = "BTC-1JAN20-1-C"


def _listing(answer: Any) -> Any:
    """The same where what is not listed is refused (docs.deribit.com, RPC error codes)."""
    missing = {"jsonrpc": "2.0", "error": {"code": 13020, "message": "not_found"}}
    if not callable(answer):
        return answer
    return lambda asked: missing if asked["instrument_name"] == GONE else answer(asked)


def observed(folder: Path, accounts: list[Any], *more: str) -> Result:
    value = {"as_of": OLD, "accounts": accounts, "stable": {"USDT": "1", "USDC": "1"}}
    book = folder / "book.json"
    book.write_text(json.dumps(value))
    answers: Mapping[str, Mapping[str, Any]] = {
        "binance": {n: a for n, a in told_others.BINANCE.items() if "account" not in n},
        "deribit": {n: _listing(a) for n, a in told_deribit.answers().items() if "public" in n},
    }
    with ExitStack() as stack:
        urls = [f"{kind}={stack.enter_context(served(said))}" for kind, said in answers.items()]
        arguments = [word for url in urls for word in ("--url", url)]
        return CliRunner().invoke(app, ["observe", str(book), "--public", *arguments, *more])


def test_sizes_are_the_files_and_figures_the_venues(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    result = observed(tmp_path, [BINANCE, DERIBIT], "--json", "--save", str(saved))
    assert result.exit_code == 0, result.output
    near, far = json.loads(saved.read_text())["accounts"]
    (perpetual,), (call,) = near["positions"], far["positions"]
    assert (perpetual["size"], perpetual["mark"]["value"]) == ("8", "61000")
    assert perpetual["tiers"] == [["0", None, "0.005", 100]]
    assert (call["size"], call["strike"], call["vol"]["value"]) == ("-2", "70000.0", "0.45")
    health = {one["venue"]: one for one in json.loads(result.stdout)["survey"]["accounts"]}
    assert health["near"]["equity_usd"] == pytest.approx(58_000.0)


def test_figure_that_no_venue_tells_keeps_the_files_time_and_is_too_old(tmp_path: Path) -> None:
    other = {**BINANCE["positions"][0], "symbol": "NEWUSDT", "base": "NEW"}  # type: ignore[dict-item,index]
    result = observed(tmp_path, [DERIBIT, {**BINANCE, "positions": [other]}], "--json")
    seen = json.loads(result.stdout)
    assert "near: NEWUSDT: not listed" in seen["unread"]
    accounts = {one["venue"]: one for one in seen["survey"]["accounts"]}
    assert accounts["near"]["health_usd"] is None


def test_symbol_that_is_not_listed_is_named_and_the_others_are_asked(tmp_path: Path) -> None:
    """Where the venue refuses it, as Deribit does, and where it has no word for it."""
    gone = {**DERIBIT["positions"][0], "symbol": GONE, "strike": "1", "mark": "0.1"}  # type: ignore[dict-item,index]
    gone |= {"expiry": "2099-01-01T08:00Z", "option": "call"}
    far = {**DERIBIT, "positions": [gone, *DERIBIT["positions"]]}  # type: ignore[misc]
    result = observed(tmp_path, [BINANCE, far], "--json")
    assert result.exit_code == 1, result.output
    seen = json.loads(result.stdout)
    assert f"far: {GONE}: not listed" in seen["unread"]
    accounts = {one["venue"]: one for one in seen["survey"]["accounts"]}
    assert accounts["near"]["health_usd"] is not None


def test_rule_of_no_venue_is_refused_by_name(tmp_path: Path) -> None:
    result = observed(tmp_path, [{**BINANCE, "rule": "span_16"}])
    assert isinstance(result.exception, InputError)
    assert "near.rule" in str(result.exception)
