# SPDX-License-Identifier: Apache-2.0
"""Money that counted as nothing when a day began: what comes back of it is no gain of that day."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.ledger.book import Ledger


class WrittenOff:
    """Shipments that were overdue or given up at a moment, and their worth then (micro).

    A day's equity begins without them. One that comes home later would raise equity and hide as
    much of the day's loss, so that it has to count as capital that came. One that is written off
    within the day is a loss of that day, and none any more when it comes.
    """

    def __init__(self, ledger: Ledger, overdue: Iterable[str]) -> None:
        under_way = ledger.shipments
        found = [under_way[name] for name in overdue if name in under_way]
        self._ledger = ledger
        self._micro = {s.id: ledger.worth_micro(s.asset, s.quanta) for s in found}
        given_up = ledger.given_up.values()
        self._micro |= {s.id: ledger.worth_micro(s.asset, s.quanta) for s in given_up}

    def micro(self, returned: Iterable[str]) -> int:
        """What of them is still away; one that is `returned` is there as a deposit already."""
        here = set(returned)
        away = (n for n in self._micro if self._ledger.may_land(n) and n not in here)
        return sum(self._micro[name] for name in away)
