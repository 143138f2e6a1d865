# SPDX-License-Identifier: Apache-2.0
"""Dollar coins that change their price: the waterfall stays exact, by a cause of its own."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.ledger.book import Ledger, Posting
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    FundingPaid,
    Marked,
    Repriced,
    TransferLanded,
    TransferSent,
)
from tidegate.model.instruments import Instrument, Perpetual, Spot
from tidegate.model.units import MICRO, unit_quanta

PERP = Perpetual("v", "BTCUSDT", "BTC", "USDT", Decimal("0.1"), Decimal("0.001"))
SPOT = Spot("w", "BTCUSDC", "BTC", "USDC", Decimal("0.1"), Decimal("0.001"))
INSTRUMENTS: dict[str, Instrument] = {PERP.id: PERP, SPOT.id: SPOT}
PRICE = 600_000
PRICES = st.integers(1, 2 * MICRO)
QUANTA = st.integers(-(10**10), 10**10)

events = st.lists(
    st.one_of(
        st.builds(Repriced, st.just(0), st.sampled_from(["USDT", "USDC"]), PRICES),
        st.builds(Deposited, st.just(0), st.just("v"), st.just("USDT"), QUANTA),
        st.builds(Deposited, st.just(0), st.just("w"), st.just("USDC"), QUANTA),
        st.builds(
            Filled,
            st.just(0),
            st.sampled_from([PERP.id, SPOT.id]),
            st.integers(-999, 999).filter(bool),
            st.integers(1, 10**6),
            st.integers(1, 10**6),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.just("o"),
            st.sampled_from(["order", "liquidation", "deleveraging"]),
        ),
        st.builds(
            FundingPaid, st.just(0), st.just(PERP.id), st.just(1), st.just(1), st.just(1), QUANTA
        ),
        st.builds(
            lambda perp, spot: Marked(0, {PERP.id: perp, SPOT.id: spot}),
            st.integers(1, 10**6),
            st.integers(1, 10**6),
        ),
    ),
    max_size=30,
)


def opened() -> Ledger:
    ledger = Ledger(INSTRUMENTS, {"USDT": MICRO, "USDC": 999_000}, {"BTC": SPOT.id})
    ledger.post(Marked(0, {PERP.id: PRICE, SPOT.id: PRICE}))
    return ledger


@given(events)
def test_waterfall_is_the_equity_to_the_microdollar_with_repricing_between(
    history: list[Event],
) -> None:
    ledger, prices = opened(), {"USDT": MICRO, "USDC": 999_000, "BTC": 59_940 * MICRO}
    held: Counter[str] = Counter()
    for event in history:
        postings = ledger.post(event)
        assert sum(posting.value_micro for posting in postings) == 0
        for posting in postings:
            if posting.account.startswith("own/"):
                held[posting.asset] += posting.quanta
        if isinstance(event, Repriced):
            prices[event.asset] = event.price_micro
        ticks = spot_ticks(event)
        if ticks is not None:
            prices["BTC"] = ticks * prices["USDC"] // 10
        # What we own of an asset, over all accounts, is one product, rounded down.
        worth = [held[asset] * price // unit_quanta(asset) for asset, price in prices.items()]
        assert sum(ledger.waterfall.values()) == ledger.equity_micro == sum(worth)


def spot_ticks(event: Event) -> int | None:
    """Where an event marks the coin: a tick is a dime."""
    if isinstance(event, Marked):
        return event.ticks[SPOT.id]
    return event.mid_ticks if isinstance(event, Filled) and event.instrument == SPOT.id else None


@given(events, st.sampled_from(["USDT", "USDC"]), PRICES)
def test_repricing_moves_value_by_its_own_cause_and_no_quanta(
    history: list[Event], asset: str, price: int
) -> None:
    ledger = opened()
    for event in history:
        ledger.post(event)
    before, equity = dict(ledger.waterfall), ledger.equity_micro
    portfolio = ledger.portfolio(("v", "w"))
    postings = ledger.post(Repriced(0, asset, price))
    assert ledger.portfolio(("v", "w")) == portfolio
    assert all(posting.quanta == 0 for posting in postings)
    change = {k: v - before.get(k, 0) for k, v in ledger.waterfall.items()}
    moved = {cause: value for cause, value in change.items() if value}
    gain = ledger.equity_micro - equity
    assert moved == ({f"stable:{asset}": gain} if gain else {})


@given(events, st.lists(PRICES, max_size=5), PRICES)
def test_way_of_a_price_does_not_matter_and_coming_back_costs_nothing(
    history: list[Event], way: list[int], end: int
) -> None:
    straight, winding = opened(), opened()
    for event in history:
        straight.post(event)
        winding.post(event)
    before = straight.waterfall.get("stable:USDT", 0)
    for price in [*way, end]:
        winding.post(Repriced(0, "USDT", price))
    straight.post(Repriced(0, "USDT", end))
    assert winding.waterfall.get("stable:USDT", 0) == straight.waterfall.get("stable:USDT", 0)
    assert winding.equity_micro == straight.equity_micro
    for ledger in (straight, winding):
        ledger.post(Repriced(0, "USDT", last_price(history)))
        assert ledger.waterfall.get("stable:USDT", 0) == before


def last_price(history: list[Event]) -> int:
    told = [e.price_micro for e in history if isinstance(e, Repriced) and e.asset == "USDT"]
    return told[-1] if told else MICRO


def test_lost_peg_is_worked_out_by_hand_in_wallet_profit_and_transit() -> None:
    """1,000 USDT, 100 of them under way for 1, and 50 USDT of open profit, from 1 to 0.9."""
    ledger = opened()
    ledger.post(Deposited(0, "v", "USDT", 1_000 * MICRO))
    ledger.post(Filled(0, PERP.id, 100, PRICE, PRICE, 0, 0, 0, "o", "order"))
    ledger.post(TransferSent(1, "t", "v", "w", "USDT", 100 * MICRO, MICRO))
    ledger.post(Marked(2, {PERP.id: PRICE + 5_000}))
    assert ledger.equity_micro == 1_049 * MICRO
    rows = ledger.post(Repriced(3, "USDT", 900_000))
    loss = -104_900_000
    assert rows == (
        Posting("own/dollars", "USDT", 0, loss, "stable:USDT"),
        Posting("market/dollars", "USDT", 0, -loss, "stable:USDT"),
    )
    # 99 USDT are worth 89.10 dollars; converted to 89 USDC at 0.999 they are 88.911.
    ledger.post(TransferLanded(4, "t", "w", "USDT", 99 * MICRO, "USDC", 89 * MICRO, 10 * MICRO))
    assert ledger.waterfall["conversion"] == -189_000
    assert ledger.waterfall["stable:USDT"] == loss
    assert ledger.equity_micro == 1_049 * MICRO + loss - 189_000


def test_profit_made_after_a_lost_peg_counts_at_the_new_price() -> None:
    ledger = opened()
    ledger.post(Filled(0, PERP.id, 100, PRICE, PRICE, 0, 0, 0, "o", "order"))
    ledger.post(Repriced(0, "USDT", 500_000))
    ledger.post(Marked(0, {PERP.id: PRICE + 5_000}))
    assert ledger.waterfall["price:BTC"] == 25 * MICRO
    assert "stable:USDT" not in ledger.waterfall


def test_coin_held_outright_follows_its_quote_coin_at_the_next_mark() -> None:
    """A tenth of a bitcoin at 60,000 USDC, and USDC from 0.999 to 0.899."""
    ledger = opened()
    ledger.post(Deposited(0, "w", "BTC", unit_quanta("BTC") // 10))
    ledger.post(Repriced(0, "USDC", 899_000))
    assert ledger.equity_micro == 6_000 * 999_000
    assert ledger.equity_at({SPOT.id: PRICE}) == 6_000 * 899_000
    ledger.post(Marked(0, {SPOT.id: PRICE}))
    assert ledger.equity_micro == 6_000 * 899_000
    assert ledger.waterfall["price:BTC"] == -600 * MICRO


@pytest.mark.parametrize("asset", ["USDT", "EURC"])
def test_repricing_of_what_is_not_held_posts_nothing_and_is_remembered(asset: str) -> None:
    ledger = opened()
    assert ledger.post(Repriced(0, asset, 700_000)) == ()
    ledger.post(Deposited(0, "v", asset, 10 * unit_quanta(asset)))
    assert ledger.equity_micro == 7 * MICRO
