# SPDX-License-Identifier: Apache-2.0
"""The real engine under faults: nothing forbidden happens, and when they stop all comes right.

The seed and the command that plays it again stand on every line of a failure. `make soak` plays
fresh seeds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.conftest import REPOSITORY
from tests.simulation.faults.trading_desk import drawn, traded
from tests.soak import Budget
from tidegate.simulation.faults.command import SUMMED, coverage_of, played
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


def test_desk_that_always_trades_under_the_faults_of_a_seed_comes_right() -> None:
    results = [traded(drawn(seed, TICKS), TICKS) for seed in range(6, 11)]
    assert not any(result.failures for result in results), report(results)
    assert sum(result.figures["orders"] for result in results) > 1_000


def digests(seeds: range, ticks: int, hash_seed: int) -> list[str]:
    """Of the journals that another process writes, whose sets and names have another order."""
    code = (
        "from tidegate.simulation.faults.runner import *\n"
        f"for seed in {seeds}: print(run_seed(seed, {ticks}).digest)"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": str(REPOSITORY / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_same_seed_writes_the_same_journal_whatever_the_hash_seed() -> None:
    ours = [run_seed(seed, 500).digest for seed in range(1, SEEDS + 1)]
    assert digests(range(1, SEEDS + 1), 500, 4242) == ours
    assert len(set(ours)) == SEEDS


@pytest.mark.soak(promise="R6 R7")
def test_many_seeds_keep_every_promise_and_reach_every_pair_that_can_occur() -> None:
    results = list(played(range(1, SOAK_SEEDS + 1), TICKS))
    assert not any(result.failures for result in results), report(results)
    assert not unreached(coverage_of(results))


@pytest.mark.soak(promise="R1 R2 R6 R7 R8 R15", weight=8)
def test_fresh_seeds_keep_every_promise_and_come_right(budget: Budget) -> None:
    sums = Counter[str]()

    def judge(seed: int) -> None:
        result = run_seed(seed, TICKS)
        sums.update({key: result.figures.get(key, 0) for key in SUMMED})
        assert not result.failures, "\n".join(result.failures)

    budget.each("seed", judge, SOAK_SEEDS)
    budget.figures.append(", ".join(f"{count:,} {key}" for key, count in sums.items()))


@pytest.mark.soak(promise="R2 R13", weight=3)
def test_desk_that_always_trades_under_fresh_seeds_comes_right(budget: Budget) -> None:
    ambiguous = 0

    def judge(seed: int) -> None:
        nonlocal ambiguous
        result = storm(seed) if seed % 2 else traded(drawn(seed, TICKS), TICKS)
        ambiguous += result.figures["ambiguous"]
        assert not result.failures, "\n".join(result.failures)

    budget.each("seed", judge, SOAK_SEEDS)
    budget.figures.append(f"{ambiguous:,} replies that told nothing")


@pytest.mark.soak(promise="R5", weight=2)
def test_fresh_seeds_write_the_same_journals_whatever_the_hash_seed(budget: Budget) -> None:
    def judge(number: int) -> None:
        seeds = range(10 * number, 10 * number + 10)
        ours = [run_seed(seed, 1_000).digest for seed in seeds]
        assert digests(seeds, 1_000, number % 10**9) == ours

    budget.each("group", judge, SOAK_SEEDS // 10)
    budget.figures.append("ten seeds of a thousand seconds in each group")
