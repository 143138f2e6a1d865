# SPDX-License-Identifier: Apache-2.0
"""Funding and basis across venues, net of fees, spread, impact, borrowing and moving the money.

    net = gross - (round trip of both legs + money moved) x 365 / days held - borrow - idle margin

Gross is funding of the short leg less that of the long one, or a dated future's basis
(F / S - 1) / years against spot, or basis less funding against a perpetual.
"""

from __future__ import annotations

import math

import msgspec

from tidegate.costs.trading import TradingCosts
from tidegate.forecast.funding import FundingForecast
from tidegate.model.errors import InputError
from tidegate.model.market import Quote
from tidegate.signals.edges import Edge, Loading

DAYS_PER_YEAR = 365.0


class HoldingCosts(msgspec.Struct, frozen=True):
    """What a pair costs beside its trades, per USD of one leg.

    `borrow_annual` is paid on what is borrowed, `margin_share` of one leg's notional is tied up
    and forgoes `cash_annual`, and `transfer` is paid once to bring the money to both venues.
    """

    days_held: float
    borrow_annual: float = 0.0
    margin_share: float = 0.0
    cash_annual: float = 0.0
    transfer: float = 0.0

    def __post_init__(self) -> None:
        others = (self.borrow_annual, self.margin_share, self.cash_annual, self.transfer)
        if not self.days_held > 0.0 or not all(math.isfinite(x) and x >= 0.0 for x in others):
            raise InputError("holding costs", "days_held and rates", "expected > 0, others >= 0")


class TradedLeg(msgspec.Struct, frozen=True):
    """A leg to trade: who pays what on it, its quote, and how much of it is to be traded."""

    instrument: str
    costs: TradingCosts
    quote: Quote
    notional_usd: float

    def round_trip(self) -> float:
        """In and out per USD of notional: fee and half spread twice, and impact twice."""
        if not self.notional_usd > 0.0:
            raise InputError(self.instrument, "notional_usd", "expected above zero")
        impact = self.costs.impact(self.notional_usd, self.quote)
        return 2.0 * (self.costs.linear_rate(self.quote) + impact)


def funding_edge(
    long: tuple[TradedLeg, FundingForecast | None],
    short: tuple[TradedLeg, FundingForecast],
    holding: HoldingCosts,
    capacity_usd: float | None,
) -> Edge:
    """Short the leg that is paid, long the other (a perpetual, or spot with no forecast)."""
    paid = short[1].rate_annual
    loadings = [_loading(short[0].instrument, 1.0, short[1])]
    if long[1] is not None:
        paid -= long[1].rate_annual
        loadings.append(_loading(long[0].instrument, -1.0, long[1]))
    cost = _cost_annual(long[0], short[0], holding)
    name = f"{short[0].instrument} over {long[0].instrument}"
    return Edge("funding", name, paid, cost, tuple(loadings), capacity_usd)


def basis_edge(
    future: TradedLeg,
    other: tuple[TradedLeg, FundingForecast | None],
    prices: tuple[float, float],
    holding: HoldingCosts,
    capacity_usd: float | None,
) -> Edge:
    """Sell a dated future over spot or a perpetual, or buy it where the basis is negative.

    (F / S - 1) x 365 / days is locked in until expiry against spot; against a perpetual the
    funding paid or received until then is not, and carries its error. `prices` are those of the
    future and of the other leg, in one currency; `holding.days_held` is the time to expiry. Only
    the perpetual can be held short, so against spot a negative basis gives a negative edge.
    """
    future_price, other_price = prices
    if not (future_price > 0.0 and other_price > 0.0):
        raise InputError(future.instrument, "prices", "expected above zero")
    basis = (future_price / other_price - 1.0) * DAYS_PER_YEAR / holding.days_held
    leg, forecast = other
    side = 1.0
    loadings: tuple[Loading, ...] = ()
    if forecast is not None:
        basis -= forecast.rate_annual
        side = math.copysign(1.0, basis)
        loadings = (_loading(leg.instrument, -side, forecast),)
    cost = _cost_annual(leg, future, holding)
    name = f"{future.instrument} against {leg.instrument}"
    return Edge("basis", name, side * basis, cost, loadings, capacity_usd)


def _cost_annual(long: TradedLeg, short: TradedLeg, holding: HoldingCosts) -> float:
    once = long.round_trip() + short.round_trip() + holding.transfer
    running = holding.borrow_annual + holding.margin_share * holding.cash_annual
    return once * DAYS_PER_YEAR / holding.days_held + running


def _loading(source: str, weight: float, forecast: FundingForecast) -> Loading:
    return Loading(f"funding {source}", weight, forecast.standard_error_annual)
