# SPDX-License-Identifier: Apache-2.0
"""What can leave: never more than the equity, and less where the venue keeps more."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.margin.books import BTC, ETH, FLAT, account, binance, books, bought, hyperliquid
from tidegate.margin.linear import LinearCross, SpotWallet
from tidegate.model.account import Account
from tidegate.model.instruments import Spot
from tidegate.model.units import MICRO

PRICE = 600_000
RULES = st.sampled_from(
    [hyperliquid(), hyperliquid(leverage=3), binance(), binance(leverage=3), binance(FLAT, FLAT)]
)


def after_leaving(held: Account, quanta: int) -> Account:
    return Account(held.venue, {"USDC": held.balances["USDC"] - quanta}, held.positions)


@given(books(), RULES)
def test_withdrawable_is_between_zero_and_the_equity(
    book: tuple[Account, dict[str, int]], rule: LinearCross
) -> None:
    state = rule.state(*book)
    assert 0 <= state.withdrawable <= max(0, state.equity)


@given(books(), RULES)
def test_what_is_left_after_withdrawing_all_carries_initial_margin_and_nothing_more_may_leave(
    book: tuple[Account, dict[str, int]], rule: LinearCross
) -> None:
    held, marks = book
    quanta = rule.state(held, marks).withdrawable
    left = rule.state(after_leaving(held, quanta), marks)
    assert left.withdrawable == 0
    assert quanta == 0 or left.equity >= left.initial >= 0


@given(books(), st.integers(2, 40))
def test_hyperliquid_keeps_the_larger_of_initial_margin_and_a_tenth_of_the_notional(
    book: tuple[Account, dict[str, int]], leverage: int
) -> None:
    held, marks = book
    rule = hyperliquid(leverage=leverage)
    state = rule.state(held, marks)
    gross = sum(
        abs(instrument.value(held.positions[instrument.id].lots, marks[instrument.id]))
        for instrument in (BTC, ETH)
        if instrument.id in held.positions
    )
    kept = max(state.initial, -(-gross // 10))
    assert state.withdrawable == max(0, state.equity - kept)


def test_hyperliquid_lets_unrealised_profit_leave_down_to_a_tenth_of_the_notional() -> None:
    # 1 BTC bought at 60,000, now 66,000, no wallet: 6,000 of profit less 10 % of 66,000 is
    # nothing; at 80,000 it is 20,000 - 8,000, though initial margin at 20x is only 4,000.
    held = account(0, {BTC.id: bought(BTC, 1_000, PRICE)})
    assert hyperliquid().state(held, {BTC.id: 660_000}).withdrawable == 0
    assert hyperliquid().state(held, {BTC.id: 800_000}).withdrawable == 12_000 * MICRO


@given(books())
def test_binance_never_lets_more_leave_than_the_wallet_holds(
    book: tuple[Account, dict[str, int]],
) -> None:
    held, marks = book
    assert binance().state(held, marks).withdrawable <= max(0, held.balances["USDC"])


def test_binance_profit_carries_the_position_and_stays() -> None:
    # Wallet 5,000, profit 20,000, initial margin 4,000: the wallet may leave and no more.
    held = account(5_000 * MICRO, {BTC.id: bought(BTC, 1_000, PRICE)})
    state = binance().state(held, {BTC.id: 800_000})
    assert state.equity == 25_000 * MICRO
    assert state.withdrawable == 5_000 * MICRO


def test_binance_loss_is_taken_off_what_may_leave() -> None:
    # Wallet 10,000, loss 4,000, initial margin 56,000 / 20: 3,200 may leave.
    held = account(10_000 * MICRO, {BTC.id: bought(BTC, 1_000, PRICE)})
    assert binance().state(held, {BTC.id: 560_000}).withdrawable == 3_200 * MICRO


def test_leverage_above_the_tier_is_capped_and_the_binding_instrument_named() -> None:
    # 6 million dollars of BTC is in the tier of 4x; half a million of ETH in the tier of 20x.
    positions = {BTC.id: bought(BTC, 100_000, PRICE), ETH.id: bought(ETH, 16_667, 300_000)}
    state = hyperliquid(leverage=20).state(
        account(10**13, positions), {BTC.id: PRICE, ETH.id: 300_000}
    )
    assert state.binding == BTC.id
    assert state.initial == 1_500_000 * MICRO + 25_000_500_000


COIN = Spot("wallet", "BTCUSDC", "BTC", "USDC", Decimal("0.01"), Decimal("0.00001"))
DOLLAR = Spot("wallet", "USDCUSDT", "USDC", "USDT", Decimal("0.0001"), Decimal("0.1"))


def test_spot_wallet_counts_the_coin_and_lets_only_dollars_leave() -> None:
    rule = SpotWallet("USDC", {"BTC": COIN})
    held = Account("wallet", {"USDC": 7 * MICRO, "BTC": 150_000_000}, {})
    state = rule.state(held, {COIN.id: 6_000_000})
    assert (state.equity, state.maintenance) == (90_007 * MICRO, 0)
    assert state.withdrawable == 7 * MICRO
    assert rule.liquidation_step(held, {COIN.id: 1}, 0) is None


def test_spot_wallet_values_a_coin_of_six_decimals_in_its_own_unit() -> None:
    rule = SpotWallet("USDT", {"USDC": DOLLAR})
    held = Account("wallet", {"USDC": 250 * MICRO}, {})
    assert rule.state(held, {DOLLAR.id: 9_990}).equity == 249_750_000
