# SPDX-License-Identifier: Apache-2.0
"""Exact arithmetic in 64 bits, and what a fill does to an account."""

from __future__ import annotations

from typing import Any

from tidegate.pricing._kernels import exact_inline, exact_inner
from tidegate.simulation.kernel import _layout as at

MICRO = 1_000_000


@exact_inline
def ceil_div(numerator: int, denominator: int) -> int:
    """Integer quotient rounded up."""
    return -((-numerator) // denominator)


@exact_inner
def share_floor(whole: int, part: int, of: int) -> int:
    """floor(whole x part / of) without the product: `of` times `part` has to fit, no more."""
    quotient = whole // of
    return quotient * part + ((whole - quotient * of) * part) // of


@exact_inner
def share_ceil(whole: int, part: int, of: int) -> int:
    """ceil(whole x part / of) without the product."""
    return -share_floor(-whole, part, of)


@exact_inner
def rate_ceil(value: int, rate_e12: int) -> int:
    """ceil(value x rate / 1e12) in two digits to the base of a million."""
    value_high, rate_high = value // MICRO, rate_e12 // MICRO
    value_low, rate_low = value - value_high * MICRO, rate_e12 - rate_high * MICRO
    middle = value_high * rate_low + value_low * rate_high
    low = ceil_div(value_low * rate_low, MICRO)
    return value_high * rate_high + ceil_div(middle + low, MICRO)


@exact_inner
def copy_row(table: Any, to: int, of: int) -> None:
    """Copy a row over another one."""
    for column in range(table.shape[1]):
        table[to, column] = table[of, column]


@exact_inner
def write(world: Any, kind: int, who: int, ref: int, words: Any) -> None:
    """One row of the log; `words` are seven numbers."""
    scalars, log = world.scalars, world.log
    row = scalars[at.ROWS]
    if row >= log.shape[0]:
        scalars[at.STATUS] = at.BEYOND_RANGE
        scalars[at.FLAGS] |= at.TRAP
        return
    log[row, at.LOG_TS], log[row, at.LOG_KIND] = scalars[at.NOW], kind
    log[row, at.LOG_WHO], log[row, at.LOG_REF] = who, ref
    for place in range(7):
        log[row, at.A + place] = words[place]
    scalars[at.ROWS] = row + 1


@exact_inner
def trap(world: Any, status: int) -> None:
    """Stop for good: a number would leave its range, or a liquidation does not end."""
    if world.scalars[at.STATUS] == at.SOUND:
        world.scalars[at.STATUS] = status
    world.scalars[at.FLAGS] |= at.TRAP


@exact_inner
def pay(world: Any, venue: int, quanta: int) -> None:
    """Credit quanta, or debit them where they are negative."""
    balance = world.venues[venue, at.BALANCE] + quanta
    world.venues[venue, at.BALANCE] = balance
    world.scalars[at.TOUCHED] = 1
    if abs(balance) > at.BALANCE_MAX:
        trap(world, at.BEYOND_RANGE)


@exact_inline
def value(world: Any, i: int, lots: int, ticks: int) -> int:
    """Signed value in quanta, rounded down."""
    product, per = lots * ticks * world.instruments[i, at.UNIT], world.instruments[i, at.PER]
    return int(product if per == 1 else product // per)


@exact_inner
def entry_cost(world: Any, i: int, lots: int, ticks: int) -> int:
    """Signed value at a fill, rounded up."""
    unit, per = world.instruments[i, at.UNIT], world.instruments[i, at.PER]
    return ceil_div(lots * ticks * unit, per)


@exact_inline
def tier_at(world: Any, i: int, notional: int) -> int:
    """Place of the tier with floor < notional <= cap; the last one has no cap."""
    tier = 0
    while notional > world.tiers[i, tier, at.CAP]:
        tier += 1
    return tier


@exact_inline
def maintenance(world: Any, i: int, notional: int) -> int:
    """Maintenance requirement in quanta, rounded up."""
    tier = tier_at(world, i, notional)
    required = notional * world.tiers[i, tier, at.RATE] - world.tiers[i, tier, at.OFFSET]
    return ceil_div(required, world.tiers[i, tier, at.TIER_PER])


@exact_inline
def revalue(world: Any, i: int) -> None:
    """Bring a position's value and requirement at its adverse extreme, and its venue's sums, up
    to date."""
    positions, venue = world.instruments, world.instruments[i, at.VENUE]
    lots, worth, required = positions[i, at.LOTS], 0, 0
    if lots != 0:
        worth = value(world, i, lots, positions[i, at.LOW if lots > 0 else at.HIGH])
        required = maintenance(world, i, abs(worth))
    world.venues[venue, at.VALUES] += worth - positions[i, at.VALUE]
    world.venues[venue, at.REQUIRED] += required - positions[i, at.MAINTENANCE]
    positions[i, at.VALUE], positions[i, at.MAINTENANCE] = worth, required


@exact_inner
def take(world: Any, i: int, lots: int, ticks: int) -> int:
    """Average-cost accounting of a fill, as `fill_position` does it; what it realised."""
    position = world.instruments[i]
    before, held_cost = position[at.LOTS], position[at.COST]
    cost, after, realised = entry_cost(world, i, lots, ticks), before + lots, 0
    kept = held_cost + cost
    if before != 0 and (before > 0) != (lots > 0):
        closed = min(abs(lots), abs(before))
        closing = share_ceil(cost, closed, abs(lots))
        removed = share_ceil(held_cost, closed, abs(before))
        realised = -closing - removed
        kept = cost - closing if closed < abs(lots) else held_cost - removed
    if abs(after) > world.instruments[i, at.LOTS_MAX]:
        trap(world, at.BEYOND_RANGE)
        return 0
    _count(world, i, after)
    venue = world.instruments[i, at.VENUE]
    world.venues[venue, at.COSTS] += kept - held_cost
    position[at.LOTS], position[at.COST] = after, kept
    return realised


@exact_inner
def _count(world: Any, i: int, after: int) -> None:
    """Number a position that opens, so that the order of openings is known."""
    venue, before = world.instruments[i, at.VENUE], world.instruments[i, at.LOTS]
    if before == 0 and after != 0:
        world.scalars[at.OPENINGS] += 1
        world.instruments[i, at.OPENED] = world.scalars[at.OPENINGS]
        world.venues[venue, at.HELD] += 1
    if before != 0 and after == 0:
        world.venues[venue, at.HELD] -= 1


@exact_inner
def book_fill(world: Any, i: int, words: Any, ref: int) -> None:
    """Write a fill (lots, ticks, mid, fee, spread, impact, reason) and take it."""
    write(world, at.FILLED, i, ref, words)
    realised = take(world, i, words[0], words[1])
    pay(world, world.instruments[i, at.VENUE], realised - words[3])
    revalue(world, i)
    world.scalars[at.FLAGS] |= at.FILL
