# SPDX-License-Identifier: Apache-2.0
"""What a rule of floats says of one account: the scenario rules and whole-account models.

The integer rules of `rule` margin-call on the exchange; the rules that answer with a `Statement`
revalue a book under shocks, where the venue itself works in fixed-point numbers finer than ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues


@dataclass(frozen=True, slots=True)
class Statement:
    """One account under its venue's rule, in `unit` (a dollar coin or the coin itself).

    `equity` is what the venue holds against `maintenance`, so not always what the account is worth:
    at Binance, Bybit and OKX after haircuts of collateral, at Derive's standard manager after its
    factors of coins, at Aave collateral at its thresholds before any debt, in Hyperliquid's
    portfolio 0.95 of what counts against liquidation, elsewhere at marks.
    Requirements are >= 0. `withdrawable` is what may leave now, at prices; it is never more than
    equity but at Aave, where a dollar that leaves costs less equity than a dollar, and all may
    leave without a debt. None where the venue's documents do not pin it, as the rule's card says.
    `binding` names the scenario, floor or position that sets the requirement; `parts` are its
    addends by name, requirements +, in the order in which the venue adds them.
    """

    rule: str
    unit: str
    equity: float
    initial: float
    maintenance: float
    withdrawable: float | None
    binding: str
    parts: Mapping[str, float]

    @property
    def health(self) -> float:
        """Equity less the maintenance requirement; solvent when >= 0."""
        return self.equity - self.maintenance


class AccountRule(Protocol):
    """A venue's rule over a whole account; pure, and knows no venue connection."""

    @property
    def name(self) -> str:
        """The name by which a mandate or a book chooses it."""

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements and equity now; raises `InputError` naming a value that is missing or too
        old, where the venue has no penalty of its own for it."""
