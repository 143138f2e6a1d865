# SPDX-License-Identifier: Apache-2.0
"""Providing liquidity: fees expected against the loss versus rebalancing, per USD in the position.

    net = fee yield - expected LVR / value - cost of entering and leaving - hedge

LVR (Milionis, Moallemi, Roughgarden and Zhang 2022) is what arbitrage takes from a pool compared
with whoever rebalances at market prices; it grows with variance, so its error is twice that of log
volatility. Fees come from the user's own pool series, whose share while the price is in range is
part of that series.
"""

from __future__ import annotations

import math

import msgspec

from tidegate.model.errors import InputError
from tidegate.pricing.concentrated_liquidity import LiquidityPosition
from tidegate.signals.edges import Edge, Loading
from tidegate.signals.lending import RateForecast

DAYS_PER_YEAR = 365.0


class PoolTerms(msgspec.Struct, frozen=True):
    """Price now, volatility forecast, error of its log, days held, costs once and per year."""

    price_usd: float
    vol_annual: float
    standard_error_log: float
    days: float
    cost: float = 0.0
    hedge_annual: float = 0.0

    def __post_init__(self) -> None:
        if not min(self.price_usd, self.vol_annual, self.days) > 0.0:
            raise InputError("pool terms", "price_usd, vol_annual, days", "expected above zero")
        if not min(self.standard_error_log, self.cost, self.hedge_annual) >= 0.0:
            raise InputError("pool terms", "errors and costs", "expected at least zero")


def lvr_share_annual(position: LiquidityPosition, terms: PoolTerms) -> float:
    """Expected loss versus rebalancing over the days held, per USD of value and year."""
    years = terms.days / DAYS_PER_YEAR
    value = float(position.value_usd(terms.price_usd))
    if not value > 0.0:
        raise InputError("pool position", "value", "expected above zero at the price given")
    lost = float(position.expected_lvr_usd(terms.price_usd, terms.vol_annual, years))
    return lost / value / years


def pool_edge(name: str, position: LiquidityPosition, fees: RateForecast, terms: PoolTerms) -> Edge:
    """Fee yield less LVR and costs; the errors of fees and of volatility are both carried.

    Capacity is not known: our own liquidity dilutes fees, and the series does not say by how much.
    """
    lost = lvr_share_annual(position, terms)
    cost = terms.cost * DAYS_PER_YEAR / terms.days + terms.hedge_annual
    loadings = (
        Loading(f"fees {fees.source}", 1.0, fees.standard_error_annual),
        Loading(f"{name} vol", -2.0 * lost * terms.standard_error_log, 1.0),
    )
    if not math.isfinite(lost):
        raise InputError(name, "loss versus rebalancing", "expected a finite number")
    return Edge("pool", name, fees.rate_annual - lost, cost, loadings, None)
