# SPDX-License-Identifier: Apache-2.0
"""A venue that is gone: what it owed is lost to the quantum, and nothing else is."""

from __future__ import annotations

import pytest

from tests.simulation.small_market import (
    BIN,
    CALM,
    COIN,
    HYPER,
    LOT_QUANTA,
    PRICE,
    START,
    STEPS,
    Desk,
    Prices,
    desk,
    tape,
    terms,
)
from tidegate.model.account import Account
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.events import OrderRefused, TransferRefused, TransferReturned, VenueFailed
from tidegate.model.instruments import Instrument
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.kernel.tape import from_steps
from tidegate.simulation.tape import Failure

GONE_MS = START + 10 * MINUTE_MS + 7
FALLEN = PRICE - 6_000  # a hundredth
DROP = Prices(close=tuple(PRICE if step < 5 else FALLEN for step in range(STEPS)))


def failing(venue: str = "hyper", holds_ms: int = 0, prices: Prices = CALM) -> Desk:
    failure = Failure(GONE_MS, venue, holds_ms)
    moving = {HYPER.id: prices, BIN.id: prices, COIN.id: prices}
    return desk(tape(moving, failures=(failure,)), terms())


def the(events: list[object], kind: type) -> object:
    (found,) = (e for e in events if isinstance(e, kind))
    return found


def test_failure_when_a_short_has_won_takes_the_wallet_and_the_profit() -> None:
    book = failing(prices=DROP)
    book.deposit("hyper", 5_000)
    book.deposit("bin", 5_000)
    book.trade(HYPER, -100)
    book.trade(BIN, 100)
    events = book.at_step(11)
    profit = 100 * LOT_QUANTA // 100
    lost = {"USDC": 5_000 * MICRO + profit}
    assert the(events, VenueFailed) == VenueFailed(GONE_MS, "hyper", {HYPER.id: FALLEN}, lost)
    assert book.exchange.account("hyper") == Account("hyper", {}, {})
    assert book.ledger.waterfall["venue failed"] == -lost["USDC"]
    assert book.ledger.failed == {"hyper"}
    # The long that was its hedge is there and has lost what the short won.
    assert book.ledger.equity_at(book.exchange.marks()) == 5_000 * MICRO - profit


def test_failure_when_a_coin_is_held_takes_it_at_the_last_price() -> None:
    book = failing("wallet", prices=DROP)
    book.deposit("wallet", 10_000)
    book.trade(COIN, 100)
    event = the(book.at_step(11), VenueFailed)
    assert isinstance(event, VenueFailed)
    assert event.lost == {"USDC": 4_000 * MICRO, "BTC": 10_000_000}
    assert event.ticks == {COIN.id: FALLEN}
    assert book.ledger.equity_micro == 0
    assert book.ledger.waterfall["venue failed"] == -(4_000 + 5_940) * MICRO


@pytest.mark.parametrize(("instrument", "lots"), [(HYPER, 1), (HYPER, -1)])
def test_order_when_the_venue_is_gone_is_refused(instrument: Instrument, lots: int) -> None:
    book = failing()
    book.deposit("hyper", 5_000)
    book.at_step(11)
    (refused,) = book.trade(instrument, lots)
    assert isinstance(refused, OrderRefused)
    assert refused.reason == "venue is gone"


@pytest.mark.parametrize("ends", [("hyper", "bin"), ("bin", "hyper")])
def test_transfer_when_either_end_is_gone_is_refused(ends: tuple[str, str]) -> None:
    book = failing()
    book.deposit("bin", 5_000)
    book.at_step(11)
    (refused,) = book.send(*ends, 100 * MICRO)
    assert isinstance(refused, TransferRefused)
    assert refused.reason == "venue is gone"


def test_transfer_that_is_under_way_to_the_venue_is_lost() -> None:
    book = failing()
    book.deposit("bin", 5_000)
    book.at_step(9, 59_000)
    book.send("bin", "hyper", 100 * MICRO)
    events = book.at_step(STEPS)
    returned = the(events, TransferReturned)
    assert returned == TransferReturned(GONE_MS, "t1", "bin", "USDT", 0)
    assert book.ledger.waterfall["lost in transit"] == -99 * MICRO
    assert book.ledger.equity_micro == 4_900 * MICRO


@pytest.mark.parametrize(("holds_ms", "kept"), [(1_000, 99), (1_007, 0), (MINUTE_MS, 0)])
def test_transfer_that_left_the_venue_lands_where_it_was_out_in_time(
    holds_ms: int, kept: int
) -> None:
    book = failing(holds_ms=holds_ms)
    book.deposit("hyper", 5_000)
    book.at_step(9, 59_000)
    book.send("hyper", "wallet", 100 * MICRO)
    book.at_step(STEPS)
    assert book.ledger.equity_micro == kept * MICRO
    assert book.ledger.waterfall["venue failed"] == (kept - 4_999) * MICRO


def test_frozen_and_out_are_said_of_a_venue_that_is_gone_for_good() -> None:
    book = failing()
    book.at_step(10)
    assert "hyper" not in book.exchange.frozen_venues()
    for step in (11, STEPS):
        book.at_step(step)
        assert book.exchange.frozen_venues() == book.exchange.out_venues() == ("hyper",)


def test_deposit_when_the_venue_is_gone_is_no_deposit() -> None:
    book = failing()
    book.at_step(11)
    with pytest.raises(InvariantError, match="gone"):
        book.deposit("hyper", 1)


def test_ledger_when_another_amount_is_said_to_be_lost_books_nothing() -> None:
    book = failing()
    book.deposit("hyper", 5_000)
    before = book.ledger.waterfall.copy()
    wrong = VenueFailed(GONE_MS, "hyper", {}, {"USDC": 5_000 * MICRO - 1})
    with pytest.raises(InvariantError, match="hyper"):
        book.ledger.post(wrong)
    assert book.ledger.waterfall == before
    assert book.ledger.failed == set()
    assert book.ledger.wallet("hyper", "USDC") == 5_000 * MICRO


def test_kernel_when_a_tape_has_a_failure_refuses_it() -> None:
    with pytest.raises(InputError, match="failure"):
        from_steps(tape(failures=(Failure(GONE_MS, "hyper"),)))
