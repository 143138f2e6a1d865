# SPDX-License-Identifier: Apache-2.0
"""What the world is fitted to, read from a folder of history."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tidegate.history.bars import read_bars
from tidegate.history.funding import read_funding
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_time_ms
from tidegate.simulation.world.fitting import Sample

_QUARTER_MS = 15 * MINUTE_MS


def read_sample(folder: Path, coins: tuple[str, ...], start: str, end: str) -> Sample:
    """Quarter-hours of Binance, hours and funding of Hyperliquid, whole over a window of days.

    Raises `InputError` as the readers do, for any hole and for a window that is not of whole days.
    """
    window = Window(
        parse_time_ms(start, "world fit", "--from"),
        parse_time_ms(end, "world fit", "--to", end_of_day=True),
    )
    if window.start_ms % DAY_MS or window.end_ms % DAY_MS:
        raise InputError("world fit", "window", "expected whole days")
    symbols = [f"{coin}USDT" for coin in coins]
    closes = [read_bars(folder, "binance", s, "last", window, _QUARTER_MS).close for s in symbols]
    other = [read_bars(folder, "hyperliquid", c, "last", window).close for c in coins]
    prints = [read_funding(folder, "hyperliquid", coin, window) for coin in coins]
    rates = [p.rate_e12 * 1e-12 * 8 * HOUR_MS / p.interval_ms for p in prints]
    if any((p.interval_ms != HOUR_MS).any() for p in prints):
        raise InputError("world fit", "funding", "expected hourly prints, as from June 2023 on")
    return Sample(coins, np.array(closes), np.array(other), np.array(rates))
