# SPDX-License-Identifier: Apache-2.0
"""Joint allocation beside cvxpy; its mean-variance case beside cvxportfolio and skfolio.

`python benchmarks/allocation.py` prints tables, with `--json` everything as JSON; `--quick`
measures small cases in seconds, `--only TOPIC` one topic. One core. Of the joint programme every
contestant solves the same sequence of returns and books, in turn, and must come to the same
objective; of mean-variance, medians of interleaved rounds. Times are of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import machine
from benchmarks.side_by_side.forced_target import cache_folder, numba_target

JOINT = "joint"
TOPICS = (JOINT, "mean-variance-20", "mean-variance-60")
ROUNDS, QUICK_ROUNDS = 7, 5
LEAST_S, QUICK_LEAST_S = 0.2, 0.002


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="small cases")
    parser.add_argument("--only", choices=TOPICS, help="measure one topic alone")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds, at least {QUICK_ROUNDS}")
    parser.add_argument("--resolves", type=int, default=0, help="joint re-solves of each kind")
    options = parser.parse_args(given)
    if options.rounds is not None and options.rounds < QUICK_ROUNDS:
        parser.error(f"expected at least {QUICK_ROUNDS} rounds, got {options.rounds}")
    if options.resolves < 0:
        parser.error(f"expected re-solves not negative, got {options.resolves}")
    return options


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    options = arguments(given)
    core = machine.use_one_thread()
    os.environ.setdefault("NUMBA_CACHE_DIR", cache_folder("numba-native"))
    from benchmarks.side_by_side import joint_solves
    from benchmarks.side_by_side.report import to_json, to_text

    report, joint = measure(options, core)
    if options.json:
        found = json.loads(to_json(report)) | {JOINT: [case.as_json() for case in joint]}
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    print("\n".join([to_text(report), *joint_solves.to_text(joint)]))


def measure(options: argparse.Namespace, core: int | None) -> tuple[Any, list[Any]]:
    """Everything that was asked for: a report, and the cases of the joint programme."""
    from benchmarks.side_by_side import joint_solves, mean_variance
    from benchmarks.side_by_side.comparing import Settings, compare
    from benchmarks.side_by_side.entries import ALLOCATION_PEERS, absences
    from benchmarks.side_by_side.report import Report

    quick = options.quick
    rounds = options.rounds or (QUICK_ROUNDS if quick else ROUNDS)
    settings = Settings(quick, rounds, QUICK_LEAST_S if quick else LEAST_S)
    described, absent = machine.description(core), absences(ALLOCATION_PEERS)
    joint = joint_solves.measure(quick, options.resolves) if options.only in (None, JOINT) else []
    found = {}
    for topic in mean_variance.TOPICS:
        if options.only in (None, topic.key):
            print(f"measuring {topic.key} ...", file=sys.stderr)
            found[topic.key] = compare(topic, settings, absent, None)
    after = {
        "load_average_after": list(os.getloadavg()),
        "subnormals_kept": machine.keeps_subnormals(),
    }
    peers = machine.peers(absent, ALLOCATION_PEERS)
    targets = {"native": numba_target()}
    aims = joint_solves.aims(joint)
    return Report(described | after, peers, settings, targets, found, {}, aims), joint


if __name__ == "__main__":
    main(sys.argv[1:])
