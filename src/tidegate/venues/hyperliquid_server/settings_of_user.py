# SPDX-License-Identifier: Apache-2.0
"""What a user sets: leverage of a coin, and the dead man's switch.

Each function says why it does not, or None. Source: hyperliquid.gitbook.io, Exchange endpoint
(stored copy read in November 2026).
"""

from __future__ import annotations

from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.venues.hyperliquid_server.actions import ScheduleCancel, UpdateLeverage
from tidegate.venues.hyperliquid_server.house import SCHEDULED_A_DAY, House
from tidegate.venues.hyperliquid_server.users import User

LEAST_AHEAD_MS = 5 * SECOND_MS


def update_leverage(house: House, user: User, action: UpdateLeverage) -> str | None:
    """Another leverage of a coin, in cross margin."""
    coin = house.coin_of(action.asset)
    if coin is None:
        return f"Unknown asset. asset={action.asset}"
    if not action.isCross:
        return "Isolated margin is not offered by this paper venue: accounts are margined cross."
    if action.leverage > coin.max_leverage:
        return f"Invalid leverage value. Max leverage is {coin.max_leverage}."
    return house.desk(user).lever({**user.leverages, coin.name: action.leverage})


def schedule_cancel(house: House, user: User, action: ScheduleCancel) -> str | None:
    """Cancel all at a time, five seconds ahead at least and ten times a day at most; or never."""
    if not isinstance(action.time, int):
        user.cancel_at_ms = None
        return None
    now_ms = house.due_ms()
    if action.time < now_ms + LEAST_AHEAD_MS:
        return "Scheduled cancel time must be at least 5 seconds in the future."
    day, fired = user.fired
    if day == now_ms // DAY_MS and fired >= SCHEDULED_A_DAY:
        return f"Scheduled cancels fire at most {SCHEDULED_A_DAY} times a day."
    user.cancel_at_ms = action.time
    return None
