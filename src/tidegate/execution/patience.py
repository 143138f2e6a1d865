# SPDX-License-Identifier: Apache-2.0
"""When to ask a venue again: soon at first, then less and less often."""

from __future__ import annotations

from tidegate.model.times import SECOND_MS

FIRST_MS = 2 * SECOND_MS
LONGEST_MS = 30 * SECOND_MS


class Patience:
    """Per id when it was last asked about and how often; waits double from 2 to 30 seconds."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[int, int]] = {}

    def asked(self, name: str, now_ms: int) -> None:
        """Remember that something was asked or sent now."""
        _, times = self._asked.get(name, (0, 0))
        self._asked[name] = (now_ms, times + 1)

    def begin(self, name: str, now_ms: int) -> None:
        """Something was told that is to be asked about again soon."""
        self._asked[name] = (now_ms, 1)

    def forget(self, name: str) -> None:
        """Nothing is to be asked any more."""
        self._asked.pop(name, None)

    def is_over(self, name: str, now_ms: int) -> bool:
        """Whether it is time to ask again; at once for what was never asked about."""
        if name not in self._asked:
            return True
        last_ms, times = self._asked[name]
        return now_ms - last_ms >= min(LONGEST_MS, FIRST_MS << min(times - 1, 8))
