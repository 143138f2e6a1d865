# SPDX-License-Identifier: Apache-2.0
"""What `tidegate replay` prints: that every decision was made again, or the first difference."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tidegate.audit.replay import Progress, Replayed, replay
from tidegate.audit.resolving import IDENTICAL, OBJECTIVE, REGRET
from tidegate.model.times import SECOND_MS


def replay_journal(path: Path, *, resolves: bool, as_json: bool) -> bool:
    """Replay a journal and print what it came to; True where all is equal.

    Raises `InputError` where there is nothing to replay.
    """
    with _shown(path.name) as progress:
        found = replay(path, resolves, progress)
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), sort_keys=True))
    else:
        for line in lines(found, resolves=resolves):
            print(line)
    return found.difference is None


def lines(found: Replayed, *, resolves: bool) -> Iterator[str]:
    """A replay in words."""
    if found.difference is not None:
        place = found.difference
        yield f"DIFFERENT at frame {place.frame} ({place.kind}), field {place.field}"
        yield f"  journal: {place.stated}"
        yield f"  replay:  {place.derived}"
        yield f"the {found.frames} frames before it are equal: {found.decisions} decisions"
        return
    yield f"equal: {found.frames} frames to the byte, {found.decisions} decisions made again"
    yield _solved(found) if resolves else f"solver not asked again: {found.solves} answers taken"
    yield f"longest time without a decision: {found.gap_ms_max // SECOND_MS} s"
    yield f"head {found.head}"


def _solved(found: Replayed) -> str:
    said = ", ".join(f"{count} {what}" for what, count in sorted(found.resolved.items()))
    told = f"solved again: {said or 'nothing was solved'}"
    if set(found.resolved) <= {IDENTICAL}:
        return told
    moved = f"; not the same to the bit: {', '.join(found.moved)}" if found.moved else ""
    return f"{told} ({OBJECTIVE:g} of the objective, {REGRET:g} of equity){moved}"


@contextmanager
def _shown(name: str) -> Iterator[Progress]:
    """A bar on the terminal, where there is one."""
    told = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=told, transient=True, disable=not told.is_terminal) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda share: bar.update(task, completed=share)
