# SPDX-License-Identifier: Apache-2.0
"""The runaway brake: what leaves is compared with what was decided, counted, and stopped.

Five rules over one small state, whatever the rest of the engine believes: messages a second to a
venue; lots sent against lots planned; the same trade again and again under one plan; the day's
loss; the day's turnover. The last two let through what only reduces, since a stop must not keep an
account from being saved. What is not known counts as too much.

Source: SEC, Release No. 34-70694 (16 October 2013), Knight Capital: 212 parent orders became more
than four million, because nothing compared orders leaving with orders entered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from tidegate.model.actions import Order
from tidegate.model.instruments import InstrumentId
from tidegate.model.mandate import Limits
from tidegate.model.times import DAY_MS, SECOND_MS

Rule = Literal["messages", "plan", "repeats", "loss", "turnover"]


class Held(msgspec.Struct, frozen=True):
    """Why something is not sent."""

    rule: Rule
    detail: str

    @property
    def passes(self) -> bool:
        """Whether waiting cures it; the other rules need a new plan, a new day, or a person."""
        return self.rule == "messages"


class Day(msgspec.Struct, frozen=True):
    """One UTC day: equity when it began or was first known in it, what has been sent for trading
    since, and whether its loss was ever too large."""

    number: int
    equity_usd: float
    turnover_usd: float = 0.0
    lost: bool = False


class BrakeState(msgspec.Struct, frozen=True):
    """Times of messages per venue within the last second; lots that the plan still allows per
    instrument as (buys, sells); times of orders per instrument and side (+1, -1); the day."""

    messages: Mapping[str, tuple[int, ...]] = {}
    planned: Mapping[InstrumentId, tuple[int, int]] = {}
    trades: Mapping[tuple[InstrumentId, int], tuple[int, ...]] = {}
    day: Day | None = None


class Weight(msgspec.Struct, frozen=True):
    """What the rules must know of an order: its venue, its notional, and equity now (None where
    that is not known)."""

    venue: str
    notional_usd: float
    equity_usd: float | None


def planned(state: BrakeState, orders: Iterable[Order]) -> BrakeState:
    """The state under a new plan: its lots alone may be sent, and repeats are counted anew."""
    lots: dict[InstrumentId, tuple[int, int]] = {}
    for order in orders:
        buys, sells = lots.get(order.instrument, (0, 0))
        lots[order.instrument] = (buys + max(order.lots, 0), sells + max(-order.lots, 0))
    return msgspec.structs.replace(state, planned=lots, trades={})


def moved(state: BrakeState, capital_usd: float) -> BrakeState:
    """The state after capital came from outside, or left where it is negative: no profit, no
    loss."""
    if state.day is None:
        return state
    equity_usd = state.day.equity_usd + capital_usd
    return msgspec.structs.replace(
        state, day=msgspec.structs.replace(state.day, equity_usd=equity_usd)
    )


def messaged(
    state: BrakeState, venue: str, now_ms: int, limits: Limits
) -> tuple[BrakeState, Held | None]:
    """Count a request of any kind to a venue, or hold it. Cancels under a kill are the watchdog's,
    which does not ask here."""
    recent = _recent(state.messages.get(venue, ()), now_ms, SECOND_MS)
    if len(recent) >= limits.messages_per_s:
        return state, Held("messages", f"{venue}: {limits.messages_per_s} in the last second")
    counted = {**state.messages, venue: (*recent, now_ms)}
    return msgspec.structs.replace(state, messages=counted), None


def allows(
    state: BrakeState, order: Order, now_ms: int, weight: Weight, limits: Limits
) -> tuple[BrakeState, Held | None]:
    """Count an order that is about to be sent, its message included, or hold it.

    An order that is held takes nothing from the plan and from no count. The state that comes back
    must be kept in both cases: it knows the day.
    """
    state = _at_day(state, now_ms, weight.equity_usd, limits)
    if held := (
        _beyond_plan(state, order)
        or _too_often(state, order, now_ms, limits)
        or _day_is_over(state, order, weight, limits)
    ):
        return state, held
    counted, held = messaged(state, weight.venue, now_ms, limits)
    return (state, held) if held else (_sent(counted, order, now_ms, weight, limits), None)


def _at_day(state: BrakeState, now_ms: int, equity_usd: float | None, limits: Limits) -> BrakeState:
    """The state in the day of a time; a clock that steps back opens no new one."""
    number, day = now_ms // DAY_MS, state.day
    if equity_usd is None:
        return state
    if day is None or number > day.number:
        day = Day(number, equity_usd)
    if day.equity_usd - equity_usd > limits.loss_per_day * day.equity_usd:
        day = msgspec.structs.replace(day, lost=True)
    return msgspec.structs.replace(state, day=day)


def _beyond_plan(state: BrakeState, order: Order) -> Held | None:
    left = state.planned.get(order.instrument, (0, 0))[order.lots < 0]
    if abs(order.lots) <= left:
        return None
    return Held("plan", f"{order.instrument}: {order.lots:+d} lots, the plan has {left} left")


def _too_often(state: BrakeState, order: Order, now_ms: int, limits: Limits) -> Held | None:
    times = state.trades.get(_side(order), ())
    recent = _recent(times, now_ms, round(limits.repeats_in_s * SECOND_MS))
    if len(recent) < limits.repeats:
        return None
    detail = f"{len(recent)} orders in {limits.repeats_in_s:g} s under one plan"
    return Held("repeats", f"{order.instrument}: {detail}")


def _day_is_over(state: BrakeState, order: Order, weight: Weight, limits: Limits) -> Held | None:
    if order.reduce_only:
        return None
    day = state.day
    if day is None or weight.equity_usd is None:
        return Held("loss", "equity is not known")
    if day.lost:
        return Held("loss", f"more than {limits.loss_per_day:.1%} was lost on this day")
    if not day.turnover_usd + weight.notional_usd <= limits.turnover_per_day * day.equity_usd:
        return Held("turnover", f"more than {limits.turnover_per_day:g} times equity on this day")
    return None


def _sent(
    state: BrakeState, order: Order, now_ms: int, weight: Weight, limits: Limits
) -> BrakeState:
    buys, sells = state.planned[order.instrument]
    left = (buys - max(order.lots, 0), sells - max(-order.lots, 0))
    times = state.trades.get(_side(order), ())
    recent = _recent(times, now_ms, round(limits.repeats_in_s * SECOND_MS))
    day = state.day
    if day is not None:
        turnover_usd = day.turnover_usd + weight.notional_usd
        day = msgspec.structs.replace(day, turnover_usd=turnover_usd)
    return msgspec.structs.replace(
        state,
        planned={**state.planned, order.instrument: left},
        trades={**state.trades, _side(order): (*recent, now_ms)},
        day=day,
    )


def _side(order: Order) -> tuple[InstrumentId, int]:
    return order.instrument, 1 if order.lots > 0 else -1


def _recent(times: tuple[int, ...], now_ms: int, window_ms: int) -> tuple[int, ...]:
    """Times within a window; those of a clock that was ahead count as recent."""
    return tuple(ts_ms for ts_ms in times if ts_ms > now_ms - window_ms)
