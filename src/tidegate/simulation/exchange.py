# SPDX-License-Identifier: Apache-2.0
"""The exchange, in plain Python and exact integers: what every policy trades against.

Inside a step things happen in this order: margin is judged at the step's adverse extremes, each
position at its own and indices at their highest, with the money that was there when the step
began; then shipments land and funding is paid, winners are deleveraged, what expires is
delivered and venues fail, in time order, by whoever holds then. An order sent at a time fills at
the first price of the step that begins there, half a spread and its impact worse.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.costs.financing import accrued_yield
from tidegate.costs.options import fee_notional, fill_at, notional_usd
from tidegate.costs.trading import Slippage
from tidegate.margin.rule import LiquidationStep, MarginState
from tidegate.model.account import FLAT, Account, Position
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import ensure
from tidegate.model.events import (
    DeficitCovered,
    Deposited,
    Event,
    Filled,
    FillReason,
    FundingPaid,
    LiquidationStarted,
    OrderRefused,
    PenaltyCharged,
    Repriced,
    TransferLanded,
    TransferRefused,
    TransferReturned,
    TransferSent,
    VenueFailed,
    YieldAccrued,
)
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.units import MICRO, RATE_E12, ceil_div
from tidegate.simulation.books import (
    Book,
    Extreme,
    Parcel,
    caught_by,
    counted,
    draw,
    held_back,
    in_order,
    taken,
)
from tidegate.simulation.delivery import check_expiries, due, expired
from tidegate.simulation.queue_place import rank, ranking_score
from tidegate.simulation.schedule import Happening, scheduled
from tidegate.simulation.tape import Deleveraging, DeliveryPrice, Failure, FundingStamp, Tape
from tidegate.simulation.terms import ExchangeTerms

LIQUIDATION_ATTEMPTS_MAX = 64
# A dollar coin's price is told again when it has moved by this share, in parts per million.
REPRICE_PPM = 500


class Exchange:
    """Several venues in one clock; `seed` fixes the latency draws."""

    def __init__(self, tape: Tape, terms: ExchangeTerms, seed: int) -> None:
        check_expiries(tape, terms)
        self._tape = tape
        self._terms = terms
        self._seed = seed
        self._books = {venue: Book() for venue in terms.rules}
        self._marks: dict[InstrumentId, int] = {n: t.open[0] for n, t in tape.tracks.items()}
        self._parcels: list[Parcel] = []
        self._traded: dict[tuple[InstrumentId, bool], tuple[int, float]] = {}
        self._indices = [name for name in tape.tracks if name not in terms.instruments]
        self._schedule = scheduled(tape)
        self._gone: set[str] = set()
        self._told_micro: dict[str, int] = {}
        self._steps_judged = 0
        self._accrued_ms = tape.start_ms
        self._events: list[Event] = []
        self.now_ms = tape.start_ms
        self.extremes: list[Extreme] = []

    @property
    def end_ms(self) -> int:
        """When the tape ends."""
        return self._tape.end_ms

    def deposit(self, venue: str, asset: str, quanta: int) -> list[Event]:
        """Capital from outside arrives at a venue."""
        ensure(venue not in self._gone, f"{venue}: gone")
        self._books[venue].pay(asset, quanta)
        return [Deposited(self.now_ms, venue, asset, quanta)]

    def advance(self, until_ms: int) -> list[Event]:
        """Play the tape until a time and return what happened, in time order."""
        ensure(self.now_ms <= until_ms <= self._tape.end_ms, "advance beyond the tape")
        self._events = []
        self.extremes = []
        while self.now_ms < until_ms:
            step = self._tape.step_at(self.now_ms)
            if step == self._steps_judged:
                self._judge(step)
                self._steps_judged += 1
            step_end = self._tape.start_ms + (step + 1) * self._tape.step_ms
            reached = min(until_ms, step_end)
            if reached == step_end:
                # What happens before the step's end knows nothing of the marks at its end.
                self._happen(reached - 1)
                for name, track in self._tape.tracks.items():
                    self._marks[name] = track.mark_close[step]
                self._reprice(step, reached)
            self._happen(reached)
            self.now_ms = reached
        return self._events

    def account(self, venue: str) -> Account:
        """The venue's own statement of our account."""
        book = self._books[venue]
        return Account(venue, dict(book.balances), dict(book.positions))

    def margin(self, venue: str) -> MarginState:
        """The venue's own statement of our margin at its present marks."""
        account = counted(self._tape, venue, self._tape.step_at(self.now_ms), self._books[venue])
        return self._terms.rule(venue, self.now_ms).state(account, self._marks)

    def marks(self) -> dict[InstrumentId, int]:
        """Venue marks in ticks, of instruments and of indices."""
        return dict(self._marks)

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce now that money neither leaves nor is credited."""
        return tuple(v for v in self._books if self._is_shut(v, self._tape.frozen))

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades now."""
        return tuple(v for v in self._books if self._is_shut(v, self._tape.out))

    def _is_shut(self, venue: str, shuts: Callable[[str, int], bool]) -> bool:
        return venue in self._gone or shuts(venue, self.now_ms)

    def stable_micro(self) -> dict[str, int]:
        """What dollar coins are worth now; none where the tape does not say."""
        return self._tape.stable_micro_at(self.now_ms)

    def adl_rank(self, name: InstrumentId) -> float | None:
        """Place of our position in the venue's deleveraging queue: 1 is closed first, 0 last; None
        where we hold nothing or the venue shows no queue."""
        queue, score = self._tape.queues.get(name), self._adl_score(name)
        if queue is None or score is None:
            return None
        hour = (self.now_ms - self._tape.start_ms) // HOUR_MS
        return rank(queue, hour, self._position(name), score)

    def trade(self, order: Order) -> list[Event]:
        """Fill a market order at the present price, or refuse it."""
        instrument = self._terms.instruments[order.instrument]
        step = self._tape.step_at(self.now_ms)
        track = self._tape.tracks[order.instrument]
        at_end = self.now_ms >= self._tape.end_ms
        mid = track.mark_close[step] if at_end else track.open[step]
        reason = self._refusal(order, instrument, mid)
        if reason is not None:
            return [OrderRefused(self.now_ms, order.instrument, order.id, reason)]
        self._events = []
        # A position taken inside a step that was judged is judged at that step's extremes as well.
        self._steps_judged = min(self._steps_judged, step)
        self._fill(instrument, order.lots, mid, order.id, "order")
        return self._events

    def send(self, transfer: Transfer) -> list[Event]:
        """Debit a transfer now and credit it when its latency has passed, or refuse it."""
        if (reason := self._transfer_refusal(transfer)) is not None:
            route = transfer.source, transfer.destination
            return [TransferRefused(self.now_ms, transfer.id, *route, reason)]
        passage = self._terms.passages[transfer.source, transfer.destination]
        self._books[transfer.source].pay(transfer.asset, -transfer.quanta)
        travelling = transfer.quanta - passage.fee_quanta
        latency_ms = int(1000 * passage.latency_quantile_s(draw(self._seed, transfer.id)))
        left_ms = self.now_ms + self._tape.waits_ms(transfer.source, self.now_ms)
        due_ms = self._tape.thaws_ms(transfer.destination, left_ms + latency_ms)
        parcel = Parcel(transfer, travelling, due_ms, self.now_ms)
        self._parcels = in_order((*self._parcels, parcel))
        ends = transfer.source, transfer.destination, transfer.asset
        return [TransferSent(self.now_ms, transfer.id, *ends, transfer.quanta, passage.fee_quanta)]

    def hold(self, transfer: str, until_ms: int) -> None:
        """Keep a shipment back, so that it lands no sooner than a time."""
        self._parcels = held_back(self._parcels, transfer, until_ms)

    def give_back(self, transfer: str) -> list[Event]:
        """A shipment that cannot be delivered is back where it left; its fee is not."""
        gone, self._parcels = taken(self._parcels, transfer)
        sent = gone.transfer
        self._books[sent.source].pay(sent.asset, gone.quanta)
        return [TransferReturned(self.now_ms, sent.id, sent.source, sent.asset, gone.quanta)]

    def _refusal(self, order: Order, instrument: Instrument, mid: int) -> str | None:
        book = self._books[instrument.venue]
        held = book.positions.get(order.instrument, FLAT).lots
        if order.lots == 0:
            return "no lots"
        if expired(instrument, self.now_ms):
            return "expired"
        if self._is_shut(instrument.venue, self._tape.out):
            return "venue is gone" if instrument.venue in self._gone else "venue is out"
        if mid < 1:
            return "no price"
        if isinstance(instrument, Spot):
            return self._spot_refusal(instrument, order, mid)
        reduces = held * order.lots < 0 and abs(order.lots) <= abs(held)
        if reduces:
            return None
        if order.reduce_only:
            return "reduce only"
        added = Position(
            held + order.lots,
            book.positions.get(order.instrument, FLAT).cost
            + instrument.entry_cost(order.lots, self._marks[order.instrument]),
        )
        after = Account(
            instrument.venue, book.balances, {**book.positions, order.instrument: added}
        )
        state = self._terms.rule(instrument.venue, self.now_ms).state(after, self._marks)
        return None if state.equity >= state.initial else "initial margin"

    def _spot_refusal(self, instrument: Spot, order: Order, mid: int) -> str | None:
        balances = self._books[instrument.venue].balances
        if order.lots < 0:
            held = balances.get(instrument.base, 0)
            return None if held >= instrument.base_quanta(-order.lots) else "insufficient coin"
        if order.reduce_only:
            return "reduce only"
        slip, fee = self._price(instrument, order.lots, mid)
        needed = instrument.entry_cost(order.lots, slip.ticks) + fee
        enough = balances.get(instrument.settle, 0) >= needed
        return None if enough else "insufficient balance"

    def _transfer_refusal(self, transfer: Transfer) -> str | None:
        passage = self._terms.passages.get((transfer.source, transfer.destination))
        if passage is None or passage.asset_sent != transfer.asset:
            return "no such route"
        if self._gone.intersection((transfer.source, transfer.destination)):
            return "venue is gone"
        if self._tape.frozen(transfer.source, self.now_ms):
            return "withdrawals suspended"
        if transfer.quanta < max(passage.minimum_quanta, passage.fee_quanta + 1):
            return "below the minimum"
        if transfer.quanta > self.margin(transfer.source).withdrawable:
            return "more than is withdrawable"
        return None

    def _fill(
        self, instrument: Instrument, lots: int, mid: int, order: str, reason: FillReason
    ) -> None:
        slip, fee = self._price(instrument, lots, mid)
        self._press(instrument, lots, mid)
        filled = Filled(
            self.now_ms,
            instrument.id,
            lots,
            slip.ticks,
            mid,
            fee,
            slip.spread_quanta,
            slip.impact_quanta,
            order,
            reason,
        )
        self._book_fill(instrument, filled)

    def _price(self, instrument: Instrument, lots: int, mid: int) -> tuple[Slippage, int]:
        """Where lots would fill now around a middle, and the fee."""
        costs, before_usd = self._terms.costs[instrument.id], self._pressure(instrument.id, lots)
        step = self._tape.step_at(self.now_ms)
        quote = self._tape.tracks[instrument.id].quote(step, mid, self.now_ms)
        return fill_at(instrument, costs, lots, quote, before_usd, self._marks)

    def _pressure(self, name: InstrumentId, lots: int) -> float:
        """Dollars traded before on this side of an instrument within the step."""
        then, before_usd = self._traded.get((name, lots > 0), (-1, 0.0))
        return before_usd if then == self._tape.step_at(self.now_ms) else 0.0

    def _press(self, instrument: Instrument, lots: int, mid: int) -> None:
        before_usd = self._pressure(instrument.id, lots)
        size_usd = notional_usd(instrument, lots, mid, self._marks)
        step = self._tape.step_at(self.now_ms)
        self._traded[instrument.id, lots > 0] = (step, before_usd + size_usd)

    def _book_fill(self, instrument: Instrument, filled: Filled) -> None:
        self._books[instrument.venue].fill(instrument, filled)
        self._events.append(filled)

    def _happen(self, until_ms: int) -> None:
        """Land shipments, pay funding, deleverage and accrue interest up to and including a time;
        what falls together happens in this order."""
        never = until_ms + 1
        while True:
            parcel_ms = self._parcels[0].due_ms if self._parcels else never
            next_ms = self._schedule[-1].ts_ms if self._schedule else never
            accrual_ms = self._accrued_ms + DAY_MS
            first = min(parcel_ms, next_ms, accrual_ms)
            if first > until_ms:
                return
            if first == parcel_ms:
                self._land(self._parcels.pop(0))
            elif first == next_ms:
                self._play(self._schedule.pop())
            else:
                self._accrue(accrual_ms)

    def _play(self, happening: Happening) -> None:
        match happening:
            case FundingStamp():
                self._fund(happening)
            case Deleveraging():
                self._deleverage(happening)
            case DeliveryPrice():
                self._deliver(happening)
            case Failure():
                self._fail(happening)

    def _fail(self, failure: Failure) -> None:
        """A venue is gone: money under way to it may be lost, what has not left it is back and goes
        with all that it owes."""
        venue, ts_ms = failure.venue, failure.ts_ms
        caught, self._parcels = caught_by(self._parcels, failure)
        for sent, back in caught:
            self._books[sent.source].pay(sent.asset, back)
            self._events.append(TransferReturned(ts_ms, sent.id, sent.source, sent.asset, back))
        ticks, lost = self._books[venue].write_off(self._terms.instruments, self._marks)
        self._gone.add(venue)
        self._events.append(VenueFailed(ts_ms, venue, ticks, lost))

    def _land(self, parcel: Parcel) -> None:
        transfer = parcel.transfer
        passage = self._terms.passages[transfer.source, transfer.destination]
        received = passage.received(parcel.quanta, self._tape.parity(passage, parcel.due_ms))
        self._books[transfer.destination].pay(passage.asset_received, received)
        landed = TransferLanded(
            parcel.due_ms,
            transfer.id,
            transfer.destination,
            transfer.asset,
            parcel.quanta,
            passage.asset_received,
            received,
            parcel.quanta - received,
        )
        self._events.append(landed)

    def _reprice(self, step: int, ts_ms: int) -> None:
        for asset, path in self._tape.stable_micro.items():
            told = self._told_micro.get(asset, 0)
            price, last = path[step + 1], step == self._tape.steps - 1
            if abs(price - told) * MICRO > REPRICE_PPM * told or last:
                self._told_micro[asset] = price
                self._events.append(Repriced(ts_ms, asset, price))

    def _position(self, name: InstrumentId) -> Position:
        return self._books[self._terms.instruments[name].venue].positions.get(name, FLAT)

    def _adl_score(self, name: InstrumentId) -> float | None:
        """The venue's ranking score of our position; None without one or without a queue."""
        position, queue = self._position(name), self._tape.queues.get(name)
        if position.lots == 0 or queue is None:
            return None
        instrument = self._terms.instruments[name]
        equity = self.margin(instrument.venue).equity
        return ranking_score(queue, instrument, position, self._marks[name], equity)

    def _deleverage(self, closing: Deleveraging) -> None:
        """The venue closes our position at its mark, without a fee, if it has won and stands high
        enough in the queue."""
        name = closing.instrument
        score, position, mark = self._adl_score(name), self._position(name), self._marks[name]
        if score is None or position.lots * closing.side <= 0 or score < closing.score:
            return
        if self._terms.instruments[name].value(position.lots, mark) > position.cost:
            self._hand_over(name, -position.lots, mark, "deleveraging", closing.ts_ms)

    def _hand_over(
        self, name: InstrumentId, lots: int, ticks: int, reason: FillReason, ts_ms: int
    ) -> None:
        """Lots change hands at a mark, without fee, spread or impact."""
        label = f"{reason}:{self._terms.instruments[name].venue}"
        filled = Filled(ts_ms, name, lots, ticks, ticks, 0, 0, 0, label, reason)
        self._book_fill(self._terms.instruments[name], filled)

    def _fund(self, stamp: FundingStamp) -> None:
        instrument = self._terms.instruments[stamp.instrument]
        book = self._books[instrument.venue]
        position = book.positions.get(stamp.instrument)
        if position is None or stamp.ts_ms < self.now_ms:
            return
        ticks = self._marks[stamp.instrument]
        owed = instrument.value(position.lots, ticks) * stamp.rate_e12
        paid = ceil_div(-owed if instrument.inverse else owed, RATE_E12)
        book.pay(instrument.settle, -paid)
        self._events.append(
            FundingPaid(stamp.ts_ms, stamp.instrument, position.lots, ticks, stamp.rate_e12, paid)
        )

    def _deliver(self, price: DeliveryPrice) -> None:
        """What expires is paid out and gone; where nothing is left to be margin-called, an account
        below nothing is the venue's loss."""
        for venue, book in self._books.items():
            gone = due(book, price, self._terms)
            for instrument, delivered in gone:
                book.deliver(instrument, delivered)
                self._events.append(delivered)
            asset = self._terms.rule(venue, price.ts_ms).collateral
            left = book.balances.get(asset, 0)
            if gone and not book.positions and left < 0:
                self._events.append(LiquidationStarted(price.ts_ms, venue, left, 0))
                self._cover_deficit(venue, asset, price.ts_ms)

    def _accrue(self, ts_ms: int) -> None:
        for venue, rate in self._terms.idle_yield_annual.items():
            asset = self._terms.rule(venue, ts_ms).collateral
            balance = self._books[venue].cash(asset, self._terms.instruments)
            if quanta := accrued_yield(balance, rate, ts_ms - self._accrued_ms):
                self._books[venue].pay(asset, quanta)
                self._events.append(YieldAccrued(ts_ms, venue, asset, quanta))
        self._accrued_ms = ts_ms

    def _judge(self, step: int) -> None:
        """Margin at the step's adverse extremes, each position at its own."""
        for venue, book in self._books.items():
            if not book.positions:
                continue
            marks = dict(self._marks)
            for name, position in book.positions.items():
                track = self._tape.tracks[name]
                adverse = track.mark_low if position.lots > 0 else track.mark_high
                marks[name] = adverse[step]
            marks |= {name: self._tape.tracks[name].mark_high[step] for name in self._indices}
            rule = self._terms.rule(venue, self.now_ms)
            equity, maintenance = rule.health_at(counted(self._tape, venue, step, book), marks)
            self.extremes.append(Extreme(self.now_ms, venue, equity, maintenance))
            if equity < maintenance:
                self._events.append(LiquidationStarted(self.now_ms, venue, equity, maintenance))
                self._liquidate(venue, marks)

    def _liquidate(self, venue: str, marks: dict[InstrumentId, int]) -> None:
        book = self._books[venue]
        rule = self._terms.rule(venue, self.now_ms)
        judged = self._tape.step_at(self.now_ms)
        for attempt in range(LIQUIDATION_ATTEMPTS_MAX):
            account = counted(self._tape, venue, judged, book)
            step = rule.liquidation_step(account, marks, attempt)
            if step is None:
                return
            if step.takeover:
                self._take_over(venue, marks)
                return
            self._close(venue, step, marks)
            if not book.positions:
                self._cover_deficit(venue, rule.collateral, self.now_ms)
                return
        ensure(False, f"{venue}: liquidation did not end")

    def _close(self, venue: str, step: LiquidationStep, marks: dict[InstrumentId, int]) -> None:
        for name, lots in step.closes:
            instrument, mark = self._terms.instruments[name], marks[name]
            if mark < 1 and lots < 0:
                # Nobody bids for an option that is marked at nothing.
                self._hand_over(name, lots, 0, "liquidation", self.now_ms)
            else:
                self._fill(instrument, lots, max(1, mark), f"liquidation:{venue}", "liquidation")
            ppm = step.clearance_ppm.get(name, 0)
            penalty = ceil_div(fee_notional(instrument, lots, mark, marks) * ppm, MICRO)
            if penalty:
                self._books[venue].pay(instrument.settle, -penalty)
                self._events.append(
                    PenaltyCharged(self.now_ms, venue, instrument.settle, penalty, "clearance fee")
                )

    def _take_over(self, venue: str, marks: dict[InstrumentId, int]) -> None:
        """The liquidator vault takes the positions at the mark, and the margin with them."""
        book = self._books[venue]
        for name, position in list(book.positions.items()):
            self._hand_over(name, -position.lots, marks[name], "liquidation", self.now_ms)
        asset = self._terms.rule(venue, self.now_ms).collateral
        left = book.balances.get(asset, 0)
        if left > 0:
            book.pay(asset, -left)
            self._events.append(PenaltyCharged(self.now_ms, venue, asset, left, "margin forfeited"))
        self._cover_deficit(venue, asset, self.now_ms)

    def _cover_deficit(self, venue: str, asset: str, ts_ms: int) -> None:
        missing = -self._books[venue].balances.get(asset, 0)
        if missing > 0:
            self._books[venue].pay(asset, missing)
            self._events.append(DeficitCovered(ts_ms, venue, asset, missing))
