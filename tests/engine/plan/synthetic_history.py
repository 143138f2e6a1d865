# SPDX-License-Identifier: Apache-2.0
"""Invented price history: hourly bars with changing volatility, common jumps and holes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tidegate.model.times import HOUR_MS, format_time

END_MS = 1_795_161_600_000  # 2026-11-20T08:00Z
SPOT = {"BTC": 60_000.0, "ETH": 3_000.0}


def history(
    seed: int, *, bars: int = 600, vol: float = 0.004, gap: float = 0.0, coins: str = "BTC ETH"
) -> dict[str, Any]:
    """Values of the book's field `history`: bars that end at spot; `gap` is a fall (a share) that
    comes at once in the middle, for every coin."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, bars)
    found: dict[str, Any] = {}
    for coin in coins.split():
        steps = vol * (0.8 * common + 0.6 * rng.standard_t(4, bars)) / np.sqrt(2.0)
        steps *= np.exp(0.4 * np.sin(np.arange(bars) / 40.0))
        steps[bars // 2] += np.log1p(-gap)
        path = np.cumsum(steps)
        close = SPOT[coin] * np.exp(path - path[-1])
        opened = np.concatenate([close[:1], close[:-1]])
        wide = np.exp(np.abs(rng.normal(scale=vol / 3.0, size=bars)))
        high, low = np.maximum(opened, close) * wide, np.minimum(opened, close) / wide
        found[coin] = {
            "high": np.round(high, 2).tolist(),
            "low": np.round(low, 2).tolist(),
            "close": np.round(close, 2).tolist(),
        }
        for rows in found[coin].values():
            rows[bars // 4] = None
        for name, bound in (("high", max), ("low", min)):
            found[coin][name] = [
                None if v is None else bound(v, c)
                for v, c in zip(found[coin][name], found[coin]["close"], strict=True)
            ]
    first = END_MS - bars * HOUR_MS
    return {"time": [format_time(first + i * HOUR_MS) for i in range(bars)], "coins": found}


def write_csv(values: dict[str, Any], path: Path) -> None:
    """The same bars as a file."""
    lines = ["time,coin,high,low,close"]
    for coin, rows in values["coins"].items():
        for i, time in enumerate(values["time"]):
            numbers = [
                "" if rows[n][i] is None else str(rows[n][i]) for n in ("high", "low", "close")
            ]
            lines.append(",".join([time, coin, *numbers]))
    path.write_text("\n".join(lines) + "\n")
