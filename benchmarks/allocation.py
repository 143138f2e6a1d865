# SPDX-License-Identifier: Apache-2.0
"""Joint allocation: cold build and re-solves of the benchmark programme, beside cvxpy in one run.

`python benchmarks/allocation.py` prints tables; `--quick` measures small cases in seconds. One
core; every contestant solves the same sequence of returns and books, in turn, and must come to the
same objective. Times are of the processor, with the time on the wall beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import machine


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small cases")
    parser.add_argument("--rounds", type=int, default=0, help="re-solves of each kind")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    options = arguments(given)
    core = machine.use_one_thread()
    from benchmarks.side_by_side import joint_solves

    described = machine.description(core)
    print(", ".join(f"{key}: {value}" for key, value in described.items()))
    joint_solves.measure(options.quick, options.rounds)
    print(f"load average after: {os.getloadavg()}")


if __name__ == "__main__":
    main(sys.argv[1:])
