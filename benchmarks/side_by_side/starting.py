# SPDX-License-Identifier: Apache-2.0
"""How long a fresh process takes to import Tidegate, to its first answer, and to compile."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.forced_target import cache_folder

FIRST = {
    "implied volatility": (
        "from tidegate.pricing.implied_vol import implied_vol\n"
        "implied_vol([1.0, 2.0], 100.0, [110.0, 120.0], 0.25, True)"
    ),
    "Greeks": (
        "from tidegate.pricing.black76 import greeks\n"
        "greeks(100.0, [110.0, 120.0], 0.25, 0.5, True)"
    ),
    "scenarios": (
        "from tidegate.pricing.scenarios import OptionBook, revalue_grid\n"
        "book = OptionBook(100.0, [110.0, 120.0], 0.25, 0.5, True, 1.0)\n"
        "revalue_grid(book, [0.9, 1.1], [0.0, 0.1])"
    ),
    "surface": (
        "from benchmarks.side_by_side.chains import smiles\n"
        "from tidegate.pricing.calibration import calibrate\n"
        "calibrate(smiles(2, False).chain())"
    ),
}
REPOSITORY = Path(__file__).resolve().parents[2]
IMPORT = "import tidegate"
# Counted from the first statement, so that the interpreter's own start is not in it.
_CLOCKED = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{code}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
import json
print(json.dumps([wall, cpu]))
"""


def clocked(code: str, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Seconds on the wall and of the processor that code takes in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _CLOCKED.format(code=code)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=REPOSITORY,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


def _medians(code: str, runs: int, environment: dict[str, str] | None = None) -> dict[str, Any]:
    found = [clocked(code, environment) for _ in range(runs)]
    wall, cpu = (statistics.median(part) for part in zip(*found, strict=True))
    return {"wall_s": wall, "cpu_s": cpu, "runs": runs}


def measure(runs: int, compile_cold: bool) -> dict[str, Any]:
    """Import; first answers with a warm cache on disk; and with an empty one, where asked for.

    Each first answer includes every import that it needs.
    """
    cache = {"NUMBA_CACHE_DIR": cache_folder("numba-native")}
    found: dict[str, Any] = {IMPORT: _medians(IMPORT, runs)}
    names = FIRST if compile_cold else {"implied volatility": FIRST["implied volatility"]}
    for name, code in names.items():
        clocked(code, cache)
        found[f"first {name}, warm cache"] = _medians(code, runs, cache)
    for name, code in FIRST.items() if compile_cold else ():
        with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
            found[f"first {name}, compiled"] = _medians(code, 1, {"NUMBA_CACHE_DIR": folder})
    return found
