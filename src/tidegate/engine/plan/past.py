# SPDX-License-Identifier: Apache-2.0
"""A book's price history on one grid, and what beside prices it may tell; holes stay holes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Bars of C coins, NaN where there is none, and draws of what moves beside them.

    Args: `open_ms` int64 [n], evenly spaced; `high`, `low`, `close` [n, C]; `vol_level`, `skew` and
        `term` by coin [n], of 30 days and in the units of `risk.factor_paths`; `spread` by venue,
        log of its marks over the common price; `stable` by dollar coin, its price over that of now;
        `funding` by coin, share of notional that a long pays over the horizon; each draws [k].
    """

    where: str
    open_ms: IntArray
    interval_ms: int
    coins: tuple[str, ...]
    high: FloatArray
    low: FloatArray
    close: FloatArray
    vol_level: Mapping[str, FloatArray]
    skew: Mapping[str, FloatArray]
    term: Mapping[str, FloatArray]
    spread: Mapping[str, FloatArray]
    stable: Mapping[str, FloatArray]
    funding: Mapping[str, FloatArray]

    @property
    def end_ms(self) -> int:
        """When the last bar closed."""
        return int(self.open_ms[-1]) + self.interval_ms
