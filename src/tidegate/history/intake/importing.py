# SPDX-License-Identifier: Apache-2.0
"""A user's file or data frame brought into a table, after every check that a reader makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.history.intake.bar_checks import bar_findings
from tidegate.history.intake.columns import Columns, Frame, frame_columns, read_file_columns
from tidegate.history.intake.findings import Finding
from tidegate.history.intake.funding_checks import funding_findings, index_findings
from tidegate.history.intake.recipe import Recipe, rows_of
from tidegate.history.intake.series import Series
from tidegate.history.intake.store import Rows, locked, put_rows
from tidegate.model.errors import InputError

# A hole stays a hole, and a reader sorts; whatever else is refused by a run is refused here.
ALLOWED = frozenset({"hole", "unordered", "volume unit", "stuck feed", "far print"})
_CHECKS = {"bars": bar_findings, "funding": funding_findings, "index": index_findings}


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in: the file written, rows that are new or stood there already, and warnings."""

    file: str
    added: int
    known: int
    warnings: tuple[Finding, ...]


def import_file(path: Path, recipe: Recipe, out: Path) -> Imported:
    """Bring a CSV or Parquet file into a folder, whole or not at all.

    Raises `InputError` for all that `rows_of` refuses, for rows that a reader would refuse but
    holes, and for rows that contradict the folder's; then nothing is written.
    """
    return _import(read_file_columns(path), recipe, out, path.name)


def import_frame(frame: Frame, recipe: Recipe, out: Path) -> Imported:
    """Bring a data frame of pandas or polars into a folder, as `import_file` does a file."""
    return _import(frame_columns(frame), recipe, out, "data frame")


def _import(given: Columns, recipe: Recipe, out: Path, where: str) -> Imported:
    rows = rows_of(given, recipe, where)
    if not rows.ts_ms.size:
        raise InputError(where, "rows", "expected at least one")
    warnings = tuple(judged(rows, where))
    with locked(out):
        added, known = put_rows(out, rows, where)
    return Imported(rows.table.file, added, known, warnings)


def judged(rows: Rows, where: str) -> Iterator[Finding]:
    """The warnings that rows earn; rows that no reader would take raise `InputError`."""
    for series in series_of(rows):
        for finding in _CHECKS[rows.table.kind](series, None):
            if finding.kind not in ALLOWED:
                expected = f"row {finding.row}: {finding.words}"
                raise InputError(where, f"{finding.series}: {finding.field}", expected)
            yield finding


def series_of(rows: Rows) -> Iterator[Series]:
    """The series that rows are, as they would be read back; row numbers are those given."""
    keys = list(zip(*(rows.texts[name] for name in rows.table.keys), strict=True))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    rank = np.array([ranks[key] for key in keys], dtype=np.int64)
    row = np.arange(1, rank.size + 1, dtype=np.int64)
    for key, number in ranks.items():
        mine = np.flatnonzero(rank == number)
        stamps = rows.ts_ms[mine]
        late = np.flatnonzero(np.diff(stamps) < 0)
        order = mine[np.argsort(stamps, kind="stable")]
        numbers = {name: values[order] for name, values in rows.numbers.items()}
        first_late = int(row[mine][late[0] + 1]) if late.size else 0
        yield Series(rows.table, key, row[order], rows.ts_ms[order] * 1_000, numbers, first_late)
