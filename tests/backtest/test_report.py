# SPDX-License-Identifier: Apache-2.0
"""The report: whole, self-contained, the same for the same study, and true to its numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given

from tests.backtest.made_outcomes import (
    CAPITAL,
    LEFT,
    RIGHT,
    START_MS,
    USD,
    arrangement,
    deposit,
    fill,
    histories,
    outcome,
)
from tests.backtest.made_reports import HOSTILE, died, lived, made_study
from tidegate.backtest.experiment import Spec, prepare, run
from tidegate.backtest.measures import measure
from tidegate.backtest.report import Study, render, write_report
from tidegate.backtest.report_charts import (
    equity_figure,
    frontier_figure,
    margin_figure,
    waterfall_groups,
)
from tidegate.backtest.report_moves import Note, journal_notes, moves
from tidegate.engine.cycle import Decision
from tidegate.history.window import Window
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError
from tidegate.model.events import (
    OrderRefused,
    TransferLanded,
    TransferRefused,
    TransferSent,
)
from tidegate.model.times import HOUR_MS, parse_time_ms
from tidegate.risk.limits import Breach
from tidegate.simulation.books import Extreme

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "carry.toml"


class _Page(HTMLParser):
    """Collects text outside scripts, the addresses of attributes, and the figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        names = ("src", "href", "action", "data", "srcset", "poster")
        self.addresses += [value or "" for name, value in attrs if name in names]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def test_same_study_gives_the_same_bytes() -> None:
    assert render(made_study([lived(), died()])) == render(made_study([lived(), died()]))


def test_report_points_nowhere_outside_and_forbids_itself_to_connect() -> None:
    text = render(made_study([lived(), died()]))
    page = _Page(text)
    assert page.addresses == []
    assert not {"link", "iframe", "img", "object", "form"} & set(page.tags)
    assert "default-src 'none'" in text[:400]
    assert "connect-src" not in text[:400]


def test_text_from_outside_is_escaped_everywhere() -> None:
    plain, hostile = (
        _Page(render(made_study([lived()]))),
        _Page(render(made_study([lived()], HOSTILE))),
    )
    assert hostile.tags == plain.tags
    assert len(hostile.scripts) == 3
    assert "<" not in hostile.scripts[0]
    assert hostile.text.count("alert(2)") >= 6


def test_names_from_outside_are_escaped_where_the_subject_died_too() -> None:
    name = HOSTILE.replace(" ", "/")
    plain, hostile = (
        _Page(render(made_study([died(f"x{end} 8"), lived(f"y{end}")]))) for end in ("", name)
    )
    assert hostile.tags == plain.tags
    assert f"It was liquidated; y{name} lived." in hostile.text


def test_run_named_with_markup_stays_text_in_table_and_charts() -> None:
    page = _Page(render(made_study([lived("<b>bold</b>")])))
    assert page.tags == _Page(render(made_study([lived()]))).tags
    assert "<b>bold</b>survived" in page.text
    figures = json.loads(page.scripts[0])
    assert {"&lt;b&gt;bold&lt;/b&gt;"} == {t["name"] for t in figures["equity"]["data"]}


def test_summary_says_who_lived_who_died_and_at_what_leverage() -> None:
    text = _Page(render(made_study([died(), lived(), lived("threshold 3", 3_000)]))).text
    said = "Tidegate went through 2024-11-01 without a liquidation: at an average leverage of 2.0x"
    assert f"{said} it kept -0.10 % of capital as carry and returned -0.10 %." in text
    fate = "1 of 2 plain rules were liquidated, the least levered of them, fixed 8, at an average"
    assert f"{fate} of 8.0x on 2024-11-01." in text
    assert "✕ died 2024-11-01 02:00" in text
    assert "nearest in leverage, threshold 3 at 3.0x" in text


def test_summary_of_a_tidegate_that_died_says_so_first() -> None:
    text = render(made_study([lived("threshold 3"), died("tidegate")]))
    assert "<strong>Tidegate was liquidated at 2024-11-01T02:00:00Z" in text


def test_report_states_every_assumption_of_tables_and_mandate_and_the_trials() -> None:
    text = _Page(render(made_study([lived()]))).text
    for stated in (
        "venue.left.taker_fee",
        "venue.right.instruments.COIN.mark",
        "assumed: no marks",
        "assumed: a bill",
        "23 policy runs",
        "Last prices stand in for the venue's marks: right:COIN.",
        "ef" * 32,
        "two cores",
    ):
        assert stated in text


@given(histories())
def test_costs_of_all_moves_are_the_ledgers_costs(events) -> None:
    run_ = outcome(events)
    causes = "fees spread impact conversion|transfer fees|margin forfeited"
    names = [*causes.split("|")[0].split(), *causes.split("|")[1:]]
    ledgers = -sum(run_.ledger.waterfall.get(name, 0) for name in names) / USD
    told = moves(run_.events, arrangement())
    assert sum(move.cost_usd or 0 for move in told) == pytest.approx(ledgers, abs=1e-6)


def test_moves_tell_growth_reduction_and_rolls_by_what_the_position_was() -> None:
    events = [
        deposit(),
        *(fill(0, LEFT, 10), fill(0, RIGHT, -10)),
        fill(1, LEFT, -4),
        *(fill(2, LEFT, -6), fill(2, LEFT, 6)),
        fill(3, RIGHT, 15),
        fill(4, RIGHT, -5, liquidation=True),
    ]
    notes = (Note(START_MS, "a better book"),)
    told = [
        (m.kind, m.amount_usd, m.cost_usd, m.reason) for m in moves(events, arrangement(), notes)
    ]
    assert told == [
        ("grown", 2_000.0, 2.0, "a better book"),
        ("reduced", 400.0, 1.0, ""),
        ("rolled", 1_200.0, 2.0, ""),
        ("grown", 500.0, pytest.approx(1 / 3), ""),
        ("reduced", 1_000.0, pytest.approx(2 / 3), ""),
        ("liquidated", 500.0, 1.0, ""),
    ]


def test_moves_tell_transfers_with_their_time_and_refusals_with_their_reason() -> None:
    minute = 60_000
    events = [
        TransferSent(START_MS, "t", "left", "right", "USDT", 100 * USD, 2 * USD),
        TransferLanded(
            START_MS + 9 * minute, "t", "right", "USDT", 98 * USD, "USDC", 97 * USD, USD
        ),
        TransferSent(START_MS + HOUR_MS, "u", "left", "right", "USDT", 50 * USD, 2 * USD),
        TransferRefused(START_MS + HOUR_MS, "v", "right", "left", "withdrawals suspended"),
        OrderRefused(START_MS + HOUR_MS, LEFT, "o", "initial margin"),
    ]
    sent, late, transfer, order, gate = moves(
        events, arrangement(), (Note(START_MS + 2 * HOUR_MS, "survives stress: left", True),)
    )
    assert sent.what == "left to right, landed after 9 min"
    assert (sent.amount_usd, sent.cost_usd) == (100, 3)
    assert late.what == "left to right, still under way at the end"
    assert (transfer.kind, transfer.reason) == ("refused", "withdrawals suspended")
    assert (order.what, order.reason) == ("order, left:COIN", "initial margin")
    assert (gate.what, gate.reason) == ("by the gate", "survives stress: left")


def test_notes_of_a_journal_are_its_moves_and_its_gates_refusals(tmp_path: Path) -> None:
    path = tmp_path / "run.journal"
    journal = Journal.create(path, {"policy": "tidegate"}, durable=False)
    for number, (action, venue) in enumerate(
        [("review", None), ("hold: inside the band", None), ("transfer", "left")]
    ):
        said = Decision(START_MS + number, number, "grid", action, "s", 1, "calm", venue)
        journal.append("decision", said)
    breaches = [Breach("survives stress", where, "health -1") for where in ("left", "right")]
    journal.append("refused", {"ts_ms": START_MS + 5, "breaches": breaches})
    journal.seal()
    assert journal_notes(path) == (
        Note(START_MS, "review found a better book"),
        Note(START_MS + 2, "left below the outer stress level: send money"),
        Note(START_MS + 5, "survives stress: left, right", refused=True),
    )


def test_frontier_and_equity_mark_the_dead_with_a_cross() -> None:
    results = made_study([lived(), died()]).results
    symbols = {t["name"]: t["marker"]["symbol"] for t in frontier_figure(results)["data"]}
    assert symbols == {"tidegate": ["circle"], "fixed": ["x"]}
    crosses = [t for t in equity_figure(results)["data"] if t["mode"] == "markers"]
    assert [(t["name"], t["x"]) for t in crosses] == [
        ("fixed 8 liquidated", [START_MS + 2 * HOUR_MS])
    ]


def test_worst_health_of_a_long_run_is_drawn_however_many_bars_there_are() -> None:
    hours = 20_000
    at = START_MS + 12_345 * HOUR_MS
    extremes = [
        Extreme(START_MS + h * HOUR_MS, "left", 11 * USD if h != 12_345 else USD, USD)
        for h in range(hours)
    ]
    long = outcome([deposit()], hours, "tidegate", 2_000, extremes)
    figure = margin_figure(long, arrangement(), (), ())
    health = next(t for t in figure["data"] if t["name"] == "left health")
    assert len(health["x"]) <= 1_500
    worst = health["y"].index(1.0)
    assert health["x"][worst] <= at < health["x"][worst + 1]
    assert health["y"].count(11.0) == len(health["y"]) - 1


@given(histories())
def test_waterfall_groups_miss_no_more_than_half_a_dollar_each(events) -> None:
    run_ = outcome(events)
    groups = waterfall_groups(run_.ledger.waterfall)
    change = run_.ledger.equity_micro - run_.start_micro
    assert abs(sum(groups.values()) - change) <= 9 * USD // 2


def test_gap_without_positions_is_a_gap_in_health() -> None:
    extremes = [Extreme(START_MS + h * HOUR_MS, "left", 3 * USD, USD) for h in (0, 3)]
    figure = margin_figure(outcome([deposit()], 4, "tidegate", 0, extremes), arrangement(), (), ())
    health = next(t for t in figure["data"] if t["name"] == "left health")
    assert health["y"] == [3.0, None, None, 3.0]


def test_report_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    study = made_study([lived()])
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(InputError, match="report: expected a writable file"):
        write_report(folder, study)
    with pytest.raises(InputError, match="report: expected a writable file"):
        write_report(tmp_path / "absent" / "report.html", study)
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_report_is_written_as_rendered(tmp_path: Path) -> None:
    study = made_study([lived(), died()])
    write_report(tmp_path / "report.html", study)
    assert (tmp_path / "report.html").read_bytes().decode("utf-8") == render(study)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_series_are_not_changed_by_reporting() -> None:
    made = lived()
    before = replace(made.series, equity=list(made.series.equity))
    render(made_study([made]))
    assert made.series == before
    assert made.start_micro == CAPITAL


def test_real_days_under_three_policies_measure_and_report(data_root: Path) -> None:
    days = [parse_time_ms(day, "", "") for day in ("2024-11-05", "2024-11-08")]
    experiment = prepare(EXAMPLE, data_root, Window(*days), (), 1)
    specs = [Spec("cash"), Spec("fixed", 9.0), Spec("tidegate")]
    made = experiment.arrangement
    outcomes = [run(experiment, spec, None) for spec in specs]
    results = tuple((out, measure(out, made)) for out in outcomes)
    cash, fixed, _ = (measures for _, measures in results)
    assert (cash.worst_health_ratio, cash.avg_leverage, cash.fees_usd) == (None, 0.0, 0.0)
    # ETH rose 12 % on 2024-11-06: a short leg at nine times equity does not survive it.
    assert fixed.death_ms is not None
    assert days[0] < fixed.death_ms < days[1]
    digest = experiment.market.digest
    study = Study(made, "", Window(*days), 1, (), digest, results, len(results))
    assert "fixed 9" in _Page(render(replace(study, tape=experiment.tape))).text
