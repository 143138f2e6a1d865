# SPDX-License-Identifier: Apache-2.0
"""Expiry on the exchange: who is paid what and when, and what becomes of an account it ruins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.option_market import (
    BTC,
    CALL,
    COIN_CALL,
    COIN_PUT,
    EXPIRING,
    EXPIRY,
    EXPIRY_STEP,
    FEES,
    INDEX,
    LATER,
    PERP,
    PUT,
    STEPS,
    OptionDesk,
    desk,
    flat,
    tape,
    terms,
)
from tests.simulation.small_market import PRICE, START
from tidegate.model.account import FLAT
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.events import DeficitCovered, Delivered, Event, LiquidationStarted
from tidegate.model.instruments import Expiring
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.delivery import average_price
from tidegate.simulation.tape import DeliveryPrice, FundingStamp

INDEX_TICKS = st.integers(100_000, 2_000_000)
SIDES = st.sampled_from([-1, 1])


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def funded(delivery_ticks: int, free: bool = True, **more: object) -> OptionDesk:
    fees = {"delivery_fees": {n: replace(f, ppm=0) for n, f in FEES.items()}} if free else {}
    book = desk(tape(delivery_ticks=delivery_ticks, **more), terms(**fees))  # type: ignore[arg-type]
    book.deposit("dollars", 1_000_000)
    book.deposit("coin", 100)
    return book


def deliveries(events: list[Event]) -> list[Delivered]:
    return [event for event in events if isinstance(event, Delivered)]


@given(st.sampled_from(EXPIRING), SIDES, st.integers(1, 200), INDEX_TICKS)
def test_position_is_paid_its_payoff_at_the_delivery_price_at_its_instant_and_is_gone(
    instrument: Expiring, side: int, size: int, delivery_ticks: int
) -> None:
    book, lots = funded(delivery_ticks, free=False), side * size
    book.trade(instrument, lots)
    held = book.exchange.account(instrument.venue)
    assert deliveries(book.at_step(EXPIRY_STEP, -1)) == []
    (event,) = deliveries(book.at_step(EXPIRY_STEP))
    paid = instrument.payoff(lots, delivery_ticks)
    fee = FEES[instrument.id].quanta(instrument, lots, delivery_ticks)
    assert event == Delivered(EXPIRY, instrument.id, lots, delivery_ticks, paid, fee)
    after = book.exchange.account(instrument.venue)
    assert after.positions == {}
    profit = paid - held.positions[instrument.id].cost
    asset = instrument.settle
    assert after.balances[asset] == held.balances[asset] + profit - fee
    assert book.ledger.position(instrument.id) == FLAT
    assert book.ledger.wallet(instrument.venue, asset) == after.balances[asset]
    assert deliveries(book.at_step(STEPS)) == []


def test_call_of_the_venues_example_pays_a_fifth_of_a_coin() -> None:
    # Strike 60,000 delivered at 75,000 is 15,000 / 75,000 of each coin, less 0.00015.
    book = funded(750_000, free=False)
    book.trade(COIN_CALL, 10)
    book.at_step(EXPIRY_STEP)
    (event,) = deliveries(book.events)
    assert (event.quanta, event.fee_quanta) == (BTC // 5, 15_000)


def test_worthless_options_vanish_for_nothing_and_those_of_later_stay() -> None:
    book = funded(PRICE, free=False)
    for instrument in (CALL, PUT, COIN_CALL, COIN_PUT, LATER, PERP):
        book.trade(instrument, 3)
    book.at_step(EXPIRY_STEP)
    paid = {e.instrument: (e.quanta, e.fee_quanta) for e in deliveries(book.events)}
    assert paid == dict.fromkeys([i.id for i in (CALL, PUT, COIN_CALL, COIN_PUT)], (0, 0))
    assert set(book.exchange.account("dollars").positions) == {LATER.id, PERP.id}
    assert book.exchange.account("coin").positions == {}


def test_delivery_is_at_the_named_time_within_a_step_and_after_its_funding() -> None:
    stamp = FundingStamp(EXPIRY, PERP.id, 10**8)
    book = funded(700_000, funding=[stamp])
    book.trade(PERP, 10)
    book.trade(CALL, 10)
    events = book.at_step(EXPIRY_STEP + 1)
    assert kinds(events) == ["FundingPaid", "Delivered"]
    assert {event.ts_ms for event in events} == {EXPIRY}


def test_other_index_or_time_delivers_nothing() -> None:
    named = (
        DeliveryPrice(EXPIRY - MINUTE_MS, INDEX.id, 700_000),
        DeliveryPrice(EXPIRY, "deribit:eth_usd", 700_000),
        DeliveryPrice(EXPIRY, INDEX.id, 650_000),
    )
    book = funded(0, deliveries=named)
    book.trade(CALL, 10)
    assert deliveries(book.at_step(EXPIRY_STEP, -1)) == []
    (event,) = deliveries(book.at_step(EXPIRY_STEP))
    assert event.ticks == 650_000


def test_account_that_a_delivery_leaves_below_nothing_is_the_venues_loss() -> None:
    # A call sold at 2,000 on one coin, marked there until the end, is delivered 15,000 deep.
    book = desk(tape(delivery_ticks=750_000), terms())
    book.deposit("dollars", 12_000)
    book.trade(CALL, -100)
    book.at_step(EXPIRY_STEP)
    told = [
        e for e in book.events if isinstance(e, Delivered | LiquidationStarted | DeficitCovered)
    ]
    assert kinds(told) == ["Delivered", "LiquidationStarted", "DeficitCovered"]
    delivered, started, covered = told
    assert isinstance(delivered, Delivered)
    missing = 15_000 * MICRO + delivered.fee_quanta - 14_000 * MICRO
    assert started == LiquidationStarted(EXPIRY, "dollars", -missing, 0)
    assert covered == DeficitCovered(EXPIRY, "dollars", "USDC", missing)
    assert book.exchange.account("dollars").balances["USDC"] == 0
    assert book.ledger.waterfall["deficit covered"] == missing


def test_account_that_still_holds_something_is_left_to_the_next_margin_call() -> None:
    book = desk(tape(delivery_ticks=750_000), terms())
    book.deposit("dollars", 12_300)
    book.trade(LATER, 1)
    book.trade(CALL, -100)
    assert "LiquidationStarted" not in kinds(book.at_step(EXPIRY_STEP))
    events = book.at_step(EXPIRY_STEP + 1)
    assert kinds(events) == ["LiquidationStarted", "Filled", "DeficitCovered"]
    assert book.exchange.account("dollars").positions == {}


@given(st.lists(st.integers(1, 10**7), min_size=STEPS, max_size=STEPS))
def test_delivery_price_is_the_mean_of_the_last_thirty_minutes_to_the_nearest_tick(
    closes: list[int],
) -> None:
    played = tape({INDEX.id: replace(flat(PRICE), close=tuple(closes))})
    price = average_price(played, INDEX, EXPIRY)
    window = closes[EXPIRY_STEP - 30 : EXPIRY_STEP]
    assert (price.ts_ms, price.index) == (EXPIRY, INDEX.id)
    assert -30 < 2 * (30 * price.ticks - sum(window)) <= 30


@pytest.mark.parametrize(
    "expiry_ms",
    [START + 29 * MINUTE_MS, START + 51 * MINUTE_MS, EXPIRY + 1, START, EXPIRY - MINUTE_MS // 2],
)
def test_delivery_price_without_all_of_its_minutes_is_refused(expiry_ms: int) -> None:
    with pytest.raises(InputError, match="deribit:btc_usd: expected its last 30 minutes"):
        average_price(tape(), INDEX, expiry_ms)


def test_delivery_price_of_steps_that_do_not_fit_or_of_no_track_is_refused() -> None:
    coarse = replace(tape(), step_ms=7 * MINUTE_MS)
    with pytest.raises(InputError, match="in whole steps"):
        average_price(coarse, INDEX, START + 37 * MINUTE_MS)
    unknown = replace(INDEX, symbol="eth_usd")
    with pytest.raises(InputError, match="deribit:eth_usd"):
        average_price(tape(), unknown, EXPIRY)


def test_deliveries_out_of_time_order_are_a_contradiction() -> None:
    swapped = tuple(DeliveryPrice(EXPIRY - n, INDEX.id, PRICE) for n in (0, 1))
    with pytest.raises(InvariantError, match="deliveries are not in time order"):
        tape(deliveries=swapped)
