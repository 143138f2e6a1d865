# SPDX-License-Identifier: Apache-2.0
"""Exits: nobody can stop one, who leaves pays for the unwinding, and who stays loses nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.setting import NEVER, BookLimit, Setting, VenueLimit, vault_with_venues

pytestmark = pytest.mark.contracts
ALICE, BOB = account("alice"), account("bob")
OFFSET = 10**6


@pytest.fixture
def setting() -> Setting:
    """Two holders with a thousand each, of which 1,800 are at a venue that costs one per cent."""
    made = vault_with_venues(2)
    made.limit_book(BookLimit(unwind_bps=50))
    made.deposit(ALICE, 1_000)
    made.deposit(BOB, 1_000)
    made.rebalance(made.move(0, 1_800, 1_800))
    made.venues[0].set_market(1_800, 0, 100, sender=made.owner)
    return made


def ask(setting: Setting, holder: str, assets: int) -> int:
    shares = assets * OFFSET
    setting.vault.requestRedeem(shares, holder, holder, sender=holder)
    return shares


def fulfil(setting: Setting, holder: str, shares: int, *moves: Any, **given: Any) -> int:
    sender, least = given.get("sender", setting.stranger), given.get("least", 0)
    return int(setting.vault.fulfil(holder, shares, list(moves), least, sender=sender))


def refusal(setting: Setting, holder: str, shares: int, *moves: Any, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        fulfil(setting, holder, shares, *moves, **given)
    return str(refused.value)


def test_anybody_fulfils_from_idle_money_and_the_holder_is_paid(setting: Setting) -> None:
    shares = ask(setting, ALICE, 150)
    assert setting.vault.pendingRedeemRequest(0, ALICE) == shares
    assert fulfil(setting, ALICE, shares) == 150
    assert setting.vault.claimableRedeemRequest(0, ALICE) == shares
    assert setting.vault.redeem(shares, ALICE, ALICE, sender=ALICE) == 150
    assert setting.held(ALICE) == 150


@pytest.mark.parametrize("stops", [["pause"], ["shut"], ["pause", "shut"]])
def test_pause_and_shutdown_stop_no_request_fulfilment_or_payment(
    setting: Setting, stops: list[str]
) -> None:
    for stop in stops:
        getattr(setting.vault, stop)(sender=setting.sentinel)
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    assert fulfil(setting, ALICE, shares, setting.move(0, -800), sender=ALICE) == 992
    assert setting.vault.withdraw(992, ALICE, ALICE, sender=ALICE) == shares


def test_holder_unwinds_for_himself_after_his_notice_and_not_before(setting: Setting) -> None:
    shares = ask(setting, ALICE, 1_000)
    move = setting.move(0, -800)
    setting.evm.wait(DAY_S - 1)
    assert refusal(setting, ALICE, shares, move, sender=ALICE) == "vault: notice"
    setting.evm.wait(1)
    before = setting.vault.convertToAssets(10**9)
    assert fulfil(setting, ALICE, shares, move, sender=ALICE) == 992
    assert setting.vault.convertToAssets(10**9) >= before


def test_stranger_cannot_unwind_for_a_holder(setting: Setting) -> None:
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    move = setting.move(0, -800)
    assert refusal(setting, ALICE, shares, move) == "vault: not the holder or allocator"


def test_stranger_cannot_begin_a_holders_notice_anew(setting: Setting) -> None:
    ask(setting, ALICE, 1_000)
    with pytest.raises(Refused, match="vault: not controller or operator"):
        setting.vault.requestRedeem(1, ALICE, BOB, sender=BOB)


def test_holder_cannot_unwind_more_than_the_claim_needs(setting: Setting) -> None:
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    outward = setting.move(1, 10)
    assert refusal(setting, ALICE, shares, outward, sender=ALICE) == "vault: not homeward"
    # What the first move brought cost eight; the second has no more than these left to bring.
    moves = setting.move(0, -1_800), setting.move(0, -1_000)
    assert fulfil(setting, ALICE, shares, *moves, sender=ALICE) == 992
    assert (setting.vault.idle(), setting.venues[0].held()) == (8, 992)


def test_allocator_may_cost_a_leaving_holder_only_the_limit(setting: Setting) -> None:
    shares, sender = ask(setting, ALICE, 1_000), setting.allocator
    move = setting.move(0, -800)
    assert refusal(setting, ALICE, shares, move, sender=sender) == "vault: unwind cost"
    setting.venues[0].set_market(1_800, 0, 50, sender=setting.owner)
    assert fulfil(setting, ALICE, shares, move, sender=sender) == 996


def test_who_stays_pays_nothing_for_the_unwinding(setting: Setting) -> None:
    worth = setting.vault.convertToAssets(setting.vault.balanceOf(BOB))
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    fulfil(setting, ALICE, shares, setting.move(0, -800), sender=ALICE)
    assert setting.vault.convertToAssets(setting.vault.balanceOf(BOB)) == worth


def test_claim_below_the_holders_minimum_is_refused(setting: Setting) -> None:
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    given: dict[str, Any] = {"sender": ALICE, "least": 993}
    move = setting.move(0, -800)
    assert refusal(setting, ALICE, shares, move, **given) == "vault: below the minimum"
    fulfil(setting, ALICE, shares, move, sender=ALICE, least=992)


def test_unwinding_that_costs_the_whole_claim_is_refused(setting: Setting) -> None:
    setting.venues[0].set_market(1_800, 0, 10_000, sender=setting.owner)
    shares = ask(setting, ALICE, 1_000)
    setting.evm.wait(DAY_S)
    move = setting.move(0, -800)
    assert refusal(setting, ALICE, shares, move, move, sender=ALICE) == (
        "vault: nothing left of the claim"
    )
    assert fulfil(setting, ALICE, shares, move, sender=ALICE) == 200


def test_more_than_is_pending_claimable_or_idle_is_refused(setting: Setting) -> None:
    shares = ask(setting, ALICE, 300)
    assert refusal(setting, ALICE, shares + 1) == "vault: more than is pending"
    assert refusal(setting, ALICE, shares) == "vault: idle"
    fulfil(setting, ALICE, shares // 2)
    for call, amount in ((setting.vault.redeem, shares // 2 + 1), (setting.vault.withdraw, 151)):
        with pytest.raises(Refused, match="vault: more than is claimable"):
            call(amount, ALICE, ALICE, sender=ALICE)


def test_zero_is_refused_everywhere(setting: Setting) -> None:
    vault = setting.vault
    for call, reason in (
        (lambda: vault.requestRedeem(0, ALICE, ALICE, sender=ALICE), "vault: no shares"),
        (lambda: vault.fulfil(ALICE, 0, [], 0, sender=ALICE), "vault: no shares"),
        (lambda: vault.redeem(0, ALICE, ALICE, sender=ALICE), "vault: no shares"),
        (lambda: vault.withdraw(0, ALICE, ALICE, sender=ALICE), "vault: no assets"),
        (lambda: vault.deposit(0, ALICE, sender=ALICE), "vault: nothing for it"),
    ):
        with pytest.raises(Refused, match=reason):
            call()


def test_operator_acts_for_a_holder_and_others_do_not(setting: Setting) -> None:
    vault, shares = setting.vault, 100 * OFFSET
    with pytest.raises(Refused, match="vault: not controller or operator"):
        vault.requestRedeem(shares, ALICE, ALICE, sender=BOB)
    with pytest.raises(Refused, match="vault: not owner or operator"):
        vault.requestRedeem(shares, BOB, ALICE, sender=BOB)
    vault.setOperator(BOB, True, sender=ALICE)
    vault.requestRedeem(shares, ALICE, ALICE, sender=BOB)
    fulfil(setting, ALICE, shares)
    assert vault.redeem(shares, BOB, ALICE, sender=BOB) == 100
    vault.setOperator(BOB, False, sender=ALICE)
    with pytest.raises(Refused, match="vault: not controller or operator"):
        vault.requestRedeem(shares, ALICE, ALICE, sender=BOB)


def test_shares_in_escrow_bear_losses_until_they_are_fulfilled(setting: Setting) -> None:
    shares = ask(setting, ALICE, 100)
    setting.venues[0].set_market(800, 0, 0, sender=setting.owner)
    assert fulfil(setting, ALICE, shares) == 50


def test_fulfilled_money_is_no_part_of_the_book_and_bears_no_loss(setting: Setting) -> None:
    shares = ask(setting, ALICE, 100)
    fulfil(setting, ALICE, shares)
    setting.venues[0].set_market(0, 0, 0, sender=setting.owner)
    with pytest.raises(Refused, match="vault: idle"):
        setting.rebalance(setting.move(1, 101))
    assert setting.vault.redeem(shares, ALICE, ALICE, sender=ALICE) == 100


def test_claim_taken_in_parts_is_the_claim(setting: Setting) -> None:
    setting.venues[0].set_market(1_733, 0, 0, sender=setting.owner)
    shares = ask(setting, ALICE, 100)
    assets = fulfil(setting, ALICE, shares)
    taken = setting.vault.redeem(shares // 3, ALICE, ALICE, sender=ALICE)
    setting.vault.withdraw(7, ALICE, ALICE, sender=ALICE)
    rest = setting.vault.maxRedeem(ALICE)
    taken += 7 + setting.vault.redeem(rest, ALICE, ALICE, sender=ALICE)
    assert (taken, setting.vault.maxWithdraw(ALICE), setting.vault.reserved()) == (assets, 0, 0)


# Venues that report.


@pytest.fixture
def reporting(setting: Setting) -> Setting:
    """The same; the venue's value is discounted by a quarter ahead of a quota of one per cent."""
    made = vault_with_venues(1, limit=VenueLimit(discount_bps=2_500))
    made.limit_book(BookLimit(quota_bps=100))
    made.deposit(ALICE, 1_000)
    made.deposit(BOB, 1_000)
    made.rebalance(made.move(0, 1_200, 1_200))
    return made


def test_quota_of_a_day_leaves_at_the_whole_price_by_anybody(reporting: Setting) -> None:
    shares = ask(reporting, ALICE, 1_000)
    assert fulfil(reporting, ALICE, 20 * OFFSET) == 20
    assert reporting.vault.quota_used() == 20 * OFFSET
    assert refusal(reporting, ALICE, OFFSET) == "vault: beyond the quota or stale"
    reporting.evm.wait(DAY_S)
    assert fulfil(reporting, ALICE, 19 * OFFSET) == 19
    assert shares > 0


def test_holder_may_leave_ahead_of_the_quota_at_the_discounted_price(reporting: Setting) -> None:
    ask(reporting, ALICE, 800)
    # A book of 800 idle and 1,200 reported counts as 1,700 of 2,000.
    assert fulfil(reporting, ALICE, 800 * OFFSET, sender=ALICE, least=680) == 680


def test_what_a_discount_leaves_behind_is_paid_out_over_time_to_who_stays(
    reporting: Setting,
) -> None:
    ask(reporting, ALICE, 800)
    fulfil(reporting, ALICE, 800 * OFFSET, sender=ALICE)
    assert reporting.vault.totalAssets() == 1_200
    reporting.vault.accrue()
    reporting.evm.wait(7 * DAY_S)
    assert reporting.vault.totalAssets() == 1_320


def test_venue_that_does_not_answer_stops_deposits_and_no_exit(reporting: Setting) -> None:
    reporting.venues[0].set_mute(True, sender=reporting.owner)
    reporting.give(ALICE, 10)
    with pytest.raises(Refused, match="vault: stale report"):
        reporting.vault.deposit(10, ALICE, sender=ALICE)
    ask(reporting, ALICE, 100)
    assert refusal(reporting, ALICE, 100 * OFFSET) == "vault: beyond the quota or stale"
    assert fulfil(reporting, ALICE, 100 * OFFSET, sender=ALICE) == 40


def test_venue_that_claims_an_absurd_value_counts_as_unknown() -> None:
    made = vault_with_venues(0)
    source = "tests/contracts/sources/HostileVenue.vy"
    venue = made.evm.deploy(source, made.token.address, made.vault.address, sender=made.owner)
    made.add_venue(venue, VenueLimit())
    made.deposit(ALICE, 1_000)
    venue.behave(True, ALICE, b"", sender=ALICE)
    assert (made.total(), made.vault.maxDeposit(ALICE)) == (1_000, 0)
    venue.behave(False, ALICE, b"", sender=ALICE)
    assert made.vault.maxDeposit(ALICE) == NEVER
