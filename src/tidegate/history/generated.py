# SPDX-License-Identifier: Apache-2.0
"""A short generated data folder of the layout that the readers of this room read."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec
import numpy as np

from tidegate.history.generated_paths import (
    COINS,
    LEAD_HOURS,
    QUARTERS_PER_HOUR,
    GeneratedPaths,
    PathBars,
    funding_rate,
    generate_paths,
    hours_of,
)
from tidegate.history.generated_tables import tables
from tidegate.history.parquet import FloatArray, IntArray, connect
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, format_date, parse_time_ms

START_MS = parse_time_ms("2024-01-01", "generated", "start")
DAYS_MAX = 3_660
_TICKS_PER_USD = np.array([10.0, 100.0, 1_000.0])


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What one Parquet file gets: a symbol per coin, stamps (n), numbers (each n by coins)."""

    name: str
    symbol_column: str
    suffix: str
    ts_ms: IntArray
    numbers: dict[str, FloatArray]
    # Further columns as SQL literals, the same in every row.
    constants: tuple[tuple[str, str], ...] = ()


def write_generated(root: Path, seed: int, days: int) -> None:
    """Write a generated world of `days` days from 2024-01-01 into an absent or empty folder.

    Binance has 15-minute bars, hourly marks and 8-hour funding, Hyperliquid hourly bars and
    funding, of BTC, ETH and SOL; the same seed and days give the same rows. The folder appears
    whole or not at all. Raises `InputError` for a folder that holds something, a negative seed
    and days outside 1 to 3660.
    """
    if not 1 <= days <= DAYS_MAX:
        raise InputError("generated", "days", f"expected 1 to {DAYS_MAX}, got {days}")
    if seed < 0:
        raise InputError("generated", "seed", f"expected 0 or more, got {seed}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(str(root), "folder", "expected an absent or empty one")
    paths = generate_paths(np.random.default_rng(seed), days)
    try:
        _write_whole(root, paths, days)
    except (OSError, duckdb.Error) as error:
        expected = f"expected a folder that can be written ({type(error).__name__})"
        raise InputError(str(root), "folder", expected) from error


def _write_whole(root: Path, paths: GeneratedPaths, days: int) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        folder = Path(scratch) / "data"
        with connect() as database:
            # Rows must be written in one order for the bytes to depend on the seed alone.
            database.execute("SET threads = 1")
            for rows in (*_bar_rows(paths), *_funding_rows(paths)):
                _write_rows(database, folder, rows)
        _write_tables(folder, days)
        if root.exists():
            root.rmdir()
        folder.rename(root)


def _bar_rows(paths: GeneratedPaths) -> tuple[_Rows, ...]:
    quarters = paths.volume.shape[0]
    hours = quarters // QUARTERS_PER_HOUR
    second = hours_of(paths.second)
    second_volume = paths.volume.reshape(hours, -1, len(COINS)).sum(axis=1) / 8.0
    return (
        _Rows(
            "ohlcv/binance_usdm_perp_15m.parquet",
            "symbol",
            "USDT",
            _stamps(quarters, 15 * MINUTE_MS),
            {**_on_ticks(paths.first), "volume": paths.volume},
        ),
        _Rows(
            "ohlcv/binance_usdm_mark_1h.parquet",
            "symbol",
            "USDT",
            _stamps(hours, HOUR_MS),
            _on_ticks(paths.mark_hours),
        ),
        _Rows(
            "ohlcv/hyperliquid_perp_1h.parquet",
            "coin",
            "",
            _stamps(hours, HOUR_MS),
            {**_on_ticks(second), "volume": second_volume},
        ),
    )


def _funding_rows(paths: GeneratedPaths) -> tuple[_Rows, ...]:
    hours = paths.premium_annual.shape[0] - LEAD_HOURS
    return (
        _Rows(
            "funding/funding_cex.parquet",
            "symbol",
            "USDT",
            _stamps(hours // 8, 8 * HOUR_MS),
            {"rate": funding_rate(paths.premium_annual, 8)},
            (
                ("venue", "'binance'"),
                ("margin", "'linear'"),
                ("quote", "'USDT'"),
                ("interval_h", "8::TINYINT"),
                ("source", "'generated'"),
            ),
        ),
        _Rows(
            "funding/funding_hyperliquid.parquet",
            "coin",
            "",
            _stamps(hours, HOUR_MS),
            {"rate": funding_rate(paths.second_premium_annual, 1)},
            (("interval_h", "1::TINYINT"),),
        ),
    )


def _stamps(count: int, interval_ms: int) -> IntArray:
    return START_MS + interval_ms * np.arange(count, dtype=np.int64)


def _on_ticks(bars: PathBars) -> dict[str, FloatArray]:
    """Prices rounded to whole ticks, which keeps the order of low, open, close and high."""
    named = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    return {
        name: np.rint(prices * _TICKS_PER_USD) / _TICKS_PER_USD for name, prices in named.items()
    }


def _write_rows(database: duckdb.DuckDBPyConnection, folder: Path, rows: _Rows) -> None:
    path = folder / rows.name
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {name: values.T.ravel() for name, values in rows.numbers.items()}
    coin = np.repeat(np.arange(len(COINS)), rows.ts_ms.size)
    database.register("flat", {"ts_ms": np.tile(rows.ts_ms, len(COINS)), "coin": coin, **flat})
    symbols = ", ".join(f"'{name}{rows.suffix}'" for name in COINS)
    columns = [
        "to_timestamp(ts_ms / 1000.0) AS ts",
        f'list_extract([{symbols}], coin + 1) AS "{rows.symbol_column}"',
        *(f'"{name}"' for name in flat),
        *(f'{literal} AS "{name}"' for name, literal in rows.constants),
    ]
    target = str(path).replace("'", "''")
    query = f"COPY (SELECT {', '.join(columns)} FROM flat) TO '{target}'"
    database.execute(f"{query} (FORMAT parquet, COMPRESSION zstd)")
    database.unregister("flat")


def _write_tables(folder: Path, days: int) -> None:
    change_ms = START_MS + max(1, days // 2) * DAY_MS
    (folder / "venues").mkdir()
    for name, document in tables(format_date(START_MS), format_date(change_ms)).items():
        text = msgspec.json.format(msgspec.json.encode(document), indent=1)
        (folder / "venues" / name).write_bytes(text + b"\n")
