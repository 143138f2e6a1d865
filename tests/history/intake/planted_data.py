# SPDX-License-Identifier: Apache-2.0
"""A generated folder of market data in which any flaw can be planted by SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb

BINANCE = "ohlcv/binance_usdm_perp_15m.parquet"
MARKS = "ohlcv/binance_usdm_mark_1h.parquet"
HYPERLIQUID = "ohlcv/hyperliquid_perp_1h.parquet"
FUNDING = "funding/funding_cex.parquet"
HYPERLIQUID_FUNDING = "funding/funding_hyperliquid.parquet"
SPOT = "ohlcv/btc_spot_2h.parquet"
DVOL = "index/deribit_btc_dvol_1d.parquet"


def rewrite(root: Path, file: str, select: str, target: str | None = None) -> None:
    """Write a file anew as a query over `rows`, which are its own with their `file_row_number`."""
    path, beside = root / file, root / "beside.parquet"
    scan = f"read_parquet('{path}', file_row_number=true)"
    with duckdb.connect(config={"threads": 1}) as database:
        query = f"WITH rows AS (SELECT * FROM {scan}) {select}"
        columns = "* EXCLUDE (file_row_number)"
        database.execute(f"COPY (SELECT {columns} FROM ({query})) TO '{beside}' (FORMAT parquet)")
    goal = root / (target or file)
    goal.parent.mkdir(parents=True, exist_ok=True)
    beside.replace(goal)
