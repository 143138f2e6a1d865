# SPDX-License-Identifier: Apache-2.0
"""Margin calls with options: each position at its own extreme, the index at its highest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.option_books import OPTION_FEE_PPM
from tests.simulation.option_market import (
    BTC,
    CALL,
    COIN_CALL,
    INDEX,
    PERP,
    PUT,
    STEPS,
    OptionDesk,
    desk,
    flat,
    tape,
    terms,
)
from tests.simulation.small_market import PRICE, Prices
from tidegate.costs.options import OptionCosts
from tidegate.model.account import Position
from tidegate.model.events import (
    DeficitCovered,
    Event,
    Filled,
    LiquidationStarted,
    PenaltyCharged,
)
from tidegate.model.units import MICRO

DIP_STEP = 4


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def shaken(moves: dict[str, Prices], costs: OptionCosts | None = None) -> OptionDesk:
    """A coin short by a call: 9,000 dollars and a premium of 2,000 are just its initial margin."""
    book = desk(tape(moves), terms(costs) if costs else None)
    book.deposit("dollars", 9_000)
    (filled,) = book.trade(CALL, -100)
    assert isinstance(filled, Filled)
    return book


def dips(premium: int = 2_000, index: int = PRICE) -> dict[str, Prices]:
    return {
        CALL.id: flat(2_000).dip(DIP_STEP, high=premium, low=1),
        INDEX.id: flat(PRICE).dip(DIP_STEP, high=index, low=1),
    }


@pytest.mark.parametrize(
    ("premium", "index", "called"),
    [
        # 0.075 of the index and the premium, against 11,000.
        (6_500, PRICE, False),
        (6_501, PRICE, True),
        (5_001, PRICE, False),
        (5_000, 800_000, False),
        (5_001, 800_000, True),
        (2_000, 1_200_000, False),
        (2_000, 1_200_001, True),
    ],
)
def test_short_option_is_called_at_its_premiums_high_with_the_index_at_its_own(
    premium: int, index: int, called: bool
) -> None:
    book = shaken(dips(premium, index))
    assert book.at_step(DIP_STEP) == []
    events = book.at_step(DIP_STEP + 1)
    assert ("LiquidationStarted" in kinds(events)) == called
    (extreme,) = book.exchange.extremes
    assert extreme.equity == 11_000 * MICRO
    assert extreme.maintenance == 75 * index * MICRO // 10_000 + premium * MICRO


def test_first_round_buys_back_a_thirty_second_at_the_fee_on_the_underlying() -> None:
    book = shaken(dips(premium=6_501))
    book.at_step(DIP_STEP)
    started, filled, penalty = book.at_step(DIP_STEP + 1)
    assert isinstance(started, LiquidationStarted)
    assert isinstance(filled, Filled)
    assert (filled.lots, filled.ticks, filled.reason) == (4, 6_501, "liquidation")
    # 0.2 % of four hundredths of a coin at 60,000, not of the premium.
    assert isinstance(penalty, PenaltyCharged)
    assert penalty.quanta == 2_400 * OPTION_FEE_PPM
    left = book.exchange.account("dollars").positions[CALL.id]
    assert left == Position(-96, -1_920 * MICRO)
    assert book.ledger.position(CALL.id) == left


def test_short_in_coin_is_called_by_its_premium_alone() -> None:
    for premium, called in ((1_050, False), (1_051, True)):
        moves = {
            COIN_CALL.id: flat(300).dip(DIP_STEP, high=premium),
            INDEX.id: flat(PRICE).dip(DIP_STEP, high=10 * PRICE),
        }
        book = desk(tape(moves))
        # A coin short: 0.15 and a premium of 0.03 are the initial margin of what was received.
        book.hear(book.exchange.deposit("coin", "BTC", 15 * BTC // 100))
        assert kinds(book.trade(COIN_CALL, -10)) == ["Filled"]
        book.at_step(DIP_STEP)
        assert ("LiquidationStarted" in kinds(book.at_step(DIP_STEP + 1))) == called


def test_account_beyond_help_is_closed_whole_and_the_fund_bears_what_is_missing() -> None:
    book = shaken(dips(premium=20_000), OptionCosts(300, 0.0, 0.0, cap_ppm=125_000))
    book.at_step(DIP_STEP)
    started, filled, covered = book.at_step(DIP_STEP + 1)
    assert kinds([started, filled, covered]) == ["LiquidationStarted", "Filled", "DeficitCovered"]
    assert isinstance(filled, Filled)
    assert isinstance(covered, DeficitCovered)
    # Two fees of 18 dollars, an entry and an exit.
    assert (filled.lots, covered.quanta) == (100, 9_000 * MICRO + 2 * 18 * MICRO)
    assert book.exchange.account("dollars").positions == {}


@given(st.integers(0, 2_000), st.integers(1, 10**7))
def test_long_options_alone_are_never_called(low: int, index: int) -> None:
    moves = {
        CALL.id: flat(2_000).dip(DIP_STEP, low=low),
        PUT.id: flat(2_000).dip(DIP_STEP, low=low),
        INDEX.id: flat(PRICE).dip(DIP_STEP, high=index),
    }
    book = desk(tape(moves))
    book.deposit("dollars", 4_000)
    assert kinds(book.trade(CALL, 100) + book.trade(PUT, 100)) == ["Filled", "Filled"]
    assert book.at_step(DIP_STEP + 1) == []
    assert book.exchange.margin("dollars").equity == 0


def test_gain_of_a_long_call_saves_no_short_perpetual() -> None:
    # A coin short at 60,000 on 2,000 dollars is called at 61,400; a call on it gained 1,000.
    moves = {
        PERP.id: flat(PRICE).dip(DIP_STEP, high=614_000),
        CALL.id: flat(2_000).dip(DIP_STEP, high=3_000, low=3_000),
    }
    book = desk(tape(moves))
    book.deposit("dollars", 4_000)
    book.trade(CALL, 100)
    assert kinds(book.trade(PERP, -1_000)) == ["Filled"]
    book.at_step(DIP_STEP)
    events = book.at_step(DIP_STEP + 1)
    assert kinds(events)[0] == "LiquidationStarted"
    closed = [event for event in events if isinstance(event, Filled)]
    assert {event.instrument for event in closed} == {PERP.id}
    assert book.exchange.account("dollars").positions[CALL.id].lots == 100


def test_what_is_marked_at_nothing_is_sold_for_nothing_and_bought_back_at_a_tick() -> None:
    # A perpetual ruins an account whose puts are worth nothing at that moment.
    moves = {
        PERP.id: flat(PRICE).dip(DIP_STEP, low=300_000),
        PUT.id: flat(2_000).dip(DIP_STEP, high=0, low=0),
    }
    for lots, ticks in ((5, 0), (-5, 1)):
        book = desk(tape(moves), terms(OptionCosts(300, 0.0, 0.0, cap_ppm=125_000)))
        book.deposit("dollars", 10_000)
        book.trade(PUT, lots)
        book.trade(PERP, 1_000)
        book.at_step(DIP_STEP)
        events = book.at_step(DIP_STEP + 1)
        (filled,) = [e for e in events if isinstance(e, Filled) and e.instrument == PUT.id]
        assert (filled.lots, filled.ticks, filled.reason) == (-lots, ticks, "liquidation")
        assert kinds(events)[-1] == "DeficitCovered"
        assert sum(book.ledger.waterfall.values()) == book.ledger.equity_micro == 0


def test_index_moves_nobody_who_holds_no_option() -> None:
    moves = {INDEX.id: flat(PRICE).dip(DIP_STEP, high=100 * PRICE, low=1)}
    book = desk(tape(moves))
    book.deposit("dollars", 2_000)
    book.trade(PERP, 900)
    assert book.at_step(STEPS) == []
