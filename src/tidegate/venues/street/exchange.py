# SPDX-License-Identifier: Apache-2.0
"""One account's exchange on the street: simulation's own, over prices that all accounts share.

It differs from the plain twin in this: the market comes tick by tick and not as rows of a tape,
what expires is delivered, a limit order may stand at a price at which the market trades (what is
left of one that took the depth up to its limit), and reduce-only orders may rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from tidegate.costs.options import OptionCosts, fee_notional
from tidegate.margin.rule import MarginRule
from tidegate.model.account import FLAT, fill_position
from tidegate.model.actions import Order
from tidegate.model.events import Deposited, Filled, OrderRefused
from tidegate.model.instruments import Instrument, InstrumentId, Option, Spot
from tidegate.model.units import MICRO, ceil_div
from tidegate.simulation.delivery import expired
from tidegate.simulation.kernel.requests import Cancel, LimitOrder, OrderRested, Told
from tidegate.simulation.kernel.resting import Resting, RestingExchange
from tidegate.simulation.terms import ExchangeTerms
from tidegate.venues.street.board import Board
from tidegate.venues.street.depth import Depth

ORDERS_MAX = 1_000
Trade = tuple[InstrumentId, int, int]


class StreetExchange(RestingExchange):
    """An account's books at all venues of the street, from the board's present on."""

    def __init__(
        self,
        board: Board,
        terms: ExchangeTerms,
        seed: int,
        maker_ppm: Mapping[InstrumentId, int],
    ) -> None:
        super().__init__(board.tape, terms, seed, maker_ppm)
        self._board, self._marks, self.now_ms = board, board.marks, board.now_ms
        self._accrued_ms = board.now_ms
        self._next_funding = sum(s.ts_ms <= board.now_ms for s in board.tape.funding)
        self._next_delivery = sum(d.ts_ms <= board.now_ms for d in board.tape.deliveries)
        self._next_deleveraging = sum(d.ts_ms <= board.now_ms for d in board.tape.deleveragings)
        self._reducing: set[str] = set()
        self._meeting = False
        self.before: list[tuple[int, int, bool]] = []

    def under(self, venue: str, rule: MarginRule) -> None:
        """Margin a venue's account by another rule from now on."""
        self._terms = replace(self._terms, rules={**self._terms.rules, venue: ((0, rule),)})

    def pass_tick(self, trades: Iterable[Trade]) -> None:
        """Live through the board's present: what falls due, margin, and the market's trades."""
        self._events = []
        self._happen(self._board.now_ms)
        self.now_ms = self._board.now_ms
        self._drop_expired()
        self.extremes = []
        self._judge(0)
        self._hear(self._events)
        for name, ticks, lots in trades:
            if self._queues.get((name, lots < 0)):
                self._events = []
                self._meet(name, ticks, lots)
                self._hear(self._events)

    def take(self, order: Order) -> None:
        """Fill at market or refuse."""
        self._hear(self.trade(order))

    def rest(self, order: LimitOrder, reduce_only: bool) -> None:
        """Put an order into its queue, or refuse it."""
        self._reducing &= {one.order for queue in self._queues.values() for one in queue}
        if reduce_only:
            self._reducing.add(order.id)
        self._hear(self._rest(order))

    def cancel(self, order: Cancel) -> None:
        """Take back a resting order."""
        self._hear(self._cancel(order))

    def reduces(self, name: InstrumentId, lots: int) -> int:
        """Signed lots of an order that would reduce the position, at most all of it."""
        held = self._position(name).lots
        if held * lots >= 0:
            return 0
        return lots if abs(lots) <= abs(held) else -held

    def resting(self) -> set[InstrumentId]:
        """Instruments in which orders rest."""
        return {name for (name, _), queue in self._queues.items() if queue}

    def depth(self, name: InstrumentId, side: int) -> tuple[Depth, float]:
        """The book, and the amount that this account took of a side within the step."""
        instrument = self._terms.instruments[name]
        depth = self._board.depth(instrument, self._terms.costs[name])
        usd = self._pressure(name, side)
        return depth, usd / self._board.usd_per_amount(instrument)

    def pay(self, venue: str, asset: str, quanta: int) -> None:
        """Credit money that reaches the account, told as a deposit, or debit money that leaves."""
        self._books[venue].pay(asset, quanta)
        if quanta > 0:
            self._hear([Deposited(self.now_ms, venue, asset, quanta)])

    def holds(self, venue: str, asset: str) -> bool:
        """Whether an asset may stand at a venue: its collateral, or a coin traded there."""
        if venue not in self._books:
            return False
        coins = {i.base for i in self._terms.instruments.values() if isinstance(i, Spot)}
        return asset == self._terms.rule(venue, self.now_ms).collateral or asset in coins

    def withdrawable(self, venue: str, asset: str) -> int:
        """Quanta of an asset that may leave a venue: of collateral what the rule says, of what
        carries nothing its balance."""
        if asset == self._terms.rule(venue, self.now_ms).collateral:
            return self.margin(venue).withdrawable
        return max(0, self._books[venue].balances.get(asset, 0))

    def _drop_expired(self) -> None:
        for (name, bought), queue in self._queues.items():
            if queue and expired(self._terms.instruments[name], self.now_ms):
                while queue:
                    self._drop(name, bought, queue[0])

    def _rest(self, request: LimitOrder) -> list[Told]:
        name, bought = request.instrument, request.lots > 0
        queue = self._queues.setdefault((name, bought), [])
        wished = Order(request.id, name, request.lots, request.id in self._reducing, "")
        mid = self._tape.tracks[name].open[0]
        reason = self._refusal(wished, self._terms.instruments[name], mid)
        if reason is None and sum(map(len, self._queues.values())) >= ORDERS_MAX:
            reason = "too many orders"
        if reason is not None:
            return [OrderRefused(self.now_ms, name, request.id, reason)]
        queue.append(Resting(request.id, abs(request.lots), request.ticks, request.ahead_lots))
        queue.sort(key=lambda o: -o.ticks if bought else o.ticks)
        return [OrderRested(self.now_ms, name, request.id, request.lots, request.ticks)]

    def _fill_resting(self, name: InstrumentId, bought: bool, first: Resting, met: int) -> bool:
        """As the exchange's own, but that the fee is the contract's and a reduce-only order goes
        where it would do more than reduce."""
        instrument = self._terms.instruments[name]
        lots, mid = met if bought else -met, self._tape.tracks[name].open[0]
        wished = Order(first.order, name, lots, first.order in self._reducing, "")
        if self._refusal(wished, instrument, mid) is not None:
            return False
        fee = self._maker_fee(instrument, lots, first.ticks)
        off_middle = instrument.entry_cost(lots, first.ticks) - instrument.entry_cost(lots, mid)
        price = first.ticks, mid, fee, off_middle, 0
        self._meeting = True
        self._book_fill(instrument, Filled(self.now_ms, name, lots, *price, first.order, "order"))
        self._meeting = False
        return True

    def _maker_fee(self, instrument: Instrument, lots: int, ticks: int) -> int:
        costs = self._terms.costs[instrument.id]
        worth = fee_notional(instrument, lots, ticks, self._marks)
        fee = ceil_div(worth * self._maker_ppm.get(instrument.id, costs.taker_ppm), MICRO)
        if isinstance(instrument, Option) and isinstance(costs, OptionCosts):
            return min(fee, costs.fee_quanta(instrument.notional(lots, ticks)))
        return fee

    def _book_fill(self, instrument: Instrument, filled: Filled) -> None:
        """Book a fill, and keep what the position was and what closing it brought."""
        held = self._books[instrument.venue].positions.get(instrument.id, FLAT)
        realised = 0
        if not isinstance(instrument, Spot):
            cost = instrument.entry_cost(filled.lots, filled.ticks)
            realised = fill_position(held, filled.lots, cost).realised_quanta
        self.before.append((held.lots, realised, self._meeting))
        super()._book_fill(instrument, filled)


def average_ticks(instrument: Instrument, lots: int, cost: int) -> Fraction:
    """The price in ticks at which so many lots cost so much; of inverse contracts the harmonic
    mean of their fills."""
    numerator, denominator = instrument.unit_numerator, instrument.unit_denominator
    if instrument.inverse:
        return Fraction(-lots * numerator, cost * denominator)
    return Fraction(cost * denominator, lots * numerator)
