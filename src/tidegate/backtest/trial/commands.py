# SPDX-License-Identifier: Apache-2.0
"""What the `world` commands do: studies, ablations and the search for what kills Tidegate."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tidegate.backtest.experiment import Spec
from tidegate.backtest.honesty.shapley import Share
from tidegate.backtest.trial.killer import Finding, cheapest, kinds, search_all
from tidegate.backtest.trial.options import chains_at
from tidegate.backtest.trial.origin import Origin, origin_of
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.study import (
    ScoreFile,
    ablation_specs,
    jobs_of,
    play_all,
    study_specs,
)
from tidegate.backtest.trial.study_words import BP, plain_table, study_words
from tidegate.backtest.trial.summary import Summary, shares_of, summarise
from tidegate.backtest.trial.worlds import world_of
from tidegate.model.errors import InputError
from tidegate.model.times import format_time
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.option_chain import write_chains
from tidegate.simulation.world.parameter_file import load_parameters

WIDTH = 150
SCORES, SUMMARY = "scores.jsonl", "summary.json"
ABLATIONS, KILLER = "ablations.json", "killer.json"
ABLATED_PERCENT = 20.0


def run_world_study(
    world: str,
    seeds: tuple[int, int],
    place: tuple[Path | None, int],
    file: Path | None,
    *,
    as_json: bool,
) -> Summary:
    """Every policy on (first seed, count) contests; `place` is (folder, processes), `file` one
    of fitted parameters. A folder that has scores of an earlier run is taken up where it ended."""
    fitted = _fitted(file)
    origin = origin_of(world, study_specs(), fitted)
    summary = summarise(_scores(origin, fitted, seeds, place, SUMMARY), origin)
    _write(place[0], SUMMARY, summary)
    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        Console(width=WIDTH).print(*study_words(summary), sep="\n")
    return summary


def run_ablations(
    world: str,
    seeds: tuple[int, int],
    place: tuple[Path | None, int],
    file: Path | None,
    *,
    as_json: bool,
) -> dict[str, dict[str, Share]]:
    """What each part of Tidegate is worth: Shapley shares over every subset switched off."""
    fitted = _fitted(file)
    origin = origin_of(world, ablation_specs(ABLATED_PERCENT), fitted)
    scores = _scores(origin, fitted, seeds, place, ABLATIONS)
    shares = {measure: shares_of(scores, measure) for measure in ("liquidated", "loss")}
    document = {"origin": origin, "first_seed": seeds[0], "contests": seeds[1], **shares}
    _write(place[0], ABLATIONS, document)
    if as_json:
        print(msgspec.json.encode(document).decode())
        return shares
    table = plain_table(("part", "liquidations", "95 %", "loss, bp", "95 %"))
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
    seeds: tuple[int, int],
    leverage: float,
    place: tuple[Path | None, int],
    file: Path | None,
    *,
    as_json: bool,
) -> Finding | None:
    """The smallest move that liquidates Tidegate in half of the seeds, for each kind of crisis."""
    first, count = seeds
    fitted = _fitted(file)
    origin = origin_of("first", (Spec("tidegate", leverage),), fitted)
    _make_folder(place[0], KILLER)
    found: list[Finding] = []
    with _bar() as bar:
        task = bar.add_task("kinds of crisis", total=len(kinds()))
        for finding in search_all(range(first, first + count), leverage, place[1], fitted):
            found.append(finding)
            bar.update(task, advance=1)
    least = cheapest(found)
    document = {"origin": origin, "first_seed": first, "contests": count}
    document |= {"leverage": leverage, "cheapest": least, "findings": found}
    _write(place[0], KILLER, document)
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        _show_findings(found, least)
    return least


def write_world_chain(
    market: tuple[str, int],
    hours: Sequence[float],
    coin: str,
    out: Path,
    file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write a coin's option chains in the first world's market of a (crisis, seed), at hours from
    the begin of the crisis, into one file."""
    chains = chains_at(world_of("first", _fitted(file)), *market, coin, hours)
    write_chains(out, chains)
    told = [{"ts": format_time(one.ts_ms), "options": one.rows} for one in chains]
    if as_json:
        print(json.dumps({"file": str(out), "currency": coin, "snapshots": told}))
        return
    for one in told:
        print(f"{one['ts']}  {one['options']} options of {coin}")
    print(out)


def _fitted(file: Path | None) -> WorldParameters | None:
    return None if file is None else load_parameters(file)


def _scores(
    origin: Origin,
    fitted: WorldParameters | None,
    seeds: tuple[int, int],
    place: tuple[Path | None, int],
    document: str,
) -> list[Score]:
    out, processes = place
    jobs = jobs_of(origin.world, *seeds, origin.specs, fitted)
    _make_folder(out, SCORES, document)
    file = None if out is None else ScoreFile(out / SCORES, origin)
    with _bar() as bar:
        task = bar.add_task("contests", total=len(jobs))
        return play_all(jobs, file, processes, lambda n, _: bar.update(task, completed=n))


def _make_folder(out: Path | None, *names: str) -> None:
    """Before anything is played, so that no hour's work is lost for want of a place: makes the
    folder, and tries to write in it and in those of the files that are there."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise InputError("--out", str(out), "expected a folder that can be made") from None
    try:
        tempfile.TemporaryFile(dir=out).close()
        for path in (out / name for name in names):
            if path.exists():
                path.open("r+b").close()
    except OSError:
        raise InputError("--out", str(out), "expected a folder that can be written to") from None


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    shown = console.is_terminal
    return Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown
    )


def _write(out: Path | None, name: str, document: object) -> None:
    if out is None:
        return
    text = json.dumps(msgspec.to_builtins(document), indent=1, sort_keys=True)
    (out / name).write_text(text + "\n", encoding="utf-8")


def _show_findings(found: Sequence[Finding], least: Finding | None) -> None:
    table = plain_table(("crisis", "least move that kills half", "first venues", "runs"))
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
