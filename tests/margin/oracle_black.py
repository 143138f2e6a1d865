# SPDX-License-Identifier: Apache-2.0
"""Black's formula of 1976 and the answer of every oracle, in plain Python."""

from __future__ import annotations

from math import erfc, log, sqrt
from typing import NamedTuple

YEAR_MS = 365 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
ROOT_HALF = sqrt(0.5)


class Margins(NamedTuple):
    """Equity as the rule counts it, and the two requirements, >= 0, in the rule's unit.

    What venues publish as a net margin is `equity - maintenance` and `equity - initial`; that
    difference alone is free of how a rule splits what an option is worth.
    """

    equity: float
    maintenance: float
    initial: float

    @property
    def net_maintenance(self) -> float:
        return self.equity - self.maintenance

    @property
    def net_initial(self) -> float:
        return self.equity - self.initial


def normal_cdf(x: float) -> float:
    return 0.5 * erfc(-x * ROOT_HALF)


def black(forward: float, strike: float, is_call: bool, deviation: float) -> float:
    """Undiscounted; `deviation` is vol x sqrt(years). Without deviation it is what is in it now."""
    if deviation <= 0.0:
        return max(forward - strike if is_call else strike - forward, 0.0)
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    # erfc, not 1 - erf: a far tail keeps its digits.
    if is_call:
        upper, lower = erfc(-d1 * ROOT_HALF), erfc((deviation - d1) * ROOT_HALF)
        return 0.5 * (forward * upper - strike * lower)
    upper, lower = erfc((d1 - deviation) * ROOT_HALF), erfc(d1 * ROOT_HALF)
    return 0.5 * (strike * upper - forward * lower)


def black_delta(forward: float, strike: float, is_call: bool, deviation: float) -> float:
    """Change of the undiscounted premium with the forward; at the kink of no deviation, zero."""
    if deviation <= 0.0:
        held = forward > strike if is_call else forward < strike
        return (1.0 if is_call else -1.0) * held
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    return normal_cdf(d1) if is_call else -normal_cdf(-d1)


def years(expiry_ms: int, now_ms: int) -> float:
    """Time to expiry in years of 365 days; an oracle has no word on what is already expired."""
    if expiry_ms <= now_ms:
        raise ValueError(f"expired at {expiry_ms}, now is {now_ms}")
    return (expiry_ms - now_ms) / YEAR_MS
