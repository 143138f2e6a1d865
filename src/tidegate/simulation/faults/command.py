# SPDX-License-Identifier: Apache-2.0
"""What `tidegate faults` prints and writes: failures, what replays them, and what was reached."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tidegate.model.errors import InputError
from tidegate.simulation.faults.menu import NOT_SIMULATED, Fault
from tidegate.simulation.faults.pairs import STATES, unreached
from tidegate.simulation.faults.runner import CALM_TICKS, Result, run_seed

SUMMED = ("requests", "ambiguous", "boundaries", "kills", "starts", "orders", "frames")
Pairs = Counter[tuple[Fault, str]]


def run_faults(seeds: range, ticks: int, out: Path | None, *, as_json: bool) -> bool:
    """Play seeds, print what became of them, and write the table of what was reached to `out`;
    whether nothing failed."""
    results = list(played(seeds, ticks))
    failures = [line for result in results for line in result.failures]
    reached = coverage_of(results)
    if out is not None:
        _write(out, document(results))
    if as_json:
        print(json.dumps(_as_json(results), sort_keys=True))
        return not failures
    console = Console(highlight=False, width=120)
    for line in failures:
        console.print(f"[bold red]FAILED[/] {line}", soft_wrap=True)
    console.print(_summary(results))
    console.print(_table(reached))
    return not failures


def played(seeds: Iterable[int], ticks: int) -> Iterator[Result]:
    """The seeds one after another."""
    for seed in seeds:
        yield run_seed(seed, ticks)


def coverage_of(results: Iterable[Result]) -> Pairs:
    """How often each fault met each state over all seeds."""
    reached: Pairs = Counter()
    for result in results:
        reached.update(result.coverage)
    return reached


def document(results: Sequence[Result]) -> str:
    """The page that is published: which seeds were played, and how often each fault met each
    state."""
    reached, seeds = coverage_of(results), [result.seed for result in results]
    lines = [
        "# Faults",
        "",
        "Written by `tidegate faults --seeds N --out docs/faults.md`. The real engine runs against",
        "simulated venues behind a bad wire, on a bad disk, in a process that dies. Each seed",
        "draws which faults are on and how likely each is. While they are on nothing forbidden may",
        f"happen; when they stop, all must come right within {CALM_TICKS} seconds. Below is how",
        "often each fault met each state that the engine had of an order or a transfer.",
        "",
        _summary(results),
        "",
        f"Seeds {min(seeds)} to {max(seeds)}, {results[0].ticks} seconds each.",
        "",
        "| fault | " + " | ".join(STATES) + " |",
        "|---|" + "---:|" * len(STATES),
    ]
    for fault in Fault:
        cells = (str(reached[fault, state] or "") for state in STATES)
        lines.append(f"| {fault.value} | " + " | ".join(cells) + " |")
    missing = [f"{fault.value} × {state}" for fault, state in unreached(reached)]
    lines += ["", "Pairs that can occur and did not: " + (", ".join(missing) or "none") + "."]
    lines += ["", "Not simulated yet:", "", *(f"- {name}" for name in NOT_SIMULATED), ""]
    return "\n".join(lines)


def _summary(results: Sequence[Result]) -> str:
    sums = {key: sum(r.figures.get(key, 0) for r in results) for key in SUMMED}
    failed = sum(bool(r.failures) for r in results)
    refused = sum(r.halted is not None for r in results)
    said = ", ".join(f"{count:,} {key}" for key, count in sums.items())
    return (
        f"{len(results)} seeds, {failed} with failures, {refused} that refused to start on a "
        f"damaged journal; {said}."
    )


def _table(reached: Pairs) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(
        ("fault", "times", "states met", "pairs that can occur and did not")
    ):
        table.add_column(head, justify="right" if index in (1, 2) else "left")
    missing = unreached(reached)
    for fault in Fault:
        states = [state for (name, state), count in reached.items() if name is fault and count]
        times = sum(reached[fault, state] for state in states)
        absent = ", ".join(state for name, state in missing if name is fault)
        table.add_row(fault.value, f"{times:,}", str(len(states)), absent)
    return table


def _as_json(results: Sequence[Result]) -> dict[str, object]:
    reached = coverage_of(results)
    return {
        "seeds": [result.seed for result in results],
        "failures": [line for result in results for line in result.failures],
        "halted": {str(r.seed): r.halted for r in results if r.halted is not None},
        "figures": {key: sum(r.figures.get(key, 0) for r in results) for key in SUMMED},
        "coverage": {f"{fault.value} / {state}": n for (fault, state), n in reached.items()},
        "unreached": [f"{fault.value} / {state}" for fault, state in unreached(reached)],
    }


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(out), "--out", expected) from None
