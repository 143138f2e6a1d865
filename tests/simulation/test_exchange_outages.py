# SPDX-License-Identifier: Apache-2.0
"""What the moment adds to an order: outages, the spread shown and the depth shown."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

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
    Prices,
    desk,
    tape,
    terms,
)
from tidegate.costs.trading import TradingCosts
from tidegate.model.errors import InvariantError
from tidegate.model.events import Event, Filled, OrderRefused, TransferSent
from tidegate.model.instruments import Instrument
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Freeze

VENUES = ("hyper", "bin", "wallet")
SPREADS = st.floats(0.0, 0.05)
OUTAGE = Freeze("hyper", START + 4 * MINUTE_MS, START + 9 * MINUTE_MS)


def reason_of(events: list[Event]) -> str:
    (event,) = events
    return event.reason if isinstance(event, OrderRefused) else ""


def fill(events: list[Event]) -> Filled:
    (event,) = events
    assert isinstance(event, Filled)
    return event


@pytest.mark.parametrize("instrument", [HYPER, BIN, COIN])
@pytest.mark.parametrize(("lots", "only"), [(1, False), (-1, False), (-1, True)])
def test_order_is_refused_from_the_first_instant_of_an_outage_and_taken_at_its_end(
    instrument: Instrument, lots: int, only: bool
) -> None:
    outage = replace(OUTAGE, venue=instrument.venue)
    book = desk(tape(outages=(outage,)))
    book.deposit(instrument.venue, 10_000)
    book.trade(instrument, 50)
    refused = []
    for at_ms in (outage.start_ms - 1, outage.start_ms, outage.end_ms - 1, outage.end_ms):
        book.hear(book.exchange.advance(at_ms))
        before = book.exchange.account(instrument.venue)
        refused.append(reason_of(book.trade(instrument, lots, reduce_only=only)))
        assert book.exchange.out_venues() == ((instrument.venue,) if refused[-1] else ())
        assert (book.exchange.account(instrument.venue) == before) == bool(refused[-1])
    assert refused == ["", "venue is out", "venue is out", ""]


def test_outage_stops_trading_at_its_own_venue_alone_and_money_not_at_all() -> None:
    book = desk(tape(outages=(OUTAGE,)))
    for venue in VENUES:
        book.deposit(venue, 10_000)
    book.at_step(5)
    assert [reason_of(book.trade(i, 1)) for i in (HYPER, BIN, COIN)] == ["venue is out", "", ""]
    assert isinstance(book.send("hyper", "bin", 50 * MICRO)[0], TransferSent)


def test_liquidations_go_on_in_an_outage_as_without_it() -> None:
    played = tape({HYPER.id: CALM.dip(6, low=556_500)})
    heard = []
    for outages in ((), (OUTAGE,)):
        book = desk(replace(played, outages=outages), terms(DEAR))
        book.deposit("hyper", 500)
        book.trade(HYPER, 100)
        heard.append(book.at_step(STEPS))
    assert heard[0] == heard[1]
    assert [e.reason for e in heard[1] if isinstance(e, Filled)] == ["liquidation"]


@given(
    st.sampled_from([HYPER, BIN, COIN]),
    st.integers(1, 400),
    st.sampled_from([-1, 1]),
    SPREADS,
    st.one_of(st.none(), SPREADS),
)
def test_fill_is_away_from_the_middle_by_the_spread_shown_to_the_tick(
    instrument: Instrument, size: int, side: int, stated: float, shown: float | None
) -> None:
    seen = None if shown is None else (0.9, shown, *(0.9,) * (STEPS - 2))
    quiet = replace(CALM, half_spread=seen)
    book = desk(tape({instrument.id: quiet}), terms(TradingCosts(0, stated, 0.0)))
    book.deposit(instrument.venue, 1_000_000)
    if instrument is COIN:
        book.exchange.deposit("wallet", "BTC", 10**9)
    book.at_step(1)
    filled = fill(book.trade(instrument, side * size))
    expected = ceil(PRICE * (stated if shown is None else shown))
    assert side * (filled.ticks - PRICE) == expected
    assert filled.spread_quanta == expected * size * 100


@given(st.integers(1, 5_000), st.sampled_from([-1, 1]), st.lists(SPREADS, min_size=2, max_size=2))
def test_wider_spread_costs_more_by_the_ticks_that_it_is_wider(
    size: int, side: int, spreads: list[float]
) -> None:
    equity, away = [], []
    for spread in sorted(spreads):
        shown = replace(CALM, half_spread=(spread,) * STEPS)
        book = desk(tape({HYPER.id: shown}), terms(TradingCosts(0, 0.01, 1.0)))
        book.deposit("hyper", 1_000_000)
        book.trade(HYPER, side * size)
        equity.append(book.exchange.margin("hyper").equity)
        away.append(ceil(PRICE * spread))
    assert equity[0] - equity[1] == (away[1] - away[0]) * size * 100


def test_liquidation_pays_the_spread_of_its_moment() -> None:
    shown = (0.0,) * 6 + (0.004,) + (0.0,) * (STEPS - 7)
    wide = replace(CALM.dip(6, low=556_500), half_spread=shown)
    book = desk(tape({HYPER.id: wide}))
    book.deposit("hyper", 500)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    *_, sold = (event for event in book.events if isinstance(event, Filled))
    assert sold.reason == "liquidation"
    assert 556_500 - sold.ticks == 556_500 * 4 // 1_000


def test_thinner_book_of_the_moment_costs_more_impact_by_the_square_root_law() -> None:
    """A quarter of the depth doubles the impact of the same order."""
    volume = (2e9, 5e8, *(2e9,) * (STEPS - 2))
    book = desk(
        tape({HYPER.id: replace(CALM, volume_day_usd=volume)}),
        terms(TradingCosts(0, 0.0, 1.0)),
    )
    book.deposit("hyper", 10_000_000)
    away = []
    for step in (0, 1, 2):
        book.at_step(step)
        away.append(fill(book.trade(HYPER, 20_000)).ticks - PRICE)
    assert away[0] == away[2] > 100
    assert abs(away[1] - 2 * away[0]) <= 2


def test_track_whose_spread_does_not_cover_the_tape_is_refused() -> None:
    short = Prices(half_spread=(0.0,) * (STEPS - 1))
    with pytest.raises(InvariantError, match="track does not cover the tape"):
        tape({HYPER.id: short})
