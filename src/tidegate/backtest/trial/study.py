# SPDX-License-Identifier: Apache-2.0
"""Many contests, every policy on each of them: scores in one file that can be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.trial.contest import book, make_contest
from tidegate.backtest.trial.origin import OTHER_FOLDER, Origin, header_line, require_origin
from tidegate.backtest.trial.score import Score, score
from tidegate.backtest.trial.worlds import world_of
from tidegate.backtest.variants import PARTS
from tidegate.backtest.workers import workers
from tidegate.model.errors import InputError
from tidegate.simulation.world import WorldParameters

CRISIS_NAMES = ("crash", "gap", "squeeze", "freeze", "depeg", "insolvency")
# Collateral per notional, in per cent: the frontier of `fixed`, the points of the other rules, and
# those of Tidegate and of venues that are run alone. Both hold more than 20 % of their own accord,
# so thinner rules are compared with that.
FRONTIER = (2, 5, 8, 10, 12.5, 15, 20, 25, 30, 40, 60)
POINTS = (10, 15, 20, 25, 30, 40)
OURS = (20, 25, 30, 40)

Progress = Callable[[int, int], None]


class Job(msgspec.Struct, frozen=True):
    """One contest and the policies on it; the parameters are None where they are the world's own.
    They are a value and no path, so that every process plays what was read at the start."""

    world: str
    crisis: str
    seed: int
    specs: tuple[Spec, ...]
    fitted: WorldParameters | None = None


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """Where scores are kept, and what they come from."""

    path: Path
    origin: Origin


def leverage_of(buffer_percent: float) -> float:
    """Gross leverage at which collateral is a share of each leg's notional."""
    return round(100 / buffer_percent, 4)


def study_specs() -> tuple[Spec, ...]:
    """The whole frontier of `fixed`, and all others at the points that are compared."""
    frontier = [Spec("fixed", leverage_of(b)) for b in FRONTIER]
    rules = [Spec("threshold", leverage_of(b)) for b in POINTS]
    alone = [Spec("per-venue", leverage_of(b)) for b in OURS[:3]]
    ours = [Spec("tidegate", leverage_of(b)) for b in OURS]
    others = [Spec("foresight", leverage_of(40)), Spec("desk"), Spec("cash")]
    return (*ours, *frontier, *rules, *alone, *others)


def ablation_specs(buffer_percent: float) -> tuple[Spec, ...]:
    """Tidegate with every subset of its parts switched off."""
    subsets = [
        tuple(part for bit, part in enumerate(PARTS) if mask >> bit & 1)
        for mask in range(2 ** len(PARTS))
    ]
    return tuple(Spec("tidegate", leverage_of(buffer_percent), without) for without in subsets)


def jobs_of(
    world: str,
    first_seed: int,
    count: int,
    specs: tuple[Spec, ...],
    fitted: WorldParameters | None = None,
) -> tuple[Job, ...]:
    """One contest per seed, the crises in turn."""
    return tuple(
        Job(world, CRISIS_NAMES[seed % len(CRISIS_NAMES)], seed, specs, fitted)
        for seed in range(first_seed, first_seed + count)
    )


def play_job(job: Job) -> list[Score]:
    """Every policy of a job on its contest."""
    contest = make_contest(world_of(job.world, job.fitted), book(), job.crisis, job.seed)
    return [score(contest, run(contest.experiment, spec, None), spec) for spec in job.specs]


def play_all(
    jobs: Sequence[Job], file: ScoreFile | None, processes: int, progress: Progress
) -> list[Score]:
    """Play jobs on processes; each contest's scores are appended to the file as one line, and
    contests that the file has are not played again. Raises `InputError` for a file of another
    origin or of other contests, and leaves it as it was."""
    done = _taken_up(file, jobs) if file is not None else []
    have = {_contest_of(s) for s in done}
    left = [job for job in jobs if _contest_of(job) not in have]
    scores, count = list(done), len(jobs) - len(left)
    progress(count, len(jobs))
    for result in _played(left, processes):
        scores += result
        count += 1
        if file is not None:
            with file.path.open("ab") as lines:
                lines.write(msgspec.json.encode(result) + b"\n")
        progress(count, len(jobs))
    return scores


def _contest_of(played: Job | Score) -> tuple[str, str, int]:
    return played.world, played.crisis, played.seed


def _taken_up(file: ScoreFile, jobs: Sequence[Job]) -> list[Score]:
    """What a file has of these contests, from a header on; it may have others of its origin."""
    path, header = file.path, header_line(file.origin)
    if not path.exists() or header.startswith(path.read_bytes()):
        path.write_bytes(header)
        return []
    rows: dict[tuple[str, str, int], list[Score]] = {}
    for row in read_scores(file):
        rows.setdefault(_contest_of(row), []).append(row)
    known = {(job.world, tuple(spec.label for spec in job.specs)) for job in jobs}
    for (world, crisis, seed), scores in rows.items():
        if (world, tuple(s.label for s in scores)) not in known:
            expected = f"expected this study's world and policies, each once; {OTHER_FOLDER}"
            raise InputError(str(path), f"{world} {crisis} {seed}", expected)
    _cut_torn_line(path)
    wanted = {_contest_of(job) for job in jobs}
    return [s for contest, scores in rows.items() if contest in wanted for s in scores]


def _cut_torn_line(path: Path) -> None:
    """Without this the next line would be written behind a torn one and be lost with it."""
    whole = path.read_bytes().rfind(b"\n") + 1
    with path.open("r+b") as lines:
        lines.truncate(whole)


def _played(jobs: Sequence[Job], processes: int) -> Iterable[list[Score]]:
    if processes == 1:
        yield from map(play_job, jobs)
        return
    with workers(processes) as submit:
        futures = [submit(play_job, job) for job in jobs]
        yield from (future.result() for future in as_completed(futures))


def read_scores(file: ScoreFile) -> list[Score]:
    """Scores of a file whose first line states its origin; a last line without its end was cut
    short and is left out, any other that cannot be read is refused."""
    header, *lines = file.path.read_bytes().split(b"\n")
    require_origin(file.path, header, file.origin)
    scores: list[Score] = []
    for number, line in enumerate(lines[:-1], 2):
        try:
            scores += msgspec.json.decode(line, type=list[Score])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            expected = f"expected scores: {error}"
            raise InputError(str(file.path), f"line {number}", expected) from None
    return scores
