# SPDX-License-Identifier: Apache-2.0
"""What a journal's frames leave uncertain: a decision must have known at least that.

Orders and transfers under way are the fold that a restart makes; breaks stand until the venue
agrees, or a new process compares anew.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.audit.difference import differs
from tidegate.execution.desk import Standing
from tidegate.execution.reconciliation import Break, unsettled
from tidegate.execution.recovery import BooksFold
from tidegate.journal.frames import Frame
from tidegate.model.account import Unsettled
from tidegate.model.instruments import Instrument, InstrumentId


class _Compared(msgspec.Struct, frozen=True):
    venue: str
    differs: Break


class Doubts:
    """The fold of what is not settled."""

    def __init__(self, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self._fold = BooksFold(instruments)
        self._breaks: dict[str, Break] = {}

    def take(self, frame: Frame) -> None:
        """The next frame; raises `Differs` where it cannot be read."""
        try:
            self._fold.take(frame)
            self._compare(frame)
        except msgspec.DecodeError as error:
            raise differs(
                frame, "payload", f"unreadable: {error}", f"{frame.kind} as written"
            ) from None

    def _compare(self, frame: Frame) -> None:
        if frame.kind == "restarted":
            # What a new process has not compared yet; what is in doubt it knows from its journal.
            self._breaks = {venue: self._in_doubt(venue) for venue in self._fold.doubts.venues}
        elif frame.kind in ("break", "agreed"):
            found = msgspec.json.decode(frame.payload, type=_Compared)
            self._breaks.pop(found.venue, None)
            if not found.differs.is_none:
                self._breaks[found.venue] = found.differs

    def _in_doubt(self, venue: str) -> Break:
        doubts = self._fold.doubts
        return Break({}, {}, {}, doubts=doubts.fills_at(venue), returns=doubts.returns_at(venue))

    def hold(self, frame: Frame, standing: Standing) -> None:
        """Raise `Differs` where a decision's frame states less than what is not settled."""
        books, stated = self._fold.books, standing.unsettled
        least = unsettled(books.open_orders, books.open_transfers, self._breaks, frozenset())
        if not _covers(stated, least):
            words = (msgspec.json.encode(doubts).decode() for doubts in (stated, least))
            raise differs(frame, "unsettled", *words)
        if not (back := frozenset(self._fold.doubts.returns)) <= standing.returned:
            raise differs(frame, "returned", *(str(sorted(n)) for n in (standing.returned, back)))


def _covers(known: Unsettled, least: Unsettled) -> bool:
    """Whether what is known is as wide everywhere."""
    money = all(
        known.missing.get(venue, {}).get(asset, 0) >= quanta
        for venue, assets in least.missing.items()
        for asset, quanta in assets.items()
    )
    lots = all(
        name in known.lots and known.lots[name][0] <= low and high <= known.lots[name][1]
        for name, (low, high) in least.lots.items()
    )
    arrives = all(known.arriving.get(v, 0) >= quanta for v, quanta in least.arriving.items())
    return money and lots and arrives and least.unseen <= known.unseen
