# SPDX-License-Identifier: Apache-2.0
"""Deleveraging: winners of the named side above the score, whole, at the mark, without a fee."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import (
    BIN,
    CALM,
    COIN,
    DEAR,
    HYPER,
    PRICE,
    START,
    STEPS,
    Desk,
    Prices,
    desk,
    tape,
    terms,
)
from tidegate.model.account import Position
from tidegate.model.errors import InvariantError
from tidegate.model.events import Event, Filled, FundingPaid
from tidegate.model.instruments import Instrument
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Deleveraging, Freeze, FundingStamp, Queue, Tape

RANKING = {HYPER.id: "price_leverage", BIN.id: "profit_leverage"}
CLOSING_MS = START + 5 * MINUTE_MS + 30_000
QUANTILES = np.linspace(-0.5, 3.0, 40)
PERPS = st.sampled_from([HYPER, BIN])
LOTS = st.integers(-400, 400).filter(bool)
NEAR = st.sampled_from([-0.3, -0.01, -1e-9, 1e-9, 0.01, 0.3])


def queue(name: str, quantiles: np.ndarray = QUANTILES, hours: int = 1) -> dict[str, Queue]:
    return {name: Queue(RANKING[name], np.tile(quantiles, (hours, 2, 1)))}


def moved(ticks: int) -> Prices:
    """Calm, and a mark that moves inside the step before the closing."""
    row = (*(PRICE,) * 4, *(ticks,) * (STEPS - 4))
    return replace(CALM, close=row)


def closing_tape(
    instrument: Instrument, ticks: int, side: int, score: float, **more: object
) -> Tape:
    closings = (Deleveraging(CLOSING_MS, instrument.id, side, score),)
    more = {"queues": queue(instrument.id), "deleveragings": closings, **more}
    return tape({instrument.id: moved(ticks)}, **more)


def held(instrument: Instrument, lots: int, dollars: int, played: Tape) -> Desk:
    """A desk that has held a position from the first step to the step of the closing."""
    book = desk(played, terms(DEAR))
    book.deposit(instrument.venue, dollars)
    book.trade(instrument, lots)
    book.at_step(5)
    book.events.clear()
    return book


def closed(events: list[Event]) -> list[Filled]:
    return [e for e in events if isinstance(e, Filled) and e.reason == "deleveraging"]


def score_by_hand(book: Desk, instrument: Instrument, ticks: int) -> float:
    """The published formulas on the venue's own statement: 100 quanta a tick and lot."""
    account = book.exchange.account(instrument.venue)
    position = account.positions[instrument.id]
    worth = 100 * position.lots * ticks
    equity = account.balances[instrument.settle] + worth - position.cost
    leverage = abs(worth) / equity
    growth, side = worth / position.cost, 1 if position.lots > 0 else -1
    if RANKING[instrument.id] == "price_leverage":
        return growth**side * leverage
    profit = side * (growth - 1)
    return profit * leverage if profit > 0 else profit / leverage


@given(PERPS, LOTS, st.integers(500_000, 700_000), st.sampled_from([-1, 1]), NEAR)
def test_winner_of_the_named_side_above_the_score_is_closed_and_nobody_else(
    instrument: Instrument, lots: int, ticks: int, side: int, above: float
) -> None:
    probe = held(instrument, lots, 10_000, closing_tape(instrument, ticks, side, 99.0))
    score = score_by_hand(probe, instrument, ticks) + above
    book = held(instrument, lots, 10_000, closing_tape(instrument, ticks, side, score))
    account = book.exchange.account(instrument.venue)
    cost = account.positions[instrument.id].cost
    wins = 100 * lots * ticks > cost
    due = wins and lots * side > 0 and above <= 0
    events = book.at_step(6)
    if not due:
        assert events == []
        assert book.exchange.account(instrument.venue) == account
        return
    label = f"deleveraging:{instrument.venue}"
    fill = Filled(CLOSING_MS, instrument.id, -lots, ticks, ticks, 0, 0, 0, label, "deleveraging")
    assert events == [fill]
    after = book.exchange.account(instrument.venue)
    assert after.positions == {}
    profit = 100 * lots * ticks - cost
    before = account.balances[instrument.settle]
    assert after.balances == {instrument.settle: before + profit}


@given(PERPS, LOTS, st.integers(500_000, 700_000))
def test_deleveraging_at_the_mark_changes_no_equity(
    instrument: Instrument, lots: int, ticks: int
) -> None:
    """What it costs is what is not hedged any more, and not a fee."""
    side = 1 if lots > 0 else -1
    book = held(instrument, lots, 10_000, closing_tape(instrument, ticks, side, -99.0))
    equity = book.exchange.margin(instrument.venue).equity
    fees = book.ledger.waterfall["fees"]
    book.at_step(6)
    assert book.exchange.margin(instrument.venue).equity == equity
    assert book.ledger.waterfall["fees"] == fees
    booked = book.ledger.portfolio((instrument.venue,)).accounts[instrument.venue]
    assert booked == book.exchange.account(instrument.venue)


@given(PERPS, LOTS, st.integers(500_000, 700_000), st.integers(0, 39))
def test_place_in_the_queue_says_who_is_closed(
    instrument: Instrument, lots: int, ticks: int, reached: int
) -> None:
    """A closing down to a quantile reaches those whose place is at that quantile or above."""
    side, score = (1 if lots > 0 else -1), float(QUANTILES[reached])
    book = held(instrument, lots, 10_000, closing_tape(instrument, ticks, side, score))
    place = book.exchange.adl_rank(instrument.id)
    position = book.exchange.account(instrument.venue).positions[instrument.id]
    assert place is not None
    wins = 100 * lots * ticks > position.cost
    assert bool(closed(book.at_step(6))) == (wins and place >= (reached + 1) / 40)


@given(PERPS, LOTS, st.lists(st.integers(500_000, 700_000), min_size=2, max_size=2))
def test_place_never_falls_with_profit(instrument: Instrument, lots: int, marks: list[int]) -> None:
    side = 1 if lots > 0 else -1
    less, more = sorted(marks, key=lambda ticks: side * ticks)
    # Equity grows with profit, and so leverage falls; in a large account hardly at all.
    dollars = 100_000_000 if instrument is HYPER else 10_000
    places = []
    for ticks in (less, more):
        played = closing_tape(instrument, ticks, side, 99.0)
        places.append(held(instrument, lots, dollars, played).exchange.adl_rank(instrument.id))
    assert places[0] <= places[1]


@given(
    PERPS,
    LOTS,
    st.integers(500_000, 700_000),
    st.lists(st.integers(10_000, 200_000), min_size=2, max_size=2),
)
def test_place_of_a_winner_never_falls_with_leverage(
    instrument: Instrument, lots: int, ticks: int, deposits: list[int]
) -> None:
    side = 1 if lots > 0 else -1
    places = []
    for dollars in sorted(deposits, reverse=True):
        book = held(instrument, lots, dollars, closing_tape(instrument, ticks, side, 99.0))
        if instrument is BIN and 100 * lots * ticks <= book.ledger.position(BIN.id).cost:
            return
        places.append(book.exchange.adl_rank(instrument.id))
    assert places[0] <= places[1]


def test_places_are_counted_on_our_own_side_and_in_the_present_hour() -> None:
    """Two hours of two quantiles each: shorts stand among low scores, later longs as well."""
    hours = 3
    low, high = [0.0, 0.1], [98.0, 99.0]
    scores = np.array([[high, low], [[0.0, 98.0], low], [low, low]])
    count = hours * 60
    calm = Prices(*((PRICE,) * count,) * 4, volume_day_usd=(2e9,) * count)
    prices = dict.fromkeys(terms().instruments, calm)
    played = tape(prices, queues={HYPER.id: Queue("price_leverage", scores)})
    for lots, expected in ((100, [0.0, 0.5, 1.0, 1.0]), (-100, [1.0, 1.0, 1.0, 1.0])):
        book = desk(played)
        book.deposit("hyper", 6_000)
        assert book.exchange.adl_rank(HYPER.id) is None
        book.trade(HYPER, lots)
        found = []
        for hour in range(hours):
            book.hear(book.exchange.advance(START + hour * HOUR_MS))
            found.append(book.exchange.adl_rank(HYPER.id))
        book.hear(book.exchange.advance(START + hours * HOUR_MS))
        assert [*found, book.exchange.adl_rank(HYPER.id)] == expected


def test_place_is_unknown_where_nothing_is_held_or_no_queue_is_shown() -> None:
    book = desk(tape(queues=queue(HYPER.id)))
    for venue in ("hyper", "bin", "wallet"):
        book.deposit(venue, 6_000)
    assert book.exchange.adl_rank(HYPER.id) is None
    for instrument in (BIN, COIN):
        book.trade(instrument, 10)
        assert book.exchange.adl_rank(instrument.id) is None


def test_loser_is_never_closed_however_far_in_front_it_stands() -> None:
    """Where price ranks, a levered loser scores above a winner; only winners are closed."""
    book = held(HYPER, 100, 600, closing_tape(HYPER, PRICE - 100, 1, 0.0))
    assert book.exchange.adl_rank(HYPER.id) > 0.5
    assert book.at_step(STEPS) == []


def test_funding_at_the_moment_of_a_closing_is_still_paid_and_later_funding_is_not() -> None:
    stamps = [FundingStamp(ts_ms, HYPER.id, 10**8) for ts_ms in (CLOSING_MS, CLOSING_MS + 1)]
    played = replace(closing_tape(HYPER, 610_000, 1, 0.0), funding=tuple(stamps))
    events = held(HYPER, 100, 6_000, played).at_step(STEPS)
    assert [type(event) for event in events] == [FundingPaid, Filled]


def test_closing_goes_on_in_an_outage() -> None:
    outage = Freeze("hyper", START + 4 * MINUTE_MS, START + 9 * MINUTE_MS)
    book = held(HYPER, 100, 6_000, closing_tape(HYPER, 610_000, 1, 0.0, outages=(outage,)))
    assert len(closed(book.at_step(STEPS))) == 1


@given(st.lists(st.integers(1, STEPS * MINUTE_MS - 1), max_size=5))
def test_closings_are_the_same_however_the_time_is_cut(cuts: list[int]) -> None:
    instants = [START + 7 * MINUTE_MS + k * 25_000 for k in range(10)]
    closings = tuple(Deleveraging(at, HYPER.id, 1, 0.5 * k) for k, at in enumerate(instants))
    rising = replace(CALM, close=tuple(PRICE + 900 * step for step in range(STEPS)))
    played = tape({HYPER.id: rising}, queues=queue(HYPER.id), deleveragings=closings)
    whole, cut = desk(played), desk(played)
    for book in (whole, cut):
        book.deposit("hyper", 6_000)
        book.trade(HYPER, 100)
    whole.at_step(STEPS)
    for offset_ms in sorted(cuts):
        cut.hear(cut.exchange.advance(START + offset_ms))
    cut.at_step(STEPS)
    assert cut.events == whole.events
    (fill,) = closed(whole.events)
    assert fill.ticks == PRICE + 900 * ((fill.ts_ms - START) // MINUTE_MS - 1)
    assert whole.exchange.account("hyper").positions == {}


def test_position_taken_again_can_be_closed_again() -> None:
    closings = tuple(
        Deleveraging(START + minute * MINUTE_MS, HYPER.id, -1, 0.0) for minute in (5, 7)
    )
    falling = replace(CALM, close=tuple(PRICE - 900 * step for step in range(STEPS)))
    book = desk(tape({HYPER.id: falling}, queues=queue(HYPER.id), deleveragings=closings))
    book.deposit("hyper", 6_000)
    for step in (0, 5):
        book.at_step(step)
        before = dict(book.exchange.account("hyper").positions)
        book.trade(HYPER, -100)
        assert not before
    book.at_step(STEPS)
    assert [fill.lots for fill in closed(book.events)] == [100, 100]


def test_closings_that_are_not_in_time_order_are_refused() -> None:
    late, early = (Deleveraging(START + k, HYPER.id, 1, 0.0) for k in (2, 1))
    with pytest.raises(InvariantError, match="deleveragings are not in time order"):
        tape(deleveragings=(late, early))


def test_whole_of_a_position_is_closed_though_others_of_the_account_stay() -> None:
    played = closing_tape(HYPER, 610_000, 1, 0.0)
    book = desk(played)
    book.deposit("hyper", 60_000)
    book.trade(HYPER, 100)
    other = next(i for i in terms().instruments.values() if i.id == "hyper:BTC2")
    book.trade(other, -100)
    book.at_step(STEPS)
    account = book.exchange.account("hyper")
    assert account.positions == {other.id: Position(-100, -100 * 60 * MICRO)}
    # A thousand dollars on a tenth of a coin.
    assert account.balances == {"USDC": 60_000 * MICRO + 100 * MICRO}
