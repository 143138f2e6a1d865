# SPDX-License-Identifier: Apache-2.0
"""What the `data` commands do: check a folder, import a file, fetch a venue's history."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from tidegate.history.intake.check import UNCHECKED, check_folder
from tidegate.history.intake.fetching import Fetched, Pace, Wanted, fetch_history
from tidegate.history.intake.findings import Report
from tidegate.history.intake.importing import Imported, import_file
from tidegate.history.intake.layout import TABLES
from tidegate.history.intake.public_http import public_fetch
from tidegate.history.intake.recipe import Recipe, needed_units
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

WIDTH = 150


@dataclass(frozen=True, slots=True)
class Order:
    """What a user asks to be fetched, in the user's words."""

    venue: str
    symbols: tuple[str, ...]
    what: tuple[str, ...]
    start: str
    end: str
    server: str | None


def show_check(
    folder: Path, words: tuple[str | None, str | None], coins: str | None, *, as_json: bool
) -> bool:
    """Print what a check of a folder finds; whether a run may be made on all of it."""
    wanted = frozenset(coins.split(",")) if coins else frozenset()
    report = check_folder(folder, _window(words), wanted)
    if as_json:
        print(msgspec.json.encode({"refused": report.refused, "report": report}).decode())
    else:
        Console(width=WIDTH).print(_files(report))
        for finding in sorted(report.findings, key=lambda finding: not finding.refused):
            print(f"{'refused' if finding.refused else 'warning'}: {finding.line}")
        warnings = len(report.findings) - report.refused
        print(f"{report.refused} findings that a run would refuse, {warnings} warnings")
    return report.refused == 0


def _files(report: Report) -> Grid:
    grid = Grid("file", "series", "rows", "first", "last", "missing", box=None)
    for file in report.files:
        if file.table != UNCHECKED:
            counts = (str(file.series), f"{file.rows:,}", file.first, file.last, str(file.missing))
            grid.add_row(file.file, *counts)
    others = sum(file.table == UNCHECKED for file in report.files)
    grid.caption = f"{others} other Parquet files, not checked" if others else None
    return grid


def _window(words: tuple[str | None, str | None]) -> Window | None:
    start, end = words
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InputError("data check", "window", "expected both --from and --to, or neither")
    return _between(start, end, "data check")


def _between(start: str, end: str, where: str) -> Window:
    last_ms = parse_time_ms(end, where, "--to", end_of_day=True)
    return Window(parse_time_ms(start, where, "--from"), last_ms)


def show_tables(*, as_json: bool) -> None:
    """Print the tables that can be checked, imported into and fetched."""
    rows = [
        {
            "table": table.name,
            "file": table.file,
            "columns": ["ts", *table.texts, *table.numbers],
            "units": ["ts", *needed_units(table)],
        }
        for table in TABLES.values()
    ]
    if as_json:
        print(msgspec.json.encode(rows).decode())
        return
    grid = Grid("table", "file", "columns", "units to say", box=None)
    for row in rows:
        lists = (" ".join(row["columns"]), " ".join(row["units"]))
        grid.add_row(str(row["table"]), str(row["file"]), *lists)
    Console(width=WIDTH).print(grid)


def show_import(file: Path, recipe: Recipe, out: Path, *, as_json: bool) -> None:
    """Import a file and print what came in."""
    done = import_file(file, recipe, out)
    if as_json:
        print(msgspec.json.encode(_imported(done)).decode())
        return
    print(f"{done.file}: {done.added} rows added, {done.known} stood there already")
    for finding in done.warnings:
        print(f"warning: {finding.line}")


def _imported(done: Imported) -> dict[str, object]:
    lines = [finding.line for finding in done.warnings]
    return {"file": done.file, "added": done.added, "known": done.known, "warnings": lines}


def show_fetch(order: Order, out: Path, *, as_json: bool) -> None:
    """Fetch what is asked for and print, per series, what came and what the venue has not."""
    window = _between(order.start, order.end, "data fetch")
    pace = Pace(time.sleep, lambda: int(time.time() * 1_000))
    done: list[Fetched] = []
    for what in order.what:
        for symbol in order.symbols:
            wanted = Wanted(order.venue, what, symbol, window, order.server)
            one = fetch_history(wanted, out, public_fetch, pace)
            print(_fetched(one), file=sys.stderr if as_json else sys.stdout, flush=True)
            done.append(one)
    if as_json:
        print(msgspec.json.encode([asdict(one) for one in done]).decode())


def _fetched(one: Fetched) -> str:
    pages = f"{one.asked} pages asked for, {one.kept} kept from before"
    hole = f"; {one.missing} missing at the venue" if one.missing else ""
    return f"{one.file}: {one.symbol}: {one.added} rows added, {pages}{hole}"
