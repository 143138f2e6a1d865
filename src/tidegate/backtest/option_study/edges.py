# SPDX-License-Identifier: Apache-2.0
"""The variance premium of an option at a time, by what was known then.

Held and hedged at its implied vol s, a long option earns about G S^2 (f^2 - s^2) / 2 a year, with
G its gamma and f^2 the variance that will be realised (Carr and Madan 1998). At the money f^2 is
the exponentially weighted mean of past days' realised variance (RiskMetrics 1996); at other strikes
it is in the same proportion to s^2, so that a smile is no edge by itself. Its standard error is
that of the weighted mean, sd(RV) sqrt(sum w^2), as if days were independent. The study harvests a
premium and does not bet on its absence: a carry of being long is never above nought.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.option_study.market import BAR_MS, COINS, Market
from tidegate.forecast.realised import realised_measures
from tidegate.forecast.volatility import DAYS_PER_YEAR, EWMA_DECAY
from tidegate.model.times import DAY_MS

FloatArray = NDArray[np.float64]
HALF_LIFE_DAYS = 15
LEAST_DAYS = 10


@dataclass(frozen=True, slots=True)
class Variance:
    """Expected variance a year, and the standard error of that mean."""

    mean_annual: float
    error_annual: float

    def premium(self, gamma_share: float, vols: tuple[float, float]) -> tuple[float, float]:
        """Carry a year of being long, and its error: shares of the underlying's notional.

        `gamma_share` is gamma times price: delta per unit of relative move; `vols` are the
        option's own and that at the money of its expiry."""
        own, money = vols
        like = 0.5 * gamma_share * (own / money) ** 2
        return min(0.0, like * (self.mean_annual - money**2)), like * self.error_annual


@dataclass(frozen=True, slots=True, eq=False)
class Realised:
    """Realised variance a day (d) and the day (d) of each coin."""

    variance: dict[str, FloatArray]
    day_ms: dict[str, NDArray[np.int64]]

    def at(self, ts_ms: int) -> dict[str, Variance]:
        """The forecast of each coin by the days that were over; none with too few of them."""
        found = {}
        for coin, days in self.day_ms.items():
            rv = self.variance[coin][days + DAY_MS <= ts_ms]
            known = rv[np.isfinite(rv)]
            if known.size >= LEAST_DAYS:
                found[coin] = weighted(known)
        return found


def weighted(rv_daily: FloatArray) -> Variance:
    """The forecast of daily realised variances, newest last."""
    weights = EWMA_DECAY ** np.arange(rv_daily.size - 1, -1, -1.0)
    weights /= weights.sum()
    mean = float(weights @ rv_daily)
    spread = float(weights @ (rv_daily - mean) ** 2)
    error = math.sqrt(spread * float(weights @ weights))
    return Variance(DAYS_PER_YEAR * mean, DAYS_PER_YEAR * error)


def realised(market: Market) -> Realised:
    """Of every coin, from its quarter hours."""
    variance, days = {}, {}
    for coin in COINS:
        bars = market.bars[coin]
        found = realised_measures(bars.open_ms, bars.close, BAR_MS)
        variance[coin], days[coin] = found.variance, found.start_ms
    return Realised(variance, days)
