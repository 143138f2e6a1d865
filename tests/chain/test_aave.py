# SPDX-License-Identifier: Apache-2.0
"""The vault at real Aave v3: interest, refusals, a pool that has lent out all, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.aave import ALL, COIN_USD, DOLLAR, INTERVAL_S, SILENCE_S, UNIT, Bank
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import NEVER, signers
from tidegate.venues.chain.client import Chain, Refused

pytestmark = pytest.mark.chain
ALICE, STRANGER = account("alice"), account("stranger")
PUT = 60_000 * UNIT
# Aave's own numbers of errors: Errors.sol of 1.19.3.
RESERVE_FROZEN, RESERVE_PAUSED, SUPPLY_CAP = "28", "29", "51"


@pytest.fixture
def bank(chain: Chain, packages: Path) -> Bank:
    return Bank(chain, packages)


def test_supply_counts_in_full_owes_nothing_and_comes_home_in_full(bank: Bank) -> None:
    assert bank.adapter.state()[:2] == (PUT, NEVER)
    assert bank.setting.total() == 100_000 * UNIT
    assert bank.home(ALL, PUT) == PUT
    assert bank.a_token.balanceOf(bank.adapter.address) == 0


def test_interest_that_a_borrower_pays_is_value_and_comes_home_to_the_unit(bank: Bank) -> None:
    bank.borrow(45_000 * UNIT)
    bank.chain.wait(30 * DAY_S)
    # Three quarters are lent: 15/16 of the slope of 4 % on them is 2.8 % a year, the share of time
    # thirty days; Aave compounds by the second, and pays by the line.
    earned = bank.value() - PUT
    assert earned == pytest.approx(PUT * 0.75 * (0.04 * 15 / 16) * 30 / 365, rel=2e-3)
    bank.repay(50_000 * UNIT)
    value = bank.value()
    assert 0 <= bank.home(ALL, value) - value <= 1


@pytest.mark.parametrize(
    ("amount", "keys", "why"),
    [
        (20_000, 2, "policy: relative venue cap"),
        (1_000, 1, "vault: too few signatures"),
    ],
)
def test_illegal_order_is_refused_with_its_reason_and_moves_nothing(
    bank: Bank, amount: int, keys: int, why: str
) -> None:
    before = bank.setting.vault.idle(), bank.value()
    with pytest.raises(Refused, match=why):
        move = bank.adapter.address, amount * UNIT, 0
        bank.setting.rebalance(move, keys=signers(3)[:keys])
    assert (bank.setting.vault.idle(), bank.value()) == before
    bank.put(1_000 * UNIT)


@pytest.mark.parametrize("stop", ["frozen", "capped", "paused"])
def test_what_aave_itself_refuses_is_refused_with_aaves_number(bank: Bank, stop: str) -> None:
    configurator, at, owner = bank.aave.configurator, bank.dollar.address, bank.aave.owner
    if stop == "frozen":
        configurator.setReserveFreeze(at, True, sender=owner)
    elif stop == "capped":
        configurator.setSupplyCap(at, 60_000, sender=owner)
    else:
        configurator.setReservePause(at, True, sender=owner)
    number = {"frozen": RESERVE_FROZEN, "capped": SUPPLY_CAP, "paused": RESERVE_PAUSED}[stop]
    with pytest.raises(Refused, match=f"^{number}$"):
        bank.put(1_000 * UNIT)
    if stop == "paused":
        with pytest.raises(Refused, match=f"^{number}$"):
            bank.home(ALL)
        return
    assert bank.home(ALL, PUT) == PUT


def test_what_is_lent_out_stays_what_is_there_comes_home_and_the_rest_when_repaid(
    bank: Bank,
) -> None:
    bank.borrow(45_000 * UNIT)
    with pytest.raises(Refused, match="vault: too little came home"):
        bank.home(ALL, PUT)
    assert bank.home(ALL, 15_000 * UNIT) == 15_000 * UNIT
    assert bank.value() >= 45_000 * UNIT
    with pytest.raises(Refused, match="aave: nothing there"):
        bank.home(ALL)
    bank.repay(46_000 * UNIT)
    assert bank.home(ALL) >= 45_000 * UNIT


def test_borrower_who_takes_one_unit_first_holds_back_one_unit_and_not_all(bank: Bank) -> None:
    bank.borrow(UNIT)
    assert bank.home(PUT) == PUT - UNIT


def test_order_home_takes_what_is_asked_for_and_its_least_is_held(bank: Bank) -> None:
    bank.put(-25_000 * UNIT, 25_000 * UNIT)
    assert bank.value() == PUT - 25_000 * UNIT
    bank.borrow(30_000 * UNIT)
    with pytest.raises(Refused, match="vault: too little came home"):
        bank.put(-25_000 * UNIT, 25_000 * UNIT)


def test_crash_that_ruins_a_borrower_leaves_the_vault_what_the_pool_has(bank: Bank) -> None:
    bank.borrow(45_000 * UNIT)
    bank.coin_feed.set_price(COIN_USD * DOLLAR // 4, sender=account("owner"))
    pool, taker = bank.aave.pool, account("liquidator")
    bank.dollar.mint(taker, 45_000 * UNIT, sender=taker)
    bank.dollar.approve(pool.address, NEVER, sender=taker)
    pair = bank.coin.address, bank.dollar.address
    pool.liquidationCall(*pair, account("borrower"), 45_000 * UNIT, False, sender=taker)
    # Half of what was borrowed is worth more than all that was pledged: 22,500 at 1.05 of 500.
    back = 45_000 * UNIT - int(bank.dollar.balanceOf(taker))
    assert back == pytest.approx(22_500 / 1.05 * UNIT, rel=1e-3)
    # Aave 3.0 writes nothing off: the claim stands, and only what is there comes home.
    assert bank.value() >= PUT
    assert bank.home(ALL) == 15_000 * UNIT + back


def test_stranger_calls_the_keeper_when_the_operator_is_silent_and_money_comes_home(
    bank: Bank,
) -> None:
    with pytest.raises(Refused, match="keeper: no cause"):
        bank.keeper.act(bank.adapter.address, sender=STRANGER)
    bank.chain.wait(SILENCE_S + 60)
    for left in (PUT * 9 // 10, PUT * 81 // 100):
        bank.keeper.act(bank.adapter.address, sender=STRANGER)
        assert bank.value() == left
        with pytest.raises(Refused, match="keeper: too soon"):
            bank.keeper.act(bank.adapter.address, sender=STRANGER)
        bank.chain.wait(INTERVAL_S)
    assert bank.dollar.balanceOf(STRANGER) == 0


def test_holder_leaves_through_the_pool_by_himself_after_shutdown(bank: Bank) -> None:
    vault = bank.setting.vault
    vault.shut(sender=bank.setting.sentinel)
    shares = int(vault.balanceOf(ALICE))
    vault.requestRedeem(shares, ALICE, ALICE, sender=ALICE)
    bank.chain.wait(DAY_S)
    move = bank.adapter.address, -PUT, PUT
    claim = vault.fulfil(ALICE, shares, [move], 0, sender=ALICE)
    vault.redeem(shares, ALICE, ALICE, sender=ALICE)
    assert bank.dollar.balanceOf(ALICE) == claim
    assert claim == pytest.approx(100_000 * UNIT, abs=1)
