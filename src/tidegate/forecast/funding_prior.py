# SPDX-License-Identifier: Apache-2.0
"""A funding forecast drawn toward the market's own long run, by how sure each is.

Recent funding says something about the next weeks, and so does the year before: on two venues the
difference of yearly means was the steadier guide. The two are averaged with weights that are
inverse to their variances, the minimum-variance combination of unbiased and independent estimates
(Bates and Granger 1969, eq. for w with no correlation); that they share data makes the stated error
a little too small.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from tidegate.forecast.funding import HOURS_PER_YEAR, FundingForecast, FundingPrints
from tidegate.model.times import DAY_MS

BLOCKS_MIN = 4


def with_long_run(
    prints: FundingPrints, at_ms: int, forecast: FundingForecast, days: int, horizon_days: int
) -> FundingForecast:
    """The forecast combined with the mean of the last `days`, where those hold enough blocks.

    The long run's error as a forecast of one horizon is the standard deviation of past averages
    over blocks of `horizon_days`. With fewer than four blocks the forecast is returned unchanged.
    """
    age = (at_ms - prints.ts_ms) // (horizon_days * DAY_MS)
    past = (prints.ts_ms <= at_ms) & (age < days // horizon_days)
    blocks, where = np.unique(age[past], return_inverse=True)
    if blocks.size < BLOCKS_MIN:
        return forecast
    paid = np.bincount(where, weights=prints.rate[past])
    hours = np.bincount(where, weights=prints.interval_h[past])
    averages = paid / hours * HOURS_PER_YEAR
    variance_long = float(averages.var(ddof=1)) * (1 + 1 / blocks.size)
    variance_near = forecast.standard_error_annual**2
    weight = variance_long / (variance_long + variance_near)
    return FundingForecast(
        weight * forecast.rate_annual + (1 - weight) * float(averages.mean()),
        sqrt(weight * variance_near),
        forecast.half_life_days,
        forecast.n_prints,
    )
