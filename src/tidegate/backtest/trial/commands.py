# SPDX-License-Identifier: Apache-2.0
"""What the `world` commands do: studies, ablations and the search for what kills Tidegate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tidegate.backtest.experiment import Spec
from tidegate.backtest.honesty.shapley import Share
from tidegate.backtest.trial.killer import Finding, cheapest, kinds, search_all
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import ablation_specs, jobs_of, play_all, study_specs
from tidegate.backtest.trial.summary import Summary, shares_of, summarise
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.model.errors import InputError

WIDTH = 150
SCORES, SUMMARY = "scores.jsonl", "summary.json"
ABLATED_PERCENT = 20.0
BP = 1e4


def run_world_study(
    world: str, seeds: tuple[int, int], place: tuple[Path | None, int], *, as_json: bool
) -> Summary:
    """Every policy on (first seed, count) contests; `place` is (folder, processes). A folder that
    has scores of an earlier run is taken up where that one ended."""
    scores = _scores(world, seeds, study_specs(), place)
    summary = summarise(scores)
    _write(place[0], msgspec.json.encode(summary))
    _answer(summary, as_json=as_json)
    return summary


def run_ablations(
    world: str, seeds: tuple[int, int], place: tuple[Path | None, int], *, as_json: bool
) -> dict[str, dict[str, Share]]:
    """What each part of Tidegate is worth: Shapley shares over every subset switched off."""
    scores = _scores(world, seeds, ablation_specs(ABLATED_PERCENT), place)
    shares = {measure: shares_of(scores, measure) for measure in ("liquidated", "loss")}
    _write(place[0], msgspec.json.encode(shares))
    if as_json:
        print(msgspec.json.encode(shares).decode())
        return shares
    table = _table(("part", "liquidations", "95 %", "loss, bp", "95 %"))
    for part, share in shares["liquidated"].items():
        loss = shares["loss"][part]
        table.add_row(
            part,
            f"{share.share:+.3f}",
            f"{share.low:+.3f} to {share.high:+.3f}",
            f"{BP * loss.share:+.1f}",
            f"{BP * loss.low:+.1f} to {BP * loss.high:+.1f}",
        )
    Console(width=WIDTH).print(table)
    return shares


def run_killer_search(
    seeds: tuple[int, int], leverage: float, place: tuple[Path | None, int], *, as_json: bool
) -> Finding | None:
    """The smallest move that liquidates Tidegate in half of the seeds, for each kind of crisis."""
    first, count = seeds
    _make_folder(place[0])
    found: list[Finding] = []
    with _bar() as bar:
        task = bar.add_task("kinds of crisis", total=len(kinds()))
        for finding in search_all(range(first, first + count), leverage, place[1]):
            found.append(finding)
            bar.update(task, advance=1)
    least = cheapest(found)
    document = {"leverage": leverage, "seeds": count, "cheapest": least, "findings": found}
    _write(place[0], msgspec.json.encode(document))
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        _show_findings(found, least)
    return least


def _scores(
    world: str, seeds: tuple[int, int], specs: tuple[Spec, ...], place: tuple[Path | None, int]
) -> list[Score]:
    if world not in WORLDS:
        raise InputError("--world", world, f"expected one of {', '.join(WORLDS)}")
    out, processes = place
    jobs = jobs_of(world, *seeds, specs)
    _make_folder(out)
    with _bar() as bar:
        task = bar.add_task("contests", total=len(jobs))
        file = None if out is None else out / SCORES
        return play_all(jobs, file, processes, lambda n, _: bar.update(task, completed=n))


def _make_folder(out: Path | None) -> None:
    """Before anything is played, so that no hour's work is lost for want of a place."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise InputError("--out", str(out), "expected a folder that can be made") from None


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    shown = console.is_terminal
    return Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown
    )


def _write(out: Path | None, document: bytes) -> None:
    if out is None:
        return
    text = json.dumps(json.loads(document), indent=1, sort_keys=True)
    (out / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _table(heads: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def _answer(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(summary).decode())
        return
    table = _table(
        ("policy", "liquidated", "95 %", "calm carry", "loss", "worst 5 %", "leverage", "left")
    )
    for line in summary.lines:
        low, high = line.liquidated_interval
        table.add_row(
            line.label,
            "refused" if line.refused == 1.0 else f"{line.liquidated:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{BP * line.calm_carry:.1f} bp",
            f"{BP * line.loss:.1f} bp",
            f"{BP * line.shortfall:.0f} bp",
            f"{line.calm_leverage:.2f}x",
            "–" if line.left is None else f"{line.left:.0%}",
        )
    console = Console(width=WIDTH)
    console.print(table)
    beside = _table(("tidegate beside", "seeds", "liquidated", "difference, 95 %", "loss", "holds"))
    for b in summary.beside:
        beside.add_row(
            f"{b.theirs} ({b.ours})",
            str(b.contests),
            f"{b.liquidated.ours:.1%} / {b.liquidated.theirs:.1%}",
            f"{b.liquidated.low:+.1%} to {b.liquidated.high:+.1%}",
            f"{BP * b.loss.ours:.1f} / {BP * b.loss.theirs:.1f} bp",
            b.verdict,
        )
    console.print(beside)


def _show_findings(found: Sequence[Finding], least: Finding | None) -> None:
    table = _table(("crisis", "least move that kills half", "first venues", "runs"))
    for finding in found:
        move = "none up to 60 %" if finding.move is None else f"{finding.move:.1%}"
        table.add_row(_words(finding), move, ", ".join(finding.venues), str(finding.runs))
    console = Console(width=WIDTH)
    console.print(table)
    if least is not None and least.move is not None:
        console.print(f"cheapest: {_words(least)}, {least.move:.1%}")


def _words(finding: Finding) -> str:
    kind = finding.kind
    side = "fall" if kind.direction < 0 else "rise"
    more = [w for w, on in (("money frozen", kind.frozen), ("venue out", kind.out)) if on]
    return ", ".join((f"{side} within {kind.minutes} min", *more))
