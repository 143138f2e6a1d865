# SPDX-License-Identifier: Apache-2.0
"""Resting orders: they join behind what stood there, wait for trades, and may be taken back.

A trade fills what the market shows to have been filled and no more: first what stood ahead at its
own price, then our orders, best price and earliest first, with what is left of its lots.
"""

from __future__ import annotations

from typing import Any

from tidegate.pricing._kernels import exact_inner
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel._money import copy_row, write
from tidegate.simulation.kernel._trading import fill_resting, refusal, spread_ticks, within


@exact_inner
def _refuse(world: Any, i: int, ref: int, reason: int) -> None:
    write(world, at.ORDER_REFUSED, i, ref, (reason, 0, 0, 0, 0, 0, 0))
    world.scalars[at.FLAGS] |= at.REFUSAL


@exact_inner
def _why_not(world: Any, i: int, order: Any) -> int:
    lots, ticks = order
    reason = refusal(world, i, lots, 0)
    if reason != 0:
        return reason
    side = 1 if lots > 0 else 0
    mid = world.instruments[i, at.MID]
    spread = spread_ticks(world, i, mid)
    if (ticks >= mid + spread) if side else (ticks <= mid - spread):
        return at.WOULD_CROSS
    full = world.instruments[i, at.RESTING_SELLS + side] >= at.RESTING_MAX
    return at.TOO_MANY if full else 0


@exact_inner
def rest(world: Any, request: Any) -> None:
    """Take a limit order into its queue, or refuse it; it may only add to the market."""
    i, lots, ticks = request[at.WHOM], request[at.SIZE], request[at.PRICE]
    reason = _why_not(world, i, (lots, ticks))
    if reason != 0:
        _refuse(world, i, request[at.REF], reason)
        return
    side = 1 if lots > 0 else 0
    queue, count = world.resting[i, side], world.instruments[i, at.RESTING_SELLS + side]
    place = 0
    while place < count:
        stands = queue[place, at.REST_TICKS]
        if (stands < ticks) if side else (stands > ticks):
            break
        place += 1
    for move in range(count, place, -1):
        copy_row(queue, move, move - 1)
    queue[place, at.REST_REF], queue[place, at.REST_LOTS] = request[at.REF], abs(lots)
    queue[place, at.REST_TICKS], queue[place, at.REST_AHEAD] = ticks, request[at.EXTRA]
    world.instruments[i, at.RESTING_SELLS + side] = count + 1
    write(world, at.RESTED, i, request[at.REF], (lots, ticks, 0, 0, 0, 0, 0))


@exact_inner
def _remove(world: Any, i: int, side: int, place: int) -> None:
    queue = world.resting[i, side]
    count = world.instruments[i, at.RESTING_SELLS + side] - 1
    for move in range(place, count):
        copy_row(queue, move, move + 1)
    world.instruments[i, at.RESTING_SELLS + side] = count


@exact_inner
def _drop(world: Any, i: int, side: int, place: int) -> None:
    """Cancel the order at a place of a queue."""
    queue = world.resting[i, side]
    lots = queue[place, at.REST_LOTS] * (1 if side else -1)
    write(world, at.CANCELLED, i, queue[place, at.REST_REF], (lots, 0, 0, 0, 0, 0, 0))
    _remove(world, i, side, place)


@exact_inner
def cancel(world: Any, request: Any) -> None:
    """Take one resting order back; an unknown one is refused."""
    i = request[at.WHOM]
    for side in range(2):
        for place in range(world.instruments[i, at.RESTING_SELLS + side]):
            if world.resting[i, side, place, at.REST_REF] == request[at.EXTRA]:
                _drop(world, i, side, place)
                return
    _refuse(world, i, request[at.REF], at.NO_ORDER)


@exact_inner
def cancel_all(world: Any, venue: int) -> None:
    """Take back all orders at a venue, by instrument, sells first, the best price first."""
    for i in range(world.venues[venue, at.FIRST], world.venues[venue, at.PAST]):
        for side in range(2):
            while world.instruments[i, at.RESTING_SELLS + side] > 0:
                _drop(world, i, side, 0)


@exact_inner
def _meet(world: Any, i: int, ticks: int, left: Any) -> int:
    """The first order of a side meets (side, lots left) of a trade; how many are left after it."""
    side, lots_left = left
    order = world.resting[i, side, 0]
    if order[at.REST_TICKS] == ticks:
        ahead = min(order[at.REST_AHEAD], lots_left)
        order[at.REST_AHEAD] -= ahead
        lots_left -= ahead
    else:
        order[at.REST_AHEAD] = 0
    lots = min(order[at.REST_LOTS], lots_left)
    if lots == 0:
        return int(lots_left)
    signed = lots if side else -lots
    if refusal(world, i, signed, 0) != 0:
        _drop(world, i, side, 0)
        return int(lots_left)
    fill_resting(world, i, signed, (order[at.REST_REF], order[at.REST_TICKS]))
    order[at.REST_LOTS] -= lots
    if order[at.REST_LOTS] == 0:
        _remove(world, i, side, 0)
    return int(lots_left - lots)


@exact_inner
def match(world: Any, i: int, ticks: int, lots: int) -> None:
    """A trade of the market (bought: +) at a price meets the orders on its other side, until its
    lots are used up or no order would have been met."""
    side, left = (0, lots) if lots > 0 else (1, -lots)
    if within(world, world.instruments[i, at.VENUE], at.OUT, world.scalars[at.NOW]):
        return
    queue = world.resting[i, side]
    while left > 0 and world.instruments[i, at.RESTING_SELLS + side] > 0:
        price = queue[0, at.REST_TICKS]
        if (price < ticks) if side else (price > ticks):
            return
        left = _meet(world, i, ticks, (side, left))
