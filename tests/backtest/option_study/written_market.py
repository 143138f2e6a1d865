# SPDX-License-Identifier: Apache-2.0
"""A small folder of market data: chains of a known surface, calm bars, funding, tiers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from tests.history.written_chains import COLUMNS, known_surface, quoted, rows_of, write_chain
from tests.history.written_files import write_json
from tidegate.backtest.option_study.market import Market, read_market
from tidegate.history.window import Window
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_time_ms

START_MS = parse_time_ms("2026-01-05T08:00Z", "test", "start")
STEPS, STEP_MS = 3, 6 * HOUR_MS
FORWARDS = {"BTC": 80_000.0, "ETH": 3_000.0}
DAYS_BEFORE, VOL_ANNUAL = 20, 0.3
LADDER = [["0", "50000", "0.004", 125, "0"], ["50000", None, "0.005", 100, "50"]]
TIER_COLUMNS = ["notional_floor", "notional_cap", "maintenance_rate", "max_leverage", "cum"]
WHOLE = Window(START_MS - HOUR_MS, START_MS + STEPS * STEP_MS)


def write_market(root: Path, falls: dict[str, float] | None = None) -> Path:
    """A folder; `falls` by coin is how far one bar's low lies below, an hour after the start."""
    for coin, forward in FORWARDS.items():
        _write_chains(root, coin, forward)
    _write_bars(root, falls or {})
    _write_funding(root)
    tiers = {f"{coin}/USDT:USDT": LADDER for coin in FORWARDS}
    dump = {"as_of": "2025-10-01", "source": "test", "columns": TIER_COLUMNS, "tiers": tiers}
    write_json(root / "venues/binance_usdm_tiers_2025-10.json", dump)
    write_json(root / "venues/binance.json", {"venue": "binance"})
    return root


def written_market(root: Path, falls: dict[str, float] | None = None) -> Market:
    """The same, read."""
    return read_market(write_market(root, falls), WHOLE)


def _write_chains(root: Path, coin: str, forward: float) -> None:
    rows = []
    first = known_surface(forward)
    for step in range(STEPS):
        surface = replace(first, ts_ms=START_MS + step * STEP_MS, currency=coin)
        chain = quoted(surface)
        for row, place in zip(rows_of(chain), range(chain.strike_usd.size), strict=True):
            mark = 0.5 * (chain.bid[place] + chain.ask[place])
            more = {"mark": f"{float(mark)!r}::DOUBLE", "index_price": f"{forward!r}::DOUBLE"}
            rows.append(replace(row, cells={**row.cells, **more}))
    path = root / f"options/deribit_{coin}_chain_2026-01.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_chain(path, rows, (*COLUMNS, "mark", "index_price"))


def _write_bars(root: Path, falls: dict[str, float]) -> None:
    """Prices that go up and down by the same step until the start, and then stand still."""
    first = START_MS // DAY_MS * DAY_MS - DAYS_BEFORE * DAY_MS
    bar_ms = 15 * MINUTE_MS
    count, calm = (START_MS + STEPS * STEP_MS - first) // bar_ms, (START_MS - first) // bar_ms
    swing = VOL_ANNUAL / np.sqrt(365 * 96)
    parts = []
    for coin, forward in FORWARDS.items():
        close = f"{forward} * exp(CASE WHEN i < {calm} THEN {swing} * (i % 2) ELSE 0 END)"
        fall = f"CASE WHEN i = {calm + 4} THEN {1.0 - falls.get(coin, 0.0)} ELSE 0.9999 END"
        parts.append(
            f"SELECT make_timestamptz(({first} + i * {bar_ms}) * 1000) AS ts,"
            f" '{coin}USDT' AS symbol, {close} AS open, {close} * 1.0001 AS high,"
            f" {close} * {fall} AS low, {close} AS close, 10.0::DOUBLE AS volume"
            f" FROM range({count}) AS t(i)"
        )
    _copy(root / "ohlcv/binance_usdm_perp_15m.parquet", " UNION ALL ".join(parts))


def _write_funding(root: Path) -> None:
    parts = []
    first = START_MS // DAY_MS * DAY_MS - 10 * DAY_MS
    for place in range(3 * 12):
        ts = first + place * 8 * HOUR_MS
        for coin in FORWARDS:
            named = f"make_timestamptz({ts * 1000}), 'binance', '{coin}USDT', 'linear'"
            parts.append(f"({named}, 8::TINYINT, 0.0001::DOUBLE)")
    names = "ts, venue, symbol, margin, interval_h, rate"
    query = f"SELECT * FROM (VALUES {', '.join(parts)}) AS t({names})"
    _copy(root / "funding/funding_cex.parquet", query)


def _copy(path: Path, query: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
