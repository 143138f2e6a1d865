# SPDX-License-Identifier: Apache-2.0
"""Columns of a Parquet file over a window of time, as numpy arrays, checked for type and holes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import format_time

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_THREADS = 2
_NUMERIC = re.compile(r"DOUBLE|FLOAT|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)")
_ZONED = "TIMESTAMP WITH TIME ZONE"
# Partition columns must not be read out of the folder names above the file.
SCAN = "read_parquet(?, hive_partitioning=false)"
_SHOWN_KEYS = 6
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": _THREADS,
    # A reader of local files has no reason to fetch an extension from the network.
    "autoinstall_known_extensions": False,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one file of the data folder: its name there and the text columns that must match."""

    root: Path
    name: str
    match: tuple[tuple[str, str], ...]
    symbol: str

    @property
    def where(self) -> str:
        """The file's name inside the data folder, for error lines."""
        return self.name


def connect() -> duckdb.DuckDBPyConnection:
    """A private in-memory database of at most two threads that installs nothing."""
    return duckdb.connect(config=_SETTINGS)


def read_columns(
    selection: Selection, numbers: tuple[str, ...], window: Window
) -> tuple[IntArray, dict[str, FloatArray]]:
    """Read stamps (ms UTC, ascending, shape n) and number columns (shape n) in the window.

    A null or NaN number, an absent file, a damaged file, a missing or wrongly typed column, an
    unknown symbol and a stamp finer than a millisecond raise `InputError`. Stamps may have holes
    and repeats: the caller knows the grid and judges them.
    """
    casts = "".join(f', CAST("{name}" AS DOUBLE) AS "{name}"' for name in numbers)
    query = (
        f"SELECT epoch_us(ts) AS ts_us{casts} FROM {SCAN} WHERE {_filter(selection)}"
        " AND epoch_ms(ts) >= ? AND epoch_ms(ts) < ? ORDER BY ts_us"
    )
    parameters: list[str | int] = [*_values(selection), window.start_ms, window.end_ms]
    rows = fetch_rows(selection, numbers, query, parameters)
    if rows["ts_us"].size == 0:
        _ensure_symbol_known(selection)
    ts_ms = _whole_milliseconds(selection, rows["ts_us"])
    return ts_ms, {name: _complete(selection, name, ts_ms, rows[name]) for name in numbers}


def first_stamp_ms(selection: Selection) -> int | None:
    """The first stamp (ms UTC) of the selected rows, or None where there are none."""
    query = f"SELECT epoch_ms(min(ts)) AS t FROM {SCAN} WHERE {_filter(selection)}"
    first = fetch_rows(selection, (), query, list(_values(selection)))["t"]
    return None if np.ma.getmaskarray(first).any() else int(first[0])


def text_values(root: Path, name: str, column: str) -> tuple[str, ...]:
    """The different values of a text column of a file, sorted. Raises: `InputError`."""
    everything = Selection(root, name, (), column)
    query = f'SELECT DISTINCT "{column}" AS k FROM {SCAN} ORDER BY k'
    return tuple(str(key) for key in fetch_rows(everything, (), query, [])["k"])


def freeze(*arrays: IntArray | FloatArray | None) -> None:
    """Make arrays that a frozen value holds read-only too."""
    for array in arrays:
        if array is not None:
            array.flags.writeable = False


def _filter(selection: Selection) -> str:
    return " AND ".join(f'"{column}" = ?' for column, _ in selection.match)


def _values(selection: Selection) -> tuple[str, ...]:
    return tuple(value for _, value in selection.match)


def fetch_rows(
    selection: Selection, numbers: tuple[str, ...], query: str, parameters: list[str | int]
) -> dict[str, NDArray[np.generic]]:
    """What a query over the selection's file gives, its path the first parameter.

    The file must have `ts` in UTC, the text columns that the selection matches and the numbers;
    whatever else it is, or is damaged, raises `InputError`.
    """
    path = selection.root / selection.name
    if not path.is_file():
        raise InputError(selection.where, "file", f"expected it under {selection.root}, not found")
    # The reader takes a pattern, so what is special in one is escaped.
    pattern = re.sub(r"([*?\[])", r"[\1]", str(path))
    try:
        with connect() as database:
            described = database.execute(f"DESCRIBE SELECT * FROM {SCAN}", [pattern]).fetchall()
            _ensure_columns(selection, numbers, {row[0]: row[1] for row in described})
            return database.execute(query, [pattern, *parameters]).fetchnumpy()
    except duckdb.Error as error:
        expected = f"expected a whole, readable Parquet file ({type(error).__name__})"
        raise InputError(selection.where, selection.symbol, expected) from error


def _ensure_columns(selection: Selection, numbers: tuple[str, ...], types: dict[str, str]) -> None:
    if types.get("ts") != _ZONED:
        found = types.get("ts", "no such column")
        raise InputError(selection.where, "ts", f"expected a timestamp in UTC, found {found}")
    for column, _ in selection.match:
        if types.get(column) != "VARCHAR":
            found = types.get(column, "no such column")
            raise InputError(selection.where, column, f"expected a text column, found {found}")
    for column in numbers:
        if not _NUMERIC.fullmatch(types.get(column, "")):
            found = types.get(column, "no such column")
            raise InputError(selection.where, column, f"expected a number column, found {found}")


def _ensure_symbol_known(selection: Selection) -> None:
    if first_stamp_ms(selection) is not None:
        return
    column, value = selection.match[0]
    rest = Selection(selection.root, selection.name, selection.match[1:], selection.symbol)
    condition = _filter(rest) or "true"
    query = f'SELECT DISTINCT "{column}" AS k FROM {SCAN} WHERE {condition} ORDER BY k'
    found = [str(key) for key in fetch_rows(rest, (), query, list(_values(rest)))["k"]]
    listed = ", ".join(found[:_SHOWN_KEYS]) + (", ..." if len(found) > _SHOWN_KEYS else "")
    expected = f"expected a {column} of the file ({listed}), got {value!r}"
    raise InputError(selection.where, selection.symbol, expected)


def _whole_milliseconds(selection: Selection, ts_us: NDArray[np.generic]) -> IntArray:
    stamps = np.asarray(ts_us, dtype=np.int64)
    uneven = stamps[stamps % 1_000 != 0]
    if uneven.size:
        near = format_time(int(uneven[0]) // 1_000)
        expected = f"{selection.symbol}: expected whole milliseconds, not so just after {near}"
        raise InputError(selection.where, "ts", expected)
    return stamps // 1_000


def _complete(
    selection: Selection, name: str, ts_ms: IntArray, column: NDArray[np.generic]
) -> FloatArray:
    values = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        first = format_time(int(ts_ms[bad[0]]))
        expected = (
            f"{selection.symbol}: expected finite numbers,"
            f" {bad.size} of {values.size} are missing or not finite, the first at {first}"
        )
        raise InputError(selection.where, name, expected)
    return np.asarray(values, dtype=np.float64)
