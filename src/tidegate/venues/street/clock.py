# SPDX-License-Identifier: Apache-2.0
"""Where the street's time comes from: the machine's clock at any speed, or a hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tidegate.model.errors import InputError, ensure

SPEED_MAX = 3_600.0
NS_A_MS = 1_000_000


class Clock(Protocol):
    """Tells the simulated time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC of the simulated market; never less than before."""


class RunningClock:
    """Simulated time that runs `speed` times as fast as real time, from `begin_ms` on."""

    def __init__(
        self, begin_ms: int, speed: float = 1.0, ticking_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        expect_speed(speed)
        self._begin_ms, self._speed = begin_ms, speed
        self._ticking_ns, self._began_ns = ticking_ns, ticking_ns()

    def now_ms(self) -> int:
        """The simulated time."""
        passed_ns = self._ticking_ns() - self._began_ns
        return self._begin_ms + int(passed_ns * self._speed) // NS_A_MS


def expect_speed(speed: float) -> None:
    """Raises `InputError` unless time can run so fast."""
    if not 0 < speed <= SPEED_MAX:
        raise InputError("--speed", str(speed), f"expected above 0 and at most {SPEED_MAX:.0f}")


@dataclass
class HandClock:
    """Simulated time that moves when it is told to."""

    time_ms: int

    def now_ms(self) -> int:
        """The simulated time."""
        return self.time_ms

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass."""
        ensure(duration_ms >= 0, "time does not go back")
        self.time_ms += duration_ms
