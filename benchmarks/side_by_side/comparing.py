# SPDX-License-Identifier: Apache-2.0
"""Measures a topic: everyone who can run, in turn, and ours with AVX2 among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.side_by_side.entries import Entry, Topic
from benchmarks.side_by_side.forced_target import Forced, Worker
from benchmarks.side_by_side.timing import Contestant, Local, Timing, interleaved

AVX2 = ", AVX2"


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often; `quick` takes small cases and leaves out what is slow."""

    quick: bool
    rounds: int
    least_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant of a topic: what it is, how fast, and how wrong."""

    name: str
    peers: tuple[str, ...]
    differs: str
    timing: Timing
    times_slower: float
    errors: dict[str, Any]

    @property
    def per_second(self) -> float:
        """Things made in a second of the processor."""
        return 1.0 / self.timing.median_s

    def as_json(self) -> dict[str, Any]:
        timing = self.timing
        return {
            "name": self.name,
            "peers": list(self.peers),
            "differs": self.differs,
            "per_second": self.per_second,
            "times_slower": self.times_slower,
            "seconds_a_call": timing.median_s * timing.things,
            "things_a_call": timing.things,
            "calls_a_run": timing.calls,
            "rounds": len(timing.runs),
            "slowest_over_quickest": timing.spread,
            "wall_over_cpu": timing.wall_over_cpu,
            "errors": self.errors,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows of a topic, and who is not among them and why."""

    topic: Topic
    rows: tuple[Row, ...]
    left_out: dict[str, str]

    def row(self, name: str) -> Row | None:
        """The row of that name, if it ran."""
        return next((row for row in self.rows if row.name == name), None)

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.topic.key,
            "title": self.topic.title,
            "asked": self.topic.asked,
            "things": self.topic.things,
            "rows": [row.as_json() for row in self.rows],
            "left_out": self.left_out,
        }


def compare(
    topic: Topic, settings: Settings, absent: Mapping[str, str], worker: Worker | None
) -> Comparison:
    """All of a topic that can run, timed in one interleaved series, judged afterwards.

    Whoever raises is left out, with what it raised: a peer may be present and not work.
    """
    given = topic.case(settings.quick)
    left_out: dict[str, str] = {}
    contestants: list[Contestant] = []
    judged: dict[str, tuple[Entry, dict[str, Any]]] = {}
    for entry in topic.entries:
        reason = _why_not(entry, settings, absent)
        if not reason:
            try:
                judged[entry.name] = entry, topic.judge(given, entry)
                contestants.append(_local(entry, given))
            except Exception as error:
                if entry.ours:
                    raise
                reason = f"raised {type(error).__name__}: {error}"
        if reason:
            left_out[entry.name] = reason
        elif entry.ours and worker is not None:
            name = entry.name + AVX2
            judged[name] = entry, worker.ask(do="judge", topic=topic.key, entry=entry.name)
            contestants.append(Forced(name, contestants[-1].things, topic.key, entry.name, worker))
    timings = interleaved(contestants, settings.rounds, settings.least_s)
    first = timings[topic.entries[0].name]
    rows = (
        _row(timings[name], entry, timings[name].times_slower_than(first), errors)
        for name, (entry, errors) in judged.items()
    )
    return Comparison(topic, tuple(rows), left_out)


def _why_not(entry: Entry, settings: Settings, absent: Mapping[str, str]) -> str:
    if reason := entry.missing(absent):
        return reason
    return "slow; not in the quick mode" if settings.quick and entry.slow else ""


def _local(entry: Entry, given: Any) -> Local:
    prepared = entry.prepare(given)
    return Local(entry.name, prepared.things, prepared.call)


def _row(timing: Timing, entry: Entry, times_slower: float, errors: dict[str, Any]) -> Row:
    differs = entry.differs
    if timing.name.endswith(AVX2):
        differs = f"{differs} Compiled for AVX2, without AVX-512; in a process of its own."
    return Row(timing.name, entry.peers, differs, timing, times_slower, errors)
