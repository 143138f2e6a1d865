# SPDX-License-Identifier: Apache-2.0
"""The adapter of Perpetual v2 against a double with the published ABI; real curie needs a node."""

from __future__ import annotations

import pytest

from tests.contracts.evm import At, Refused, account
from tests.contracts.setting import KEEPER, MANAGER, NEVER, Setting, VenueLimit, vault_with_venues

pytestmark = pytest.mark.contracts
UNIT, E18 = 10**6, 10**18
BASE = account("base token")
PRICE = 2_000 * E18


class Desk:
    """Ten thousand as margin at curie, and a manager who may trade there."""

    def __init__(self) -> None:
        self.setting: Setting = vault_with_venues(0)
        setting = self.setting
        self.curie: At = setting.evm.deploy(
            "tests/contracts/sources/PerpDouble.vy", sender=setting.owner
        )
        at = self.curie.address
        self.adapter: At = setting.evm.deploy(
            "PerpV2Adapter",
            *(setting.token.address, setting.vault.address, at, at, at, BASE),
            sender=setting.owner,
        )
        self.curie.set_price(PRICE, sender=setting.owner)
        setting.add_venue(self.adapter, VenueLimit(health_min_bps=12_000))
        for role, name in ((MANAGER, "manager"), (KEEPER, "keeper")):
            setting.through_timelock(setting.vault, "appoint", role, account(name))
        setting.deposit(account("alice"), 20_000 * UNIT)
        setting.rebalance((self.adapter.address, 10_000 * UNIT, 10_000 * UNIT))

    def trade(self, size: int, target: At | None = None) -> None:
        """Opens or closes, by an allowed call."""
        sells = size < 0
        params = BASE, sells, sells, abs(size), 0, NEVER, 0, bytes(32)
        data = self.curie.data("openPosition", params)
        to = (target or self.curie).address
        self.setting.vault.act(self.adapter.address, to, data, sender=account("manager"))

    def deleverage(self, share_bps: int) -> None:
        at = self.adapter.address
        self.setting.vault.deleverage(at, share_bps, 0, sender=account("keeper"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_margin_counts_at_curies_account_value_and_owes_nothing_without_a_position(
    desk: Desk,
) -> None:
    assert desk.adapter.state() == (10_000 * UNIT, NEVER, desk.setting.evm.now_s)


def test_value_and_health_follow_the_price_and_never_go_below_nothing(desk: Desk) -> None:
    desk.trade(20 * E18)
    desk.curie.set_price(1_900 * E18, sender=BASE)
    assert desk.adapter.state()[:2] == (8_000 * UNIT, 8_000 * 16 * 10_000 // 38_000)
    desk.curie.set_price(1_000 * E18, sender=BASE)
    assert desk.adapter.state()[:2] == (0, 0)


def test_what_a_position_needs_does_not_come_home(desk: Desk) -> None:
    desk.trade(20 * E18)
    setting, at = desk.setting, desk.adapter.address
    setting.vault.bring_home(at, 10_000 * UNIT, 6_000 * UNIT, sender=setting.sentinel)
    assert setting.vault.idle() == 16_000 * UNIT
    with pytest.raises(Refused, match="perp: nothing is free"):
        setting.vault.bring_home(at, 1, 0, sender=setting.sentinel)


@pytest.mark.parametrize("size", [20 * E18, -20 * E18])
def test_deleveraging_closes_the_share_of_a_long_and_of_a_short(desk: Desk, size: int) -> None:
    desk.trade(size)
    before = desk.adapter.state()
    desk.deleverage(2_500)
    assert desk.curie.size(desk.adapter.address) == size * 3 // 4
    assert (desk.adapter.state()[0], desk.adapter.state()[1] > before[1]) == (before[0], True)
    desk.deleverage(10_000)
    assert desk.adapter.state()[:2] == (before[0], NEVER)
    with pytest.raises(Refused, match="perp: nothing open"):
        desk.deleverage(1)


def test_calls_go_to_the_clearing_house_alone(desk: Desk) -> None:
    with pytest.raises(Refused, match="perp: foreign target"):
        desk.trade(E18, target=desk.setting.token)


def test_position_that_breaks_the_venues_health_limit_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match="policy: venue health"):
        desk.trade(70 * E18)
    desk.trade(60 * E18)
