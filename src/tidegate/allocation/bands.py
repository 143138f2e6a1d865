# SPDX-License-Identifier: Apache-2.0
"""When a drift from target is worth a trade: bands that balance risk cost against trading cost.

The deviation x from target (units) diffuses with variance rate a^2 (units^2 per year) and costs
(R/2) x^2 USD a year. A trade costs k USD per unit and F USD each. The policy that minimises cost
per year waits until |x| reaches `trigger` and then trades back to `landing`, on the same side.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]


class Drift(msgspec.Struct, frozen=True):
    """How a deviation moves and hurts: a^2 in units^2 a year, R in USD per unit^2 a year."""

    variance_annual: float
    risk_usd_annual: float

    def __post_init__(self) -> None:
        _positive("variance_annual", self.variance_annual)
        _positive("risk_usd_annual", self.risk_usd_annual)


class Band(msgspec.Struct, frozen=True):
    """Trade when |x| reaches `trigger`, back to `landing` <= trigger; and what this costs."""

    trigger: float
    landing: float
    cost_usd_annual: float


def band_cost_usd_annual(
    drift: Drift, band: tuple[float, float], unit_cost_usd: float, fixed_cost_usd: float
) -> float:
    """Cost per year of triggering at u and landing at l < u.

    a^2 (F + k (u - l)) / (u^2 - l^2) + R (u^2 + l^2) / 12: a cycle from l lasts (u^2 - l^2)/a^2
    on average and collects R (u^4 - l^4)/(12 a^2) of risk cost, so this is the renewal reward.
    At l = u without a fixed cost it is R u^2/6 + k a^2/(2u), the reflected band.

    Args: `band` is (u, l) in units, 0 <= l <= u. Source: our derivation, Ito's formula on
    (-u, u); compare Dixit (1991) for the two limits.
    """
    trigger, landing = band
    width = trigger - landing
    if not 0.0 <= landing <= trigger or trigger <= 0.0 or (width == 0.0 and fixed_cost_usd > 0.0):
        raise InputError("band", "trigger and landing", f"expected 0 <= landing < trigger: {band}")
    per_unit = unit_cost_usd + (fixed_cost_usd / width if fixed_cost_usd > 0.0 else 0.0)
    trading = drift.variance_annual * per_unit / (trigger + landing)
    return trading + drift.risk_usd_annual * (trigger**2 + landing**2) / 12.0


def proportional_band(drift: Drift, unit_cost_usd: float) -> Band:
    """Band under a proportional cost k alone: h = (3 k a^2 / (2 R))^(1/3), reflected at h.

    Cost R h^2/6 + k a^2/(2h). Args: `unit_cost_usd` k > 0. Source: as `impulse_band`, F = 0.
    """
    _positive("unit_cost_usd", unit_cost_usd)
    ratio = drift.variance_annual / drift.risk_usd_annual
    half_width = math.cbrt(1.5 * unit_cost_usd * ratio)
    cost = band_cost_usd_annual(drift, (half_width, half_width), unit_cost_usd, 0.0)
    return Band(half_width, half_width, cost)


def fixed_band(drift: Drift, fixed_cost_usd: float) -> Band:
    """Band under a fixed cost F alone: h = (12 F a^2 / R)^(1/4), traded back to the target.

    Cost R h^2/12 + F a^2/h^2. Args: `fixed_cost_usd` F > 0. Source: as `impulse_band`, k = 0.
    """
    _positive("fixed_cost_usd", fixed_cost_usd)
    ratio = drift.variance_annual / drift.risk_usd_annual
    half_width = (12.0 * fixed_cost_usd * ratio) ** 0.25
    cost = band_cost_usd_annual(drift, (half_width, 0.0), 0.0, fixed_cost_usd)
    return Band(half_width, 0.0, cost)


def impulse_band(drift: Drift, unit_cost_usd: float, fixed_cost_usd: float) -> Band:
    """Band under both costs: trigger at the outer level u, land at the inner level l.

    Setting both derivatives of the cost to zero gives, with d = u - l and s = u + l,
    d^3 s = 12 F a^2 / R and F (s^2 - d^2) = k d^3; so d^8 + (k/F) d^9 = (12 F a^2 / R)^2, which
    has exactly one root. No approximation is made; the two limits are the bands above.

    Args: costs in USD (per unit, per trade), >= 0, not both zero. Raises: `InputError`.
    """
    if fixed_cost_usd == 0.0:
        return proportional_band(drift, unit_cost_usd)
    if unit_cost_usd == 0.0:
        return fixed_band(drift, fixed_cost_usd)
    _positive("unit_cost_usd", unit_cost_usd)
    outer = fixed_band(drift, fixed_cost_usd).trigger
    beta = unit_cost_usd * outer / fixed_cost_usd
    gap = outer * _root_of_shrinkage(beta)
    spread = outer * (outer / gap) ** 3
    trigger = 0.5 * (spread + gap)
    # The difference s - d loses its digits as k goes to zero; (s^2 - d^2) / (s + d) keeps them.
    landing = unit_cost_usd * gap**3 / fixed_cost_usd / (4.0 * trigger)
    cost = band_cost_usd_annual(drift, (trigger, landing), unit_cost_usd, fixed_cost_usd)
    return Band(trigger, landing, cost)


def rebalance(deviation: FloatArray, band: Band) -> FloatArray:
    """Deviation after the policy has acted: unchanged inside the band, else landed on its side.

    Args: `deviation` float64[n], units. Returns: float64[n], units.
    """
    landed = np.sign(deviation) * band.landing
    return np.where(np.abs(deviation) >= band.trigger, landed, deviation)


def _root_of_shrinkage(beta: float) -> float:
    """The z in (0, 1] with z^8 (1 + beta z) = 1, found in log z, where it is well scaled."""
    low = -0.125 * math.log1p(beta)
    root = brentq(
        lambda y: 8.0 * y + math.log1p(beta * math.exp(y)), low - 1e-12, 1e-12, xtol=1e-15
    )
    return math.exp(float(root))


def _positive(field: str, value: float) -> None:
    """Refuse what is not a finite number above zero."""
    if not (math.isfinite(value) and value > 0.0):
        raise InputError("band", field, f"expected a finite number above zero, got {value}")
