# SPDX-License-Identifier: Apache-2.0
"""Deribit standard margin: the venue's worked examples, inverse books, and its convex form."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.parity import read
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.liquidation import LiquidationPrices, liquidation_prices
from tidegate.model.account import Account, Position, fill_position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Perpetual, Spot
from tidegate.model.units import MICRO, ceil_div

COIN = 10**8
FEE_PPM = 7_500
LINEAR = Perpetual("deribit", "BTC_USDC", "BTC", "USDC", Decimal("0.5"), Decimal("0.001"))
INVERSE = Perpetual(
    "deribit", "BTC-PERP", "BTC", "BTC", Decimal("0.5"), Decimal(1), inverse_face_usd=Decimal(10)
)


def sized(rate: str, slope: str) -> SizedRate:
    return SizedRate(Fraction(rate), Fraction(slope))


def margin(initial: str, maintenance: str, slope: str) -> SizeMargin:
    return SizeMargin(sized(initial, slope), sized(maintenance, slope), "2022-01-11", "test")


BTC_MARGIN = margin("0.02", "0.01", "0.00005")


def rule(instrument: Instrument, held: SizeMargin = BTC_MARGIN) -> DeribitStandard:
    name = instrument.id
    return DeribitStandard(instrument.settle, {name: instrument}, {name: held}, {name: FEE_PPM})


def bought(instrument: Instrument, lots: int, ticks: int) -> Position:
    return Position(lots, instrument.entry_cost(lots, ticks))


def book(instrument: Instrument, wallet: int, lots: int, ticks: int) -> Account:
    held = {instrument.id: bought(instrument, lots, ticks)} if lots else {}
    return Account("deribit", {instrument.settle: wallet}, held)


def steps(amount: Decimal) -> tuple[Decimal, int]:
    """A step of a power of ten and the whole number of them in an amount."""
    exponent = min(0, int(amount.as_tuple().exponent))
    return Decimal(1).scaleb(exponent), int(amount.scaleb(-exponent))


def quanta(amount: object) -> int:
    exact = Fraction(str(amount)) * MICRO
    return ceil_div(exact.numerator, exact.denominator)


def test_parity_linear_contracts_to_the_quantum(cases_root: Path) -> None:
    for case in read(cases_root, "deribit/standard-linear", exact=True):
        (tick, ticks), (lot, lots) = (steps(Decimal(case[one])) for one in ("price", "size"))
        contract = Perpetual("deribit", case["instrument"], "BASE", "USDC", tick, lot)
        rates = SizeMargin(
            sized(str(case["im_base"]), str(case["im_slope"])),
            sized(str(case["mm_base"]), str(case["mm_slope"])),
            "",
            case["instrument"],
        )
        for side in (lots, -lots):
            state = rule(contract, rates).state(
                book(contract, 0, side, ticks), {contract.id: ticks}
            )
            assert state.initial == quanta(case["expected_im_usdc"])
            assert state.maintenance == quanta(case["expected_mm_usdc"])


@pytest.mark.parametrize(
    ("held", "price", "size", "initial", "maintenance"),
    [
        # support.deribit.com, Linear Perpetual (25944738177565), worked examples.
        (BTC_MARGIN, 100_000, 350, "1312500", "962500"),
        (margin("0.04", "0.02", "0.000005"), 200, 25, "200.625", "100.625"),
        (margin("0.04", "0.02", "0.000005"), 200, 6_000, "84000", "60000"),
    ],
)
def test_linear_examples_of_the_page_beside_the_cases_are_met(
    held: SizeMargin, price: int, size: int, initial: str, maintenance: str
) -> None:
    ticks, lots = 2 * price, 1_000 * size
    state = rule(LINEAR, held).state(book(LINEAR, 0, lots, ticks), {LINEAR.id: ticks})
    assert (state.initial, state.maintenance) == (quanta(initial), quanta(maintenance))
    assert state.binding == LINEAR.id


def test_inverse_position_of_ten_coins_needs_its_percentages_in_coin() -> None:
    # 600,000 USD at 60,000 are 10 BTC: 2.05 % and 1.05 % of them, whichever side.
    for lots in (60_000, -60_000):
        state = rule(INVERSE).state(book(INVERSE, COIN, lots, 120_000), {INVERSE.id: 120_000})
        assert (state.initial, state.maintenance) == (20_500_000, 10_500_000)
        assert (state.equity, state.withdrawable) == (COIN, COIN - 20_500_000)


@given(
    st.sampled_from([LINEAR, INVERSE]),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_requirement_is_the_formula_rounded_up_once(
    instrument: Instrument, lots: int, ticks: int, rate_ppm: int, slope_e9: int
) -> None:
    rate = SizedRate(Fraction(rate_ppm + 1, MICRO + 1), Fraction(slope_e9, 10**9))
    price = ticks * Fraction(instrument.tick)
    if instrument.inverse:
        size = lots * 10 / price
        worth = size * COIN
    else:
        size = lots * Fraction(instrument.lot)
        worth = size * price * MICRO
    exact = worth * (rate.at_zero + rate.per_base * size)
    assert rate.required(instrument, lots, ticks) == ceil_div(exact.numerator, exact.denominator)
    assert rate.required(instrument, -lots, ticks) == rate.required(instrument, lots, ticks)


@given(
    st.sampled_from([LINEAR, INVERSE]),
    st.integers(-(10**10), 10**12),
    st.integers(-(10**6), 10**6),
    st.integers(2_000, 10**6),
    st.integers(2_000, 10**6),
)
def test_withdrawable_is_the_lesser_of_wallet_and_equity_less_initial_margin(
    instrument: Instrument, wallet: int, lots: int, entry: int, ticks: int
) -> None:
    held, marks = book(instrument, wallet, lots, entry), {instrument.id: ticks}
    state = rule(instrument).state(held, marks)
    profit = instrument.value(lots, ticks) - instrument.entry_cost(lots, entry)
    assert state.equity == wallet + (profit if lots else 0)
    assert state.initial >= state.maintenance
    assert state.withdrawable == max(0, min(wallet, state.equity) - state.initial)
    assert rule(instrument).health_at(held, marks) == (state.equity, state.maintenance)


def test_linear_profit_of_the_session_stays_and_frees_no_initial_margin() -> None:
    # 1 BTC from 60,000 to 80,000; initial margin is 2.005 % of 80,000 and the wallet 5,000: the
    # profit of 20,000 would cover the 1,604, and yet they stay, as in the account summary of
    # docs.deribit.com, where 302.60065764 of balance less 1.24669592 lets 301.35396172 leave
    # beside a margin balance of 302.62729214.
    held = book(LINEAR, 5_000 * MICRO, 1_000, 120_000)
    state = rule(LINEAR).state(held, {LINEAR.id: 160_000})
    assert (state.equity, state.withdrawable) == (25_000 * MICRO, 3_396 * MICRO)
    lost = rule(LINEAR).state(held, {LINEAR.id: 114_000})
    # 3,000 lost leaves 2,000, of which 57,000 x 2.005 % = 1,142.85 stays.
    assert lost.withdrawable == 857_150_000


FLAT = margin("0.02", "0.01", "0")


@given(st.integers(1, 10_000), st.integers(20_000, 400_000), st.integers(2_000, 2_000_000))
def test_one_times_short_on_its_own_coins_is_worth_the_same_dollars_at_every_price(
    contracts: int, entry: int, ticks: int
) -> None:
    # Deribit, inverse futures: N (1/p0 - 1/p1) in coin; N/p0 of coin and a short of N are N USD.
    coins = INVERSE.notional(contracts, entry)
    held = book(INVERSE, coins, -contracts, entry)
    equity, _ = rule(INVERSE).health_at(held, {INVERSE.id: ticks})
    price = ticks * Fraction(INVERSE.tick)
    assert abs(Fraction(equity, COIN) * price - 10 * contracts) <= Fraction(3, COIN) * price


@pytest.mark.parametrize(("held", "contracts"), [(FLAT, 1), (FLAT, 10**6), (BTC_MARGIN, 1)])
@pytest.mark.parametrize("entry", [20_000, 119_999, 400_000])
def test_one_times_short_on_its_own_coins_has_no_liquidation_price(
    held: SizeMargin, contracts: int, entry: int
) -> None:
    coins = INVERSE.notional(contracts, entry)
    short = book(INVERSE, coins, -contracts, entry)
    found = liquidation_prices(rule(INVERSE, held), short, {INVERSE.id: entry}, INVERSE.id)
    assert found == LiquidationPrices(None, None)


def test_large_one_times_short_dies_where_its_size_in_coin_asks_for_all_of_its_coins() -> None:
    # b + s N / p = 1 at p = s N / (1 - b): 60,000 USD at 5e-5 a coin is 3.03 dollars, not capped.
    short = book(INVERSE, INVERSE.notional(6_000, 120_000), -6_000, 120_000)
    found = liquidation_prices(rule(INVERSE), short, {INVERSE.id: 120_000}, INVERSE.id)
    assert found == LiquidationPrices(6, None)


@pytest.mark.parametrize(("slope", "contracts"), [("0", 10_000_000), ("0.00005", 100)])
@pytest.mark.parametrize("maintenance", ["0.00525", "0.01", "0.5"])
@pytest.mark.parametrize("entry", [20_000, 119_999, 400_000])
def test_one_times_long_on_its_own_coins_dies_at_half_the_entry_times_one_plus_m(
    slope: str, contracts: int, maintenance: str, entry: int
) -> None:
    # c + N/p0 - N/p = m N/p with c = N/p0 gives p = p0 (1 + m) / 2; 0.525 % was b until 2022.
    long = book(INVERSE, INVERSE.notional(contracts, entry), contracts, entry)
    held = rule(INVERSE, margin("0.6", maintenance, slope))
    found = liquidation_prices(held, long, {INVERSE.id: entry}, INVERSE.id)
    death = Fraction(entry) * (1 + Fraction(maintenance)) / 2
    assert found.above_ticks is None
    assert found.below_ticks is not None
    assert abs(found.below_ticks - death) <= 2


def evaluate(lines: tuple[tuple[float, float], ...], notional: Fraction) -> Fraction:
    """Exact value of the floats' largest line."""
    return max(Fraction(rate) * notional - Fraction(deduction) for rate, deduction in lines)


SPANS = st.floats(1.0, 1e9)
SHARES = st.fractions(0, 1, max_denominator=10**6)
RATES = st.builds(
    SizedRate,
    st.fractions(Fraction(1, 1_000), Fraction(1, 2), max_denominator=10_000),
    st.fractions(0, Fraction(1, 100), max_denominator=10**7),
)


@given(RATES, st.decimals("0.001", "1000000", places=3), SPANS, SHARES, st.fractions(1, 10))
def test_lines_are_never_below_the_exact_requirement_inside_the_span_at_or_above_the_price(
    rate: SizedRate, lowest: Decimal, span: float, share: Fraction, above: Fraction
) -> None:
    notional = Fraction(span) * share
    exact = notional * (rate.at_zero + rate.per_base * notional / (Fraction(lowest) * above))
    assert evaluate(rate.convex_lines(lowest, span), notional) >= exact


@given(RATES, st.decimals("0.001", "1000000", places=3), SPANS, SHARES)
def test_lines_are_above_the_requirement_by_no_more_than_the_bow_of_the_widest_chord(
    rate: SizedRate, lowest: Decimal, span: float, share: Fraction
) -> None:
    # The widest chord spans 15/64, and a chord of k n^2 is above it by at most k width^2 / 4.
    notional = Fraction(span) * share
    bend = rate.per_base / Fraction(lowest)
    exact = notional * rate.at_zero + bend * notional**2
    slack = bend * (Fraction(span) * Fraction(15, 64)) ** 2 / 4 + Fraction(1, 10**6) * (exact + 1)
    assert evaluate(rate.convex_lines(lowest, span), notional) <= exact + slack


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE])
@given(lots=st.integers(1, 10**6), lowest=st.integers(1_000, 200_000), rise=st.integers(0, 10**6))
def test_lines_of_the_rule_cover_its_integer_requirement_to_the_quantum(
    instrument: Perpetual, lots: int, lowest: int, rise: int
) -> None:
    ticks = lowest + rise
    price = ticks * Fraction(instrument.tick)
    per_quantum = price / COIN if instrument.inverse else Fraction(1, MICRO)
    notional = (
        Fraction(10 * lots) if instrument.inverse else lots * Fraction(instrument.lot) * price
    )
    lines = rule(instrument).lines(instrument.id, lowest, float(notional) * 1.5)
    required = BTC_MARGIN.maintenance.required(instrument, lots, ticks)
    bound = max(Fraction(rate) * notional - Fraction(off) / MICRO for rate, off in lines)
    assert (required - 1) * per_quantum < bound


def test_rate_without_slope_is_one_line_through_zero() -> None:
    assert sized("0.01", "0").convex_lines(Decimal(100), 1e6) == ((0.01, 0.0),)


def test_lines_of_a_linear_contract_are_the_chords_computed_by_hand() -> None:
    # 1e-5 a coin at 100 dollars bends by 1e-7; a span of 64,000 has its knots at 1,000 j^2.
    lines = sized("0.01", "0.00001").convex_lines(Decimal(100), 64_000.0)
    assert len(lines) == 8
    assert lines[0] == pytest.approx((0.01 + 1e-7 * 1_000, 0.0))
    assert lines[1] == pytest.approx((0.01 + 1e-7 * 5_000, 1e-7 * 4_000_000))
    assert lines[-1] == pytest.approx((0.01 + 1e-7 * 113_000, 1e-7 * 49_000 * 64_000))


@pytest.mark.parametrize(("price", "span"), [("0", 1.0), ("-1", 1.0), ("NaN", 1.0)])
def test_lines_at_no_price_are_refused(price: str, span: float) -> None:
    with pytest.raises(InputError, match="lowest_price_usd: expected above 0"):
        BTC_MARGIN.maintenance.convex_lines(Decimal(price), span)


@pytest.mark.parametrize("span", [0.0, -1.0, float("nan"), float("inf")])
def test_lines_over_no_span_are_refused(span: float) -> None:
    with pytest.raises(InputError, match="span_usd: expected above 0"):
        BTC_MARGIN.maintenance.convex_lines(Decimal(1), span)


@pytest.mark.parametrize(
    ("rate", "slope", "message"),
    [
        ("0", "0", "rate: expected above 0 and at most 1"),
        ("-0.01", "0", "rate: expected above 0 and at most 1"),
        ("1.01", "0", "rate: expected above 0 and at most 1"),
        ("0.01", "-0.00005", "slope: expected at least 0"),
    ],
)
def test_rate_outside_its_range_is_refused(rate: str, slope: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sized(rate, slope)


def test_maintenance_that_may_exceed_initial_margin_is_refused() -> None:
    for low, high in ((("0.01", "0"), ("0.02", "0")), (("0.02", "0"), ("0.01", "0.1"))):
        with pytest.raises(InputError, match="not above the initial ones"):
            SizeMargin(sized(*low), sized(*high), "2022-01-11", "test")


SPOT = Spot("deribit", "BTC_USDC-SPOT", "BTC", "USDC", Decimal(1), Decimal(1))


@pytest.mark.parametrize(
    ("instrument", "collateral", "message"),
    [
        (LINEAR, "BTC", "expected a contract settled in BTC"),
        (INVERSE, "USDC", "expected a contract settled in USDC"),
        (SPOT, "USDC", "expected a contract settled in USDC"),
        (replace(INVERSE, base="ETH"), "BTC", "expected an inverse contract on BTC"),
    ],
)
def test_contract_that_the_account_cannot_margin_is_refused(
    instrument: Instrument, collateral: str, message: str
) -> None:
    name = instrument.id
    with pytest.raises(InputError, match=message):
        DeribitStandard(collateral, {name: instrument}, {name: BTC_MARGIN}, {name: 0})


def test_missing_rates_and_missing_or_impossible_fees_are_refused() -> None:
    name = LINEAR.id
    with pytest.raises(InputError, match="expected its margin rates"):
        DeribitStandard("USDC", {name: LINEAR}, {}, {name: 0})
    for fees in ({}, {name: -1}, {name: MICRO + 1}):
        with pytest.raises(InputError, match="expected a liquidation fee"):
            DeribitStandard("USDC", {name: LINEAR}, {name: BTC_MARGIN}, fees)


def closed_at_mark(
    held: Account, instrument: Instrument, lots: int, ticks: int, fee_ppm: int
) -> Account:
    """The account after a fill at the mark and the venue's fee on it."""
    position = held.positions[instrument.id]
    outcome = fill_position(position, lots, instrument.entry_cost(lots, ticks))
    fee = ceil_div(instrument.notional(lots, ticks) * fee_ppm, MICRO)
    left = {instrument.id: outcome.position} if outcome.position.lots else {}
    wallet = held.balances[instrument.settle] + outcome.realised_quanta - fee
    return Account("deribit", {instrument.settle: wallet}, left)


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE])
@given(
    lots=st.integers(1, 10**7),
    long=st.booleans(),
    share=st.floats(0.01, 0.999),
    ticks=st.integers(2_000, 10**6),
)
def test_liquidation_closes_parts_until_margin_suffices_and_ends_within_the_rounds(
    instrument: Perpetual, lots: int, long: bool, share: float, ticks: int
) -> None:
    held, marks = book(instrument, 0, lots if long else -lots, ticks), {instrument.id: ticks}
    venue = rule(instrument)
    equity, maintenance = venue.health_at(held, marks)
    held = replace_wallet(held, instrument.settle, int(share * maintenance) - equity)
    for attempt in range(64):
        step = venue.liquidation_step(held, marks, attempt)
        if step is None:
            break
        assert not step.takeover
        ((_, closed),) = step.closes
        before = held.positions[instrument.id].lots
        assert closed * before < 0
        assert abs(closed) <= abs(before)
        if step.clearance_ppm:
            assert abs(closed) <= ceil_div(abs(before), max(1, 32 - attempt))
        fee_ppm = step.clearance_ppm.get(instrument.id, 0)
        held = closed_at_mark(held, instrument, closed, ticks, fee_ppm)
    equity, maintenance = venue.health_at(held, marks)
    assert equity >= maintenance or not held.positions
    assert attempt <= 32


def replace_wallet(held: Account, asset: str, wallet: int) -> Account:
    return Account(held.venue, {asset: wallet}, held.positions)


def test_liquidation_starts_below_maintenance_and_not_at_it() -> None:
    flat = book(INVERSE, 0, 60_000, 120_000)
    marks = {INVERSE.id: 120_000}
    at = rule(INVERSE).liquidation_step(replace_wallet(flat, "BTC", 10_500_000), marks, 0)
    below = rule(INVERSE).liquidation_step(replace_wallet(flat, "BTC", 10_499_999), marks, 0)
    assert at is None
    assert below is not None
    assert below.closes == ((INVERSE.id, -1_875),)
    assert below.clearance_ppm == {INVERSE.id: FEE_PPM}


def test_account_without_equity_is_closed_at_once_without_a_fee_and_an_empty_one_left() -> None:
    short = book(INVERSE, 0, -60_000, 120_000)
    step = rule(INVERSE).liquidation_step(short, {INVERSE.id: 120_000}, 0)
    assert step is not None
    assert step.closes == ((INVERSE.id, 60_000),)
    assert not step.takeover
    assert not step.clearance_ppm
    assert rule(INVERSE).liquidation_step(book(INVERSE, -1, 0, 1), {}, 0) is None


def test_position_that_requires_most_is_cut_first() -> None:
    other = Perpetual("deribit", "ETH_USDC", "ETH", "USDC", Decimal("0.5"), Decimal("0.01"))
    both: dict[str, Instrument] = {LINEAR.id: LINEAR, other.id: other}
    venue = DeribitStandard("USDC", both, dict.fromkeys(both, FLAT), dict.fromkeys(both, FEE_PPM))
    held = Account(
        "deribit",
        {"USDC": MICRO},
        {LINEAR.id: bought(LINEAR, 1_000, 120_000), other.id: bought(other, -3_200, 6_000)},
    )
    step = venue.liquidation_step(held, {LINEAR.id: 120_000, other.id: 6_000}, 0)
    assert step is not None
    # 60,000 dollars of BTC against 96,000 of ETH.
    assert step.closes == ((other.id, 100),)
