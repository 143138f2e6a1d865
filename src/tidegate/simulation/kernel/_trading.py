# SPDX-License-Identifier: Apache-2.0
"""Where a market order fills, what the venue asks before it takes one, and lots that change hands
at a mark."""

from __future__ import annotations

from math import ceil, isnan, sqrt
from typing import Any

from tidegate.pricing._kernels import exact_inner
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel._money import (
    MICRO,
    book_fill,
    ceil_div,
    entry_cost,
    share_ceil,
    tier_at,
    trap,
    value,
)

BY_ORDER, BY_LIQUIDATION = 0, 1


@exact_inner
def _half_spread(world: Any, i: int) -> float:
    shown = world.depth[world.instruments[i, at.SHOWN], at.SHOWN_SPREAD]
    return float(world.money[i, at.HALF_SPREAD] if isnan(shown) else shown)


@exact_inner
def spread_ticks(world: Any, i: int, mid: int) -> int:
    """Half the spread around a middle, rounded up."""
    return ceil(mid * _half_spread(world, i))


@exact_inner
def _impact(world: Any, i: int, sizes: Any) -> float:
    """Relative impact of dollars when others were just traded on the same side."""
    size_usd, before_usd = sizes
    shown = world.instruments[i, at.SHOWN]
    volume, vol = world.depth[shown, at.VOLUME], world.depth[shown, at.VOL]
    unit = world.money[i, at.IMPACT] * vol / sqrt(volume)
    both = before_usd + size_usd
    total = both * sqrt(both) - before_usd * sqrt(before_usd)
    return float(unit * total / size_usd)


@exact_inner
def _pressed(world: Any, i: int, bought: int, size_usd: float) -> float:
    """Dollars traded before on this side within the step; these are counted from now on."""
    step = (world.scalars[at.NOW] - world.scalars[at.START]) // world.scalars[at.STEP]
    before_usd = 0.0
    if world.instruments[i, at.STEP_SOLD + bought] == step:
        before_usd = world.money[i, at.SOLD_USD + bought]
    world.instruments[i, at.STEP_SOLD + bought] = step
    world.money[i, at.SOLD_USD + bought] = before_usd + size_usd
    return before_usd


@exact_inner
def fill_market(world: Any, i: int, what: Any) -> None:
    """Fill (lots, middle, order, reason) half a spread and its impact worse than the middle."""
    lots, mid, ref, reason = what
    bought = 1 if lots > 0 else 0
    limit = world.instruments[i, at.TICKS_MAX]
    size_usd = entry_cost(world, i, abs(lots), mid) / 1e6
    before_usd = _pressed(world, i, bought, size_usd)
    impact = mid * _impact(world, i, (size_usd, before_usd))
    spread = spread_ticks(world, i, mid)
    if bought == 0:
        spread = min(spread, mid - 1)
        worse = mid - 1 - spread if impact > limit else min(ceil(impact), mid - 1 - spread)
        ticks = mid - spread - worse
    else:
        worse = limit if impact > limit else ceil(impact)
        ticks = mid + spread + worse
    if ticks > limit:
        trap(world, at.BEYOND_RANGE)
        return
    unit, per = world.instruments[i, at.UNIT], world.instruments[i, at.PER]
    notional = entry_cost(world, i, abs(lots), ticks)
    fee = share_ceil(notional, world.instruments[i, at.TAKER], MICRO)
    costs = spread * abs(lots) * unit // per, worse * abs(lots) * unit // per
    book_fill(world, i, (lots, ticks, mid, fee, costs[0], costs[1], reason), ref)


@exact_inner
def fill_resting(world: Any, i: int, lots: int, order: Any) -> None:
    """Lots of a resting order (number, price) trade at its price for the maker's fee."""
    ref, ticks = order
    unit, per = world.instruments[i, at.UNIT], world.instruments[i, at.PER]
    notional = entry_cost(world, i, abs(lots), ticks)
    fee = share_ceil(notional, world.instruments[i, at.MAKER], MICRO)
    mid = world.instruments[i, at.MID]
    spread = lots * (ticks - mid) * unit // per
    book_fill(world, i, (lots, ticks, mid, fee, spread, 0, BY_ORDER), ref)


@exact_inner
def hand_over(world: Any, i: int, lots: int, ticks: int) -> None:
    """Lots change hands at a mark in a liquidation, without fee, spread or impact."""
    words = (lots, ticks, ticks, 0, 0, 0, BY_LIQUIDATION)
    book_fill(world, i, words, at.LIQUIDATION_REF)


@exact_inner
def at_marks(world: Any, venue: int, added: Any) -> Any:
    """Equity, initial requirement and total notional at the marks, with (instrument, lots, cost)
    more."""
    more, more_lots, more_cost = added
    equity, initial, total = world.venues[venue, at.BALANCE], 0, 0
    for i in range(world.venues[venue, at.FIRST], world.venues[venue, at.PAST]):
        lots, cost = world.instruments[i, at.LOTS], world.instruments[i, at.COST]
        if i == more:
            lots, cost = lots + more_lots, cost + more_cost
        if lots == 0:
            continue
        worth = value(world, i, lots, world.instruments[i, at.MARKED])
        equity += worth - cost
        notional = abs(worth)
        leverage = world.tiers[i, tier_at(world, i, notional), at.TIER_LEVERAGE]
        initial += ceil_div(notional, min(leverage, world.instruments[i, at.LEVERAGE]))
        total += notional
    return equity, initial, total


@exact_inner
def withdrawable(world: Any, venue: int) -> int:
    """What may leave a venue now."""
    equity, initial, total = at_marks(world, venue, (-1, 0, 0))
    if world.venues[venue, at.RULE] == at.HYPERLIQUID:
        return int(max(0, equity - max(initial, ceil_div(total, 10))))
    return int(max(0, min(world.venues[venue, at.BALANCE], equity - initial)))


@exact_inner
def within(world: Any, venue: int, kind: int, ts_ms: int) -> bool:
    """Whether a venue is frozen, or out, at a time."""
    for row in range(world.windows.shape[0]):
        window = world.windows[row]
        same = window[at.WINDOW_VENUE] == venue and window[at.WINDOW_KIND] == kind
        if same and window[at.WINDOW_START] <= ts_ms < window[at.WINDOW_END]:
            return True
    return False


@exact_inner
def thaws_ms(world: Any, venue: int, ts_ms: int) -> int:
    """The first time from `ts_ms` on at which a venue credits money."""
    while within(world, venue, at.FROZEN, ts_ms):
        latest = ts_ms
        for row in range(world.windows.shape[0]):
            window = world.windows[row]
            same = window[at.WINDOW_VENUE] == venue and window[at.WINDOW_KIND] == at.FROZEN
            if same and window[at.WINDOW_START] <= ts_ms < window[at.WINDOW_END]:
                latest = max(latest, window[at.WINDOW_END])
        ts_ms = latest
    return ts_ms


@exact_inner
def refusal(world: Any, i: int, lots: int, reduce_only: int) -> int:
    """Why a venue does not take an order now; 0 where it does."""
    venue, held = world.instruments[i, at.VENUE], world.instruments[i, at.LOTS]
    if lots == 0:
        return at.NO_LOTS
    if within(world, venue, at.OUT, world.scalars[at.NOW]):
        return at.VENUE_OUT
    if world.instruments[i, at.MID] < 1:
        return at.NO_PRICE
    if (held > 0) != (lots > 0) and abs(lots) <= abs(held):
        return 0
    if reduce_only != 0:
        return at.REDUCE_ONLY
    if abs(held + lots) > world.instruments[i, at.LOTS_MAX]:
        trap(world, at.BEYOND_RANGE)
        return at.INITIAL_MARGIN
    cost = entry_cost(world, i, lots, world.instruments[i, at.MARKED])
    equity, initial, _ = at_marks(world, venue, (i, lots, cost))
    return 0 if equity >= initial else at.INITIAL_MARGIN
