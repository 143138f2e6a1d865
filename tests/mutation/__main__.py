# SPDX-License-Identifier: Apache-2.0
"""Measures how many small wrong changes of a room its tests notice.

python -m tests.mutation --room risk --sample 100 --seed 7
python -m tests.mutation --file src/tidegate/risk/limits.py --kinds removal,entry,branch,return
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer

from tests.mutation.equivalents import Equivalents
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.trial import Outcome, Workshop

ROOT = Path(__file__).resolve().parents[2]
# The tests that stand for a room, where they are not in the folder of its name alone.
NARROW = {
    "risk": ("tests/risk", "tests/engine/test_gate_agrees.py"),
    "venues": ("tests/risk/test_gate.py",),
    "execution": ("tests/execution", "tests/engine/test_gate_agrees.py"),
    "ledger": ("tests/ledger", "tests/simulation/test_option_delivery.py"),
}
FOUND = ("killed", "timeout")
# Compiled kernels are cached under their text and would be compiled anew for each mutant.
COMPILED = ("src/tidegate/pricing/_", "src/tidegate/margin/scenario/_")


class Trial(msgspec.Struct, frozen=True):
    """A mutant and what became of it."""

    place: str
    kind: str
    before: str
    after: str
    outcome: Outcome


class Report(msgspec.Struct, frozen=True):
    """The score of a room: killed and timed out among those tried."""

    room: str
    seed: int
    mutants: int
    equivalent: int
    killed: int
    timeout: int
    seconds: float
    survivors: list[Trial]

    def words(self) -> str:
        """The report as text."""
        found, tried = self.killed + self.timeout, self.killed + self.timeout + len(self.survivors)
        lines = [f"{t.outcome.verdict}: {t.place} {t.kind}\n    - {t.before}\n    + {t.after}"
                 for t in self.survivors]  # fmt: skip
        lines.append(
            f"{self.room}: {found} of {tried} mutants found ({found / max(1, tried):.1%}), "
            f"{self.timeout} of them by time; {self.mutants} in all, "
            f"{self.equivalent} equivalent; seed {self.seed}, {self.seconds:.0f} s"
        )
        return "\n".join(lines)


class Tree(msgspec.Struct, frozen=True):
    """The folder that holds `src` and `tests`."""

    root: Path

    def files(self, room: str) -> list[str]:
        """The files of a room, without its compiled kernels."""
        found = sorted((self.root / "src" / "tidegate" / room).rglob("*.py"))
        names = [file.relative_to(self.root).as_posix() for file in found]
        return [name for name in names if not name.startswith(COMPILED)]

    def source(self, file: str) -> str:
        """The text of a file."""
        return (self.root / file).read_text(encoding="utf-8")


def drawn(found: list[Mutant], sample: int | None, seed: int) -> list[Mutant]:
    """Mutants in an order drawn by the seed, so that a run cut short is a fair sample too."""
    order = Random(seed).sample(found, len(found))
    return order if sample is None else order[:sample]


def tried(
    workshop: Workshop, chosen: list[Mutant], tests: list[str], room: str, beside: int
) -> Iterator[tuple[Mutant, Outcome]]:
    """Each mutant with its outcome, as they come."""
    found = workshop.reach(room, tests)
    if found.failed:
        raise typer.BadParameter(f"tests fail without a mutant: {', '.join(found.failed[:3])}")
    for mutant in chosen:
        yield mutant, workshop.judge(mutant, found, beside)


def main(
    room: Annotated[str, typer.Option(help="A folder of src/tidegate.")] = "risk",
    file: Annotated[str | None, typer.Option(help="These files alone, by comma.")] = None,
    tests: Annotated[str, typer.Option(help="Tests to run, by comma; else the room's.")] = "",
    kinds: Annotated[str, typer.Option(help="Kinds of mutants, by comma; else all.")] = "",
    sample: Annotated[int | None, typer.Option(help="How many; else all.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the sample and the order.")] = 1,
    minutes: Annotated[float, typer.Option(help="Begin no mutant after this long.")] = 600.0,
    beside: Annotated[int, typer.Option(help="Tests tried beyond those that reach it.")] = 20,
    again: Annotated[Path | None, typer.Option(help="Only what lived in this report.")] = None,
    root: Annotated[Path, typer.Option(help="The folder with src and tests.")] = ROOT,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Measure how many small wrong changes of a room its tests notice."""
    # To be ended is an exit, at which the copy of the tree is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start, known = time.monotonic(), Equivalents.read()
    tree = Tree(root.resolve())
    room = Path(file).parts[2].removesuffix(".py") if file else room
    # As they are now, for the tree may change while the mutants are tried in the copy.
    sources = {f: tree.source(f) for f in (file.split(",") if file else tree.files(room))}
    every = [m for f, source in sources.items() for m in mutants(f, source)]
    every = [m for m in every if not kinds or m.kind in kinds.split(",")]
    left = [m for m in every if not known.holds(m, sources[m.file])]
    equivalent = len(every) - len(left)
    if again is not None:
        lived = msgspec.json.decode(again.read_bytes(), type=Report).survivors
        changes = {(trial.before, trial.after) for trial in lived}
        left = [m for m in left if m.diff(sources[m.file]) in changes]
    chosen = drawn(left, sample, seed)
    narrow = tests.split(",") if tests else [*NARROW.get(room, (f"tests/{room}",))]
    done: list[tuple[Mutant, Outcome]] = []
    with TemporaryDirectory(prefix="mutation-") as folder:
        workshop = Workshop(tree.root, Path(folder).resolve(), room)
        for mutant, outcome in tried(workshop, chosen, narrow, room, beside):
            done.append((mutant, outcome))
            _progress(len(done), len(chosen), mutant, outcome)
            if time.monotonic() - start > 60 * minutes:
                break
    survivors = [
        Trial(f"{m.file}:{m.line}", m.kind, *m.diff(sources[m.file]), outcome)
        for m, outcome in sorted(done, key=lambda pair: (pair[0].file, pair[0].start))
        if outcome.verdict not in FOUND
    ]
    verdicts = [outcome.verdict for _, outcome in done]
    report = Report(
        room,
        seed,
        mutants=len(every),
        equivalent=equivalent,
        killed=verdicts.count("killed"),
        timeout=verdicts.count("timeout"),
        seconds=time.monotonic() - start,
        survivors=survivors,
    )
    print(msgspec.json.encode(report).decode() if json else report.words())


def _progress(count: int, total: int, mutant: Mutant, outcome: Outcome) -> None:
    place = f"{mutant.file}:{mutant.line}"
    words = f"{count}/{total} {outcome.verdict} {place} {mutant.kind} {outcome.seconds:.1f} s"
    print(words, outcome.test, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
