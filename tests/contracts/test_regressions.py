# SPDX-License-Identifier: Apache-2.0
"""Faults that the tests of the contracts have met, each by name."""

from __future__ import annotations

import pytest

from tests.contracts.evm import account
from tests.contracts.setting import KEEPER, vault_with_venues

pytestmark = pytest.mark.contracts


def test_venue_that_holds_less_than_deleveraging_costs_is_still_deleveraged() -> None:
    """The test venue took off more than it held, and stopped the keeper without a reason."""
    setting = vault_with_venues(1)
    setting.deposit(account("alice"), 10_000)
    setting.rebalance(setting.move(0, 5_000))
    setting.through_timelock(setting.vault, "appoint", KEEPER, account("keeper"))
    setting.venues[0].set_market(0, 5_000, 20, sender=setting.owner)
    at = setting.venues[0].address
    setting.vault.deleverage(at, 2_000, 0, sender=account("keeper"))
    assert setting.venues[0].state()[:2] == (0, 0)
    assert setting.venues[0].requirement() == 4_000
