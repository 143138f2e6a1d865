# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with a margin book or its words is one line and exit status 2."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.margin_books import EXAMPLES, Run, account_of, changed, raw_book, runner, write
from tidegate.engine.margin_book.answer import standing
from tidegate.model.errors import InputError

STALE = {"value": "60000", "as_of": "2026-11-20T07:58Z"}
FUTURE = {"value": "60000", "as_of": "2026-11-20T08:01Z"}
UNSURE = {"value": "60000", "confidence": "0.5"}
P, B, D, S = "positions.0", "binance_usdm", "deribit_portfolio", "span_16"
NAN, INF = float("nan"), float("inf")

# example, place, what is put there, and what the line must name.
WRONG: list[tuple[str, str, Any, str]] = [
    (B, "as_of", "yesterday", "as_of"),
    (B, "as_of", "2026-11-20T08:00", "as_of"),
    (B, "as_of", ..., "as_of"),
    (B, "rule", "binance_usd", "rule"),
    (B, "rule", 3, "rule"),
    (B, "colateral", "USDT", "colateral"),
    (B, "collateral", ..., "collateral"),
    (B, "collateral", "BTC", "collateral"),
    (B, "leverage", ..., "leverage"),
    (B, "leverage", "2.5", "leverage"),
    (B, "leverage", 0, "leverage"),
    (B, "balances", ["USDT"], "balances"),
    (B, "balances.USDT", None, "balances"),
    (B, "balances.USDT", "much", "balances"),
    (B, "balances.USDT", NAN, "balances.USDT"),
    (B, "balances.USDT", INF, "balances.USDT"),
    (B, "balances.USDT", "NaN", "balances.USDT"),
    (B, "balances.USDT", "-Infinity", "balances.USDT"),
    (B, "balances.USDT", "1e99", "balances.USDT"),
    (B, "balances.USDT", 10**40, "balances.USDT"),
    (B, "balances.USDT", "1.2345678901234567", "balances.USDT"),
    (B, f"{P}.size", ..., "positions[0]"),
    (B, f"{P}.size", True, "positions[0].size"),
    (B, f"{P}.size", "-8.0001", "positions[0].size"),
    (B, f"{P}.entry", ..., "positions[0].entry"),
    (B, f"{P}.entry", "-1", "positions[0].entry"),
    (B, f"{P}.mark", ..., "mark binance:BTCUSDT"),
    (B, f"{P}.mark", None, "mark binance:BTCUSDT"),
    (B, f"{P}.mark", "0", "mark binance:BTCUSDT"),
    (B, "positions.1.mark", "0.001", "mark binance:ETHUSDT"),
    (B, f"{P}.mark", STALE, "mark binance:BTCUSDT"),
    (B, f"{P}.mark", FUTURE, "mark binance:BTCUSDT"),
    (B, f"{P}.mark", UNSURE, "mark binance:BTCUSDT"),
    (B, f"{P}.mark", {"value": 1, "confidence": 2}, "positions[0].mark.confidence"),
    (B, f"{P}.mark", {"value": 1, "asof": 2}, "positions[0].mark"),
    (B, f"{P}.mark", [60000], "positions[0].mark"),
    (B, f"{P}.kind", "swap", "positions[0].kind"),
    (B, f"{P}.kind", "option", "positions[0].expiry"),
    (B, f"{P}.kind", "spot", "positions[0]"),
    (B, f"{P}.settle", "USDC", "positions[0].kind"),
    (B, f"{P}.settle", "BTC", "positions[0].settle"),
    (B, f"{P}.inverse", True, "positions[0].inverse"),
    (B, f"{P}.face_usd", "10", "positions[0].face_usd"),
    (B, f"{P}.tick", "0", "positions[0].tick"),
    (B, f"{P}.symbol", "ETHUSDT", "positions[1].symbol"),
    (B, f"{P}.symbol", "BTC USDT", "positions[0].symbol"),
    (B, f"{P}.symbol", "BTC\u0000", "positions[0].symbol"),
    (B, f"{P}.base", "BTC\n", "positions[0].base"),
    (B, "line\nbreak", 1, "break"),
    (B, f"{P}.tiers", ..., "positions[0].tiers"),
    (B, f"{P}.tiers", [], "positions[0].tiers"),
    (B, f"{P}.tiers", [["1", None, "0.01", 50]], "positions[0].tiers"),
    (B, f"{P}.tiers", [["0", None, "0.01"]], "positions[0].tiers[0]"),
    (B, f"{P}.tiers", [["0", None, "0.1", 50]], "positions[0].tiers[0]"),
    (B, f"{P}.tiers", [["0", "9", "0.01", 50], ["8", None, "0.02", 25]], "tiers[1]"),
    (B, f"{P}.tiers", [["0", None, "0.01", 50, "5"]], "positions[0].tiers"),
    (B, f"{P}.clearance_fee", "1.5", "positions[0].clearance_fee"),
    (B, "figures_as_of", "2026-11-20T07:00Z", "mark binance:BTCUSDT"),
    (B, "stale_after_s", -1, "stale_after_s"),
    (B, "least_confidence", 2, "least_confidence"),
    (B, "orders", [{"symbol": "X", "size": 1, "price": 1}], "orders[0].symbol"),
    (B, "orders", [{"symbol": "BTCUSDT", "size": 0, "price": 1}], "orders[0].size"),
    (B, "orders", [{"symbol": "BTCUSDT", "size": 1, "price": 0}], "orders[0].price"),
    (B, "parameters", {"binance": {}}, "parameters.binance"),
    (B, "parameters", {"span_16": {"range": {}}}, "parameters.span_16"),
    (D, "collateral", "ETH", "currency"),
    (D, "coins.BTC.index", ..., "index BTC"),
    (D, "coins.BTC.index", STALE, "index BTC"),
    (D, "coins.BTC.forward", {}, "coins.BTC"),
    (D, "coins.BTC.forwards", {"2026-12-25": "60300"}, "forward BTC"),
    (D, "coins.BTC.forwards", {"Christmas": "60300"}, "coins.BTC.forwards.Christmas"),
    (D, "positions.1.expiry", "2026-12-26T08:00Z", "forward BTC 2026-12-26"),
    (D, "positions.1.expiry", "2026-11-20T08:00Z", "positions[1].expiry"),
    (D, "positions.1.expiry", "2026-12-25T08:00+01:00", "positions[1].expiry"),
    (D, "positions.1.strike", "0", "positions[1].strike"),
    (D, "positions.1.right", "CALL", "positions[1].right"),
    (D, "positions.1.vol", ..., "vol deribit:BTC-25DEC26-70000-C"),
    (D, "positions.1.vol", "-0.1", "vol deribit:BTC-25DEC26-70000-C"),
    (D, "positions.1.funding", "0", "positions[1].funding"),
    (D, f"{P}.size", "300001", "positions[0].size"),
    (D, f"{P}.base", "DOGE", "positions[0].inverse"),
    (D, "parameters", {"deribit_portfolio": {"protection": "-1"}}, "protection"),
    (S, "parameters.span_16.ranges.BTC.price_range", ..., "parameters.span_16.ranges"),
    (S, "parameters.span_16.ranges.BTC.price_range", "0.9", "scan range"),
    (S, "parameters.span_16.ranges", {}, "BTC"),
    ("aave_v3", "stable", {}, "dollar USDC"),
    ("aave_v3", "parameters.aave_v3.reserves.WETH.threshold", "0.5", "reserve"),
    ("aave_v3", "parameters.aave_v3.reserves", {}, "reserve"),
    ("okx_cross", f"{P}.tiers", [["0", "1", "0.01", 50]], "tiers"),
    ("bybit_isolated", "positions", [], "positions"),
    ("hyperliquid_isolated", "balances.BTC", "1", "BTC"),
    ("dydx_cross", f"{P}.open_interest", ..., "open interest"),
    ("dydx_cross", f"{P}.open_interest", "-1", "positions[0].open_interest"),
    ("dydx_cross", f"{P}.liquidity_tier", ..., "positions[0].liquidity_tier"),
    ("deribit_standard_linear", f"{P}.initial_rate", ..., "positions[0].initial_rate"),
    ("deribit_standard_options", "parameters", {}, "option_rates.BTC"),
    ("spot", "balances.BTC", "-1", "balances.BTC"),
    ("spot", "coins", {}, "index BTC"),
    ("derive_portfolio", "parameters", {}, "parameters.derive_portfolio"),
    ("paradex_portfolio", f"{P}.funding_next", ..., "funding paradex:BTC-USD-PERP"),
    ("expected_shortfall", "parameters.expected_shortfall.scenarios", [], "scenarios"),
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


@pytest.mark.parametrize(("name", "path", "value", "named"), WRONG)
def test_wrong_book_is_one_line_that_names_the_file_and_place(
    name: str, path: str, value: object, named: str, tmp_path: Path, run: Run
) -> None:
    ended = run(write(changed(name, path, value), tmp_path))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("tidegate: book.json: ")
    assert ended.err.count("\n") == 1
    assert "expected" in ended.err
    assert named.partition(".forwards")[0] in ended.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"as_of": 1, "as_of": 2}',
        "null",
        '{"a": ' * 5_000,
        "\x00",
        '"book"',
        "1e999",
    ],
)
def test_text_that_is_no_book_is_one_line(text: str, tmp_path: Path, run: Run) -> None:
    ended = run(write(text, tmp_path))
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "book.json" in ended.err


WORDS = [
    (["--what-if", "by 2 BTCUSDT"], "buy|sell"),
    (["--what-if", "buy BTCUSDT"], "buy|sell"),
    (["--what-if", "buy 2 BTCUSDT for 60000"], "buy|sell"),
    (["--what-if", ""], "buy|sell"),
    (["--what-if", "buy 2 BTCUSD"], "BTCUSDT, ETHUSDT"),
    (["--what-if", "buy two BTCUSDT"], "decimal"),
    (["--what-if", "buy nan BTCUSDT"], "ordinary size"),
    (["--what-if", "buy 1e30 BTCUSDT"], "ordinary size"),
    (["--what-if", "buy -2 BTCUSDT"], "size above 0"),
    (["--what-if", "buy 0.00001 BTCUSDT"], "whole lots"),
    (["--what-if", "buy 1 BTCUSDT at 0"], "price above 0"),
    (["--what-if", "buy 1 BTCUSDT at inf"], "ordinary size"),
    (["--rule", "binance"], "--rule"),
    (["--rule", "binance_multi_assets"], "collateral"),
    (["--rule", "dydx_cross"], "liquidity_tier"),
    (["--html", "no/such/folder/page.html"], "--html"),
]


@pytest.mark.parametrize(("words", "named"), WORDS)
def test_wrong_words_are_one_line(words: list[str], named: str, run: Run) -> None:
    ended = run(EXAMPLES[B], *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert named in ended.err


def test_command_without_a_book_says_what_it_wants(run: Run) -> None:
    ended = run()
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "--rules" in ended.err


def test_file_that_is_not_there_is_named(run: Run) -> None:
    assert "none.json" in run("none.json").err


NASTY: list[Any] = [
    None, "", "x", "0", "-1", 0, 1, -1, True, [], {}, [[]], {"value": "1"}, "1e24", "1e-24", "NaN",
    "Infinity", 10**24, "2026-11-20T08:00Z", "2026-12-25T08:00Z", "USD", "BTC", "option", "spot",
    [["0", None, "0.5", 1]], [[None, "1"]], {"value": "1", "as_of": "2026-11-20T08:00Z"},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every part of a document."""
    found = [path] if path else []
    parts = value.items() if isinstance(value, dict) else []
    parts = enumerate(value) if isinstance(value, list) else parts
    for key, part in parts:
        found += places(part, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """An example with one to three of its parts replaced, taken away, or named otherwise."""
    raw = copy.deepcopy(raw_book(draw(st.sampled_from(sorted(EXAMPLES)))))
    for _ in range(draw(st.integers(1, 3))):
        *before, last = draw(st.sampled_from(places(raw)))
        part: Any = raw
        for step in before:
            part = part[step]
        what = draw(st.sampled_from(["put", "drop", "rename", "double"]))
        if what == "put" or not isinstance(part, dict | list):
            part[last] = copy.deepcopy(draw(st.sampled_from(NASTY)))
        elif what == "drop":
            del part[last]
        elif what == "rename" and isinstance(part, dict):
            part[f"{last}x"] = part.pop(last)
        elif what == "double" and isinstance(part, list):
            part.append(copy.deepcopy(part[last]))
    return raw


ONE_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def refusal(raw: object, folder: Path) -> str | None:
    """Why a book is refused; None where it is margined, at no less than nothing."""
    try:
        account = account_of(raw, folder)
        now = standing(account, account.statement())
    except InputError as error:
        return str(error)
    assert now.maintenance >= 0.0
    return None


@settings(max_examples=300, deadline=None, suppress_health_check=ONE_FOLDER)
@given(raw=mutated())
def test_book_mutated_at_random_is_margined_or_refused_and_never_breaks(
    raw: Any, tmp_path: Path
) -> None:
    assert (refusal(raw, tmp_path) or "").isprintable()


@settings(max_examples=100, deadline=None, suppress_health_check=ONE_FOLDER)
@given(data=st.data())
def test_text_damaged_at_random_is_margined_or_refused_and_never_breaks(
    data: st.DataObject, tmp_path: Path
) -> None:
    text = json.dumps(raw_book(data.draw(st.sampled_from(sorted(EXAMPLES)))))
    start = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", '"', "9", "-", "e5", "}", "null", "é", "\\u0000"]))
    damaged = text[:start] + put + text[start + data.draw(st.integers(0, 5)) :]
    assert (refusal(damaged, tmp_path) or "").isprintable()
