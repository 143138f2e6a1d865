# SPDX-License-Identifier: Apache-2.0
"""`tidegate observe` of whole accounts as a user meets it: words, JSON, page, status, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import REPOSITORY
from tests.ended import Ended, Run, runner
from tests.engine.plan.plain_books import set_balance, set_field
from tests.engine.survival.survival_books import linear_values, straddle_values
from tidegate.engine.survival import document
from tidegate.engine.survival.reading import has_whole_accounts
from tidegate.engine.survival.terms import SaidObserve

DOCUMENT = (REPOSITORY / "docs" / "observe.md").read_text(encoding="utf-8")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    observe = runner(capsys, monkeypatch, "observe")

    def call(values: Any, *words: str | Path) -> Ended:
        path = tmp_path / "book.json"
        path.write_text(json.dumps(values))
        return observe(path, *words)

    return call


def test_json_is_one_document_whose_every_field_is_documented(run: Run) -> None:
    ended = run(straddle_values(), "--json")
    found = msgspec.json.decode(ended.out, type=document.Document)
    assert (ended.status, found.schema) == (0, document.SCHEMA)
    kinds: list[object] = [getattr(document, name) for name in dir(document)]
    structs: list[type[msgspec.Struct]] = [SaidObserve]
    structs += [k for k in kinds if isinstance(k, type) and issubclass(k, msgspec.Struct)]
    for each in structs:
        for field in each.__struct_fields__:
            assert f"`{field}`" in DOCUMENT, f"{each.__name__}.{field}"


def test_words_name_the_first_the_point_the_default_and_what_is_assumed(run: Run) -> None:
    ended = run(linear_values(set_balance(1, "USDC", "60000")))
    assert ended.status == 0
    for words in (
        "First: hyperliquid",
        "all coins by beta",
        "depeg of USDT",
        "most likely death",
        "venue fails",
        "vol_level_daily = 0.05: Deribit's BTC DVOL",
        "proved over the target's box afterwards: binance, hyperliquid",
        "UNKNOWN, neither safe nor zero",
    ):
        assert words in ended.out, words


def test_account_below_maintenance_is_exit_1(run: Run) -> None:
    ended = run(linear_values(set_balance(1, "USDC", "5000")))
    assert ended.status == 1
    assert "INSOLVENT hyperliquid" in ended.out


def test_account_that_cannot_be_judged_is_said_first(run: Run) -> None:
    ended = run(linear_values(set_field(1, 0, mark=None)))
    assert ended.status == 0
    assert "UNKNOWN hyperliquid: it may be insolvent" in ended.out


def test_page_holds_the_distances_and_needs_nothing_else(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "observe.html"
    assert run(linear_values(), "--html", page).status == 0
    text = page.read_text()
    assert "Distance to death in daily standard deviations" in text
    assert "binance: BTC up" in text
    assert 'src="http' not in text


def _observe(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda book: book["observe"].update(fields)


BAD = [
    (_observe(surplus=1), "book.json: observe: expected the documented fields"),
    (_observe(betas={"BTC": "-1"}), "observe.betas.BTC: expected more than 0"),
    (_observe(vol_annual={"BTC": "much"}), "observe.vol_annual.BTC: expected"),
    (_observe(target_distance="1"), "observe.target_distance: expected more than 0 and less"),
    (_observe(spread_daily="0"), "observe.spread_daily: expected more than 0"),
    (_observe(correlations={"price-luck": "0"}), "observe.correlations.price-luck: expected one"),
    (_observe(correlations={"price-vol": "1"}), "observe.correlations.price-vol: expected more"),
    (
        _observe(correlations={"price-vol": "-0.9", "vol-spread": "-0.9", "price-spread": "-0.9"}),
        "observe.correlations: expected correlations that can hold together",
    ),
    (_observe(quotes={"binance:X": "USD"}), "observe.quotes.binance:X: expected venue:SYMBOL"),
    (_observe(quotes={"hyperliquid:BTC": "DAI"}), "observe.quotes.hyperliquid:BTC: expected USD"),
    (set_field(0, 0, entry=None), "accounts[0]: positions[0].entry: expected the price"),
]


@pytest.mark.parametrize(("change", "expected"), BAD)
def test_bad_book_is_refused_in_one_line_with_file_field_and_expectation(
    change: Any, expected: str, run: Run
) -> None:
    ended = run(linear_values(change))
    assert (ended.status, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert expected in ended.err


def test_page_in_no_folder_is_refused_before_anything_is_computed(run: Run, tmp_path: Path) -> None:
    ended = run(linear_values(), "--html", tmp_path / "none" / "page.html")
    assert ended.status == 2
    assert "--html: expected a file in a folder" in ended.err


def test_book_of_ticks_and_tiers_is_still_taken_and_has_no_page(run: Run, tmp_path: Path) -> None:
    values = json.loads((REPOSITORY / "examples" / "book.json").read_text())
    assert not has_whole_accounts(values)
    assert run(values).status == 0
    ended = run(values, "--html", tmp_path / "page.html")
    assert ended.status == 2
    assert "expected accounts as a margin book has them" in ended.err


@pytest.mark.parametrize(
    "value",
    [
        {"accounts": [], "observe": {}},
        {"accounts": [{"rule": "bybit_cross"}]},
        {"accounts": [{"rule": "spot", "positions": [{"kind": "spot"}]}]},
    ],
)
def test_book_of_whole_accounts_is_told_by_field_rule_or_kind(value: object) -> None:
    assert has_whole_accounts(value)


@pytest.mark.parametrize("value", [[], {}, {"accounts": [{"rule": "binance"}, 3]}])
def test_what_is_neither_is_left_to_the_other_reader(value: object) -> None:
    assert not has_whole_accounts(value)
