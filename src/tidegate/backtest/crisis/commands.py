# SPDX-License-Identifier: Apache-2.0
"""What the `crisis` commands do: list the crises, play one or all, show and write what came out."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tidegate.backtest.crisis.definitions import HISTORY, Definition, crises, one_crisis
from tidegate.backtest.crisis.markdown import crisis_markdown
from tidegate.backtest.crisis.page import crisis_page
from tidegate.backtest.crisis.playing import (
    FIRST_SEED,
    ROWS,
    Choice,
    Job,
    header,
    jobs_of,
    play_all,
)
from tidegate.backtest.crisis.rows import Row
from tidegate.backtest.crisis.summary import Summary, summarise
from tidegate.backtest.crisis.words import (
    HEADS,
    line_cells,
    list_rows,
    place_words,
    subject_of,
    tables,
    worse_words,
)
from tidegate.backtest.experiment import CLAIMS
from tidegate.backtest.narrow import console_of
from tidegate.backtest.trial.study_words import plain_table
from tidegate.engine.page_file import ensure_writable, write_page
from tidegate.model.errors import InputError

WHERE, ALL = "tidegate crisis", "all"
KINDS = (
    *("tidegate", CLAIMS, "joint", "per-venue"),
    *("fixed", "threshold", "foresight", "desk", "cash"),
)
SUMMARY, PAGE, TEXT = "summary.json", "crises.html", "crises.md"
MARKETS = ("first", "second", "history")
WIDTH = 170


@dataclass(frozen=True, slots=True)
class Request:
    """What to play: a crisis or all, of it what was chosen (no market named: all), over how many
    processes, with the folder of market data, and where to write."""

    name: str
    choice: Choice
    jobs: int
    data: Path
    out: Path | None = None
    html: Path | None = None


def show_crises(*, as_json: bool) -> None:
    """List the crises, with every figure and its source in the document."""
    known = crises()
    if as_json:
        document = {
            name: {
                "title": crisis.title,
                "markets": list(crisis.markets),
                "figures": {field: msgspec.to_builtins(f) for field, f in crisis.figures()},
            }
            for name, crisis in known.items()
        }
        print(json.dumps(document))
        return
    table = plain_table(("crisis", "what", "move", "minutes", "markets", "assumed figures"))
    for row in list_rows(known):
        table.add_row(*row)
    console_of(WIDTH).print(table)


def run_crises(request: Request, *, as_json: bool) -> bool:
    """Play, show and write; whether every run ended."""
    chosen = crises() if request.name == ALL else {request.name: one_crisis(request.name)}
    jobs = _jobs(request, chosen)
    _make_places(request)
    began = time.monotonic()
    rows = _played(jobs, request)
    summary = summarise(rows)
    document = _document(request, rows, summary)
    _write(request, document, summary)
    if as_json:
        print(json.dumps(document))
    else:
        _show(summary, request.out)
        print(f"{len(rows)} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return not summary.failed


def _jobs(request: Request, chosen: Mapping[str, Definition]) -> tuple[Job, ...]:
    """Jobs of what was chosen; raises `InputError` where there are none."""
    choice = request.choice
    _check_words("--market", choice.markets, MARKETS)
    _check_words("--policies", choice.kinds, KINDS)
    jobs = jobs_of(chosen, replace(choice, markets=_markets(request)), request.data)
    if not jobs:
        has = ", ".join(dict.fromkeys(m for c in chosen.values() for m in c.markets))
        expected = f"expected a market among {has}, and policies that are played there"
        raise InputError(WHERE, request.name, expected)
    return jobs


def _check_words(option: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise InputError(WHERE, option, f"expected one of {', '.join(known)}, got {word!r}")


def _markets(request: Request) -> tuple[str, ...]:
    """Markets to play on; history is left out, and said so, where there is no data and nobody
    asked for it by name."""
    named = request.choice.markets
    wanted = named or MARKETS
    if HISTORY not in wanted or request.data.is_dir():
        return wanted
    if named:
        raise InputError("TIDEGATE_DATA", str(request.data), "expected a folder of market data")
    print(f"tidegate: no market data in {request.data}: history is left out", file=sys.stderr)
    return tuple(market for market in wanted if market != HISTORY)


def _played(jobs: Sequence[Job], request: Request) -> list[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    shown = console.is_terminal
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown
    ) as bar:
        task = bar.add_task("crises", total=len(jobs))
        return play_all(
            jobs, request.out, request.jobs, lambda done, _: bar.update(task, completed=done)
        )


def _document(request: Request, rows: Sequence[Row], summary: Summary) -> dict[str, object]:
    return {
        "made_with": msgspec.to_builtins(header()),
        "first_seed": FIRST_SEED,
        "seeds": request.choice.seeds,
        "lines": msgspec.to_builtins(summary.lines),
        "worse": msgspec.to_builtins(summary.worse),
        "failed": msgspec.to_builtins(summary.failed),
        "runs": msgspec.to_builtins(rows),
    }


def _show(summary: Summary, out: Path | None) -> None:
    console, known = console_of(WIDTH), crises()
    for crisis, market, lines in tables(summary):
        table = plain_table(HEADS)
        for line in lines:
            table.add_row(*line_cells(line))
        subject = subject_of(lines)
        console.print(place_words(crisis, market, known), table)
        worse = worse_words(summary, (crisis, market), subject)
        said = f"where {subject} is worse:" if worse else f"no rule does better than {subject}"
        console.print(said, *(f"  {line}" for line in worse), sep="\n", soft_wrap=True)
        console.print()
    for crisis, market, seed, policy, why in summary.failed:
        console.print(f"failed: {crisis}, {market}, seed {seed}, {policy}: {why}", soft_wrap=True)
    if out is not None:
        console.print(str(out), soft_wrap=True)


def _make_places(request: Request) -> None:
    """Before anything is played, so that no work is lost for want of a place."""
    if request.out is not None:
        try:
            request.out.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=request.out).close()
            for name in (ROWS, SUMMARY, PAGE, TEXT):
                if (request.out / name).exists():
                    (request.out / name).open("r+b").close()
        except OSError:
            expected = "expected a folder that can be made and written to"
            raise InputError("--out", str(request.out), expected) from None
    if request.html is not None:
        ensure_writable(request.html)


def _write(request: Request, document: Mapping[str, object], summary: Summary) -> None:
    known = crises()
    page = crisis_page(summary, known)
    if request.out is not None:
        told = json.dumps(document, indent=1, sort_keys=True)
        files = {SUMMARY: told + "\n", PAGE: page, TEXT: crisis_markdown(summary, known)}
        for name, text in files.items():
            (request.out / name).write_text(text, encoding="utf-8")
    if request.html is not None:
        write_page(request.html, page)
