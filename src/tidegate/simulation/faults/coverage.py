# SPDX-License-Identifier: Apache-2.0
"""How often each fault met each state of an order or transfer: what a run of seeds has reached.

A simulator that never sees a fault in some state proves nothing about it, however many seeds pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tidegate.simulation.faults.menu import Fault

IDLE = "idle"


class Coverage:
    """Counts of (fault, state); `state_of` tells the engine's own state of an action by its id, and
    `open_states` the states of all that is open. `struck` counts faults, whatever they met."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Fault, str]] = Counter()
        self.struck = 0
        self.state_of: Callable[[str], str | None] = lambda _: None
        self.open_states: Callable[[], Iterable[str]] = tuple

    def about(self, fault: Fault, action: str) -> None:
        """A fault met one action."""
        self.struck += 1
        self.counts[fault, self.state_of(action) or IDLE] += 1

    def around(self, fault: Fault) -> None:
        """A fault of a venue, the feed, the disk or the process met all that was open."""
        self.struck += 1
        for state in sorted(set(self.open_states())) or (IDLE,):
            self.counts[fault, state] += 1

    def total(self, fault: Fault) -> int:
        """How often a fault occurred in any state."""
        return sum(count for (name, _), count in self.counts.items() if name is fault)
