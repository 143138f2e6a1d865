# SPDX-License-Identifier: Apache-2.0
"""What `tidegate watchdog` does: look at latch and heartbeat until it is stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Latch
from tidegate.execution.watchdog import Clocks, Guard, Watchdog
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError
from tidegate.model.times import SECOND_MS
from tidegate.venues.toml_file import beside
from tidegate.venues.watchdog_file import WatchdogFile, open_sessions, read_watchdog_file


def wall_ms() -> int:
    """Time of day in milliseconds UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """A clock that never steps."""
    return time.monotonic_ns() // 1_000_000


def run_watchdog(path: Path, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Watch until interrupted; raises `InputError` where the settings cannot be used."""
    said = read_watchdog_file(path)
    latch = Latch(beside(path, said.watchdog.latch))
    # A folder without a latch reads as one that is set, and every order would be cancelled.
    if not latch.exists():
        expected = f"expected a folder that holds a latch; tidegate latch {latch.folder} --new"
        raise InputError(str(path), "watchdog.latch", expected)
    guard = Guard(
        latch,
        Pulse(beside(path, said.watchdog.heartbeat), steady_ms()),
        round(said.watchdog.silence_limit_s * SECOND_MS),
        open_sessions(path, said),
        Heartbeat(latch.folder / "watchdog.beat"),
    )
    watchdog = Watchdog(guard, _journal(path, said), Clocks(wall_ms, steady_ms), _tell)
    _tell(f"watching {latch.folder} and {said.watchdog.heartbeat}")
    try:
        while goes_on():
            watchdog.tick()
            time.sleep(said.watchdog.poll_ms / SECOND_MS)
    finally:
        watchdog.close()


def _journal(path: Path, said: WatchdogFile) -> Journal:
    folder = beside(path, said.watchdog.journals)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        expected = f"expected a folder that can be made ({error.strerror})"
        raise InputError(str(path), "watchdog.journals", expected) from None
    header = {"writer": "watchdog", "begun_ms": wall_ms(), "settings": said}
    return Journal.create(folder / f"watchdog-{wall_ms()}.journal", header, durable=True)


def _tell(words: str) -> None:
    # A terminal that is closed must not end the watch; the journal has it as well.
    with suppress(OSError):
        print(f"tidegate watchdog: {words}", file=sys.stderr, flush=True)
