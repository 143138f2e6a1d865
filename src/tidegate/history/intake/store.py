# SPDX-License-Identifier: Apache-2.0
"""Rows put into a table of a folder: whole or not at all, and never over what stands there."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from tidegate.history.intake.layout import OPTIONAL, Table
from tidegate.history.intake.stamps import stamp_text
from tidegate.history.parquet import SCAN, FloatArray, IntArray, connect
from tidegate.model.errors import InputError

LOCK = ".tidegate-data.lock"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """New rows of a table: `ts_ms` (int64, n), texts (object, each n), numbers (float64, each n).

    Every text of the table is there; a number may be missing only if the table says so.
    """

    table: Table
    ts_ms: IntArray
    texts: Mapping[str, np.ndarray]
    numbers: Mapping[str, FloatArray]


def constant_texts(words: Mapping[str, str], count: int) -> dict[str, np.ndarray]:
    """Text columns that say the same in every row."""
    return {name: np.full(count, word, dtype=object) for name, word in words.items()}


def put_rows(root: Path, rows: Rows, where: str) -> tuple[int, int]:
    """Merge rows into their table's file; returns how many were new and how many stood there.

    The file is written beside its place and renamed, so that it is whole at every moment. A row
    with the key and stamp of another but other numbers raises `InputError` (`where` names the
    source), as do a damaged file and one with other columns; nothing is changed then. The caller
    holds the folder's lock.
    """
    path = root / rows.table.file
    try:
        with connect() as database:
            return _merge(database, path, rows, where)
    except (OSError, duckdb.Error) as error:
        expected = f"expected a file that can be written ({type(error).__name__})"
        raise InputError(str(path), "file", expected) from error


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a folder against other writers of this machine; one at work raises `InputError`, and so
    does a place where no folder can be."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        expected = f"expected a folder, or a place for one ({error.strerror})"
        raise InputError(str(root), "folder", expected) from None
    with (root / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            expected = "expected no other import or fetch at work in it"
            raise InputError(str(root), "folder", expected) from None
        yield


def _merge(
    database: duckdb.DuckDBPyConnection, path: Path, rows: Rows, where: str
) -> tuple[int, int]:
    table = rows.table
    _register(database, rows)
    _refuse_conflict(database, table, "fresh", where, "two rows of one key and stamp")
    database.execute("CREATE TABLE known AS SELECT * FROM fresh LIMIT 0")
    if path.is_file():
        pattern = re.sub(r"([*?\[])", r"[\1]", str(path))
        _ensure_layout(database, table, pattern)
        columns = ", ".join(_quoted(table))
        database.execute(f"INSERT INTO known SELECT {columns} FROM {SCAN}", [pattern])
    both = "(SELECT * FROM fresh UNION ALL SELECT * FROM known SEMI JOIN fresh USING (%s))"
    keys = ", ".join(f'"{name}"' for name in ("ts", *table.keys))
    _refuse_conflict(database, table, both % keys, where, f"other numbers than in {table.file}")
    database.execute(f"CREATE TABLE added AS SELECT * FROM fresh ANTI JOIN known USING ({keys})")
    added, fresh = (
        int(database.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])
        for name in ("added", "fresh")
    )
    if added:
        _write(database, path, keys)
    return added, fresh - added


def _quoted(table: Table) -> list[str]:
    return [f'"{name}"' for name in ("ts", *table.texts, *table.numbers)]


def _register(database: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """The table `fresh`, equal rows once."""
    table, count = rows.table, rows.ts_ms.size
    given: dict[str, np.ndarray] = {"ts_us": rows.ts_ms * 1_000}
    given |= {f"t{i}": np.asarray(rows.texts[n], dtype=object) for i, n in enumerate(table.texts)}
    for i, name in enumerate(table.numbers):
        values = rows.numbers.get(name) if name in OPTIONAL else rows.numbers[name]
        given[f"n{i}"] = np.full(count, np.nan) if values is None else values
    database.register("given", given)
    columns = ["make_timestamptz(ts_us) AS ts"]
    columns += [f't{i}::VARCHAR AS "{name}"' for i, name in enumerate(table.texts)]
    for i, name in enumerate(table.numbers):
        kind = "TINYINT" if name == "interval_h" else "DOUBLE"
        columns.append(f'CAST(CASE WHEN isnan(n{i}) THEN NULL ELSE n{i} END AS {kind}) AS "{name}"')
    database.execute(f"CREATE TABLE fresh AS SELECT DISTINCT {', '.join(columns)} FROM given")


def _refuse_conflict(
    database: duckdb.DuckDBPyConnection, table: Table, rows: str, where: str, words: str
) -> None:
    keys = ", ".join(f'"{name}"' for name in table.keys)
    apart = " OR ".join(
        f'min("{name}") <> max("{name}") OR count("{name}") NOT IN (0, count(*))'
        for name in table.numbers
    )
    query = (
        f"SELECT {keys}, epoch_ms(ts) FROM {rows} GROUP BY {keys}, ts HAVING {apart}"
        f" ORDER BY {keys}, ts LIMIT 1"
    )
    if bad := database.execute(query).fetchall():
        *key, ts_ms = bad[0]
        name = " ".join(str(part) for part in key)
        raise InputError(where, name, f"{words}, the first at {stamp_text(int(ts_ms))}")


def _ensure_layout(database: duckdb.DuckDBPyConnection, table: Table, pattern: str) -> None:
    described = database.execute(f"DESCRIBE SELECT * FROM {SCAN}", [pattern]).fetchall()
    columns = {str(row[0]) for row in described}
    wanted = {"ts", *table.texts, *table.numbers}
    if columns != wanted:
        odd = ", ".join(sorted(columns ^ wanted))
        raise InputError(table.file, "columns", f"expected those of {table.name}, unlike in {odd}")


def _write(database: duckdb.DuckDBPyConnection, path: Path, keys: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        beside = Path(scratch) / path.name
        target = str(beside).replace("'", "''")
        order = ", ".join(reversed(keys.split(", ")))
        query = f"SELECT * FROM known UNION ALL SELECT * FROM added ORDER BY {order}"
        database.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
