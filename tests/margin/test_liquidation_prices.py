# SPDX-License-Identifier: Apache-2.0
"""Liquidation prices: exact to the tick, and equal to the venue's formula within one tier."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.margin.books import BTC, FLAT, account, binance, books, bought, hyperliquid
from tidegate.margin.linear import LinearCross, SpotWallet
from tidegate.margin.liquidation import HIGHEST_MULTIPLE, LiquidationPrices, liquidation_prices
from tidegate.model.account import Account
from tidegate.model.instruments import Perpetual, Spot
from tidegate.model.units import MICRO
from tidegate.risk.settlement import InversePosition

PRICE = 600_000  # ticks of 0.1: 60,000 dollars


def solvent(rule: LinearCross, held: Account, marks: dict[str, int], ticks: int) -> bool:
    equity, maintenance = rule.health_at(held, {**marks, BTC.id: ticks})
    return equity >= maintenance


@given(books(), st.sampled_from([hyperliquid(), binance()]))
def test_account_is_insolvent_at_the_returned_tick_and_solvent_one_tick_nearer(
    book: tuple[Account, dict[str, int]], rule: LinearCross
) -> None:
    held, marks = book
    now = marks[BTC.id]
    found = liquidation_prices(rule, held, marks, BTC.id)
    if not solvent(rule, held, marks, now):
        assert found == LiquidationPrices(now, now)
        return
    if found.below_ticks is None:
        assert solvent(rule, held, marks, 1)
    else:
        assert 1 <= found.below_ticks < now
        assert not solvent(rule, held, marks, found.below_ticks)
        assert solvent(rule, held, marks, found.below_ticks + 1)
    if found.above_ticks is None:
        assert solvent(rule, held, marks, now * HIGHEST_MULTIPLE)
    else:
        assert found.above_ticks > now
        assert not solvent(rule, held, marks, found.above_ticks)
        assert solvent(rule, held, marks, found.above_ticks - 1)


@given(
    st.integers(1, 100_000),
    st.sampled_from([-1, 1]),
    st.integers(10_000, 1_000_000),
    st.floats(1.2, 30.0),
)
def test_price_in_one_tier_equals_the_documented_formula_within_a_tick(
    size: int, side: int, price: int, leverage: float
) -> None:
    # Hyperliquid, liquidations page: price - side * margin_available / size / (1 - l * side).
    notional = BTC.notional(size, price)
    held = account(int(notional / leverage), {BTC.id: bought(BTC, side * size, price)})
    marks = {BTC.id: price}
    rule = hyperliquid(FLAT, FLAT)
    state = rule.state(held, marks)
    assume(state.health >= 0)
    found = liquidation_prices(rule, held, marks, BTC.id)
    ticks = found.below_ticks if side > 0 else found.above_ticks
    base = Fraction(size) * Fraction(BTC.lot)
    margin_available = Fraction(state.equity - state.maintenance, MICRO)
    exact = Fraction(price) * Fraction(BTC.tick) - side * margin_available / base / (
        1 - Fraction(1, 50) * side
    )
    if ticks is None:
        assert side > 0
        assert exact < Fraction(BTC.tick) * 2
    else:
        quantum = Fraction(4, MICRO) / base
        assert abs(Fraction(ticks) * Fraction(BTC.tick) - exact) <= Fraction(BTC.tick) + quantum


def test_long_dies_below_and_short_dies_above_at_the_price_computed_by_hand() -> None:
    # 1 BTC at 60,000 with 6,000 of wallet at 2 %: 54,000 / 0.98 and 66,000 / 1.02.
    wallet, rule = 6_000 * MICRO, hyperliquid(FLAT, FLAT)
    long = account(wallet, {BTC.id: bought(BTC, 1_000, PRICE)})
    short = account(wallet, {BTC.id: bought(BTC, -1_000, PRICE)})
    marks = {BTC.id: PRICE}
    # 55,102.04 and 64,705.88 dollars, each to the first insolvent tick of a dime.
    assert liquidation_prices(rule, long, marks, BTC.id) == LiquidationPrices(551_020, None)
    assert liquidation_prices(rule, short, marks, BTC.id) == LiquidationPrices(None, 647_059)


def test_fully_paid_long_has_no_liquidation_price() -> None:
    held = account(61_000 * MICRO, {BTC.id: bought(BTC, 1_000, PRICE)})
    found = liquidation_prices(hyperliquid(), held, {BTC.id: PRICE}, BTC.id)
    assert found == LiquidationPrices(None, None)


def test_spot_wallet_and_flat_account_have_no_liquidation_price() -> None:
    coin = Spot("wallet", "BTCUSDC", "BTC", "USDC", Decimal("0.01"), Decimal("0.00001"))
    rule = SpotWallet("USDC", {"BTC": coin})
    held = Account("wallet", {"USDC": 5, "BTC": 10**8}, {})
    nothing = LiquidationPrices(None, None)
    assert liquidation_prices(rule, held, {coin.id: 6_000_000}, coin.id) == nothing
    assert liquidation_prices(binance(), account(1, {}), {BTC.id: PRICE}, BTC.id) == nothing


INVERSE = Perpetual(
    "venue", "BTC-PERP", "BTC", "BTC", Decimal("0.5"), Decimal(1), inverse_face_usd=Decimal(10)
)


@given(st.integers(1, 10_000), st.integers(20_000, 400_000), st.integers(2_000, 2_000_000))
def test_short_inverse_of_one_times_its_coins_is_worth_the_same_dollars_at_every_price(
    contracts: int, entry: int, ticks: int
) -> None:
    cost = INVERSE.entry_cost(-contracts, entry)
    coins = INVERSE.notional(contracts, entry)
    equity = coins + INVERSE.value(-contracts, ticks) - cost
    usd = Fraction(equity, 10**8) * ticks * Fraction(INVERSE.tick)
    quanta_usd = Fraction(3, 10**8) * ticks * Fraction(INVERSE.tick)
    assert abs(usd - contracts * 10) <= quanta_usd
    closed = InversePosition(
        -10.0 * contracts, INVERSE.price(entry), 10.0 * contracts / INVERSE.price(entry), 0.005
    )
    assert abs(closed.delta_coin()) <= 1e-12 * closed.collateral_coin
    assert closed.liquidation_price_usd() is None


@pytest.mark.parametrize("maintenance_ppm", [0, 4_000, 5_000, 25_000, 500_000])
@pytest.mark.parametrize("entry", [20_000, 119_999, 400_000])
def test_long_inverse_of_one_times_its_coins_dies_at_half_the_entry_times_one_plus_m(
    entry: int, maintenance_ppm: int
) -> None:
    # Equity c + N/p0 - N/p meets m N/p where p = p0 (1 + m) / 2, with c = N/p0.
    contracts = 10_000_000
    cost = INVERSE.entry_cost(contracts, entry)
    coins = INVERSE.notional(contracts, entry)

    def is_solvent(ticks: int) -> bool:
        equity = coins + INVERSE.value(contracts, ticks) - cost
        return equity * MICRO >= INVERSE.notional(contracts, ticks) * maintenance_ppm

    death = Fraction(entry) * (1 + Fraction(maintenance_ppm, MICRO)) / 2
    assert is_solvent(int(death) + 2)
    assert not is_solvent(int(death) - 2)
    closed = InversePosition(
        10.0 * contracts,
        INVERSE.price(entry),
        10.0 * contracts / INVERSE.price(entry),
        maintenance_ppm / MICRO,
    )
    assert closed.liquidation_price_usd() == pytest.approx(float(death * Fraction(INVERSE.tick)))
