# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the exchange over events, what stops its play, and what it tells beyond the
events that every exchange tells."""

from __future__ import annotations

from enum import IntFlag

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event
from tidegate.model.instruments import InstrumentId
from tidegate.simulation.kernel import _layout as at


class LimitOrder(msgspec.Struct, frozen=True):
    """Rest signed lots (buy +) at a price in ticks behind `ahead_lots` of others; one that would
    trade at once is refused."""

    id: str
    instrument: InstrumentId
    lots: int
    ticks: int
    ahead_lots: int


class Cancel(msgspec.Struct, frozen=True):
    """Take back what is left of a resting order."""

    id: str
    instrument: InstrumentId
    order: str


class OrderRested(msgspec.Struct, frozen=True):
    """A limit order stands in its queue."""

    ts_ms: int
    instrument: InstrumentId
    order: str
    lots: int
    ticks: int


class OrderCancelled(msgspec.Struct, frozen=True):
    """What was left of a resting order is gone: asked for, or by the venue, which takes orders back
    before it liquidates and where a fill would break the initial margin."""

    ts_ms: int
    instrument: InstrumentId
    order: str
    lots: int


class Wake(IntFlag):
    """Why play stopped; the first five stop it only where they are asked for."""

    FILL = at.FILL
    LIQUIDATION = at.LIQUIDATION
    REFUSAL = at.REFUSAL
    LANDING = at.LANDING
    HEALTH = at.WATCH
    TIME = at.TIME
    END = at.END


class Woken(msgspec.Struct, frozen=True):
    """When play stopped and why."""

    ts_ms: int
    why: Wake


Request = Order | LimitOrder | Cancel | Transfer
Told = Event | OrderRested | OrderCancelled
