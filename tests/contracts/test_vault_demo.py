# SPDX-License-Identifier: Apache-2.0
"""The demonstration, whole: what it tells is what the chain has, and its record checks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.live.vault import demo_command

pytestmark = pytest.mark.contracts


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("demo") / "vault"
    assert demo_command.run_demo(out, as_json=False)
    assert {path.name for path in out.iterdir()} == demo_command.WRITTEN
    found: dict[str, Any] = json.loads((out / demo_command.DOCUMENT).read_text(encoding="utf-8"))
    roots = json.loads((out / demo_command.VAULT_ROOTS).read_text(encoding="utf-8"))["roots"]
    return {**found, "roots": roots}


def test_engine_moves_money_in_three_rebalances_each_root_of_which_is_anchored(
    told: dict[str, Any],
) -> None:
    done = [one for one in told["sent"] if one["state"] == "accepted"]
    assert [one["root"] for one in done] == [root["root"] for root in told["roots"]]
    nonces = [act["nonce"] for act in told["acts"][:4]]
    assert 0 == nonces[0] < nonces[1] < nonces[2] < nonces[3] == len(done)
    ends = {end for one in done for end in (one["source"], one["destination"])}
    assert ends == {"vault", "aave", "lp", "perp"}


def test_illegal_orders_are_refused_with_the_contracts_own_reasons(told: dict[str, Any]) -> None:
    assert [(one["sender"], one["reason"]) for one in told["refused"]] == [
        ("allocator", "policy: relative venue cap"),
        ("allocator", "vault: too few signatures"),
        ("stranger", "vault: not allocator"),
    ]


def test_illegal_orders_are_transactions_in_blocks_that_moved_no_money(
    told: dict[str, Any],
) -> None:
    before, after = told["acts"][3:5]
    blocks = [one["block_number"] for one in told["refused"]]
    assert before["block_number"] < blocks[0] < blocks[1] < blocks[2] <= after["block_number"]
    assert len({one["transaction"] for one in told["refused"]}) == 3
    for kept in ("nonce", "idle_quanta", "set_aside_quanta", "total_quanta", "anchor_head"):
        assert before[kept] == after[kept]


def test_book_at_each_act_is_idle_money_and_venues(told: dict[str, Any]) -> None:
    for act in told["acts"]:
        values = sum(venue["value_quanta"] for venue in act["venues"])
        assert act["total_quanta"] == act["idle_quanta"] + values


def test_crash_makes_the_venue_sick_and_the_keeper_makes_it_healthy(told: dict[str, Any]) -> None:
    health = [
        next(v for v in act["venues"] if v["name"] == "perp")["health_micro"]
        for act in told["acts"]
    ]
    assert health[5] < 1_200_000 <= health[6] < health[7]


def test_stranger_brings_money_home_and_a_holder_leaves_without_the_operator(
    told: dict[str, Any],
) -> None:
    silent, left = told["acts"][7], told["acts"][8]
    assert silent["idle_quanta"] > told["acts"][6]["idle_quanta"]
    assert left["nonce"] == silent["nonce"] == told["acts"][4]["nonce"]
    assert left["total_quanta"] < silent["total_quanta"]
    assert left["share_price"] == pytest.approx(silent["share_price"], rel=1e-9)
