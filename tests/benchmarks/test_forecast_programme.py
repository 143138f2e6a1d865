# SPDX-License-Identifier: Apache-2.0
"""The benchmark of forecasts runs from the command line and prints what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.forecast import ARCH, ARCH_WARM, OURS, PARAMETERS, PEERS, SLSQP, importable

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.soak
def test_quick_run_finds_one_optimum_and_names_who_is_absent() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/forecast.py", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = json.loads(printed)
    assert found["absent"] == [name for name in PEERS if not importable(name)]
    rows = {row["name"]: row["found"] for row in found["topics"]["GJR-GARCH-t"]}
    ours = rows[OURS]
    there = set() if ARCH in found["absent"] else {ARCH, ARCH_WARM}
    assert set(rows) - {OURS, SLSQP} == there
    for name, other in rows.items():
        assert ours["log-likelihood"] >= other["log-likelihood"] - 1e-3, name
        for parameter in PARAMETERS:
            error = ours[f"error of {parameter}"]
            assert ours[parameter] == pytest.approx(other[parameter], abs=0.05 * error), name
    apart = found["agreement"]
    assert (apart is None) == (ARCH in found["absent"])
    assert apart is None or (apart["parameters"] < 0.05 and apart["arch above ours"] < 1e-3)
    assert all(row["milliseconds"] > 0.0 for topic in found["topics"].values() for row in topic)
