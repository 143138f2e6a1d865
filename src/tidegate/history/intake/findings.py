# SPDX-License-Identifier: Apache-2.0
"""What a check of data found: one line each, and whether a run would refuse it."""

from __future__ import annotations

import msgspec

from tidegate.history.intake.series import Series
from tidegate.history.intake.stamps import stamp_text


class Finding(msgspec.Struct, frozen=True):
    """One flaw of a file: its kind, the series and field, the first row (from 1, 0 for none).

    `refused`: no run may be made on it, because a reader refuses it or because figures would be
    wrong by a factor. Anything else is a warning.
    """

    file: str
    series: str
    field: str
    row: int
    kind: str
    words: str
    refused: bool

    @property
    def line(self) -> str:
        """`file: series: field: row N: words`."""
        row = f"row {self.row}: " if self.row else ""
        series = f"{self.series}: " if self.series else ""
        return f"{self.file}: {series}{self.field}: {row}{self.words}"


class FileReport(msgspec.Struct, frozen=True):
    """One file: rows, series, the first and last stamp, and how many bars or prints it lacks."""

    file: str
    table: str
    rows: int
    series: int
    first: str
    last: str
    missing: int


class Report(msgspec.Struct, frozen=True):
    """A folder's files and what was found in them."""

    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> int:
        """How many findings no run may be made on."""
        return sum(finding.refused for finding in self.findings)


def found(series: Series, field: str, kind: str, at: int, words: str) -> Finding:
    """A flaw that a run refuses, at an index of a series; of a series no run reads, a warning."""
    row = int(series.row[at]) if series.row.size else 0
    return Finding(series.table.file, series.name, field, row, kind, words, series.is_read)


def warning(series: Series, field: str, kind: str, at: int, words: str) -> Finding:
    """A flaw to look at, at an index of a series."""
    return msgspec.structs.replace(found(series, field, kind, at, words), refused=False)


def when(series: Series, at: int) -> str:
    """The stamp at an index, as text."""
    return stamp_text(int(series.ts_us[at]) // 1_000)
