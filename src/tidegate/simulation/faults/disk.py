# SPDX-License-Identifier: Apache-2.0
"""A disk that forgets what was not forced, tears what it was writing, fills up, fails and rots.

`force` is the only promise: bytes forced before a crash are there after it. Of bytes written and
not forced any first part may be there. A force that failed promises nothing about its bytes, and
they may or may not be there (Rebello et al. 2020, "Can applications recover from fsync failures?").
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random

from tidegate.simulation.faults.kill import Boundaries


class Disk:
    """One journal's bytes; a `Sink`. `boundaries` is crossed before and after each force."""

    def __init__(self, seed: int, boundaries: Boundaries) -> None:
        self._rng = Random(f"{seed}:disk")
        self._boundaries = boundaries
        self._durable, self._written = bytearray(), bytearray()
        self.full = False
        self.fails_next = False
        self.forces = 0

    @property
    def durable(self) -> memoryview:
        """What no crash can take."""
        return memoryview(self._durable)

    def write(self, frame: bytes, /) -> object:
        """Take bytes, which a crash may still lose; a full disk takes a part and says so."""
        if self.full:
            self._written += frame[: self._rng.randrange(len(frame))]
            raise OSError(errno.ENOSPC, "No space left on device")
        self._written += frame
        return len(frame)

    def force(self) -> None:
        """Make what was written durable, or fail and promise nothing."""
        self._boundaries.cross("before force")
        if self.fails_next:
            self.fails_next = False
            raise OSError(errno.EIO, "Input/output error")
        self._durable += self._written
        self._written.clear()
        self.forces += 1
        self._boundaries.cross("after force")

    def close(self) -> None:
        """Nothing more comes from this writer."""

    def crash(self, *, torn: bool) -> bytes:
        """The content that the next process finds: all that was forced, and where the write may be
        torn any first part of the rest, else all or none of it."""
        rest = self._written
        kept = self._rng.randrange(len(rest) + 1) if torn else self._rng.choice((0, len(rest)))
        self._durable += rest[:kept]
        rest.clear()
        return bytes(self._durable)

    def cut(self, size_bytes: int) -> None:
        """Truncate, as recovery does to a torn tail."""
        del self._durable[size_bytes:]

    def rot(self, after: int = 0, choose: Callable[[int], int] | None = None) -> int:
        """Flip one bit of what is durable, beyond the first `after` bytes; returns its byte."""
        pick = choose or self._rng.randrange
        place = after + pick(len(self._durable) - after)
        self._durable[place] ^= 1 << pick(8)
        return place
