# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, nothing is lost: the ledger and the exchange agree after every event."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.small_market import (
    BIN,
    COIN,
    DEAR,
    HYPER,
    HYPER_B,
    INSTRUMENTS,
    PASSAGES,
    PRICE,
    START,
    STEPS,
    VENUES,
    Prices,
    tape,
    terms,
)
from tidegate.ledger.book import Ledger, Posting
from tidegate.model.account import FLAT, Account
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event, Filled, Marked, OrderRefused, Repriced
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Deleveraging, Failure, Freeze, FundingStamp, Queue, Tape

TRADED = (HYPER, HYPER_B, BIN, COIN)
PERPS = [i.id for i in (HYPER, HYPER_B, BIN)]
INSTANTS = st.integers(START, START + STEPS * MINUTE_MS)
SPREADS = st.sampled_from([0.0, 0.0002, 0.01, 0.2])
QUEUE = np.tile(np.linspace(-1.0, 5.0, 7), (1, 2, 1))
QUEUES = {
    name: Queue(ranking, QUEUE)
    for name, ranking in zip(
        PERPS, ("price_leverage", "price_leverage", "profit_leverage"), strict=True
    )
}
MANDATE_MICRO = {"USDC": MICRO, "USDT": 999_700}
OFFSETS = st.integers(1, 10 * MINUTE_MS)
LOTS = st.one_of(st.integers(-300, 300), st.integers(-5_000, 5_000))
RARELY = st.sampled_from([False, False, False, True])


@st.composite
def paths(draw: st.DrawFn) -> Prices:
    """A walk in which every step has its own range."""
    price, columns = PRICE, ([], [], [], [])  # type: tuple[list[int], ...]
    for _ in range(STEPS):
        first = max(2, price + draw(st.integers(-15_000, 15_000)))
        last = max(2, first + draw(st.integers(-15_000, 15_000)))
        high = max(first, last) + draw(st.sampled_from([0, 1, 2_000, 60_000]))
        low = max(1, min(first, last) - draw(st.sampled_from([0, 1, 2_000, 60_000])))
        for column, value in zip(columns, (first, high, low, last), strict=True):
            column.append(value)
        price = last
    shown = draw(st.none() | st.lists(SPREADS, min_size=STEPS, max_size=STEPS))
    depth = draw(st.lists(st.sampled_from([2e9, 1e7]), min_size=STEPS, max_size=STEPS))
    return Prices(*(tuple(column) for column in columns), shown, depth)


@st.composite
def coins(draw: st.DrawFn) -> dict[str, list[int]]:
    """What dollar coins are worth, sometimes unsaid; from calm to a lost peg."""
    stable = {}
    for asset, worth in MANDATE_MICRO.items():
        stable[asset] = []
        for _ in range(STEPS + 1):
            worth = max(1, worth + draw(st.sampled_from([0, 0, 1, 700, -900, -150_000, 90_001])))
            stable[asset].append(worth)
    return draw(st.sampled_from([stable, stable, stable, {}]))


def spans(draw: st.DrawFn) -> tuple[Freeze, ...]:
    begun = draw(INSTANTS)
    return (Freeze(draw(st.sampled_from(sorted(VENUES))), begun, begun + 7 * MINUTE_MS),)


def failures() -> st.SearchStrategy[Failure]:
    held = st.sampled_from([0, 4 * MINUTE_MS, STEPS * MINUTE_MS])
    return st.builds(Failure, INSTANTS, st.sampled_from(sorted(VENUES)), held)


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    names, rates = st.sampled_from(PERPS), st.integers(-(10**10), 10**10)
    stamps = draw(
        st.lists(st.builds(FundingStamp, INSTANTS, names, rates), min_size=6, max_size=20)
    )
    side, score = st.sampled_from([-1, 1]), st.sampled_from([-1.0, 0.0, 0.3, 2.0])
    closings = draw(
        st.lists(st.builds(Deleveraging, INSTANTS, names, side, score), min_size=6, max_size=20)
    )
    moving = {instrument.id: draw(paths()) for instrument in TRADED}
    return replace(
        tape(moving, sorted(stamps), spans(draw)),
        outages=spans(draw),
        deleveragings=tuple(sorted(closings)),
        failures=draw(st.sampled_from([(), (draw(failures()),)])),
        queues=QUEUES,
        stable_micro=draw(coins()),
    )


def marks_at(played: Tape, ts_ms: int) -> dict[str, int]:
    """Marks of the last step that has ended; before that the first prices."""
    ended = (ts_ms - START) // MINUTE_MS
    return {
        name: track.mark_close[ended - 1] if ended else track.open[0]
        for name, track in played.tracks.items()
    }


class Trading(RuleBasedStateMachine):
    """Random orders, transfers and time; the ledger hears the exchange's events alone."""

    @initialize(played=tapes(), seed=st.integers(0, 9))
    def open(self, played: Tape, seed: int) -> None:
        charged = terms(DEAR, {"hyper": Fraction(1, 20), "bin": Fraction(-1, 50)})
        self.played = played
        self.exchange = Exchange(played, charged, seed)
        self.ledger = Ledger(INSTRUMENTS, MANDATE_MICRO, {"BTC": COIN.id})
        self.clock: list[int] = []
        self.names = 0
        for venue, asset in VENUES.items():
            self.hear(self.exchange.deposit(venue, asset, 20_000 * MICRO + 7))

    def hear(self, events: list[Event]) -> None:
        for event in events:
            before = self.ledger.equity_micro
            if isinstance(event, Filled) and event.reason == "deleveraging":
                self.check_closing(event)
            postings = self.ledger.post(event)
            if isinstance(event, Repriced):
                assert all(posting.quanta == 0 for posting in postings)
                assert {posting.cause for posting in postings} <= {f"stable:{event.asset}"}
            self.clock.append(event.ts_ms)
            check_balanced(postings)
            own = sum(p.value_micro for p in postings if p.account.startswith("own/"))
            assert self.ledger.equity_micro - before == own

    def check_closing(self, fill: Filled) -> None:
        """A winner of a side that the venue named then, whole, at the mark, for nothing."""
        position = self.ledger.position(fill.instrument)
        instrument = INSTRUMENTS[fill.instrument]
        assert fill.lots == -position.lots != 0
        assert fill.ticks == fill.mid_ticks == marks_at(self.played, fill.ts_ms)[fill.instrument]
        assert (fill.fee_quanta, fill.spread_quanta, fill.impact_quanta) == (0, 0, 0)
        assert instrument.value(position.lots, fill.ticks) > position.cost
        named = [
            closing.side
            for closing in self.played.deleveragings
            if (closing.ts_ms, closing.instrument) == (fill.ts_ms, fill.instrument)
        ]
        assert (1 if position.lots > 0 else -1) in named

    def name(self) -> str:
        self.names += 1
        return f"n{self.names:03d}"

    @rule(instrument=st.sampled_from(TRADED), lots=LOTS, only=RARELY)
    def trade(self, instrument: object, lots: int, only: bool) -> None:
        before = self.accounts()
        order = Order(self.name(), instrument.id, lots, only, "test")  # type: ignore[attr-defined]
        events = self.exchange.trade(order)
        self.hear(events)
        out = instrument.venue in self.exchange.out_venues()  # type: ignore[attr-defined]
        assert not (out and isinstance(events[0], Filled))
        if isinstance(events[0], OrderRefused):
            assert self.accounts() == before
            shut = events[0].reason in ("venue is out", "venue is gone")
            assert shut == (out and lots != 0)

    @rule(ends=st.sampled_from(sorted(PASSAGES)), quanta=st.integers(5 * MICRO, 30_000 * MICRO))
    def send(self, ends: tuple[str, str], quanta: int) -> None:
        before = self.accounts()
        source, destination = ends
        transfer = Transfer(self.name(), source, destination, VENUES[source], quanta, "test")
        events = self.exchange.send(transfer)
        self.hear(events)
        if type(events[0]).__name__ == "TransferRefused":
            assert self.accounts() == before

    @precondition(lambda self: self.exchange.now_ms < self.exchange.end_ms)
    @rule(elapsed_ms=OFFSETS)
    def wait(self, elapsed_ms: int) -> None:
        until_ms = min(self.exchange.now_ms + elapsed_ms, self.exchange.end_ms)
        self.hear(self.exchange.advance(until_ms))
        marks = self.exchange.marks()
        assert marks == marks_at(self.played, until_ms)
        self.hear([Marked(until_ms, marks)])
        assert self.ledger.equity_at(marks) == self.ledger.equity_micro

    def accounts(self) -> dict[str, Account]:
        return {venue: self.exchange.account(venue) for venue in VENUES}

    @invariant()
    def ledger_and_exchange_hold_the_same(self) -> None:
        portfolio = self.ledger.portfolio(tuple(VENUES))
        for venue, account in self.accounts().items():
            booked = portfolio.accounts[venue]
            assert filled(booked.balances) == filled(account.balances)
            assert booked.positions == account.positions
        flying = Counter((p.transfer.id, p.quanta) for p in self.exchange._parcels)
        assert flying == Counter((s.id, s.quanta) for s in portfolio.shipments)

    @invariant()
    def waterfall_is_the_equity_to_the_microdollar(self) -> None:
        assert sum(self.ledger.waterfall.values()) == self.ledger.equity_micro

    @invariant()
    def place_in_the_queue_is_known_where_something_is_held(self) -> None:
        for name in PERPS:
            rank = self.exchange.adl_rank(name)
            assert (rank is None) == (self.ledger.position(name) == FLAT)
            assert rank is None or 0.0 <= rank <= 1.0

    @invariant()
    def time_never_runs_back(self) -> None:
        assert all(before <= after for before, after in pairwise(self.clock))
        assert not self.clock or self.clock[-1] <= self.exchange.now_ms

    @invariant()
    def nothing_is_borrowed_in_the_wallet(self) -> None:
        assert min(self.exchange.account("wallet").balances.values(), default=0) >= 0

    @invariant()
    def venue_that_is_gone_holds_nothing_and_nothing_is_under_way_to_it(self) -> None:
        for failure in self.played.failures:
            gone = failure.venue in self.ledger.failed
            assert gone == (failure.ts_ms <= self.exchange.now_ms and self.exchange.now_ms > START)
            if gone:
                assert self.exchange.account(failure.venue) == Account(failure.venue, {}, {})
                assert failure.venue in self.exchange.frozen_venues()
                to = {s.destination for s in self.ledger.shipments.values()}
                assert failure.venue not in to


def filled(balances: object) -> dict[str, int]:
    return {asset: quanta for asset, quanta in balances.items() if quanta}  # type: ignore[attr-defined]


def check_balanced(postings: tuple[Posting, ...]) -> None:
    """Quanta sum to zero per asset; values sum to zero where nothing was converted."""
    totals: Counter[str] = Counter()
    for posting in postings:
        totals[posting.asset] += posting.quanta
    assert not any(totals.values()), totals


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
