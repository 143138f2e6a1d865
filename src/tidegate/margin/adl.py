# SPDX-License-Identifier: Apache-2.0
"""In which order venues close winners: the ranking formulas that they publish."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]

RANKINGS = frozenset({"price_leverage", "profit_leverage"})


def rank_score(
    ranking: str,
    side: float,
    entry: FloatArray | float,
    mark: FloatArray | float,
    leverage: FloatArray | float,
) -> FloatArray:
    """Place of a position in the queue; the highest are closed first.

    "profit_leverage" (Binance, Deribit, dYdX): profit * leverage, profit = side * (mark / entry
    - 1), and profit / leverage where there is a loss. "price_leverage" (Hyperliquid): (mark /
    entry) * leverage, inverted for shorts (inferred). `side` is +1 or -1; `entry` and `mark` are
    prices of one unit; `leverage` is notional over the account's value, now; the three broadcast,
    and the scores have their common shape. Another ranking raises `InputError`. Sources: Binance
    ADL FAQ; Hyperliquid documentation.
    """
    if ranking not in RANKINGS:
        raise InputError("adl", "ranking", f"expected one of {sorted(RANKINGS)}, got {ranking!r}")
    ratio = np.asarray(mark) / entry
    if ranking == "price_leverage":
        return np.asarray(ratio**side * leverage)
    profit = side * (ratio - 1.0)
    return np.where(profit > 0.0, profit * leverage, profit / leverage)
