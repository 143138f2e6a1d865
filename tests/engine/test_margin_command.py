# SPDX-License-Identifier: Apache-2.0
"""`tidegate margin` as a user meets it: tables, JSON, page, exit status, and the list of rules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import plotly.graph_objects as go
import pytest

from tests.conftest import REPOSITORY
from tests.engine.margin_books import EXAMPLES, Run, account_of, changed, raw_book, runner, write
from tidegate.engine.margin_book import exact_rules, fields, scenario_rules, venue_rules
from tidegate.engine.margin_book.answer import Answer, answer
from tidegate.engine.margin_book.distances import distances, moved_account
from tidegate.engine.margin_book.health_map import HealthMaps, health_maps, price_moves
from tidegate.engine.margin_book.orders import parse_order
from tidegate.engine.margin_book.page import content
from tidegate.engine.margin_book.reading import read_account
from tidegate.engine.margin_book.words import amount, price
from tidegate.margin.registry import CARDS

DOCUMENT = (REPOSITORY / "docs" / "margin-books.md").read_text(encoding="utf-8")
LINEAR = EXAMPLES["deribit_standard_linear"]
ORDER = "sell 5 BTC_USDC-PERPETUAL at 61000"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


def test_healthy_account_is_a_table_and_exit_0(run: Run) -> None:
    ended = run(LINEAR)
    assert (ended.status, ended.err) == (0, "")
    rows = {line.split("  ")[0].strip(): line.split() for line in ended.out.splitlines()}
    assert rows["equity"][-1] == "40,000.00"
    assert rows["health"][-1] == "33,700.00"
    # 10 (p - 60,000) + 40,000 = 10 p (0.01 + 0.0005) at 56,594.30 and below.
    assert rows["BTC"][2:4] == ["-5.68%", "56,594.3"]
    assert "close -0.313 BTC_USDC-PERPETUAL" in ended.out
    assert "margin on the mark, where a page says index" in ended.out


def test_account_below_maintenance_is_said_first_and_exit_1(tmp_path: Path, run: Run) -> None:
    raw = changed("deribit_standard_linear", "balances.USDC", "6299.99")
    ended = run(write(raw, tmp_path))
    assert ended.status == 1
    assert "BELOW MAINTENANCE" in ended.out.splitlines()[2]
    assert (
        run(write(changed("deribit_standard_linear", "balances.USDC", "6300"), tmp_path)).status
        == 0
    )


def test_orders_that_break_the_account_are_exit_1(run: Run) -> None:
    # 90 BTC more need 6,000,000 x (0.01 + 0.005) = 90,000 of 40,000.
    ended = run(LINEAR, "--what-if", "buy 90 BTC_USDC-PERPETUAL")
    assert ended.status == 1
    assert "BELOW MAINTENANCE once the orders are filled" in ended.out


def test_what_if_shows_before_after_and_difference(run: Run) -> None:
    ended = run(LINEAR, "--what-if", ORDER)
    (equity,) = [line.split() for line in ended.out.splitlines() if " equity  " in line]
    assert equity[1:] == ["40,000.00", "45,000.00", "5,000.00"]


def test_withdrawable_that_is_not_pinned_is_unknown_and_not_zero(run: Run) -> None:
    ended = run(EXAMPLES["okx_isolated"])
    assert "UNKNOWN" not in ended.out
    ended = run(EXAMPLES["okx_cross"])
    assert re.search(r"withdrawable +UNKNOWN", ended.out)
    assert "withdrawable: no document pins it" in ended.out


def test_distance_that_needs_a_figure_is_unknown_by_its_name(tmp_path: Path, run: Run) -> None:
    raw = changed("deribit_standard_options", "positions.1.vol", ...)
    ended = run(write(raw, tmp_path))
    assert ended.status == 0
    assert re.search(r"BTC +60,000 +UNKNOWN", ended.out)
    assert "vol deribit:BTC-25DEC26-70000-C: expected a value; it is missing" in ended.out


def test_distance_beyond_the_last_tier_is_unknown(run: Run, tmp_path: Path) -> None:
    raw = changed("bybit_cross", "positions.0.tiers", [["0", "200000", "0.005", 100]])
    ended = run(write(raw, tmp_path))
    assert re.search(r"BTC +60,000 .*UNKNOWN +beyond \+1", ended.out)
    assert "BTC distance: the rule cannot judge beyond" in ended.out


@pytest.mark.parametrize("name", ["okx_portfolio", "okx_cross"])
def test_distance_that_ends_where_a_loan_begins_says_whose_rates_are_missing(
    name: str, run: Run, tmp_path: Path
) -> None:
    raw = raw_book(name)
    raw["parameters"][name]["loans"] = {}
    ended = run(write(raw, tmp_path))
    assert re.search(r"BTC distance: .* beyond: USDT: expected loan rates", ended.out)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_its_distances(name: str) -> None:
    sides = [
        side
        for each in distances(read_account(EXAMPLES[name]))
        for side in (each.below, each.above)
    ]
    assert "unknown" not in {side.status for side in sides}


def test_debt_without_rates_of_loans_is_refused_at_okx(run: Run, tmp_path: Path) -> None:
    raw = changed("okx_cross", "balances.USDT", "-1000")
    assert run(write(raw, tmp_path)).status == 0
    del raw["parameters"]["okx_cross"]["loans"]
    ended = run(write(raw, tmp_path))
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "USDT" in ended.err


def test_json_is_one_document_that_comes_back_whole(run: Run) -> None:
    ended = run(LINEAR, "--json", "--what-if", ORDER)
    assert (ended.status, ended.err) == (0, "")
    back = msgspec.json.decode(ended.out.encode(), type=Answer)
    account = read_account(LINEAR)
    assert back == answer(account, [parse_order(ORDER, account)])
    assert json.loads(ended.out)["schema"] == "tidegate-margin-1"


def test_every_field_of_the_json_is_documented(run: Run) -> None:
    def names(value: Any) -> set[str]:
        if isinstance(value, list):
            return {name for part in value for name in names(part)}
        if not isinstance(value, dict):
            return set()
        return {*value} | {n for key, part in value.items() if key != "parts" for n in names(part)}

    found = names(json.loads(run(LINEAR, "--json", "--what-if", ORDER).out))
    assert {name for name in found if f"`{name}`" not in DOCUMENT} == set()


def test_every_field_of_a_book_is_documented() -> None:
    modules = (fields, exact_rules, venue_rules, scenario_rules)
    kinds = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, fields.Strict)
    }
    names = {name for kind in kinds for name in kind.__struct_fields__}
    assert {"size", "min_annualised_move", "price_range"} <= names
    assert {name for name in names if f"`{name}`" not in DOCUMENT} == set()


def test_every_example_and_rule_is_in_the_document() -> None:
    assert {name for name in EXAMPLES if f"{name}.json" not in DOCUMENT} == set()
    assert {card.name for card in CARDS if f"`{card.name}`" not in DOCUMENT} == set()


def test_rules_are_listed_with_source_and_what_is_not_pinned(run: Run) -> None:
    shown = run("--rules").out
    listed = json.loads(run("--rules", "--json").out)["rules"]
    assert [each["name"] for each in listed] == [card.name for card in CARDS]
    for card in CARDS:
        for text in (card.name, *card.source, *card.not_pinned, *card.user_gives):
            assert text in shown


@pytest.fixture(scope="module")
def drawn() -> tuple[Answer, HealthMaps]:
    account = read_account(EXAMPLES["span_16"])
    said = answer(account)
    return said, health_maps(account, said)


def test_map_holds_the_present_and_dies_where_the_distance_says(
    drawn: tuple[Answer, HealthMaps],
) -> None:
    said, maps = drawn
    (curve,) = maps.curves
    row = maps.together.health[maps.together.vol_ratios.index(1.0)]
    middle = maps.together.moves.index(0.0)
    assert row[middle] == pytest.approx(said.now.health)
    assert row == pytest.approx(curve.health)
    (distance,) = said.distances
    assert distance.below.move is not None
    assert distance.above.move is not None
    for move, health in zip(curve.moves, curve.health, strict=True):
        assert health is not None
        assert (health >= 0) == (distance.below.move <= move <= distance.above.move)


def test_map_is_the_rule_in_a_market_that_moved(drawn: tuple[Answer, HealthMaps]) -> None:
    account = read_account(EXAMPLES["span_16"])
    maps = drawn[1].together
    vol, move = 10, 3
    market = moved_account(account, ["BTC"], 1 + maps.moves[move], maps.vol_ratios[vol])
    stated = account.rule.statement(account.holdings, market)
    assert maps.health[vol][move] == stated.health
    assert maps.binding[vol][move] == stated.binding


def test_unmoved_market_is_the_present_one_whatever_the_marks(tmp_path: Path) -> None:
    account = account_of(changed("span_16", "positions.1.mark", "999"), tmp_path)
    market = moved_account(account, ["BTC"], 1.0)
    moved = account.rule.statement(account.holdings, market)
    assert moved.equity == pytest.approx(account.statement().equity)


def test_range_of_the_map_reaches_beyond_the_borders(drawn: tuple[Answer, HealthMaps]) -> None:
    moves = price_moves(drawn[0].distances)
    assert 0.0 in moves
    above = drawn[0].distances[0].above.move
    assert above is not None
    assert moves[-1] > above


def test_page_has_the_numbers_and_figures_that_plotly_takes(
    drawn: tuple[Answer, HealthMaps],
) -> None:
    said, maps = drawn
    title, body, figures = content(said, maps)
    assert title == "clearing house margin"
    for number in (said.now.equity, said.now.initial, said.now.maintenance, said.now.health):
        assert amount(number, said.unit) in body
    assert price(said.distances[0].below.price) in body
    for name, figure in figures.items():
        assert f'id="{name}"' in body
        go.Figure(figure)
    heat, border, present = figures["map"]["data"]  # type: ignore[index]
    assert (border["type"], border["contours"]["start"]) == ("contour", 0.0)
    assert heat["z"] == [list(row) for row in maps.together.health]
    assert heat["customdata"][0][0] == maps.together.binding[0][0]
    assert (present["x"], present["y"]) == ([0.0], [100.0])


def test_page_is_one_file_that_asks_for_nothing(tmp_path: Path, run: Run) -> None:
    page = tmp_path / "page.html"
    ended = run(EXAMPLES["hyperliquid_isolated"], "--html", page)
    text = page.read_text(encoding="utf-8")
    assert ended.status == 0
    assert "default-src 'none'" in text
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="?http', text)
    assert list(tmp_path.iterdir()) == [page]


def test_charts_of_the_page_do_not_promise_tables_of_their_numbers(
    drawn: tuple[Answer, HealthMaps],
) -> None:
    body = content(*drawn)[1]
    assert body.count("<noscript><p>This chart needs scripts.</p></noscript>") == 2


@pytest.mark.parametrize(
    "words", [["--rules"], ["--rules", "--json"], [LINEAR], [LINEAR, "--json"]]
)
def test_reader_that_goes_away_is_no_account_below_maintenance(words: list[object]) -> None:
    script = "from tidegate.cli import main; main()"
    command = [sys.executable, "-c", script, "margin", *map(str, words)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        complaint = started.stderr.read()
    assert (started.returncode, complaint) == (141, b"")


@pytest.mark.parametrize("name", ["hyperliquid_isolated", "bybit_isolated", "okx_isolated"])
def test_what_if_that_closes_the_isolated_position_leaves_its_margin_free(name: str) -> None:
    account = read_account(EXAMPLES[name])
    (held,) = account.holdings.positions
    order = f"{'sell' if held.size > 0 else 'buy'} {abs(held.size):g} {held.instrument.symbol}"
    said = answer(account, [parse_order(order, account)])
    assert said.what_if is not None
    then = said.what_if.after
    assert then.equity == pytest.approx(said.now.equity)
    assert (then.initial, then.maintenance, then.withdrawable) == (0.0, 0.0, then.equity)
    assert {each.below.status for each in said.what_if.distances} <= {"never"}
    assert then.binding == "none"


def test_what_if_on_another_instrument_than_the_isolated_position_is_refused(
    tmp_path: Path, run: Run
) -> None:
    raw = raw_book("hyperliquid_isolated")
    held = raw["positions"][0]
    raw["positions"].append(held | {"symbol": "OTHER", "size": "0"})
    close = ("--what-if", f"sell {held['size']} {held['symbol']}")
    ended = run(write(raw, tmp_path), *close, "--what-if", "buy 1 OTHER")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "OTHER: expected orders on the isolated position" in ended.err


def test_help_has_an_example(run: Run) -> None:
    assert "--what-if" in run("--help").out
    assert "Example:" in run("--help").out


def test_lines_of_the_readme_run_and_give_health(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(REPOSITORY)
    exec(code, {})
    health = read_account(EXAMPLES["deribit_portfolio"]).statement().health
    assert float(capsys.readouterr().out) == health
