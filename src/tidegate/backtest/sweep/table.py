# SPDX-License-Identifier: Apache-2.0
"""A sweep's runs as one table, as CSV and as JSON: the same bytes wherever they were made."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tidegate.backtest.measures import Measures
from tidegate.backtest.sweep.cells import Cell
from tidegate.backtest.sweep.task import Result
from tidegate.backtest.trials import sharpe_of
from tidegate.model.times import format_time

CSV_FILE, JSON_FILE, SUMMARY_FILE = "runs.csv", "runs.json", "summary.json"
# What a table cannot hold in one field, and what stands in a column of its own.
LEFT_OUT = ("waterfall_usd", "policy")
MEASURES = tuple(n for n in Measures.__struct_fields__ if n not in LEFT_OUT)


def row_of(cell: Cell, result: Result) -> dict[str, object]:
    """One run: what it was, whether it ended, and its measures (None where there are none)."""
    key, measures = cell.key, result.measures
    return {
        "id": key.id,
        "from": format_time(key.window.start_ms),
        "to": format_time(key.window.end_ms),
        "policy": key.spec.label,
        "seed": key.seed,
        "costs": key.strain.costs,
        "latency": key.strain.latency,
        **{f"field {name}": value for name, value in cell.point.items()},
        "state": "failed" if result.failure else "done",
        "failure": result.failure,
        "sharpe_daily": sharpe_of(result.daily),
        **{name: getattr(measures, name, None) for name in MEASURES},
    }


def table_bytes(rows: Sequence[tuple[Cell, Result]]) -> dict[str, bytes]:
    """The files of the table by name; rows in the grid's order."""
    made = [row_of(cell, result) for cell, result in rows]
    columns = list(dict.fromkeys(name for row in made for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in made)
    return {CSV_FILE: text.getvalue().encode(), JSON_FILE: document_bytes(_documents(rows, made))}


def document_bytes(document: object) -> bytes:
    """A document as JSON that people can read, one encoding for each."""
    encoded = msgspec.json.encode(document, order="sorted")
    return msgspec.json.format(encoded, indent=1) + b"\n"


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files so that each is there whole, or as it was before."""
    for name, content in files.items():
        partial = folder / f".{name}.partial"
        partial.write_bytes(content)
        os.replace(partial, folder / name)


def _documents(
    rows: Sequence[tuple[Cell, Result]], made: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    """What the columns cannot hold stands in the JSON alone: waterfall and daily returns."""
    return [
        {
            **row,
            "daily_excess": list(result.daily),
            "waterfall_usd": result.measures.waterfall_usd if result.measures else None,
        }
        for row, (_, result) in zip(made, rows, strict=True)
    ]


def _plain(value: object) -> object:
    return "" if value is None else repr(value) if isinstance(value, float) else value
