# SPDX-License-Identifier: Apache-2.0
"""Margin of option books: speed and errors beside numpy and QuantLib, side by side in one run.

`python benchmarks/margin.py` prints tables, with `--json` everything as JSON; `--quick` measures
small cases in seconds, `--only TOPIC` one topic. One core; medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import machine
from benchmarks.side_by_side.forced_target import cache_folder, numba_target

TOPICS = ("deribit-margin", "candidate-books", "one-order")
ROUNDS, QUICK_ROUNDS = 7, 5
LEAST_S, QUICK_LEAST_S = 0.2, 0.002
# What is aimed at, per second, with a book of 200 options.
AIMS = {"deribit-margin": 10_000.0, "candidate-books": 200_000.0, "one-order": 200_000.0}
PEERS = frozenset({"numpy", "scipy", "QuantLib"})


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="small cases")
    parser.add_argument("--only", choices=TOPICS, help="measure one topic alone")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds, at least {QUICK_ROUNDS}")
    options = parser.parse_args(given)
    if options.rounds is not None and options.rounds < QUICK_ROUNDS:
        parser.error(f"expected at least {QUICK_ROUNDS} rounds, got {options.rounds}")
    return options


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    options = arguments(given)
    core = machine.use_one_thread()
    os.environ.setdefault("NUMBA_CACHE_DIR", cache_folder("numba-native"))
    from benchmarks.side_by_side.report import to_json, to_text

    report = measure(options, core)
    print(to_json(report) if options.json else to_text(report))


def measure(options: argparse.Namespace, core: int | None) -> Any:
    """Everything that was asked for."""
    from benchmarks.side_by_side import margins
    from benchmarks.side_by_side.comparing import Settings, compare
    from benchmarks.side_by_side.entries import absences
    from benchmarks.side_by_side.report import Report

    quick = options.quick
    rounds = options.rounds or (QUICK_ROUNDS if quick else ROUNDS)
    settings = Settings(quick, rounds, QUICK_LEAST_S if quick else LEAST_S)
    described, absent = machine.description(core), absences()
    found = {}
    for topic in margins.TOPICS:
        if options.only in (None, topic.key):
            print(f"measuring {topic.key} ...", file=sys.stderr)
            found[topic.key] = compare(topic, settings, absent, None)
    after = {
        "load_average_after": list(os.getloadavg()),
        "subnormals_kept": machine.keeps_subnormals(),
    }
    return Report(
        described | after,
        [peer for peer in machine.peers(absent) if peer["name"] in PEERS],
        settings,
        {"native": numba_target()},
        found,
        {},
        aims(found),
    )


def aims(found: dict[str, Any]) -> list[Any]:
    """What was aimed at and what was reached, of every topic that ran."""
    from benchmarks.side_by_side.aims import OURS, Aim

    listed = []
    for key, comparison in found.items():
        row = comparison.row(OURS)
        rate, least = row.per_second, AIMS[key]
        aim = f"{comparison.topic.title}: {least:,.0f} {comparison.topic.things} a second"
        reached = f"{rate:,.0f} a second ({1e6 / rate:.3g} us each)"
        listed.append(Aim(aim, reached, bool(rate >= least)))
    return listed


if __name__ == "__main__":
    main(sys.argv[1:])
