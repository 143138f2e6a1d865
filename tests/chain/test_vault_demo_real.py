# SPDX-License-Identifier: Apache-2.0
"""The demonstration over real Aave v3, Perpetual v2 and Uniswap v3: the command itself, whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.chain.conftest import PACKAGES

pytestmark = pytest.mark.chain
USD, YEAR_S = 10**6, 365 * 86_400
COMMAND = [sys.executable, "-m", "tidegate.cli"]
MARK = "TIDEGATE_TEST_MARK"


def _surroundings(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | more


def _processes(mark: str) -> list[int]:
    """Processes that were started with a mark, by what Linux tells of them."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real") / "vault"


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    mark = uuid4().hex
    asked = ["vault", "demo", "--real", "--json", "--out", str(folder), "--packages", PACKAGES]
    ended = subprocess.run(
        [*COMMAND, *map(str, asked)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=_surroundings(**{MARK: mark}),
    )
    assert ended.returncode == 0, ended.stderr
    assert _processes(mark) == []
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _venue(act: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(v for v in act["venues"] if v["name"] == name)
    return found


def _accepted(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in told["sent"] if one["state"] == "accepted"]


def test_engine_moves_money_in_three_rebalances_over_three_real_protocols(
    told: dict[str, Any], folder: Path
) -> None:
    done = _accepted(told)
    nonces = [act["nonce"] for act in told["acts"][:4]]
    assert 0 == nonces[0] < nonces[1] < nonces[2] < nonces[3] == len(done)
    ends = {end for one in done for end in (one["source"], one["destination"])}
    assert ends == {"vault", "aave", "lp", "perp"}
    roots = json.loads((folder / "vault-roots.json").read_text(encoding="utf-8"))["roots"]
    assert [one["root"] for one in done] == [root["root"] for root in roots]


def test_each_move_takes_its_quanta_from_idle_money_to_the_unit(told: dict[str, Any]) -> None:
    first, second, third, fourth = told["acts"][:4]
    assert first["idle_quanta"] == 10**6 * USD
    done = _accepted(told)
    early, home, late = done[:3], done[3:4], done[4:]
    assert [one["destination"] for one in early] == ["aave", "lp", "perp"]
    assert second["idle_quanta"] == first["idle_quanta"] - _sum(early)
    # What comes home is free at curie to the unit: the strategist closed his position before.
    assert [(one["source"], one["destination"]) for one in home] == [("perp", "vault")]
    assert third["idle_quanta"] == second["idle_quanta"] + _sum(home)
    assert {one["source"] for one in late} == {"vault"}
    assert fourth["idle_quanta"] == third["idle_quanta"] + 250_000 * USD - _sum(late)


def _sum(moves: list[dict[str, Any]]) -> int:
    return sum(one["quanta"] for one in moves)


def test_each_venue_gains_and_costs_what_its_protocol_says(told: dict[str, Any]) -> None:
    second, third = told["acts"][1:3]
    sent = {one["destination"]: one["quanta"] for one in _accepted(told)[:3]}
    seconds = second["ts_s"] - told["acts"][0]["ts_s"]
    interest = _venue(second, "aave")["value_quanta"] - sent["aave"]
    assert -2 <= interest <= sent["aave"] * 0.08 * seconds / YEAR_S + 2
    # Half of the gap and of the fee and the fee of the half that is bought, with some impact.
    assert 0.003 < 1.0 - _venue(second, "lp")["value_quanta"] / sent["lp"] < 0.012
    # The fee of a tenth of a per cent on twice the margin, and the pool's impact.
    assert 0.002 < 1.0 - _venue(second, "perp")["value_quanta"] / sent["perp"] < 0.01
    days = (third["ts_s"] - second["ts_s"]) / 86_400
    earned = _venue(third, "aave")["value_quanta"] / _venue(second, "aave")["value_quanta"] - 1.0
    assert earned == pytest.approx(0.05 * days / 365, rel=0.2)


def test_illegal_orders_are_reverted_transactions_with_the_vaults_reasons(
    told: dict[str, Any],
) -> None:
    assert [(one["sender"], one["reason"]) for one in told["refused"]] == [
        ("allocator", "policy: relative venue cap"),
        ("allocator", "vault: too few signatures"),
        ("stranger", "vault: not allocator"),
    ]
    blocks = [one["block_number"] for one in told["refused"]]
    before, after = told["acts"][3:5]
    assert before["block_number"] < blocks[0] < blocks[1] < blocks[2] <= after["block_number"]
    assert len({one["transaction"] for one in told["refused"]}) == 3
    for kept in ("nonce", "idle_quanta", "set_aside_quanta", "anchor_head"):
        assert before[kept] == after[kept]


def test_crash_in_the_protocols_makes_perp_sick_and_keepers_make_it_healthy(
    told: dict[str, Any],
) -> None:
    calm, crashed, kept, silent = (told["acts"][i] for i in (4, 5, 6, 7))
    health = [_venue(act, "perp")["health_micro"] for act in (calm, crashed, kept, silent)]
    least = _venue(crashed, "perp")["health_min_micro"]
    assert health[1] < least <= min(health[0], health[2]) <= health[2] < health[3]
    # Twice long through a fall of a quarter loses half; liquidity loses less than half of it.
    lost = [
        1 - _venue(crashed, n)["value_quanta"] / _venue(calm, n)["value_quanta"]
        for n in ("perp", "lp", "aave")
    ]
    assert lost[0] == pytest.approx(0.5, abs=0.05)
    assert 0.10 < lost[1] < 0.20
    assert lost[2] <= 0.0
    assert silent["idle_quanta"] > kept["idle_quanta"]
    assert silent["nonce"] == calm["nonce"]


def test_holder_leaves_without_the_operator_and_is_paid_to_the_unit(told: dict[str, Any]) -> None:
    silent, left = told["acts"][7:9]
    assert silent["idle_quanta"] - left["idle_quanta"] == told["paid_quanta"] > 300_000 * USD
    assert left["set_aside_quanta"] == 0
    assert left["share_price"] == pytest.approx(silent["share_price"], rel=1e-6)
    assert left["share_price"] * 400_000 * USD == pytest.approx(told["paid_quanta"], rel=1e-5)


def test_book_at_each_act_is_idle_money_and_venues(told: dict[str, Any]) -> None:
    assert len(told["acts"]) == 10
    for act in told["acts"]:
        assert all(venue["report_age_s"] is not None for venue in act["venues"])
        values = sum(venue["value_quanta"] for venue in act["venues"])
        assert act["total_quanta"] == act["idle_quanta"] + values


def test_record_is_verified_by_the_command_against_both_chains_of_roots(
    told: dict[str, Any], folder: Path
) -> None:
    assert all(check["passed"] for check in told["checks"])
    chains = [
        part for n in ("vault", "operator") for part in ("--chain", folder / f"{n}-roots.json")
    ]
    asked = [*COMMAND, "verify", str(folder / "vault.journal"), *map(str, chains)]
    ended = subprocess.run(
        asked, capture_output=True, text=True, timeout=120, check=False, env=_surroundings()
    )
    assert ended.returncode == 0, ended.stderr


def test_demonstration_without_npm_says_one_line_and_exits_with_two(tmp_path: Path) -> None:
    nowhere, out = tmp_path / "empty", tmp_path / "vault"
    nowhere.mkdir()
    asked = ["vault", "demo", "--real", "--out", str(out), "--packages", str(tmp_path / "npm")]
    ended = subprocess.run(
        [*COMMAND, *asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=_surroundings(PATH=str(nowhere)),
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.strip().splitlines()
    assert "found no npm" in line
    assert not out.exists()


def test_node_ends_with_a_demonstration_that_is_told_to_end(tmp_path: Path) -> None:
    mark, out = uuid4().hex, tmp_path / "vault"
    asked = ["vault", "demo", "--real", "--out", str(out), "--packages", str(PACKAGES)]
    going = subprocess.Popen(
        [*COMMAND, *asked],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_surroundings(**{MARK: mark}),
    )
    ends_s = time.monotonic() + 60
    while len(_processes(mark)) < 2 and time.monotonic() < ends_s:
        time.sleep(0.2)
    assert len(_processes(mark)) == 2
    going.send_signal(signal.SIGTERM)
    assert going.wait(timeout=60) != 0
    assert _processes(mark) == []
    assert not out.exists()
