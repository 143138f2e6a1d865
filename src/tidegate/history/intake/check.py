# SPDX-License-Identifier: Apache-2.0
"""The check of a whole folder of market data, table by table and then table against table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tidegate.history.intake.across_checks import across_findings
from tidegate.history.intake.bar_checks import bar_findings, missing_bars
from tidegate.history.intake.findings import FileReport, Finding, Report
from tidegate.history.intake.funding_checks import (
    funding_findings,
    index_findings,
    missing_prints,
)
from tidegate.history.intake.layout import TABLES, Table
from tidegate.history.intake.series import Series, read_series
from tidegate.history.intake.stamps import stamp_text
from tidegate.history.window import Window
from tidegate.model.errors import InputError

UNCHECKED = "not checked"
_Check = Callable[[Series, Window | None], Iterator[Finding]]
_CHECKS: dict[str, tuple[_Check, Callable[[Series, Window | None], int]]] = {
    "bars": (bar_findings, lambda series, window: int(missing_bars(series, window).size)),
    "funding": (funding_findings, missing_prints),
    "index": (index_findings, lambda series, window: int(missing_bars(series, window).size)),
}


def check_folder(
    root: Path, window: Window | None = None, coins: frozenset[str] = frozenset()
) -> Report:
    """Check every table of the layout that a folder has, in a window or whole, of coins or of all.

    With a window each series must cover it, as for a run over it; without, holes are looked for
    between its first row and its last. Other Parquet files are named and left alone. Raises
    `InputError` where the folder has no table at all; a file that cannot be read is a finding, and
    so is a folder of a table's name.
    """
    present = [table for table in TABLES.values() if (root / table.file).is_file()]
    folders = [table for table in TABLES.values() if (root / table.file).is_dir()]
    if not present and not folders:
        expected = f"expected a folder with a table such as {next(iter(TABLES.values())).file}"
        raise InputError(str(root), "folder", expected)
    files: list[FileReport] = []
    findings = [_folder(table) for table in folders]
    kept: dict[str, list[Series]] = {kind: [] for kind in _CHECKS}
    for table in present:
        try:
            series = _of_coins(read_series(root, table, window), coins)
        except InputError as error:
            flaw = (table.file, "", error.field, 0, "unreadable", error.expected, True)
            findings.append(Finding(*flaw))
            continue
        report, flaws = _check_table(table, series, window)
        files.append(report)
        findings += [*flaws, *_absent(table, series, coins)]
        kept[table.kind] += [one for one in series if one.ts_ms.size]
    findings += across_findings(kept["bars"], kept["funding"])
    return Report((*files, *_others(root)), tuple(findings))


def _folder(table: Table) -> Finding:
    """A folder of a table's name: nobody reads what lies in it, and a run would lack the table."""
    words = "expected a file, got a folder of that name; no reader looks into it"
    return Finding(table.file, "", "file", 0, "unreadable", words, True)


def _of_coins(series: Sequence[Series], coins: frozenset[str]) -> tuple[Series, ...]:
    return tuple(one for one in series if not coins or one.coin in coins)


def _absent(table: Table, series: Sequence[Series], coins: frozenset[str]) -> Iterator[Finding]:
    """A warning for each coin asked for that a table has no row of: a run may need it or not."""
    for coin in sorted(coins - {one.coin for one in series}) if table.kind != "index" else ():
        words = "no row of it, in the window if there is one"
        yield Finding(table.file, coin, table.keys[0], 0, "absent", words, False)


def _check_table(
    table: Table, series: Sequence[Series], window: Window | None
) -> tuple[FileReport, list[Finding]]:
    check, count_missing = _CHECKS[table.kind]
    flaws = [flaw for one in series for flaw in check(one, window)]
    stamps = np.concatenate([one.ts_ms for one in series] or [np.zeros(0, dtype=np.int64)])
    first, last = (
        (stamp_text(int(stamps.min())), stamp_text(int(stamps.max()))) if stamps.size else ("", "")
    )
    missing = sum(count_missing(one, window) for one in series)
    report = FileReport(table.file, table.name, stamps.size, len(series), first, last, missing)
    return report, flaws


def _others(root: Path) -> Iterator[FileReport]:
    known = {table.file for table in TABLES.values()}
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))
    for name in names:
        if name not in known:
            yield FileReport(name, UNCHECKED, 0, 0, "", "", 0)
