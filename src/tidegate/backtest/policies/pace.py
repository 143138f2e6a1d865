# SPDX-License-Identifier: Apache-2.0
"""How fast marks have moved lately, from nothing but the marks that were seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from tidegate.model.instruments import InstrumentId
from tidegate.model.times import HOUR_MS, SECOND_MS

Seen = tuple[int, Mapping[InstrumentId, int]]


class Pace:
    """Remembers the marks of the last hour."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque()

    def see(self, ts_ms: int, marks: Mapping[InstrumentId, int]) -> None:
        """Take note of marks at a time; what is over an hour old is forgotten."""
        if self._seen and self._seen[-1][0] == ts_ms:
            self._seen.pop()
        self._seen.append((ts_ms, marks))
        while len(self._seen) > 2 and self._seen[0][0] < ts_ms - HOUR_MS:
            self._seen.popleft()

    def speed(self, name: InstrumentId) -> float | None:
        """Relative move per second, up or down: the faster of the last look's and the last
        hour's; None before the second look."""
        if len(self._seen) < 2:
            return None
        return max(self._speed_since(self._seen[-2], name), self._speed_since(self._seen[0], name))

    def moved(self, name: InstrumentId) -> float:
        """Relative move over the hour that was seen, up or down."""
        return abs(self._seen[-1][1][name] / self._seen[0][1][name] - 1.0)

    def _speed_since(self, then: Seen, name: InstrumentId) -> float:
        ts_ms, marks = self._seen[-1]
        elapsed_s = (ts_ms - then[0]) / SECOND_MS
        return abs(marks[name] / then[1][name] - 1.0) / elapsed_s
