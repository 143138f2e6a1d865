# SPDX-License-Identifier: Apache-2.0
"""`tidegate plan` as a user meets it: the diff, JSON, files, exit status, refusals in one line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import REPOSITORY
from tests.ended import Run, runner
from tests.engine.plan.plain_books import (
    EXAMPLES,
    MANDATE,
    book_values,
    mandate_text,
    set_balance,
    set_field,
)
from tidegate.cli import main
from tidegate.engine.plan.document import SCHEMA, PlanDocument

DOCUMENT = (REPOSITORY / "docs" / "plan.md").read_text(encoding="utf-8")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch, "plan")


def written(folder: Path, values: Any, text: str = MANDATE) -> tuple[Path, str, Path]:
    """Arguments for a mandate and a book."""
    book, mandate = folder / "book.json", folder / "mandate.toml"
    book.write_text(json.dumps(values))
    mandate.write_text(text)
    return mandate, "--book", book


def test_example_is_a_diff_with_reasons_and_exit_0(run: Run) -> None:
    ended = run(EXAMPLES / "mandate.toml", "--book", EXAMPLES / "book.json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("PLAN for book.json")
    for words in ("Why ETH", "pays back in", "proved", "dies at", "Binds target delta of the book"):
        assert words in ended.out


def test_json_is_one_document_with_the_fields_that_the_manual_names(run: Run) -> None:
    ended = run(EXAMPLES / "mandate.toml", "--book", EXAMPLES / "book.json", "--json")
    found = msgspec.json.decode(ended.out, type=PlanDocument)
    assert (found.schema, found.outcome, found.negative) == (SCHEMA, "plan", False)
    for field in PlanDocument.__struct_fields__:
        assert f"`{field}`" in DOCUMENT, field
    assert sum(line.cost_usd for line in found.positions) == pytest.approx(found.cost_usd)


def test_out_writes_the_document_and_a_page_that_needs_nothing_else(
    run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "plan"
    ended = run(EXAMPLES / "mandate.toml", "--book", EXAMPLES / "book.json", "--out", out)
    assert ended.status == 0
    assert sorted(each.name for each in out.iterdir()) == ["plan.html", "plan.json"]
    found = json.loads((out / "plan.json").read_text())
    assert found["schema"] == SCHEMA
    page = (out / "plan.html").read_text()
    assert "PLAN for book.json" in page
    assert "http://" not in page
    assert "https://" not in page


def test_amount_of_a_dear_coin_to_send_is_shown_to_less_than_a_dollar(
    run: Run, tmp_path: Path
) -> None:
    values = book_values(set_balance(2, "BTC", "15"))
    out = {"source": "deribit", "destination": "binance", "fee": "0.0001", "minimum": "0.001"}
    out |= {"latency_median_s": 900, "latency_p95_s": 1800}  # type: ignore[dict-item]
    values["routes"].append(out | {"conversion_cost": "0.0005", "conversion_rate": "60000"})
    text = MANDATE.replace("claim_cap = 0.6", "claim_cap = 0.4")
    ended = run(*written(tmp_path, values, text))
    assert re.search(r"deribit +binance +\d\.\d{6} BTC", ended.out), ended.out


def test_book_without_equity_at_a_venue_is_exit_1_and_says_what_it_lacks(
    run: Run, tmp_path: Path
) -> None:
    values = book_values(set_balance(0, "USDT", "60000"), set_field(0, 0, entry="51000"))
    values["routes"] = []
    ended = run(*written(tmp_path, values))
    assert ended.status == 1
    assert "NO PLAN" in ended.out
    assert re.search(r"Lacks binance, as it stands: \$14,100 for maintenance margin now", ended.out)


def test_book_without_any_equity_is_exit_1_and_says_what_each_account_lacks(
    run: Run, tmp_path: Path
) -> None:
    poor = [set_balance(place, "USDT" if place == 0 else "USDC", "10") for place in (0, 1)]
    values = book_values(*poor, set_field(0, 0, entry="51000"), options=False)
    ended = run(*written(tmp_path, values, mandate_text(options=False)), "--json")
    found = msgspec.json.decode(ended.out, type=PlanDocument)
    assert ended.status == 1
    assert found.outcome == "no plan"
    lacks = {line.venue: line.usd for line in found.cures}
    assert lacks["binance"] == pytest.approx(72_000 - 10 + 2_100)
    assert lacks["hyperliquid"] == pytest.approx(6_000 - 10)


def test_explained_mandate_says_of_every_field_whether_it_was_said(run: Run) -> None:
    ended = run(EXAMPLES / "mandate.toml", "--explain-mandate", "--json")
    rows = {row["field"]: row for row in json.loads(ended.out)["fields"]}
    assert rows["limits.gross_leverage"] == {
        "field": "limits.gross_leverage",
        "value": "6.0",
        "said": True,
    }
    for field in ("stress.vol.skew", "stable.USDT.shock", "limits.naked_s", "edge.minimum_t"):
        assert field in rows
    assert not rows["stress.vol.skew"]["said"]
    assert rows["option.vega_usd.30d"]["said"]
    assert not rows["sleeve.options.instruments"]["said"]
    assert "default" in run(EXAMPLES / "mandate.toml", "--explain-mandate").out


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(book: dict[str, Any]) -> None:
        *before, last = path.split(".")
        place: Any = book
        for step in before:
            place = place[int(step)] if step.isdigit() else place[step]
        place[last] = value

    return change


BAD_BOOKS = [
    ("accounts", [], "book.json: accounts: expected at least one account"),
    ("as_of", "today", "book.json: as_of: expected a date or a UTC time"),
    ("accounts.0.rule", "binance", "book.json accounts[0]: rule: expected"),
    ("accounts.0.venue", "deribit", "book.json: accounts[2].venue: expected a new name"),
    ("accounts.1.positions.0.size", "8.000001", "positions[0].size: expected a multiple of lot"),
    ("edges.nowhere:X", {}, "book.json: edges.nowhere:X: expected venue:SYMBOL"),
    ("edges.binance:BTCUSDT", {"carry_annual": 1}, "book.json: edges.binance:BTCUSDT"),
    ("costs.binance:BTCUSDT.taker_fee", "-1", "taker_fee: expected at least 0"),
    ("costs.binance:BTCUSDT.lots", "1", "book.json: costs.binance:BTCUSDT"),
    ("routes.0.source", "bank", "book.json: routes[0]: expected accounts of this book"),
    ("routes.0.latency_p95_s", 10, "routes[0].latency_p95_s: expected at least the median"),
    ("routes.0.conversion_rate", "1.5", "routes[0].conversion_rate: expected about 1 USDC by USDT"),
    ("stable", {"USDT": "1"}, "expected the price of USDC in USD"),
    ("stable.USDT", "0", "book.json: stable.USDT: expected more than 0"),
    ("yields.bank", "0", "book.json: yields.bank: expected an account of this book"),
    ("correlation", "1.5", "book.json: correlation: expected at least 0 and less than 1"),
    ("surplus", 1, "book.json: document: expected the documented fields"),
]


@pytest.mark.parametrize(("path", "value", "expected"), BAD_BOOKS)
def test_bad_book_is_refused_in_one_line_with_file_field_and_expectation(
    path: str, value: object, expected: str, run: Run, tmp_path: Path
) -> None:
    ended = run(*written(tmp_path, book_values(_set(path, value))))
    assert ended.status == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert expected in ended.err


BAD_MANDATES = [
    ("[sleeve.options]", "[sleeve.options]\nshare = 1", "sleeve.options"),
    ("loss_share = 0.1", "loss_share = 2", "sleeve.options.loss_share"),
    ('"30d" = 300', '"30" = 300', "option.vega_usd"),
    ("ETH = 0.20 }", "SOL = 0.20 }", "stress.outer"),
    ("naked_usd = 25_000", "naked_usd = 1", "limits.naked_usd"),
    ("claim_cap = 0.6", "claim_cap = 0.2", "claim_cap"),
    ("vol = { up = 0.5", "vol = { up = -0.5", "stress.vol.up"),
    ("[venue.binance]", "[venue.kraken]", "accounts"),
]


@pytest.mark.parametrize(("old", "new", "field"), BAD_MANDATES)
def test_bad_mandate_is_refused_in_one_line_that_names_the_field(
    old: str, new: str, field: str, run: Run, tmp_path: Path
) -> None:
    ended = run(*written(tmp_path, book_values(), mandate_text((old, new))))
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1
    assert field in ended.err


def test_plan_without_a_book_asks_for_one(run: Run) -> None:
    ended = run(EXAMPLES / "mandate.toml")
    assert ended.status == 2
    assert "--book: expected a JSON file, or --explain-mandate" in ended.err


def test_mandate_of_a_plan_is_refused_by_a_backtest_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["tidegate", "backtest", str(EXAMPLES / "mandate.toml")]
    words += ["--from", "2024-09-05", "--to", "2024-09-06"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "venue.binance.instruments: expected at least one instrument" in error
