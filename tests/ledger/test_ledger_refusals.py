# SPDX-License-Identifier: Apache-2.0
"""Events that contradict what the ledger knows stop it; rare ones are posted by their causes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.ledger.test_repricing as book
from tidegate.ledger.book import TRANSIT, Ledger
from tidegate.model.account import Shipment
from tidegate.model.errors import InvariantError
from tidegate.model.events import (
    DeficitCovered,
    Deposited,
    Event,
    Filled,
    LiquidationStarted,
    Marked,
    OrderRefused,
    PenaltyCharged,
    TransferLanded,
    TransferRefused,
    TransferReturned,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.units import MICRO

DOLLARS = 1_000 * MICRO
SENT = TransferSent(10, "t", "v", "w", "USDT", 300, 20)
LANDED = TransferLanded(11, "t", "w", "USDT", 280, "USDT", 280, 0)


def funded() -> Ledger:
    ledger = Ledger(book.INSTRUMENTS, {"USDT": MICRO, "USDC": 999_000})
    ledger.post(Deposited(10, "v", "USDT", DOLLARS))
    return ledger


def test_event_before_the_last_one_stops_the_ledger_and_one_at_its_time_does_not() -> None:
    ledger = funded()
    ledger.post(Deposited(10, "v", "USDT", 1))
    with pytest.raises(InvariantError, match="runs backwards"):
        ledger.post(Deposited(9, "v", "USDT", 1))
    assert ledger.wallet("v", "USDT") == DOLLARS + 1
    assert ledger.wallet("v", "USDC") == 0


def test_asset_without_a_price_cannot_be_held() -> None:
    with pytest.raises(InvariantError, match="no price for DOGE"):
        funded().post(Deposited(10, "v", "DOGE", 1))


def test_shipment_is_under_way_less_its_fee_until_it_lands() -> None:
    ledger = funded()
    ledger.post(SENT)
    assert ledger.portfolio(("v", "w")).shipments == (Shipment("t", "v", "w", "USDT", 280, 10),)
    assert ledger.wallet("v", "USDT") == DOLLARS - 300
    assert ledger.equity_micro == DOLLARS - 20
    ledger.post(LANDED)
    assert ledger.portfolio(("v", "w")).shipments == ()
    assert ledger.wallet("w", "USDT") == 280
    assert ledger.equity_micro == DOLLARS - 20


@pytest.mark.parametrize(
    ("landed", "words"),
    [
        (TransferLanded(11, "t", "w", "USDT", 279, "USDT", 279, 0), "another amount"),
        (TransferLanded(11, "t", "w", "USDT", 280, "USDT", 281, 0), "more than was sent"),
        (TransferLanded(11, "t", "w", "USDT", 280, "USDC", -1, 0), "less than nothing"),
        (TransferLanded(11, "t", "w", "USDC", 280, "USDT", 280, 0), "in another asset"),
        (TransferLanded(11, "t", "v", "USDT", 280, "USDT", 280, 0), "landed elsewhere"),
        (TransferLanded(11, "u", "w", "USDT", 280, "USDT", 280, 0), "u is not under way"),
    ],
)
def test_landing_that_is_not_the_shipments_stops_the_ledger(
    landed: TransferLanded, words: str
) -> None:
    ledger = funded()
    ledger.post(SENT)
    with pytest.raises(InvariantError, match=words):
        ledger.post(landed)


@given(st.integers(0, 280))
def test_shipment_that_lands_with_less_costs_what_was_lost(came: int) -> None:
    ledger = funded()
    ledger.post(SENT)
    postings = ledger.post(TransferLanded(11, "t", "w", "USDT", 280, "USDT", came, 0))
    assert sum(posting.quanta for posting in postings) == 0
    assert ledger.wallet("w", "USDT") == came
    assert ledger.equity_micro == DOLLARS - 300 + came
    assert ledger.waterfall.get("lost in transit", 0) == came - 280
    assert sum(p.quanta for p in postings if p.account == TRANSIT) == -280


@given(st.integers(0, 300))
def test_shipment_that_returns_is_counted_once_whatever_of_it_is_back(back: int) -> None:
    ledger = funded()
    ledger.post(SENT)
    postings = ledger.post(TransferReturned(11, "t", "v", "USDT", back))
    assert sum(posting.quanta for posting in postings) == 0
    assert ledger.portfolio(("v", "w")).shipments == ()
    assert ledger.wallet("v", "USDT") == ledger.equity_micro == DOLLARS - 300 + back
    assert sum(p.quanta for p in postings if p.account == TRANSIT) == -280
    assert sum(ledger.waterfall.values()) == ledger.equity_micro


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (TransferReturned(11, "u", "v", "USDT", 280), "u is not under way"),
        (TransferReturned(11, "t", "w", "USDT", 280), "returned elsewhere"),
        (TransferReturned(11, "t", "v", "USDC", 280), "in another asset"),
        (TransferReturned(11, "t", "v", "USDT", -1), "less than nothing"),
        (TransferReturned(11, "t", "v", "USDT", 301), "more than had left"),
    ],
)
def test_return_that_is_not_the_shipments_is_refused(back: TransferReturned, words: str) -> None:
    ledger = funded()
    ledger.post(SENT)
    with pytest.raises(InvariantError, match=words):
        ledger.post(back)
    ledger.post(LANDED)


def test_shipment_that_was_given_up_lands_once_and_its_loss_is_undone() -> None:
    ledger, landed = funded(), funded()
    for one in (ledger, landed):
        one.post(SENT)
    ledger.post(TransferReturned(11, "t", "v", "USDT", 0))
    assert not ledger.shipments
    with pytest.raises(InvariantError, match="t is under way already"):
        ledger.post(msgspec.structs.replace(SENT, ts_ms=11))
    postings = ledger.post(msgspec.structs.replace(LANDED, ts_ms=12))
    landed.post(LANDED)
    assert sum(posting.quanta for posting in postings) == 0
    assert ledger.waterfall == landed.waterfall | {"lost in transit": 0}
    assert ledger.equity_micro == landed.equity_micro
    with pytest.raises(InvariantError, match="t is not under way"):
        ledger.post(msgspec.structs.replace(LANDED, ts_ms=13))


@pytest.mark.parametrize(
    "event",
    [
        Deposited(11, "v", "DOGE", 1),
        Filled(11, "v:DOGE", 1, 5, 5, 0, 0, 0, "o", "order"),
        Filled(11, book.PERP.id, 0, 600, 600, 0, 0, 0, "o", "order"),
        SENT,
        TransferLanded(11, "t", "w", "USDT", 280, "DOGE", 280, 0),
        TransferLanded(11, "t", "w", "USDT", 280, "USDT", 281, 0),
    ],
)
def test_event_that_cannot_be_posted_leaves_the_ledger_as_it_was(event: Event) -> None:
    ledger = funded()
    ledger.post(SENT)
    ledger.post(Filled(10, book.PERP.id, 5, 600, 600, 0, 0, 1, "o", "order"))
    before = (ledger.portfolio(("v", "w")), ledger.equity_micro, dict(ledger.waterfall))
    with pytest.raises((InvariantError, LookupError, ArithmeticError)):
        ledger.post(event)
    assert (ledger.portfolio(("v", "w")), ledger.equity_micro, ledger.waterfall) == before
    ledger.post(LANDED)
    assert ledger.wallet("w", "USDT") == 280


def test_shipment_sent_or_landed_twice_stops_the_ledger() -> None:
    """The second would hide the first, and its money would be nowhere."""
    ledger = funded()
    ledger.post(SENT)
    with pytest.raises(InvariantError, match="t is under way already"):
        ledger.post(SENT)
    landing = funded()
    landing.post(SENT)
    landing.post(LANDED)
    with pytest.raises(InvariantError, match="t is not under way"):
        landing.post(LANDED)


@pytest.mark.parametrize(
    ("event", "quanta", "cause", "world"),
    [
        (YieldAccrued(10, "v", "USDT", 7), 7, "yield", "interest"),
        (PenaltyCharged(10, "v", "USDT", 7, "clearance fee"), -7, "clearance fee", "insurance/v"),
        (PenaltyCharged(10, "v", "USDT", 7, "margin forfeited"), -7, "margin forfeited",
         "insurance/v"),
        (DeficitCovered(10, "v", "USDT", 7), 7, "deficit covered", "insurance/v"),
    ],
)  # fmt: skip
def test_rare_payment_moves_the_wallet_by_its_own_cause(
    event: Event, quanta: int, cause: str, world: str
) -> None:
    ledger = funded()
    ours, theirs = ledger.post(event)
    assert (ours.account, ours.quanta, ours.value_micro) == ("own/v/wallet", quanta, quanta)
    assert (theirs.account, theirs.quanta, theirs.value_micro) == (world, -quanta, -quanta)
    assert ours.cause == theirs.cause == cause
    assert ledger.wallet("v", "USDT") == DOLLARS + quanta
    assert ledger.waterfall == {"capital": DOLLARS, cause: quanta}


@pytest.mark.parametrize(
    "event",
    [
        TransferRefused(10, "t", "v", "w", "frozen"),
        OrderRefused(10, book.PERP.id, "o", "out"),
        LiquidationStarted(10, "v", 1, 2),
    ],
)
def test_refusal_and_warning_post_nothing(event: Event) -> None:
    assert funded().post(event) == ()


def test_equity_at_other_marks_asks_no_price_of_what_was_closed() -> None:
    ledger = book.opened()
    for lots in (10, -10):
        ledger.post(Filled(0, book.PERP.id, lots, 600, 600, 0, 0, 0, "o", "order"))
    assert ledger.equity_at({book.SPOT.id: 600}) == ledger.equity_micro == 0


@given(book.events, book.PRICES, book.PRICES)
def test_equity_at_other_marks_is_what_it_becomes_when_they_are_posted(
    history: list[Event], perp: int, spot: int
) -> None:
    ledger, marks = book.opened(), {book.PERP.id: perp, book.SPOT.id: spot}
    for event in history:
        ledger.post(event)
    before = ledger.equity_micro
    foreseen = ledger.equity_at(marks)
    assert ledger.equity_micro == before
    ledger.post(Marked(0, marks))
    assert ledger.equity_micro == foreseen


@given(book.events)
def test_portfolio_of_a_venue_has_its_own_wallets_and_open_positions_alone(
    history: list[Event],
) -> None:
    ledger = book.opened()
    for event in history:
        ledger.post(event)
    accounts = ledger.portfolio(("v", "w")).accounts
    assert ledger.portfolio(("v",)).accounts == {"v": accounts["v"]}
    held = ledger.position(book.PERP.id)
    assert accounts["v"].positions == ({book.PERP.id: held} if held.lots else {})
    assert accounts["w"].positions == {}
    for venue, account in accounts.items():
        for asset, quanta in account.balances.items():
            assert ledger.wallet(venue, asset) == quanta
