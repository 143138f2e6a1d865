# SPDX-License-Identifier: Apache-2.0
"""What adds risk waits two days and can be revoked; what takes risk away holds at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.evm import DAY_S, At, Refused, account
from tests.contracts.setting import (
    ALLOCATOR,
    BPS,
    CURATOR,
    KEEPER,
    POLICY,
    SENTINEL,
    BookLimit,
    Setting,
    VenueLimit,
    signers,
    vault_with_venues,
)

pytestmark = pytest.mark.contracts
VENUE = VenueLimit(1_000, 5_000, 1, 12_000, DAY_S, 100)
BOOK = BookLimit(500, 5_000, 100, 300, DAY_S, 100, 100)


@pytest.fixture
def setting() -> Setting:
    """One venue with a middling limit everywhere, and a depositor."""
    made = vault_with_venues(1, limit=VENUE)
    made.limit_book(BOOK)
    made.limit_group(1, cap=1_000, cap_bps=5_000)
    made.deposit(account("alice"), 10_000)
    return made


def announce(setting: Setting, at: At, name: str, *args: Any) -> bytes:
    data = at.data(name, *args)
    at.submit(data, sender=setting.curator)
    return data


def refusal(at: At, data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        at.execute(data, sender=account("stranger"))
    return str(refused.value)


def test_announced_change_is_carried_out_from_two_days_on_for_a_week(setting: Setting) -> None:
    data = announce(setting, setting.vault, "appoint", KEEPER, account("new"))
    setting.evm.wait(2 * DAY_S - 1)
    assert refusal(setting.vault, data) == "timelock: too early"
    setting.evm.wait(1)
    setting.vault.execute(data, sender=setting.stranger)
    assert setting.vault.holder(KEEPER) == account("new").lower()
    assert refusal(setting.vault, data) == "timelock: not submitted"


def test_change_that_nobody_carried_out_in_time_is_void(setting: Setting) -> None:
    data = announce(setting, setting.vault, "appoint", KEEPER, account("new"))
    setting.evm.wait(9 * DAY_S + 1)
    assert refusal(setting.vault, data) == "timelock: void"


def test_revoked_change_is_not_carried_out(setting: Setting) -> None:
    for revoker in (setting.sentinel, setting.curator):
        data = announce(setting, setting.vault, "appoint", KEEPER, account("new"))
        setting.vault.revoke(data, sender=revoker)
        setting.evm.wait(2 * DAY_S)
        assert refusal(setting.vault, data) == "timelock: not submitted"
    with pytest.raises(Refused, match="timelock: not submitted"):
        setting.vault.revoke(data, sender=setting.curator)


def test_change_announced_twice_is_refused_the_second_time(setting: Setting) -> None:
    announce(setting, setting.vault, "appoint", KEEPER, account("new"))
    with pytest.raises(Refused, match="timelock: submitted already"):
        announce(setting, setting.vault, "appoint", KEEPER, account("new"))


def test_change_announced_before_the_first_deposit_waits_once_there_is_one() -> None:
    setting = vault_with_venues(0)
    data = announce(setting, setting.vault, "appoint", KEEPER, account("new"))
    setting.deposit(account("alice"), 1)
    assert refusal(setting.vault, data) == "timelock: too early"


def test_delay_below_two_days_cannot_be_made(setting: Setting) -> None:
    with pytest.raises(Refused, match="policy: delay too short"):
        setting.evm.deploy("RiskPolicy", setting.vault.address, 2 * DAY_S - 1, sender=setting.owner)
    roles = [account(name) for name in ("a", "b", "c")]
    for config, reason in (
        ((2 * DAY_S - 1, DAY_S, DAY_S), "vault: delay too short"),
        ((2 * DAY_S, 0, DAY_S), "vault: no unlock time"),
    ):
        arguments = setting.token.address, "T", "T", setting.anchor.address, roles, config
        with pytest.raises(Refused, match=reason):
            setting.evm.deploy("CapitalVault", *arguments, sender=setting.owner)


# Each part of each limit: tightened at once, loosened through the timelock alone.

TIGHTER: list[tuple[str, tuple[Any, ...]]] = [
    *(
        ("set_venue_limit", replace(VENUE, **change).values())
        for change in (
            {"cap": 999},
            {"cap_bps": 4_999},
            {"health_min_bps": 12_001},
            {"age_max_s": DAY_S - 1},
        )
    ),
    *(
        ("set_book_limit", replace(BOOK, **change).values())
        for change in (
            {"idle_min_bps": 501},
            {"turnover_max_bps": 4_999},
            {"loss_max_bps": 99},
            {"loss_budget_bps": 299},
            {"forget_s": DAY_S + 1},
        )
    ),
    ("set_group_limit", (999, 5_000)),
    ("set_group_limit", (1_000, 4_999)),
]
LOOSER: list[tuple[str, tuple[Any, ...]]] = [
    *(
        ("set_venue_limit", replace(VENUE, **change).values())
        for change in (
            {"cap": 1_001},
            {"cap_bps": 5_001},
            {"group": 2},
            {"health_min_bps": 11_999},
            {"age_max_s": DAY_S + 1},
            {"discount_bps": 99},
            {"discount_bps": 101},
            {"cap": 1_001, "cap_bps": 0},
        )
    ),
    *(
        ("set_book_limit", replace(BOOK, **change).values())
        for change in (
            {"idle_min_bps": 499},
            {"turnover_max_bps": 5_001},
            {"loss_max_bps": 101},
            {"loss_budget_bps": 301},
            {"forget_s": DAY_S - 1},
            {"quota_bps": 99},
            {"quota_bps": 101},
            {"unwind_bps": 99},
            {"unwind_bps": 101},
        )
    ),
    ("set_group_limit", (1_001, 5_000)),
    ("set_group_limit", (1_000, 5_001)),
]


def arguments(setting: Setting, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if name == "set_venue_limit":
        return setting.venues[0].address, values
    return (1, values) if name == "set_group_limit" else (values,)


def stands(setting: Setting, name: str) -> tuple[Any, ...]:
    policy = setting.policy
    if name == "set_venue_limit":
        return tuple(policy.venue_limit(setting.venues[0].address))
    return tuple(policy.group_limit(1) if name == "set_group_limit" else policy.book_limit())


@pytest.mark.parametrize(("name", "values"), TIGHTER)
def test_tighter_limit_holds_at_once(setting: Setting, name: str, values: tuple[Any, ...]) -> None:
    getattr(setting.policy, name)(*arguments(setting, name, values), sender=setting.curator)
    assert stands(setting, name) == values


@pytest.mark.parametrize(("name", "values"), LOOSER)
def test_looser_limit_waits_for_the_timelock(
    setting: Setting, name: str, values: tuple[Any, ...]
) -> None:
    before, given = stands(setting, name), arguments(setting, name, values)
    with pytest.raises(Refused, match="policy: loosening needs the timelock"):
        getattr(setting.policy, name)(*given, sender=setting.curator)
    data = announce(setting, setting.policy, name, *given)
    assert refusal(setting.policy, data) == "timelock: too early"
    assert stands(setting, name) == before
    setting.evm.wait(2 * DAY_S)
    setting.policy.execute(data, sender=setting.stranger)
    assert stands(setting, name) == values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("set_venue_limit", replace(VENUE, **change).values())
        for change in (
            {"cap": 2**128},
            {"cap_bps": BPS + 1},
            {"group": 16},
            {"health_min_bps": 2**32},
            {"age_max_s": 2**32},
            {"discount_bps": BPS + 1},
        )
    ]
    + [
        ("set_book_limit", replace(BOOK, **change).values())
        for change in (
            {"idle_min_bps": BPS + 1},
            {"turnover_max_bps": 2**32},
            {"loss_max_bps": BPS + 1},
            {"loss_budget_bps": BPS + 1},
            {"forget_s": 0},
            {"forget_s": 2**32},
            {"quota_bps": BPS + 1},
            {"unwind_bps": BPS + 1},
        )
    ]
    + [("set_group_limit", (2**128, 1)), ("set_group_limit", (1, BPS + 1))],
)
def test_limit_out_of_range_is_refused(
    setting: Setting, name: str, values: tuple[Any, ...]
) -> None:
    with pytest.raises(Refused, match="policy: limit out of range"):
        getattr(setting.policy, name)(*arguments(setting, name, values), sender=setting.curator)


# Roles.


@pytest.mark.parametrize("role", [CURATOR, SENTINEL])
def test_nobody_has_two_roles_and_no_needed_role_is_empty(setting: Setting, role: int) -> None:
    for taken in (setting.owner, setting.allocator, setting.sentinel, setting.curator):
        with pytest.raises(Refused, match="vault: role taken"):
            setting.vault.appoint(role, taken, sender=setting.owner)
    with pytest.raises(Refused, match="vault: nobody"):
        setting.vault.appoint(role, "0x" + "00" * 20, sender=setting.owner)
    setting.vault.appoint(role, account("fresh"), sender=setting.owner)
    assert setting.vault.holder(role) == account("fresh").lower()


@pytest.mark.parametrize("role", [ALLOCATOR, KEEPER, POLICY])
def test_owner_cannot_appoint_who_moves_money_without_the_timelock(
    setting: Setting, role: int
) -> None:
    with pytest.raises(Refused, match="vault: not timelock"):
        setting.vault.appoint(role, account("fresh"), sender=setting.owner)


def test_ownership_passes_in_two_steps_and_not_to_a_role(setting: Setting) -> None:
    vault = setting.vault
    vault.transfer_ownership(setting.sentinel, sender=setting.owner)
    with pytest.raises(Refused, match="vault: role taken"):
        vault.accept_ownership(sender=setting.sentinel)
    vault.transfer_ownership(account("next"), sender=setting.owner)
    assert vault.owner() == setting.owner.lower()
    vault.accept_ownership(sender=account("next"))
    assert vault.owner() == account("next").lower()


@pytest.mark.parametrize(
    ("count", "threshold", "double", "reason"),
    [
        (3, 1, False, "vault: threshold"),
        (2, 3, False, "vault: threshold"),
        (2, 2, True, "vault: signer twice or empty"),
    ],
)
def test_signers_of_whom_one_is_enough_or_who_are_double_are_refused(
    setting: Setting, count: int, threshold: int, double: bool, reason: str
) -> None:
    addresses = [key.address for key in signers(count)]
    given = [addresses[0]] * count if double else addresses
    with pytest.raises(Refused, match=reason):
        setting.through_timelock(setting.vault, "set_signers", given, threshold)


def test_signers_who_were_replaced_sign_no_more(setting: Setting) -> None:
    old = signers(3)
    new = [key for key in signers(6) if key.address not in {o.address for o in old}]
    setting.through_timelock(setting.vault, "set_signers", [key.address for key in new], 2)
    with pytest.raises(Refused, match="vault: not a signer"):
        setting.rebalance(keys=old[:2])
    setting.rebalance(keys=new[:2])


def test_foreign_and_known_venues_are_refused(setting: Setting) -> None:
    evm, token, vault = setting.evm, setting.token.address, setting.vault.address
    other = evm.deploy("TestToken", "Other", "OTH", 6, sender=setting.owner).address
    for given, reason in (
        ((token, account("x")), "vault: foreign adapter"),
        ((other, vault), "vault: foreign asset"),
    ):
        venue = evm.deploy("TestVenue", *given, sender=setting.owner)
        with pytest.raises(Refused, match=reason):
            setting.through_timelock(setting.vault, "add_venue", venue.address)
    with pytest.raises(Refused, match="vault: venue known"):
        setting.through_timelock(setting.vault, "add_venue", setting.venues[0].address)


def test_venue_with_money_is_not_retired_and_an_empty_one_is(setting: Setting) -> None:
    setting.rebalance(setting.move(0, 100))
    with pytest.raises(Refused, match="vault: venue not empty"):
        setting.vault.retire_venue(setting.venues[0].address, sender=setting.curator)
    setting.rebalance(setting.move(0, -100))
    setting.venues[0].set_mute(True, sender=setting.owner)
    with pytest.raises(Refused, match="vault: venue not empty"):
        setting.vault.retire_venue(setting.venues[0].address, sender=setting.curator)
    setting.venues[0].set_mute(False, sender=setting.owner)
    setting.vault.retire_venue(setting.venues[0].address, sender=setting.curator)
    assert len(setting.vault.current_book()[2]) == 0


def test_anchored_roots_make_a_chain_that_nobody_else_can_touch(setting: Setting) -> None:
    from eth_abi import encode
    from eth_utils import keccak

    anchor, head = setting.anchor, bytes(32)
    for count in (1, 2, 3):
        root = bytes([count]) * 32
        head = keccak(encode(["bytes32", "bytes32", "uint256"], [head, root, count]))
        assert anchor.anchor(root, sender=setting.owner) == head
        anchor.anchor(root, sender=setting.stranger)
    assert (anchor.head(setting.owner), anchor.count(setting.owner)) == (head, 3)
    with pytest.raises(Refused, match="anchor: empty root"):
        anchor.anchor(bytes(32), sender=setting.owner)
