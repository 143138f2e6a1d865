# SPDX-License-Identifier: Apache-2.0
"""What trading and delivering an option costs: the venue's fees, and impact in its own coin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.costs.options import (
    DeliveryFee,
    OptionCosts,
    fee_notional,
    fill_at,
    index_mark,
    notional_usd,
)
from tidegate.costs.trading import TradingCosts, slippage
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Index, Option, Perpetual
from tidegate.model.market import Quote
from tidegate.model.units import MICRO, ceil_div

EXPIRY = 1_735_286_400_000
COIN = 10**8
INDEX = Index("deribit", "btc_usd", Decimal("0.01"))
TERMS = {"strike": Decimal(100_000), "expiry_ms": EXPIRY, "index": INDEX}
COIN_CALL = Option(
    *("deribit", "C", "BTC", "BTC", Decimal("0.0001"), Decimal("0.1")),
    is_call=True,
    **TERMS,  # type: ignore[arg-type]
)
COIN_PUT = replace(COIN_CALL, symbol="P", is_call=False)
DOLLAR_CALL = replace(COIN_CALL, symbol="UC", settle="USDC", tick=Decimal(5))
DOLLAR_PUT = replace(DOLLAR_CALL, symbol="UP", is_call=False)
FUTURE = Future(
    *("deribit", "F", "BTC", "BTC", Decimal("0.5"), Decimal(1), Decimal(10)),
    expiry_ms=EXPIRY,
    index=INDEX,
)
PERP = Perpetual("deribit", "PERP", "BTC", "USDC", Decimal("0.5"), Decimal("0.001"))
OPTIONS = st.sampled_from([COIN_CALL, COIN_PUT, DOLLAR_CALL, DOLLAR_PUT])
# Fees page (25944746248989): 0.03 % of the coin, or 0.05 % of the index; 12.5 % of the premium.
IN_COIN = OptionCosts(300, 0.05, 1.0, cap_ppm=125_000)
IN_DOLLARS = OptionCosts(500, 0.05, 1.0, cap_ppm=125_000)
MARKS = {INDEX.id: 10_000_000}  # 100,000 dollars
LOTS = st.integers(-(10**4), 10**4).filter(bool)


def quote(ticks: int, volume_usd: float = 1e8) -> Quote:
    return Quote(ticks, 0, False, volume_usd, 0.4, None)


def test_fees_of_the_venues_page_are_taken_to_the_quantum() -> None:
    # One BTC option at 0.05: 0.0003 BTC. At 0.0001 the cap holds: 0.0000125 BTC.
    free = replace(IN_COIN, half_spread=0.0, impact_coefficient=0.0)
    assert fill_at(COIN_CALL, free, 10, quote(500), 0.0, MARKS)[1] == 30_000
    assert fill_at(COIN_CALL, free, -10, quote(1), 0.0, MARKS)[1] == 1_250
    # One BTC at an index of 100,000: 50 dollars, and 12.5 % of a premium of 100 dollars.
    free = replace(IN_DOLLARS, half_spread=0.0, impact_coefficient=0.0)
    assert fill_at(DOLLAR_CALL, free, 10, quote(1_000), 0.0, MARKS)[1] == 50 * MICRO
    assert fill_at(DOLLAR_PUT, free, -10, quote(20), 0.0, MARKS)[1] == 12_500_000


@given(OPTIONS, LOTS, st.integers(1, 10**4), st.integers(1, 10**8))
def test_fee_is_the_lesser_of_rate_and_cap_rounded_up(
    option: Option, lots: int, ticks: int, level: int
) -> None:
    costs = IN_COIN if option.coin_settled else IN_DOLLARS
    slip, fee = fill_at(option, costs, lots, quote(ticks), 0.0, {INDEX.id: level})
    by_rate = Fraction(option.worth(lots, level) * costs.taker_ppm, MICRO)
    by_cap = Fraction(option.notional(lots, slip.ticks) * costs.cap_ppm, MICRO)
    assert 0 <= fee - min(by_rate, by_cap) < 1
    assert costs.fee_quanta(option.notional(lots, slip.ticks)) >= fee


@given(LOTS, st.integers(1, 10**5), st.floats(0.0, 1e6))
def test_what_is_no_option_costs_what_it_did(lots: int, ticks: int, before_usd: float) -> None:
    costs, seen = TradingCosts(450, 0.0002, 1.0), quote(ticks)
    slip, fee = fill_at(PERP, costs, lots, seen, before_usd, {})
    assert slip == slippage(PERP, costs, lots, seen, before_usd)
    assert fee == costs.fee_quanta(PERP.notional(lots, slip.ticks))
    assert fee_notional(PERP, lots, ticks, {}) == PERP.notional(lots, ticks)
    assert notional_usd(PERP, lots, ticks, {}) == PERP.notional(lots, ticks) / MICRO


@given(st.integers(1, 10**4), st.integers(100, 10**4), st.floats(0.0, 1e6))
def test_impact_on_a_premium_in_coin_is_that_on_the_same_dollars(
    lots: int, ticks: int, before_usd: float
) -> None:
    # A tick of 0.0001 BTC at 50,000 dollars is the 5 dollars of the other option's tick.
    at = {INDEX.id: 5_000_000}
    coin, _ = fill_at(COIN_CALL, IN_COIN, lots, quote(ticks), before_usd, at)
    dollars, _ = fill_at(DOLLAR_CALL, IN_DOLLARS, lots, quote(ticks), before_usd, at)
    assert abs(coin.ticks - dollars.ticks) <= 1
    assert coin.ticks > ticks
    usd = notional_usd(COIN_CALL, lots, ticks, at)
    assert usd == pytest.approx(notional_usd(DOLLAR_CALL, lots, ticks, at), rel=1e-12)
    assert usd == pytest.approx(lots * 0.1 * ticks * 5, rel=1e-12)


def test_delivery_fee_is_that_of_the_venue_and_nothing_where_nothing_is_paid() -> None:
    # 0.015 % of a coin, under 12.5 % of what is paid: 0.001 BTC at a delivery of 100,100.1.
    fee = DeliveryFee(150, 125_000)
    assert fee.quanta(COIN_CALL, 10, 12_500_000) == 15_000
    assert fee.quanta(COIN_CALL, -10, 12_500_000) == 15_000
    assert fee.quanta(COIN_CALL, 10, 10_010_010) == ceil_div(COIN_CALL.payoff(10, 10_010_010), 8)
    assert fee.quanta(COIN_CALL, 10, 10_000_000) == 0
    assert fee.quanta(COIN_PUT, 10, 12_500_000) == 0
    assert fee.quanta(DOLLAR_CALL, 10, 12_500_000) == 18_750_000
    # Quarterly futures 0.025 %: of 10,000 dollars at 50,000, in coin.
    assert DeliveryFee(250, MICRO).quanta(FUTURE, -1_000, 5_000_000) == 5_000


@given(OPTIONS, LOTS, st.integers(1, 10**8))
def test_delivery_never_costs_a_holder_more_than_an_eighth_of_what_is_paid(
    option: Option, lots: int, level: int
) -> None:
    fee = DeliveryFee(150, 125_000).quanta(option, lots, level)
    assert 0 <= fee <= ceil_div(abs(option.payoff(lots, level)), 8)


@pytest.mark.parametrize("marks", [{}, {INDEX.id: 0}, {INDEX.id: -5}])
def test_missing_index_is_refused_and_never_makes_a_fee_of_nothing(marks: dict[str, int]) -> None:
    for ask in (
        lambda: fill_at(COIN_CALL, IN_COIN, 1, quote(100), 0.0, marks),
        lambda: fill_at(DOLLAR_PUT, IN_DOLLARS, 1, quote(100), 0.0, marks),
        lambda: fee_notional(COIN_CALL, 1, 100, marks),
        lambda: index_mark(INDEX, marks),
    ):
        with pytest.raises(InputError, match="marks: deribit:btc_usd: expected the index"):
            ask()


def test_option_without_cost_terms_of_its_own_is_refused() -> None:
    with pytest.raises(InputError, match="deribit:C: expected an option's cost terms"):
        fill_at(COIN_CALL, TradingCosts(300, 0.0, 0.0), 1, quote(100), 0.0, MARKS)


@pytest.mark.parametrize("wrong", [-1, MICRO + 1])
def test_shares_that_are_none_are_refused(wrong: int) -> None:
    for make in (
        lambda: OptionCosts(wrong, 0.0, 0.0, cap_ppm=0),
        lambda: OptionCosts(0, 0.0, 0.0, cap_ppm=wrong),
        lambda: DeliveryFee(wrong, 0),
        lambda: DeliveryFee(0, wrong),
    ):
        with pytest.raises(InputError, match="expected 0 to 1000000"):
            make()


def test_rate_without_an_index_is_the_cap() -> None:
    assert IN_COIN.linear_rate() == 0.125 + 0.05
    assert IN_COIN.linear_rate(Quote(1, 0, False, 1.0, 1.0, 0.2)) == 0.125 + 0.2
