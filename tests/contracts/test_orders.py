# SPDX-License-Identifier: Apache-2.0
"""Orders: each refusal with its reason and, beside it, the order that is taken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.setting import (
    BPS,
    NEVER,
    BookLimit,
    Setting,
    VenueLimit,
    signer,
    signers,
    vault_with_venues,
)

pytestmark = pytest.mark.contracts
ALICE = "alice"


@pytest.fixture
def setting() -> Setting:
    """Three venues in two groups, ten thousand deposited, four thousand of it at the first two."""
    made = vault_with_venues(3)
    made.limit_venue(made.venues[2], VenueLimit(group=1))
    made.limit_group(1)
    made.deposit(account(ALICE), 10_000)
    made.rebalance(made.move(0, 2_000, 2_000), made.move(1, 2_000, 2_000))
    return made


def refusal(setting: Setting, *moves: Any, **given: Any) -> str:
    """The reason for which an order is refused, and that it changed nothing."""
    before = setting.vault.current_book(), setting.vault.order_nonce(), setting.vault.idle()
    with pytest.raises(Refused) as refused:
        setting.rebalance(*moves, **given)
    after = setting.vault.current_book(), setting.vault.order_nonce(), setting.vault.idle()
    assert before == after
    return str(refused.value)


def test_order_within_every_limit_is_taken_and_its_snapshot_is_anchored(setting: Setting) -> None:
    setting.rebalance(setting.move(0, -500, 500), setting.move(1, 700, 700), min_total=10_000)
    book = setting.vault.current_book()
    assert (book[0], [venue[1] for venue in book[2]]) == (5_800, [1_500, 2_700, 0])
    assert setting.anchor.count(setting.vault.address) == 2
    assert setting.vault.last_order_at() == setting.evm.now_s


def test_one_signature_is_refused(setting: Setting) -> None:
    assert refusal(setting, keys=signers(3)[:1]) == "vault: too few signatures"


def test_the_same_signer_twice_is_refused(setting: Setting) -> None:
    assert refusal(setting, keys=[signers(3)[0]] * 2) == "vault: signers not ascending"


def test_signers_in_descending_order_are_refused(setting: Setting) -> None:
    assert refusal(setting, keys=signers(3)[1::-1]) == "vault: signers not ascending"


def test_foreign_signers_are_refused(setting: Setting) -> None:
    foreign = sorted((signer(7), signer(8)), key=lambda key: int(key.address, 16))
    assert refusal(setting, keys=foreign) == "vault: not a signer"


def test_all_three_signers_are_more_than_enough(setting: Setting) -> None:
    setting.rebalance(setting.move(0, 1), keys=signers(3))


def test_amount_changed_after_signing_is_refused(setting: Setting) -> None:
    order = setting.order()
    signed = setting.sign(order, [setting.move(0, 10)], signers(3)[:2])
    with pytest.raises(Refused, match="vault: not a signer"):
        setting.vault.rebalance(order, [setting.move(0, 11)], signed, sender=setting.allocator)


def test_order_for_another_vault_or_chain_is_refused(setting: Setting) -> None:
    from tests.contracts.setting import sign_order

    order, moves, keys = setting.order(), [setting.move(0, 10)], signers(3)[:2]
    for vault, chain in ((account("other"), 1), (setting.vault.address, 5)):
        signed = sign_order(vault, order, moves, keys, chain)
        with pytest.raises(Refused, match="vault: not a signer"):
            setting.vault.rebalance(order, moves, signed, sender=setting.allocator)


def test_order_sent_twice_is_refused_the_second_time(setting: Setting) -> None:
    order, moves = setting.order(), [setting.move(0, 10)]
    signed = setting.sign(order, moves, signers(3)[:2])
    setting.vault.rebalance(order, moves, signed, sender=setting.allocator)
    with pytest.raises(Refused, match="vault: nonce"):
        setting.vault.rebalance(order, moves, signed, sender=setting.allocator)


def test_order_after_its_deadline_is_refused_and_at_it_taken(setting: Setting) -> None:
    assert refusal(setting, deadline=setting.evm.now_s - 1) == "vault: expired"
    setting.rebalance(setting.move(0, 1), deadline=setting.evm.now_s)


def test_unknown_venue_is_refused(setting: Setting) -> None:
    assert refusal(setting, (account("other"), 10, 0)) == "vault: unknown venue"


def test_venue_twice_in_an_order_is_refused(setting: Setting) -> None:
    moves = setting.move(0, 10), setting.move(0, 10)
    assert refusal(setting, *moves) == "vault: venue twice"


def test_more_than_is_idle_is_refused(setting: Setting) -> None:
    assert refusal(setting, setting.move(0, 6_001)) == "vault: idle"


def test_too_little_that_comes_home_is_refused(setting: Setting) -> None:
    setting.venues[0].set_market(2_000, 0, 100, sender=setting.owner)
    assert refusal(setting, setting.move(0, -1_000, 991)) == "vault: too little came home"
    setting.rebalance(setting.move(0, -1_000, 990))


def test_too_little_that_arrives_is_refused(setting: Setting) -> None:
    setting.venues[0].set_market(2_000, 0, 100, sender=setting.owner)
    assert refusal(setting, setting.move(0, 1_000, 991)) == "vault: too little arrived"
    setting.rebalance(setting.move(0, 1_000, 990))


def test_book_below_the_orders_total_is_refused(setting: Setting) -> None:
    setting.venues[0].set_market(2_000, 0, 100, sender=setting.owner)
    move = setting.move(0, -1_000, 0)
    assert refusal(setting, move, min_total=9_991) == "vault: below the order's total"
    setting.rebalance(move, min_total=9_990)


def test_order_by_another_than_the_allocator_is_refused(setting: Setting) -> None:
    setting.allocator = setting.stranger
    assert refusal(setting, setting.move(0, 1)) == "vault: not allocator"


def test_order_in_a_pause_is_refused_and_after_it_taken(setting: Setting) -> None:
    setting.vault.pause(sender=setting.sentinel)
    assert refusal(setting, setting.move(0, 1)) == "vault: paused"
    setting.vault.resume(sender=setting.owner)
    setting.rebalance(setting.move(0, 1))


def test_order_after_shutdown_is_refused_for_ever(setting: Setting) -> None:
    setting.vault.shut(sender=setting.sentinel)
    setting.vault.resume(sender=setting.owner)
    assert refusal(setting, setting.move(0, 1)) == "vault: shut down"


def test_pause_comes_before_role_deadline_nonce_and_signatures(setting: Setting) -> None:
    given: dict[str, Any] = {"keys": [], "nonce": 99, "deadline": 0}
    setting.vault.pause(sender=setting.sentinel)
    allocator, setting.allocator = setting.allocator, setting.stranger
    assert refusal(setting, **given) == "vault: paused"
    setting.vault.resume(sender=setting.owner)
    assert refusal(setting, **given) == "vault: not allocator"
    setting.allocator = allocator
    assert refusal(setting, **given) == "vault: expired"
    assert refusal(setting, keys=[], nonce=99) == "vault: nonce"
    assert refusal(setting, keys=[]) == "vault: too few signatures"


def test_vault_without_policy_or_signers_takes_no_order() -> None:
    from tests.contracts.evm import Evm
    from tests.contracts.setting import CURATOR

    made = vault_with_venues(0)
    evm: Evm = made.evm
    roles = [account(name) for name in ("curator", "allocator", "sentinel")]
    config = 2 * DAY_S, 7 * DAY_S, DAY_S
    arguments = made.token.address, "Tidegate", "TIDE", made.anchor.address, roles, config
    made.vault = evm.deploy("CapitalVault", *arguments, sender=made.owner)
    assert refusal(made) == "vault: no signers"
    made.through_timelock(made.vault, "set_signers", [key.address for key in signers(3)], 2)
    assert refusal(made) == "vault: no policy"
    assert made.vault.holder(CURATOR) == made.curator.lower()


# The policy's limits.


def test_venue_cap_is_refused_above_and_taken_at_it(setting: Setting) -> None:
    setting.limit_venue(setting.venues[0], VenueLimit(cap=2_100))
    assert refusal(setting, setting.move(0, 101)) == "policy: venue cap"
    setting.rebalance(setting.move(0, 100))


def test_relative_cap_is_refused_above_and_taken_at_it(setting: Setting) -> None:
    setting.limit_venue(setting.venues[0], VenueLimit(cap_bps=2_100))
    assert refusal(setting, setting.move(0, 101)) == "policy: relative venue cap"
    setting.rebalance(setting.move(0, 100))


def test_venue_without_a_limit_takes_nothing(setting: Setting) -> None:
    token, vault = setting.token.address, setting.vault.address
    another = setting.evm.deploy("TestVenue", token, vault, sender=setting.owner)
    setting.through_timelock(setting.vault, "add_venue", another.address)
    assert refusal(setting, (another.address, 1, 0)) == "policy: venue cap"


def test_group_caps_count_all_venues_of_the_group(setting: Setting) -> None:
    setting.limit_group(0, cap=4_100)
    assert refusal(setting, setting.move(0, 101)) == "policy: group cap"
    setting.rebalance(setting.move(0, 100), setting.move(2, 500))
    setting.limit_group(0, cap_bps=4_200)
    assert refusal(setting, setting.move(1, 101)) == "policy: relative group cap"
    setting.rebalance(setting.move(1, 100))


def test_idle_below_its_least_is_refused(setting: Setting) -> None:
    setting.limit_book(BookLimit(idle_min_bps=5_000))
    assert refusal(setting, setting.move(0, 1_001)) == "policy: idle"
    setting.rebalance(setting.move(0, 1_000))


def test_turnover_of_a_day_is_refused_above_and_begins_anew_the_next_day(setting: Setting) -> None:
    setting.evm.wait(DAY_S)
    setting.limit_book(BookLimit(turnover_max_bps=1_000))
    setting.rebalance(setting.move(0, 600))
    assert refusal(setting, setting.move(1, 401)) == "policy: turnover"
    setting.rebalance(setting.move(0, -1_500), setting.move(1, 400))
    assert refusal(setting, setting.move(1, 1)) == "policy: turnover"
    setting.evm.wait(DAY_S)
    setting.rebalance(setting.move(1, 1_000))


def test_loss_of_one_order_is_refused_above_its_limit(setting: Setting) -> None:
    setting.limit_book(BookLimit(loss_max_bps=10))
    setting.venues[0].set_market(2_000, 0, 100, sender=setting.owner)
    assert refusal(setting, setting.move(0, -1_100)) == "policy: loss"
    setting.rebalance(setting.move(0, -1_000))


def test_losses_add_up_and_are_forgotten_evenly(setting: Setting) -> None:
    setting.limit_book(BookLimit(loss_max_bps=100, loss_budget_bps=15, forget_s=10 * DAY_S))
    setting.venues[0].set_market(2_000, 0, 100, sender=setting.owner)
    setting.rebalance(setting.move(0, -1_000))
    assert setting.policy.loss_ppb() == 10**6
    assert refusal(setting, setting.move(0, -1_000)) == "policy: loss budget"
    setting.evm.wait(5 * DAY_S)
    assert setting.policy.loss_ppb() == 10**6 - 750_000
    setting.rebalance(setting.move(0, -1_000))
    setting.evm.wait(100 * DAY_S)
    assert setting.policy.loss_ppb() == 0


# A sick venue does not block what cures it.


def sick(setting: Setting) -> None:
    """The first venue is worth 2,000 and requires 1,900; its limit is 1.2 times that."""
    setting.limit_venue(setting.venues[0], VenueLimit(health_min_bps=12_000))
    setting.venues[0].set_market(2_000, 1_900, 0, sender=setting.owner)


def test_health_below_the_limit_and_worse_is_refused(setting: Setting) -> None:
    sick(setting)
    assert refusal(setting, setting.move(0, -10)) == "policy: venue health"


def test_top_up_of_an_unhealthy_venue_is_taken_though_it_stays_below_the_limit(
    setting: Setting,
) -> None:
    sick(setting)
    setting.rebalance(setting.move(0, 100, 100))
    health_bps = setting.venues[0].state()[1]
    assert 10_526 < health_bps < 12_000


def test_unhealthy_venue_does_not_block_moves_of_others(setting: Setting) -> None:
    sick(setting)
    setting.rebalance(setting.move(1, -500, 500), setting.move(2, 300, 300))


def test_venue_that_grew_above_its_cap_blocks_no_move_of_others(setting: Setting) -> None:
    setting.limit_venue(setting.venues[0], VenueLimit(cap=1_000, cap_bps=1_000))
    setting.rebalance(setting.move(1, 500, 500))
    assert refusal(setting, setting.move(0, 1)) == "policy: venue cap"
    setting.rebalance(setting.move(0, -100, 100))


def test_venue_that_does_not_answer_blocks_what_is_sent_and_not_what_comes_home(
    setting: Setting,
) -> None:
    setting.venues[0].set_mute(True, sender=setting.owner)
    assert refusal(setting, setting.move(1, 10)) == "policy: report age"
    setting.rebalance(setting.move(1, -10, 10))
    assert setting.total() == 8_000
    setting.venues[0].set_mute(False, sender=setting.owner)
    setting.rebalance(setting.move(1, 10))


# The sentinel.


def test_sentinel_brings_money_home_in_a_pause_and_after_shutdown(setting: Setting) -> None:
    setting.vault.pause(sender=setting.sentinel)
    setting.vault.shut(sender=setting.sentinel)
    setting.vault.bring_home(setting.venues[0].address, 2_000, 2_000, sender=setting.sentinel)
    assert setting.vault.idle() == 8_000
    with pytest.raises(Refused, match="vault: too little came home"):
        setting.vault.bring_home(setting.venues[1].address, 2_000, 2_001, sender=setting.sentinel)


def test_sentinel_can_move_money_to_the_vault_alone(setting: Setting) -> None:
    before = setting.held(setting.vault.address)
    setting.vault.bring_home(setting.venues[0].address, NEVER // 4, 0, sender=setting.sentinel)
    assert setting.held(setting.vault.address) == before + 2_000
    assert setting.held(setting.sentinel) == 0


def test_largest_venue_count_is_held(setting: Setting) -> None:
    token, vault = setting.token.address, setting.vault.address
    for _ in range(13):
        another = setting.evm.deploy("TestVenue", token, vault, sender=setting.owner)
        setting.add_venue(another, VenueLimit(cap_bps=BPS))
    another = setting.evm.deploy("TestVenue", token, vault, sender=setting.owner)
    with pytest.raises(Refused, match="vault: too many venues"):
        setting.through_timelock(setting.vault, "add_venue", another.address)
