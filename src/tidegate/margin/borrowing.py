# SPDX-License-Identifier: Apache-2.0
"""What borrowed collateral costs: rates that bend at a utilisation, and indices that grow by them.

    rate(u) = base + below min(u, kink) / kink + above (u - kink)+ / (1 - kink)

Aave v3 states its curve so (aave-v3-origin, DefaultReserveInterestRateStrategyV2, read in
November 2026): debt compounds every second and supply grows linearly between updates. Hyperliquid
(portfolio margin page, stored copy of November 2026) has 0.05 + 4.75 max(0, u - 0.8), which is this
curve with base 0.05, below 0, kink 0.8 and above 0.95, indexed hourly, a tenth of the interest
kept. Whether its hourly step is the rate over 8,760 is not pinned, and is taken so.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log1p

from tidegate.model.errors import InputError

WHERE = "borrowing"
HOURS_A_YEAR = 8_760
SECONDS_A_YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class KinkedRate:
    """A borrowing rate by utilisation, annual decimals, dated; `kept` is the share of interest
    that suppliers do not get."""

    base_annual: float
    below_annual: float
    above_annual: float
    kink: float
    kept: float
    as_of: str
    source: str

    def __post_init__(self) -> None:
        rates = (self.base_annual, self.below_annual, self.above_annual)
        if min(rates) < 0 or not 0 < self.kink < 1 or not 0 <= self.kept <= 1:
            raise InputError(self.source, "rate", "expected rates >= 0, a kink and a share in 0..1")

    def borrowing_annual(self, utilisation: float) -> float:
        """Rate that a borrower pays at a utilisation of 0 to 1, else `InputError`."""
        if not 0 <= utilisation <= 1:
            raise InputError(WHERE, "utilisation", f"expected 0 to 1, got {utilisation}")
        below = min(utilisation, self.kink) / self.kink
        above = max(0.0, utilisation - self.kink) / (1 - self.kink)
        return self.base_annual + self.below_annual * below + self.above_annual * above

    def supply_annual(self, utilisation: float) -> float:
        """Rate that a supplier earns: the borrowers' interest on the part that is lent, less what
        is kept."""
        return self.borrowing_annual(utilisation) * utilisation * (1 - self.kept)


HYPERLIQUID_RATE = KinkedRate(0.05, 0.0, 0.95, 0.8, 0.1, "2026-11", "hyperliquid portfolio margin")


def debt_after(debt: float, rate_annual: float, elapsed_s: float, step_s: float) -> float:
    """A debt after whole steps of compounding, debt (1 + rate step / year) ** steps: step 1 s for
    Aave, 3,600 s for Hyperliquid. Raises `InputError` for a negative time or rate."""
    if elapsed_s < 0 or step_s <= 0 or rate_annual < 0:
        raise InputError(WHERE, "interest", "expected a time and rate of at least 0, a step above")
    steps = elapsed_s // step_s
    return debt * (1.0 + expm1(steps * log1p(rate_annual * step_s / SECONDS_A_YEAR)))
