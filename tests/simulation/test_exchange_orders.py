# SPDX-License-Identifier: Apache-2.0
"""Orders: what is refused and moves nothing, and what a fill costs however it is sliced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import (
    BIN,
    CALM,
    COIN,
    DEAR,
    HYPER,
    LOT_QUANTA,
    PRICE,
    STEPS,
    Desk,
    Prices,
    desk,
    tape,
    terms,
)
from tidegate.model.account import Position
from tidegate.model.errors import InvariantError
from tidegate.model.events import Event, Filled, OrderRefused
from tidegate.model.instruments import Instrument
from tidegate.model.units import MICRO


def refusal(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, OrderRefused)
    return event.reason


def fill(events: list[Event]) -> Filled:
    (event,) = events
    assert isinstance(event, Filled)
    return event


@pytest.mark.parametrize(
    ("instrument", "lots", "reduce_only", "reason"),
    [
        (HYPER, 0, False, "no lots"),
        (HYPER, 4_000, False, "initial margin"),
        (HYPER, -4_000, False, "initial margin"),
        (HYPER, 5, True, "reduce only"),
        (HYPER, -11, True, "reduce only"),
        (COIN, 10_000, False, "insufficient balance"),
        (COIN, -1, False, "insufficient coin"),
        (COIN, 1, True, "reduce only"),
    ],
)
def test_order_that_may_not_trade_is_refused_with_its_reason_and_nothing_moves(
    instrument: Instrument, lots: int, reduce_only: bool, reason: str
) -> None:
    book = desk()
    for venue in ("hyper", "wallet"):
        book.deposit(venue, 10_000)
    book.trade(HYPER, 10)
    before = [book.exchange.account(venue) for venue in ("hyper", "bin", "wallet")]
    assert refusal(book.trade(instrument, lots, reduce_only=reduce_only)) == reason
    assert before == [book.exchange.account(venue) for venue in ("hyper", "bin", "wallet")]


@pytest.mark.parametrize("instrument", [HYPER, BIN])
def test_initial_margin_admits_the_last_lot_that_it_covers_and_not_one_more(
    instrument: Instrument,
) -> None:
    # 600 dollars at 20x carry 12,000 dollars: 200 lots of 60 dollars.
    book = desk()
    book.deposit(instrument.venue, 600)
    assert refusal(book.trade(instrument, 201)) == "initial margin"
    assert fill(book.trade(instrument, 200)).lots == 200
    assert refusal(book.trade(instrument, 1)) == "initial margin"
    assert fill(book.trade(instrument, -400)).lots == -400


def test_reducing_is_never_refused_even_without_margin() -> None:
    fallen = replace(CALM, close=(550_000,) * STEPS)
    book = desk(tape({HYPER.id: fallen}))
    book.deposit("hyper", 600)
    book.trade(HYPER, 100)
    book.at_step(1)
    assert book.exchange.margin("hyper").equity < book.exchange.margin("hyper").initial
    assert refusal(book.trade(HYPER, 1)) == "initial margin"
    assert fill(book.trade(HYPER, -60, reduce_only=True)).lots == -60
    assert fill(book.trade(HYPER, -40, reduce_only=True)).lots == -40
    assert not book.exchange.account("hyper").positions


def test_spot_order_is_refused_where_the_price_has_left_the_mark_and_nothing_is_borrowed() -> None:
    # The mark stands at 60,000 while the market opens 5 % higher: 1,000 dollars buy 15 lots.
    risen = replace(CALM, open=(PRICE, *(630_000,) * (STEPS - 1)))
    book = desk(tape({COIN.id: risen}))
    book.deposit("wallet", 1_000)
    book.at_step(1)
    assert refusal(book.trade(COIN, 16)) == "insufficient balance"
    fill(book.trade(COIN, 15))
    assert book.exchange.account("wallet").balances["USDC"] == 55 * MICRO


@given(st.lists(st.integers(-40, 60), min_size=1, max_size=8))
def test_spot_wallet_is_never_below_zero_in_dollars_or_coin(orders: list[int]) -> None:
    jumpy = Prices(open=tuple(PRICE + (step % 3) * 90_000 for step in range(STEPS)))
    book = desk(tape({COIN.id: jumpy}), terms(DEAR))
    book.deposit("wallet", 3_000)
    for step, lots in enumerate(orders, start=1):
        book.at_step(step)
        book.trade(COIN, lots)
        assert min(book.exchange.account("wallet").balances.values()) >= 0


def test_order_fills_at_the_first_price_of_the_step_that_begins_there() -> None:
    rising = Prices(open=tuple(PRICE + step for step in range(STEPS)))
    book = desk(tape({HYPER.id: rising}))
    book.deposit("hyper", 600)
    for step in (0, 3, 7):
        book.at_step(step)
        assert fill(book.trade(HYPER, 1)).ticks == PRICE + step


def test_fill_is_worse_than_the_middle_by_spread_and_impact_on_both_sides() -> None:
    book = desk(charged=terms(DEAR))
    book.deposit("hyper", 1_000_000)
    for lots in (5_000, -5_000):
        filled = fill(book.trade(HYPER, lots))
        side = 1 if lots > 0 else -1
        assert side * (filled.ticks - PRICE) >= 120 + 1
        assert filled.spread_quanta == 120 * 5_000 * 100
        away = abs(filled.ticks - PRICE) * 5_000 * 100
        assert filled.spread_quanta + filled.impact_quanta == away
        assert filled.fee_quanta == -(-HYPER.notional(lots, filled.ticks) * 450 // MICRO)


def paid(book: Desk) -> tuple[int, int]:
    fills = [event for event in book.events if isinstance(event, Filled)]
    cost = sum(f.spread_quanta + f.impact_quanta for f in fills)
    return cost, len(fills)


@given(st.lists(st.integers(1, 20_000), min_size=2, max_size=8), st.sampled_from([-1, 1]))
def test_order_cut_into_slices_within_one_step_costs_what_the_whole_costs(
    slices: list[int], side: int
) -> None:
    whole, cut = desk(charged=terms(DEAR)), desk(charged=terms(DEAR))
    for book in (whole, cut):
        book.deposit("hyper", 10**9)
        book.trade(HYPER, -side * 3_000)
    whole.trade(HYPER, side * sum(slices))
    for lots in slices:
        cut.trade(HYPER, side * lots)
    (one, _), (many, count) = paid(whole), paid(cut)
    assert count == len(slices) + 1
    # Each fill is rounded up to a tick, of spread and of impact.
    assert abs(many - one) <= 2 * (sum(slices) + 3_000) * 100 + count


def test_pressure_is_forgotten_in_the_next_step() -> None:
    book = desk(charged=terms(DEAR))
    book.deposit("hyper", 10**9)
    first = fill(book.trade(HYPER, 20_000))
    second = fill(book.trade(HYPER, 20_000))
    book.at_step(1)
    third = fill(book.trade(HYPER, 20_000))
    assert second.impact_quanta > first.impact_quanta == third.impact_quanta > 0


def test_fill_through_zero_realises_the_closed_part() -> None:
    later = Prices(open=(PRICE, *(PRICE + 100,) * (STEPS - 1)))
    book = desk(tape({HYPER.id: later}))
    book.deposit("hyper", 6_000)
    book.trade(HYPER, 100)
    book.at_step(1)
    book.trade(HYPER, -150)
    account = book.exchange.account("hyper")
    assert account.balances["USDC"] == 6_000 * MICRO + 100 * 100 * 100
    assert account.positions == {HYPER.id: Position(-50, -50 * (LOT_QUANTA + 100 * 100))}


def test_exchange_does_not_play_beyond_its_tape_nor_backwards() -> None:
    book = desk()
    book.at_step(2)
    with pytest.raises(InvariantError, match="beyond the tape"):
        book.at_step(1)
    with pytest.raises(InvariantError, match="beyond the tape"):
        book.at_step(STEPS + 1)


def test_at_the_very_end_of_the_tape_an_order_fills_at_the_last_mark() -> None:
    ended = replace(CALM, close=(*(PRICE,) * (STEPS - 1), 610_000))
    book = desk(tape({HYPER.id: ended}))
    book.deposit("hyper", 6_000)
    book.at_step(STEPS)
    assert fill(book.trade(HYPER, 1)).ticks == 610_000
