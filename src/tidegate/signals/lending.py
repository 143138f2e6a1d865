# SPDX-License-Identifier: Apache-2.0
"""Lending and borrowing rates as edges: lend where it pays, borrow where it is cheap, net of costs.

Rates float. The forecast is the weighted mean of a user's series and its error comes from how
averages of the horizon differed from such forecasts before; without 30 settled days there is none.
A deposit lowers the rate it earns, so on a pool whose curve is known the capacity is the deposit
at which nothing is left.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.stress_features import trailing_mean
from tidegate.margin.borrowing import KinkedRate
from tidegate.model.errors import InputError
from tidegate.signals.edges import Edge, Loading

FloatArray = npt.NDArray[np.float64]

DAYS_PER_YEAR = 365.0
TRAILING_DAYS = 7
MIN_SETTLED = 30


class RateForecast(msgspec.Struct, frozen=True):
    """Expected mean annual rate over the horizon, its error, and the days it was judged on."""

    source: str
    rate_annual: float
    standard_error_annual: float
    n_settled: int


class PoolState(msgspec.Struct, frozen=True):
    """A lending pool now: what is supplied and borrowed in USD, and its rate curve."""

    supplied_usd: float
    borrowed_usd: float
    curve: KinkedRate

    def __post_init__(self) -> None:
        if not (self.supplied_usd > 0.0 and 0.0 <= self.borrowed_usd <= self.supplied_usd):
            raise InputError("lending pool", "borrowed_usd", "expected 0 to supplied_usd > 0")

    def supply_annual(self, deposit_usd: float) -> float:
        """What the pool pays after a deposit of ours."""
        return self.curve.supply_annual(self.borrowed_usd / (self.supplied_usd + deposit_usd))


def forecast_rate(source: str, daily_annual: FloatArray, horizon_days: int) -> RateForecast:
    """Mean of the last seven days as a forecast of the next h, with its past root square error.

    Args: `daily_annual` float64[n] on a gapless daily grid, NaN in holes. Raises:
    `InsufficientHistory` with a hole in the last week, below 30 settled days, or where the rate
    never moved; `InputError`.
    """
    if horizon_days < 1 or daily_annual.ndim != 1 or np.any(np.isinf(daily_annual)):
        raise InputError(source, "daily_annual, horizon_days", "expected finite or NaN, >= 1")
    week = trailing_mean(daily_annual, TRAILING_DAYS)
    ahead = np.append(
        trailing_mean(daily_annual, horizon_days)[horizon_days:], np.full(horizon_days, np.nan)
    )[: daily_annual.size]
    errors = (ahead - week)[np.isfinite(ahead - week)]
    if errors.size < MIN_SETTLED or not math.isfinite(week[-1]) or not np.any(errors):
        raise InsufficientHistory(
            source, "daily_annual", f"expected {MIN_SETTLED} settled days that moved, and a week"
        )
    error = float(np.sqrt(np.mean(errors**2)))
    return RateForecast(source, float(week[-1]), error, errors.size)


def lending_edge(
    lend: RateForecast, cost: float, days: float, pool: PoolState | None, hurdle_annual: float
) -> Edge:
    """Lend own cash: `cost` is paid once per USD for getting in and out (gas, bridge, spread).

    `hurdle_annual` is what the cash earns where it lies. Capacity is known only with the pool's
    state: the deposit at which the pool's own curve pays no more than hurdle and costs.
    """
    cost_annual = _annual(cost, days) + hurdle_annual
    capacity = None if pool is None else deposit_capacity_usd(pool, cost_annual)
    loading = Loading(f"rate {lend.source}", 1.0, lend.standard_error_annual)
    return Edge("lending", lend.source, lend.rate_annual, cost_annual, (loading,), capacity)


def borrow_lend_edge(lend: RateForecast, borrow: RateForecast, cost: float, days: float) -> Edge:
    """Borrow on one venue and lend on another, per USD borrowed.

    The collateral is the caller's own, and what it earns or forgoes is not counted. Both rates
    float, and both errors are carried. Capacity is not known.
    """
    gross = lend.rate_annual - borrow.rate_annual
    loadings = (
        Loading(f"rate {lend.source}", 1.0, lend.standard_error_annual),
        Loading(f"rate {borrow.source}", -1.0, borrow.standard_error_annual),
    )
    name = f"{lend.source} from {borrow.source}"
    return Edge("borrow and lend", name, gross, _annual(cost, days), loadings, None)


def deposit_capacity_usd(pool: PoolState, least_annual: float) -> float:
    """Deposit after which the pool pays exactly the least rate wanted; 0 where it pays less now.

    The supply rate falls with utilisation and so with the deposit, so the root is the only one.
    """
    if pool.supply_annual(0.0) <= least_annual:
        return 0.0
    if least_annual <= pool.curve.supply_annual(0.0):
        return math.inf
    high = pool.supplied_usd
    while pool.supply_annual(high) > least_annual:
        high *= 2.0
    return float(brentq(lambda x: pool.supply_annual(x) - least_annual, 0.0, high, xtol=0.01))


def _annual(cost: float, days: float) -> float:
    if not (cost >= 0.0 and days > 0.0):
        raise InputError("lending", "cost, days", "expected at least zero and above zero")
    return cost * DAYS_PER_YEAR / days
