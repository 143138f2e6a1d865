# SPDX-License-Identifier: Apache-2.0
"""When money is sent to an account or away from it: (s, S) levels with fixed and linear costs.

Collateral above what must be there diffuses with variance rate a^2 (USD^2 a year) and no drift: a
hedged leg loses what another venue's leg gains. A dollar that lies idle costs h a year.
Money comes at F_in + k_in q and leaves at F_out + k_out q, and what is there may never be below s,
the tail of what is needed before money can land. The cheapest policy per year fills to S when
collateral falls to s, and sends down to U when it rises to `top`:

    m = (3 F_out a^2 / 4 h)^(1/3),   n^2 = m^2 + (k_in + k_out) a^2 / h
    D^2 (D + 3 n) = 3 F_in a^2 / h,  S = s + D,  U = S + n - m,  top = S + n + m,  cost h (D + n)

Source: our derivation. The value's slope is the parabola k_out + (h / a^2) (m^2 - (y - D - n)^2) in
y above s; smooth fit at S, U and top, and both impulse equations, give the lines above. With one
fixed cost and no linear one this is Miller and Orr (1966): S = U = s + m, top = s + 3 m. That such
bands are optimal is Constantinides and Richard (1978).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from tidegate.model.errors import InputError


@dataclass(frozen=True, slots=True)
class MovingCost:
    """What sending money costs: USD a transfer, and a share of it."""

    fixed_usd: float
    share: float

    def __post_init__(self) -> None:
        _require("fixed_usd", self.fixed_usd, self.fixed_usd >= 0.0)
        _require("share", self.share, 0.0 <= self.share < 1.0)


@dataclass(frozen=True, slots=True)
class CashLevels:
    """Above the least level s, USD: fill to `fill`; from `top` on send down to `land`; and what
    that costs a year, idle money above s included."""

    fill: float
    land: float
    top: float
    cost_usd_annual: float


def cash_levels(
    variance_annual: float, holding_annual: float, incoming: MovingCost, outgoing: MovingCost
) -> CashLevels:
    """The levels of the cheapest policy; see the module's head.

    Args: `variance_annual` a^2 in USD^2 a year and `holding_annual` h, a share a year, both above
    nought. Returns: levels in USD above s. Raises: `InputError`.
    """
    _require("variance_annual", variance_annual, variance_annual > 0.0)
    _require("holding_annual", holding_annual, holding_annual > 0.0)
    ratio = variance_annual / holding_annual
    half = math.cbrt(0.75 * outgoing.fixed_usd * ratio)
    reach = math.hypot(half, math.sqrt((incoming.share + outgoing.share) * ratio))
    fill = _fill(3.0 * incoming.fixed_usd * ratio, reach)
    cost = holding_annual * (fill + reach)
    land = fill + max(0.0, reach - half)
    return CashLevels(fill, land, fill + reach + half, cost)


def _fill(cube: float, reach: float) -> float:
    """The D >= 0 with D^2 (D + 3 n) = `cube`: it rises in D, and D is at most its cube root."""
    most = math.cbrt(cube)
    if most == 0.0:
        return 0.0
    scaled = reach / most
    root = brentq(lambda d: d * d * (d + 3.0 * scaled) - 1.0, 0.0, 1.0, xtol=1e-15)
    return most * float(root)


def _require(field: str, value: float, holds: bool) -> None:
    """Refuse what is not finite, or out of range."""
    if not (math.isfinite(value) and holds):
        raise InputError("cash band", field, f"expected a finite number in range, got {value}")
