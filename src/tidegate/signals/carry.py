# SPDX-License-Identifier: Apache-2.0
"""Carry edges: what being long one instrument and short another of the same coin should earn.

Longs pay funding when its rate is positive, so per USD of one leg and year

    carry = funding of the short leg - funding of the long leg,

and a spot long leg pays none. Nothing here knows fees, impact or margin: those are costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import msgspec

from tidegate.forecast.funding import FundingForecast
from tidegate.model.errors import InputError


class CarryLeg(msgspec.Struct, frozen=True):
    """An instrument that can be a leg: `funding` is its forecast, or None for spot alone.

    Spot can only be held long. A perpetual whose forecast was refused is not a leg at all.
    """

    instrument: str
    coin: str
    capacity_usd: float
    funding: FundingForecast | None
    is_spot: bool = False

    def __post_init__(self) -> None:
        if self.is_spot != (self.funding is None):
            raise InputError(
                self.instrument, "funding", "expected a forecast for a perpetual, none for spot"
            )
        if not (math.isfinite(self.capacity_usd) and self.capacity_usd >= 0.0):
            raise InputError(self.instrument, "capacity_usd", "expected a finite amount, >= 0")


class CarryEdge(msgspec.Struct, frozen=True):
    """Expected carry of a pair, per USD of one leg and year, with its error, life and capacity."""

    coin: str
    long_instrument: str
    short_instrument: str
    carry_annual: float
    standard_error_annual: float
    half_life_days: float
    capacity_usd: float
    t_statistic: float


def carry_edges(
    legs: Sequence[CarryLeg], correlation: float, min_t: float
) -> tuple[CarryEdge, ...]:
    """Every pair of legs on one coin, in the direction whose carry is positive.

    se^2 = s1^2 + s2^2 - 2 rho s1 s2, with rho the correlation of the two forecasts' errors; the
    half-life is the shorter of the two and the capacity the smaller. Pairs with t = carry/se
    below `min_t`, without capacity, or with a short spot leg, are left out.

    Args: `legs`, each instrument once; `correlation` in [-1, 1); `min_t` >= 0.
    Returns: edges by coin, long and short instrument. Raises: `InputError`.
    """
    if not -1.0 <= correlation < 1.0:
        raise InputError("carry edges", "correlation", f"expected in [-1, 1), got {correlation}")
    if not min_t >= 0.0:
        raise InputError("carry edges", "min_t", f"expected at least 0, got {min_t}")
    names = [leg.instrument for leg in legs]
    if len(set(names)) < len(names):
        raise InputError("carry edges", "instrument", "expected each instrument once")
    found = (_edge(a, b, correlation) for a, b in combinations(legs, 2) if a.coin == b.coin)
    kept = [e for e in found if e and e.capacity_usd > 0.0 and e.t_statistic >= min_t]
    return tuple(sorted(kept, key=lambda e: (e.coin, e.long_instrument, e.short_instrument)))


def shrunk_carry(edge: CarryEdge) -> float:
    """Carry worth acting on, c t^2 / (1 + t^2), per USD of one leg and year.

    Of all multiples w of an unbiased estimate c of theta with error s, the mean square error
    w^2 s^2 + (1 - w)^2 theta^2 is least at w = theta^2 / (theta^2 + s^2), which is also the
    posterior mean's weight under a prior N(0, theta^2). With c in place of the unknown theta,
    w = t^2 / (1 + t^2). It shrinks less than James and Stein's positive part (1 - 1/t^2), which
    it exceeds by 1/(t^2 (1 + t^2)), but it has no kink at which a position would appear.

    Source: Thompson (1968), "Some shrinkage techniques for estimating the mean".
    """
    square = edge.t_statistic**2
    return edge.carry_annual * (square / (1.0 + square))


def _edge(a: CarryLeg, b: CarryLeg, correlation: float) -> CarryEdge | None:
    """The pair in its paying direction; None where that would need a short spot or pays none."""
    rate_a, rate_b = _rate(a), _rate(b)
    long, short = (a, b) if rate_a < rate_b else (b, a)
    carry = abs(rate_b - rate_a)
    if short.funding is None or carry == 0.0:
        return None
    error = _joint_error(long, short, correlation)
    lives = [leg.funding.half_life_days for leg in (long, short) if leg.funding]
    return CarryEdge(
        coin=long.coin,
        long_instrument=long.instrument,
        short_instrument=short.instrument,
        carry_annual=carry,
        standard_error_annual=error,
        half_life_days=min(lives),
        capacity_usd=min(long.capacity_usd, short.capacity_usd),
        t_statistic=carry / error,
    )


def _rate(leg: CarryLeg) -> float:
    """Funding that the leg's long side is expected to pay; for spot it is nothing, by contract."""
    return leg.funding.rate_annual if leg.funding else 0.0


def _joint_error(long: CarryLeg, short: CarryLeg, correlation: float) -> float:
    """Standard error of the difference of the legs' rates; refused where it is not above zero."""
    errors = [leg.funding.standard_error_annual for leg in (long, short) if leg.funding]
    if not all(math.isfinite(error) and error > 0.0 for error in errors):
        names = f"{long.instrument} and {short.instrument}"
        raise InputError(names, "standard_error_annual", "expected finite and above zero")
    s1, s2 = errors if len(errors) == 2 else (errors[0], 0.0)
    return math.sqrt((s1 - s2) ** 2 + 2.0 * (1.0 - correlation) * s1 * s2)
