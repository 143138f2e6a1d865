# SPDX-License-Identifier: Apache-2.0
"""Option chains out of a Parquet file, as they stood at a moment.

A row is one option at one snapshot: `ts`, `currency`, `expiry`, `strike` (USD), `option_type` (call
or put), `bid` and `ask` (in coin: the options are inverse), `mark_iv` (annual decimal) and
`underlying_price` (the venue's forward for the expiry, USD). Other columns are not read. A missing
bid, ask, mark or forward is unknown and stays so; what names the option must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidegate.history.parquet import FloatArray, connect
from tidegate.model.errors import InputError
from tidegate.model.times import format_time
from tidegate.pricing.option_chain import OptionChain

_SCAN = "read_parquet(?, hive_partitioning=false)"
_TIME = re.compile(r"TIMESTAMP WITH TIME ZONE")
_TEXT = re.compile(r"VARCHAR|ENUM\(.*\)")
_NUMBER = re.compile(r"DOUBLE|FLOAT|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)")
_TYPES = MappingProxyType(
    {
        "ts": (_TIME, "a timestamp in UTC"),
        "currency": (_TEXT, "a text column"),
        "expiry": (_TIME, "a timestamp in UTC"),
        "strike": (_NUMBER, "a number column"),
        "option_type": (_TEXT, "a text column"),
        "bid": (_NUMBER, "a number column"),
        "ask": (_NUMBER, "a number column"),
        "mark_iv": (_NUMBER, "a number column"),
        "underlying_price": (_NUMBER, "a number column"),
    }
)
# Without these a row is no option; the rest may be unknown.
_NAMING = ("ts", "currency", "expiry", "strike", "option_type")
_ROWS = f"""
SELECT epoch_ms(expiry) AS expiry_ms, CAST(strike AS DOUBLE) AS strike_usd,
       CAST(option_type AS VARCHAR) AS kind, CAST(bid AS DOUBLE) AS bid, CAST(ask AS DOUBLE) AS ask,
       CAST(underlying_price AS DOUBLE) AS forward_usd, CAST(mark_iv AS DOUBLE) AS mark_vol_annual
FROM {_SCAN} WHERE CAST(currency AS VARCHAR) = ? AND epoch_ms(ts) = ?
ORDER BY expiry_ms, strike_usd, kind
"""
_SPANS = f"""
SELECT CAST(currency AS VARCHAR) AS coin, epoch_ms(min(ts)) AS first, count(*) AS "rows",
       epoch_ms(max(ts) FILTER (coalesce(epoch_ms(ts) <= ?, true))) AS last,
       {", ".join(f'count("{name}") AS "{name}"' for name in _NAMING)}
FROM {_SCAN} GROUP BY coin ORDER BY coin
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One coin's snapshot of a file, and the time that it was asked for (None: the last)."""

    currency: str
    ts_ms: int
    asked_ms: int | None


def snapshots(path: Path, at_ms: int | None = None, currency: str | None = None) -> list[Snapshot]:
    """The last snapshot of each coin that is not after a time; of one coin if it is named.

    Args: a Parquet file; ms UTC, by default the end of the file; a coin. Returns: by coin's name.
    Raises: `InputError` naming file and field: no such file or not readable, a missing or wrongly
    typed column, no rows, a row without what names an option, an unknown coin, nothing by then.
    """
    with _opened(path) as (database, pattern):
        described = database.execute(f"DESCRIBE SELECT * FROM {_SCAN}", [pattern]).fetchall()
        _ensure_columns(path, {row[0]: row[1] for row in described})
        found = database.execute(_SPANS, [at_ms, pattern]).fetchnumpy()
    _ensure_named(path, found)
    coins = [str(coin) for coin in found["coin"]]
    if currency is not None and currency not in coins:
        expected = f"expected one of {', '.join(coins)}, got {currency!r}"
        raise InputError(str(path), "currency", expected)
    late = np.ma.getmaskarray(found["last"])
    rows = [i for i, coin in enumerate(coins) if currency in (None, coin)]
    if at_ms is not None and all(late[i] for i in rows):
        first = format_time(min(int(found["first"][i]) for i in rows))
        expected = f"expected a snapshot at or before {format_time(at_ms)}, the first is at {first}"
        raise InputError(str(path), "ts", expected)
    return [Snapshot(coins[i], int(found["last"][i]), at_ms) for i in rows if not late[i]]


def read_chain(path: Path, snapshot: Snapshot) -> OptionChain:
    """The chain of one snapshot of a file, in order of expiry, strike and type.

    Raises: `InputError` for an `option_type` that is neither call nor put, and for an option that
    stands twice in the snapshot; otherwise as `snapshots`.
    """
    with _opened(path) as (database, pattern):
        parameters = [pattern, snapshot.currency, snapshot.ts_ms]
        table = database.execute(_ROWS, parameters).fetchnumpy()
    _ensure_types_known(path, table["kind"])
    is_call = np.asarray(table["kind"] == "call", dtype=np.bool_)
    expiry_ms = np.asarray(table["expiry_ms"], dtype=np.int64)
    strike = _numbers(table["strike_usd"])
    _ensure_once(path, snapshot, expiry_ms, strike, is_call)
    return OptionChain(
        snapshot.ts_ms,
        snapshot.currency,
        expiry_ms,
        strike,
        is_call,
        _numbers(table["bid"]),
        _numbers(table["ask"]),
        _numbers(table["forward_usd"]),
        _numbers(table["mark_vol_annual"]),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A database and the pattern that stands for the file alone; its errors are the file's."""
    if not path.is_file():
        raise InputError(str(path), "file", "expected a Parquet file of option chains, not found")
    # The reader takes a pattern, so what is special in one is escaped.
    pattern = re.sub(r"([*?\[])", r"[\1]", str(path))
    try:
        with connect() as database:
            yield database, pattern
    except duckdb.Error as error:
        expected = f"expected a whole, readable Parquet file ({type(error).__name__})"
        raise InputError(str(path), "file", expected) from error


def _ensure_columns(path: Path, types: dict[str, str]) -> None:
    for name, (pattern, expected) in _TYPES.items():
        found = types.get(name)
        if found is None:
            raise InputError(str(path), name, f"expected {expected}, found no such column")
        if not pattern.fullmatch(found):
            raise InputError(str(path), name, f"expected {expected}, found {found}")


def _ensure_named(path: Path, found: dict[str, NDArray[Any]]) -> None:
    """At least one row, and in every row what names the option."""
    rows = int(np.sum(found["rows"]))
    if rows == 0:
        raise InputError(str(path), "rows", "expected at least one option, found none")
    for name in _NAMING:
        missing = rows - int(np.sum(found[name]))
        if missing:
            raise InputError(str(path), name, f"expected a value in every row, {missing} lack it")


def _ensure_types_known(path: Path, kinds: NDArray[Any]) -> None:
    for kind in np.unique(kinds.astype(str)):
        if kind not in {"call", "put"}:
            raise InputError(str(path), "option_type", f"expected call or put, got {str(kind)!r}")


def _ensure_once(
    path: Path,
    snapshot: Snapshot,
    expiry_ms: NDArray[np.int64],
    strike: FloatArray,
    is_call: NDArray[np.bool_],
) -> None:
    """The rows are sorted, so that an option that stands twice stands beside itself."""
    same = (np.diff(expiry_ms) == 0) & (np.diff(strike) == 0.0) & (is_call[1:] == is_call[:-1])
    if np.any(same):
        row = int(np.flatnonzero(same)[0])
        option = f"{format_time(int(expiry_ms[row]))} {strike[row]:g}"
        kind = "call" if is_call[row] else "put"
        expected = f"expected each option once at {format_time(snapshot.ts_ms)}, got {option}"
        raise InputError(str(path), "instrument", f"{expected} {kind} twice")


def _numbers(column: NDArray[Any]) -> FloatArray:
    """Floats, NaN where there is none."""
    return np.asarray(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan))
