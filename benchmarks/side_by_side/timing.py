# SPDX-License-Identifier: Apache-2.0
"""Times contestants in turn, round after round, so that what disturbs one disturbs all.

A run is counted in processor time of the whole process: on a machine with other work, time on the
wall is mostly that of the others, and more so the longer a run is. Both are kept, and their ratio
says how disturbed a measurement was.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

ROUNDS_LEAST = 5


@dataclass(frozen=True, slots=True)
class Run:
    """What some calls took together: processor time of the process, and time on the wall."""

    cpu_s: float
    wall_s: float


class Contestant(Protocol):
    """What can be timed; `things` is how many results one call gives."""

    @property
    def name(self) -> str: ...

    @property
    def things(self) -> int: ...

    def timed(self, calls: int) -> Run: ...


@dataclass(frozen=True, slots=True)
class Local:
    """A contestant in this process."""

    name: str
    things: int
    call: Callable[[], object]

    def timed(self, calls: int) -> Run:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            self.call()
        return Run(time.process_time() - cpu, time.perf_counter() - wall)


@dataclass(frozen=True, slots=True)
class Timing:
    """A contestant's runs, one of each round, each of the same number of calls."""

    name: str
    things: int
    calls: int
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> tuple[float, ...]:
        """Processor seconds for one thing, by round."""
        return tuple(run.cpu_s / (self.calls * self.things) for run in self.runs)

    @property
    def median_s(self) -> float:
        """Median over the rounds of the processor seconds for one thing."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The slowest round over the quickest."""
        return max(self.seconds) / min(self.seconds)

    @property
    def wall_over_cpu(self) -> float:
        """Time on the wall over processor time; 1 where nothing else ran."""
        return sum(run.wall_s for run in self.runs) / sum(run.cpu_s for run in self.runs)

    def times_slower_than(self, other: Timing) -> float:
        """Median over the rounds of the ratio within a round."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(own / others for own, others in pairs)


def calls_for(contestant: Contestant, least_s: float) -> int:
    """How many calls make a run of at least that long; what a first call sets up is not counted."""
    contestant.timed(1)
    calls = 1
    while (run := contestant.timed(calls)).cpu_s < least_s:
        seen = run.cpu_s / calls
        calls = max(2 * calls, math.ceil(1.1 * least_s / seen)) if seen > 0.0 else 2 * calls
    return calls


def interleaved(
    contestants: Sequence[Contestant], rounds: int, least_s: float
) -> dict[str, Timing]:
    """One run of each contestant in every round, beginning with another one each time.

    Args: contestants of different names; rounds, at least five; the least length of a run.
    Raises: `ValueError` for too few rounds or for names that are not different.
    """
    if rounds < ROUNDS_LEAST:
        raise ValueError(f"expected at least {ROUNDS_LEAST} rounds, got {rounds}")
    if len({each.name for each in contestants}) < len(contestants):
        raise ValueError("expected contestants of different names")
    calls = {each.name: calls_for(each, least_s) for each in contestants}
    runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % max(1, len(contestants))
            for each in (*contestants[first:], *contestants[:first]):
                runs[each.name].append(each.timed(calls[each.name]))
    finally:
        gc.enable()
    return {
        each.name: Timing(each.name, each.things, calls[each.name], tuple(runs[each.name]))
        for each in contestants
    }
