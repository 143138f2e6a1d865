# SPDX-License-Identifier: Apache-2.0
"""A file that a living process touches, and how long ago another process saw it touched.

The watcher measures silence on its own steady clock, from when it saw the file change, so that a
step of either machine's time neither hides a silence nor makes one.
"""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.model.errors import InputError


class Heartbeat:
    """The side that lives: makes the file, and touches it at each tick."""

    def __init__(self, path: Path) -> None:
        self._name = os.fspath(path)
        try:
            path.touch()
        except OSError as error:
            expected = f"expected a file that can be made ({error.strerror})"
            raise InputError(str(path), "heartbeat", expected) from None

    def beat(self, now_ns: int) -> None:
        """Say that this process lives; raises `OSError`, since a beat that fails is silence."""
        os.utime(self._name, ns=(now_ns, now_ns))


class Pulse:
    """The side that watches; it takes the first look for a beat."""

    def __init__(self, path: Path, steady_ms: int) -> None:
        self._name = os.fspath(path)
        self._seen = self._look()
        self._since_ms = steady_ms

    def silence_ms(self, steady_ms: int) -> int:
        """Time since the file was last seen to change; one that cannot be read does not."""
        seen = self._look()
        if seen is not None and seen != self._seen:
            self._seen, self._since_ms = seen, steady_ms
        return steady_ms - self._since_ms

    def restart(self, steady_ms: int) -> None:
        """Allow a whole silence from now, as at the start."""
        self._since_ms = steady_ms

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._name)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
