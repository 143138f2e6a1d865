# SPDX-License-Identifier: Apache-2.0
"""Contract values, average-cost accounting and rounding, all against us."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.account import Position, fill_position
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.instruments import Contract, Perpetual, Spot
from tidegate.model.units import (
    ceil_div,
    claim_to_quanta,
    cost_to_quanta,
    from_quanta,
    micro_down,
    nearest_ticks,
    rate_to_ppm,
    read_decimal,
)

LINEAR = Perpetual("v", "BTC", "BTC", "USDC", Decimal("0.1"), Decimal("0.00001"))
INVERSE = Perpetual("v", "BTCUSD", "BTC", "BTC", Decimal("0.5"), Decimal(1), Decimal(10))
ODD = Perpetual("v", "X", "X", "USDC", Decimal("0.0000003"), Decimal("0.7"))
LOTS = st.integers(-(10**7), 10**7)
TICKS = st.integers(1, 10**7)
CONTRACTS = st.sampled_from([LINEAR, INVERSE, ODD])


def exact_value(contract: Contract, lots: int, ticks: int) -> Fraction:
    price, size = ticks * Fraction(contract.tick), lots * Fraction(contract.lot)
    if contract.inverse_face_usd is None:
        return size * price * 10**6
    return -size * Fraction(contract.inverse_face_usd) / price * 10**8


@given(CONTRACTS, LOTS, TICKS)
def test_value_is_rounded_down_and_cost_up_from_the_exact_formula(
    contract: Contract, lots: int, ticks: int
) -> None:
    exact = exact_value(contract, lots, ticks)
    assert 0 <= exact - contract.value(lots, ticks) < 1
    assert 0 <= contract.entry_cost(lots, ticks) - exact < 1
    assert 0 <= contract.notional(lots, ticks) - abs(exact) < 1


@given(CONTRACTS, LOTS, TICKS)
def test_round_trip_at_one_price_never_earns(contract: Contract, lots: int, ticks: int) -> None:
    profit = contract.value(lots, ticks) - contract.entry_cost(lots, ticks)
    assert -1 <= profit <= 0


def test_inverse_long_of_n_dollars_earns_n_times_the_difference_of_inverse_prices() -> None:
    # 1,000 dollars from 50,000 to 62,500: 1000 (1/50000 - 1/62500) = 0.004 BTC.
    lots, bought, sold = 100, 100_000, 125_000
    assert INVERSE.value(lots, sold) - INVERSE.entry_cost(lots, bought) == 400_000


def test_spot_counts_its_coins_exactly_and_refuses_a_lot_finer_than_the_coin() -> None:
    coin = Spot("v", "BTCUSDC", "BTC", "USDC", Decimal("0.01"), Decimal("0.00001"))
    assert coin.base_quanta(-3) == -3_000
    finer = Spot("v", "BTCUSDC", "BTC", "USDC", Decimal("0.01"), Decimal("0.000000001"))
    with pytest.raises(InvariantError, match="finer than the coin"):
        finer.base_quanta(1)


def test_contract_with_a_tick_of_zero_is_refused() -> None:
    with pytest.raises(InvariantError, match="tick and lot must be positive"):
        Perpetual("v", "BTC", "BTC", "USDC", Decimal(0), Decimal(1))


FILLS = st.lists(
    st.tuples(st.integers(-1_000, 1_000).filter(bool), st.integers(1, 10**6)), min_size=1
)


@given(FILLS)
def test_lots_add_up_and_cost_plus_profit_is_all_that_was_paid(
    fills: list[tuple[int, int]],
) -> None:
    position, realised, paid, lots = Position(0, 0), 0, 0, 0
    for size, ticks in fills:
        cost = ODD.entry_cost(size, ticks)
        outcome = fill_position(position, size, cost)
        position, realised = outcome.position, realised + outcome.realised_quanta
        paid, lots = paid + cost, lots + size
        assert position.lots == lots
        assert position.cost - realised == paid
        assert position.lots or position.cost == 0


@given(
    st.integers(-1_000, 1_000).filter(bool),
    st.integers(-(10**9), 10**9),
    st.integers(-1_000, 1_000).filter(bool),
    st.integers(-(10**9), 10**9),
)
def test_realised_profit_is_never_above_the_exact_share(
    held: int, held_cost: int, lots: int, cost: int
) -> None:
    held_cost, cost = abs(held_cost) * sign(held), abs(cost) * sign(lots)
    outcome = fill_position(Position(held, held_cost), lots, cost)
    if sign(held) == sign(lots):
        assert outcome.realised_quanta == 0
        return
    closed = min(abs(held), abs(lots))
    exact = -Fraction(cost * closed, abs(lots)) - Fraction(held_cost * closed, abs(held))
    assert 0 <= exact - outcome.realised_quanta < 1


def sign(number: int) -> int:
    return 1 if number > 0 else -1


def test_fill_through_zero_rounds_the_profit_of_the_closed_part_down() -> None:
    # Three of five lots sold for 101 close a long that cost 60: 60.6 came in, 0.6 of it profit.
    outcome = fill_position(Position(3, 60), -5, -101)
    assert outcome.realised_quanta == 0
    assert outcome.position == Position(-2, -41)


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**9))
def test_ceil_div_is_the_least_integer_not_below(numerator: int, denominator: int) -> None:
    found = ceil_div(numerator, denominator)
    assert 0 <= found * denominator - numerator < denominator


@given(st.decimals(-(10**9), 10**9, places=9), st.sampled_from(["USDC", "BTC"]))
def test_claim_is_rounded_down_and_cost_up_and_quanta_print_exactly(
    amount: Decimal, asset: str
) -> None:
    claim, cost = claim_to_quanta(amount, asset), cost_to_quanta(amount, asset)
    assert from_quanta(claim, asset) <= amount <= from_quanta(cost, asset)
    assert cost - claim <= 1


@pytest.mark.parametrize(
    ("rate", "ppm"), [("0.00045", 450), ("0.0000001", 1), ("-0.0000019", -1), ("0", 0)]
)
def test_rate_is_rounded_up_to_parts_per_million(rate: str, ppm: int) -> None:
    assert rate_to_ppm(Decimal(rate)) == ppm


def test_float_permissions_are_rounded_down_and_prices_to_the_nearest_tick() -> None:
    assert (micro_down(1.0000009), micro_down(-1e-9)) == (1_000_000, -1)
    found = nearest_ticks(np.array([0.3, 60_000.04, 60_000.06]), Decimal("0.1"))
    assert found.tolist() == [3, 600_000, 600_001]


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "1e999999999", "1e-300", "1,5"])
def test_text_that_is_no_number_of_ordinary_size_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^file: field: expected a .*number") as refused:
        read_decimal(text, "file", "field")
    assert "\n" not in str(refused.value)
