# SPDX-License-Identifier: Apache-2.0
"""What a delivery posts: the payoff beyond the last mark by its own cause, and nothing is left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.ledger.book import Ledger, Posting
from tidegate.model.errors import InvariantError
from tidegate.model.events import Delivered, Deposited, Event, Filled, Marked
from tidegate.model.instruments import (
    Expiring,
    Future,
    Index,
    Instrument,
    InstrumentId,
    Option,
    Spot,
)

DOLLAR, BTC = 10**6, 10**8
EXPIRY = 1_735_286_400_000
INDEX = Index("deribit", "btc_usd", Decimal("0.1"))
CALL = Option(
    *("deribit", "C", "BTC", "USDC", Decimal(1), Decimal("0.01")),
    strike=Decimal(60_000),
    is_call=True,
    expiry_ms=EXPIRY,
    index=INDEX,
)
PUT = replace(CALL, symbol="P", is_call=False)
COIN_CALL = replace(CALL, symbol="CC", settle="BTC", tick=Decimal("0.0001"), lot=Decimal("0.1"))
COIN_PUT = replace(COIN_CALL, symbol="CP", is_call=False)
FUTURE = Future(
    *("deribit", "F", "BTC", "BTC", Decimal("0.5"), Decimal(1), Decimal(10)),
    expiry_ms=EXPIRY,
    index=INDEX,
)
COIN = Spot("deribit", "BTC_USDC", "BTC", "USDC", Decimal("0.1"), Decimal("0.0001"))
EXPIRING: tuple[Expiring, ...] = (CALL, PUT, COIN_CALL, COIN_PUT, FUTURE)
INSTRUMENTS: dict[InstrumentId, Instrument] = {i.id: i for i in (*EXPIRING, COIN)}
LEVELS = {CALL.id: 2_000, PUT.id: 1_500, COIN_CALL.id: 333, COIN_PUT.id: 250, FUTURE.id: 120_001}


def opened(coin_ticks: int = 600_000) -> Ledger:
    ledger = Ledger(INSTRUMENTS, {"USDC": DOLLAR}, {"BTC": COIN.id})
    ledger.post(Marked(0, {COIN.id: coin_ticks, INDEX.id: 600_000}))
    ledger.post(Deposited(0, "deribit", "USDC", 1_000 * DOLLAR))
    ledger.post(Deposited(0, "deribit", "BTC", BTC))
    return ledger


def filled(instrument: Expiring, lots: int, ticks: int) -> Filled:
    return Filled(1, instrument.id, lots, ticks, ticks, 0, 0, 0, "o", "order")


def delivered(instrument: Expiring, lots: int, ticks: int, fee: int = 0) -> Delivered:
    return Delivered(EXPIRY, instrument.id, lots, ticks, instrument.payoff(lots, ticks), fee)


def post(ledger: Ledger, event: Event) -> tuple[Posting, ...]:
    """Post an event and hold that it balances and explains the change of what we own."""
    before = ledger.equity_micro
    postings = ledger.post(event)
    totals: Counter[str] = Counter()
    for posting in postings:
        totals[posting.asset] += posting.quanta
    assert not any(totals.values())
    own = sum(p.value_micro for p in postings if p.account.startswith("own/"))
    assert ledger.equity_micro - before == own
    assert sum(ledger.waterfall.values()) == ledger.equity_micro
    return postings


def test_delivery_of_a_call_worked_by_hand() -> None:
    # Ten hundredths bought at 2,000, marked at 2,100, delivered 2,500 in the money.
    ledger = opened()
    post(ledger, filled(CALL, 10, 2_000))
    post(ledger, Marked(2, {CALL.id: 2_100, INDEX.id: 610_000}))
    postings = post(ledger, delivered(CALL, 10, 625_000, fee=937_500))
    assert postings == (
        Posting("own/deribit/position", CALL.id, -10, 0, "delivery"),
        Posting("market/deribit", CALL.id, 10, 0, "delivery"),
        Posting("own/deribit/unrealised", "USDC", 40 * DOLLAR, 40 * DOLLAR, "delivery"),
        Posting("market/deribit", "USDC", -40 * DOLLAR, -40 * DOLLAR, "delivery"),
        Posting("own/deribit/unrealised", "USDC", -50 * DOLLAR, -50 * DOLLAR, "realised"),
        Posting("own/deribit/wallet", "USDC", 50 * DOLLAR, 50 * DOLLAR, "realised"),
        Posting("own/deribit/wallet", "USDC", -937_500, -937_500, "fees"),
        Posting("fees/deribit", "USDC", 937_500, 937_500, "fees"),
    )
    assert ledger.wallet("deribit", "USDC") == 1_050 * DOLLAR - 937_500
    assert ledger.portfolio(("deribit",)).accounts["deribit"].positions == {}
    assert ledger.waterfall["price:BTC"] == 10 * DOLLAR
    assert ledger.waterfall["delivery"] == 40 * DOLLAR
    assert ledger.waterfall["fees"] == -937_500


def test_worthless_short_keeps_its_premium_by_cause_of_the_delivery() -> None:
    ledger = opened()
    post(ledger, filled(COIN_PUT, -10, 250))
    post(ledger, delivered(COIN_PUT, -10, 600_001))
    assert ledger.wallet("deribit", "BTC") == BTC + 2_500_000
    assert ledger.waterfall["delivery"] == 1_500 * DOLLAR


def test_delivery_at_what_it_cost_and_was_marked_moves_lots_and_no_money() -> None:
    """2,500 in the money at the strike's 60,000, as it was bought and is delivered."""
    ledger = opened()
    post(ledger, filled(CALL, 10, 2_500))
    postings = post(ledger, delivered(CALL, 10, 625_000))
    assert [(p.asset, p.quanta) for p in postings if p.cause != "fees"] == [
        (CALL.id, -10),
        (CALL.id, 10),
    ]


BUYS = st.lists(
    st.tuples(
        st.sampled_from(EXPIRING), st.integers(-500, 500).filter(bool), st.integers(1, 4_000)
    ),
    min_size=1,
    max_size=8,
)


@given(BUYS, st.integers(1, 3_000_000), st.integers(1, 3_000_000), st.data())
def test_after_delivery_no_lot_is_left_and_wallets_hold_all_that_was_paid(
    buys: list[tuple[Expiring, int, int]], coin_ticks: int, delivery_ticks: int, data: st.DataObject
) -> None:
    ledger, lots = opened(coin_ticks), Counter[InstrumentId]()
    paid: Counter[str] = Counter({"USDC": 1_000 * DOLLAR, "BTC": BTC})
    moved: Counter[InstrumentId] = Counter()
    events: list[Event] = [filled(i, n, t) for i, n, t in buys]
    for instrument, size, ticks in buys:
        lots[instrument.id] += size
        paid[instrument.settle] -= instrument.entry_cost(size, ticks)
    events.append(Marked(2, {name: data.draw(st.integers(1, 9_000)) for name in LEVELS}))
    for instrument in EXPIRING:
        if size := lots[instrument.id]:
            fee = data.draw(st.integers(0, 1_000))
            event = delivered(instrument, size, delivery_ticks, fee)
            paid[instrument.settle] += event.quanta - fee
            events.append(event)
    for event in events:
        for posting in post(ledger, event):
            if posting.asset in INSTRUMENTS and posting.account.startswith("own/"):
                moved[posting.asset] += posting.quanta
    assert not any(moved.values())
    assert ledger.portfolio(("deribit",)).accounts["deribit"].positions == {}
    assert {asset: ledger.wallet("deribit", asset) for asset in paid} == paid


@given(
    st.sampled_from([(CALL, PUT), (COIN_CALL, COIN_PUT)]),
    st.integers(1, 200),
    st.integers(1, 10**7),
)
def test_call_bought_and_put_sold_are_delivered_as_the_forward_of_their_lots(
    pair: tuple[Option, Option], lots: int, delivery_ticks: int
) -> None:
    ledger, (call, put) = opened(), pair
    before = ledger.wallet("deribit", call.settle)
    for option, size in ((call, lots), (put, -lots)):
        post(ledger, filled(option, size, 100))
    for option, size in ((call, lots), (put, -lots)):
        post(ledger, delivered(option, size, delivery_ticks))
    gained = ledger.wallet("deribit", call.settle) - before
    price, strike = INDEX.price(delivery_ticks), call.strike
    coins = lots * (1 - int(strike) / price) * BTC / 10
    forward = coins if call.coin_settled else lots * (price - int(strike)) * DOLLAR / 100
    assert 0 <= forward - gained <= 3


@pytest.mark.parametrize("lots", [0, 9, 11, -10])
def test_delivery_of_other_lots_than_are_held_stops(lots: int) -> None:
    ledger = opened()
    ledger.post(filled(CALL, 10, 2_000))
    with pytest.raises(InvariantError, match="other lots are delivered than are held"):
        ledger.post(Delivered(EXPIRY, CALL.id, lots, 600_000, 0, 0))


def test_marks_of_indices_post_nothing() -> None:
    ledger = opened()
    ledger.post(filled(CALL, 10, 2_000))
    assert ledger.post(Marked(2, {INDEX.id: 1, "deribit:eth_usd": 5})) == ()
