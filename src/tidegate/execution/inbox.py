# SPDX-License-Identifier: Apache-2.0
"""Lines of the venues' logs, each once and in the order of its number, however they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tidegate.model.events import Event
from tidegate.model.replies import Entry


class Inbox:
    """Puts lines in order; `cursors` are the numbers up to which lines were taken out before."""

    def __init__(self, cursors: Mapping[str, int]) -> None:
        self.cursors = dict(cursors)
        self.stopped = set[str]()
        self._early: dict[str, dict[int, Event]] = {venue: {} for venue in cursors}

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep lines that were not taken out yet."""
        for entry in entries:
            if entry.venue not in self.stopped and entry.number > self.cursors[entry.venue]:
                self._early[entry.venue].setdefault(entry.number, entry.event)

    def take(self, venue: str, may: Callable[[Event], bool]) -> list[Event]:
        """Lines of a venue that follow without a gap, up to the first that may not be taken yet."""
        early, taken = self._early[venue], list[Event]()
        while (event := early.get(self.cursors[venue] + 1)) is not None and may(event):
            self.cursors[venue] += 1
            taken.append(early.pop(self.cursors[venue]))
        return taken

    def stop(self, venue: str, number: int) -> None:
        """Go back to a line, and take nothing of that venue after it any more."""
        self.cursors[venue] = number
        self._early[venue].clear()
        self.stopped.add(venue)

    def waiting(self, venue: str) -> Event | None:
        """The next line of a venue, where it is here and was not taken out yet."""
        return self._early[venue].get(self.cursors[venue] + 1)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Venues of which a later line is here and the next one is not."""
        return tuple(
            venue
            for venue, early in self._early.items()
            if early and self.cursors[venue] + 1 not in early
        )
