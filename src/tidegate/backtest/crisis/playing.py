# SPDX-License-Identifier: Apache-2.0
"""Every policy through every crisis, on processes, with a file that a later run takes up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

import tidegate
from tidegate.backtest.compare import Request
from tidegate.backtest.crisis.definitions import HISTORY, Definition, crises
from tidegate.backtest.crisis.history import REPLAYS, history_contest
from tidegate.backtest.crisis.markets import world_of
from tidegate.backtest.crisis.rows import Row, row_of
from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest, book, make_contest
from tidegate.backtest.trial.origin import source_digest
from tidegate.backtest.trial.study import FRONTIER, POINTS, leverage_of
from tidegate.backtest.trials_command import count_study
from tidegate.backtest.workers import workers
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.market import content_id

ROWS = "rows.jsonl"
# Four seeds from here strike three venues in either world, and all four between the two; they were
# chosen for that alone.
FIRST_SEED = 7
# Gross leverages of Tidegate and of venues that are run alone. Coins held outright are paid for in
# full, so a book at one venue cannot be levered.
OURS = (4.0, 2.5)
ONE_VENUE = (0.5, 0.6, 0.7, 0.8, 0.9)
Progress = Callable[[int, int], None]


class Job(msgspec.Struct, frozen=True):
    """One crisis on one market with one seed, and the policies through it; `data` is the folder of
    market data, where one is needed."""

    crisis: str
    market: str
    seed: int
    specs: tuple[Spec, ...]
    data: str


class Header(msgspec.Struct, frozen=True, tag_field="format", tag="tidegate crises 1"):
    """What rows come from: the package's version and the digests of its source and definitions."""

    tidegate: str
    source: str
    definitions: str


def specs_of(crisis: str, market: str) -> tuple[Spec, ...]:
    """The policies of a crisis, at the sizes that its book can have."""
    if market != HISTORY:
        return _levered()
    if REPLAYS[crisis].book == "two_venues.toml":
        return (*_levered(), Spec("joint", 4.0))
    sized = [Spec(policy, size) for policy in ("fixed", "threshold") for size in ONE_VENUE]
    ours = (Spec("tidegate", 0.8), Spec("joint", 0.8), Spec("per-venue", 0.8))
    return (*ours, *sized, Spec("foresight", 0.6), Spec("desk"), Spec("cash"))


def _levered() -> tuple[Spec, ...]:
    """The whole frontier of `fixed`, the others at points of it."""
    found = [Spec(policy, size) for size in OURS for policy in ("tidegate", "per-venue")]
    found += [Spec("fixed", leverage_of(buffer)) for buffer in FRONTIER]
    found += [Spec("threshold", leverage_of(buffer)) for buffer in POINTS]
    return (*sorted(found, key=_order), Spec("foresight", 2.5), Spec("desk"), Spec("cash"))


def _order(spec: Spec) -> tuple[int, float]:
    return ("tidegate", "per-venue", "fixed", "threshold").index(spec.policy), -(spec.leverage or 0)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for: markets, kinds of policies (none named: all), and how many seeds."""

    markets: tuple[str, ...]
    kinds: tuple[str, ...]
    seeds: int

    def specs(self, crisis: str, market: str) -> tuple[Spec, ...]:
        """The policies of a crisis that are asked for."""
        specs = specs_of(crisis, market)
        return tuple(spec for spec in specs if not self.kinds or spec.policy in self.kinds)


def jobs_of(chosen: Mapping[str, Definition], choice: Choice, data: Path) -> tuple[Job, ...]:
    """One job for each crisis, market and seed that has policies to play; history is the same for
    every seed but for the times that transfers take, so it is played once."""
    return tuple(
        Job(name, market, seed, specs, str(data))
        for name, crisis in chosen.items()
        for market in crisis.markets
        if market in choice.markets and (specs := choice.specs(name, market))
        for seed in range(FIRST_SEED, FIRST_SEED + (1 if market == HISTORY else choice.seeds))
    )


def contest_of(job: Job) -> Contest:
    """The market of a job, with its book."""
    if job.market == HISTORY:
        return history_contest(job.crisis, Path(job.data), job.seed)
    maker, day = world_of(job.crisis, crises()[job.crisis], job.market)
    return make_contest(maker, book(), day, job.seed)


def play_job(job: Job) -> list[Row]:
    """Every policy of a job; what fails is a row that says so, and the others go on."""
    failing = partial(Row, crisis=job.crisis, market=job.market, seed=job.seed)
    try:
        contest = contest_of(job)
    except Exception as error:
        return [failing(policy=spec.label, failed=_words(error)) for spec in job.specs]
    loses = crises()[job.crisis].loses_money
    rows: list[Row] = []
    ended: dict[Spec, Outcome] = {}
    for spec in job.specs:
        try:
            ended[spec] = run(contest.experiment, spec, None)
            rows.append(row_of(job.crisis, contest, ended[spec], spec, loses))
        except Exception as error:
            rows.append(failing(policy=spec.label, failed=_words(error)))
    if job.market == HISTORY:
        _count(job, contest, ended)
    return rows


def _count(job: Job, contest: Contest, ended: Mapping[Spec, Outcome]) -> None:
    """What was run on real history is counted in the ledger of trials, as a backtest is."""
    tape = contest.experiment.tape
    window = Window(tape.start_ms, tape.end_ms)
    file = Path(REPLAYS[job.crisis].book)
    request = Request(file, Path(job.data), window, (), job.seed, tuple(ended), 1)
    count_study(request, contest.experiment, tuple(ended.values()))


def _words(error: Exception) -> str:
    told = " ".join(str(error).split())
    return told if isinstance(error, InputError) else f"{type(error).__name__}: {told}"


def play_all(
    jobs: Sequence[Job], out: Path | None, processes: int, progress: Progress
) -> list[Row]:
    """Play jobs; each one's rows are appended to the folder's file as one line, and jobs of which
    the file has every row are not played again. Raises `InputError` for a file of another
    origin."""
    done = [] if out is None else _taken_up(out / ROWS)
    rows = [row for job in jobs for row in _of_job(job, done)]
    left = [job for job in jobs if not _of_job(job, done)]
    count = len(jobs) - len(left)
    progress(count, len(jobs))
    for result in _played(left, processes):
        rows += result
        count += 1
        if out is not None:
            with (out / ROWS).open("ab") as lines:
                lines.write(msgspec.json.encode(result) + b"\n")
        progress(count, len(jobs))
    order = {(job.crisis, job.market, job.seed): index for index, job in enumerate(jobs)}
    return sorted(rows, key=lambda row: order[row.crisis, row.market, row.seed])


def _played(jobs: Sequence[Job], processes: int) -> Iterator[list[Row]]:
    if processes == 1:
        yield from map(play_job, jobs)
        return
    with workers(processes) as submit:
        futures = [submit(play_job, job) for job in jobs]
        yield from (future.result() for future in as_completed(futures))


def _of_job(job: Job, done: Iterable[Row]) -> list[Row]:
    """A job's rows among those that are there, all of them or none; failed ones are none."""
    mine = (job.crisis, job.market, job.seed)
    found = {r.policy: r for r in done if (r.crisis, r.market, r.seed) == mine and not r.failed}
    whole = all(spec.label in found for spec in job.specs)
    return [found[spec.label] for spec in job.specs] if whole else []


def header() -> Header:
    """What rows that are made now come from."""
    source = source_digest(Path(tidegate.__file__).parent)
    return Header(tidegate.__version__, source, content_id(dict(crises())))


def _taken_up(path: Path) -> list[Row]:
    """Rows of a file of the same origin; a new file is begun where there is none."""
    first = msgspec.json.encode(header()) + b"\n"
    if not path.exists() or first.startswith(path.read_bytes()):
        path.write_bytes(first)
        return []
    content = path.read_bytes()
    if not content.startswith(first):
        expected = "expected rows of this version and its definitions; name another folder"
        raise InputError(str(path), "line 1", expected)
    whole = content.rfind(b"\n") + 1
    with path.open("r+b") as lines:
        lines.truncate(whole)
    rows: list[Row] = []
    for number, line in enumerate(content[len(first) : whole].splitlines(), 2):
        try:
            rows += msgspec.json.decode(line, type=list[Row])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(str(path), f"line {number}", f"expected rows: {error}") from None
    return rows
