# SPDX-License-Identifier: Apache-2.0
"""`tidegate world`: one document, one folder that is taken up, and bad input in one line."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

import tidegate
from tests.backtest.trial.contests import CALM_DAYS, WARMUP_DAYS
from tests.backtest.trial.made_scores import scores_of_job, write_scores
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial import commands, contest, killer, study
from tidegate.backtest.trial.contest import World
from tidegate.backtest.trial.killer import Finding, Kind, cheapest
from tidegate.backtest.trial.origin import Origin, origin_of, source_digest
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import (
    ScoreFile,
    ablation_specs,
    jobs_of,
    read_scores,
    study_specs,
)
from tidegate.backtest.trial.summary import Summary, shares_of, summarise
from tidegate.backtest.trial.worlds import world_of
from tidegate.backtest.variants import PARTS
from tidegate.cli import main
from tidegate.model.errors import InputError
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.fitting import Estimate
from tidegate.simulation.world.parameter_file import load_parameters, parameter_text

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


def study_written(
    folder: Path, specs: Sequence[Spec], count: int = 3, fitted: WorldParameters | None = None
) -> list[Score]:
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
    write_scores(folder / "scores.jsonl", origin_of("first", tuple(specs), fitted), contests)
    return [score for row in contests for score in row]


@pytest.mark.usefixtures("quick")
def test_study_writes_what_it_prints_and_is_taken_up(world: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "study"
    told = world("study", "--seeds", 2, *SEEDS, "--out", out, "--json")
    assert told.status == 0
    printed = msgspec.json.decode(told.out, type=Summary)
    assert json.loads((out / "summary.json").read_text()) == json.loads(told.out)
    assert {path.name for path in out.iterdir()} == {"scores.jsonl", "summary.json"}
    origin = origin_of("first", CHEAP)
    assert (printed.origin, printed.first_seed, printed.contests) == (origin, FIRST, 2)
    assert [line.label for line in printed.lines] == [spec.label for spec in CHEAP]
    kept = ScoreFile(out / "scores.jsonl", origin)
    assert printed == summarise(read_scores(kept), origin)
    first = (out / "scores.jsonl").read_bytes()
    more = world("study", "--seeds", 3, *SEEDS, "--out", out, "--json")
    assert (out / "scores.jsonl").read_bytes().startswith(first)
    assert json.loads(more.out)["contests"] == 3
    assert len(read_scores(kept)) == 3 * len(CHEAP)


@pytest.mark.usefixtures("unplayed")
def test_study_that_is_done_is_summed_up_without_playing(world: Run, tmp_path: Path) -> None:
    scores = study_written(tmp_path / "done", study_specs())
    told = world("study", "--seeds", 3, *SEEDS, "--out", tmp_path / "done", "--json")
    assert told.status == 0
    expected = summarise(scores, origin_of("first", study_specs()))
    assert msgspec.json.decode(told.out, type=Summary) == expected


@pytest.mark.usefixtures("unplayed")
def test_table_has_a_row_for_each_policy_and_each_comparison(world: Run, tmp_path: Path) -> None:
    scores = study_written(tmp_path / "done", study_specs())
    told = world("study", "--seeds", 3, *SEEDS, "--out", tmp_path / "done")
    assert told.status == 0
    lines = [line.strip() for line in told.out.splitlines() if line.strip()]
    origin = origin_of("first", study_specs())
    summary = summarise(scores, origin)
    assert lines[0].startswith(f"world first {origin.world_parameters[:12]}, mandate ")
    assert lines[0].endswith(f"source {origin.source[:12]}, 3 seeds from {FIRST} to {FIRST + 2}")
    compared = [pair.theirs for pair in summary.beside] + ["desk"]
    first_words = [line.split("  ")[0] for line in lines]
    for label in [line.label for line in summary.lines]:
        assert first_words.count(label) == 1 + 2 * compared.count(label)
    fixed = next(line for line in lines if line.startswith("fixed 5 "))
    assert "100.0%" in fixed
    assert any(line.startswith("desk, at an equal mean of the worst 5 %") for line in lines)
    assert "gate: does not hold: " in told.out
    assert max(len(line) for line in told.out.splitlines()) <= commands.WIDTH
    assert "…" not in told.out


@pytest.mark.usefixtures("unplayed")
def test_table_tells_what_share_of_contests_a_policy_refused(world: Run, tmp_path: Path) -> None:
    scores = study_written(tmp_path / "done", study_specs())
    refused = {("fixed 50", seed) for seed in range(FIRST, FIRST + 3)} | {("fixed 20", FIRST)}
    changed = [
        msgspec.structs.replace(s, refused=(s.label, s.seed) in refused, liquidated=False)
        if (s.label, s.seed) in refused
        else s
        for s in scores
    ]
    count = len(study_specs())
    contests = [changed[start : start + count] for start in range(0, len(changed), count)]
    origin = origin_of("first", study_specs())
    write_scores(tmp_path / "done" / "scores.jsonl", origin, contests)
    told = world("study", "--seeds", 3, *SEEDS, "--out", tmp_path / "done")
    rows = [line.split() for line in told.out.splitlines()]
    assert ["fixed", "50", "100.0%"] in rows
    assert next(row for row in rows if row[:2] == ["fixed", "20"])[2:4] == ["33.3%", "100.0%"]
    assert next(row for row in rows if row[:2] == ["fixed", "5"])[2:3] == ["100.0%"]


@pytest.mark.usefixtures("unplayed")
def test_ablations_print_the_share_of_each_part(world: Run, tmp_path: Path) -> None:
    out = tmp_path / "done"
    scores = study_written(out, ablation_specs(commands.ABLATED_PERCENT))
    told = world("ablations", "--seeds", 3, *SEEDS, "--out", out, "--json")
    assert told.status == 0
    shares = json.loads(told.out)
    assert json.loads((out / "ablations.json").read_text()) == shares
    assert not (out / "summary.json").exists()
    origin = origin_of("first", ablation_specs(commands.ABLATED_PERCENT))
    assert msgspec.convert(shares["origin"], Origin) == origin
    assert (shares["first_seed"], shares["contests"]) == (FIRST, 3)
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


@pytest.mark.parametrize("command", ["study", "ablations", "killer"])
@pytest.mark.usefixtures("unplayed")
def test_folder_that_cannot_be_written_to_is_one_line_and_exit_2_before_anything_is_played(
    command: str, world: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "search_all", lambda *_: pytest.fail("the search began"))
    # Nobody makes a file here, not even who may write everywhere.
    out = Path("/proc/self/fd")
    if not out.is_dir():
        pytest.skip("this system has no such folder")
    told = world(command, "--seeds", 2, "--out", out)
    expected = f"tidegate: --out: {out}: expected a folder that can be written to\n"
    assert told == Told(2, "", expected)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("study", "scores.jsonl"),
        ("study", "summary.json"),
        ("ablations", "ablations.json"),
        ("killer", "killer.json"),
    ],
)
@pytest.mark.usefixtures("unplayed")
def test_folder_in_a_files_place_is_one_line_and_exit_2_before_anything_is_played(
    command: str, name: str, world: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "search_all", lambda *_: pytest.fail("the search began"))
    (tmp_path / name).mkdir()
    told = world(command, "--seeds", 2, "--out", tmp_path)
    expected = f"tidegate: --out: {tmp_path}: expected a folder that can be written to\n"
    assert told == Told(2, "", expected)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_source_digest_changes_with_a_file_of_the_package_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    digests = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("inner/b.py", "3"), ("note.txt", "4")):
        (tmp_path / name).write_text(text)
        digests.add(source_digest(tmp_path))
    assert len(digests) == 3
    assert origin_of("first", CHEAP).source == source_digest(Path(tidegate.__file__).parent)


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
        assert told.err.endswith("; name another folder\n")
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
    assert asked == [range(FIRST, FIRST + 2), 3.0, 1, None]
    document = json.loads(told.out)
    assert json.loads((tmp_path / "out" / "killer.json").read_text()) == document
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["killer.json"]
    assert (document["leverage"], document["first_seed"], document["contests"]) == (3.0, FIRST, 2)
    expected = origin_of("first", (Spec("tidegate", 3.0),))
    assert msgspec.convert(document["origin"], Origin) == expected
    assert msgspec.convert(document["findings"], tuple[Finding, ...]) == FOUND
    assert msgspec.convert(document["cheapest"], Finding) == cheapest(FOUND) == FOUND[0]
    table = world(*words).out
    assert "rise within 60 min, money frozen, venue out" in table
    assert "none up to 60 %" in table
    assert table.splitlines()[-1] == "cheapest: fall within 5 min, money frozen, 25.4%"


def fitted_file(folder: Path) -> Path:
    """Parameters as `world fit` writes them, of a market twice as volatile."""
    path = folder / "fitted.toml"
    path.write_text(parameter_text([Estimate("coins.BTC.vol_annual", 0.78, 0.01)], "a test"))
    return path


@pytest.mark.usefixtures("unplayed")
def test_fitted_parameters_stand_by_their_digest_in_the_origin_and_apart_from_others(
    world: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was played on the world's own parameters is not taken up; what was on these is."""
    file = fitted_file(tmp_path)
    fitted = load_parameters(file)
    study_written(tmp_path / "own", study_specs())
    words = ("study", "--seeds", 3, *SEEDS, "--parameters", file, "--json", "--out")
    told = world(*words, tmp_path / "own")
    assert (told.status, told.out) == (2, "")
    assert f"world_parameters: expected {fitted.digest()}, got {WorldParameters().digest()}" in (
        told.err
    )
    study_written(tmp_path / "fitted", study_specs(), fitted=fitted)
    told = world(*words, tmp_path / "fitted")
    assert told.status == 0
    assert json.loads(told.out)["origin"]["world_parameters"] == fitted.digest()
    asked: list[object] = []
    monkeypatch.setattr(commands, "search_all", lambda *words: iter(asked.append(words) or FOUND))
    told = world("killer", "--seeds", 2, *SEEDS, "--parameters", file, "--json")
    assert json.loads(told.out)["origin"]["world_parameters"] == fitted.digest()
    assert asked == [(range(FIRST, FIRST + 2), 4.0, 1, fitted)]


def test_every_contest_of_a_fitted_world_is_made_with_its_parameters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In other processes too: a job is pickled with what was read, not with where it stood."""
    fitted = load_parameters(fitted_file(tmp_path))
    made: list[World] = []

    def take(world: World, *_: object) -> None:
        made.append(world)
        raise InputError("a test", "contest", "expected none")

    monkeypatch.setattr(study, "make_contest", take)
    monkeypatch.setattr(killer, "make_contest", take)
    (job,) = pickle.loads(pickle.dumps(jobs_of("first", FIRST, 1, CHEAP, fitted)))
    with pytest.raises(InputError, match="expected none"):
        study.play_job(job)
    kind = Kind(-1, 5, False, False)
    with pytest.raises(InputError, match="expected none"):
        killer.killed_by(kind, 0.3, FIRST, 4.0, fitted)
    shapes = (*fitted.crises, kind.shape(0.3))
    assert [world.digest for world in made] == [
        fitted.digest(),
        dataclasses.replace(fitted, crises=shapes).digest(),
    ]
    paths = [world_of("first", p).make(1, 2, "calm", 0) for p in (fitted, None)]
    assert (paths[0].close["binance:BTC"] != paths[1].close["binance:BTC"]).any()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("study", "--world", "second"), "--parameters: second: expected --world first"),
        (("ablations", "--world", "third"), "--world: third: expected one of first, second"),
    ],
)
@pytest.mark.usefixtures("unplayed")
def test_fitted_parameters_of_another_world_are_one_line_and_exit_2(
    words: tuple[str, ...], expected: str, world: Run, tmp_path: Path
) -> None:
    told = world(*words, "--parameters", fitted_file(tmp_path), "--out", tmp_path / "out")
    assert (told.status, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(f"tidegate: {expected}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["study", "ablations", "killer", "chain"])
@pytest.mark.usefixtures("unplayed")
def test_file_of_parameters_that_is_wrong_is_one_line_and_exit_2_and_nothing_is_made(
    command: str, world: Run, tmp_path: Path
) -> None:
    file = tmp_path / "p.toml"
    file.write_text("[basis]\nwidth = 1\n")
    told = world(command, "--parameters", file, "--out", tmp_path / "out")
    expected = "p.toml: basis.width: expected a number of the world's parameters"
    assert told == Told(2, "", f"tidegate: {expected}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["p.toml"]


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
    assert found.runs == 16
    assert found.move is not None
    dead = [killer.killed_by(one[0], found.move, seed, 4.0) for seed in (FIRST, FIRST + 1)]
    assert [venue for venue in dead if venue] == [
        venue for venue, count in found.venues.items() for _ in range(count)
    ]


@pytest.mark.parametrize("text", ["", "# nothing but words\n", "[errors]\nx = 1\n"])
def test_file_of_parameters_that_names_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fitted.toml"
    path.write_text(text)
    with pytest.raises(InputError, match="at least one part"):
        load_parameters(path)
