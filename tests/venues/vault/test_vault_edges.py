# SPDX-License-Identifier: Apache-2.0
"""What surrounds the edge: addresses of nodes, reasons of reverts, and room within the caps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.venues.vault.edge import check_moves
from tidegate.venues.vault.limits import (
    NOTHING_OWED,
    GroupLimit,
    Limits,
    ToldVenue,
    VenueLimit,
    venue_states,
)
from tidegate.venues.vault.node import LOOPBACK, check_address
from tidegate.venues.vault.reasons import NO_REASON, reason
from tidegate.venues.vault.shipped import shipped
from tidegate.venues.vault.state import Move

CANARY = "canary-77f02d"
NOW_S = 1_800_000_000


@pytest.mark.parametrize(
    "url", [LOOPBACK, "http://localhost:8545", "http://[::1]:8545", "https://node.example/v3/key"]
)
def test_node_by_https_or_on_loopback_is_taken(url: str) -> None:
    assert check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        f"http://node.example/{CANARY}",
        f"https://user:{CANARY}@node.example",
        f"http://127.0.0.1.example/{CANARY}",
        f"ws://127.0.0.1:8545/{CANARY}",
        f"file:///{CANARY}",
        f"https://[{CANARY}",
        f"https://node.example:{CANARY}",
        "",
    ],
)
def test_other_node_is_refused_and_its_address_is_not_said(url: str) -> None:
    with pytest.raises(InputError, match="expected https, or http on loopback") as caught:
        check_address(url)
    assert CANARY not in str(caught.value)


def _revert(text: str) -> str:
    said = text.encode()
    padded = said + bytes(-len(said) % 32)
    return "0x08c379a0" + f"{32:064x}{len(said):064x}" + padded.hex()


@given(st.text(st.characters(codec="ascii", exclude_categories=("C",)), min_size=1, max_size=150))
def test_reason_of_a_revert_is_its_text(text: str) -> None:
    assert reason(_revert(text)) == text


@given(st.one_of(st.binary(max_size=200).map(bytes.hex), st.text(max_size=50)))
def test_whatever_a_revert_returns_is_one_printable_line(returned: str) -> None:
    for said in (reason(returned), reason("0x08c379a0" + returned)):
        assert said
        assert said.isprintable()


def test_panic_and_an_error_of_a_contract_s_own_are_named() -> None:
    assert reason("0x4e487b71" + f"{0x11:064x}") == "panic 0x11"
    assert reason("0xdeadbeef") == "error 0xdeadbeef"
    assert reason("0x") == NO_REASON


def test_move_without_a_least_outcome_is_refused() -> None:
    check_moves([Move("0xV", -5, 5)])
    for move in (Move("0xV", 5, 0), Move("0xV", 5, 6), Move("0xV", 0, 0)):
        with pytest.raises(InputError, match="order: 0xV: expected a"):
            check_moves([move])


def test_distribution_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped.cache_clear()
    monkeypatch.setattr("tidegate.venues.vault.shipped.find_spec", lambda name: None)
    with pytest.raises(InputError, match="expected the distribution tidegate-contracts"):
        shipped("CapitalVault")


AMOUNTS = st.integers(0, 10**12)
PARTS = st.integers(0, 10_000)


@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS, PARTS, st.integers(0, 2)), min_size=1, max_size=5),
    st.tuples(AMOUNTS, PARTS),
    AMOUNTS,
)
def test_headroom_is_the_most_that_the_policy_s_caps_let_in(
    venues: list[tuple[int, int, int, int]], group: tuple[int, int], idle: int
) -> None:
    told = [ToldVenue(f"0x{i}", row[0], NOTHING_OWED, NOW_S) for i, row in enumerate(venues)]
    limits = {f"0x{i}": VenueLimit(row[1], row[2], row[3]) for i, row in enumerate(venues)}
    groups = {number: GroupLimit(*group) for number in range(3)}
    total = idle + sum(venue.value for venue in told)
    states = venue_states(told, Limits(limits, groups), total, NOW_S, {})
    for state in states:
        limit, room = limits[state.adapter], state.headroom_quanta
        members = [one.value_quanta for one in states if one.group == state.group]

        def let_in(more: int, limit: VenueLimit = limit, held: int = state.value_quanta) -> bool:
            """`_check_venue` and `_check_group` of `RiskPolicy.vy`."""
            value, grouped = held + more, sum(members) + more  # noqa: B023
            return (
                value <= limit.cap
                and value * 10_000 <= limit.cap_bps * total
                and grouped <= group[0]
                and grouped * 10_000 <= group[1] * total
            )

        assert room == 0 or let_in(room)
        assert not let_in(room + 1)


def test_venue_without_a_limit_has_no_room_and_one_that_does_not_answer_is_unknown() -> None:
    told = [ToldVenue("0xa", 5, 20_000, NOW_S - 7), ToldVenue("0xb", 0, 0, 0)]
    known, silent = venue_states(told, Limits({}, {}), 10, NOW_S, {"0xa": "aave"})
    assert (known.name, known.headroom_quanta, known.health_micro) == ("aave", 0, 2_000_000)
    assert (known.report_age_s, silent.report_age_s) == (7, None)
    assert not silent.is_known
