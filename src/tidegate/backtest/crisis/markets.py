# SPDX-License-Identifier: Apache-2.0
"""Generated markets shaped to a crisis: the worlds' own makers with the event's figures.

Every coin moves as the event says, without chance (force 1, no deviation); which venue is struck,
which dollar coin, at which minute and along which path is the seed's to draw. The crisis comes in
the first hours of the last day, so that most of a day is left to see what stays.
"""

from __future__ import annotations

from dataclasses import replace
from math import log1p

import msgspec

from tidegate.backtest.crisis.definitions import SECOND, Definition
from tidegate.backtest.trial.contest import World
from tidegate.simulation.second_world import SecondParameters, make_second_world
from tidegate.simulation.second_world.parameters import Coin as SecondCoin
from tidegate.simulation.world import WorldParameters, make_world
from tidegate.simulation.world.crises import CrisisDraw, CrisisShape
from tidegate.simulation.world.parameters import Coin
from tidegate.simulation.world.paths import WorldPaths

HOURS = (1.0, 4.0)
# The second world names its days; a shape that needs none of the others' failures is a crash.
CRASH, FREEZE, DEPEG, INSOLVENCY = "crash", "freeze", "depeg", "insolvency"


def shape(name: str, crisis: Definition) -> CrisisShape:
    """The first world's shape of a crisis."""
    hours = crisis.freeze_hours.value
    return CrisisShape(
        name,
        move=crisis.move.value,
        minutes=round(crisis.minutes.value),
        depth_floor=crisis.depth.value,
        freeze_hours=(hours, hours),
        depeg=crisis.depeg.value,
        adl_share=crisis.adl_share.value,
        premium_8h=crisis.premium_8h.value,
        basis_kick=crisis.basis_kick.value,
        outage_probability=crisis.outage_probability.value,
        stuck_mark_minutes=round(crisis.stuck_mark_minutes.value),
        collateral_depeg=crisis.collateral_depeg.value,
        collateral_depeg_minutes=round(crisis.collateral_depeg_minutes.value),
        rush_hours=crisis.rush_hours.value,
        drain_hours=crisis.drain_hours.value,
    )


def first_parameters(name: str, crisis: Definition) -> WorldParameters:
    """The first world's parameters with a crisis as its only one."""
    plain = WorldParameters()
    share = crisis.rebound.value
    draw = CrisisDraw(hours=HOURS, force=(1.0, 1.0), coin_deviation=0.0, rebound=(share, share))
    out = crisis.outage_minutes.value
    interruptions = plain.interruptions
    if out:
        interruptions = replace(interruptions, crisis_outage_minutes=(out, out))
    coins = tuple(_moved(coin, crisis) for coin in plain.coins)
    return replace(
        plain,
        coins=coins,
        interruptions=interruptions,
        crisis_draw=draw,
        crises=(shape(name, crisis),),
    )


def _moved(coin: Coin, crisis: Definition) -> Coin:
    """A coin whose log move over the first coin's is as the event's falls have it."""
    fall = crisis.falls.get(coin.name)
    if fall is None:
        return coin
    return replace(coin, crisis_beta=log1p(fall.value) / log1p(crisis.move.value))


def second_parameters(crisis: Definition) -> SecondParameters:
    """The second world's parameters with its named days as the event has them."""
    plain = SecondParameters()
    move, minutes = abs(crisis.move.value), round(crisis.minutes.value)
    hours, depeg, back = crisis.freeze_hours.value, crisis.depeg.value, crisis.rebound.value
    days = msgspec.structs.replace(
        plain.crises,
        crash=(move, move),
        crash_minutes=(minutes, minutes + 1),
        insolvency=(move, move),
        insolvency_minutes=minutes,
        rebound=(back, back),
        alt_spread=0.0,
        depth=crisis.depth.value,
        depth_insolvency=crisis.depth.value,
        freeze_h=(hours, hours),
        insolvency_freeze_h=hours,
        deleverage_share=crisis.adl_share.value,
        depeg=(depeg, depeg),
    )
    coins = {name: _second_moved(name, coin, crisis) for name, coin in plain.coins.items()}
    return msgspec.structs.replace(plain, crises=days, coins=coins)


def _second_moved(name: str, coin: SecondCoin, crisis: Definition) -> SecondCoin:
    fall = crisis.falls.get(name)
    if fall is None:
        return coin
    return msgspec.structs.replace(coin, crash_factor=fall.value / crisis.move.value)


def second_day(crisis: Definition) -> str:
    """Which of the second world's days a crisis is."""
    if crisis.adl_share.value or crisis.loses_money:
        return INSOLVENCY
    if crisis.depeg.value:
        return DEPEG
    return FREEZE if crisis.freeze_hours.value else CRASH


def world_of(name: str, crisis: Definition, market: str) -> tuple[World, str]:
    """A maker whose market has a crisis in it, and by which name that maker knows it."""
    if market == SECOND:
        second, day = second_parameters(crisis), second_day(crisis)

        def make_second(seed: int, days: int, named: str, at: int) -> WorldPaths:
            return make_second_world(second, seed, days, named, at)

        return World(market, second.digest(), make_second, (day,)), day
    first = first_parameters(name, crisis)

    def make_first(seed: int, days: int, named: str, at: int) -> WorldPaths:
        return make_world(first, seed, days, named, at)

    return World(market, first.digest(), make_first, (name,)), name
