# SPDX-License-Identifier: Apache-2.0
"""How long soak tests go on, from which seed, and what all of them tried, at the end of the run.

`make soak MINUTES=N` shares N minutes among the tests that can go on for any time, by the `weight`
in their mark; what has no weight is left out and named. Without MINUTES each goes on to its whole
count.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from math import inf
from typing import Any

import pytest

MINUTES, SEED, ENDS = "TIDEGATE_SOAK_MINUTES", "TIDEGATE_SOAK_SEED", "TIDEGATE_SOAK_ENDS"
A_DAYS_SEEDS = 1_000_000  # so that no two nights try the same
SAID_EVERY_S = 20.0
FAILURES_MAX = 5
ENDS_S, BUDGET = pytest.StashKey[float](), pytest.StashKey["Budget"]()
Row = dict[str, str]


class Budget:
    """What one soak test may try: `first` is its first number, and it ends at `seconds` from now,
    or where all is tried if that is None."""

    def __init__(
        self,
        name: str,
        first: int,
        seconds: float | None,
        tell: Callable[[str], object] = print,
    ) -> None:
        self.name, self.first, self._tell, self._began_s = name, first, tell, time.monotonic()
        self._ends_s = None if seconds is None else self._began_s + seconds
        self._said_s = self._began_s
        self.tried, self.unit, self.of = 0, "", ""
        self.failures: list[str] = []
        self.figures: list[str] = []

    def each(
        self,
        unit: str,
        judge: Callable[[int], object],
        whole: int,
        *,
        closed: bool = False,
        needs_s: float = 0.0,
    ) -> None:
        """Judge one number after another, at least one: `whole` of them, and where time is given as
        many as it allows. A `closed` set is that of the numbers below `whole`, begun anywhere in
        it. Fails with each number at which the judge raised; is skipped where one takes more
        seconds than there are."""
        left_s = inf if self._ends_s is None else self._ends_s - time.monotonic()
        if 0.0 < needs_s > left_s:
            pytest.skip(f"one {unit} may take {needs_s:.0f} s")
        self.unit, self.of = unit, f" of all {whole:,}" if closed else ""
        self.first = self.first % whole if closed else self.first
        for number in self._numbers(whole, closed):
            try:
                judge(number)
            except Exception as error:
                self.failures.append(f"{unit} {number}: {type(error).__name__}: {error}")
            self.tried += 1
            self._say()
            if self._is_over or len(self.failures) >= FAILURES_MAX:
                break
        assert not self.failures, "\n".join(self.failures)

    def _numbers(self, whole: int, closed: bool) -> Iterator[int]:
        if closed:
            yield from ((self.first + at) % whole for at in range(whole))
            return
        at = 0
        while at < whole or self._ends_s is not None:
            yield self.first + at
            at += 1

    @property
    def _is_over(self) -> bool:
        return self._ends_s is not None and time.monotonic() >= self._ends_s

    @property
    def said(self) -> str:
        """What was tried, from which number on."""
        return f"{self.tried:,} {self.unit}s{self.of} from {self.first}"

    def _say(self) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s < SAID_EVERY_S:
            return
        self._said_s = now_s
        left = "" if self._ends_s is None else f", {max(0.0, self._ends_s - now_s):.0f} s left"
        self._tell(f"soak: {self.name}: {self.said}{left}")


def quantile(values: list[float], share: float) -> float:
    """The smallest value that this share of them did not exceed."""
    return sorted(values)[max(0, -(-int(1_000 * share) * len(values) // 1_000) - 1)]


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> Budget:
    """What the soak test that asks for it may try."""
    mark = request.node.get_closest_marker("soak")
    first = int(os.environ.get(SEED) or _window())
    share_s = request.node.stash.get(ENDS_S, None)
    if share_s is not None:
        share_s = max(0.0, min(share_s, float(os.environ[ENDS]) - time.time()))
    name = f"{mark.kwargs.get('promise', '')} {request.node.name}".strip()
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(line: str) -> None:
        """Past what pytest captures, since nobody would see it before the end."""
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line, file=sys.stderr, flush=True)

    request.node.stash[BUDGET] = made = Budget(name, first, share_s, tell)
    return made


def _window() -> int:
    """The first seed of today's window."""
    return int(time.strftime("%Y%m%d", time.gmtime())) * A_DAYS_SEEDS


def configure() -> None:
    """Fix the seed once, for every process of this run; raises `pytest.UsageError` where minutes or
    seed are none."""
    os.environ.setdefault(SEED, str(_window()))
    minutes, seed = os.environ.get(MINUTES) or "1", os.environ[SEED]
    if not re.fullmatch(r"\d+(\.\d+)?", minutes) or float(minutes) == 0:
        raise pytest.UsageError(f"MINUTES: expected a number above 0, got {minutes!r}")
    if not seed.isdecimal():
        raise pytest.UsageError(f"{SEED}: expected a whole number, got {seed!r}")


def share_out(items: list[pytest.Item]) -> None:
    """Give each test its part of the minutes, which begin now that the tests are collected; the
    longest first. What has none is left out."""
    if not (minutes := os.environ.get(MINUTES)):
        return
    marks = {item: item.get_closest_marker("soak") for item in items}
    weights = {item: m.kwargs.get("weight", 0) if m else 0 for item, m in marks.items()}
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    left_s = 60 * float(minutes)
    os.environ[ENDS] = str(time.time() + left_s)
    for item, mark in marks.items():
        if weights[item]:
            item.stash[ENDS_S] = left_s * workers * weights[item] / sum(weights.values())
        elif mark:
            item.add_marker(pytest.mark.skip(reason="no shorter form; runs without MINUTES"))
    items.sort(key=lambda item: -weights[item])


def row(item: pytest.Item, report: pytest.TestReport) -> Row | None:
    """What a soak test came to, if this is a report of its end."""
    mark = item.get_closest_marker("soak")
    if mark is None or not (report.when == "call" or report.skipped or report.failed):
        return None
    made = item.stash.get(BUDGET, None)
    failed = str(len(made.failures) or 1) if report.failed and made else str(int(report.failed))
    return {
        "promise": mark.kwargs.get("promise", "-"),
        "test": item.name,
        "tried": "left out" if report.skipped else made.said if made else "whole",
        "seconds": f"{report.duration:.0f}",
        "failures": "-" if report.skipped else failed,
        "figures": "\n".join([*made.figures, *made.failures]) if made else "",
    }


def summarise(reports: list[Any], write: Callable[[str], None]) -> None:
    """A line for each soak test, the promises in order, and what it measured under it."""
    # The report of a module that is left out whole has no properties.
    said = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    rows = [value for name, value in said if name == "soak"]
    rows.sort(key=lambda r: (_order(r["promise"]), r["test"]))
    tried = [r for r in rows if r["tried"] != "left out"]
    for r in tried:
        line = f"{r['promise']:12} {r['tried']}, {r['seconds']} s, failures: {r['failures']}"
        write(f"{line}  [{r['test']}]")
        for figure in r["figures"].splitlines():
            write(f"{'':12}   {figure}")
    for name, count in Counter(r["test"].split("[")[0] for r in rows if r not in tried).items():
        write(f"{'left out':12} {name}" + (f", {count} of it" if count > 1 else ""))
    if rows:
        write(f"seed {os.environ[SEED]}; {SEED}=... and MINUTES left out try from it again")


def _order(promise: str) -> tuple[int, str]:
    digits = promise.split()[0].lstrip("R-")
    return (int(digits) if digits.isdigit() else 99, promise)
