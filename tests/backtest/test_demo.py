# SPDX-License-Identifier: Apache-2.0
"""The demo on a short contest: what it writes, prints and refuses, and that its words are true."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.played_demo import CRISIS, LABELS, SEED, Played, played_demo, short
from tidegate.backtest import demo as command
from tidegate.backtest.claims import folder_checks
from tidegate.backtest.demo import WRITTEN, Words, run_demo
from tidegate.backtest.experiment import Spec
from tidegate.backtest.report_summary import share
from tidegate.backtest.trial.demo import (
    FRONTIER,
    KNOWN,
    PLACED,
    Demo,
    Result,
    demo_contest,
    play_demo,
    read_policies,
    results_document,
)
from tidegate.backtest.trial.demo_charts import equity_figure, frontier_figure, health_figure
from tidegate.backtest.trial.demo_picture import picture
from tidegate.backtest.trial.demo_report import acts, render_demo
from tidegate.backtest.trial.demo_words import headline, insured_against, last_words
from tidegate.backtest.trial.nearest_death import betas, marks_at
from tidegate.backtest.trial.score import CARRY
from tidegate.backtest.trial.study import leverage_of
from tidegate.cli import main
from tidegate.ledger.book import Ledger
from tidegate.model.errors import InputError
from tidegate.model.events import LiquidationStarted


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(tmp_path_factory.mktemp("demo") / "out")


def quick(out: Path, policies: str = "fixed", jobs: int = 1) -> Demo:
    with short():
        return run_demo(Words(CRISIS, SEED, policies), out, jobs, as_json=True)


def test_folder_holds_what_a_demo_writes_and_nothing_else(played: Played) -> None:
    assert {path.name for path in played.out.iterdir()} == WRITTEN
    assert all(path.stat().st_size for path in played.out.iterdir())
    journals = {path.stem for path in (played.out / "journals").iterdir()}
    assert journals == {label.replace(" ", "-") for label in LABELS}


def test_every_check_of_the_folder_passes(played: Played) -> None:
    checks = [check for _, check in folder_checks(played.out)]
    assert [check for check in checks if not check.passed] == []
    assert {f"claims of {label}" for label in LABELS} <= {check.name for check in checks}


def test_edited_summary_of_a_demo_fails_the_check(played: Played, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(played.out, copy)
    results = json.loads((copy / "results.json").read_text())
    results["policies"]["threshold 4"]["liquidations"] += 1
    (copy / "results.json").write_text(json.dumps(results))
    failed = [check.name for _, check in folder_checks(copy) if not check.passed]
    assert failed == ["claims of threshold 4", "summary", "manifest"]


def test_json_is_the_summary_which_is_the_results_and_the_contest(played: Played) -> None:
    summary = json.loads((played.out / "summary.json").read_text())
    results = json.loads((played.out / "results.json").read_text())
    assert json.loads(played.printed) == summary
    assert results == json.loads(json.dumps(results_document(played.demo)))
    assert {key: summary[key] for key in results} == results
    assert list(results["policies"]) == sorted(LABELS)
    assert (summary["crisis"], summary["seed"], summary["world"]) == ("freeze", 6, "first")
    assert len(summary["world_parameters"]) == 64


def test_frontier_has_every_point_of_fixed_and_every_policy(played: Played) -> None:
    rows = json.loads(played.printed)["frontier"]
    assert all(set(row) == set(PLACED) for row in rows)
    fixed = sorted(row["leverage"] for row in rows if row["policy"] == "fixed")
    assert fixed == sorted(leverage_of(buffer) for buffer in FRONTIER)
    assert {row["policy"] for row in rows} == {"tidegate", "desk", "threshold", "fixed"}
    dead = {r.measures.label for r in played.demo.results if r.measures.death_ms is not None}
    assert [row["liquidated"] for row in rows[: len(LABELS)]] == [x in dead for x in LABELS]


def test_fixed_holds_the_more_leverage_the_more_it_is_given(played: Played) -> None:
    rows = [*(r.score for r in played.demo.results), *played.demo.frontier]
    line = sorted((s for s in rows if s.policy == "fixed" and not s.refused), key=by_leverage)
    assert len(line) >= 4
    levered = [s.calm_leverage for s in line]
    assert levered == sorted(levered)


def by_leverage(score: msgspec.Struct) -> float:
    return float(getattr(score, "leverage", 0.0))


def test_demo_on_two_processes_is_the_demo_on_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick(tmp_path / "one", "fixed,threshold")
    one = capsys.readouterr().out
    quick(tmp_path / "two", "fixed,threshold", jobs=2)
    assert capsys.readouterr().out == one
    for name in ("report.html", "demo.svg", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_progress_of_every_run_rises_to_one_and_ends_with_its_outcome(tmp_path: Path) -> None:
    seen: list[tuple[list[float], int]] = []
    with short():
        contest = demo_contest(CRISIS, 6, (Spec("fixed", 4.0),))
    play_demo(
        contest,
        (Spec("fixed", 4.0),),
        tmp_path,
        1,
        lambda shares, ended: seen.append((list(shares), sum(o is not None for o in ended))),
    )
    shares = [row for row, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == [1.0] * len(FRONTIER)
    assert [done for _, done in seen][-1] == len(FRONTIER)


def test_table_names_every_policy_with_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with short():
        demo = run_demo(Words(CRISIS, SEED, "tidegate,fixed=6"), tmp_path / "a", 1, as_json=False)
    told = capsys.readouterr()
    assert "tidegate 4" in told.out
    assert "fixed 6" in told.out
    assert CARRY in " ".join(told.out.split())
    for result in demo.results:
        row = next(line for line in told.out.splitlines() if result.measures.label in line)
        assert f" {result.score.calm_carry:+.2%} " in row
        assert f" {result.score.opening_cost:.2%} " in row
        assert result.score.opening_cost > 0.0
    head = demo.results[0].measures.journal_head
    assert f"journal head of tidegate 4: {head}" in told.err
    assert f"tidegate verify {tmp_path / 'a'}" in told.err


def test_earlier_demo_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    quick(out)
    stale = out / "journals" / "fixed-4.journal"
    quick(out, "threshold")
    assert not stale.exists()
    assert {path.name for path in out.iterdir()} == WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_earlier_demo_stays_where_the_new_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    quick(out)
    before = (out / "summary.json").read_bytes()

    def fails(demo: Demo) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "picture", fails)
    with pytest.raises(KeyboardInterrupt):
        quick(out, "threshold")
    assert (out / "summary.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("extra", ["note.txt", "results.json"])
def test_folder_that_is_not_a_demo_is_refused_and_stays(tmp_path: Path, extra: str) -> None:
    (tmp_path / extra).write_text("mine")
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(InputError, match="--out"):
        quick(tmp_path)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


def test_demo_to_which_something_was_added_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    quick(out)
    (out / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="--out"):
        quick(out)
    assert (out / "note.txt").read_text() == "mine"


BAD = {
    "unknown crisis": (["--crisis", "hope"], "--crisis"),
    "crisis without a name": (["--crisis", ""], "--crisis"),
    "unknown policy": (["--policies", "tidegate,hope"], "hope"),
    "no policy": (["--policies", ""], "--policies"),
    "leverage of nothing": (["--policies", "fixed=0"], "fixed=0"),
    "leverage that is no number": (["--policies", "fixed=nan"], "fixed=nan"),
    "leverage of cash": (["--policies", "cash=2"], "cash=2"),
    "two mandates": (["--policies", "tidegate=4,per-venue=5"], "one mandate"),
    "seed that is no number": (["--seed", "six"], "--seed"),
    "negative seed": (["--seed=-1"], "--seed"),
    "seed too large": (["--seed", "99999999999"], "--seed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_words_of_a_demo_are_one_line_and_exit_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, named = BAD[name]
    out = tmp_path / "deep" / "out"
    monkeypatch.setattr(sys, "argv", ["tidegate", "demo", *words, "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert named in told.err
    assert list(tmp_path.iterdir()) == []


SIZED = st.sampled_from([name for name in KNOWN if name not in ("cash", "tidegate", "per-venue")])


@given(st.lists(st.tuples(SIZED, st.integers(1, 100)), min_size=1))
def test_policies_are_read_in_order_and_each_once(given: list[tuple[str, int]]) -> None:
    found = read_policies(",".join(f" {name}={number}" for name, number in given))
    assert found == tuple(dict.fromkeys(Spec(name, float(number)) for name, number in given))


def test_policies_without_a_number_have_the_demos_leverage() -> None:
    found = {spec.policy: spec.leverage for spec in read_policies(",".join(KNOWN))}
    assert found.pop("desk") is found.pop("cash") is None
    assert set(found.values()) == {4.0}


@pytest.mark.parametrize("label", LABELS)
def test_move_that_would_have_killed_kills_and_a_smaller_one_does_not(
    played: Played, label: str
) -> None:
    (result,) = [r for r in played.demo.results if r.measures.label == label]
    move, venue = result.nearest.move, result.nearest.venue
    assert move is not None
    assert venue is not None
    assert health_after(played.demo, result, 1.001 * move)[venue] < 0
    for smaller in (0.999 * move, -0.999 * move):
        assert min(health_after(played.demo, result, smaller).values()) >= 0


def health_after(demo: Demo, result: Result, move: float) -> dict[str, int]:
    """Health of every account as the crisis begins, after a move of all coins by their betas."""
    experiment, start = demo.contest.experiment, demo.contest.crisis_start_ms
    assert start is not None
    arrangement, terms = experiment.arrangement, experiment.arrangement.terms
    ledger = Ledger(terms.instruments, arrangement.stable_price_micro)
    for event in result.outcome.events:
        if event.ts_ms < start:
            ledger.post(event)
    shape = betas(demo.contest)
    marks = {
        name: round(ticks * (1 + shape[terms.instruments[name].base] * move))
        for name, ticks in marks_at(demo.contest, start).items()
    }
    found = {}
    for venue, account in ledger.portfolio(tuple(terms.rules)).accounts.items():
        equity, maintenance = terms.rule(venue, start).health_at(account, marks)
        found[venue] = equity - maintenance
    return found


def test_marks_before_the_crisis_are_those_of_the_step_that_ended_then(played: Played) -> None:
    tape, start = played.demo.contest.experiment.tape, played.demo.contest.crisis_start_ms
    assert start is not None
    for name, ticks in marks_at(played.demo.contest, start).items():
        assert ticks == tape.tracks[name].mark_close[tape.step_at(start) - 1]


def test_headline_counts_as_dead_whom_a_venue_took_over(played: Played) -> None:
    sentences = headline(played.demo)
    for result in played.demo.results:
        started = any(isinstance(e, LiquidationStarted) for e in result.outcome.events)
        dead = " ".join(s for s in sentences if "iquidated were" in s)
        assert (result.measures.label in dead) == started
    assert {r.score.liquidated for r in played.demo.results} == {True, False}
    assert "hyperliquid let no money in or out" in sentences[0]


def test_last_words_name_every_policy_and_the_account_that_goes_first(played: Played) -> None:
    told = last_words(played.demo)
    assert len(told) == len(LABELS) + 1
    for result, words in zip(played.demo.results, told, strict=False):
        assert words.lower().startswith(result.measures.label)
        assert str(result.nearest.venue) in words


def test_insurance_against_fixed_is_read_off_its_line(played: Played) -> None:
    score = played.demo.frontier[0]
    made = [
        msgspec.structs.replace(
            score, policy="fixed", leverage=x, calm_leverage=x, calm_carry=y,
            refused=False, calm_liquidated=False,
        )
        for x, y in ((2.0, 0.02), (4.0, 0.06))
    ]  # fmt: skip
    demo = Demo(played.demo.contest, (), tuple(made))

    def at(leverage: float) -> msgspec.Struct:
        return msgspec.structs.replace(score, calm_leverage=leverage, calm_carry=0.01)

    assert insured_against(demo, at(3.0)) == pytest.approx(0.03)
    assert insured_against(demo, at(1.0)) is insured_against(demo, at(5.0)) is None
    assert all(insured_against(demo, own) == pytest.approx(0.0) for own in made)


def test_report_needs_nothing_from_outside_and_names_every_policy(played: Played) -> None:
    text = (played.out / "report.html").read_text()
    body = text[: text.index('<script type="application/json"')]
    assert "src=" not in body
    assert "href=" not in body
    for result in played.demo.results:
        assert result.measures.label in body
        assert result.measures.journal_head in body
        assert str(share(result.score.opening_cost)) in body
    assert f"carry is {CARRY}" in body
    assert body.count("<tr") > len(LABELS)


def test_report_lists_the_decisions_that_moved_something(played: Played) -> None:
    journal = played.out / "journals" / "tidegate-4.journal"
    decided = acts(journal)
    subject = played.demo.subject
    assert subject is not None
    assert 0 < len(decided) < subject.outcome.decisions
    sent = {e.ts_ms for e in subject.outcome.events if type(e).__name__ == "TransferSent"}
    assert sent <= {d.ts_ms for d in decided}
    assert f"{len(decided)} of its {subject.outcome.decisions:,}" in render_demo(
        played.demo, journal
    )


def test_charts_show_what_was_scored(played: Played) -> None:
    demo = played.demo
    points = {t: x for trace in frontier_figure(demo)["data"] for t, x in pairs(trace)}
    for result in demo.results:
        assert points[result.score.label] == round(100 * result.score.loss, 4)
    crosses = [t for t in equity_figure(demo)["data"] if t["mode"] == "markers"]
    assert len(crosses) == sum(r.score.liquidated for r in demo.results)
    lowest = {
        float(min(y for y in trace["y"] if y is not None))
        for trace in health_figure(demo)["data"]
        if trace["yaxis"] == "y"
    }
    worst = demo.results[0].score.worst_health
    assert worst is not None
    assert min(lowest) == pytest.approx(worst, rel=1e-3)


def pairs(trace: dict[str, list[object]]) -> list[tuple[object, object]]:
    return list(zip(trace["text"], trace["x"], strict=True))


def test_picture_is_an_image_with_a_line_and_a_name_for_every_policy(played: Played) -> None:
    root = ET.fromstring(picture(played.demo))
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]
    assert root.tag.endswith("}svg")
    for result in played.demo.results:
        label, dead = result.score.label, result.score.liquidated
        assert texts.count(f"{label} †") == dead
        assert label in texts or dead


def test_demo_of_a_calm_week_and_without_tidegate_is_told_too(tmp_path: Path) -> None:
    with short():
        demo = run_demo(Words("calm", "2", "fixed=2,cash"), tmp_path / "out", 1, as_json=True)
    assert headline(demo)[0] == "A calm week without a crisis."
    assert "crisis" not in " ".join([*headline(demo)[1:], *last_words(demo)])
    assert "at the end of the week a sudden move" in last_words(demo)[0]
    assert demo.subject is None
    assert all(check.passed for _, check in folder_checks(tmp_path / "out"))
