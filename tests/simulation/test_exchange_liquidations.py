# SPDX-License-Identifier: Apache-2.0
"""Margin calls: judged inside the bar, each position at its own extreme, as each venue does it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.books import ladder
from tests.simulation.small_market import (
    BIN,
    CALM,
    CLEARANCE_PPM,
    DEAR,
    HYPER,
    HYPER_B,
    INSTRUMENTS,
    PASSAGES,
    START,
    STEPS,
    TIERS,
    VENUES,
    Desk,
    desk,
    rules,
    tape,
    terms,
)
from tidegate.margin.linear import HyperliquidCross
from tidegate.margin.liquidation import liquidation_prices
from tidegate.model.events import (
    DeficitCovered,
    Event,
    Filled,
    FundingPaid,
    LiquidationStarted,
    PenaltyCharged,
)
from tidegate.model.instruments import Instrument
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import FundingStamp
from tidegate.simulation.terms import ExchangeTerms

DIP_STEP = 4
DIP_MS = START + DIP_STEP * MINUTE_MS


def liquidations(events: list[Event]) -> list[Filled]:
    return [e for e in events if isinstance(e, Filled) and e.reason == "liquidation"]


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def shaken(
    instrument: Instrument, lots: int, dollars: int, extreme: int, charged: ExchangeTerms
) -> Desk:
    """A desk with one position through one step in which the mark touches an extreme."""
    side = {"low": extreme} if lots > 0 else {"high": extreme}
    book = desk(tape({instrument.id: CALM.dip(DIP_STEP, **side)}), charged)
    book.deposit(instrument.venue, dollars)
    book.trade(instrument, lots)
    book.events.clear()
    book.at_step(STEPS)
    return book


@pytest.mark.parametrize("instrument", [HYPER, BIN])
@pytest.mark.parametrize("lots", [100, -100])
def test_account_dies_at_exactly_the_tick_that_the_liquidation_price_names(
    instrument: Instrument, lots: int
) -> None:
    probe = desk()
    probe.deposit(instrument.venue, 500)
    probe.trade(instrument, lots)
    rule = rules()[instrument.venue][0][1]
    account = probe.exchange.account(instrument.venue)
    prices = liquidation_prices(rule, account, probe.exchange.marks(), instrument.id)
    death = prices.below_ticks if lots > 0 else prices.above_ticks
    assert death is not None
    nearer = death + (1 if lots > 0 else -1)
    spared = shaken(instrument, lots, 500, nearer, terms())
    assert not spared.events
    assert spared.exchange.account(instrument.venue) == account
    killed = shaken(instrument, lots, 500, death, terms())
    started = killed.events[0]
    assert isinstance(started, LiquidationStarted)
    assert started.ts_ms == DIP_MS
    assert started.equity_quanta < started.maintenance_quanta
    assert liquidations(killed.events)[0].mid_ticks == death


@pytest.mark.parametrize("instrument", [HYPER, BIN])
def test_account_whose_equity_equals_its_maintenance_is_not_called(
    instrument: Instrument,
) -> None:
    # A tenth of a coin at 56,000 needs 70 dollars, and has lost 400 of 470.
    book = shaken(instrument, 100, 470, 560_000, terms())
    assert not book.events
    assert shaken(instrument, 100, 470, 559_999, terms()).events


def test_extreme_on_the_harmless_side_of_a_position_hurts_nobody() -> None:
    book = desk(tape({HYPER.id: CALM.dip(DIP_STEP, high=900_000)}))
    book.deposit("hyper", 500)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    assert not liquidations(book.events)


def test_each_position_is_judged_at_its_own_extreme_though_a_hedge_would_have_netted() -> None:
    wild = CALM.dip(DIP_STEP, low=560_000, high=640_000)
    book = desk(tape({HYPER.id: wild, HYPER_B.id: wild}))
    book.deposit("hyper", 700)
    book.trade(HYPER, 100)
    book.trade(HYPER_B, -100)
    book.at_step(DIP_STEP)
    book.at_step(DIP_STEP + 1)
    (extreme,) = book.exchange.extremes
    # Both lose 4,000 dollars a coin on a tenth of a coin.
    assert extreme.equity == 700 * MICRO - 800 * MICRO
    assert {fill.mid_ticks for fill in liquidations(book.events)} == {560_000, 640_000}


def test_money_that_lands_inside_the_step_comes_too_late_for_its_extreme() -> None:
    base = CALM.dip(DIP_STEP, low=550_000)
    saved = desk(tape({HYPER.id: base}))
    late = desk(tape({HYPER.id: base}))
    for book in (saved, late):
        book.deposit("hyper", 500)
        book.trade(HYPER, 100)
    saved.at_step(DIP_STEP)
    saved.deposit("hyper", 500)
    saved.at_step(STEPS)
    assert not liquidations(saved.events)
    late.at_step(DIP_STEP, 1)
    late.deposit("hyper", 500)
    late.at_step(STEPS)
    assert liquidations(late.events)


def test_position_taken_inside_a_step_is_judged_at_that_steps_extreme() -> None:
    book = desk(tape({HYPER.id: CALM.dip(DIP_STEP, low=550_000)}))
    book.deposit("hyper", 500)
    book.at_step(DIP_STEP, 1)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    assert liquidations(book.events)


def test_liquidated_position_pays_no_funding_after_its_death() -> None:
    funding = [FundingStamp(DIP_MS + 1, HYPER.id, 10**9)]
    book = desk(tape({HYPER.id: CALM.dip(DIP_STEP, low=550_000)}, funding))
    book.deposit("hyper", 500)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    assert liquidations(book.events)
    assert not [event for event in book.events if isinstance(event, FundingPaid)]


def test_hyperliquid_small_position_is_closed_at_once_without_clearance_fee() -> None:
    # 6,000 dollars, half of maintenance away from takeover: 75 dollars needed at 60,000.
    book = shaken(HYPER, 100, 500, 556_500, terms())
    assert kinds(book.events) == ["LiquidationStarted", "Filled"]
    assert liquidations(book.events)[0].lots == -100
    assert book.exchange.account("hyper").balances["USDC"] == 65 * MICRO


def test_hyperliquid_sells_a_fifth_of_a_large_position_and_stops_when_it_is_solvent() -> None:
    # Ten coins at 55,250: equity 12,500 of 12,562.50 needed; eight coins need 9,800.
    book = shaken(HYPER, 10_000, 60_000, 552_500, terms())
    (fill,) = liquidations(book.events)
    assert fill.lots == -2_000
    assert book.exchange.account("hyper").positions[HYPER.id].lots == 8_000
    assert book.exchange.margin("hyper").health > 0


def test_hyperliquid_closes_all_where_a_fifth_was_not_enough() -> None:
    # Ten coins at 54,950: equity 9,500, of which eight coins need 9,740.
    book = shaken(HYPER, 10_000, 60_000, 549_500, terms())
    assert [fill.lots for fill in liquidations(book.events)] == [-2_000, -8_000]
    assert not book.exchange.account("hyper").positions
    assert book.exchange.account("hyper").balances["USDC"] > 0


def test_hyperliquid_takeover_below_two_thirds_of_maintenance_forfeits_what_is_left() -> None:
    # At 55,700 the equity is 70 of 69.6 needed; 46.4 is two thirds, reached at about 55,460.
    book = shaken(HYPER, 100, 500, 554_600, terms())
    assert kinds(book.events) == ["LiquidationStarted", "Filled", "PenaltyCharged"]
    (penalty,) = (e for e in book.events if isinstance(e, PenaltyCharged))
    assert (penalty.cause, penalty.quanta) == ("margin forfeited", 46 * MICRO)
    account = book.exchange.account("hyper")
    assert account.balances == {"USDC": 0}
    assert not account.positions


@pytest.mark.parametrize(("instrument", "fee"), [(HYPER, 0), (BIN, 1)])
def test_account_below_zero_is_covered_by_insurance_and_the_deficit_named(
    instrument: Instrument, fee: int
) -> None:
    # 500 dollars against a loss of 1,000 on a tenth of a coin.
    book = shaken(instrument, 100, 500, 500_000, terms())
    clearance = fee * 5_000 * CLEARANCE_PPM
    (covered,) = (e for e in book.events if isinstance(e, DeficitCovered))
    assert (covered.venue, covered.asset) == (instrument.venue, VENUES[instrument.venue])
    assert covered.quanta == 500 * MICRO + clearance
    assert set(book.exchange.account(instrument.venue).balances.values()) == {0}
    assert book.ledger.waterfall["deficit covered"] == covered.quanta


def test_binance_reduces_tier_by_tier_and_charges_clearance_on_what_it_closes() -> None:
    # A hundred coins at 45,600 stand in the third tier with equity 60,000. Cut to a million they
    # cost 44,500 of clearance, which leaves too little; cut to 100,000 they are solvent.
    low = 456_000
    book = desk(tape({BIN.id: CALM.dip(DIP_STEP, low=low)}))
    book.deposit("bin", 1_500_000)
    book.trade(BIN, 100_000)
    book.events.clear()
    book.at_step(STEPS)
    fills = liquidations(book.events)
    penalties = [e for e in book.events if isinstance(e, PenaltyCharged)]
    assert len(fills) == len(penalties) == 2
    kept = [100_000]
    for fill, penalty in zip(fills, penalties, strict=True):
        assert fill.lots < 0
        kept.append(kept[-1] + fill.lots)
        closed = BIN.notional(fill.lots, low)
        assert penalty.quanta == -(-closed * CLEARANCE_PPM // MICRO)
        assert penalty.cause == "clearance fee"
    floors = [TIERS.at(BIN.notional(lots, low)).floor for lots in kept if lots]
    assert all(after < before for before, after in pairwise(floors))
    one = BIN.notional(1, low)
    assert kept[1:] == [1_000_000 * MICRO // one, 100_000 * MICRO // one]


@given(
    st.sampled_from([HYPER, BIN]),
    st.integers(-20_000, 20_000).filter(bool),
    st.integers(300_000, 1_200_000),
    st.sampled_from([terms(), terms(DEAR)]),
)
def test_liquidation_always_ends_solvent_or_flat_and_never_below_zero_when_flat(
    instrument: Instrument, lots: int, extreme: int, charged: ExchangeTerms
) -> None:
    dollars = max(200, abs(lots) * 60 // 5)
    book = shaken(instrument, lots, dollars, extreme, charged)
    account = book.exchange.account(instrument.venue)
    if not liquidations(book.events):
        assert account.positions[instrument.id].lots == lots
        return
    left = sum(fill.lots for fill in liquidations(book.events))
    assert abs(lots + left) < abs(lots)
    if account.positions:
        rule = charged.rules[instrument.venue][0][1]
        assert rule.state(account, {instrument.id: extreme}).health >= 0
    else:
        assert min(account.balances.values()) >= 0


def test_rule_that_changes_by_date_judges_from_its_first_instant() -> None:
    before = rules()["hyper"][0][1]
    strict = HyperliquidCross("USDC", INSTRUMENTS, {HYPER.id: ladder([(0, 5)])}, 5)
    schedule = ((START, before), (DIP_MS, strict))
    charged = ExchangeTerms(
        INSTRUMENTS, {**rules(), "hyper": schedule}, terms().costs, {}, PASSAGES
    )
    book = desk(charged=charged)
    book.deposit("hyper", 500)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    assert liquidations(book.events)[0].ts_ms == DIP_MS
