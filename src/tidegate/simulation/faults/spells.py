# SPDX-License-Identifier: Apache-2.0
"""Which spells are on: faults that begin at a time, hold at one venue and end by themselves."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.simulation.faults.menu import Fault, Spell

NEVER = 1 << 62


class Spells:
    """Spells in time; `due` is cheap where none begins or ends."""

    def __init__(self, spells: Iterable[Spell]) -> None:
        self._coming = sorted(spells, key=lambda s: (s.start_ms, s.fault.value, s.venue))[::-1]
        self._on: list[Spell] = []
        self._held: dict[tuple[Fault, str], Spell] = {}
        self._next_ms = self._soonest()

    def due(self, now_ms: int) -> bool:
        """Whether some spell begins or ends by now."""
        return now_ms >= self._next_ms

    def turn(self, now_ms: int) -> tuple[list[Spell], list[Spell]]:
        """Move to a time; the spells that began and those that ended."""
        begun = []
        while self._coming and self._coming[-1].start_ms <= now_ms:
            begun.append(self._coming.pop())
        self._on += begun
        ended = [spell for spell in self._on if spell.end_ms <= now_ms]
        self._on = [spell for spell in self._on if spell.end_ms > now_ms]
        self._hold()
        return begun, ended

    def stop(self) -> list[Spell]:
        """End all and begin none; what was on."""
        ended, self._on = self._on, []
        self._coming.clear()
        self._hold()
        return ended

    @property
    def are_on(self) -> bool:
        """Whether any is on."""
        return bool(self._on)

    def holds(self, fault: Fault, venue: str) -> bool:
        """Whether a fault is on at a venue."""
        return (fault, venue) in self._held

    def size(self, fault: Fault, venue: str) -> float | None:
        """How large a fault is at a venue, None where it is not on."""
        spell = self._held.get((fault, venue))
        return None if spell is None else spell.size

    def _hold(self) -> None:
        self._held = {(spell.fault, spell.venue): spell for spell in self._on}
        self._next_ms = self._soonest()

    def _soonest(self) -> int:
        begins = self._coming[-1].start_ms if self._coming else NEVER
        return min(begins, min((spell.end_ms for spell in self._on), default=NEVER))
