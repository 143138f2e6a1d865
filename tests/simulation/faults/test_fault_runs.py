# SPDX-License-Identifier: Apache-2.0
"""The real engine under faults: nothing forbidden happens, and when they stop all comes right.

The seed and the command that plays it again stand on every line of a failure. `make soak` goes on
with fresh seeds for `MINUTES`, which the environment variable TIDEGATE_SOAK_MINUTES carries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.conftest import REPOSITORY
from tests.simulation.faults.trading_desk import drawn, traded
from tidegate.simulation.faults.command import coverage_of, played, played_for
from tidegate.simulation.faults.menu import PER_REQUEST, Fault, Swarm
from tidegate.simulation.faults.pairs import unreached
from tidegate.simulation.faults.runner import TICKS, Result, run_seed

SEEDS, PER_TEST = 20, 2
STORMS, STORM_CHANCE, AMBIGUOUS_MIN = 16, 0.12, 10_000
SOAK_SEEDS = 200


def report(results: list[Result]) -> str:
    return "\n".join(["", *(line for result in results for line in result.failures)])


@pytest.mark.parametrize("first", range(1, SEEDS + 1, PER_TEST))
def test_engine_under_the_faults_of_a_seed_keeps_every_promise_and_comes_right(first: int) -> None:
    results = list(played(range(first, first + PER_TEST), TICKS))
    assert not any(result.failures for result in results), report(results)
    assert all(result.figures["requests"] > 50 for result in results)


def storm(seed: int) -> Result:
    """A desk that always trades, whose requests all fail often, and whose process dies at times."""
    chances = dict.fromkeys(PER_REQUEST, STORM_CHANCE)
    chances |= {
        Fault.PARTIAL_FILL: 0.5,
        Fault.REVIEW: 0.3,
        Fault.KILL: 0.0005,
        Fault.TORN_WRITE: 0.5,
    }
    return traded(Swarm(seed, chances), TICKS)


@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_ambiguous_replies_lead_to_no_second_action(part: int) -> None:
    results = [storm(seed) for seed in range(part, STORMS, 4)]
    assert not any(result.failures for result in results), report(results)
    assert sum(result.figures["ambiguous"] for result in results) > AMBIGUOUS_MIN / 4


@pytest.mark.parametrize("first", [1, 6])
def test_desk_that_always_trades_under_the_faults_of_a_seed_comes_right(first: int) -> None:
    results = [traded(drawn(seed, TICKS), TICKS) for seed in range(first, first + 5)]
    assert not any(result.failures for result in results), report(results)
    assert sum(result.figures["orders"] for result in results) > 1_000


def test_same_seed_writes_the_same_journal_whatever_the_hash_seed() -> None:
    code = "from tidegate.simulation.faults.runner import *; print(run_seed(4, 1500).digest)"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "4242",
        "PYTHONPATH": str(REPOSITORY / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == run_seed(4, 1_500).digest != run_seed(5, 1_500).digest


@pytest.mark.soak
def test_many_seeds_keep_every_promise_and_reach_every_pair_that_can_occur() -> None:
    results = list(played(range(1, SOAK_SEEDS + 1), TICKS))
    assert not any(result.failures for result in results), report(results)
    assert not unreached(coverage_of(results))


@pytest.mark.soak
def test_fresh_seeds_keep_every_promise_until_the_minutes_are_over() -> None:
    minutes = float(os.environ.get("TIDEGATE_SOAK_MINUTES") or 1)
    first = int(time.time())
    results = list(played_for(first, TICKS, minutes))
    window = f"seeds {first} to {first + len(results) - 1}"
    print(window)
    assert not any(result.failures for result in results), window + report(results)
