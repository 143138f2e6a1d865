# SPDX-License-Identifier: Apache-2.0
"""A venue off the chain: what a reporter can say, and what a late or lying one can cost.

The bound. Let the reported share of the book be w, its true fall d, what reports may add a day u,
the quota q, and let the lie last T days, so that it touches D = ceil(T) + 1 quotas. A holder who
leaves at the whole price takes at most g = w (d + u T) / (1 - w d) more than an honest redemption
would give him, and at most a share f = D q of the supply leaves so. Those who remain lose at most

    f / (1 - f) * g

of what they would have. Whoever leaves ahead of the quota is paid on a value discounted by h, and
costs nobody anything while (1 + u T) (1 - h) <= 1 - d.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.evm import DAY_S, Refused, account
from tests.contracts.reports import Custody
from tests.contracts.setting import NEVER, BookLimit, Setting, VenueLimit, signer, vault_with_venues

pytestmark = pytest.mark.contracts
STAYS, LEAVES = account("stays"), account("leaves")
UNIT = 10**6
W, D, Q, U, H = Fraction(6, 10), Fraction(2, 10), Fraction(1, 100), Fraction(1, 200), 2_500
LIE_DAYS = 2
STATED_BPS = 45


def reporting(up_bps_day: int = 50) -> tuple[Setting, Custody]:
    """Half a million of each of two holders, six tenths of it at a venue that reports."""
    setting = vault_with_venues(1)
    custody = Custody(setting, up_bps_day)
    setting.add_venue(custody.adapter, VenueLimit(cap_bps=6_000, discount_bps=H, age_max_s=DAY_S))
    setting.limit_book(BookLimit(quota_bps=100, idle_min_bps=2_000))
    for holder in (STAYS, LEAVES):
        setting.deposit(holder, 500_000 * UNIT)
    setting.rebalance((custody.adapter.address, 600_000 * UNIT, 600_000 * UNIT))
    setting.vault.requestRedeem(setting.vault.balanceOf(LEAVES), LEAVES, LEAVES, sender=LEAVES)
    return setting, custody


@pytest.fixture
def pair() -> tuple[Setting, Custody]:
    return reporting()


def refusal(custody: Custody, value: int, /, **changes: int) -> str:
    with pytest.raises(Refused) as refused:
        custody.report(value, **changes)
    return str(refused.value)


def test_money_sent_lies_with_the_custodian_and_counts_at_once(
    pair: tuple[Setting, Custody],
) -> None:
    setting, custody = pair
    assert setting.held(custody.address) == 600_000 * UNIT
    assert custody.adapter.state() == (600_000 * UNIT, NEVER, setting.evm.now_s)


def test_report_downward_counts_at_once_and_whole(pair: tuple[Setting, Custody]) -> None:
    setting, custody = pair
    setting.evm.wait(1)
    assert custody.report(480_000 * UNIT, healthBps=15_000) == 480_000 * UNIT
    assert custody.adapter.state()[1] == 15_000
    assert setting.vault.totalAssets() == 880_000 * UNIT


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(1, 4 * DAY_S), st.integers(0, 2**128 - 1)), max_size=8))
def test_reports_raise_the_value_no_faster_than_the_daily_bound(
    steps: list[tuple[int, int]],
) -> None:
    setting, custody = reporting()
    for seconds, value in steps:
        setting.evm.wait(seconds)
        before = custody.adapter.accepted()
        accepted = custody.report(value)
        ceiling = before + before * 50 * min(seconds, DAY_S) // (10_000 * DAY_S)
        assert accepted == min(value, ceiling)


def test_flows_that_a_report_has_not_seen_are_added_and_taken_off(
    pair: tuple[Setting, Custody],
) -> None:
    setting, custody = pair
    adapter = custody.adapter
    custody.send_back(50_000 * UNIT)
    setting.rebalance((adapter.address, -50_000 * UNIT, 50_000 * UNIT))
    setting.rebalance((adapter.address, 20_000 * UNIT, 20_000 * UNIT))
    setting.evm.wait(60)
    stale = {"sentSeen": 600_000 * UNIT, "returnedSeen": 0}
    assert custody.report(600_000 * UNIT, **stale) == 570_000 * UNIT
    setting.evm.wait(60)
    assert custody.report(570_000 * UNIT) == 570_000 * UNIT


def test_no_more_comes_home_than_the_custodian_has_sent_back(
    pair: tuple[Setting, Custody],
) -> None:
    setting, custody = pair
    custody.send_back(100)
    setting.vault.bring_home(custody.adapter.address, 500, 100, sender=setting.sentinel)
    with pytest.raises(Refused, match="vault: too little came home"):
        setting.vault.bring_home(custody.adapter.address, 1, 1, sender=setting.sentinel)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sequence": 0}, "attested: sequence"),
        ({"asOf": 0}, "attested: older than the last"),
        ({"asOf": 2**40}, "attested: from the future"),
        ({"value": 2**128}, "attested: value out of range"),
        ({"sentSeen": 2**100}, "attested: saw more than was sent"),
        ({"returnedSeen": 1}, "attested: saw more than came back"),
        ({"key": 41}, "attested: not the reporter"),
    ],
)
def test_report_that_is_forged_old_or_impossible_is_refused(
    pair: tuple[Setting, Custody], changes: dict[str, int], reason: str
) -> None:
    setting, custody = pair
    setting.evm.wait(60)
    assert refusal(custody, 600_000 * UNIT, **changes) == reason
    custody.report(600_000 * UNIT)


def test_report_sent_twice_or_out_of_order_is_refused(pair: tuple[Setting, Custody]) -> None:
    setting, custody = pair
    setting.evm.wait(60)
    first, second = custody.signed(10, sequence=1), custody.signed(20, sequence=2)
    custody.adapter.report(*second, sender=STAYS)
    for old in (second, first):
        with pytest.raises(Refused, match="attested: sequence"):
            custody.adapter.report(*old, sender=STAYS)


def test_old_report_stops_sending_and_deposits(pair: tuple[Setting, Custody]) -> None:
    setting, custody = pair
    setting.evm.wait(DAY_S + 1)
    with pytest.raises(Refused, match="policy: report age"):
        setting.rebalance(setting.move(0, 1))
    setting.give(STAYS, 1)
    with pytest.raises(Refused, match="vault: stale report"):
        setting.vault.deposit(1, STAYS, sender=STAYS)
    custody.report(600_000 * UNIT)
    setting.rebalance(setting.move(0, 1))


def test_sentinel_marks_down_and_reports_then_only_lower(pair: tuple[Setting, Custody]) -> None:
    setting, custody = pair
    custody.adapter.mark_down(480_000 * UNIT, sender=setting.sentinel)
    setting.evm.wait(DAY_S)
    assert custody.report(600_000 * UNIT) == 480_000 * UNIT
    setting.evm.wait(DAY_S)
    assert custody.report(470_000 * UNIT) == 470_000 * UNIT
    with pytest.raises(Refused, match="attested: not down"):
        custody.adapter.mark_down(480_000 * UNIT, sender=setting.sentinel)


def stated_bound(days: int, quotas: int) -> Fraction:
    """What those who remain lose at most, as a share of an honest redemption."""
    gap = W * (D + U * days) / (1 - W * D)
    leaving = quotas * Q
    return leaving / (1 - leaving) * gap


def loss(setting: Setting, true_value: int) -> Fraction:
    """What those who remain lost against an honest redemption of those who left."""
    honest = Fraction(880_000 * UNIT, 10**6 * UNIT * 10**6)
    left = setting.vault.idle() + true_value
    return 1 - Fraction(left, setting.vault.totalSupply()) / honest


def leave_by_quota(setting: Setting) -> None:
    """Everything of today's quota leaves at the whole price."""
    used, supply = setting.vault.quota_used(), setting.vault.totalSupply()
    shares = (supply + used) * 100 // 10_000 - used
    if shares > 0:
        setting.vault.fulfil(LEAVES, shares, [], 0, sender=setting.stranger)


def test_at_twenty_per_cent_down_a_late_and_lying_reporter_costs_the_stated_number_at_most() -> (
    None
):
    """Silent for a day, then a day of lies upward; every quota leaves at once, then the truth."""
    setting, custody = reporting()
    setting.evm.wait(-setting.evm.now_s % DAY_S - 1)
    custody.report(600_000 * UNIT)
    leave_by_quota(setting)
    for _ in range(LIE_DAYS):
        setting.evm.wait(DAY_S - 2 if _ else DAY_S)
        leave_by_quota(setting)
        custody.report(2**127)
    lost = loss(setting, 480_000 * UNIT)
    assert stated_bound(LIE_DAYS, LIE_DAYS + 1) <= Fraction(STATED_BPS, 10_000)
    assert Fraction(STATED_BPS, 10_000) * Fraction(8, 10) <= lost
    assert lost <= stated_bound(LIE_DAYS, LIE_DAYS + 1)
    setting.evm.wait(1)
    custody.report(480_000 * UNIT)
    assert loss(setting, custody.adapter.accepted()) == lost


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, DAY_S),
            st.sampled_from(["lie", "quota", "ahead"]),
            st.integers(1, 100_000),
        ),
        max_size=12,
    )
)
def test_whatever_is_said_and_whoever_leaves_within_two_days_costs_no_more(
    steps: list[tuple[int, str, int]],
) -> None:
    setting, custody = reporting()
    ends = setting.evm.now_s + LIE_DAYS * DAY_S
    for seconds, what, amount in steps:
        setting.evm.wait(min(seconds, ends - setting.evm.now_s))
        if what == "lie" and setting.evm.now_s > custody.adapter.as_of():
            custody.report(600_000 * UNIT + amount * UNIT)
        elif what == "quota" and setting.vault.maxDeposit(STAYS):
            leave_by_quota(setting)
        elif what == "ahead":
            left = setting.vault.pendingRedeemRequest(0, LEAVES)
            with suppress(Refused):  # where too little is idle
                shares = min(left, amount * UNIT * 10**6)
                setting.vault.fulfil(LEAVES, shares, [], 0, sender=LEAVES)
    assert loss(setting, 480_000 * UNIT) <= stated_bound(LIE_DAYS, LIE_DAYS + 1)


def test_who_leaves_ahead_of_the_quota_costs_nobody_anything(
    pair: tuple[Setting, Custody],
) -> None:
    setting, _ = pair
    setting.vault.fulfil(LEAVES, 400_000 * UNIT * 10**6, [], 0, sender=LEAVES)
    assert loss(setting, 480_000 * UNIT) <= 0


def test_reporter_is_a_key_of_its_own() -> None:
    _, custody = reporting()
    assert custody.adapter.reporter() == signer(40).address.lower()
