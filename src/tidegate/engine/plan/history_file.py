# SPDX-License-Identifier: Apache-2.0
"""Reads a book's price history: a Parquet or CSV file beside it, or arrays in it.

A row is one bar of one coin: `time` (its opening, UTC), `coin`, `high`, `low`, `close`, and where
they are known `vol_level`, `skew`, `term`. A row that is not there, or lacks a price, is a hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.engine.book_fields import Reader
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.past import FloatArray, IntArray, Past
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, SECOND_MS, format_time, parse_time_ms

PRICES = ("high", "low", "close")
SURFACE = ("vol_level", "skew", "term")
SCANS = {".parquet": "read_parquet(?, hive_partitioning=false)", ".csv": "read_csv(?, header=true)"}
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
}
LARGEST_BYTES = 500_000_000
MOST_BARS = 2_000_000
SHAPE = "expected a file's name, or a table with `file` or with `time` and `coins`"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SaidHistory(_Strict, frozen=True):
    """The field `history`: bars in a file or in arrays, and draws of what moves beside prices."""

    file: str | None = None
    time: list[str] | None = None
    coins: dict[str, dict[str, list[float | None]]] = {}
    spread: dict[str, list[float]] = {}
    stable: dict[str, list[float]] = {}
    funding: dict[str, list[float]] = {}


class _Rows(msgspec.Struct, frozen=True):
    """Bars as they were said: time and coin of each row, and numbers by column, NaN if not said."""

    time_ms: IntArray
    coin: NDArray[np.object_]
    numbers: Mapping[str, FloatArray]


def read_history(reader: Reader, value: object, folder: Path) -> Past | None:
    """The history that a book names, its file's path relative to the book's folder; None where it
    names none. Raises `InputError` naming the file, the field and what was expected."""
    if value is None:
        return None
    said = SaidHistory(file=value) if isinstance(value, str) else None
    if said is None:
        if not isinstance(value, dict):
            raise reader.refuse("history", SHAPE)
        said = reader.shape(value, SaidHistory, "history")
    if (said.file is None) == (said.time is None) or (said.file and said.coins):
        raise reader.refuse("history", SHAPE)
    if said.file is None:
        rows, of, field = _in_book(reader, said), reader, "history."
    else:
        of, field = Reader(said.file), ""
        rows = _in_file(of, reader, folder / said.file)
    return _laid_out(of, field, rows, said, reader)


def _in_book(reader: Reader, said: SaidHistory) -> _Rows:
    times = said.time or []
    stamps = [parse_time_ms(t, reader.where, f"history.time[{i}]") for i, t in enumerate(times)]
    names, columns = [], dict[str, list[float]]()
    for coin, series in said.coins.items():
        place = f"history.coins.{coin}"
        for name in sorted({*PRICES} - {*series}):
            raise reader.refuse(f"{place}.{name}", f"expected {len(times)} numbers")
        for name, numbers in series.items():
            if name not in (*PRICES, *SURFACE) or len(numbers) != len(times):
                known = ", ".join((*PRICES, *SURFACE))
                expected = f"expected {len(times)} numbers, as of `time`, of {known}"
                raise reader.refuse(f"{place}.{name}", expected)
        names += [coin] * len(times)
        for name in (*PRICES, *SURFACE):
            row = series.get(name) or [None] * len(times)
            columns.setdefault(name, []).extend(np.nan if v is None else float(v) for v in row)
    return _Rows(
        np.tile(np.array(stamps, dtype=np.int64), len(said.coins)),
        np.array(names, dtype=object),
        {name: np.array(numbers, dtype=float) for name, numbers in columns.items()},
    )


def _in_file(of: Reader, book: Reader, path: Path) -> _Rows:
    scan = SCANS.get(path.suffix.lower())
    if scan is None:
        raise book.refuse("history", f"expected a .parquet or .csv file, got {of.where!r}")
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "nothing"
            expected = f"expected a file of bars at {path}, beside the book, got {kind}"
            raise of.refuse("file", expected)
        if path.stat().st_size > LARGEST_BYTES:
            expected = f"expected at most {LARGEST_BYTES} bytes, got {path.stat().st_size}"
            raise of.refuse("file", expected)
        with duckdb.connect(config=SETTINGS) as connection:
            return _queried(of, connection, scan, str(path))
    except (duckdb.Error, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise of.refuse("file", f"expected a table of bars ({reason})") from None


def _queried(of: Reader, connection: duckdb.DuckDBPyConnection, scan: str, path: str) -> _Rows:
    described = connection.execute(f"describe select * from {scan}", [path]).fetchall()
    kinds = {str(row[0]): str(row[1]) for row in described}
    for name in ("time", "coin", *PRICES):
        if name not in kinds:
            raise of.refuse(name, f"expected this column, got {', '.join(sorted(kinds))}")
    if not kinds["time"].startswith(("TIMESTAMP", "DATE")):
        raise of.refuse("time", f"expected times in UTC, got {kinds['time']}")
    given = [*PRICES, *(name for name in SURFACE if name in kinds)]
    numbers = ", ".join(f"cast({name} as double) as {name}" for name in given)
    query = f"select epoch_ms(time) as time, cast(coin as varchar) as coin, {numbers} from {scan}"
    found = connection.execute(query, [path]).fetchnumpy()
    for name in ("time", "coin"):
        if np.ma.getmaskarray(found[name]).any():
            raise of.refuse(name, "expected a value in every row")
    columns = {
        name: np.ma.filled(np.ma.asarray(found[name]).astype(float), np.nan) for name in given
    }
    coins = np.asarray(found["coin"], dtype=object)
    return _Rows(np.asarray(found["time"], dtype=np.int64), coins, columns)


def _laid_out(of: Reader, field: str, rows: _Rows, said: SaidHistory, book: Reader) -> Past:
    coins = tuple(sorted({str(each) for each in rows.coin}))
    open_ms, interval_ms = _grid(of, field, rows.time_ms)
    place = (rows.time_ms - open_ms[0]) // interval_ms
    column = np.array([coins.index(str(each)) for each in rows.coin], dtype=np.int64)
    if len(np.unique(place * len(coins) + column)) < len(place):
        raise of.refuse(f"{field}time", "expected one bar of a coin at each time")
    _require_prices(of, field, rows)
    laid = {}
    for name, numbers in rows.numbers.items():
        laid[name] = np.full((len(open_ms), len(coins)), np.nan)
        laid[name][place, column] = numbers

    def series(name: str) -> dict[str, FloatArray]:
        seen = {c: laid[name][:, i] for i, c in enumerate(coins)} if name in laid else {}
        return {coin: row for coin, row in seen.items() if np.isfinite(row).any()}

    return Past(
        where=of.where,
        open_ms=open_ms,
        interval_ms=interval_ms,
        coins=coins,
        high=laid["high"],
        low=laid["low"],
        close=laid["close"],
        vol_level=series("vol_level"),
        skew=series("skew"),
        term=series("term"),
        spread=_draws(book, "spread", said.spread),
        stable=_draws(book, "stable", said.stable, positive=True),
        funding=_draws(book, "funding", said.funding),
    )


def _grid(of: Reader, field: str, time_ms: IntArray) -> tuple[IntArray, int]:
    """Every bar from the first to the last, at the smallest spacing of the rows."""
    times = np.unique(time_ms)
    if len(times) < 2:
        raise of.refuse(f"{field}time", "expected bars of at least two times")
    interval_ms = int(np.diff(times).min())
    if interval_ms > DAY_MS or ((times - times[0]) % interval_ms).any():
        expected = f"expected one spacing of at most a day, got {interval_ms // SECOND_MS} s"
        raise of.refuse(f"{field}time", f"{expected} and times that are not on it")
    count = int(times[-1] - times[0]) // interval_ms + 1
    if count > MOST_BARS:
        raise of.refuse(f"{field}time", f"expected at most {MOST_BARS} bars, got {count}")
    return times[0] + interval_ms * np.arange(count, dtype=np.int64), interval_ms


def _require_prices(of: Reader, field: str, rows: _Rows) -> None:
    """Raises for prices that no bar can have; a row that lacks one becomes a hole."""
    high, low, close = (rows.numbers[name] for name in PRICES)
    for name, numbers in rows.numbers.items():
        least = 0.0 if name in (*PRICES, "vol_level") else -np.inf
        if np.isinf(numbers).any() or (numbers <= least).any():
            raise of.refuse(f"{field}{name}", "expected finite numbers above 0")
    if ((low > close) | (close > high) | (low > high)).any():
        raise of.refuse(f"{field}close", "expected low <= close <= high in every bar")
    part = np.isnan(high) | np.isnan(low) | np.isnan(close)
    for numbers in (high, low, close):
        numbers[part] = np.nan


def _draws(
    reader: Reader, name: str, said: Mapping[str, Sequence[float]], *, positive: bool = False
) -> dict[str, FloatArray]:
    found = {}
    for key, values in said.items():
        draws = np.array(values, dtype=float)
        least = 0.0 if positive else -1.0
        if not len(draws) or not np.isfinite(draws).all() or (draws <= least).any():
            expected = f"expected at least one number, each above {least:.0f}"
            raise reader.refuse(f"history.{name}.{key}", expected)
        found[key] = draws
    return found


def require_history(book: PlanBook) -> None:
    """Raises `InputError` for a history of the future, or one that lacks a coin of the book: an
    unknown move is never taken as none."""
    past = book.history
    if past is None:
        return
    for coin in book.coins:
        if coin not in past.coins:
            raise InputError(past.where, "coin", f"expected bars of {coin}, which the book holds")
    if past.end_ms > book.ts_ms:
        expected = f"expected bars that closed by {format_time(book.ts_ms)}, as of the book"
        raise InputError(past.where, "time", f"{expected}, got {format_time(past.end_ms)}")
    dollars = {asset for account in book.accounts.values() for asset in account.usd}
    of = (("spread", set(book.accounts)), ("stable", dollars), ("funding", set(book.coins)))
    for name, known in of:
        for key in getattr(past, name):
            if key not in known:
                expected = f"expected one of {', '.join(sorted(known))}"
                raise InputError(book.where, f"history.{name}.{key}", expected)
