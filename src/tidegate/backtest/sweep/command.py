# SPDX-License-Identifier: Apache-2.0
"""What `tidegate backtest --sweep` does: take up, run, keep, and say what was found."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tidegate.backtest.narrow import console_of
from tidegate.backtest.sweep.cells import Cell, cells_of
from tidegate.backtest.sweep.cluster import on_cluster
from tidegate.backtest.sweep.executors import on_processes, on_this_process
from tidegate.backtest.sweep.finished import Finished, finished_in
from tidegate.backtest.sweep.grid import read_grid
from tidegate.backtest.sweep.summary import Candidate, Row, Summary, summarise
from tidegate.backtest.sweep.table import (
    SUMMARY_FILE,
    document_bytes,
    row_of,
    table_bytes,
    write_files,
)
from tidegate.backtest.sweep.task import Played, Result, Task
from tidegate.backtest.trials import Ledger, Trial, count_trials, ledger_path, trial_of
from tidegate.model.errors import InputError

WIDTH = 140
SHOWN_MAX = 12
PLACE = "--sweep"


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A grid's file, the folder of data, where to keep results, and where to run: `processes`
    of this machine, or a Dask cluster (an address, or `local` for one of as many processes)."""

    grid: Path
    data: Path
    out: Path | None
    processes: int
    cluster: str | None = None


def run_sweep(request: SweepRequest, *, as_json: bool) -> bool:
    """Run what is not finished, write and print; True if every run ended.

    Raises `InputError` for a grid, a mandate or a folder that cannot be used.
    """
    if not request.data.is_dir():
        raise InputError("TIDEGATE_DATA", str(request.data), "expected a folder of market data")
    cells = cells_of(read_grid(request.grid), request.data)
    begun = time.monotonic()
    with finished_in(request.out) as kept:
        rows = _rows(cells, kept, request)
        ledger = _counted(rows)
        summaries = summarise(rows, ledger.trials)
        if request.out is not None:
            files = {**table_bytes(rows), SUMMARY_FILE: document_bytes(summaries)}
            write_files(request.out, files)
    if as_json:
        runs = [row_of(cell, result) for cell, result in rows]
        print(document_bytes({"runs": runs, "summaries": summaries}).decode(), end="")
    else:
        _show(summaries)
    failed = [result for _, result in rows if result.failure is not None]
    taken = sum(cell.key.id in kept.had for cell in cells)
    told = f"{_runs(len(rows))}, {taken} of them taken up, {len(failed)} failed"
    print(f"{told}, in {time.monotonic() - begun:.1f} s", file=sys.stderr)
    reasons = Counter(result.failure for result in failed)
    for reason, count in reasons.most_common(SHOWN_MAX):
        print(f"failed, {_runs(count)}: {reason}", file=sys.stderr)
    _tell(ledger, request.out)
    return not failed


def _rows(cells: Sequence[Cell], kept: Finished, request: SweepRequest) -> list[Row]:
    results = {cell.key.id: cell.refused for cell in cells if cell.refused is not None}
    results |= {id_: kept.had[id_] for id_ in (c.key.id for c in cells) if id_ in kept.had}
    tasks = [c.task for c in cells if c.task is not None and c.key.id not in results]
    with _bar() as bar, _counting(cells, results):
        shown = bar.add_task("runs", total=len(cells), completed=len(results))
        for played in _answers(tasks, request):
            if played.refusal is not None:
                raise InputError(PLACE, "worker", played.refusal)
            result = played.result
            results[result.id] = result
            kept.add(result)
            bar.update(shown, advance=1)
    return [(cell, results[cell.key.id]) for cell in cells]


def _answers(tasks: Sequence[Task], request: SweepRequest) -> Iterator[Played]:
    if not tasks:
        return iter(())
    if request.cluster is not None:
        return on_cluster(tasks, request.cluster, request.processes)
    if request.processes == 1 or len(tasks) == 1:
        return on_this_process(tasks)
    return on_processes(tasks, request.processes)


@contextmanager
def _counting(cells: Sequence[Cell], results: Mapping[str, Result]) -> Iterator[None]:
    """A sweep that is stopped has been seen as far as it came."""
    try:
        yield
    except BaseException:
        _counted([(c, results[c.key.id]) for c in cells if c.key.id in results])
        raise


def _counted(rows: Sequence[Row]) -> Ledger:
    """The ledger with the finished runs of these rows in it."""
    made = [_trial(cell, result) for cell, result in rows if result.measures is not None]
    return count_trials(ledger_path(), made)


def _trial(cell: Cell, result: Result) -> Trial:
    assert cell.task is not None
    return trial_of(cell.key, cell.task.mandate.mandate.name, result.daily)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    told = Console(stderr=True)
    return Progress(
        *columns, TimeRemainingColumn(), console=told, transient=True, disable=not told.is_terminal
    )


def _tell(ledger: Ledger, out: Path | None) -> None:
    if ledger.trouble is not None:
        print(f"tidegate: {ledger.trouble}", file=sys.stderr)
    print(f"trials counted in {ledger.path}", file=sys.stderr)
    if out is not None:
        print(f"table and summary: {out}", file=sys.stderr)


def _show(summaries: Sequence[Summary]) -> None:
    console = console_of(WIDTH)
    for one in summaries:
        console.print(f"{one.start} to {one.to}: {_runs(one.runs)}, {one.failed} failed")
        console.print(_candidates(one))
        for line in _words(one):
            console.print(line, highlight=False)


def _candidates(one: Summary) -> Table:
    """The best first; a file has them all."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate, on its worst seed")
    for head in ("return", "carry kept", "shortfall a day", "Sharpe a day", "liquidations"):
        table.add_column(head, justify="right", no_wrap=True)
    ranked = sorted(one.candidates, key=_standing, reverse=True)
    for c in ranked[:SHOWN_MAX]:
        table.add_row(
            c.label,
            f"{c.return_on_capital:+.2%}",
            f"{c.carry_kept:+.2%}",
            _said(c.shortfall_daily, "{:.3%}"),
            _said(c.sharpe_daily, "{:+.3f}"),
            str(c.liquidations),
        )
    return table


def _standing(candidate: Candidate) -> tuple[bool, float]:
    ratio = candidate.sharpe_daily
    return ratio is not None, candidate.return_on_capital if ratio is None else ratio


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _said(number: float | None, form: str) -> str:
    return "unknown" if number is None else form.format(number)


def _words(one: Summary) -> Iterator[str]:
    seen = one.trials
    yield f"judged at {one.judged_at}; frontier: {'; '.join(p.label for p in one.frontier) or '–'}"
    yield (
        f"trials: {seen.window} of this window, {seen.overlapping} of windows that overlap it, "
        f"{seen.total} in all"
    )
    pbo = one.overfitting
    yield (
        "probability of overfitting: unknown, with fewer than two candidates or eight days"
        if pbo is None
        else f"probability of overfitting: {pbo.probability:.2f} over {pbo.splits} splits"
    )
    if one.luck is None:
        yield "best: unknown, as no candidate has three daily returns that vary"
        return
    luck = one.luck
    yield (
        f"best: {one.best}, {luck.days} days; deflated Sharpe "
        f"{_said(luck.deflated_sharpe, '{:.3f}')}, undeflated "
        f"{_said(luck.probabilistic_sharpe, '{:.3f}')}; record needed: "
        f"{_said(luck.record_needed_days, '{:.0f} days')}"
    )
    for strained in one.strains:
        kept = _said(strained.carry_kept, "{:+.2%}")
        yield f"  {strained.strain}: return {_said(strained.return_on_capital, '{:+.2%}')}, {kept}"
    for part in one.parts:
        ratio = _said(part.sharpe_daily, "{:+.3f}")
        yield f"  {part.start[:10]} to {part.to[:10]}: {part.total_excess:+.2%}, Sharpe {ratio}"
