# SPDX-License-Identifier: Apache-2.0
"""The harness counts calls and things, takes turns, and gives medians over the rounds."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field

import pytest

from benchmarks.side_by_side.timing import Local, Run, Timing, calls_for, interleaved


@dataclass
class Fake:
    """A contestant whose calls each take the next of the given processor seconds."""

    name: str
    log: list[tuple[str, int]]
    costs: list[float] = field(default_factory=lambda: [1.0])
    things: int = 1
    asked: int = 0

    def timed(self, calls: int) -> Run:
        cost = self.costs[min(self.asked, len(self.costs) - 1)]
        self.asked += 1
        self.log.append((self.name, calls))
        return Run(calls * cost, 2.0 * calls * cost)


def test_each_round_times_everyone_once_and_begins_with_another() -> None:
    log: list[tuple[str, int]] = []
    contestants = [Fake(name, log) for name in "abc"]
    interleaved(contestants, rounds=6, least_s=0.5)
    turns = "".join(name for name, _ in log[-18:])
    assert turns == "abcbcacab" * 2


def test_every_run_of_a_contestant_makes_the_calls_that_were_settled_first() -> None:
    log: list[tuple[str, int]] = []
    found = interleaved([Fake("quick", log, [0.01]), Fake("slow", log, [3.0])], 5, least_s=1.0)
    rounds = log[-10:]
    assert {calls for name, calls in rounds if name == "slow"} == {1}
    assert {calls for name, calls in rounds if name == "quick"} == {found["quick"].calls}
    assert found["quick"].calls * 0.01 >= 1.0
    assert len(found["quick"].runs) == len(found["slow"].runs) == 5


def test_what_the_first_call_sets_up_is_in_no_run() -> None:
    found = interleaved([Fake("compiles", [], [1e6, 1.0])], 5, least_s=0.5)
    assert found["compiles"].median_s == 1.0


def test_seconds_are_for_one_thing_of_one_call() -> None:
    timing = Timing("x", 50, 4, (Run(2.0, 3.0), Run(4.0, 6.0), Run(3.0, 4.5)))
    assert timing.seconds == (0.01, 0.02, 0.015)
    assert timing.median_s == 0.015
    assert timing.spread == 2.0
    assert timing.wall_over_cpu == 1.5


def test_slowness_is_the_median_of_ratios_within_rounds() -> None:
    ours = Timing("ours", 1, 1, tuple(Run(s, s) for s in (1.0, 1.0, 10.0)))
    theirs = Timing("theirs", 2, 1, tuple(Run(s, s) for s in (6.0, 4.0, 60.0)))
    assert theirs.times_slower_than(ours) == 3.0
    assert ours.times_slower_than(ours) == 1.0


def test_local_contestant_is_called_as_often_as_asked() -> None:
    seen: list[int] = []
    run = Local("x", 1, lambda: seen.append(1)).timed(7)
    assert len(seen) == 7
    assert run.wall_s > 0.0
    assert run.cpu_s >= 0.0


def test_local_contestant_is_counted_in_its_own_processor_time() -> None:
    def work() -> int:
        return sum(range(20_000))

    few, many = (Local("x", 1, work).timed(calls).cpu_s for calls in (20, 400))
    assert many > 5.0 * few > 0.0


def test_time_that_a_call_only_waits_is_on_the_wall_alone() -> None:
    run = Local("x", 1, lambda: time.sleep(0.02)).timed(3)
    assert run.wall_s >= 0.06
    assert run.cpu_s < 0.03


def test_clock_that_does_not_move_at_first_does_not_settle_the_calls() -> None:
    log: list[tuple[str, int]] = []
    calls = calls_for(Fake("x", log, [0.0, 0.0, 0.0, 0.1]), least_s=0.5)
    assert [asked for _, asked in log] == [1, 1, 2, 4, 8][: len(log)]
    assert calls * 0.1 >= 0.5


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 rounds, got 4"):
        interleaved([Fake("x", [])], 4, 0.1)


def test_two_contestants_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="different names"):
        interleaved([Fake("x", []), Fake("x", [])], 5, 0.1)


def test_collector_is_off_in_a_run_and_on_again_after_one_that_raises() -> None:
    states: list[bool] = []

    class Raises(Fake):
        def timed(self, calls: int) -> Run:
            states.append(gc.isenabled())
            if len(states) > 2:
                raise RuntimeError("broken")
            return Run(1.0, 1.0)

    with pytest.raises(RuntimeError, match="broken"):
        interleaved([Raises("x", [])], 5, 0.1)
    assert states[-1] is False
    assert gc.isenabled()
