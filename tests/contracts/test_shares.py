# SPDX-License-Identifier: Apache-2.0
"""Shares and their price: previews, rounding, donations, gains over time and losses at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.setting import WEEK_S, Setting, vault_with_venues

pytestmark = pytest.mark.contracts
ALICE, BOB, EVE = account("alice"), account("bob"), account("eve")
DECIMALS = (2, 6, 8, 18)
OFFSET = 10**6


def leave(setting: Setting, holder: str) -> int:
    """All that a holder gets from idle money, now."""
    shares = setting.vault.balanceOf(holder)
    setting.vault.requestRedeem(shares, holder, holder, sender=holder)
    setting.vault.fulfil(holder, shares, [], 0, sender=holder)
    return int(setting.vault.redeem(shares, holder, holder, sender=holder))


@pytest.mark.parametrize("decimals", DECIMALS)
def test_share_has_six_decimals_more_than_the_asset(decimals: int) -> None:
    setting = vault_with_venues(0, decimals)
    unit = 10**decimals
    assert setting.vault.decimals() == decimals + 6
    assert setting.deposit(ALICE, unit) == unit * OFFSET


@pytest.mark.parametrize("decimals", DECIMALS)
def test_whole_life_of_a_deposit_gives_every_unit_back(decimals: int) -> None:
    setting = vault_with_venues(2, decimals)
    unit = 10**decimals
    setting.deposit(ALICE, 10 * unit)
    setting.rebalance(setting.move(0, 4 * unit, 4 * unit), setting.move(1, 3 * unit, 3 * unit))
    setting.rebalance(setting.move(0, -4 * unit, 4 * unit), setting.move(1, -3 * unit, 3 * unit))
    assert leave(setting, ALICE) == 10 * unit
    assert (setting.vault.totalSupply(), setting.vault.totalAssets()) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(1, 10**12),
    gain=st.integers(0, 10**12),
    days=st.integers(0, 9),
    second=st.integers(1, 10**12),
)
def test_previews_equal_what_is_done_at_any_price(
    first: int, gain: int, days: int, second: int
) -> None:
    setting = vault_with_venues(1)
    vault = setting.vault
    setting.deposit(ALICE, first)
    setting.rebalance(setting.move(0, first, first))
    setting.token.mint(setting.venues[0].address, gain, sender=EVE)
    setting.venues[0].set_market(first + gain, 0, 0, sender=setting.owner)
    vault.accrue()
    setting.evm.wait(days * DAY_S)
    setting.give(BOB, 10**26)
    expected = vault.previewDeposit(second)
    assert vault.convertToShares(second) == expected
    if expected == 0:
        with pytest.raises(Refused, match="vault: nothing for it"):
            vault.deposit(second, BOB, sender=BOB)
        return
    assert vault.deposit(second, BOB, sender=BOB) == expected
    shares = second * OFFSET
    assert vault.mint(shares, BOB, sender=BOB) == vault.previewMint(shares)


@settings(max_examples=40, deadline=None)
@given(first=st.integers(3, 10**9), lost=st.integers(1, 10**9), shares=st.integers(1, 10**16))
def test_minting_costs_and_depositing_gives_what_is_rounded_for_the_vault(
    first: int, lost: int, shares: int
) -> None:
    setting = vault_with_venues(1)
    vault = setting.vault
    setting.deposit(ALICE, first)
    setting.rebalance(setting.move(0, first))
    setting.venues[0].set_market(first - lost % first, 0, 0, sender=setting.owner)
    supply, priced = vault.totalSupply() + OFFSET, vault.totalAssets() + 1
    cost, given_shares = vault.previewMint(shares), vault.previewDeposit(shares)
    assert shares * priced <= cost * supply < shares * priced + supply
    assert shares * supply - priced < given_shares * priced <= shares * supply


def test_priced_at_fulfilment_redemption_has_no_preview() -> None:
    vault = vault_with_venues(0).vault
    for preview in (vault.previewRedeem, vault.previewWithdraw):
        with pytest.raises(Refused, match="vault: priced at fulfilment"):
            preview(1)


@settings(max_examples=40, deadline=None)
@given(donation=st.integers(0, 10**15), deposit=st.integers(10, 10**9))
def test_donation_to_vault_and_venue_changes_no_price(donation: int, deposit: int) -> None:
    setting = vault_with_venues(1)
    setting.deposit(ALICE, deposit)
    setting.rebalance(setting.move(0, deposit // 2))
    before = setting.vault.totalAssets(), setting.vault.convertToShares(10**6)
    for place in (setting.vault, setting.venues[0], setting.policy):
        setting.token.mint(place.address, donation, sender=EVE)
    setting.vault.accrue()
    setting.evm.wait(WEEK_S)
    assert (setting.vault.totalAssets(), setting.vault.convertToShares(10**6)) == before


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(1, 10), gift=st.integers(0, 10**12), victim=st.integers(1, 10**9))
def test_first_depositor_who_inflates_the_price_loses_more_than_he_takes(
    seed: int, gift: int, victim: int
) -> None:
    setting = vault_with_venues(1)
    setting.deposit(EVE, seed)
    setting.rebalance(setting.move(0, seed))
    setting.token.mint(setting.venues[0].address, gift, sender=EVE)
    setting.venues[0].set_market(seed + gift, 0, 0, sender=setting.owner)
    setting.vault.accrue()
    setting.evm.wait(2 * WEEK_S)
    setting.give(ALICE, victim)
    if setting.vault.previewDeposit(victim) == 0:
        return
    setting.vault.deposit(victim, ALICE, sender=ALICE)
    setting.rebalance(setting.move(0, -seed - gift, 0))
    assert leave(setting, EVE) <= seed + gift


def with_gain(gain: int) -> Setting:
    """A thousand at a venue, and then more."""
    setting = vault_with_venues(1)
    setting.deposit(ALICE, 1_000)
    setting.rebalance(setting.move(0, 1_000, 1_000))
    setting.token.mint(setting.venues[0].address, max(gain, 0), sender=EVE)
    setting.venues[0].set_market(1_000 + gain, 0, 0, sender=setting.owner)
    return setting


def test_gain_is_priced_evenly_over_a_week_from_when_it_is_seen() -> None:
    setting = with_gain(700)
    setting.evm.wait(10 * WEEK_S)
    assert setting.vault.totalAssets() == 1_000
    setting.vault.accrue()
    for day in range(1, 8):
        setting.evm.wait(DAY_S)
        assert setting.vault.totalAssets() == 1_000 + 100 * day
    setting.evm.wait(WEEK_S)
    assert setting.vault.totalAssets() == 1_700


def test_gain_of_one_unit_is_locked_until_the_end() -> None:
    setting = with_gain(1)
    setting.vault.accrue()
    setting.evm.wait(WEEK_S - 1)
    assert setting.vault.totalAssets() == 1_000
    setting.evm.wait(1)
    assert setting.vault.totalAssets() == 1_001


@pytest.mark.parametrize("looks", [1, 7, 50])
def test_looking_often_neither_hastens_nor_delays_a_gain(looks: int) -> None:
    setting = with_gain(700_000)
    for _ in range(looks):
        setting.vault.accrue()
        setting.evm.wait(WEEK_S // looks)
    assert 701_000 - looks <= setting.vault.totalAssets() <= 701_000


def test_loss_is_priced_at_once() -> None:
    assert with_gain(-300).vault.totalAssets() == 700


def test_loss_comes_out_of_locked_gains_first() -> None:
    setting = with_gain(700)
    setting.vault.accrue()
    setting.evm.wait(DAY_S)
    setting.venues[0].set_market(1_200, 0, 0, sender=setting.owner)
    assert setting.vault.totalAssets() == 1_100
    setting.venues[0].set_market(900, 0, 0, sender=setting.owner)
    assert setting.vault.totalAssets() == 900


def test_deposit_just_before_a_gain_is_seen_and_out_again_takes_none_of_it() -> None:
    setting = with_gain(700)
    setting.deposit(BOB, 1_000)
    setting.vault.accrue()
    assert leave(setting, BOB) <= 1_000


@settings(max_examples=60, deadline=None)
@given(amounts=st.lists(st.integers(1, 10**9), min_size=1, max_size=6), first=st.integers(1, 10**9))
def test_round_trips_at_an_odd_price_gain_nothing(amounts: list[int], first: int) -> None:
    setting = vault_with_venues(1)
    setting.deposit(ALICE, first)
    setting.rebalance(setting.move(0, first))
    setting.venues[0].set_market(first * 2 // 3, 0, 0, sender=setting.owner)
    for amount in amounts:
        setting.give(BOB, amount)
        if setting.vault.previewDeposit(amount):
            before = setting.held(BOB)
            shares = setting.vault.deposit(amount, BOB, sender=BOB)
            # What is worth less than a unit is refused, and stays.
            if setting.vault.convertToAssets(shares):
                leave(setting, BOB)
            assert setting.held(BOB) <= before


@pytest.mark.parametrize("what", ["pause", "shut"])
def test_deposit_is_refused_in_a_pause_and_after_shutdown(what: str) -> None:
    setting = vault_with_venues(0)
    setting.give(ALICE, 100)
    getattr(setting.vault, what)(sender=setting.sentinel)
    assert (setting.vault.maxDeposit(ALICE), setting.vault.maxMint(ALICE)) == (0, 0)
    for call in (setting.vault.deposit, setting.vault.mint):
        with pytest.raises(Refused, match=r"vault: (paused|shut down)"):
            call(10, ALICE, sender=ALICE)


def test_interfaces_of_the_standards_are_announced() -> None:
    vault = vault_with_venues(0).vault
    for known in ("01ffc9a7", "2f0a18c5", "e3bc4e65", "620ee8e4"):
        assert vault.supportsInterface(bytes.fromhex(known))
    assert not vault.supportsInterface(bytes.fromhex("ffffffff"))
    assert vault.share() == vault.address.lower()
