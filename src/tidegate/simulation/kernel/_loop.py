# SPDX-License-Identifier: Apache-2.0
"""The loop: events of the tape, and between them money that lands and requests that arrive.

What falls on one time happens in this order: closes of the bars before; money lands; funding,
interest, quotes and depths, in the order of the tape; a stop at that time; requests; then ranges,
judgements, marks and trades.
"""

from __future__ import annotations

from typing import Any

from tidegate.pricing._kernels import exact_inline, exact_inner, exact_kernel
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel._liquidation import judge
from tidegate.simulation.kernel._money import (
    copy_row,
    pay,
    rate_ceil,
    revalue,
    share_floor,
    value,
    write,
)
from tidegate.simulation.kernel._resting import cancel, match, rest
from tidegate.simulation.kernel._trading import (
    BY_ORDER,
    fill_market,
    refusal,
    thaws_ms,
    withdrawable,
    within,
)

NOTHING, LANDS_NEXT, STOPS_NEXT, REQUEST_NEXT = range(4)


@exact_inner
def _land(world: Any) -> None:
    """The first parcel is credited, converted, rounded down."""
    parcels, scalars = world.parcels, world.scalars
    ref, way, quanta = (
        parcels[0, at.PARCEL_REF],
        parcels[0, at.PARCEL_PASSAGE],
        parcels[0, at.PARCEL_QUANTA],
    )
    scalars[at.PARCELS] -= 1
    for place in range(scalars[at.PARCELS]):
        copy_row(parcels, place, place + 1)
    share, per = world.passages[way, at.SHARE], world.passages[way, at.SHARE_PER]
    received = share_floor(quanta, share, per)
    pay(world, world.passages[way, at.DESTINATION], received)
    write(world, at.LANDED, way, ref, (quanta, received, 0, 0, 0, 0, 0))
    scalars[at.FLAGS] |= at.LANDING


@exact_inner
def _transfer_refusal(world: Any, way: int, quanta: int) -> int:
    if way < 0:
        return at.NO_ROUTE
    source, fee = world.passages[way, at.SOURCE], world.passages[way, at.FEE]
    if within(world, source, at.FROZEN, world.scalars[at.NOW]):
        return at.SUSPENDED
    if quanta < max(world.passages[way, at.MINIMUM], fee + 1):
        return at.BELOW_MINIMUM
    return at.NOT_WITHDRAWABLE if quanta > withdrawable(world, source) else 0


@exact_inner
def _send(world: Any, request: Any) -> None:
    """Debit a transfer now and put it on its way, or refuse it."""
    way, quanta, scalars = request[at.WHOM], request[at.SIZE], world.scalars
    reason = _transfer_refusal(world, way, quanta)
    if reason != 0:
        write(world, at.TRANSFER_REFUSED, way, request[at.REF], (reason, 0, 0, 0, 0, 0, 0))
        scalars[at.FLAGS] |= at.REFUSAL
        return
    if scalars[at.PARCELS] >= world.parcels.shape[0]:
        scalars[at.STATUS] = at.BEYOND_RANGE
        scalars[at.FLAGS] |= at.TRAP
        return
    fee = world.passages[way, at.FEE]
    pay(world, world.passages[way, at.SOURCE], -quanta)
    destination = world.passages[way, at.DESTINATION]
    lands_ms = thaws_ms(world, destination, scalars[at.NOW] + request[at.PRICE])
    parcels, place = world.parcels, scalars[at.PARCELS]
    rank = request[at.EXTRA]
    while place > 0:
        other_ms = parcels[place - 1, at.LANDS]
        if other_ms < lands_ms or (
            other_ms == lands_ms and parcels[place - 1, at.PARCEL_RANK] < rank
        ):
            break
        copy_row(parcels, place, place - 1)
        place -= 1
    parcels[place, at.PARCEL_RANK] = rank
    parcels[place, at.LANDS], parcels[place, at.PARCEL_REF] = lands_ms, request[at.REF]
    parcels[place, at.PARCEL_PASSAGE], parcels[place, at.PARCEL_QUANTA] = way, quanta - fee
    scalars[at.PARCELS] += 1
    write(world, at.SENT, way, request[at.REF], (quanta, fee, 0, 0, 0, 0, 0))


@exact_inner
def _ask(world: Any) -> None:
    """The next request reaches its venue."""
    request = world.requests[world.scalars[at.HEAD]]
    world.scalars[at.HEAD] += 1
    what, i, lots = request[at.WHAT], request[at.WHOM], request[at.SIZE]
    if what == at.TRANSFER:
        _send(world, request)
    elif what == at.LIMIT:
        rest(world, request)
    elif what == at.CANCEL:
        cancel(world, request)
    else:
        reason = refusal(world, i, lots, request[at.EXTRA])
        if reason != 0:
            write(world, at.ORDER_REFUSED, i, request[at.REF], (reason, 0, 0, 0, 0, 0, 0))
            world.scalars[at.FLAGS] |= at.REFUSAL
        else:
            mid = world.instruments[i, at.MID]
            fill_market(world, i, (lots, mid, request[at.REF], BY_ORDER))


@exact_inner
def _fund(world: Any, i: int, rate_e12: int) -> None:
    """Who holds at the stamp pays, rounded up."""
    lots, mark = world.instruments[i, at.LOTS], world.instruments[i, at.MARKED]
    if lots == 0:
        return
    paid = rate_ceil(value(world, i, lots, mark), rate_e12)
    pay(world, world.instruments[i, at.VENUE], -paid)
    write(world, at.FUNDED, i, 0, (lots, mark, rate_e12, paid, 0, 0, 0))


@exact_inner
def _accrue(world: Any) -> None:
    """A day's interest on idle balances, rounded down."""
    for place in range(world.venues.shape[0]):
        venue = world.venues[place, at.ACCRUES]
        if venue < 0:
            return
        share, per = world.venues[venue, at.YIELD], world.venues[venue, at.YIELD_PER]
        quanta = share_floor(world.venues[venue, at.BALANCE], share, per)
        if quanta != 0:
            pay(world, venue, quanta)
            write(world, at.YIELDED, venue, 0, (quanta, 0, 0, 0, 0, 0, 0))


@exact_inner
def _price(world: Any, i: int, low: int, high: int) -> None:
    """The extremes at which a position is judged from now on."""
    world.instruments[i, at.LOW], world.instruments[i, at.HIGH] = low, high
    if world.instruments[i, at.LOTS] != 0:
        revalue(world, i)
        world.scalars[at.TOUCHED] = 1


@exact_inner
def _happen(world: Any, event: Any) -> None:
    """Any event of the tape (kind, who, a, b) but marks, quotes, judgements."""
    kind, i, a, b = event
    if kind == at.TRADE:
        match(world, i, a, b)
    elif kind == at.RANGE:
        _price(world, i, a, b)
    elif kind == at.CLOSE:
        world.instruments[i, at.MARKED] = a
        _price(world, i, a, a)
    elif kind == at.FUNDING:
        _fund(world, i, a)
    elif kind == at.ACCRUE:
        _accrue(world)
    else:
        world.instruments[i, at.SHOWN] = a


@exact_inner
def _due_ms(world: Any, until_ms: int) -> int:
    """When something besides the tape comes next."""
    scalars, due_ms = world.scalars, until_ms
    if scalars[at.PARCELS] > 0:
        due_ms = min(due_ms, world.parcels[0, at.LANDS])
    if scalars[at.HEAD] < scalars[at.TAIL]:
        due_ms = min(due_ms, world.requests[scalars[at.HEAD], at.DUE])
    return due_ms


@exact_inner
def _first(world: Any, until_ms: int, ts_ms: int, kind: int) -> int:
    """What comes before the tape's next event, if anything does."""
    scalars, due_ms = world.scalars, _due_ms(world, until_ms)
    if due_ms > ts_ms:
        return NOTHING
    lands = scalars[at.PARCELS] > 0 and world.parcels[0, at.LANDS] == due_ms
    if lands and (due_ms < ts_ms or kind != at.CLOSE):
        return LANDS_NEXT
    late = kind == at.RANGE or kind == at.JUDGE or kind == at.MARK or kind == at.TRADE
    if due_ms == ts_ms and not late:
        return NOTHING
    return STOPS_NEXT if until_ms == due_ms else REQUEST_NEXT


@exact_inline
def _mark(world: Any, i: int, ticks: int) -> Any:
    """A mark moves. The venues to judge (first, past): its own where it may be in need, or all
    where more has changed than this mark."""
    position = world.instruments[i]
    position[at.MARKED], position[at.LOW], position[at.HIGH] = ticks, ticks, ticks
    held = position[at.LOTS] != 0
    if held:
        revalue(world, i)
    if world.scalars[at.TOUCHED] != 0:
        return 0, world.venues.shape[0]
    venue = position[at.VENUE]
    account = world.venues[venue]
    health = account[at.BALANCE] + account[at.VALUES] - account[at.COSTS] - account[at.REQUIRED]
    need = held and (health < 0 or health < account[at.LEVEL])
    return venue, venue + need


@exact_inline
def _passes_by(world: Any, i: int, ticks: int, lots: int) -> bool:
    """Whether a trade of the market meets no order of ours."""
    side = 0 if lots > 0 else 1
    if world.instruments[i, at.RESTING_SELLS + side] == 0:
        return True
    price = world.resting[i, side, 0, at.REST_TICKS]
    return bool((price < ticks) if side else (price > ticks))


@exact_kernel
def play(events: Any, world: Any, until_ms: int, stops: int) -> int:
    """Play on until a time, the tape's end, or something that is waited for; the bits of why."""
    scalars, size, end_ms = world.scalars, events.ts_ms.size, world.scalars[at.LAST]
    cursor, room = scalars[at.CURSOR], world.log.shape[0] - scalars[at.ROOM]
    scalars[at.FLAGS] = 0
    stops |= at.TRAP
    due_ms = _due_ms(world, until_ms)
    while True:
        if scalars[at.ROWS] > room:
            scalars[at.FLAGS] |= at.LOG_FULL
            break
        ts_ms, kind = end_ms + 1, at.MARK
        if cursor < size:
            ts_ms, kind = events.ts_ms[cursor], events.kind[cursor]
        comes = NOTHING
        if due_ms <= ts_ms:
            due_ms = _due_ms(world, until_ms)
            comes = _first(world, until_ms, ts_ms, kind) if due_ms <= end_ms else NOTHING
        if comes == STOPS_NEXT:
            scalars[at.NOW] = until_ms
            scalars[at.FLAGS] |= at.TIME
            break
        if comes != NOTHING:
            scalars[at.NOW] = due_ms
            if comes == LANDS_NEXT:
                _land(world)
            else:
                _ask(world)
            due_ms = _due_ms(world, until_ms)
        elif cursor == size:
            scalars[at.NOW] = end_ms
            scalars[at.FLAGS] |= at.END
            break
        else:
            scalars[at.NOW] = ts_ms
            first, past = 0, 0
            if kind == at.MARK:
                first, past = _mark(world, events.who[cursor], events.a[cursor])
            elif kind == at.JUDGE:
                past = world.venues.shape[0]
            elif kind == at.QUOTE:
                world.instruments[events.who[cursor], at.MID] = events.a[cursor]
            else:
                who, a, b = events.who[cursor], events.a[cursor], events.b[cursor]
                if kind != at.TRADE or not _passes_by(world, who, a, b):
                    _happen(world, (kind, who, a, b))
            if first < past:
                judge(world, first, past, kind == at.JUDGE)
            cursor += 1
        if scalars[at.FLAGS] & stops != 0:
            break
    scalars[at.CURSOR] = cursor
    return int(scalars[at.FLAGS])
