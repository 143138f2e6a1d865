# SPDX-License-Identifier: Apache-2.0
"""Tokens that return nothing, take a fee, answer false, or call back."""

from __future__ import annotations

import pytest

from tests.contracts.evm import At, Evm, Refused, account
from tests.contracts.setting import Setting, VenueLimit, new_vault

pytestmark = pytest.mark.contracts
ALICE = account("alice")
ODD, SILENT = (f"tests/contracts/sources/{name}.vy" for name in ("OddToken", "SilentToken"))


def vault_of(source: str, decimals: int = 6) -> Setting:
    """A vault of that token with one venue, and Alice with a thousand."""
    evm = Evm()
    token: At = evm.deploy(source, decimals, sender=account("owner"))
    setting = new_vault(evm, token)
    venue = evm.deploy("TestVenue", token.address, setting.vault.address, sender=setting.owner)
    setting.add_venue(venue, VenueLimit())
    setting.venues.append(venue)
    setting.give(ALICE, 1_000)
    return setting


@pytest.mark.parametrize("decimals", [2, 6, 8, 18])
@pytest.mark.parametrize("source", [ODD, SILENT])
def test_token_with_or_without_return_values_goes_in_out_and_home(
    source: str, decimals: int
) -> None:
    setting = vault_of(source, decimals)
    vault = setting.vault
    shares = vault.deposit(1_000, ALICE, sender=ALICE)
    setting.rebalance(setting.move(0, 600, 600))
    setting.rebalance(setting.move(0, -600, 600))
    vault.requestRedeem(shares, ALICE, ALICE, sender=ALICE)
    vault.fulfil(ALICE, shares, [], 1_000, sender=ALICE)
    assert vault.redeem(shares, ALICE, ALICE, sender=ALICE) == 1_000
    assert setting.held(ALICE) == 1_000


def test_deposit_of_a_token_that_takes_a_fee_is_refused() -> None:
    setting = vault_of(ODD)
    setting.token.behave(1_000, False, "0x" + "00" * 20, b"", sender=ALICE)
    with pytest.raises(Refused, match="vault: token takes a fee"):
        setting.vault.deposit(1_000, ALICE, sender=ALICE)
    assert (setting.vault.idle(), setting.vault.totalSupply()) == (0, 0)


def test_fee_that_begins_later_is_a_loss_that_min_out_sees() -> None:
    setting = vault_of(ODD)
    setting.vault.deposit(1_000, ALICE, sender=ALICE)
    setting.rebalance(setting.move(0, 600, 600))
    setting.token.behave(100, False, "0x" + "00" * 20, b"", sender=ALICE)
    with pytest.raises(Refused, match="vault: too little came home"):
        setting.rebalance(setting.move(0, -600, 600))
    setting.rebalance(setting.move(0, -600, 594))
    assert setting.vault.idle() == 994


def test_token_that_answers_false_moves_nothing() -> None:
    setting = vault_of(ODD)
    nobody = "0x" + "00" * 20
    setting.token.behave(0, True, nobody, b"", sender=ALICE)
    with pytest.raises(Refused, match="vault: transfer failed"):
        setting.vault.deposit(1_000, ALICE, sender=ALICE)
    setting.token.behave(0, False, nobody, b"", sender=ALICE)
    shares = setting.vault.deposit(1_000, ALICE, sender=ALICE)
    setting.vault.requestRedeem(shares, ALICE, ALICE, sender=ALICE)
    setting.vault.fulfil(ALICE, shares, [], 0, sender=ALICE)
    setting.token.behave(0, True, nobody, b"", sender=ALICE)
    with pytest.raises(Refused, match="vault: transfer failed"):
        setting.vault.redeem(shares, ALICE, ALICE, sender=ALICE)
    assert setting.vault.maxRedeem(ALICE) == shares
