# SPDX-License-Identifier: Apache-2.0
"""How far a coin's prices may move before an account of a `Statement` rule is liquidated.

All prices of the coin move by one ratio, vols stay; an option's mark moves by what Black-76 on its
forward says. Health is searched outward in steps for its first fall below zero, and the crossing
between two steps bisected to neighbouring floats. A crossing and a recovery within one step are
not seen; between the steps' own moves and the present nothing else is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    forward_of,
    index_of,
    mark_of,
)
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import Moves, option_values
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.margin.statement import AccountRule
from tidegate.model.instruments import Option

STEPS = 64
HIGHEST_RATIO = 10.0
STILL = Moves.of((Scenario("now", 1.0, VolMove.NONE),))


@dataclass(frozen=True, slots=True)
class LiquidationMoves:
    """The last solvent relative moves down and up, -0.2 being a fall of 20 %; None where no move
    down to nothing, or up to tenfold, is reached; both 0 for an account that is insolvent now."""

    below: float | None
    above: float | None


def liquidation_moves(
    rule: AccountRule, holdings: Holdings, market: MarketValues, coin: str
) -> LiquidationMoves:
    """Where health first falls below zero; raises `InputError` as the rule does."""

    def solvent(ratio: float) -> bool:
        return rule.statement(holdings, moved_market(market, holdings, coin, ratio)).health >= 0.0

    if not solvent(1.0):
        return LiquidationMoves(0.0, 0.0)
    down = [1.0 - step / STEPS for step in range(1, STEPS)]
    up = [HIGHEST_RATIO ** (step / STEPS) for step in range(1, STEPS + 1)]
    return LiquidationMoves(_crossing(solvent, down), _crossing(solvent, up))


def moved_market(market: MarketValues, holdings: Holdings, coin: str, ratio: float) -> MarketValues:
    """The market once all prices of `coin` that value these positions are multiplied by `ratio`."""
    values = dict(market.values)
    keys: list[Key] = [index_of(coin)]
    options = []
    for each in (one.instrument for one in holdings.positions):
        if each.base == coin and isinstance(each, Option):
            options.append(each)
            keys.append(forward_of(coin, each.expiry_ms))
        elif each.base == coin:
            keys.append(mark_of(each.id))
    for key in dict.fromkeys(keys):
        if key in values:
            values[key] = replace(values[key], value=values[key].value * ratio)
    moved = replace(market, values=values)
    for option in options:
        if (key := mark_of(option.id)) in values:
            change = _model(option, moved) - _model(option, market)
            mark = max(0.0, values[key].value + change)
            values[key] = replace(values[key], value=mark)
    return replace(market, values=values)


def _model(option: Option, market: MarketValues) -> float:
    """Black-76 of an option, per coin in its settlement asset, undiscounted."""
    columns = option_columns([option], market)
    value = float(option_values(columns.rows(), columns.vol[None, :], STILL)[0, 0])
    return value / float(columns.forward[0]) if option.coin_settled else value


def _crossing(solvent: Callable[[float], bool], ratios: list[float]) -> float | None:
    good = 1.0
    for bad in ratios:
        if not solvent(bad):
            return _bisected(solvent, good, bad) - 1.0
        good = bad
    return None


def _bisected(solvent: Callable[[float], bool], good: float, bad: float) -> float:
    """The last solvent ratio."""
    while True:
        middle = good + (bad - good) / 2.0
        if middle in {good, bad}:
            return good
        if solvent(middle):
            good = middle
        else:
            bad = middle
