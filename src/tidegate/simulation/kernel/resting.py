# SPDX-License-Identifier: Apache-2.0
"""The exchange with orders that rest, whoever brings it the market's trades.

Matching, margin, liquidation, funding and transfers are the exchange's own; what stands here is
queues of limit orders, how trades meet them, and what is told of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from tidegate.model.actions import Order
from tidegate.model.events import Event, Filled, OrderRefused
from tidegate.model.instruments import InstrumentId
from tidegate.model.units import MICRO, ceil_div
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.requests import (
    Cancel,
    LimitOrder,
    OrderCancelled,
    OrderRested,
    Told,
)
from tidegate.simulation.tape import Tape, Track
from tidegate.simulation.terms import ExchangeTerms


class Latest(Sequence[Any]):
    """One value, whatever the step of so many."""

    def __init__(self, value: object, steps: int = 1) -> None:
        self.value, self._steps = value, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: Any) -> Any:
        return self.value


def show(track: Track, **values: object) -> None:
    """Put values in the columns of a track of latest values."""
    for column, value in values.items():
        getattr(track, column).value = value


def unknown_track(steps: int = 1) -> Track:
    """A track of latest values of which nothing is known."""
    opened, high, low, last = (Latest(0, steps) for _ in range(4))
    volume, vol, half_spread = Latest(0.0, steps), Latest(0.0, steps), Latest(None, steps)
    return Track(opened, high, low, last, volume, vol, half_spread)


@dataclass(slots=True)
class Resting:
    """What is left of an order in its queue, and how many lots of others stand before it."""

    order: str
    lots: int
    ticks: int
    ahead_lots: int


class RestingExchange(Exchange):
    """The exchange with queues of limit orders; `maker_ppm` is the fee of those that are met."""

    def __init__(
        self,
        tape: Tape,
        terms: ExchangeTerms,
        seed: int,
        maker_ppm: Mapping[InstrumentId, int] | None = None,
    ) -> None:
        super().__init__(tape, terms, seed)
        self._maker_ppm = maker_ppm or {}
        self._queues: dict[tuple[InstrumentId, bool], list[Resting]] = {}
        self._heard: list[Told] = []

    def told(self) -> list[Told]:
        """What happened since it was last asked for."""
        told, self._heard = self._heard, []
        return told

    def _hear(self, told: Iterable[Told]) -> None:
        self._heard += told

    def _liquidate(self, venue: str, marks: dict[InstrumentId, int]) -> None:
        """Orders at the venue go first."""
        for name in self._tape.tracks:
            if name in self._terms.instruments and self._terms.instruments[name].venue == venue:
                for bought in (False, True):
                    queue = self._queues.get((name, bought), [])
                    while queue:
                        self._drop(name, bought, queue[0])
        super()._liquidate(venue, marks)

    def _rest(self, request: LimitOrder) -> list[Told]:
        name, bought = request.instrument, request.lots > 0
        instrument, track = self._terms.instruments[name], self._tape.tracks[name]
        mid, queue = track.open[0], self._queues.setdefault((name, bought), [])
        order = Order(request.id, name, request.lots, False, "")
        reason = self._refusal(order, instrument, mid)
        if reason is None:
            quote = track.quote(0, mid, self.now_ms)
            spread = ceil(mid * self._terms.costs[name].spread_at(quote))
            crosses = request.ticks >= mid + spread if bought else request.ticks <= mid - spread
            full = "too many orders" if len(queue) >= at.RESTING_MAX else None
            reason = "would cross" if crosses else full
        if reason is not None:
            return [OrderRefused(self.now_ms, name, request.id, reason)]
        resting = Resting(request.id, abs(request.lots), request.ticks, request.ahead_lots)
        queue.append(resting)
        queue.sort(key=lambda o: -o.ticks if bought else o.ticks)
        return [OrderRested(self.now_ms, name, request.id, request.lots, request.ticks)]

    def _cancel(self, request: Cancel) -> list[Event]:
        self._events = []
        for bought in (False, True):
            for resting in self._queues.get((request.instrument, bought), []):
                if resting.order == request.order:
                    self._drop(request.instrument, bought, resting)
                    return self._events
        return [OrderRefused(self.now_ms, request.instrument, request.id, "no such order")]

    def _drop(self, name: InstrumentId, bought: bool, resting: Resting) -> None:
        self._queues[name, bought].remove(resting)
        lots = resting.lots if bought else -resting.lots
        told: list[Any] = self._events
        told.append(OrderCancelled(self.now_ms, name, resting.order, lots))

    def _meet(self, name: InstrumentId, ticks: int, lots: int) -> None:
        """A trade of the market fills what stands on its other side, and no more than its lots."""
        bought, left = lots < 0, abs(lots)
        if self._tape.out(self._terms.instruments[name].venue, self.now_ms):
            return
        queue = self._queues.get((name, bought), [])
        while left and queue and (queue[0].ticks >= ticks if bought else queue[0].ticks <= ticks):
            first = queue[0]
            ahead = min(first.ahead_lots, left) if first.ticks == ticks else 0
            first.ahead_lots = first.ahead_lots - ahead if first.ticks == ticks else 0
            left -= ahead
            met = min(first.lots, left)
            if met and not self._fill_resting(name, bought, first, met):
                self._drop(name, bought, first)
                continue
            left, first.lots = left - met, first.lots - met
            if not first.lots:
                queue.remove(first)

    def _fill_resting(self, name: InstrumentId, bought: bool, first: Resting, met: int) -> bool:
        """Fill lots of a resting order at its price, unless the margin is not there any more."""
        instrument, costs = self._terms.instruments[name], self._terms.costs[name]
        lots, mid = met if bought else -met, self._tape.tracks[name].open[0]
        if self._refusal(Order(first.order, name, lots, False, ""), instrument, mid) is not None:
            return False
        ppm = self._maker_ppm.get(name, costs.taker_ppm)
        fee = ceil_div(instrument.notional(lots, first.ticks) * ppm, MICRO)
        spread = lots * (first.ticks - mid) * instrument.unit_numerator
        spread //= instrument.unit_denominator
        price = first.ticks, mid, fee, spread, 0
        self._book_fill(instrument, Filled(self.now_ms, name, lots, *price, first.order, "order"))
        return True
