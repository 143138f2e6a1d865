# SPDX-License-Identifier: Apache-2.0
"""At which mark of one perpetual an account falls below maintenance, all else as it is.

Health of an account of perpetuals falls as one of its marks moves against the position, so that the
first mark at which it is below maintenance is found by halving. Where options are held, whose marks
move too, nothing is said.
"""

from __future__ import annotations

from tidegate.margin.rule import MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.instruments import Instrument

HIGHEST = 10


def liquidation_ticks(
    rule: MarginRule, account: Account, marks: Marks, one: Instrument
) -> int | None:
    """The nearest mark at which the account is below maintenance; None where no mark down to a tick
    or up to ten times as high is one."""
    held = account.positions.get(one.id)
    if held is None:
        return None
    mark = marks[one.id]
    safe, dead = mark, 1 if held.lots > 0 else HIGHEST * mark

    def dies(ticks: int) -> bool:
        equity, maintenance = rule.health_at(account, {**marks, one.id: ticks})
        return equity < maintenance

    if dies(mark):
        return mark
    if not dies(dead):
        return None
    while abs(safe - dead) > 1:
        middle = (safe + dead) // 2
        safe, dead = (safe, middle) if dies(middle) else (middle, dead)
    return dead
