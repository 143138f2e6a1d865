# SPDX-License-Identifier: Apache-2.0
"""Anybody may have risk taken off a sick or forgotten venue, in bounded steps, and nothing else."""

from __future__ import annotations

import pytest

from tests.contracts.evm import DAY_S, At, Refused, account
from tests.contracts.setting import KEEPER, Setting, VenueLimit, vault_with_venues

pytestmark = pytest.mark.contracts
SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS = 3 * DAY_S, 3_600, 1_000, 100


@pytest.fixture
def setting() -> Setting:
    made = vault_with_venues(2, limit=VenueLimit(health_min_bps=12_000))
    made.deposit(account("alice"), 10_000)
    return made


@pytest.fixture
def keeper(setting: Setting) -> At:
    """In office, and four thousand at each venue."""
    bounds = setting.vault.address, SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS
    made = setting.evm.deploy("Keeper", *bounds, sender=setting.owner)
    setting.through_timelock(setting.vault, "appoint", KEEPER, made.address)
    setting.rebalance(setting.move(0, 4_000), setting.move(1, 4_000))
    return made


def act(setting: Setting, keeper: At, venue: int = 0) -> None:
    keeper.act(setting.venues[venue].address, sender=setting.stranger)


def refusal(setting: Setting, keeper: At, venue: int = 0) -> str:
    with pytest.raises(Refused) as refused:
        act(setting, keeper, venue)
    return str(refused.value)


def test_healthy_venue_of_a_working_operator_is_let_alone(setting: Setting, keeper: At) -> None:
    setting.venues[0].set_market(4_000, 3_333, 0, sender=setting.owner)
    assert refusal(setting, keeper) == "keeper: no cause"


def test_venue_below_its_health_is_deleveraged_step_by_step_until_it_is_healthy(
    setting: Setting, keeper: At
) -> None:
    venue = setting.venues[0]
    venue.set_market(4_000, 4_000, 0, sender=setting.owner)
    steps = 0
    while venue.state()[1] < 12_000:
        before = venue.requirement()
        act(setting, keeper)
        assert venue.requirement() == before - before * STEP_BPS // 10_000
        assert refusal(setting, keeper) in {"keeper: too soon"}
        setting.evm.wait(INTERVAL_S)
        steps += 1
    assert steps == 2
    assert refusal(setting, keeper) == "keeper: no cause"
    assert venue.held() == 4_000


def test_silent_operator_has_money_brought_home_and_only_home(setting: Setting, keeper: At) -> None:
    setting.evm.wait(SILENCE_S)
    assert refusal(setting, keeper) == "keeper: no cause"
    setting.evm.wait(1)
    act(setting, keeper)
    assert (setting.vault.idle(), setting.total()) == (2_400, 10_000)
    assert setting.held(setting.stranger) == setting.held(keeper.address) == 0


def test_operator_who_is_heard_again_ends_it(setting: Setting, keeper: At) -> None:
    setting.evm.wait(SILENCE_S + 1)
    act(setting, keeper)
    setting.rebalance()
    setting.evm.wait(INTERVAL_S)
    assert refusal(setting, keeper) == "keeper: no cause"


def test_step_that_costs_more_than_its_bound_is_refused(setting: Setting, keeper: At) -> None:
    setting.evm.wait(SILENCE_S + 1)
    for venue, requirement in ((0, 0), (1, 4_000)):
        setting.venues[venue].set_market(4_000, requirement, 200, sender=setting.owner)
    assert refusal(setting, keeper, 0) == "vault: too little came home"
    assert refusal(setting, keeper, 1) == "vault: below the minimum"


def test_venue_that_does_not_answer_or_is_unknown_is_refused(setting: Setting, keeper: At) -> None:
    setting.evm.wait(SILENCE_S + 1)
    setting.venues[0].set_mute(True, sender=setting.owner)
    assert refusal(setting, keeper) == "keeper: venue does not answer"
    with pytest.raises(Refused, match="keeper: unknown venue"):
        keeper.act(setting.stranger, sender=setting.stranger)


def test_pause_and_shutdown_do_not_stop_the_keeper(setting: Setting, keeper: At) -> None:
    setting.vault.pause(sender=setting.sentinel)
    setting.vault.shut(sender=setting.sentinel)
    setting.evm.wait(SILENCE_S + 1)
    act(setting, keeper)
    assert setting.vault.idle() == 2_400


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ((0, 1, 1, 0), "keeper: no time"),
        ((1, 0, 1, 0), "keeper: no time"),
        ((1, 1, 0, 0), "keeper: step"),
        ((1, 1, 10_001, 0), "keeper: step"),
        ((1, 1, 1, 10_000), "keeper: slip"),
    ],
)
def test_keeper_without_bounds_cannot_be_made(
    setting: Setting, bounds: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        setting.evm.deploy("Keeper", setting.vault.address, *bounds, sender=setting.owner)
