# SPDX-License-Identifier: Apache-2.0
"""What the backtest and verify commands do, between the command line and the rooms."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tidegate.audit.commands import UNPROVED
from tidegate.backtest.claims import JOURNALS, NOT_RECOMPUTED, RESULTS, folder_checks
from tidegate.backtest.compare import Request, read_freeze, read_specs, run_all
from tidegate.backtest.experiment import Experiment
from tidegate.backtest.luck_told import luck_words, reckoned
from tidegate.backtest.manifest import manifest_digest, write_manifest
from tidegate.backtest.measures import Measures, measure
from tidegate.backtest.narrow import console_of, fitting
from tidegate.backtest.report import Study, write_report
from tidegate.backtest.report_moves import journal_notes
from tidegate.backtest.report_stress import Stressed, judged, stressed_runs
from tidegate.backtest.results_folder import ResultsFolder
from tidegate.backtest.run import Outcome
from tidegate.backtest.trials_command import count_study
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import format_time, parse_time_ms

WIDTH = 140
COLUMNS = (
    "policy",
    "died",
    "leverage",
    "return",
    "carry kept",
    "drawdown",
    "worst health",
    "turnover",
    "transfers",
)
# What a narrow terminal does without, first to last.
SPARED = ("transfers", "turnover", "drawdown", "worst health", "carry kept", "leverage")
Results = tuple[tuple[Outcome, Measures], ...]


def parse_request(
    words: tuple[Path, Path, str, str],
    policies: Sequence[str],
    freezes: Sequence[str],
    numbers: tuple[int, int],
) -> Request:
    """A request from the command line's words: (mandate, data, from, to), policies, freezes and
    (seed, jobs); raises `InputError` for the first that cannot be read."""
    mandate, data, start, end = words
    start_ms = parse_time_ms(start, "--from", "time")
    end_ms = parse_time_ms(end, "--to", "time", end_of_day=True)
    if not data.is_dir():
        raise InputError("TIDEGATE_DATA", str(data), "expected a folder of market data")
    window = Window(start_ms, end_ms)
    seed, jobs = numbers
    return Request(
        mandate,
        data,
        window,
        tuple(read_freeze(text) for text in freezes),
        seed,
        read_specs(policies),
        jobs,
    )


def run_study(
    request: Request, out: Path | None, *, as_json: bool, honest: bool = False
) -> list[Measures]:
    """Run, measure, print, and write a folder where one is asked for; `honest` adds runs at harder
    terms to its report."""
    if honest and out is None:
        raise InputError("--honest", "--out", "expected a folder: its report shows these runs")
    if out is None:
        experiment, outcomes, seconds = _timed(request, None)
        measures = [measure(o, experiment.arrangement) for o in outcomes]
        known = count_study(request, experiment, outcomes)
    else:
        with ResultsFolder(out) as folder:
            (folder / JOURNALS).mkdir()
            experiment, outcomes, seconds = _timed(request, folder / JOURNALS)
            measures = [measure(o, experiment.arrangement) for o in outcomes]
            document = describe(request, experiment, measures)
            text = json.dumps(document, indent=1, sort_keys=True)
            (folder / RESULTS).write_text(text + "\n", encoding="utf-8")
            results = tuple(zip(outcomes, measures, strict=True))
            known = count_study(request, experiment, outcomes)
            harder = stressed_runs(experiment, judged(measures)) if honest else ()
            page = study(request, experiment, results, folder / JOURNALS, harder)
            page = replace(page, trials=max(known.window, len(results)), seen=known)
            write_report(folder / "report.html", page)
            write_manifest(folder)
    mandate = experiment.arrangement.mandate
    luck = reckoned(tuple(zip(outcomes, measures, strict=True)), mandate, known)
    if as_json:
        document = describe(request, experiment, measures) | {"luck": msgspec.to_builtins(luck)}
        print(json.dumps(document, sort_keys=True))
    else:
        show(measures)
        print(*luck_words(luck), sep="\n")
    decisions = sum(m.decisions for m in measures if m.policy == "tidegate")
    print(
        f"{len(measures)} policies in {seconds:.1f} s, {decisions} decisions of tidegate",
        file=sys.stderr,
    )
    if out is not None:
        print(f"report: {out / 'report.html'}   check it: tidegate verify {out}", file=sys.stderr)
        print(f"digest of its manifest: {manifest_digest(out)}", file=sys.stderr)
    return measures


def _timed(request: Request, journals: Path | None) -> tuple[Experiment, list[Outcome], float]:
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    told = Console(stderr=True)
    with Progress(*columns, console=told, transient=True, disable=not told.is_terminal) as bar:
        tasks = [bar.add_task(spec.label, total=1.0) for spec in request.specs]

        def update(shares: Sequence[float]) -> None:
            for task, share in zip(tasks, shares, strict=True):
                bar.update(task, completed=share)

        experiment, outcomes = run_all(request, journals, update)
    return experiment, outcomes, time.monotonic() - started


def describe(
    request: Request, experiment: Experiment, measures: Sequence[Measures]
) -> dict[str, object]:
    """The results as one JSON document, the same for the same request and data."""
    return {
        "mandate": experiment.arrangement.mandate.mandate.name,
        "mandate_version": experiment.arrangement.mandate.version,
        "from": format_time(request.window.start_ms),
        "to": format_time(request.window.end_ms),
        "freezes": [
            {"venue": f.venue, "from": format_time(f.start_ms), "to": format_time(f.end_ms)}
            for f in request.freezes
        ],
        "seed": request.seed,
        "data_sha256": experiment.market.digest,
        "policies": {m.label: msgspec.to_builtins(m) for m in measures},
        "provenance": msgspec.to_builtins(experiment.arrangement.provenance),
    }


def show(measures: Sequence[Measures]) -> None:
    """The policies side by side, on standard output, with as many columns as fit."""
    console = console_of(WIDTH)
    console.print(_table(measures, fitting(console, COLUMNS, SPARED, partial(_table, measures))))


def _table(measures: Sequence[Measures], heads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        justify: Literal["left", "right"] = "left" if head == "policy" else "right"
        table.add_column(head, justify=justify, no_wrap=True)
    for m in measures:
        said = dict(zip(COLUMNS, _row(m), strict=True))
        table.add_row(*(said[head] for head in heads))
    return table


def _row(m: Measures) -> tuple[str, ...]:
    return (
        m.label,
        "–" if m.death_ms is None else format_time(m.death_ms)[:16].replace("T", " "),
        f"{m.avg_leverage:.2f}x",
        f"{m.return_on_capital:+.2%}",
        f"{m.carry_kept:+.2%}",
        f"{m.max_drawdown:.2%}",
        "–" if m.worst_health_ratio is None else f"{m.worst_health_ratio:.2f}",
        "–" if m.turnover is None else f"{m.turnover:.0f}x",
        str(m.transfers),
    )


def verify_folder(folder: Path, *, as_json: bool) -> bool:
    """Print every check of every journal and of the results beside them; True if all pass."""
    checks = folder_checks(folder)
    if as_json:
        rows = [
            {"file": f, "check": c.name, "passed": c.passed, "detail": c.detail} for f, c in checks
        ]
        print(json.dumps(rows))
    else:
        for file, check in checks:
            print(f"{'ok  ' if check.passed else 'FAIL'} {file}: {check.name}: {check.detail}")
        if folder.is_dir():
            print(f"held by the manifest, not recomputed: {NOT_RECOMPUTED}")
        print(UNPROVED)
    return all(check.passed for _, check in checks)


def study(
    request: Request,
    experiment: Experiment,
    results: Results,
    journals: Path,
    harder: tuple[Stressed, ...] = (),
) -> Study:
    """What the report shows."""
    engine = journals / "tidegate.journal"
    return Study(
        arrangement=experiment.arrangement,
        mandate_text=request.mandate.read_text(encoding="utf-8"),
        window=request.window,
        seed=request.seed,
        freezes=request.freezes,
        data_digest=experiment.market.digest,
        results=results,
        trials=len(results),
        notes=journal_notes(engine) if engine.is_file() else (),
        tape=experiment.tape,
        stressed=harder,
        facts=(("Python", platform.python_version()), ("processes", str(request.jobs))),
    )
