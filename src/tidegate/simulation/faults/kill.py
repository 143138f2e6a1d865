# SPDX-License-Identifier: Apache-2.0
"""Places at which a process can die: before and after everything that lasts beyond it.

Between two of them nothing outside the process changes, so that dying anywhere is dying at one.
"""

from __future__ import annotations

from random import Random


class Killed(BaseException):
    """The process is gone. No `except Exception` may hold it up, as none holds up a signal."""


class Boundaries:
    """Counts the boundaries that are crossed, and kills at one of them or by chance."""

    def __init__(
        self, seed: int = 0, chance: float = 0.0, at: frozenset[int] = frozenset()
    ) -> None:
        self._rng, self.chance, self._at = Random(f"{seed}:kill"), chance, at
        self.crossed = 0
        self.kills = 0

    def cross(self, name: str) -> None:
        """Pass a boundary, or die there with `Killed`."""
        self.crossed += 1
        if self.crossed in self._at or (self.chance and self._rng.random() < self.chance):
            self.kills += 1
            raise Killed(f"{name}, boundary {self.crossed}")
