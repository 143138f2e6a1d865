# SPDX-License-Identifier: Apache-2.0
"""Bars of one coin by UTC day, on a grid without gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.history.parquet import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class DailyBars:
    """Bars of one coin on a gapless grid of UTC days, NaN in holes; known at the day's end."""

    day_ms: IntArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    @property
    def return_log(self) -> FloatArray:
        """Close-to-close log return, NaN on the first day and beside a hole."""
        return np.diff(np.log(self.close), prepend=np.nan)
