# SPDX-License-Identifier: Apache-2.0
"""How far a coin may move before an account's health is gone, under any rule of floats.

All figures of one coin move together: its index, forwards, marks of its contracts; marks of its
options are priced anew at their volatility. Health under a rule need not be concave in the price,
so the way out is walked in steps and the first crossing halved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import (
    MarketValues,
    Seen,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.prices import Prices
from tidegate.margin.statement import AccountRule
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option
from tidegate.model.times import YEAR_MS
from tidegate.pricing import black76

STEPS = 200
HALVINGS = 60
LOWEST_RATIO = 0.005
HIGHEST_RATIO = 10.0


@dataclass(frozen=True, slots=True)
class LiquidationRatios:
    """Price over price now at which health is first 0, below and above 1; None where it is not
    within `lowest` and `highest`, between which the rule could judge: beyond the last tier of a
    position it cannot, and what lies there is unknown, not safe."""

    below: float | None
    above: float | None
    lowest: float
    highest: float


def moved(market: MarketValues, holdings: Holdings, coin: str, ratio: float) -> MarketValues:
    """Market values after a coin's price was multiplied by a ratio, vols as they were."""
    values = dict(market.values)
    for key, seen in market.values.items():
        if key == index_of(coin) or key[:2] == forward_of(coin, 0)[:2]:
            values[key] = replace(seen, value=seen.value * ratio)
    instruments = [held.instrument for held in holdings.positions]
    for instrument in [*instruments, *(order.instrument for order in holdings.orders)]:
        key = mark_of(instrument.id)
        if instrument.base == coin and key in values:
            values[key] = _mark(market, instrument, market.values[key], ratio)
    return replace(market, values=values)


def _mark(market: MarketValues, instrument: Instrument, seen: Seen, ratio: float) -> Seen:
    if not isinstance(instrument, Option):
        return replace(seen, value=seen.value * ratio)
    prices = Prices(market, 0.0)
    forward = prices.forward(instrument.base, instrument.expiry_ms) * ratio
    years = (instrument.expiry_ms - market.now_ms) / YEAR_MS
    vol = prices.value(vol_of(instrument.id))
    value = black76.price(forward, float(instrument.strike), years, vol, instrument.is_call)
    return replace(seen, value=float(value / forward if instrument.coin_settled else value))


def liquidation_ratios(
    rule: AccountRule, holdings: Holdings, market: MarketValues, coin: str
) -> LiquidationRatios:
    """The nearest ratios on either side; both 1 where the account has no health now."""

    def health(ratio: float) -> float:
        return rule.statement(holdings, moved(market, holdings, coin, ratio)).health

    if health(1.0) <= 0:
        return LiquidationRatios(1.0, 1.0, 1.0, 1.0)
    below, lowest = _first_zero(health, LOWEST_RATIO)
    above, highest = _first_zero(health, HIGHEST_RATIO)
    return LiquidationRatios(below, above, lowest, highest)


def _first_zero(health: Callable[[float], float], end: float) -> tuple[float | None, float]:
    """The zero, if there is one, and the last ratio that the rule could judge."""
    good = 1.0
    for step in range(1, STEPS + 1):
        bad = float(end ** (step / STEPS))
        try:
            found = health(bad) < 0
        except InputError:
            return None, good
        if found:
            return _halved(health, good, bad), bad
        good = bad
    return None, good


def _halved(health: Callable[[float], float], good: float, bad: float) -> float:
    for _ in range(HALVINGS):
        middle = (good + bad) / 2.0
        if health(middle) < 0:
            bad = middle
        else:
            good = middle
    return good
