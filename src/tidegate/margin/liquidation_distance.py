# SPDX-License-Identifier: Apache-2.0
"""How far a coin may move before an account's health is gone, under any rule of floats.

All prices of one coin move by one ratio: its index, forwards, marks of its contracts; vols stay. A
mark of an option moves by what Black-76 on its forward changes, so that the market that has not
moved is the present one, whatever the venue's mark has beyond the model. What an average has fixed
of a forward stays.

Health need not be concave in the price, nor continuous (tiers of the whole position jump), so the
way out is walked in steps; where health has a low between two steps that may reach below zero, the
low is searched too. The first fall below zero is then halved down to neighbouring floats: at the
ratio the account is solvent for the last time. A fall and a recovery within one step that leave no
such low are not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues, mark_of, vol_of
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import FloatArray, Moves, option_values
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.margin.statement import AccountRule
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option

STEPS = 200
LOWEST_RATIO = 0.005
HIGHEST_RATIO = 10.0
PIECES = 8
LEVELS = 12
STILL = Moves.of((Scenario("now", 1.0, VolMove.NONE),))
Step = tuple[float, float]


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
    below, lowest = _first_fall(health, LOWEST_RATIO)
    above, highest = _first_fall(health, HIGHEST_RATIO)
    return LiquidationRatios(below, above, lowest, highest)


def moved_market(
    market: MarketValues,
    holdings: Holdings,
    coins: Collection[str],
    ratio: float,
    vol_ratio: float = 1.0,
) -> MarketValues:
    """The market once the prices of these coins and the vols of their options are multiplied, as
    far as they value the account; raises `InputError` for an option that cannot be priced."""
    values = dict(market.values)
    for key, seen in market.values.items():
        if key[0] in ("index", "forward") and key[1] in coins:
            values[key] = replace(seen, value=seen.value * ratio)
    options = []
    for each in _instruments(holdings, coins):
        key, by = mark_of(each.id), ratio
        if isinstance(each, Option):
            options += [each] if key in values else []
            key, by = vol_of(each.id), vol_ratio
        if key in values:
            values[key] = replace(values[key], value=values[key].value * by)
    moved = replace(market, values=values)
    changes = _model(options, moved) - _model(options, market)
    for option, change in zip(options, changes.tolist(), strict=True):
        mark = values[mark_of(option.id)]
        values[mark_of(option.id)] = replace(mark, value=max(0.0, mark.value + change))
    return moved


def _instruments(holdings: Holdings, coins: Collection[str]) -> list[Instrument]:
    """Each instrument of these coins in positions and orders, once."""
    held = [each.instrument for each in holdings.positions]
    held += [each.instrument for each in holdings.orders]
    return list({each.id: each for each in held if each.base in coins}.values())


def _model(options: Sequence[Option], market: MarketValues) -> FloatArray:
    """Black-76 of options, per coin in their settlement assets, undiscounted, [n]."""
    columns = option_columns(options, market)
    values = option_values(columns.rows(), columns.vol[None, :], STILL)[0]
    for place, option in enumerate(options):
        if option.coin_settled:
            values[place] /= columns.forward[place]
    return np.asarray(values)


def _first_fall(health: Callable[[float], float], end: float) -> tuple[float | None, float]:
    """The last ratio before health first falls below zero, and how far the rule could judge."""
    walked: list[Step] = []
    try:
        for step in range(STEPS + 1):
            ratio = float(end ** (step / STEPS))
            found = health(ratio)
            walked.append((ratio, found))
            start, fallen = _bracket(health, walked)
            if fallen is not None:
                return _last_solvent(health, start, fallen), ratio
    except InputError:
        return None, walked[-1][0]
    return None, walked[-1][0]


def _bracket(
    health: Callable[[float], float], walked: Sequence[Step]
) -> tuple[float, float | None]:
    """A solvent and an insolvent ratio between the last three steps, the latter None if unseen."""
    before, middle, last = (walked[0], walked[0], *walked)[-3:]
    if last[1] < 0.0:
        return middle[0], last[0]
    rises = (before[1] - middle[1], last[1] - middle[1])
    if min(rises) >= 0.0 and 0.0 < max(rises) and middle[1] <= 2.0 * max(rises):
        return before[0], _low(health, before[0], last[0])
    return before[0], None


def _low(health: Callable[[float], float], start: float, end: float) -> float | None:
    """A ratio at which health is below zero, looked for around its least between two ratios."""
    for _ in range(LEVELS):
        ratios = [start + (end - start) * piece / PIECES for piece in range(PIECES + 1)]
        healths = [health(ratio) for ratio in ratios]
        place = healths.index(min(healths))
        if healths[place] < 0.0:
            return ratios[place]
        start, end = ratios[max(0, place - 1)], ratios[min(PIECES, place + 1)]
    return None


def _last_solvent(health: Callable[[float], float], good: float, bad: float) -> float:
    while True:
        middle = good + (bad - good) / 2.0
        if middle in (good, bad):
            return good
        if health(middle) >= 0.0:
            good = middle
        else:
            bad = middle
