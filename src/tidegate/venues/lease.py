# SPDX-License-Identifier: Apache-2.0
"""A session serves one engine at a time: a lease with a fencing number.

Each time an engine starts it takes the lease and is handed the next number, which it shows with all
that it asks for as a trader. Only the last number is good, so that whoever had one before does
nothing any more, whatever it believes. Another engine is refused while the lease is used; one with
the holder's journal, which comes back after a crash, is not, since that journal alone knows the
holder's orders. (Burrows 2006, The Chubby lock service, section 2.4: sequencers.)
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.model.replies import Leased

LEASE_S = 60.0


class NotHeld(Exception):
    """Somebody else may trade, and who asked may not."""


class Lease:
    """The lease of one session. `last` is what its log remembers, `write` puts a new holder there
    before it is told, and `clock_s` is a clock that does not jump."""

    def __init__(
        self, last: Leased | None, write: Callable[[Leased], None], clock_s: Callable[[], float]
    ) -> None:
        self._last, self._write, self._clock_s = last, write, clock_s
        # How long the holder was silent before this process began is not known.
        self._used_s = clock_s()

    def hold(self, holder: str, takes: bool = False) -> Leased:
        """Hand out the next number; raises `NotHeld` while another holder's is used, unless the
        operator has said that this one `takes` it."""
        last = self._last
        left_s = self._used_s + LEASE_S - self._clock_s()
        if last is not None and last.holder != holder and left_s > 0 and not takes:
            raise NotHeld(f"the engine of journal {last.holder} has it for {left_s:.0f} s more")
        self._last = Leased(1 if last is None else last.number + 1, holder)
        self._write(self._last)
        self._used_s = self._clock_s()
        return self._last

    def use(self, number: int) -> None:
        """Renew the lease; raises `NotHeld` unless this is the last number."""
        if self._last is None:
            raise NotHeld("expected an engine that has taken it")
        if number != self._last.number:
            raise NotHeld(f"the engine of journal {self._last.holder} has it since")
        self._used_s = self._clock_s()
