# SPDX-License-Identifier: Apache-2.0
"""What collecting funding earns net of cost when it is held only while a forecast pays.

The position is short one USD of the perpetual and long one USD of the coin. Each change between
held and not held costs half of a round trip on both legs.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.block_bootstrap import block_interval
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DAYS_PER_YEAR = 365.0
BLOCK_DAYS = 30


class HoldRule(msgspec.Struct, frozen=True):
    """Enter above one annual rate, leave below another; a round trip costs `round_trip` of one
    leg's notional, all four trades together."""

    enter_annual: float
    leave_annual: float
    round_trip: float

    def __post_init__(self) -> None:
        if not self.leave_annual <= self.enter_annual:
            raise InputError("hold rule", "leave_annual", "expected at most enter_annual")
        if not self.round_trip >= 0.0:
            raise InputError("hold rule", "round_trip", "expected at least zero")


class HoldValue(msgspec.Struct, frozen=True):
    """Net annual income per USD of one leg, acted and static, and their difference's 95 % band.

    `days` is how many days had a known payment; days without one earn nothing for either.
    """

    coin: str
    acted_annual: float
    static_annual: float
    difference_low: float
    difference_high: float
    held_share: float
    trades: int
    days: int


def rule_for_cost(round_trip: float, hold_days: float) -> HoldRule:
    """Enter where the forecast pays a round trip back in the days it is expected to be held."""
    if not hold_days > 0.0:
        raise InputError("hold rule", "hold_days", "expected above zero")
    return HoldRule(round_trip * DAYS_PER_YEAR / hold_days, 0.0, round_trip)


def held_above(forecast_annual: FloatArray, rule: HoldRule) -> BoolArray:
    """Whether the position is held after each forecast, bool[m]; an unknown one closes it."""
    held = np.zeros(forecast_annual.size, dtype=np.bool_)
    state = False
    for i, rate in enumerate(forecast_annual):
        state = bool(np.isfinite(rate)) and rate > (
            rule.leave_annual if state else rule.enter_annual
        )
        held[i] = state
    return held


def hold_value(
    coin: str,
    paid_annual: FloatArray,
    held: BoolArray,
    rule: HoldRule,
    rng: np.random.Generator,
) -> HoldValue:
    """Income of the held days less costs, against holding on every day and entering once.

    The band of the difference is from a circular bootstrap of 30-day blocks.

    Args: `paid_annual` float64[m], mean annual rate of the day after each origin; `held` bool[m].
    """
    known = np.isfinite(paid_annual)
    if not known.any():
        raise InputError("hold value", coin, "expected at least one day with a known payment")
    paid = np.where(known, paid_annual, 0.0) / DAYS_PER_YEAR
    acted = np.where(held, paid, 0.0) - _switching(held, rule)
    static = paid - _switching(np.ones(held.size, dtype=np.bool_), rule)
    years = float(known.sum()) / DAYS_PER_YEAR
    gain, block = acted - static, min(BLOCK_DAYS, held.size)
    low, high = block_interval(rng, gain.size, block, lambda rows: float(gain[rows].sum()) / years)
    return HoldValue(
        coin=coin,
        acted_annual=float(acted.sum()) / years,
        static_annual=float(static.sum()) / years,
        difference_low=low,
        difference_high=high,
        held_share=float(held[known].mean()),
        trades=int(np.count_nonzero(np.diff(held, prepend=False))),
        days=int(known.sum()),
    )


def _switching(held: BoolArray, rule: HoldRule) -> FloatArray:
    """Cost of each day's change of state, and of closing at the end."""
    changes = np.abs(np.diff(held.astype(np.float64), prepend=0.0))
    changes[-1] += float(held[-1])
    return 0.5 * rule.round_trip * changes
