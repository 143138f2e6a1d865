# SPDX-License-Identifier: Apache-2.0
"""Stamps that may be in the wrong unit: which unit fits, and how they are printed."""

from __future__ import annotations

import numpy as np

from tidegate.history.parquet import IntArray
from tidegate.model.times import format_time, parse_time_ms

# The first block of Bitcoin; and a year that no history of ours reaches.
EARLIEST_MS = parse_time_ms("2009-01-03", "stamps", "earliest")
LATEST_MS = parse_time_ms("2100-01-01", "stamps", "latest")
# How many of a unit make a second.
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_PRINTABLE_MS = parse_time_ms("9999-01-01", "stamps", "printable")


def plausible(ts_ms: IntArray) -> np.ndarray:
    """Which stamps lie between the first block of Bitcoin and 2100."""
    return (ts_ms >= EARLIEST_MS) & (ts_ms < LATEST_MS)


def fitting_unit(count: int) -> str | None:
    """The unit in which a count since 1970 is a plausible time; the four ranges do not meet."""
    for unit, per_second in UNITS.items():
        if EARLIEST_MS * per_second <= count * 1_000 < LATEST_MS * per_second:
            return unit
    return None


def stamp_text(ts_ms: int) -> str:
    """ISO text of a stamp, or where no calendar has it, the number of milliseconds."""
    return format_time(ts_ms) if 0 <= ts_ms < _PRINTABLE_MS else f"{ts_ms} ms"
