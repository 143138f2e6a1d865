# SPDX-License-Identifier: Apache-2.0
"""How far a coin may move before an account's health is gone, under any rule of floats.

All prices of one coin move by one ratio as in `market_moves`: its index, forwards, marks of its
contracts, and by the model those of its options; vols stay.

Health need not be concave in the price, nor continuous (tiers of the whole position jump), so the
way out is walked in steps, among which are the prices at which an option's forward, or its forward
in a scenario of the rule, is its strike. Between two steps health is looked for below zero as long
as twice the steepest slope seen around them may lead there (the search of Piyavskii and Shubert),
nearest first. The first fall is then halved down to neighbouring floats: at the ratio the account
is solvent for the last time. What a rule hides within a step between flat neighbours is not seen.
A search that runs too long ends, and the rest is unknown, not safe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_moves import revalued
from tidegate.margin.market_values import MarketValues
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.statement import AccountRule
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option

STEPS = 200
LOWEST_RATIO = 0.005
HIGHEST_RATIO = 10.0
# Halvings of a step, and what the steepest slope around it is multiplied with, to be safe.
LEVELS = 16
MARGIN = 2.0
MOST_STEPS = 4_000
ROUNDING = 1e-12
Step = tuple[float, float]


@runtime_checkable
class Scanning(Protocol):
    """A rule that judges at moved prices, and says which."""

    def price_ratios(self, coin: str) -> Sequence[float]:
        """Prices of a coin in its scenarios, over those now."""


@dataclass(frozen=True, slots=True)
class LiquidationRatios:
    """Price over price now at which the account is solvent for the last time, below and above 1;
    None where it is solvent all the way to `lowest` and `highest`, the last ratios that the rule
    could judge: beyond the last tier of a position it cannot, and what lies there is unknown, not
    safe."""

    below: float | None
    above: float | None
    lowest: float
    highest: float


def liquidation_ratios(
    rule: AccountRule, holdings: Holdings, market: MarketValues, coin: str
) -> LiquidationRatios:
    """The nearest ratios on either side; all 1 for an account that is insolvent now.

    Raises: `InputError` as the rule does at the present market.
    """

    def health(ratio: float) -> float:
        there = moved_market(market, holdings, (coin,), ratio)
        return rule.statement(holdings, there).health

    if health(1.0) < 0.0:
        return LiquidationRatios(1.0, 1.0, 1.0, 1.0)
    kinks = _kinks(rule, holdings, market, coin)
    down, up = _Walk(health), _Walk(health)
    below = down.first_fall(_steps(LOWEST_RATIO, kinks))
    above = up.first_fall(_steps(HIGHEST_RATIO, kinks))
    return LiquidationRatios(below, above, down.reached, up.reached)


def first_fall(
    health: Callable[[float], float], end: float, steps: int = STEPS
) -> tuple[float | None, float]:
    """Along any one move, 1 where nothing has moved: the last place at which health is not below
    zero before it first is, on the way from 1 to `end`, None where it is never; and how far it was
    judged. An account that is insolvent at 1 falls there."""
    if health(1.0) < 0.0:
        return 1.0, 1.0
    walk = _Walk(health)
    found = walk.first_fall(_steps(end, (), steps))
    return found, walk.reached


def moved_market(
    market: MarketValues,
    holdings: Holdings,
    coins: Collection[str],
    ratio: float,
    vol_ratio: float = 1.0,
) -> MarketValues:
    """The market once the prices of these coins and the vols of their options are multiplied, as
    far as they value the account; raises `InputError` for an option that cannot be priced."""
    instruments = _instruments(holdings, coins)
    return revalued(
        market,
        instruments,
        lambda coin: ratio if coin in coins else 1.0,
        lambda columns: columns.vol * vol_ratio,
    )


def _instruments(holdings: Holdings, coins: Collection[str]) -> list[Instrument]:
    """Each instrument of these coins in positions and orders, once."""
    held = [each.instrument for each in holdings.positions]
    held += [each.instrument for each in holdings.orders]
    return list({each.id: each for each in held if each.base in coins}.values())


class _Walk:
    """Health on the way out from the present price; `reached` is how far there is no fall."""

    def __init__(self, health: Callable[[float], float]) -> None:
        self._health, self._known, self._scale = health, dict[float, float](), 0.0
        self.reached = 1.0

    def first_fall(self, ratios: Sequence[float]) -> float | None:
        """The last ratio before health first falls below zero, on the way through these."""
        steps = [self._at(1.0)]
        try:
            for ratio in ratios:
                steps = [*steps[-2:], self._at(ratio)]
                steepest = max(_slope(*pair) for pair in pairwise(steps))
                for left, right in pairwise(steps):
                    found = self._within(left, right, steepest, LEVELS)
                    if found is not None:
                        self.reached = found[1]
                        return _last_solvent(self._health, *found)
                self.reached = ratio
        except InputError:
            return None
        return None

    def _at(self, ratio: float) -> Step:
        if ratio not in self._known:
            if len(self._known) >= MOST_STEPS:
                raise InputError("liquidation distance", "search", "expected an end of it")
            self._known[ratio] = self._health(ratio)
            self._scale = max(self._scale, abs(self._known[ratio]))
        return ratio, self._known[ratio]

    def _within(self, left: Step, right: Step, steepest: float, levels: int) -> Step | None:
        """A solvent and an insolvent ratio around the first fall between two steps, the left one
        solvent; None where none is seen."""
        falls = right[1] < 0.0
        if levels == 0 or not (falls or self._may_fall(left, right, steepest)):
            return (left[0], right[0]) if falls else None
        middle = self._at(left[0] + (right[0] - left[0]) / 2.0)
        steeper = max(_slope(left, middle), _slope(middle, right), steepest / 2.0)
        found = self._within(left, middle, steeper, levels - 1)
        if found is not None:
            return found
        return self._within(middle, right, steeper, levels - 1)

    def _may_fall(self, left: Step, right: Step, steepest: float) -> bool:
        least = left[1] + right[1] - MARGIN * steepest * abs(right[0] - left[0])
        return least < -ROUNDING * self._scale


def _slope(left: Step, right: Step) -> float:
    width = abs(right[0] - left[0])
    return abs(right[1] - left[1]) / width if width > 0.0 else 0.0


def _steps(end: float, kinks: Sequence[float], steps: int = STEPS) -> list[float]:
    """Ratios from 1 to the end, outward: even ones in the logarithm, and kinks between them."""
    even = [float(end ** (step / steps)) for step in range(1, steps + 1)]
    between = [ratio for ratio in kinks if min(1.0, end) < ratio < max(1.0, end)]
    return sorted({*even, *between}, reverse=end < 1.0)


def _kinks(rule: AccountRule, holdings: Holdings, market: MarketValues, coin: str) -> list[float]:
    """Where an option's forward comes to its strike, now or in a scenario of the rule; kinks closer
    than a ten-thousandth are one. Without figures none: the rule itself says what is missing."""
    options = [each for each in _instruments(holdings, (coin,)) if isinstance(each, Option)]
    ratios = np.array([1.0, *(rule.price_ratios(coin) if isinstance(rule, Scanning) else ())])
    try:
        columns = option_columns(options, market.doubted())
    except InputError:
        return []
    moving = np.multiply.outer(ratios[ratios > 0.0], columns.forward - columns.fixed)
    at = ((columns.strike - columns.fixed) / moving).ravel()
    return [float(each) for each in np.exp(np.unique(np.round(np.log(at[at > 0.0]), 4)))]


def _last_solvent(health: Callable[[float], float], good: float, bad: float) -> float:
    while True:
        middle = good + (bad - good) / 2.0
        if middle in (good, bad):
            return good
        if health(middle) >= 0.0:
            good = middle
        else:
            bad = middle
