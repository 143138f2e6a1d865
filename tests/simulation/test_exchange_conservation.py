# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, nothing is lost: the ledger and the exchange agree after every event."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

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
from tidegate.model.account import Account
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event, Marked
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Freeze, FundingStamp, Tape

TRADED = (HYPER, HYPER_B, BIN, COIN)
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
    return Prices(*(tuple(column) for column in columns))


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    instants = st.integers(START, START + STEPS * MINUTE_MS)
    stamps = draw(
        st.lists(
            st.builds(
                FundingStamp,
                instants,
                st.sampled_from([i.id for i in (HYPER, HYPER_B, BIN)]),
                st.integers(-(10**10), 10**10),
            ),
            min_size=6,
            max_size=20,
        )
    )
    begun = draw(instants)
    freeze = Freeze(draw(st.sampled_from(sorted(VENUES))), begun, begun + 7 * MINUTE_MS)
    moving = {instrument.id: draw(paths()) for instrument in TRADED}
    return tape(moving, sorted(stamps), (freeze,))


class Trading(RuleBasedStateMachine):
    """Random orders, transfers and time; the ledger hears the exchange's events alone."""

    @initialize(played=tapes(), seed=st.integers(0, 9))
    def open(self, played: Tape, seed: int) -> None:
        charged = terms(DEAR, {"hyper": Fraction(1, 20), "bin": Fraction(-1, 50)})
        self.exchange = Exchange(played, charged, seed)
        self.ledger = Ledger(INSTRUMENTS, {"USDC": MICRO, "USDT": 999_700}, {"BTC": COIN.id})
        self.clock: list[int] = []
        self.names = 0
        for venue, asset in VENUES.items():
            self.hear(self.exchange.deposit(venue, asset, 20_000 * MICRO + 7))

    def hear(self, events: list[Event]) -> None:
        for event in events:
            before = self.ledger.equity_micro
            postings = self.ledger.post(event)
            self.clock.append(event.ts_ms)
            check_balanced(postings)
            own = sum(p.value_micro for p in postings if p.account.startswith("own/"))
            assert self.ledger.equity_micro - before == own

    def name(self) -> str:
        self.names += 1
        return f"n{self.names:03d}"

    @rule(instrument=st.sampled_from(TRADED), lots=LOTS, only=RARELY)
    def trade(self, instrument: object, lots: int, only: bool) -> None:
        before = self.accounts()
        order = Order(self.name(), instrument.id, lots, only, "test")  # type: ignore[attr-defined]
        events = self.exchange.trade(order)
        self.hear(events)
        if type(events[0]).__name__ == "OrderRefused":
            assert self.accounts() == before

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
        self.hear([Marked(until_ms, self.exchange.marks())])

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
    def time_never_runs_back(self) -> None:
        assert all(before <= after for before, after in pairwise(self.clock))
        assert not self.clock or self.clock[-1] <= self.exchange.now_ms

    @invariant()
    def nothing_is_borrowed_in_the_wallet(self) -> None:
        assert min(self.exchange.account("wallet").balances.values()) >= 0


def filled(balances: object) -> dict[str, int]:
    return {asset: quanta for asset, quanta in balances.items() if quanta}  # type: ignore[attr-defined]


def check_balanced(postings: tuple[Posting, ...]) -> None:
    """Quanta sum to zero per asset; values sum to zero where nothing was converted."""
    totals: Counter[str] = Counter()
    for posting in postings:
        totals[posting.asset] += posting.quanta
    assert not any(totals.values()), totals


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
