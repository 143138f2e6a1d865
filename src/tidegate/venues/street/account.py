# SPDX-License-Identifier: Apache-2.0
"""One account on the street: its orders, fills and books, over an exchange of its own.

An order that crosses takes the depth that is shown up to its limit, at the exchange's one average
price; what is left rests, or is cancelled where it may not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.margin.rule import MarginRule, MarginState
from tidegate.model.account import Account, Position
from tidegate.model.actions import Order
from tidegate.model.events import Filled, OrderRefused
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.simulation.kernel.requests import (
    Cancel,
    LimitOrder,
    OrderCancelled,
    OrderRested,
)
from tidegate.venues.street.exchange import StreetExchange, Trade
from tidegate.venues.street.values import (
    AccountNews,
    Fill,
    FillNews,
    Happened,
    NewOrder,
    OrderNews,
    OrderState,
    Refused,
    State,
)

if TYPE_CHECKING:
    from tidegate.venues.street.street import Street

CLOSED_MAX, FILLS_MAX = 5_000, 5_000


class StreetAccount:
    """The account of a key. Ids of orders rise by one within it, numbers of fills too."""

    def __init__(
        self,
        key: str,
        exchange: StreetExchange,
        street: Street,
        tell: Callable[[Happened], object],
    ) -> None:
        self.key, self.exchange = key, exchange
        self._street, self._tell = street, tell
        self._open: dict[int, OrderState] = {}
        self._closed: dict[int, OrderState] = {}
        self._fills: deque[Fill] = deque(maxlen=FILLS_MAX)
        self._orders = self._numbers = 0
        self._revisions: dict[int, int] = {}
        self._moving: int | None = None
        self._absorb()

    def place(self, new: NewOrder) -> OrderState:
        """Work an order; its state after what could be done at once."""
        self._orders += 1
        now_ms = self._street.now_ms
        state = OrderState(self._orders, new, "open", now_ms, now_ms)
        instrument = self._street.instrument(new.symbol)
        if instrument is None:
            return self._end(state, "rejected", "no such instrument")
        if new.reduce_only:
            lots = self.exchange.reduces(instrument.id, new.lots)
            if lots == 0:
                return self._end(state, "rejected", "reduce only")
            state = replace(state, order=replace(new, lots=lots))
        self._open[state.id] = state
        return self._work(state, instrument)

    def amend(self, order: int, lots: int, ticks: int | None) -> OrderState | Refused:
        """Change an open order's whole size (signed, what is filled included) and limit; what it
        had ahead in its queue is lost. Where it cannot stand so it stands as before."""
        state = self._open.get(order)
        if state is None:
            return Refused("already closed" if order in self._closed else "no such order")
        if lots * state.order.lots <= 0 or abs(lots) <= abs(state.filled_lots):
            return Refused("below what is filled")
        instrument = self._street.market.instruments[self._name(state)]
        self._withdraw(state, instrument)
        wished = replace(state.order, lots=lots, ticks=ticks)
        changed = replace(
            state, order=wished, amended=True, updated_ms=self._street.now_ms, reason=""
        )
        self._open[order] = changed
        after = self._work(changed, instrument)
        if after.state == "open" or after.filled_lots != state.filled_lots:
            return after
        if after.state in ("rejected", "cancelled"):
            return self._restore(state, instrument, after.reason)
        return after

    def cancel(self, order: int) -> OrderState | Refused:
        """Take back what is left of an order."""
        state = self._open.get(order)
        if state is None:
            return Refused("already closed" if order in self._closed else "no such order")
        instrument = self._street.market.instruments[self._name(state)]
        self._withdraw(state, instrument)
        return self._end(self._open[order], "cancelled", "asked for")

    def cancel_all(self, which: Callable[[OrderState], bool] = lambda _: True) -> list[OrderState]:
        """Take back every open order of a kind."""
        done = (self.cancel(state.id) for state in list(self._open.values()) if which(state))
        return [state for state in done if isinstance(state, OrderState)]

    def order(self, order: int) -> OrderState | None:
        """An order's state; of closed ones the last five thousand are known."""
        return self._open.get(order) or self._closed.get(order)

    def open_orders(self, symbol: str | None = None) -> list[OrderState]:
        """Orders that rest, by id."""
        return [s for s in self._open.values() if symbol in (None, s.order.symbol)]

    def closed_orders(self) -> list[OrderState]:
        """Orders that ended, the last ones first."""
        return list(reversed(self._closed.values()))

    def fills(self, after: int = 0, limit: int = FILLS_MAX) -> list[Fill]:
        """Trades with numbers above one, oldest first."""
        return [f for f in self._fills if f.number > after][:limit]

    def venue(self, venue: str) -> Account:
        """Balances and positions at a venue of the street, in quanta and lots."""
        return self.exchange.account(venue)

    def positions(self, venue: str) -> Mapping[InstrumentId, Position]:
        """Positions at a venue."""
        return self.exchange.account(venue).positions

    def margin(self, venue: str) -> MarginState:
        """Margin by the venue's rule, in collateral quanta."""
        return self.exchange.margin(venue)

    def under(self, venue: str, rule: MarginRule) -> None:
        """Margin a venue by another rule from now on, as where the leverage was changed."""
        self.exchange.under(venue, rule)

    def takes(self, venue: str, asset: str) -> bool:
        """Whether money of an asset may stand at a venue."""
        return self.exchange.holds(venue, asset)

    def resting(self) -> set[InstrumentId]:
        """Instruments in which orders rest."""
        return self.exchange.resting()

    def live(self, trades: Iterable[Trade]) -> None:
        """Live through a tick of the street."""
        self.exchange.pass_tick(trades)
        self._absorb()

    def _name(self, state: OrderState) -> InstrumentId:
        return self._street.name(state.order.symbol)

    def _work(self, state: OrderState, instrument: Instrument) -> OrderState:
        """Take what can be taken, rest what is left."""
        new, left = state.order, state.left_lots
        side = 1 if left > 0 else -1
        depth, before = self.exchange.depth(instrument.id, left)
        if new.ticks is None:
            wanted = abs(left) if depth.best(side) is not None else 0
        else:
            wanted = min(abs(left), depth.lots_within(side, new.ticks, before))
        if new.post_only and wanted:
            return self._end(state, "rejected", "would cross")
        if new.in_force == "fok" and wanted < abs(left):
            return self._end(state, "cancelled", "not filled at once")
        if wanted:
            self._take(state, instrument, side * wanted)
        state = self._open.get(state.id) or self._closed[state.id]
        if state.state != "open":
            return state
        if new.ticks is None or new.in_force != "gtc":
            reason = "not filled at once" if depth.best(side) is not None else "no depth"
            return self._end(state, "cancelled", reason)
        return self._rest(state, instrument)

    def _take(self, state: OrderState, instrument: Instrument, lots: int) -> None:
        new = state.order
        wished = Order(self._exchange_id(state), instrument.id, lots, new.reduce_only, "")
        self.exchange.take(wished)
        self._absorb()

    def _rest(self, state: OrderState, instrument: Instrument) -> OrderState:
        ticks = state.order.ticks
        assert ticks is not None
        wished = LimitOrder(self._exchange_id(state), instrument.id, state.left_lots, ticks, 0)
        self.exchange.rest(wished, state.order.reduce_only)
        self._absorb()
        state = self._open.get(state.id) or self._closed[state.id]
        if state.state == "open":
            self._tell(OrderNews(self.key, state))
        return state

    def _withdraw(self, state: OrderState, instrument: Instrument) -> None:
        """Take an order off its queue without ending it."""
        self._moving = state.id
        self.exchange.cancel(Cancel("", instrument.id, self._exchange_id(state)))
        self._absorb()
        self._moving = None
        self._revisions[state.id] = self._revisions.get(state.id, 0) + 1

    def _restore(self, state: OrderState, instrument: Instrument, reason: str) -> Refused:
        self._closed.pop(state.id, None)
        self._open[state.id] = state
        self._revisions[state.id] = self._revisions.get(state.id, 0) + 1
        rested = self._rest(state, instrument)
        if rested.state == "rejected":
            # It stood before, so that it ends as an order does.
            self._end(rested, "cancelled", rested.reason)
        return Refused(reason)

    def _exchange_id(self, state: OrderState) -> str:
        return f"{state.id}.{self._revisions.get(state.id, 0)}"

    def _end(self, state: OrderState, how: State, reason: str) -> OrderState:
        ended = replace(state, state=how, reason=reason, updated_ms=self._street.now_ms)
        self._open.pop(state.id, None)
        self._revisions.pop(state.id, None)
        self._closed[state.id] = ended
        if len(self._closed) > CLOSED_MAX:
            del self._closed[next(iter(self._closed))]
        self._tell(OrderNews(self.key, ended))
        return ended

    def _absorb(self) -> None:
        """Take in what the exchange tells."""
        for event in self.exchange.told():
            if isinstance(event, Filled):
                self._filled(event)
            elif isinstance(event, OrderRefused):
                self._refused(event.order, event.reason)
            elif isinstance(event, OrderCancelled):
                self._dropped(event.order)
            elif not isinstance(event, OrderRested):
                self._tell(AccountNews(self.key, event))

    def _of(self, exchange_id: str) -> OrderState | None:
        head, _, _ = exchange_id.partition(".")
        return self._open.get(int(head)) if head.isdecimal() else None

    def _filled(self, event: Filled) -> None:
        before, realised, maker = self.exchange.before.pop(0)
        state = self._of(event.order)
        self._numbers += 1
        instrument = self._street.market.instruments[event.instrument]
        fill = Fill(
            number=self._numbers,
            ts_ms=event.ts_ms,
            symbol=instrument.symbol,
            order=None if state is None else state.id,
            label="" if state is None else state.order.label,
            lots=event.lots,
            ticks=event.ticks,
            fee_quanta=event.fee_quanta,
            maker=maker,
            cause=event.reason,
            lots_before=before,
            realised_quanta=realised,
            mark_ticks=self._street.board().marks[event.instrument],
            index_ticks=self._street.index_ticks(self._street.index_name(instrument)),
        )
        self._fills.append(fill)
        self._tell(FillNews(self.key, fill))
        if state is not None:
            self._grow(state, event)

    def _grow(self, state: OrderState, event: Filled) -> None:
        grown = replace(
            state,
            filled_lots=state.filled_lots + event.lots,
            lots_ticks=state.lots_ticks + abs(event.lots) * event.ticks,
            updated_ms=event.ts_ms,
        )
        self._open[state.id] = grown
        if grown.left_lots == 0:
            self._end(grown, "filled", "")
        else:
            self._tell(OrderNews(self.key, grown))

    def _refused(self, exchange_id: str, reason: str) -> None:
        state = self._of(exchange_id)
        if state is not None:
            self._end(state, "cancelled" if state.filled_lots else "rejected", reason)

    def _dropped(self, exchange_id: str) -> None:
        state = self._of(exchange_id)
        if state is not None and state.id != self._moving:
            self._end(state, "cancelled", "by the venue")
