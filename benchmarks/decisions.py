# SPDX-License-Identifier: Apache-2.0
"""How many decisions a second the engine makes over a whole run, and where the time goes.

Runs `examples/carry.toml` under `tidegate` alone: on seven months of real history where the data
is there, else on a generated history. There is no peer that decides positions, collateral and
transfers together under venue margin, so the yardstick is the same run's plain rule, which solves
nothing.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path

from tidegate.backtest.commands import parse_request
from tidegate.backtest.experiment import Experiment, Spec, prepare, run
from tidegate.history.generated import START_MS, write_generated
from tidegate.model.times import DAY_MS, format_date

REPOSITORY = Path(__file__).resolve().parents[1]
CARRY = REPOSITORY / "examples" / "carry.toml"


def experiment(data: Path, start: str, end: str) -> Experiment:
    """The study of a window, prepared."""
    request = parse_request((CARRY, data, start, end), ["tidegate"], [], (1, 1))
    return prepare(request.mandate, request.data, request.window, request.freezes, request.seed)


def report(name: str, study: Experiment) -> None:
    """Print decisions a second of the engine, and the plain rule's time beside it."""
    started = time.perf_counter()
    engine = run(study, Spec("tidegate"), None)
    engine_s = time.perf_counter() - started
    started = time.perf_counter()
    run(study, Spec("threshold", 4.0), None)
    plain_s = time.perf_counter() - started
    print(
        f"{name}: {engine.decisions} decisions, {engine.solves} solves in {engine_s:.1f} s: "
        f"{engine.decisions / engine_s:.0f} decisions/s; threshold takes {plain_s:.1f} s"
    )


def main() -> None:
    """Measure on what data there is."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    data = Path(os.environ.get("TIDEGATE_DATA", REPOSITORY / "../shared/market-data"))
    if data.is_dir():
        report("real history, seven months", experiment(data, "2024-09-05", "2025-03-31"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "generated"
        write_generated(root, 7, 60)
        first, last = (format_date(START_MS + day * DAY_MS) for day in (25, 59))
        report("generated, five weeks", experiment(root, first, last))


if __name__ == "__main__":
    main()
