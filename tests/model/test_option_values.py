# SPDX-License-Identifier: Apache-2.0
"""What options and futures pay at delivery: the venue's examples, and the exact formula."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.errors import InvariantError
from tidegate.model.instruments import Future, Index, Option

EXPIRY = 1_735_286_400_000  # 2024-12-27T08:00Z
COIN = 10**8
DOLLAR = 10**6
BTC_USD = Index("deribit", "btc_usd", Decimal("0.01"))
SOL_USDC = Index("deribit", "sol_usdc", Decimal("0.0001"))
COIN_CALL = Option(
    *("deribit", "BTC-27DEC24-100000-C", "BTC", "BTC", Decimal("0.0005"), Decimal("0.1")),
    strike=Decimal(100_000),
    is_call=True,
    expiry_ms=EXPIRY,
    index=BTC_USD,
)
COIN_PUT = replace(COIN_CALL, symbol="BTC-27DEC24-100000-P", is_call=False)
# A SOL option stands for ten SOL.
SOL_CALL = Option(
    *("deribit", "SOL_USDC-27DEC24-250-C", "SOL", "USDC", Decimal("0.1"), Decimal(10)),
    strike=Decimal(250),
    is_call=True,
    expiry_ms=EXPIRY,
    index=SOL_USDC,
)
SOL_PUT = replace(SOL_CALL, symbol="SOL_USDC-27DEC24-250-P", is_call=False)
# A strike that is no whole number of ticks of its index, and a lot of no round size.
ODD_CALL = replace(COIN_CALL, strike=Decimal("0.037"), lot=Decimal("0.7"))
ODD_PUT = replace(SOL_PUT, strike=Decimal("0.00037"), lot=Decimal("0.00003"))
LINEAR = Future(
    *("deribit", "SOL_USDC-27DEC24", "SOL", "USDC", Decimal("0.01"), Decimal("0.1")),
    expiry_ms=EXPIRY,
    index=SOL_USDC,
)
INVERSE = Future(
    *("deribit", "BTC-27DEC24", "BTC", "BTC", Decimal("0.5"), Decimal(1), Decimal(10)),
    expiry_ms=EXPIRY,
    index=BTC_USD,
)
OPTIONS = st.sampled_from([COIN_CALL, COIN_PUT, SOL_CALL, SOL_PUT, ODD_CALL, ODD_PUT])
LOTS = st.integers(-(10**6), 10**6)
TICKS = st.one_of(st.integers(1, 10**4), st.integers(1, 10**8))


def exact_payoff(option: Option, lots: int, index_ticks: int) -> Fraction:
    """The formula as the venue writes it, in quanta, without any rounding."""
    s, k = index_ticks * Fraction(option.index.tick), Fraction(option.strike)
    size = lots * Fraction(option.lot)
    if option.settle == "USDC":
        return size * DOLLAR * (max(s - k, 0) if option.is_call else max(k - s, 0))
    return size * COIN * (max(1 - k / s, 0) if option.is_call else max(k / s - 1, 0))


@pytest.mark.parametrize(
    ("option", "lots", "index", "quanta"),
    [
        # Inverse Options (25944688327069): strike 100,000, delivered at 125,000, is 0.2 BTC each.
        (COIN_CALL, 10, 125_000, COIN // 5),
        (COIN_CALL, -10, 125_000, -COIN // 5),
        (COIN_CALL, 10, 100_000, 0),
        (COIN_CALL, 10, 99_999, 0),
        # deribit.com/pages/docs/options, example 2 in units of its strike: half of it pays 1 BTC.
        (COIN_PUT, 10, 50_000, COIN),
        (COIN_PUT, -10, 100_001, 0),
        # Linear USDC Options (25944750999581): SOL, strike 250, delivered at 275, pays 250 USDC.
        (SOL_CALL, 1, 275, 250 * DOLLAR),
        (SOL_CALL, -1, 275, -250 * DOLLAR),
        (SOL_PUT, 2, 200, 1_000 * DOLLAR),
        (SOL_PUT, 2, 275, 0),
    ],
)
def test_examples_of_the_venues_pages_are_paid_to_the_quantum(
    option: Option, lots: int, index: int, quanta: int
) -> None:
    assert option.payoff(lots, int(index / option.index.tick)) == quanta


def test_premium_of_the_pages_example_costs_a_hundred_dollars() -> None:
    # The buyer of a SOL call at 10 USDC pays 10 x 10 USDC.
    assert SOL_CALL.entry_cost(1, 100) == 100 * DOLLAR
    assert SOL_CALL.value(-1, 100) == -100 * DOLLAR
    assert COIN_CALL.entry_cost(10, 100) == COIN // 20


@given(OPTIONS, LOTS, TICKS)
def test_payoff_is_the_formula_rounded_down_whoever_holds(
    option: Option, lots: int, index_ticks: int
) -> None:
    exact = exact_payoff(option, lots, index_ticks)
    assert 0 <= exact - option.payoff(lots, index_ticks) < 1
    assert option.payoff(abs(lots), index_ticks) >= 0


@given(OPTIONS, st.integers(1, 10**6), TICKS)
def test_long_and_short_of_one_option_never_earn_together(
    option: Option, lots: int, index_ticks: int
) -> None:
    both = option.payoff(lots, index_ticks) + option.payoff(-lots, index_ticks)
    assert -1 <= both <= 0


@given(st.sampled_from([(COIN_CALL, COIN_PUT), (SOL_CALL, SOL_PUT)]), LOTS, TICKS)
def test_long_call_and_short_put_pay_what_the_forward_does(
    pair: tuple[Option, Option], lots: int, index_ticks: int
) -> None:
    call, put = pair
    s, k = index_ticks * Fraction(call.index.tick), Fraction(call.strike)
    forward = lots * Fraction(call.lot) * ((1 - k / s) * COIN if call.coin_settled else s - k)
    exact = forward if call.coin_settled else forward * DOLLAR
    paid = call.payoff(lots, index_ticks) + put.payoff(-lots, index_ticks)
    assert 0 <= exact - paid < 1


@given(OPTIONS, LOTS, TICKS)
def test_worth_of_the_underlying_is_coins_or_coins_at_the_index_rounded_up(
    option: Option, lots: int, index_ticks: int
) -> None:
    coins = abs(lots) * Fraction(option.lot)
    price = index_ticks * Fraction(option.index.tick)
    exact = coins * COIN if option.coin_settled else coins * price * DOLLAR
    assert 0 <= option.worth(lots, index_ticks) - exact < 1


@given(LOTS, TICKS)
def test_coin_call_never_pays_more_than_its_coins(lots: int, index_ticks: int) -> None:
    assert COIN_CALL.payoff(abs(lots), index_ticks) <= COIN_CALL.worth(lots, index_ticks)


@given(st.sampled_from([LINEAR, INVERSE]), LOTS, TICKS)
def test_future_is_delivered_at_its_value_at_the_index_rounded_down(
    future: Future, lots: int, index_ticks: int
) -> None:
    price = index_ticks * Fraction(future.index.tick)
    if future.inverse:
        exact = -lots * 10 / price * COIN
    else:
        exact = lots * Fraction(future.lot) * price * DOLLAR
    assert 0 <= exact - future.payoff(lots, index_ticks) < 1
    assert 0 <= future.worth(lots, index_ticks) - abs(exact) < 1


def test_future_earns_the_difference_to_its_entry() -> None:
    # A thousand dollars from 50,000 to 62,500, and five SOL from 200 to 210.5.
    assert INVERSE.payoff(100, 6_250_000) - INVERSE.entry_cost(100, 100_000) == 400_000
    assert LINEAR.payoff(50, 2_105_000) - LINEAR.entry_cost(50, 20_000) == 52_500_000


@pytest.mark.parametrize("index_ticks", [0, -1])
def test_delivery_at_no_price_is_a_contradiction(index_ticks: int) -> None:
    for instrument in (COIN_CALL, SOL_PUT, LINEAR, INVERSE):
        with pytest.raises(InvariantError, match=r"deribit:\w+: an index of"):
            instrument.payoff(1, index_ticks)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"strike": Decimal(0)}, "strike must be positive"),
        ({"inverse_face_usd": Decimal(10)}, "an option has no face"),
        ({"tick": Decimal(0)}, "tick and lot must be positive"),
    ],
)
def test_option_that_cannot_be_is_refused(changed: dict[str, Decimal], complaint: str) -> None:
    with pytest.raises(InvariantError, match=complaint):
        replace(COIN_CALL, **changed)


def test_index_without_a_tick_is_refused() -> None:
    with pytest.raises(InvariantError, match="tick must be positive"):
        Index("deribit", "btc_usd", Decimal(0))
