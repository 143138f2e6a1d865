# SPDX-License-Identifier: Apache-2.0
"""Whatever happens through an expiry, nothing is lost; and who holds no option sees no change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.option_market import (
    CALL,
    COIN_CALL,
    COIN_PUT,
    DEAR,
    EXPIRING,
    EXPIRY,
    INDEX,
    INSTRUMENTS,
    LATER,
    LEVELS,
    PERP,
    PUT,
    STEPS,
    VENUES,
    OptionDesk,
    desk,
    tape,
    terms,
)
from tests.simulation.run_small_market import digest
from tests.simulation.small_market import START, Prices
from tidegate.model.account import FLAT
from tidegate.model.events import Delivered, Event, Filled, Marked, OrderRefused
from tidegate.model.instruments import Instrument, Option
from tidegate.model.times import MINUTE_MS
from tidegate.simulation.tape import Tape

TRADED: tuple[Instrument, ...] = (*EXPIRING, LATER, PERP)
LOTS = st.one_of(st.integers(-60, 60), st.integers(-400, 400)).filter(bool)
MOVES = st.sampled_from([-30, -5, -1, 0, 0, 1, 5, 30])
JUMPS = st.sampled_from([0, 0, 0, 20, 300])


@st.composite
def paths(draw: st.DrawFn, name: str) -> Prices:
    """A walk in percent of a level, another move every five minutes; options may end at nothing."""
    level, least = LEVELS[name], int(not isinstance(INSTRUMENTS.get(name), Option))
    price, rows = level, ([], [], [], [])  # type: tuple[int, tuple[list[int], ...]]
    for _ in range(STEPS // 5):
        first = max(1, price)
        price = max(least, price + level * draw(MOVES) // 100)
        jump = level * draw(JUMPS) // 100
        bounds = max(first, price) + jump, max(least, min(first, price) - jump)
        for row, value in zip(rows, (first, *bounds, price), strict=True):
            row += [value] * 5
    return Prices(*(tuple(row) for row in rows), None, (1e7,) * STEPS)


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    moving = draw(st.sets(st.sampled_from(sorted(LEVELS)), min_size=2, max_size=5))
    delivery_ticks = draw(st.sampled_from([1, 300_000, 599_999, 600_000, 600_001, 900_000, 10**7]))
    prices = {name: draw(paths(name)) for name in sorted(moving)}
    return tape(prices, delivery_ticks)


class Trading(RuleBasedStateMachine):
    """Random orders and time across an expiry; the ledger hears the exchange's events alone."""

    @initialize(played=tapes())
    def open(self, played: Tape) -> None:
        self.desk: OptionDesk = desk(played, terms(DEAR))
        self.lots: Counter[str] = Counter()
        self.desk.deposit("dollars", 20_000)
        self.desk.deposit("coin", 1)

    def hear(self, events: list[Event]) -> None:
        self.desk.hear(events)
        for event in events:
            if isinstance(event, Filled):
                self.lots[event.instrument] += event.lots
            elif isinstance(event, Delivered):
                assert self.lots[event.instrument] == event.lots != 0
                assert event.ts_ms == EXPIRY
                self.lots[event.instrument] = 0

    @rule(instrument=st.sampled_from(TRADED), lots=LOTS)
    def trade(self, instrument: Instrument, lots: int) -> None:
        before = self.accounts()
        events = self.desk.trade(instrument, lots)
        for event in events:
            if isinstance(event, Filled):
                self.lots[event.instrument] += event.lots
        if isinstance(events[0], OrderRefused):
            assert self.accounts() == before
        gone = instrument in EXPIRING and self.desk.exchange.now_ms >= EXPIRY
        assert not gone or isinstance(events[0], OrderRefused)

    @precondition(lambda self: self.desk.exchange.now_ms < self.desk.exchange.end_ms)
    @rule(minutes=st.integers(5, 25), odd_ms=st.sampled_from([0, 1, 17_000]))
    def wait(self, minutes: int, odd_ms: int) -> None:
        exchange = self.desk.exchange
        until_ms = min(exchange.now_ms + minutes * MINUTE_MS + odd_ms, exchange.end_ms)
        self.hear(exchange.advance(until_ms))
        self.hear([Marked(until_ms, exchange.marks())])
        assert self.desk.ledger.equity_at(exchange.marks()) == self.desk.ledger.equity_micro

    def accounts(self) -> dict[str, object]:
        return {venue: self.desk.exchange.account(venue) for venue in VENUES}

    @invariant()
    def ledger_exchange_and_our_own_count_hold_the_same(self) -> None:
        portfolio, held = self.desk.ledger.portfolio(tuple(VENUES)), Counter[str]()
        for venue in VENUES:
            account, booked = self.desk.exchange.account(venue), portfolio.accounts[venue]
            assert booked.positions == account.positions
            assert filled(booked.balances) == filled(account.balances)
            held.update({name: position.lots for name, position in account.positions.items()})
        assert filled(held) == filled(self.lots)

    @invariant()
    def waterfall_is_the_equity_to_the_microdollar(self) -> None:
        assert sum(self.desk.ledger.waterfall.values()) == self.desk.ledger.equity_micro

    @invariant()
    def nothing_that_expired_is_held(self) -> None:
        if self.desk.exchange.now_ms >= EXPIRY:
            assert all(self.desk.ledger.position(i.id) == FLAT for i in EXPIRING)

    @invariant()
    def account_without_positions_owes_nothing(self) -> None:
        for venue, asset in VENUES.items():
            account = self.desk.exchange.account(venue)
            assert account.positions or account.balances.get(asset, 0) >= 0


def filled(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_events_of_a_market_without_options_are_those_of_before_there_were_any() -> None:
    # SHA-256 of the events of tests/simulation/run_small_market.py, taken before.
    assert digest(1) == ("c783473a82867057063addf13ae190c876967f40c24b7aad2036f59f5111f328", 85)


def test_listed_options_and_moving_indices_change_nothing_for_who_holds_none() -> None:
    wild = {
        name: Prices(*((level * 3, level // 3) * (STEPS // 2),) * 4, None, (1e7,) * STEPS)
        for name, level in LEVELS.items()
        if name in (CALL.id, PUT.id, COIN_CALL.id, COIN_PUT.id, INDEX.id)
    }
    heard = []
    for played in (tape(), tape(wild)):
        book = desk(played, terms(DEAR))
        book.deposit("dollars", 10_000)
        for step in range(1, STEPS):
            book.hear(book.exchange.advance(START + step * MINUTE_MS))
            book.trade(PERP, (-1) ** step * (step * 37 % 900))
        book.hear(book.exchange.advance(book.exchange.end_ms))
        events = [event for event in book.events if not isinstance(event, Marked)]
        heard.append((events, book.exchange.account("dollars"), book.exchange.extremes))
    assert heard[0] == heard[1]
    assert sum(isinstance(event, Filled) for event in heard[0][0]) > 20


def test_every_instrument_of_this_market_is_traded_by_the_machine() -> None:
    assert {i.id for i in TRADED} == {name for name in INSTRUMENTS if "wallet" not in name}
