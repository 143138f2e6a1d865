# SPDX-License-Identifier: Apache-2.0
"""What the engine remembers beside its ledger: a small value, journalled with each decision.

An engine that starts again takes up the memory of the last decision in its journal, and brings it
up to date by what the journal holds after it: a refused plan (`refused`), a venue's refusal
(`stopped`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.model.times import DAY_MS

LONG_AGO_MS = -365 * DAY_MS


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often the engine decided and solved, its plans were refused and its solves failed."""

    decisions: int = 0
    solves: int = 0
    refusals: int = 0
    failures: int = 0


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The highest equity seen (looks between decisions included); when a better book was last
    looked for, a plan refused and an account below the inner level; whether the book awaits growth,
    and has a trade that its market could not take at once; and the tally."""

    peak_micro: int = 0
    reviewed_ms: int = -1
    refused_ms: int = LONG_AGO_MS
    cut_ms: int = LONG_AGO_MS
    awaits_growth: bool = True
    unfinished: bool = False
    tally: Tally = Tally()

    def changed(self, **changes: Any) -> Memory:
        """The memory with other values of the fields named."""
        return msgspec.structs.replace(self, **changes)

    def counted(self, name: str) -> Memory:
        """The memory with one more of what the tally counts under a name."""
        more = {name: getattr(self.tally, name) + 1}
        return self.changed(tally=msgspec.structs.replace(self.tally, **more))

    def seen(self, equity_micro: int) -> Memory:
        """The memory after a look at the book."""
        return self.changed(peak_micro=max(self.peak_micro, equity_micro))

    def refused(self, ts_ms: int, curable: bool = False) -> Memory:
        """The memory after the gate refused a plan; one that may pass at the next look is asked for
        again then, and no other for an hour."""
        counted = self.counted("refusals")
        return counted.changed(awaits_growth=True) if curable else counted.changed(refused_ms=ts_ms)

    def stopped(self) -> Memory:
        """The memory after a venue refused a part of a plan: what is left of it is to come."""
        return self.changed(awaits_growth=True)
