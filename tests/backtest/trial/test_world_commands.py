# SPDX-License-Identifier: Apache-2.0
"""`tidegate world`: one document, one folder that is taken up, and bad input in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.backtest.trial.contests import CALM_DAYS, WARMUP_DAYS
from tests.backtest.trial.made_scores import scores_of_job, write_scores
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial import commands, contest, killer, study
from tidegate.backtest.trial.killer import Finding, Kind, cheapest
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import ablation_specs, jobs_of, read_scores, study_specs
from tidegate.backtest.trial.summary import Summary, shares_of, summarise
from tidegate.backtest.variants import PARTS
from tidegate.cli import main

CHEAP = (Spec("fixed", 5.0), Spec("threshold", 4.0), Spec("cash"))
FIRST = 40
SEEDS = ("--first-seed", str(FIRST), "--jobs", "1")


@dataclass(frozen=True, slots=True)
class Told:
    """How a command ended and what it said where."""

    status: object
    out: str
    err: str


Run = Callable[..., Told]


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `tidegate world ...` in this process."""

    def command(*words: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["tidegate", "world", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Told(ended.value.code, told.out, told.err)

    return command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of few policies on contests of one calm day."""
    monkeypatch.setattr(contest, "WARMUP_DAYS", WARMUP_DAYS)
    monkeypatch.setattr(contest, "CALM_DAYS", CALM_DAYS)
    monkeypatch.setattr(commands, "study_specs", lambda: CHEAP)


@pytest.fixture
def unplayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No contest may be played: what is asked for is there already, or must be refused."""

    def play(job: study.Job) -> list[Score]:
        pytest.fail(f"seed {job.seed} was played")

    monkeypatch.setattr(study, "play_job", play)


def study_written(folder: Path, specs: Sequence[Spec], count: int = 3) -> list[Score]:
    """Scores by hand of a study that is done: losses differ by policy, part and seed."""
    jobs = jobs_of("first", FIRST, count, tuple(specs))
    contests = [
        [
            msgspec.structs.replace(
                score,
                loss=(place + 1) * (job.seed - FIRST + 1) / 1_000,
                liquidated=score.policy != "tidegate" or len(score.without) > 2,
                calm_leverage=score.leverage or 2.0,
            )
            for place, score in enumerate(scores_of_job(job))
        ]
        for job in jobs
    ]
    folder.mkdir()
    write_scores(folder / "scores.jsonl", contests)
    return [score for row in contests for score in row]


@pytest.mark.usefixtures("quick")
def test_study_writes_what_it_prints_and_is_taken_up(world: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "study"
    told = world("study", "--seeds", 2, *SEEDS, "--out", out, "--json")
    assert told.status == 0
    printed = msgspec.json.decode(told.out, type=Summary)
    assert json.loads((out / "summary.json").read_text()) == json.loads(told.out)
    assert {path.name for path in out.iterdir()} == {"scores.jsonl", "summary.json"}
    assert (printed.world, printed.first_seed, printed.contests) == ("first", FIRST, 2)
    assert [line.label for line in printed.lines] == [spec.label for spec in CHEAP]
    scores = read_scores(out / "scores.jsonl")
    assert printed == summarise(scores)
    first = (out / "scores.jsonl").read_bytes()
    more = world("study", "--seeds", 3, *SEEDS, "--out", out, "--json")
    assert (out / "scores.jsonl").read_bytes().startswith(first)
    assert json.loads(more.out)["contests"] == 3
    assert len(read_scores(out / "scores.jsonl")) == 3 * len(CHEAP)


@pytest.mark.usefixtures("unplayed")
def test_study_that_is_done_is_summed_up_without_playing(world: Run, tmp_path: Path) -> None:
    scores = study_written(tmp_path / "done", study_specs())
    told = world("study", "--seeds", 3, *SEEDS, "--out", tmp_path / "done", "--json")
    assert told.status == 0
    assert msgspec.json.decode(told.out, type=Summary) == summarise(scores)


@pytest.mark.usefixtures("unplayed")
def test_table_has_a_row_for_each_policy_and_each_comparison(world: Run, tmp_path: Path) -> None:
    scores = study_written(tmp_path / "done", study_specs())
    told = world("study", "--seeds", 3, *SEEDS, "--out", tmp_path / "done")
    assert told.status == 0
    rows = [line.split() for line in told.out.splitlines() if line.strip()]
    summary = summarise(scores)
    assert len(rows) == len(summary.lines) + len(summary.beside) + 4
    fixed = next(row for row in rows if row[:2] == ["fixed", "5"])
    assert fixed[2] == "100.0%"
    assert any("fixed 5 (tidegate 5)" in line for line in told.out.splitlines())
    assert max(len(line) for line in told.out.splitlines()) <= commands.WIDTH


@pytest.mark.usefixtures("unplayed")
def test_ablations_print_the_share_of_each_part(world: Run, tmp_path: Path) -> None:
    out = tmp_path / "done"
    scores = study_written(out, ablation_specs(commands.ABLATED_PERCENT))
    told = world("ablations", "--seeds", 3, *SEEDS, "--out", out, "--json")
    assert told.status == 0
    shares = json.loads(told.out)
    assert json.loads((out / "summary.json").read_text()) == shares
    for measure in ("liquidated", "loss"):
        by_hand = shares_of(scores, measure)
        assert shares[measure] == {part: msgspec.to_builtins(by_hand[part]) for part in PARTS}
    # What is written by hand dies from the third part on that is off: all four are worth the same.
    assert {part: round(s["share"], 12) for part, s in shares["liquidated"].items()} == (
        dict.fromkeys(PARTS, -0.25)
    )
    table = world("ablations", "--seeds", 3, *SEEDS, "--out", out)
    assert [line.split()[:2] for line in table.out.splitlines() if "-0.250" in line] == [
        [part, "-0.250"] for part in PARTS
    ]


@pytest.mark.parametrize("command", ["study", "ablations"])
@pytest.mark.parametrize("name", ["third", "", "First", "first "])
@pytest.mark.usefixtures("unplayed")
def test_unknown_world_is_one_line_and_exit_2_and_nothing_is_made(
    command: str, name: str, world: Run, tmp_path: Path
) -> None:
    told = world(command, "--seeds", 2, "--world", name, "--out", tmp_path / "out", "--json")
    expected = f"tidegate: --world: {name}: expected one of first, second\n"
    assert told == Told(2, "", expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["study", "ablations", "killer"])
@pytest.mark.usefixtures("unplayed")
def test_folder_that_cannot_be_made_is_one_line_and_exit_2_before_anything_is_played(
    command: str, world: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "search_all", lambda *_: pytest.fail("the search began"))
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "inner"):
        told = world(command, "--seeds", 2, "--out", out)
        assert told == Told(2, "", f"tidegate: --out: {out}: expected a folder that can be made\n")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.usefixtures("unplayed")
def test_folder_of_another_study_is_one_line_and_exit_2_and_is_left_alone(
    world: Run, tmp_path: Path
) -> None:
    out = tmp_path / "done"
    study_written(out, ablation_specs(commands.ABLATED_PERCENT))
    before = (out / "scores.jsonl").read_bytes()
    for words in (("study",), ("ablations", "--world", "second")):
        told = world(*words, "--seeds", 3, *SEEDS, "--out", out, "--json")
        assert (told.status, told.out) == (2, "")
        assert told.err.count("\n") == 1
        assert "expected this study's world and policies" in told.err
    assert [path.name for path in out.iterdir()] == ["scores.jsonl"]
    assert (out / "scores.jsonl").read_bytes() == before


FOUND = (
    Finding(Kind(-1, 5, True, False), 0.2541, {"binance": 2}, 14),
    Finding(Kind(1, 60, True, True), None, {}, 2),
)


def test_search_prints_its_findings_and_the_cheapest(
    world: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def search_all(*arguments: object) -> Iterator[Finding]:
        asked.extend(arguments)
        yield from FOUND

    monkeypatch.setattr(commands, "search_all", search_all)
    words = ("killer", "--seeds", 2, *SEEDS, "--leverage", 3, "--out", tmp_path / "out")
    told = world(*words, "--json")
    assert told.status == 0
    assert asked == [range(FIRST, FIRST + 2), 3.0, 1]
    document = json.loads(told.out)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == document
    assert (document["leverage"], document["seeds"]) == (3.0, 2)
    assert msgspec.convert(document["findings"], tuple[Finding, ...]) == FOUND
    assert msgspec.convert(document["cheapest"], Finding) == cheapest(FOUND) == FOUND[0]
    table = world(*words).out
    assert "rise within 60 min, money frozen, venue out" in table
    assert "none up to 60 %" in table
    assert table.splitlines()[-1] == "cheapest: fall within 5 min, money frozen, 25.4%"


@pytest.mark.soak
def test_search_of_two_seeds_from_one_command_ends_with_what_kills(
    world: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = (Kind(-1, 1, True, True),)
    monkeypatch.setattr(killer, "kinds", lambda: one)
    told = world("killer", "--seeds", 2, "--first-seed", FIRST, "--jobs", 1, "--json")
    assert told.status == 0
    (found,) = msgspec.convert(json.loads(told.out)["findings"], tuple[Finding, ...])
    assert found.kind == one[0]
    assert found.runs == 14
    assert found.move is not None
    dead = [killer.killed_by(one[0], found.move, seed, 4.0) for seed in (FIRST, FIRST + 1)]
    assert [venue for venue in dead if venue] == [
        venue for venue, count in found.venues.items() for _ in range(count)
    ]
