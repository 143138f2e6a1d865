# SPDX-License-Identifier: Apache-2.0
"""Tidegate's pricing beside its peers: speed and errors, side by side in one run.

`python benchmarks/pricing.py` prints tables, with `--json` everything as JSON; `--quick` measures
small cases in seconds, `--only TOPIC` one topic. What is compared, and how, is told in
docs/performance.md; the peers are the `bench` extra of pyproject.toml, which `make bench` installs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import machine
from benchmarks.side_by_side.forced_target import (
    Worker,
    cache_folder,
    forced_environment,
    numba_target,
    serve,
)

TOPICS = ("implied-vol", "one-quote", "greeks", "surface", "scenario-grid", "scenario-paths")
START = "start"
ROUNDS, QUICK_ROUNDS = 7, 5
LEAST_S, QUICK_LEAST_S = 0.1, 0.002
START_RUNS, QUICK_START_RUNS = 7, 1


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="small cases, native target only")
    parser.add_argument("--only", choices=(*TOPICS, START), help="measure one topic alone")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds, at least {QUICK_ROUNDS}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.rounds is not None and options.rounds < QUICK_ROUNDS:
        parser.error(f"expected at least {QUICK_ROUNDS} rounds, got {options.rounds}")
    return options


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    options = arguments(given)
    core = machine.use_one_thread()
    if options.worker:
        serve(sys.stdin, sys.stdout, _topics(None), options.quick)
        return
    os.environ.setdefault("NUMBA_CACHE_DIR", cache_folder("numba-native"))
    from benchmarks.side_by_side.report import to_json, to_text

    report = measure(options, core)
    print(to_json(report) if options.json else to_text(report))


def measure(options: argparse.Namespace, core: int | None) -> Any:
    """Everything that was asked for."""
    from benchmarks.side_by_side import starting
    from benchmarks.side_by_side.aims import aims
    from benchmarks.side_by_side.comparing import Settings
    from benchmarks.side_by_side.entries import absences
    from benchmarks.side_by_side.report import Report

    quick = options.quick
    rounds = options.rounds or (QUICK_ROUNDS if quick else ROUNDS)
    settings = Settings(quick, rounds, QUICK_LEAST_S if quick else LEAST_S)
    described, absent = machine.description(core), absences()
    targets, topics = _compared(options, settings, absent)
    start: Mapping[str, Any] = {}
    if options.only in (None, START):
        _progress("start")
        start = starting.measure(QUICK_START_RUNS if quick else START_RUNS, not quick)
    after = {
        "load_average_after": list(os.getloadavg()),
        "subnormals_kept": machine.keeps_subnormals(),
    }
    return Report(
        described | after,
        machine.peers(absent),
        settings,
        targets,
        topics,
        start,
        aims(topics, start),
    )


def _compared(
    options: argparse.Namespace, settings: Any, absent: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Any]]:
    """The targets compiled for, and each topic's comparison."""
    from benchmarks.side_by_side.comparing import compare

    if options.only == START:
        return {}, {}
    found = {}
    with _worker(settings.quick) as worker:
        targets = {"native": numba_target()}
        if worker is not None:
            targets["forced"] = worker.ask(do="target")
        for topic in _topics(options.only):
            _progress(topic.key)
            found[topic.key] = compare(topic, settings, absent, worker)
    return targets, found


@contextmanager
def _worker(quick: bool) -> Iterator[Any]:
    """The process with the forced target; none in the quick mode, nor where there is no AVX2."""
    if quick or "avx2" not in machine.description(None)["flags"]:
        yield None
        return
    with Worker([sys.executable, __file__, "--worker"], forced_environment()) as worker:
        yield worker


def _topics(only: str | None) -> list[Any]:
    from benchmarks.side_by_side import greeks, implied_vols, scenarios, single_quotes, surfaces

    every = (
        implied_vols.TOPIC,
        single_quotes.TOPIC,
        greeks.TOPIC,
        surfaces.TOPIC,
        *scenarios.TOPICS,
    )
    return [topic for topic in every if only in (None, topic.key)]


def _progress(key: str) -> None:
    print(f"measuring {key} ...", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
