# SPDX-License-Identifier: Apache-2.0
"""What was aimed at, and the figures reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.side_by_side.comparing import AVX2, Comparison, Row
from benchmarks.side_by_side.implied_vols import ACCURATE
from benchmarks.side_by_side.starting import IMPORT

OURS = "Tidegate"
TIMES, SURFACE_MS, SCENARIOS_PER_SECOND, START_S = 8.0, 2.0, 300e6, 0.5
# What is aimed at with AVX2, as a share of the speed aimed at natively.
AVX2_SHARE = 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class Aim:
    """An aim, the figure reached, and whether it is."""

    aim: str
    reached: str
    met: bool


def aims(topics: Mapping[str, Comparison], start: Mapping[str, Any]) -> list[Aim]:
    """Every aim that was measured."""
    speeds = (
        aim
        for comparison in topics.values()
        for name, share in ((OURS, 1.0), (OURS + AVX2, AVX2_SHARE))
        if (ours := comparison.row(name))
        for aim in _speed(comparison, ours, share)
    )
    return [*speeds, *_start(start)]


def fastest(comparison: Comparison, accurate: bool) -> Row | None:
    """The fastest row that is a library's; where asked for, of those that are never far off."""
    rows = [
        row
        for row in comparison.rows
        if not set(row.peers) <= {"tidegate", "numpy", "scipy"}
        and (not accurate or _is_accurate(row.errors))
    ]
    return min(rows, key=lambda row: row.times_slower, default=None)


def _is_accurate(errors: Mapping[str, Any]) -> bool:
    right = errors["max_error_generator"] <= ACCURATE and errors["not_a_number"] == 0
    return bool(right and not any(errors["hard_wrong"].values()))


def _speed(comparison: Comparison, ours: Row, share: float) -> Iterator[Aim]:
    """The aim of a topic for one target, if the topic has one."""
    title = comparison.topic.title + ours.name.removeprefix(OURS)
    if comparison.topic.key in {"implied-vol", "greeks"}:
        yield from _against_peers(comparison, ours, share, title)
    elif comparison.topic.key == "surface":
        ms, most = 1e3 * ours.timing.median_s, SURFACE_MS / share
        yield Aim(f"{title}: within {most:g} ms", f"{ms:.2f} ms", ms < most)
    elif comparison.topic.key.startswith("scenario"):
        rate, least = ours.per_second, SCENARIOS_PER_SECOND * share
        yield Aim(f"{title}: {least / 1e6:.0f} M/s", f"{rate / 1e6:.0f} M/s", rate >= least)


def _against_peers(comparison: Comparison, ours: Row, share: float, title: str) -> Iterator[Aim]:
    accurate = comparison.topic.key == "implied-vol"
    kind = "accurate library" if accurate else "library, whatever it leaves out"
    if peer := fastest(comparison, accurate):
        times, least = peer.times_slower / ours.times_slower, TIMES * share
        aim = f"{title}: {least:.2g} x the fastest {kind}"
        yield Aim(aim, f"{times:.1f} x {peer.name}", times >= least)


def _start(start: Mapping[str, Any]) -> Iterator[Aim]:
    for name in (IMPORT, "first implied volatility, warm cache"):
        if name in start:
            wall, cpu = start[name]["wall_s"], start[name]["cpu_s"]
            aim = f"{name}: under {START_S:g} s"
            yield Aim(aim, f"{wall:.3f} s on the wall, {cpu:.3f} s of processor", wall < START_S)
