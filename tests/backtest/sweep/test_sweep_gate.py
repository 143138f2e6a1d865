# SPDX-License-Identifier: Apache-2.0
"""Two hundred runs: killed and taken up on two processes, and on a Dask cluster, to the byte."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backtest.sweep.grids import finished, start, write_grid, write_world

# Ten points, one of which no mandate allows, two policies, five seeds, two latencies.
GRID = """
policies = ["fixed=1", "threshold=2"]
seeds = [1, 2, 3, 4, 5]
latencies = [1, 2]
[fields]
"mandate.capital_usd" = [
  "100000", "200000", "300000", "400000", "500000", "600000", "700000", "800000", "900000", "-5",
]
"""
RUNS, PLAYED = 200, 180
WAIT_S = 300
TABLE = ("runs.csv", "runs.json", "summary.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("sweep") / "data")


def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come; the limit only ends a test that will fail."""
    limit = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_two_hundred_runs_killed_and_taken_up_are_those_of_a_cluster_and_none_is_repeated(
    world: Path, tmp_path: Path
) -> None:
    grid = write_grid(tmp_path, GRID)
    first = start(grid, tmp_path / "processes", world, "--workers", "2")
    until(lambda: len(finished(tmp_path / "processes")) >= PLAYED // 3)
    workers = children(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    until(lambda: all(gone(pid) for pid in workers))
    before = [line for line in finished(tmp_path / "processes") if line.endswith(b"\n")]
    assert PLAYED // 3 <= len(before) < PLAYED
    assert not (tmp_path / "processes" / "runs.csv").exists()

    second = start(grid, tmp_path / "processes", world, "--workers", "2")
    third_words = ("--workers", "2", "--cluster", "local")
    told = second.communicate(timeout=WAIT_S)[1]
    assert second.returncode == 1, told
    assert f"{RUNS} runs, {len(before)} of them taken up, 20 failed" in told
    after = finished(tmp_path / "processes")
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == PLAYED

    third = start(grid, tmp_path / "cluster", world, *third_words)
    told = third.communicate(timeout=WAIT_S)[1]
    assert f"{RUNS} runs, 0 of them taken up, 20 failed" in told
    assert sorted(finished(tmp_path / "cluster")) == sorted(after)
    for name in TABLE:
        made = (tmp_path / "processes" / name).read_bytes()
        assert made == (tmp_path / "cluster" / name).read_bytes()
    rows = (tmp_path / "processes" / "runs.csv").read_text().splitlines()
    assert len(rows) == 1 + RUNS
    assert sum("expected more than 0, got -5" in row for row in rows) == RUNS - PLAYED


def test_ctrl_c_in_a_sweep_is_one_line_and_keeps_what_was_finished(
    world: Path, tmp_path: Path
) -> None:
    grid = write_grid(tmp_path, GRID)
    running = start(grid, tmp_path / "out", world, "--workers", "2")
    until(lambda: bool(finished(tmp_path / "out")))
    os.killpg(running.pid, signal.SIGINT)
    told = running.communicate(timeout=WAIT_S)[1]
    assert running.returncode == 130
    assert told == "tidegate: stopped\n"
    assert 0 < len(finished(tmp_path / "out")) < PLAYED
    assert not (tmp_path / "out" / "runs.csv").exists()
