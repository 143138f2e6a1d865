# SPDX-License-Identifier: Apache-2.0
"""`tidegate crisis`: one document, a folder that is taken up, failures told, bad input refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.ended import Run, runner
from tidegate.backtest.crisis.definitions import crises
from tidegate.backtest.crisis.playing import (
    FIRST_SEED,
    Job,
    contest_of,
    header,
    play_all,
    play_job,
    specs_of,
)
from tidegate.backtest.experiment import CLAIMS, Spec
from tidegate.model.errors import InputError

# The cheapest: plain rules on the market that is made fastest.
SMALL = ("run", "2022-11", "--market", "second", "--policies", "cash,fixed")
ONE_SEED = (*SMALL, "--seeds", 1, "--jobs", 1)
CASH, UNKNOWN = Spec("cash"), Spec("unknown")


@pytest.fixture
def crisis(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch, "crisis")


def job(*specs: Spec, market: str = "second", data: str = "") -> Job:
    return Job("2024-08-05", market, FIRST_SEED, specs, data)


def test_list_names_every_crisis_and_its_document_every_source(crisis: Run) -> None:
    shown, told = crisis("list"), crisis("list", "--json")
    assert shown.status == told.status == 0
    document = json.loads(told.out)
    assert tuple(document) == tuple(crises())
    for name, one in document.items():
        assert name in shown.out
        assert all(figure["source"] for figure in one["figures"].values())


def test_run_writes_rows_summary_and_page_and_is_not_played_again(
    crisis: Run, tmp_path: Path
) -> None:
    out, page = tmp_path / "out", tmp_path / "page.html"
    ended = crisis(*ONE_SEED, "--out", out, "--html", page)
    assert ended.status == 0
    for words in ("FTX", "cash", "fixed 4", "refused", "stranded"):
        assert words in ended.out
    rows = (out / "rows.jsonl").read_bytes()
    document = json.loads((out / "summary.json").read_text())
    assert document["failed"] == []
    assert {run["policy"] for run in document["runs"]} >= {"cash", "fixed 4"}
    assert page.read_text() == (out / "crises.html").read_text()
    assert "bankrupt on 2022-11-11" in page.read_text()
    text = (out / "crises.md").read_text()
    head, _, told = text.partition("### 2022-11: FTX")
    assert head.startswith("| crisis | market | fixed 4 | fixed 2.5 |\n")
    (line,) = [line for line in document["lines"] if line["policy"] == "fixed 4"]
    shown = f"{line['liquidated']:.0%} / {line['worst_loss']:.1%}"
    assert f"| 2022-11 | second | {shown} |" in head
    assert told
    assert "| fixed 4 | 1 |" in text
    assert "| fixed 5 |" not in text
    again = crisis(*ONE_SEED, "--out", out, "--json")
    assert again.status == 0
    assert json.loads(again.out) == document
    assert (out / "rows.jsonl").read_bytes() == rows


def test_torn_row_is_cut_off_and_its_job_played_again(tmp_path: Path) -> None:
    jobs, told = [job(CASH)], list[tuple[int, int]]()
    first = play_all(jobs, tmp_path, 1, lambda *shares: told.append(shares))
    path = tmp_path / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert play_all(jobs, tmp_path, 1, lambda *shares: told.append(shares)) == first
    assert path.read_bytes() == whole
    assert play_all(jobs, tmp_path, 1, lambda *shares: told.append(shares)) == first
    assert told == [(0, 1), (1, 1), (0, 1), (1, 1), (1, 1)]


def test_rows_of_another_version_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    other = msgspec.structs.replace(header(), source="another")
    path = tmp_path / "rows.jsonl"
    path.write_bytes(msgspec.json.encode(other) + b"\n")
    before = path.read_bytes()
    with pytest.raises(InputError, match="name another folder"):
        play_all([job(CASH)], tmp_path, 1, lambda *_: None)
    assert path.read_bytes() == before
    path.write_bytes(msgspec.json.encode(header()) + b"\nnot a row\n")
    with pytest.raises(InputError, match="line 2: expected rows"):
        play_all([job(CASH)], tmp_path, 1, lambda *_: None)


def test_policy_that_fails_is_a_row_that_says_so_and_the_others_go_on() -> None:
    lost, cash = play_job(job(UNKNOWN, CASH))
    assert (lost.policy, lost.failed) == ("unknown", "KeyError: 'unknown'")
    assert not lost.opened
    assert cash.failed is None
    assert cash.result > 0.0


def test_failed_job_is_played_again_when_its_folder_is_taken_up(tmp_path: Path) -> None:
    counts: list[int] = []
    for _ in range(2):
        play_all([job(UNKNOWN)], tmp_path, 1, lambda done, _: counts.append(done))
    assert counts == [0, 1, 0, 1]


def test_history_without_its_files_fails_in_words_and_exits_1(
    crisis: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", str(tmp_path))
    words = ("run", "2024-08-05", "--market", "history", "--policies", "cash", "--jobs", 1)
    ended = crisis(*words)
    assert ended.status == 1
    assert "failed: 2024-08-05, history" in ended.out
    assert "0 of 1" in ended.out


def test_history_without_a_folder_is_left_out_unless_it_was_asked_for(
    crisis: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", str(tmp_path / "none"))
    asked = crisis("run", "2024-08-05", "--market", "history")
    assert asked.status == 2
    assert "expected a folder of market data" in asked.err
    words = ("run", "2024-08-05", "--policies", "cash", "--seeds", 1, "--jobs", 1, "--json")
    ended = crisis(*words)
    assert ended.status == 0
    assert "history is left out" in ended.err
    assert {line["market"] for line in json.loads(ended.out)["lines"]} == {"first", "second"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "2019"), "2019: expected one of 2020-03-12"),
        (("run", "2022-11", "--market", "third"), "--market: expected one of first, second"),
        (("run", "2022-11", "--policies", "hope"), "--policies: expected one of tidegate"),
        (("run", "drained", "--market", "second"), "drained: expected a market among first"),
        (("run", "2022-11", "--seeds", "0"), "Invalid value for '--seeds'"),
        (("run",), "Missing argument 'name'"),
    ],
)
def test_bad_words_are_one_line_and_exit_2(crisis: Run, words: tuple[str, ...], told: str) -> None:
    ended = crisis(*words)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_place_that_cannot_be_written_is_refused_before_anything_is_played(
    crisis: Run, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    ended = crisis(*ONE_SEED, option, tmp_path / "file" / "within")
    assert ended.status == 2
    assert option in ended.err


def test_every_baseline_is_played_with_the_same_capital_on_the_same_market() -> None:
    for market in ("first", "second"):
        kinds = {spec.policy for spec in specs_of("insolvency", market)}
        others = {"fixed", "threshold", "desk", "per-venue", "foresight", "cash"}
        assert kinds == {"tidegate", CLAIMS, *others}
    fixed = [s.leverage for s in specs_of("insolvency", "first") if s.policy == "fixed"]
    assert (max(fixed), min(fixed)) == (50.0, 1.6667)  # type: ignore[type-var]
    rows = play_job(job(CASH, Spec("fixed", 1.6667)))
    assert {row.struck for row in rows} == {None}
    capital = contest_of(job()).experiment.arrangement.mandate.capital_usd
    assert capital == 100_000


@pytest.mark.soak
def test_all_crises_end_without_a_failure(crisis: Run, tmp_path: Path, data_root: Path) -> None:
    """Every policy on every market with one seed; a quiet machine of two cores takes minutes."""
    ended = crisis("all", "--seeds", 1, "--out", tmp_path)
    assert ended.status == 0
    document = json.loads((tmp_path / "summary.json").read_text())
    played = {(line["crisis"], line["market"]) for line in document["lines"]}
    assert played == {(name, market) for name, one in crises().items() for market in one.markets}
    assert document["failed"] == []


def test_contagion_is_a_crisis_command_and_refuses_what_nobody_has(crisis: Run) -> None:
    words = ["contagion", "--move", "-0.01", "--json"]
    for said in ("accounts=100", "seeds=1", "end_s=800", "step_s=4"):
        words += ["--assume", said]
    ended = crisis(*words)
    document = json.loads(ended.out)
    assert ended.status == (1 if document["harmless_share"] is None else 0)
    assert document["crowd"]["accounts"] == 100
    assert document["shock"]["move"] == -0.01
    assert "Example: tidegate crisis contagion" in crisis("contagion", "--help").out
    refused = crisis("contagion", "--assume", "depth=1")
    assert refused.status == 2
    assert "depth" in refused.err


@pytest.mark.parametrize(("option", "word"), [("--policies", ""), ("--policies", "cash,")])
def test_word_that_is_no_policy_is_refused_and_nothing_is_played(
    crisis: Run, option: str, word: str
) -> None:
    ended = crisis("run", "2022-11", option, word)
    assert (ended.status, "got ''" in ended.err) == (2, True)


def test_page_that_cannot_be_written_is_found_before_the_play(crisis: Run, tmp_path: Path) -> None:
    for folder in (tmp_path, Path("/proc")):
        ended = crisis("run", "2022-11", "--seeds", 1_000, "--html", folder / "none" / "page.html")
        assert (ended.status, "--html" in ended.err) == (2, True)
    ended = crisis("run", "2022-11", "--seeds", 1_000, "--html", "/proc/page.html")
    assert (ended.status, "--html" in ended.err) == (2, True)
