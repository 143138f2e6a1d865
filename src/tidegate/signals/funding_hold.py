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


def rotated(forecast_annual: FloatArray, count: int, rule: HoldRule) -> BoolArray:
    """Which coins are held after each row of forecasts, bool[m, c], at most `count` at once.

    A coin below `leave_annual` or with an unknown forecast is closed. A free place goes to the
    best coin above `enter_annual`; a held coin gives way where the best one outside forecasts more
    by `enter_annual`, which pays for the change of both.
    """
    if count < 1:
        raise InputError("rotation", "count", f"expected at least 1, got {count}")
    held = np.zeros(forecast_annual.shape, dtype=np.bool_)
    now: set[int] = set()
    for i, row in enumerate(np.where(np.isfinite(forecast_annual), forecast_annual, -np.inf)):
        now = {coin for coin in now if row[coin] > rule.leave_annual}
        for coin in np.argsort(-row, kind="stable").tolist():
            worst = min(now, key=lambda each: row[each], default=coin)
            if coin in now or not row[coin] > rule.enter_annual:
                continue
            if len(now) < count:
                now.add(coin)
            elif row[coin] > row[worst] + rule.enter_annual:
                now = (now - {worst}) | {coin}
        held[i, sorted(now)] = True
    return held


def rotation_value(
    paid_annual: FloatArray, held: BoolArray, count: int, rule: HoldRule, rng: np.random.Generator
) -> HoldValue:
    """Income per USD of one leg with an equal part in each of `count` places, against an equal part
    in every coin on every day.

    Args: `paid_annual` float64[m, c]; NaN pays nothing to either. Places left empty earn nothing.
    """
    paid = np.where(np.isfinite(paid_annual), paid_annual, 0.0) / DAYS_PER_YEAR
    every = np.ones(held.shape[0], dtype=np.bool_)
    costs = np.column_stack([_switching(column, rule) for column in held.T])
    acted = (np.where(held, paid, 0.0) - costs).sum(axis=1) / count
    static = paid.mean(axis=1) - _switching(every, rule)
    gain, block = acted - static, min(BLOCK_DAYS, held.shape[0])
    years = held.shape[0] / DAYS_PER_YEAR
    low, high = block_interval(rng, gain.size, block, lambda rows: float(gain[rows].sum()) / years)
    return HoldValue(
        coin=f"rotation of {count} among {held.shape[1]}",
        acted_annual=float(acted.sum()) / years,
        static_annual=float(static.sum()) / years,
        difference_low=low,
        difference_high=high,
        held_share=float(held.sum(axis=1).mean()) / count,
        trades=int(np.count_nonzero(np.diff(held, axis=0, prepend=False))),
        days=held.shape[0],
    )


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
