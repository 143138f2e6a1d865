# SPDX-License-Identifier: Apache-2.0
"""Liquidity of the vault in a real Uniswap v3 pool: its value, who can move that, the way home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.uniswap import PRICE_USD, WINDOW_S, Beach
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import KEEPER
from tests.contracts.uniswap import E18, GAP_BPS, UNIT
from tidegate.venues.chain.client import Chain, Refused

pytestmark = pytest.mark.chain
PUT, ALL = 200_000 * UNIT, 10**30
DUST = 10


@pytest.fixture
def beach(chain: Chain, packages: Path) -> Beach:
    made = Beach(chain, packages)
    made.put(PUT, PUT * 985 // 1_000)
    return made


def test_value_is_met_by_the_exit_and_is_within_gap_and_fee_of_it(beach: Beach) -> None:
    value = beach.value()
    assert 0.985 * PUT < value < PUT
    came = beach.home(ALL, value)
    assert value <= came <= PUT
    assert came - value < PUT * (GAP_BPS + 30) // 10_000
    assert beach.adapter.state()[0] == 0


def test_fees_of_real_trades_count_to_the_unit_as_the_pool_reckons_them(beach: Beach) -> None:
    before = beach.value()
    for dollars in (400_000, -400_000, 300_000, -350_000):
        beach.market.trade(dollars * UNIT)
    told = beach.value()
    dollars, coins = beach.poke()
    assert beach.value() == told
    assert dollars > 5 * UNIT
    assert coins > E18 // 500
    assert 0 < told - before < dollars + coins * PRICE_USD * UNIT // E18


def test_pool_that_a_stranger_pushes_raises_no_value_but_by_his_fees(beach: Beach) -> None:
    setting, before, attacker = beach.setting, beach.value(), account("attacker")
    for bps in (GAP_BPS // 2, 1_000, 30_000, -8_000):
        beach.market.push(bps, attacker)
        value = beach.value()
        dollars, coins = beach.poke()
        fees = dollars + coins * PRICE_USD * UNIT // E18
        # In the seconds between two blocks here the average follows by so much of the window.
        followed = before * abs(bps) // 10_000 * 20 // WINDOW_S
        assert value <= before + fees + followed
        assert beach.value() == pytest.approx(value, rel=0.001)
        if abs(bps) > GAP_BPS:
            assert beach.adapter.state()[2] == 0
            with pytest.raises(Refused, match="vault: stale report"):
                setting.deposit(attacker, UNIT)
            with pytest.raises(Refused, match="lp: price off its average"):
                beach.put(UNIT)
    beach.market.push(0, attacker)
    assert beach.adapter.state()[2] == beach.chain.now_s


@pytest.mark.parametrize("bps", [30_000, -8_000])
def test_fees_count_to_the_unit_where_the_price_has_left_the_range(beach: Beach, bps: int) -> None:
    beach.market.push(bps)
    beach.chain.wait(2 * WINDOW_S)
    told = beach.value()
    assert sum(beach.poke()) > 0
    assert beach.value() == told


def test_sandwich_of_the_way_in_brings_less_than_the_least_and_is_refused(beach: Beach) -> None:
    beach.market.push(0)
    before = beach.value()
    beach.put(PUT)
    gained = beach.value() - before
    beach.market.push(0)
    beach.market.push(GAP_BPS - 60, account("attacker"))
    with pytest.raises(Refused, match="vault: too little arrived"):
        beach.put(PUT, gained * 999 // 1_000)


def test_order_that_pushes_the_pool_to_the_limit_itself_is_refused(beach: Beach) -> None:
    beach.setting.deposit(account("bob"), 10**7 * UNIT)
    with pytest.raises(Refused, match="policy: report age"):
        beach.put(4 * 10**6 * UNIT)


def test_sandwich_of_the_unwind_costs_the_book_nothing(beach: Beach) -> None:
    value, total = beach.value(), beach.setting.total()
    beach.market.push(-GAP_BPS + 5, account("attacker"))
    with pytest.raises(Refused, match="vault: too little came home"):
        beach.home(value, value)
    beach.home(value)
    beach.market.push(0, account("attacker"))
    assert beach.setting.total() >= total - DUST
    beach.home(ALL)
    assert beach.setting.total() >= total - DUST


def test_fees_given_by_a_flash_loan_count_as_they_are_and_are_locked(beach: Beach) -> None:
    setting, market = beach.setting, beach.market
    setting.vault.accrue(sender=setting.stranger)
    priced, before = setting.vault.totalAssets(), beach.value()
    giver = market.node.deploy("tests/contracts/sources/FeeGiver.vy", sender=setting.owner)
    gift = 100_000 * UNIT
    beach.token.mint(giver.address, gift, sender=setting.owner)
    amounts = (0, gift) if market.dollar_is_1 else (gift, 0)
    giver.give(market.pool.address, *amounts, sender=setting.stranger)
    gained = beach.value() - before
    # Our share of the liquidity at this price gets its share of the gift.
    assert 0 < gained < gift // 5
    assert setting.vault.totalAssets() - priced < gained // 100
    assert beach.home(ALL, before + gained) >= before + gained


def test_crash_lets_home_what_is_dollars_and_the_rest_when_the_average_has_followed(
    beach: Beach,
) -> None:
    beach.market.push(-2_000)
    first = beach.home(ALL)
    assert 0 < first < PUT // 2
    assert beach.market.coin.balanceOf(beach.adapter.address) > E18
    with pytest.raises(Refused, match="lp: nothing comes home"):
        beach.home(ALL)
    beach.chain.wait(WINDOW_S)
    second = beach.home(ALL)
    assert beach.adapter.state()[0] == 0
    # A half and half of it fell by a fifth, less what the range sold on the way down.
    assert 0.85 * PUT < first + second < 0.9 * PUT


def test_operator_who_is_gone_has_his_liquidity_brought_home_by_a_stranger(beach: Beach) -> None:
    setting = beach.setting
    keeper = beach.market.node.deploy(
        "Keeper", setting.vault.address, 3 * DAY_S, 3_600, 2_500, 50, sender=setting.owner
    )
    setting.through_timelock(setting.vault, "appoint", KEEPER, keeper.address)
    setting.rebalance()
    beach.chain.wait(3 * DAY_S + 1)
    idle, before = setting.vault.idle(), beach.value()
    keeper.act(beach.adapter.address, sender=setting.stranger)
    assert setting.vault.idle() - idle == before // 4


def test_gas_of_the_ways_in_and_home_is_within_what_the_document_says(beach: Beach) -> None:
    assert beach.put(PUT) < 440_000
    beach.home(beach.value() // 2)
    assert beach.chain.spent < 300_000
    beach.home(ALL)
    assert beach.chain.spent < 300_000
