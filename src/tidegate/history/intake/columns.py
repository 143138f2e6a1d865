# SPDX-License-Identifier: Apache-2.0
"""Columns that a user brings: read from CSV, Parquet or a data frame, as they are."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np

from tidegate.history.parquet import SCAN, connect
from tidegate.model.errors import InputError

# Stamps that say their zone become this; a stamp without one stays of numpy's own kind and unit.
ZONED = np.dtype("datetime64[us]")


class Frame(Protocol):
    """What a data frame of pandas or polars has in common, as far as it is needed here."""

    columns: Any

    def __getitem__(self, name: str, /) -> Any: ...


class Column:
    """One column: its values (n), and whether they are stamps whose zone was said."""

    __slots__ = ("values", "zoned")

    def __init__(self, values: np.ndarray, *, zoned: bool = False) -> None:
        self.values, self.zoned = values, zoned


Columns = Mapping[str, Column]


def read_file_columns(path: Path) -> dict[str, Column]:
    """The columns of a CSV file (commas, a header, UTF-8), all text, or of a Parquet file, typed.

    Another file, a damaged one, and a row of another length than the header raise `InputError`.
    """
    reader = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    if reader is None:
        raise InputError(str(path), "file", "expected a name that ends in .csv or .parquet")
    if not path.is_file():
        raise InputError(str(path), "file", "expected it to exist")
    return reader(path)


def _read_csv(path: Path) -> dict[str, Column]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (csv.Error, UnicodeDecodeError, OSError, ValueError) as error:
        raise InputError(path.name, "file", f"expected a whole CSV file: {error}") from error
    if not lines:
        raise InputError(path.name, "file", "expected a header and rows, got an empty file")
    header, *rows = lines
    if len(set(header)) != len(header):
        raise InputError(path.name, "file", "expected a header that names each column once")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            expected = f"expected {len(header)} values, got {len(row)}"
            raise InputError(path.name, "file", f"row {number}: {expected}")
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {
        name: Column(np.array(values, dtype=object))
        for name, values in zip(header, columns, strict=True)
    }


def _read_parquet(path: Path) -> dict[str, Column]:
    pattern = re.sub(r"([*?\[])", r"[\1]", str(path))
    try:
        with connect() as database:
            described = database.execute(f"DESCRIBE SELECT * FROM {SCAN}", [pattern]).fetchall()
            types = {str(row[0]): str(row[1]) for row in described}
            parts = ", ".join(_plain(name, kind) for name, kind in types.items())
            found = database.execute(f"SELECT {parts} FROM {SCAN}", [pattern]).fetchnumpy()
    except duckdb.Error as error:
        words = " ".join(str(error).split())
        raise InputError(path.name, "file", f"expected a whole, readable file: {words}") from error
    return {name: _typed(found[name], types[name]) for name in types}


def _plain(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({quoted}) AS {quoted}"
    return f"CAST({quoted} AS DOUBLE) AS {quoted}" if kind.startswith("DECIMAL") else quoted


def _typed(values: np.ndarray, kind: str) -> Column:
    masked = np.ma.asarray(values)
    if kind == "TIMESTAMP WITH TIME ZONE":
        stamps = np.ma.filled(masked.astype(np.int64), np.iinfo(np.int64).min)
        return Column(stamps.astype(ZONED), zoned=True)
    if not np.ma.getmaskarray(masked).any():
        return Column(np.asarray(masked.data))
    gaps = np.ma.asarray(masked.astype(object))
    return Column(np.asarray(np.ma.filled(gaps, None), dtype=object))


def frame_columns(frame: Frame) -> dict[str, Column]:
    """The columns of a data frame of pandas or polars; neither library is imported."""
    names: Iterable[Any] = frame.columns
    return {str(name): _frame_column(frame[name]) for name in names}


def _frame_column(series: Any) -> Column:
    dtype = getattr(series, "dtype", None)
    if getattr(dtype, "tz", None) is not None or getattr(dtype, "time_zone", None) is not None:
        return Column(np.asarray(series, dtype=ZONED), zoned=True)
    return Column(np.asarray(series))
