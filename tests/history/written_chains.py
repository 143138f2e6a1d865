# SPDX-License-Identifier: Apache-2.0
"""Chain files written for a test: Black-76 on a known eSSVI surface, flaws planted in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from tidegate.model.times import DAY_MS, YEAR_MS, parse_time_ms
from tidegate.pricing.essvi import Essvi
from tidegate.pricing.inverse import price_coin
from tidegate.pricing.option_chain import OptionChain
from tidegate.pricing.surface import Surface

TS_MS = parse_time_ms("2026-01-05T08:00Z", "test", "ts")
DAYS = (7, 30, 90)
COLUMNS = (
    "ts currency instrument expiry strike option_type bid ask mark_iv underlying_price".split()
)


def known_surface(forward_usd: float = 80_000.0, tilt: float = 1.4) -> Surface:
    """One regime with at-the-money vols of 60, 55 and 50 %; `tilt` is put wing over call wing."""
    years = np.array(DAYS) * DAY_MS / YEAR_MS
    theta = np.array([0.6, 0.55, 0.5]) ** 2 * years
    wing = 0.8 * np.sqrt(theta)
    regime = Essvi(years, theta, wing * tilt, wing)
    forwards = forward_usd * np.array([1.0, 1.005, 1.01])
    expiry_ms = TS_MS + np.array(DAYS, dtype=np.int64) * DAY_MS
    return Surface(TS_MS, "BTC", True, expiry_ms, forwards, np.ones(3), regime, regime, 0.0)


def quoted(surface: Surface, half_spread_vol: float = 0.004) -> OptionChain:
    """Calls and puts at 17 strikes of each expiry, at the surface's vol plus and minus a half."""
    z = np.linspace(-2.0, 2.0, 17)
    expiry = np.repeat(surface.expiry_ms, 2 * z.size)
    forward = np.repeat(surface.forward_usd, 2 * z.size)
    years = (expiry - surface.ts_ms) / YEAR_MS
    k = np.tile(np.repeat(z, 2), len(DAYS)) * 0.55 * np.sqrt(years)
    strike, is_call = np.round(forward * np.exp(k)), np.tile([True, False], k.size // 2)
    vol = surface.vol(strike, years)
    bid, ask = (
        price_coin(forward, strike, years, vol + half, is_call)
        for half in (-half_spread_vol, half_spread_vol)
    )
    return OptionChain(
        surface.ts_ms, surface.currency, expiry, strike, is_call, bid, ask, forward, vol
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One option at one snapshot, as SQL literals."""

    cells: dict[str, str]

    def but(self, **cells: str) -> Row:
        return replace(self, cells={**self.cells, **cells})


def rows_of(chain: OptionChain) -> list[Row]:
    def time(ts_ms: int) -> str:
        return f"make_timestamptz({ts_ms * 1000})"

    return [
        Row(
            {
                "ts": time(chain.ts_ms),
                "currency": f"'{chain.currency}'",
                "instrument": f"'{chain.currency}-{row}'",
                "expiry": time(int(chain.expiry_ms[row])),
                "strike": _amount(chain.strike_usd[row]),
                "option_type": "'call'" if chain.is_call[row] else "'put'",
                "bid": _amount(chain.bid[row]),
                "ask": _amount(chain.ask[row]),
                "mark_iv": _amount(chain.mark_vol_annual[row]),
                "underlying_price": _amount(chain.forward_usd[row]),
            }
        )
        for row in range(chain.strike_usd.size)
    ]


def _amount(value: float) -> str:
    return "NULL" if np.isnan(value) else f"{float(value)!r}::DOUBLE"


def write_chain(path: Path, rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> Path:
    """Writes the rows with only the named columns; no rows make an empty file of right types."""
    shown = rows or rows_of(quoted(known_surface()))[:1]
    values = ", ".join(f"({', '.join(row.cells[name] for name in columns)})" for row in shown)
    names = ", ".join(f'"{name}"' for name in columns)
    query = f"SELECT * FROM (VALUES {values}) AS t({names}){'' if rows else ' LIMIT 0'}"
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path
