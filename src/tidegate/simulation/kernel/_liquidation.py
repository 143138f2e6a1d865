# SPDX-License-Identifier: Apache-2.0
"""Accounts below maintenance at the adverse extremes, as Hyperliquid and Binance USD-M close them;
the rules themselves stand in `margin/linear.py`."""

from __future__ import annotations

from typing import Any

from tidegate.pricing._kernels import exact_inner
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel._money import (
    MICRO,
    ceil_div,
    entry_cost,
    maintenance,
    pay,
    share_ceil,
    tier_at,
    trap,
    write,
)
from tidegate.simulation.kernel._resting import cancel_all
from tidegate.simulation.kernel._trading import BY_LIQUIDATION, fill_market, hand_over

PARTIAL_ABOVE, PARTIAL_SHARE = 100_000 * MICRO, 5
ATTEMPTS_MAX = 64


@exact_inner
def _adverse(world: Any, i: int) -> int:
    side = at.LOW if world.instruments[i, at.LOTS] > 0 else at.HIGH
    return int(world.instruments[i, side])


@exact_inner
def _next_opened(world: Any, venue: int, after: int) -> int:
    """The position that was opened next after a number; -1 where there is none."""
    found, number = -1, at.NEVER
    for i in range(world.venues[venue, at.FIRST], world.venues[venue, at.PAST]):
        opened = world.instruments[i, at.OPENED]
        if world.instruments[i, at.LOTS] != 0 and after < opened < number:
            found, number = i, opened
    return found


@exact_inner
def _close(world: Any, i: int, lots: int) -> None:
    """Trade lots at market around the adverse mark, and charge the clearance fee."""
    mark, venue = _adverse(world, i), world.instruments[i, at.VENUE]
    fill_market(world, i, (lots, mark, at.LIQUIDATION_REF, BY_LIQUIDATION))
    notional = entry_cost(world, i, abs(lots), mark)
    penalty = share_ceil(notional, world.instruments[i, at.CLEARANCE], MICRO)
    if penalty != 0:
        pay(world, venue, -penalty)
        write(world, at.PENALTY, venue, 0, (penalty, at.CLEARANCE_FEE, 0, 0, 0, 0, 0))


@exact_inner
def _portion(world: Any, i: int) -> int:
    lots = world.instruments[i, at.LOTS]
    if abs(world.instruments[i, at.VALUE]) <= PARTIAL_ABOVE:
        return int(lots)
    part = ceil_div(abs(lots), PARTIAL_SHARE)
    return part if lots > 0 else -part


@exact_inner
def _close_all(world: Any, venue: int, partly: bool) -> None:
    """Close positions in the order of their opening, of large ones a part where that is asked."""
    after = 0
    while True:
        i = _next_opened(world, venue, after)
        if i < 0 or world.scalars[at.STATUS] != at.SOUND:
            return
        after = world.instruments[i, at.OPENED]
        lots = _portion(world, i) if partly else world.instruments[i, at.LOTS]
        _close(world, i, -lots)


@exact_inner
def _cover_deficit(world: Any, venue: int) -> None:
    missing = -world.venues[venue, at.BALANCE]
    if missing > 0:
        pay(world, venue, missing)
        write(world, at.DEFICIT, venue, 0, (missing, 0, 0, 0, 0, 0, 0))


@exact_inner
def _take_over(world: Any, venue: int) -> None:
    """The liquidator vault takes the positions at the mark, and the margin with them."""
    after = 0
    while True:
        i = _next_opened(world, venue, after)
        if i < 0:
            break
        after = world.instruments[i, at.OPENED]
        hand_over(world, i, -world.instruments[i, at.LOTS], _adverse(world, i))
    left = world.venues[venue, at.BALANCE]
    if left > 0:
        pay(world, venue, -left)
        write(world, at.PENALTY, venue, 0, (left, at.FORFEITED, 0, 0, 0, 0, 0))
    _cover_deficit(world, venue)


@exact_inner
def _cut_largest(world: Any, venue: int) -> None:
    """Cut the largest requirement to the tier below, or close it when it is in the first."""
    largest, most = -1, -1
    for i in range(world.venues[venue, at.FIRST], world.venues[venue, at.PAST]):
        lots = world.instruments[i, at.LOTS]
        if lots != 0:
            notional = entry_cost(world, i, abs(lots), _adverse(world, i))
            required = maintenance(world, i, notional)
            if required >= most:
                largest, most = i, required
    lots, mark = world.instruments[largest, at.LOTS], _adverse(world, largest)
    notional = entry_cost(world, largest, abs(lots), mark)
    floor = world.tiers[largest, tier_at(world, largest, notional), at.FLOOR]
    keep = 0
    if floor != 0:
        keep = min(abs(lots) - 1, floor // entry_cost(world, largest, 1, mark))
    _close(world, largest, -(lots - keep if lots > 0 else lots + keep))


@exact_inner
def _step(world: Any, venue: int, attempt: int) -> bool:
    """The venue's next step; whether the liquidation is over."""
    account = world.venues[venue]
    equity = account[at.BALANCE] + account[at.VALUES] - account[at.COSTS]
    if equity >= account[at.REQUIRED]:
        return True
    if world.venues[venue, at.RULE] == at.HYPERLIQUID:
        if 3 * equity < 2 * account[at.REQUIRED]:
            _take_over(world, venue)
            return True
        _close_all(world, venue, attempt == 0)
    elif equity <= 0:
        _close_all(world, venue, False)
    else:
        _cut_largest(world, venue)
    if account[at.HELD] == 0:
        _cover_deficit(world, venue)
        return True
    return False


@exact_inner
def liquidate(world: Any, venue: int) -> None:
    """The venue takes over an account below maintenance: its orders go, then its positions."""
    account = world.venues[venue]
    equity = account[at.BALANCE] + account[at.VALUES] - account[at.COSTS]
    words = (equity, account[at.REQUIRED], 0, 0, 0, 0, 0)
    write(world, at.LIQUIDATED, venue, 0, words)
    world.scalars[at.FLAGS] |= at.LIQUIDATION
    cancel_all(world, venue)
    for attempt in range(ATTEMPTS_MAX):
        if _step(world, venue, attempt):
            return
        if world.scalars[at.STATUS] != at.SOUND:
            return
    trap(world, at.STUCK)


@exact_inner
def judge(world: Any, first: int, past: int, told: bool) -> None:
    """Judge venues at their adverse extremes, and wake whoever watches their health."""
    for venue in range(first, past):
        account = world.venues[venue]
        equity = account[at.BALANCE] + account[at.VALUES] - account[at.COSTS]
        if account[at.HELD] != 0:
            if told and world.scalars[at.EXTREMES] != 0:
                words = (equity, account[at.REQUIRED], 0, 0, 0, 0, 0)
                write(world, at.EXTREME, venue, 0, words)
            if equity < account[at.REQUIRED]:
                liquidate(world, venue)
                equity = account[at.BALANCE] + account[at.VALUES] - account[at.COSTS]
        if equity - account[at.REQUIRED] < account[at.LEVEL]:
            account[at.LEVEL] = at.NO_WATCH
            world.scalars[at.FLAGS] |= at.WATCH
    world.scalars[at.TOUCHED] = 0
