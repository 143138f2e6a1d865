# SPDX-License-Identifier: Apache-2.0
"""Series of a table as they stand in its file, flaws and row numbers included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.history.intake.layout import OPTIONAL, Table, coin_of, is_read
from tidegate.history.parquet import FloatArray, IntArray, Selection, fetch_rows
from tidegate.history.window import Window
from tidegate.model.errors import InputError

_SCAN = "read_parquet(?, hive_partitioning=false, file_row_number=true)"
_PERPETUALS = frozenset({"perpetual", "linear_perp"})


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series of a table, in order of time.

    `row` (int64, n) counts from 1 in the file; `ts_us` (int64, n) is microseconds since 1970;
    `numbers` (float64, each n) hold NaN where a row has none. `late` is the first row that stands
    in the file behind one of a later time, 0 if there is none.
    """

    table: Table
    key: tuple[str, ...]
    row: IntArray
    ts_us: IntArray
    numbers: dict[str, FloatArray]
    late: int

    @property
    def name(self) -> str:
        """How findings call it: its keys, a blank between."""
        return " ".join(self.key)

    @property
    def named(self) -> dict[str, str]:
        """Its keys by column."""
        return dict(zip(self.table.keys, self.key, strict=True))

    @property
    def venue(self) -> str:
        """The venue, from its column or its table."""
        return self.named.get("venue", self.table.venue)

    @property
    def coin(self) -> str:
        """The coin that it is a series of."""
        return self.named.get("base", coin_of(self.key[0]))

    @property
    def market(self) -> str:
        """perp, spot, mark, or nothing for what has no price of its own."""
        said = self.named.get("market")
        if said is None:
            return self.table.market
        return "perp" if said in _PERPETUALS else said

    @property
    def is_read(self) -> bool:
        """Whether a run may read it."""
        return is_read(self.table, self.named)

    @property
    def ts_ms(self) -> IntArray:
        """Stamps in milliseconds, fractions cut off."""
        return self.ts_us // 1_000

    def part(self, kept: np.ndarray) -> Series:
        """The rows of a mask or of indices."""
        numbers = {name: values[kept] for name, values in self.numbers.items()}
        late = self.late
        return Series(self.table, self.key, self.row[kept], self.ts_us[kept], numbers, late)


def read_series(root: Path, table: Table, window: Window | None = None) -> tuple[Series, ...]:
    """Every series of a table's file, whole or in a window, sorted by its keys.

    Raises `InputError` for an absent or damaged file, a missing or wrongly typed column, and a row
    without a stamp or a key.
    """
    numbers = tuple(name for name in table.numbers if name not in OPTIONAL)
    match = tuple((name, "") for name in table.keys)
    selection = Selection(root, table.file, match, table.name)
    names = ", ".join(f'"{name}"' for name in table.keys)
    casts = "".join(f', CAST("{name}" AS DOUBLE) AS "{name}"' for name in numbers)
    where, bounds = "true", []
    if window is not None:
        where = "(ts IS NULL OR (epoch_ms(ts) >= ? AND epoch_ms(ts) < ?))"
        bounds = [window.start_ms, window.end_ms]
    query = (
        f"SELECT dense_rank() OVER (ORDER BY {names}) AS series, file_row_number + 1 AS row,"
        f" epoch_us(ts) AS ts_us{casts} FROM {_SCAN} WHERE {where} ORDER BY series, row"
    )
    found = fetch_rows(selection, numbers, query, [*bounds])
    _ensure_stamped(table, found["ts_us"], found["row"])
    keys = _keys(selection, names, where, bounds)
    return tuple(_cut(table, keys, found, numbers))


def _keys(selection: Selection, names: str, where: str, bounds: list[int]) -> list[tuple[str, ...]]:
    query = f"SELECT DISTINCT {names} FROM {_SCAN} WHERE {where} ORDER BY {names}"
    found = fetch_rows(selection, (), query, [*bounds])
    columns = []
    for name, _ in selection.match:
        column = np.ma.asarray(found[name])
        if np.ma.getmaskarray(column).any():
            raise InputError(selection.where, name, "expected a text in every row, found none")
        columns.append([str(value) for value in column])
    return list(zip(*columns, strict=True))


def _ensure_stamped(table: Table, ts_us: np.ndarray, row: np.ndarray) -> None:
    bad = np.flatnonzero(np.ma.getmaskarray(np.ma.asarray(ts_us)))
    if bad.size:
        expected = (
            f"expected a stamp in every row, {bad.size} have none, the first row {row[bad[0]]}"
        )
        raise InputError(table.file, "ts", expected)


def _cut(
    table: Table,
    keys: list[tuple[str, ...]],
    found: dict[str, np.ndarray],
    names: tuple[str, ...],
) -> Iterator[Series]:
    rank = np.asarray(found["series"], dtype=np.int64)
    edges = np.searchsorted(rank, np.arange(1, len(keys) + 2))
    row = np.asarray(found["row"], dtype=np.int64)
    ts_us = np.asarray(found["ts_us"], dtype=np.int64)
    numbers = {
        name: np.ma.filled(np.ma.asarray(found[name], dtype=np.float64), np.nan) for name in names
    }
    for key, begin, end in zip(keys, edges, edges[1:], strict=False):
        part = slice(int(begin), int(end))
        stamps = ts_us[part]
        back = np.flatnonzero(np.diff(stamps) < 0)
        late = int(row[part][back[0] + 1]) if back.size else 0
        order = np.argsort(stamps, kind="stable")
        values = {name: column[part][order] for name, column in numbers.items()}
        yield Series(table, key, row[part][order], stamps[order], values, late)
