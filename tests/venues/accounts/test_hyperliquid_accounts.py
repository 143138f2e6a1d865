# SPDX-License-Identifier: Apache-2.0
"""What Hyperliquid tells of an address becomes a book whose margin is the venue's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.venues.accounts.told_hyperliquid import (
    ADDRESS,
    CONTEXTS,
    EQUITY,
    MAINTENANCE,
    META,
    ORDERS,
    served,
    state,
)
from tidegate.cli import app
from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.reading import account_of
from tidegate.model.errors import InputError
from tidegate.venues.accounts import hyperliquid as told
from tidegate.venues.accounts.told import Told


def answers(**changed: Any) -> told.Answers:
    """The venue's answers, as they are read."""
    all_ = {"state": state(), "meta": META, "contexts": CONTEXTS, "orders": ORDERS, **changed}
    return msgspec.convert(all_, told.Answers, strict=False)


def cross_and_alone(**changed: Any) -> tuple[Told, ...]:
    return told.accounts("hyperliquid", answers(**changed))


def test_cross_account_has_the_venues_equity_and_maintenance() -> None:
    cross, _ = cross_and_alone()
    statement = account_of(Reader("told"), dict(cross.book)).statement()
    assert statement.equity == pytest.approx(EQUITY, abs=1e-6)
    assert statement.maintenance == pytest.approx(MAINTENANCE, abs=1e-6)
    assert cross.unread == ()
    assert float(cross.stated.equity or 0) == EQUITY
    assert float(cross.stated.maintenance or 0) == MAINTENANCE


def test_isolated_position_is_an_account_of_its_own() -> None:
    cross, alone = cross_and_alone()
    assert [row["symbol"] for row in cross.book["positions"]] == ["BTC", "ETH"]  # type: ignore[index,union-attr]
    account = account_of(Reader("told"), dict(alone.book))
    # Equity is the raw dollars and the position at its mark: -90,000 + 100,000.
    assert account.statement().equity == pytest.approx(10_000.0, abs=1e-6)
    assert (alone.book["venue"], alone.book["rule"]) == ("hyperliquid.SOL", "hyperliquid_isolated")


def test_entry_price_that_the_venue_rounds_changes_no_equity() -> None:
    rounded = state()
    rounded["assetPositions"][0]["position"]["entryPx"] = "60000.0"
    statement = account_of(Reader("told"), dict(cross_and_alone(state=rounded)[0].book)).statement()
    assert statement.equity == pytest.approx(EQUITY, abs=1e-6)


def test_tiers_are_those_of_the_margin_table() -> None:
    cross, _ = cross_and_alone()
    btc, eth = cross.book["positions"]  # type: ignore[misc]
    assert btc["tiers"] == [
        ["0.0", "150000000.0", "0.0125", 40],
        ["150000000.0", None, "0.025", 20],
    ]
    assert eth["tiers"] == [["0", None, "0.02", 25]]
    assert (btc["tick"], btc["lot"]) == ("0.1", "0.00001")


def test_resting_order_reserves_as_the_rule_has_it_and_a_trigger_does_not() -> None:
    trigger = {**ORDERS[0], "isTrigger": True}
    with_order, _ = cross_and_alone()
    without, _ = cross_and_alone(orders=[trigger])
    assert len(with_order.book["orders"]) == 1  # type: ignore[arg-type]
    assert without.book["orders"] == []
    sides = [account_of(Reader("t"), dict(o.book)).statement() for o in (with_order, without)]
    assert sides[0].initial > sides[1].initial


def test_position_that_is_not_listed_is_said_and_not_left_out_in_silence() -> None:
    strange = state()
    strange["assetPositions"][0]["position"]["coin"] = "NEW"
    cross, _ = cross_and_alone(state=strange)
    assert cross.unread == ("NEW: not listed",)


def observed(*more: str, **changed: Any) -> Result:
    with served(changed) as url:
        arguments = ["observe", "--venue", f"hyperliquid:{ADDRESS}", "--url", f"hyperliquid={url}"]
        return CliRunner().invoke(app, [*arguments, *more])


@pytest.fixture
def _live() -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")


@pytest.mark.usefixtures("_live")
def test_observe_reads_an_address_and_records_parity(
    tmp_path: Path,
) -> None:
    book, record = tmp_path / "book.json", tmp_path / "parity.jsonl"
    result = observed("--json", "--save", str(book), "--parity", str(record))
    seen = json.loads(result.stdout)
    assert result.exit_code == 0
    cross, alone = seen["parity"]
    assert (cross["venue"], cross["verdict"]) == ("hyperliquid", "agrees")
    assert alone["verdict"] == "unknown"
    assert json.loads(record.read_text())["parity"] == seen["parity"]
    assert cross["whose"]["kind"] == "hyperliquid"
    assert cross["whose"]["owner"].startswith("0x")
    assert cross["whose"]["url"].startswith("http://127.0.0.1:")
    assert json.loads(book.read_text())["accounts"][0]["balances"] == {"USDC": "60000.000"}


@pytest.mark.usefixtures("_live")
def test_margin_that_differs_beyond_tolerance_makes_a_venue_reduce_only() -> None:
    other = state()
    other["crossMaintenanceMarginUsed"] = str(1.01 * MAINTENANCE)
    result = observed(clearinghouseState=other)
    assert "REDUCE ONLY hyperliquid: margin beyond" in " ".join(result.stdout.split())


@pytest.mark.usefixtures("_live")
@pytest.mark.parametrize("url", ["foo=http://127.0.0.1:1", "hyperliquid=http://["])
def test_address_that_is_no_venues_or_none_is_refused_and_nobody_is_asked(url: str) -> None:
    asked = ["observe", "--venue", f"hyperliquid:{ADDRESS}", "--url", url]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, InputError)
