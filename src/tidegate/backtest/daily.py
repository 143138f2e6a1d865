# SPDX-License-Identifier: Apache-2.0
"""A run's daily returns above what was free of risk."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from tidegate.backtest.run import Series
from tidegate.model.mandate import Mandate
from tidegate.model.times import DAY_MS


def daily_excess(series: Series, mandate: Mandate) -> tuple[float, ...]:
    """Returns of whole days from the run's start, less the mandate's hurdle rate, float each.

    r_d = E_d / E_(d-1) - 1 - ((1 + h)^(1/365) - 1), E the equity of the whole book with all that it
    has received and paid. Funding prints are no returns: between them the book moves. A day that
    ends without equity returns -1 before the rate, and days after it earn nothing.
    """
    at = dict(zip(series.ts_ms, series.equity, strict=True))
    first, last = series.ts_ms[0], series.ts_ms[-1]
    days = range(first, last + 1, DAY_MS)
    equities = [max(0, at[ts]) for ts in days if ts in at]
    free = float(1 + Decimal(mandate.mandate.hurdle_rate_annual.value)) ** (1 / 365) - 1
    pairs = pairwise(equities)
    return tuple((now / before - 1 if before else 0.0) - free for before, now in pairs)
