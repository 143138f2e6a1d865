# SPDX-License-Identifier: Apache-2.0
"""Where an account dies: the exact price of liquidation, by integer bisection on the exact rule.

Equity is linear and maintenance convex in the price of a linear contract, so health is concave
in it: the solvent prices are an interval, and bisection from the present price finds each end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.margin.rule import MarginRule, Marks
from tidegate.model.account import Account
from tidegate.model.instruments import InstrumentId

HIGHEST_MULTIPLE = 1_000


@dataclass(frozen=True, slots=True)
class LiquidationPrices:
    """First insolvent tick below and above the present price; None where there is none."""

    below_ticks: int | None
    above_ticks: int | None


def liquidation_prices(
    rule: MarginRule, account: Account, marks: Marks, instrument: InstrumentId
) -> LiquidationPrices:
    """Prices in ticks at which the account is first insolvent if one mark alone moves.

    Above, the search ends at a thousand times the present price. An account that is insolvent now
    has both ends at the present price.
    """
    now = marks[instrument]

    def solvent(ticks: int) -> bool:
        equity, maintenance = rule.health_at(account, {**marks, instrument: ticks})
        return equity >= maintenance

    if not solvent(now):
        return LiquidationPrices(now, now)
    below = None if solvent(1) else _first_failure(solvent, now, 1)
    far = now * HIGHEST_MULTIPLE
    above = None if solvent(far) else _first_failure(solvent, now, far)
    return LiquidationPrices(below, above)


def _first_failure(solvent: Callable[[int], bool], good: int, bad: int) -> int:
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        if solvent(middle):
            good = middle
        else:
            bad = middle
    return bad
