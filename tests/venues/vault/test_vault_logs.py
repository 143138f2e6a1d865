# SPDX-License-Identifier: Apache-2.0
"""The fold of a vault's logs: money kept, halves that join, and what does not add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.venues.vault.logs import Disagreement, Ledger, Log, fold, reconcile
from tidegate.venues.vault.state import BookLimits, VaultState, VenueState

HOLDERS, VENUES = ("0xH1", "0xH2"), ("0xV1", "0xV2")
ROOT = "0x" + "11" * 32


def _logs(*events: tuple[str, dict[str, Any]]) -> list[Log]:
    return [Log(name, 1 + place // 3, place, args) for place, (name, args) in enumerate(events)]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Log], int]:
    """What a vault may have done, and what was paid in less what was paid out."""
    events, paid = [("VenueAdded", {"adapter": venue}) for venue in VENUES], 0
    idle, orders = 0, count()
    escrow, claims, held, at = (dict.fromkeys(HOLDERS, 0) for _ in range(4))
    at = dict.fromkeys(VENUES, 0)
    for _ in range(draw(st.integers(0, 12))):
        holder, venue = draw(st.sampled_from(HOLDERS)), draw(st.sampled_from(VENUES))
        part = draw(st.integers(1, 1_000))
        match draw(st.sampled_from("deposit request fulfil withdraw move".split())):
            case "deposit":
                events.append(("Deposit", {"assets": part, "shares": part}))
                idle, paid, held[holder] = idle + part, paid + part, held[holder] + part
            case "request" if held[holder] >= part:
                events.append(("RedeemRequest", {"controller": holder, "shares": part}))
                held[holder] -= part
                escrow[holder] += part
            case "fulfil" if escrow[holder] >= part and idle >= part:
                args = {"controller": holder, "shares": part, "assets": part}
                events.append(("Fulfilled", args))
                escrow[holder] -= part
                idle, claims[holder] = idle - part, claims[holder] + part
            case "withdraw" if claims[holder] >= part:
                events.append(("Withdraw", {"owner": holder, "assets": part}))
                claims[holder], paid = claims[holder] - part, paid - part
            case "move" if idle >= part:
                delta = part if at[venue] < part else -part
                at[venue], idle = at[venue] + delta, idle - delta
                events.append(("VenueMoved", {"adapter": venue, "delta": delta}))
                order = {"nonce": next(orders), "snapshot": ROOT, "idle": idle, "values": [0, 0]}
                events.append(("Rebalanced", order))
    return _logs(*events), paid


@given(histories())
def test_money_of_the_fold_is_what_was_paid_in_less_what_was_paid_out(
    history: tuple[list[Log], int],
) -> None:
    logs, paid = history
    ledger = fold(Ledger(), logs)
    assert ledger.idle_quanta + ledger.set_aside_quanta + sum(ledger.sent_quanta.values()) == paid
    assert ledger.set_aside_quanta == sum(ledger.claims.values())
    assert ledger.supply_shares >= ledger.escrow_shares


@given(histories(), st.integers(0, 40))
def test_fold_of_two_parts_is_the_fold_of_the_whole(
    history: tuple[list[Log], int], at: int
) -> None:
    logs, _ = history
    assert fold(fold(Ledger(), logs[:at]), logs[at:]) == fold(Ledger(), logs)


def test_order_that_leaves_another_idle_than_the_logs_make_is_a_disagreement() -> None:
    order = {"nonce": 0, "snapshot": ROOT, "idle": 9, "values": []}
    deposit = ("Deposit", {"assets": 10, "shares": 10})
    with pytest.raises(Disagreement, match=r"idle after an order: the logs make 10, .* says 9"):
        fold(Ledger(), _logs(deposit, ("Rebalanced", order)))


def test_order_whose_nonce_was_skipped_is_a_disagreement() -> None:
    order = {"nonce": 1, "snapshot": ROOT, "idle": 0, "values": []}
    with pytest.raises(Disagreement, match="nonce of an order"):
        fold(Ledger(), _logs(("Rebalanced", order)))


def test_anchored_root_whose_count_was_skipped_is_a_disagreement() -> None:
    with pytest.raises(Disagreement, match="count of anchored roots"):
        fold(Ledger(), _logs(("Anchored", {"count": 2, "head": ROOT})))


def test_logs_out_of_order_are_refused() -> None:
    logs = _logs(("Deposit", {"assets": 1, "shares": 1}), ("Deposit", {"assets": 1, "shares": 1}))
    with pytest.raises(ValueError, match="log"):
        fold(Ledger(), reversed(logs))


def test_retired_venue_leaves_its_place_to_the_last() -> None:
    added = [("VenueAdded", {"adapter": name}) for name in ("a", "b", "c")]
    ledger = fold(Ledger(), _logs(*added, ("VenueRetired", {"adapter": "a"})))
    assert ledger.venues == ("c", "b")


def test_chain_that_says_less_than_the_logs_is_a_disagreement_that_names_the_field() -> None:
    with pytest.raises(Disagreement, match="idle_quanta: the logs make 5, the chain says 4"):
        reconcile(replace(Ledger(), idle_quanta=5), {"idle_quanta": 4})


def test_venue_that_does_not_answer_is_not_healthy() -> None:
    silent = VenueState("0xV", "venue", 0, 0, 0, None, 10, 10)
    assert not silent.is_known
    assert not silent.is_healthy
    assert replace(silent, report_age_s=0, health_micro=None).is_healthy


def test_shares_are_worth_the_priced_book_rounded_down() -> None:
    state = VaultState(
        chain_id=1,
        block_number=1,
        block_hash=ROOT,
        ts_s=0,
        vault="0xV",
        asset="0xA",
        decimals=6,
        idle_quanta=1_000,
        set_aside_quanta=0,
        total_quanta=1_000,
        priced_quanta=1_000,
        supply_shares=1_000 * 10**6,
        escrow_shares=0,
        nonce=0,
        last_order_s=0,
        anchor_head=ROOT,
        anchor_count=0,
        paused=False,
        shutdown=False,
        venues=(),
    )
    assert state.price_quanta(1_000 * 10**6) == 1_000
    assert replace(state, priced_quanta=999).price_quanta(1_000 * 10**6) == 999


def test_what_may_still_be_sent_today_is_never_below_zero() -> None:
    limits = BookLimits(0, 1_000, 50_000_000, 0, 0, 0)
    assert limits.sendable_quanta(1_000) == 50
    assert replace(limits, turnover_ppb=200_000_000).sendable_quanta(1_000) == 0
