# SPDX-License-Identifier: Apache-2.0
"""Small market files written for a test: rows are SQL text, so any flaw can be planted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from tidegate.model.times import HOUR_MS, parse_time_ms

BARS_FILE = "ohlcv/hyperliquid_perp_1h.parquet"
FUNDING_FILE = "funding/funding_hyperliquid.parquet"
START_MS = parse_time_ms("2024-01-01", "test", "start")
BAR_COLUMNS = ("ts", "coin", "open", "high", "low", "close", "volume")
FUNDING_COLUMNS = ("ts", "coin", "rate", "interval_h")


def time_sql(ts_ms: int) -> str:
    return f"to_timestamp({ts_ms} / 1000.0)"


def bar(hour: int, **changes: str) -> dict[str, str]:
    """One sound hourly bar whose fields tell its hour, with planted changes."""
    sound = {
        "ts": time_sql(START_MS + hour * HOUR_MS),
        "coin": "'BTC'",
        "open": f"{100 + hour}::DOUBLE",
        "high": f"{110 + hour}::DOUBLE",
        "low": f"{90 + hour}::DOUBLE",
        "close": f"{105 + hour}::DOUBLE",
        "volume": f"{hour}::DOUBLE",
    }
    return {**sound, **changes}


def funding(ts_ms: int, interval_h: int, rate: str = "0.0001") -> dict[str, str]:
    return {
        "ts": time_sql(ts_ms),
        "coin": "'BTC'",
        "rate": f"{rate}::DOUBLE",
        "interval_h": f"{interval_h}::TINYINT",
    }


def write_rows(path: Path, rows: Sequence[dict[str, str]], columns: Sequence[str]) -> None:
    """Write rows of SQL literals as Parquet, keeping only the named columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ", ".join(f"({', '.join(row[name] for name in columns)})" for row in rows)
    names = ", ".join(f'"{name}"' for name in columns)
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute(
            f"COPY (SELECT * FROM (VALUES {values}) AS t({names})) TO '{path}' (FORMAT parquet)"
        )


def write_json(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
