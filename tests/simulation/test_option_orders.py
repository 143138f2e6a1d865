# SPDX-License-Identifier: Apache-2.0
"""Orders in options: where they fill, what is refused, and what an account then has to carry."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, sqrt

import pytest

from tests.simulation.option_market import (
    BTC,
    CALL,
    COIN_CALL,
    COIN_PUT,
    DEAR,
    EXPIRING,
    EXPIRY_STEP,
    FUTURE,
    INDEX,
    LATER,
    PERP,
    PUT,
    STEPS,
    OptionDesk,
    desk,
    flat,
    shortened,
    tape,
    terms,
)
from tests.simulation.small_market import PRICE, START
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InputError
from tidegate.model.events import (
    Event,
    Filled,
    OrderRefused,
    TransferRefused,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.instruments import Instrument, Option
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Tape


def refusal(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, OrderRefused)
    return event.reason


def fill(events: list[Event]) -> Filled:
    (event,) = events
    assert isinstance(event, Filled)
    return event


def rich(played: Tape | None = None, dear: bool = False) -> OptionDesk:
    book = desk(played, terms(DEAR) if dear else None)
    book.deposit("dollars", 100_000)
    book.deposit("coin", 10)
    return book


@pytest.mark.parametrize("side", [1, -1])
def test_option_fills_half_a_spread_and_its_impact_away_at_the_venues_fee(side: int) -> None:
    # A premium of 2,000 on a tenth of a coin: 200 dollars in a day's 1e8, volatility 3 %.
    filled = fill(rich(dear=True).trade(CALL, 10 * side))
    impact = ceil(2_000 * 0.03 * sqrt(200 / 1e8))
    assert filled.ticks == 2_000 + side * (40 + impact)
    assert (filled.spread_quanta, filled.impact_quanta) == (4 * MICRO, impact * MICRO // 10)
    # 0.03 % of a tenth of a coin at the index, below 12.5 % of the premium.
    assert filled.fee_quanta == 1_800_000


# A day's trading in the option of 50,000 dollars.
THIN = tape({COIN_CALL.id: replace(flat(300), volume_day_usd=(5e4,) * STEPS)})


def test_option_in_coin_moves_the_market_by_its_dollars() -> None:
    filled = fill(rich(THIN, dear=True).trade(COIN_CALL, 1_000))
    # 100 coins at 0.03 are 180,000 dollars; a spread of 6 ticks, and the root of the rest.
    impact = ceil(300 * 0.03 * sqrt(180_000 / 5e4))
    assert impact == 18
    assert filled.ticks == 300 + 6 + impact
    assert filled.fee_quanta == 3 * BTC // 100


def test_slices_of_an_order_within_a_step_press_on_each_other() -> None:
    whole = fill(rich(THIN, dear=True).trade(COIN_CALL, 1_000))
    book = rich(THIN, dear=True)
    parts = [fill(book.trade(COIN_CALL, 250)) for _ in range(4)]
    assert [part.ticks for part in parts] == sorted({part.ticks for part in parts})
    # Each fill rounds its impact up to a tick, which is 1,000 quanta on a lot.
    saved = whole.impact_quanta - sum(part.impact_quanta for part in parts)
    assert abs(saved) <= 1_000 * 1_000
    assert fill(book.trade(COIN_CALL, -1)).ticks == 300 - 6 - 1


def test_cheap_option_pays_an_eighth_of_its_premium_as_fee() -> None:
    filled = fill(rich(tape({CALL.id: flat(10)}), dear=True).trade(CALL, 1))
    assert filled.fee_quanta == CALL.notional(1, filled.ticks) // 8


@pytest.mark.parametrize(
    ("instrument", "lots", "reduce_only", "reason"),
    [
        (CALL, 0, False, "no lots"),
        (CALL, 5, True, "reduce only"),
        # 100,000 dollars buy 5,000 hundredths at 2,000 dollars, and no more.
        (CALL, 5_001, False, "initial margin"),
        # A short needs 0.15 x 60,000 a coin beside its premium of 2,000, which it is paid.
        (PUT, -1_112, False, "initial margin"),
        (COIN_CALL, -667, False, "initial margin"),
        (COIN_PUT, 3_334, False, "initial margin"),
    ],
)
def test_order_that_may_not_trade_is_refused_and_nothing_moves(
    instrument: Instrument, lots: int, reduce_only: bool, reason: str
) -> None:
    book = rich()
    before = [book.exchange.account(venue) for venue in ("dollars", "coin")]
    assert refusal(book.trade(instrument, lots, reduce_only=reduce_only)) == reason
    assert before == [book.exchange.account(venue) for venue in ("dollars", "coin")]


@pytest.mark.parametrize(
    ("option", "most"), [(CALL, 5_000), (PUT, -1_111), (COIN_CALL, -666), (COIN_PUT, 3_333)]
)
def test_margin_admits_the_last_lot_that_it_covers(option: Option, most: int) -> None:
    book = rich()
    assert fill(book.trade(option, most)).lots == most
    assert refusal(book.trade(option, 1 if most > 0 else -1)) == "initial margin"
    # What reduces is always taken, whether margin is left or not.
    assert fill(book.trade(option, -most // 2)).lots == -most // 2


def test_option_marked_at_nothing_has_no_price_to_trade_at() -> None:
    book = rich(tape({PUT.id: flat(0)}))
    assert refusal(book.trade(PUT, 1)) == "no price"
    assert refusal(book.trade(PUT, -1)) == "no price"


def test_what_has_expired_is_refused_from_its_instant_on() -> None:
    book = rich()
    book.at_step(EXPIRY_STEP, -1)
    assert fill(book.trade(CALL, 1)).lots == 1
    book.at_step(EXPIRY_STEP)
    for step in (EXPIRY_STEP, STEPS):
        book.at_step(step)
        for instrument in (CALL, PUT, COIN_CALL, FUTURE):
            assert refusal(book.trade(instrument, 1)) == "expired"
            assert refusal(book.trade(instrument, -1, reduce_only=True)) == "expired"
    assert fill(book.trade(LATER, 1)).lots == 1
    assert fill(book.trade(PERP, 1)).lots == 1


def test_marks_of_options_move_what_we_own_and_not_what_they_lend() -> None:
    rising = replace(flat(2_000), close=(2_000, 3_000) + (3_000,) * (STEPS - 2))
    book = rich(tape({CALL.id: rising}))
    book.trade(CALL, 100)
    before, worth = book.exchange.margin("dollars"), book.ledger.equity_micro
    assert before.equity == 98_000 * MICRO
    book.at_step(2)
    assert book.exchange.margin("dollars") == before
    assert book.ledger.equity_micro - worth == 1_000 * MICRO
    short = rich(tape({CALL.id: rising}))
    short.trade(CALL, -100)
    before = short.exchange.margin("dollars")
    assert (before.equity, before.maintenance) == (102_000 * MICRO, 6_500 * MICRO)
    short.at_step(2)
    after = short.exchange.margin("dollars")
    assert (after.equity, after.maintenance) == (102_000 * MICRO, 7_500 * MICRO)


def test_exchange_tells_the_index_among_its_marks() -> None:
    moved = replace(flat(PRICE), close=(PRICE + 7,) * STEPS)
    book = rich(tape({INDEX.id: moved}))
    assert book.exchange.marks()[INDEX.id] == PRICE
    book.at_step(1)
    assert book.exchange.marks()[INDEX.id] == PRICE + 7


def test_premium_spent_earns_no_yield_and_premium_received_does() -> None:
    days = replace(shortened(tape(), 3, [i.id for i in EXPIRING]), step_ms=DAY_MS)
    yields = terms(idle_yield_annual={"dollars": Fraction(365, 1_000)})
    for lots, cash in ((10, 600), (-10, 1_400)):
        exchange = Exchange(days, yields, 1)
        exchange.deposit("dollars", "USDC", 1_000 * MICRO)
        (filled,) = exchange.trade(Order("o", LATER.id, lots, False, "test"))
        assert isinstance(filled, Filled)
        # A thousandth a day, on what is left of 1,000 dollars after a premium of 400.
        (accrued,) = exchange.advance(START + DAY_MS)
        assert accrued == YieldAccrued(START + DAY_MS, "dollars", "USDC", cash * 1_000)


def test_no_more_is_sent_than_the_venue_lets_go() -> None:
    minutes = (300.0, 900.0)
    passage = Passage("dollars", "wallet", "USDC", "USDC", 0, 1, Fraction(1), *minutes)
    book = desk(charged=terms(passages={("dollars", "wallet"): passage}))
    book.deposit("dollars", 10_000)
    book.trade(CALL, 100)
    # 8,000 of cash are left, and the call's 2,000 are worth nothing to a withdrawal.
    for quanta, kind in ((8_000 * MICRO + 1, TransferRefused), (8_000 * MICRO, TransferSent)):
        transfer = Transfer(f"t{quanta}", "dollars", "wallet", "USDC", quanta, "test")
        (event,) = book.hear(book.exchange.send(transfer))
        assert isinstance(event, kind)
    assert book.exchange.margin("dollars").withdrawable == 0


LACKING = {
    "tape: dollars:BTC-60000-C: expected a delivery price": (replace(tape(), deliveries=()), None),
    "tape: dollars:BTC-60000-C: expected a track of deribit:btc_usd": (
        replace(tape(), tracks={n: t for n, t in tape().tracks.items() if n != INDEX.id}),
        None,
    ),
    "terms: dollars:BTC-60000-C: expected the fee of its delivery": (
        tape(),
        replace(terms(), delivery_fees={}),
    ),
    "terms: dollars:BTC-60000-C: expected an option's cost terms": (
        tape(),
        replace(terms(), costs=dict.fromkeys(terms().costs, TradingCosts(0, 0.0, 0.0))),
    ),
}


@pytest.mark.parametrize("complaint", LACKING)
def test_market_that_leaves_out_what_an_expiry_needs_is_refused_before_it_is_played(
    complaint: str,
) -> None:
    played, charged = LACKING[complaint]
    with pytest.raises(InputError, match=complaint):
        Exchange(played, charged or terms(), 1)


def test_expiry_after_the_tape_needs_no_delivery_price() -> None:
    unpaid = replace(terms(), delivery_fees={})
    Exchange(shortened(tape(), EXPIRY_STEP - 1), unpaid, 1)
    with pytest.raises(InputError, match="expected a delivery price"):
        Exchange(shortened(tape(), EXPIRY_STEP), unpaid, 1)
