# SPDX-License-Identifier: Apache-2.0
"""All snapshots of one coin's option chain within a window, out of monthly Parquet files.

The files are `options/deribit_{coin}_chain_YYYY-MM.parquet` of a data folder, with the columns of
`chain_file` and the venue's `mark` (coin per contract) and `index_price` (USD). A row without what
names the option, its mark, mark vol, forward or index is refused; a bid or ask may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidegate.history.parquet import FloatArray, IntArray, connect
from tidegate.history.window import Window
from tidegate.model.errors import InputError

_QUERY = """
SELECT epoch_ms(ts) AS ts_ms, epoch_ms(expiry) AS expiry_ms, CAST(strike AS DOUBLE) AS strike_usd,
       option_type = 'call' AS is_call, CAST(bid AS DOUBLE) AS bid, CAST(ask AS DOUBLE) AS ask,
       CAST(mark AS DOUBLE) AS mark, CAST(mark_iv AS DOUBLE) AS vol,
       CAST(underlying_price AS DOUBLE) AS forward, CAST(index_price AS DOUBLE) AS "index"
FROM read_parquet(?, hive_partitioning=false)
WHERE CAST(currency AS VARCHAR) = ? AND epoch_ms(ts) >= ? AND epoch_ms(ts) < ?
ORDER BY ts_ms, expiry_ms, strike_usd, is_call
"""
_KNOWN = ("mark", "vol", "forward", "index", "strike_usd")


@dataclass(frozen=True, slots=True, eq=False)
class ChainSnapshot:
    """One snapshot: options (n) in order of expiry, strike and type. `bid`, `ask` and `mark` are
    coins per coin of underlying (NaN where missing), `vol_annual` the venue's mark vol, `forward`
    USD."""

    ts_ms: int
    coin: str
    index_usd: float
    expiry_ms: IntArray
    strike_usd: FloatArray
    is_call: NDArray[np.bool_]
    bid: FloatArray
    ask: FloatArray
    mark: FloatArray
    vol_annual: FloatArray
    forward_usd: FloatArray


def read_chains(root: Path, coin: str, window: Window) -> tuple[ChainSnapshot, ...]:
    """The snapshots of a coin in a window, in order of time.

    Raises: `InputError` naming folder or file where there are none, where a file is damaged, and
    where what values an option is missing.
    """
    files = sorted((root / "options").glob(f"deribit_{coin}_chain_*.parquet"))
    if not files:
        expected = f"expected files deribit_{coin}_chain_YYYY-MM.parquet"
        raise InputError(str(root / "options"), "files", expected)
    found: list[ChainSnapshot] = []
    for file in files:
        found += _snapshots(coin, _table(file, coin, window), file)
    if not found:
        raise InputError(str(root / "options"), "ts", f"expected {coin} snapshots in {window}")
    return tuple(sorted(found, key=lambda each: each.ts_ms))


def _table(file: Path, coin: str, window: Window) -> dict[str, NDArray[Any]]:
    try:
        with connect() as database:
            bound = [str(file), coin, window.start_ms, window.end_ms]
            return dict(database.execute(_QUERY, bound).fetchnumpy())
    except duckdb.Error as error:
        expected = f"expected a readable chain with its columns ({type(error).__name__})"
        raise InputError(str(file), "file", expected) from error


def _snapshots(coin: str, table: dict[str, NDArray[Any]], file: Path) -> list[ChainSnapshot]:
    columns = {name: _floats(table[name]) for name in (*_KNOWN, "bid", "ask")}
    for name in _KNOWN:
        if not np.isfinite(columns[name]).all():
            raise InputError(str(file), name, "expected a value in every row")
    ts_ms = np.asarray(table["ts_ms"], dtype=np.int64)
    times, starts = np.unique(ts_ms, return_index=True)
    found = []
    for ts, rows in zip(times.tolist(), np.split(np.arange(ts_ms.size), starts[1:]), strict=False):
        found.append(
            ChainSnapshot(
                ts_ms=int(ts),
                coin=coin,
                index_usd=float(np.median(columns["index"][rows])),
                expiry_ms=np.asarray(table["expiry_ms"], dtype=np.int64)[rows],
                strike_usd=columns["strike_usd"][rows],
                is_call=np.asarray(table["is_call"], dtype=np.bool_)[rows],
                bid=columns["bid"][rows],
                ask=columns["ask"][rows],
                mark=columns["mark"][rows],
                vol_annual=columns["vol"][rows],
                forward_usd=columns["forward"][rows],
            )
        )
    return found


def _floats(column: NDArray[Any]) -> FloatArray:
    return np.asarray(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan))
