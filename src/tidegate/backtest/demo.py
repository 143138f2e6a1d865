# SPDX-License-Identifier: Apache-2.0
"""The demo command: one generated crisis under several policies, shown while it runs and written
as a folder of journals, results, a report and a picture. It needs no keys, no data, no network.

The default seed is one of 60 fresh ones: of those in which the crisis strikes every policy, the one
at which what happens is nearest to the mean (`benchmarks/demo_seed.py`, `trial/fresh_seeds.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.table import Table

from tidegate.backtest.claims import JOURNALS, RESULTS, SUMMARY
from tidegate.backtest.experiment import Spec
from tidegate.backtest.manifest import MANIFEST, manifest_digest, write_manifest
from tidegate.backtest.measures import death_ms
from tidegate.backtest.narrow import console_of, fitting
from tidegate.backtest.results_folder import replacing
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.demo import (
    Demo,
    Result,
    Watch,
    demo_contest,
    journal_of,
    play_demo,
    read_policies,
    read_seed,
    results_document,
    summary_document,
)
from tidegate.backtest.trial.demo_picture import picture
from tidegate.backtest.trial.demo_report import render_demo
from tidegate.backtest.trial.demo_words import fate, last_words, left_text
from tidegate.backtest.trial.score import CARRY
from tidegate.model.times import format_time
from tidegate.model.units import usd

REPORT, PICTURE = "report.html", "demo.svg"
WRITTEN = {JOURNALS, RESULTS, SUMMARY, REPORT, PICTURE, MANIFEST}
WIDTH = 100
# Every column with what it says; those without words explain themselves.
COLUMNS = {
    "policy": "",
    "leverage": "average before the crisis",
    "carry": CARRY,
    "opening": "that cost",
    "crisis": "gained or lost in it",
    "lost": "from the opening to the end",
    "health": "least equity over maintenance",
    "left": "positions after the crisis",
    "outcome": "",
}
WORDS = ("policy", "outcome")
# What a narrow terminal does without, first to last.
SPARED = ("opening", "left", "leverage", "crisis", "health", "carry", "lost")
LIVE = "Done, most leverage, equity in USD, and least equity over maintenance at each venue:"
# The bar with its gaps; what is left of a line is for the state.
BAR = 8
LIVE_MIN = 60


@dataclass(frozen=True, slots=True)
class Words:
    """The command line's words, not yet read."""

    crisis: str
    seed: str
    policies: str


def run_demo(words: Words, out: Path, jobs: int, *, as_json: bool) -> Demo:
    """Run the demo, write its folder whole or not at all, and print what was lost and kept; raises
    `InputError` for words that cannot be read and a folder that is not an earlier demo's."""
    specs, seed = read_policies(words.policies), read_seed(words.seed)
    with replacing(out, _is_demo(out.resolve())) as folder:
        contest = demo_contest(words.crisis, seed, specs)
        told = Console(stderr=True)
        told.print(_opening(contest), highlight=False, soft_wrap=True)
        (folder / JOURNALS).mkdir()
        with _shown(told, specs) as watch:
            demo = play_demo(contest, specs, folder / JOURNALS, jobs, watch)
        _write(folder, demo)
    if as_json:
        print(json.dumps(summary_document(demo), sort_keys=True))
    else:
        _answer(demo)
    _close(told, demo, out)
    return demo


def _is_demo(out: Path) -> bool:
    """Whether a folder holds what a demo writes, and nothing else; the manifest is newer."""
    return out.is_dir() and {path.name for path in out.iterdir()} | {MANIFEST} == WRITTEN


def _opening(contest: Contest) -> str:
    experiment = contest.experiment
    start = contest.crisis_start_ms
    crisis = "no crisis" if start is None else f"{contest.crisis} from {format_time(start)}"
    venues = ", ".join(experiment.arrangement.mandate.venue)
    capital = int(experiment.arrangement.mandate.capital_usd)
    return (
        f"A generated market of {venues}: a calm week, then {crisis}. Every policy starts with "
        f"{capital:,} USD on the same exchange (seed {contest.seed})."
    )


@contextmanager
def _shown(told: Console, specs: Sequence[Spec]) -> Iterator[Watch]:
    """A table that fills while the policies run, on a terminal; nothing elsewhere."""
    columns: list[ProgressColumn]
    columns = [TextColumn("{task.description}"), TextColumn("{task.fields[state]}")]
    room = told.width - max(len(spec.label) for spec in specs) - 1
    wide = told.width >= LIVE_MIN
    if wide:
        columns.insert(1, BarColumn(bar_width=BAR))
        room -= BAR + 1
    if told.is_terminal:
        told.print(LIVE)
    with Progress(*columns, console=told, disable=not told.is_terminal) as bar:
        tasks = [bar.add_task(spec.label, total=1.0, state="") for spec in specs]

        def watch(shares: Sequence[float], ended: Sequence[Outcome | None]) -> None:
            for task, share, outcome in zip(tasks, shares, ended, strict=False):
                state = f"{share:.0%}" if not wide else ""
                state = state if outcome is None else _state(outcome, room)
                bar.update(task, completed=share, state=state)

        yield watch


def _state(outcome: Outcome, room: int) -> str:
    """Whether a run lived, its leverage, equity and worst health per venue, as far as there is
    room."""
    series = outcome.series
    most = max(g / e if e > 0 else 0.0 for g, e in zip(series.gross, series.equity, strict=True))
    least: dict[str, float] = {}
    for extreme in outcome.extremes:
        if extreme.maintenance > 0:
            ratio = extreme.equity / extreme.maintenance
            least[extreme.venue] = min(ratio, least.get(extreme.venue, ratio))
    health = [f"{venue[:3]} {ratio:.3g}" for venue, ratio in sorted(least.items())]
    lived = death_ms(outcome.events) is None
    said = "alive" if lived else "dead "
    for part in (f"{most:4.1f}x", f"{usd(outcome.ledger.equity_micro):>9,.0f}", *health):
        if len(said) + 1 + len(part) > room:
            break
        said += f" {part}"
    return said.replace(said[:5], f"[{'green' if lived else 'red'}]{said[:5]}[/]", 1)


def _write(folder: Path, demo: Demo) -> None:
    journal = None
    if demo.subject is not None:
        journal = journal_of(folder / JOURNALS, demo.subject.measures.label)
    texts = {
        RESULTS: json.dumps(results_document(demo), indent=1, sort_keys=True) + "\n",
        SUMMARY: json.dumps(summary_document(demo), indent=1, sort_keys=True) + "\n",
        REPORT: render_demo(demo, journal),
        PICTURE: picture(demo),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    write_manifest(folder)


def _answer(demo: Demo) -> None:
    """What each policy kept and lost, on standard output."""
    console = console_of(WIDTH)
    heads = fitting(console, tuple(COLUMNS), SPARED, partial(_table, demo))
    table = _table(demo, heads)
    table.caption = _explained(heads)
    console.print(table)


def _table(demo: Demo, heads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        justify: Literal["left", "right"] = "left" if head in WORDS else "right"
        table.add_column(head, justify=justify, no_wrap=True)
    for result in demo.results:
        said = dict(zip(COLUMNS, _row(result), strict=True))
        table.add_row(*(said[head] for head in heads))
    return table


def _explained(heads: Sequence[str]) -> str:
    told = [f"{head}: {COLUMNS[head]}" for head in heads if COLUMNS[head]]
    missing = [head for head in COLUMNS if head not in heads]
    if missing:
        told.append(f"too narrow for {', '.join(missing)}: see {REPORT}")
    return "; ".join(told)


def _row(result: Result) -> tuple[str, ...]:
    score = result.score
    return (
        result.measures.label,
        f"{score.calm_leverage:.2f}x",
        f"{score.calm_carry:+.2%}",
        f"{score.opening_cost:.2%}",
        f"{score.crisis_return:+.2%}",
        f"{score.loss:.2%}",
        "–" if score.worst_health is None else f"{score.worst_health:.2f}",
        left_text(score),
        _end(result),
    )


def _end(result: Result) -> str:
    death = result.measures.death_ms
    return fate(result) if death is None else f"died {format_time(death)[5:16].replace('T', ' ')}"


def _close(told: Console, demo: Demo, out: Path) -> None:
    lines = []
    if demo.subject is not None:
        lines.append(last_words(demo)[demo.results.index(demo.subject)])
        label, head = demo.subject.measures.label, demo.subject.measures.journal_head
        lines.append(f"journal head of {label}: {head}")
    lines.append(f"digest of all that was written: {manifest_digest(out)}")
    lines += [f"report: {out / REPORT}", f"check it: tidegate verify {out}"]
    for line in lines:
        told.print(line, highlight=False, markup=False, soft_wrap=True)
