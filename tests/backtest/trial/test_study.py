# SPDX-License-Identifier: Apache-2.0
"""A study plays each contest once, in whatever number of processes, and can be taken up again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.trial.contests import CALM_DAYS, WARMUP_DAYS
from tests.backtest.trial.made_scores import (
    ORIGIN,
    score_lines,
    scored,
    scores_of_job,
    write_scores,
)
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial import contest, study
from tidegate.backtest.trial.origin import header_line
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import (
    CRISIS_NAMES,
    FRONTIER,
    Job,
    ScoreFile,
    ablation_specs,
    jobs_of,
    leverage_of,
    play_all,
    play_job,
    read_scores,
    study_specs,
)
from tidegate.backtest.variants import PARTS
from tidegate.model.errors import InputError
from tidegate.simulation.world import CRISES

CHEAP = (Spec("cash"), Spec("fixed", 5.0), Spec("desk"))
JOBS = jobs_of("first", 6, 3, CHEAP)
Steps = list[tuple[int, int]]


def by_seed(scores: Sequence[Score]) -> list[Score]:
    return sorted(scores, key=lambda s: s.seed)


def played(jobs: Sequence[Job], file: Path | None) -> tuple[list[Score], Steps]:
    """Scores in the order of seeds, and the progress that was told."""
    told: Steps = []
    kept = None if file is None else ScoreFile(file, ORIGIN)
    scores = play_all(jobs, kept, 1, lambda done, of: told.append((done, of)))
    return by_seed(scores), told


def read(file: Path) -> list[Score]:
    return read_scores(ScoreFile(file, ORIGIN))


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each seed is played; what it then gives is told apart by its loss."""
    count: Counter[int] = Counter()

    def play(job: Job) -> list[Score]:
        count[job.seed] += 1
        return made(job)

    monkeypatch.setattr(study, "play_job", play)
    return count


def made(job: Job) -> list[Score]:
    return scores_of_job(job, loss=job.seed / 7, journal_head=f"{job.seed:064d}")


ALL = [score for job in JOBS for score in made(job)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scores.jsonl"


def test_same_scores_come_from_one_process_and_from_two(tmp_path: Path) -> None:
    jobs = jobs_of("first", 3, 2, CHEAP[:2])
    files = {processes: tmp_path / f"{processes}.jsonl" for processes in (1, 2)}
    scores = {
        processes: by_seed(play_all(jobs, ScoreFile(path, ORIGIN), processes, lambda *_: None))
        for processes, path in files.items()
    }
    assert scores[1] == scores[2]
    assert [(s.seed, s.crisis, s.label) for s in scores[1]] == [
        (job.seed, job.crisis, spec.label) for job in jobs for spec in job.specs
    ]
    assert len({s.journal_head for s in scores[1]}) == 4
    lines = {processes: sorted(path.read_bytes().split(b"\n")) for processes, path in files.items()}
    assert lines[1] == lines[2]
    assert by_seed(read(files[1])) == scores[1]


def test_job_gives_each_policy_in_turn_the_same_contest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "WARMUP_DAYS", WARMUP_DAYS)
    monkeypatch.setattr(contest, "CALM_DAYS", CALM_DAYS)
    job = Job("second", "gap", 4, CHEAP)
    scores = play_job(job)
    assert [(s.policy, s.leverage) for s in scores] == [(s.policy, s.leverage) for s in CHEAP]
    assert {(s.world, s.crisis, s.seed) for s in scores} == {("second", "gap", 4)}
    one = play_job(msgspec.structs.replace(job, specs=CHEAP[1:2]))
    assert one == scores[1:2]


def test_file_has_one_line_for_each_contest(file: Path, plays: Counter[int]) -> None:
    scores, told = played(JOBS, file)
    assert scores == ALL
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    header, *lines = file.read_bytes().splitlines()
    assert header + b"\n" == header_line(ORIGIN)
    assert [msgspec.json.decode(line, type=list[Score]) for line in lines] == [
        made(job) for job in JOBS
    ]


def test_study_without_a_file_writes_nothing(tmp_path: Path, plays: Counter[int]) -> None:
    assert played(JOBS, None)[0] == ALL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_half_written_study_is_taken_up_and_nothing_is_played_twice(
    done: int, file: Path, plays: Counter[int]
) -> None:
    write_scores(file, ORIGIN, [made(job) for job in JOBS[:done]])
    scores, told = played(JOBS, file)
    assert plays == Counter(job.seed for job in JOBS[done:])
    assert scores == by_seed(read(file)) == ALL
    assert told == [(count, 3) for count in range(done, 4)]
    played(JOBS, file)
    assert max(plays.values(), default=1) == 1


def whole_lines() -> bytes:
    return header_line(ORIGIN) + score_lines([made(job) for job in JOBS])


@settings(max_examples=60)
@given(st.integers(0, len(whole_lines())))
def test_file_cut_at_any_byte_is_taken_up_and_complete_again(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    file = tmp_path_factory.mktemp("cut") / "scores.jsonl"
    file.write_bytes(whole_lines()[:length])
    again: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "play_job", lambda job: again.append(job.seed) or made(job))
        assert played(JOBS, file)[0] == ALL
    kept = max(0, whole_lines()[:length].count(b"\n") - 1)
    assert again == [job.seed for job in JOBS[kept:]]
    assert file.read_bytes() == whole_lines()


def test_study_of_more_seeds_plays_the_new_ones_and_one_of_fewer_leaves_the_others_out(
    file: Path, plays: Counter[int]
) -> None:
    played(JOBS[:2], file)
    assert played(JOBS, file)[0] == ALL
    assert played(JOBS[1:2], file)[0] == made(JOBS[1])
    assert plays == Counter(job.seed for job in JOBS)
    assert by_seed(read(file)) == ALL


OTHERS = {
    "world": "second",
    "world_parameters": "9" * 64,
    "mandate": "9" * 16,
    "specs": (Spec("fixed", 4.0),),
    "tidegate": "0.0.9",
    "source": "9" * 64,
}


@pytest.mark.parametrize("field", ORIGIN.__struct_fields__)
def test_file_of_another_origin_is_refused_by_what_differs_and_left_as_it_was(
    field: str, file: Path, plays: Counter[int]
) -> None:
    other = msgspec.structs.replace(ORIGIN, **{field: OTHERS[field]})
    write_scores(file, other, [made(JOBS[0])])
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"; name another folder$") as caught:
        played(JOBS, file)
    assert str(caught.value).startswith(f"{file}: {field}: expected ")
    assert "\n" not in str(caught.value)
    assert not plays
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        score_lines([scores_of_job(JOBS[0])]),
        b"mine",
        b"mine\n",
        b"\n",
        b"{}\n",
        b"\xff\n",
        header_line(ORIGIN).replace(b"scores 1", b"scores 2"),
    ],
    ids=["without", "torn", "words", "empty", "object", "bytes", "format"],
)
def test_file_without_a_header_is_refused_in_one_line_and_left_as_it_was(
    content: bytes, file: Path, plays: Counter[int]
) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.jsonl: line 1: expected a header") as caught:
        played(JOBS, file)
    assert "\n" not in str(caught.value)
    assert not plays
    assert file.read_bytes() == content


MINE, OTHER = JOBS[0], JOBS[1]
TURNED = msgspec.structs.replace(OTHER, specs=CHEAP[::-1])


@pytest.mark.parametrize(
    "strange",
    [
        [made(MINE), made(msgspec.structs.replace(OTHER, specs=CHEAP[:2]))],
        [made(MINE), made(msgspec.structs.replace(OTHER, specs=(*CHEAP, Spec("fixed", 4.0))))],
        [made(MINE), made(msgspec.structs.replace(OTHER, specs=ablation_specs(20)))],
        [made(MINE), made(msgspec.structs.replace(OTHER, world="second"))],
        [made(MINE), made(OTHER), made(OTHER)],
        [made(MINE), made(TURNED)],
    ],
    ids=["fewer", "more", "ablations", "world", "twice", "order"],
)
def test_file_of_another_study_is_refused_in_one_line_and_left_as_it_was(
    strange: list[list[Score]], file: Path, plays: Counter[int]
) -> None:
    write_scores(file, ORIGIN, strange)
    with file.open("ab") as lines:
        lines.write(b"[torn")
    before = file.read_bytes()
    with pytest.raises(InputError, match="expected this study's world and policies") as caught:
        played(JOBS, file)
    assert str(caught.value).startswith(f"{file}: {strange[1][0].world} gap 7: ")
    assert "\n" not in str(caught.value)
    assert not plays
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[{}]", b"[torn", b"\xff", b'[{"world":"\xff"}]', b'[{"world":1}]'],
    ids=repr,
)
def test_line_that_is_not_scores_is_refused_by_its_number(
    line: bytes, file: Path, plays: Counter[int]
) -> None:
    good = msgspec.json.encode(made(JOBS[0])) + b"\n"
    file.write_bytes(header_line(ORIGIN) + good + line + b"\n" + good)
    with pytest.raises(InputError, match=r"scores\.jsonl: line 3: expected scores: ") as caught:
        played(JOBS, file)
    assert "\n" not in str(caught.value)
    assert not plays


def test_what_is_unknown_of_a_contest_is_read_as_it_was_written(file: Path) -> None:
    known = scored(CHEAP[0], 1, left=0.25, worst_health=-1.5)
    unknown = scored(CHEAP[0], 2, left=None, worst_health=None)
    write_scores(file, ORIGIN, [[known], [unknown]])
    assert read(file) == [known, unknown]


def test_jobs_take_crises_in_turn_and_all_policies() -> None:
    jobs = jobs_of("second", 1_000, 13, CHEAP)
    assert [job.seed for job in jobs] == list(range(1_000, 1_013))
    assert {job.world for job in jobs} == {"second"}
    assert all(job.specs == CHEAP for job in jobs)
    assert Counter(job.crisis for job in jobs[:12]) == dict.fromkeys(CRISIS_NAMES, 2)
    assert set(CRISIS_NAMES) == set(CRISES) - {"calm"}
    # A seed has its crisis whichever study it is part of.
    assert jobs[5] == jobs_of("second", 1_005, 1, CHEAP)[0]


@pytest.mark.parametrize(("percent", "leverage"), [(20, 5.0), (15, 6.6667), (2, 50), (100, 1.0)])
def test_leverage_is_a_hundred_over_the_buffer(percent: float, leverage: float) -> None:
    assert leverage_of(percent) == leverage


def test_study_has_the_frontier_every_rule_and_every_bound_once() -> None:
    specs = study_specs()
    assert len({spec.label for spec in specs}) == len(specs)
    sizes = {
        policy: {spec.leverage for spec in specs if spec.policy == policy}
        for policy in {spec.policy for spec in specs}
    }
    assert sizes["fixed"] == {leverage_of(b) for b in FRONTIER}
    assert (min(FRONTIER), max(FRONTIER)) == (2, 60)
    assert sizes["per-venue"] <= sizes["tidegate"] <= sizes["fixed"] & sizes["threshold"]
    assert sizes["desk"] == sizes["cash"] == {None}
    assert set(sizes) >= {"foresight"}
    assert not any(spec.without for spec in specs)


def test_ablations_are_every_subset_of_the_parts_once() -> None:
    specs = ablation_specs(20.0)
    subsets = [set(subset) for size in range(5) for subset in combinations(PARTS, size)]
    assert len(specs) == len(subsets) == 16
    assert all(set(spec.without) in subsets for spec in specs)
    assert len({frozenset(spec.without) for spec in specs}) == 16
    assert {(spec.policy, spec.leverage) for spec in specs} == {("tidegate", 5.0)}
