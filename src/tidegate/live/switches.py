# SPDX-License-Identifier: Apache-2.0
"""Dead-man's switches at venues: armed, armed anew in time, and shown to be armed.

A venue that has one cancels our orders by itself once we fall silent for `seconds`. It is armed
again when a third of that has passed, so that one answer may fail. A venue may refuse (Hyperliquid
does below a million dollars of volume): then nothing is armed there, and that is said and not
taken for an armed one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tidegate.model.replies import Armed
from tidegate.model.times import SECOND_MS
from tidegate.ports import DeadMan


class Standing(NamedTuple):
    """Until when a venue's switch is armed, by its time; None with why it is not."""

    until_ms: int | None
    why_not: str = ""


class Switches:
    """The switches of some venues; `standing` has those that answered once that they have one."""

    def __init__(self, venues: DeadMan, names: Sequence[str], seconds: int) -> None:
        self._venues, self._names, self._seconds = venues, names, seconds
        self._asked_ms: int | None = None
        self._told: dict[str, bool] = {}
        self.standing: dict[str, Standing] = {}

    def keep(self, now_ms: int) -> Mapping[str, Standing]:
        """Arm each switch where that is due; those newly armed, or no longer."""
        due_ms = self._seconds * SECOND_MS // 3
        if self._asked_ms is not None and now_ms - self._asked_ms < due_ms:
            return {}
        self._asked_ms = now_ms
        for name in self._names:
            self._arm(name, now_ms)
        now = {name: known.until_ms is not None for name, known in self.standing.items()}
        turned = {name: self.standing[name] for name in now if self._told.get(name) != now[name]}
        self._told = now
        return turned

    def release(self) -> None:
        """Disarm all, at an orderly end: what a person does next is not to be cancelled."""
        for name in self.standing:
            self._venues.arm(name, 0)
        self.standing.clear()
        self._told.clear()

    def _arm(self, name: str, now_ms: int) -> None:
        device = self._venues.device(name)
        if device is None:
            if name in self.standing:
                self._failed(name, now_ms, "the session or the venue does not answer")
            return
        seconds = max(device.least_s, min(device.most_s, self._seconds))
        reply = self._venues.arm(name, seconds)
        if isinstance(reply, Armed) and reply.until_ms is not None:
            self.standing[name] = Standing(reply.until_ms)
        else:
            reason = "it was disarmed" if isinstance(reply, Armed) else reply.reason
            self._failed(name, now_ms, reason)

    def _failed(self, name: str, now_ms: int, why: str) -> None:
        """One that was armed before stays so until its time; then it is none."""
        until_ms = self.standing.get(name, Standing(None)).until_ms
        still = until_ms is not None and until_ms > now_ms
        self.standing[name] = Standing(until_ms if still else None, why)
