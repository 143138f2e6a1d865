# SPDX-License-Identifier: Apache-2.0
"""Ends what computes for ever: a hang is a failure and not a suite that never ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CPU_S_MAX = 30  # of one input, which takes milliseconds, on a machine of any load


class Hang(BaseException):
    """One input took longer than any may; no parser can take it for a refusal."""


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise Hang


@contextmanager
def no_hang() -> Iterator[None]:
    """Raise `Hang` where the inside takes more than `CPU_S_MAX` of the processor."""
    handler = signal.signal(signal.SIGPROF, _hang)
    signal.setitimer(signal.ITIMER_PROF, CPU_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
