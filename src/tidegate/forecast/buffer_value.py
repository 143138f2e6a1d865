# SPDX-License-Identifier: Apache-2.0
"""What a gauge is worth: margin-days of a buffer it scales, at the same number of liquidations.

A buffer is the log distance to liquidation at the start of a day, and the account is liquidated on
a day whose adverse move is larger. A scaled buffer is b m_t. For a number L of liquidations the
least b is the (L + 1)-th largest of move_t / m_t, and its margin-days are b sum m_t; the constant
buffer is m = 1. Both know the same past and future, so only the shape of m is judged.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.block_bootstrap import block_interval
from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

BLOCK_DAYS = 30


class BufferValue(msgspec.Struct, frozen=True):
    """Share of margin-days saved against a constant buffer, with its 95 % band."""

    liquidations: int
    margin_days: float
    constant_margin_days: float
    saved: float
    low: float
    high: float

    @property
    def pays(self) -> bool:
        """Whether the whole band is above zero: the condition for switching a gauge on."""
        return bool(np.isfinite(self.low)) and self.low > 0.0


def margin_days(moves: FloatArray, multiple: FloatArray, liquidations: int) -> float:
    """Least sum of b m_t whose days with move > b m_t are at most `liquidations`.

    Args: `moves` float64[n] >= 0; `multiple` float64[n] > 0.
    """
    if moves.shape != multiple.shape or not np.all(multiple > 0.0):
        raise InputError("margin-days", "multiple", "expected one above zero per day")
    if not 0 <= liquidations < moves.size:
        raise InsufficientHistory("margin-days", "moves", f"expected over {liquidations} days")
    ratio = np.sort(moves / multiple)[::-1]
    return float(ratio[liquidations] * multiple.sum())


def buffer_value(
    moves: FloatArray, multiple: FloatArray, share: float, rng: np.random.Generator
) -> BufferValue:
    """Margin-days saved at liquidations on `share` of the days, resampled in 30-day blocks."""
    if not 0.0 < share < 1.0:
        raise InputError("buffer value", "share", f"expected in (0, 1), got {share}")
    count = round(share * moves.size)
    ones = np.ones(moves.size)
    scaled, constant = margin_days(moves, multiple, count), margin_days(moves, ones, count)

    def saved(rows: npt.NDArray[np.int64]) -> float:
        without = margin_days(moves[rows], ones, count)
        return 1.0 - margin_days(moves[rows], multiple[rows], count) / without

    low, high = block_interval(rng, moves.size, min(BLOCK_DAYS, moves.size), saved)
    return BufferValue(count, scaled, constant, 1.0 - scaled / constant, low, high)


def best_strength(
    moves: FloatArray, gauge: FloatArray, share: float, strengths: tuple[float, ...]
) -> float:
    """The strength whose buffer 1 + strength g has the least margin-days; 0 is always tried."""
    count = round(share * moves.size)
    tried = (0.0, *strengths)
    costs = [margin_days(moves, 1.0 + strength * gauge, count) for strength in tried]
    return tried[int(np.argmin(costs))]
