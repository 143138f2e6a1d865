# SPDX-License-Identifier: Apache-2.0
"""What venues told and what cannot be right, or may tell of the same money twice.

A fold of the journal's frames, the same while running and when recovering: a restart forgets
nothing of it. A doubt lasts until what follows proves it wrong, or a person has looked and says so.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import msgspec

from tidegate.execution.books import Books
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    TransferLanded,
    TransferReturned,
    TransferSent,
)
from tidegate.model.instruments import InstrumentId

SETTLED = "settled"
# Of a doubt: it was something else and all is well; the deposit is that transfer's money; that
# money is gone; of an order that its venue ended with lots that its log does not have: those of the
# log are all.
Finding = Literal["unfounded", "returned", "lost", "ended"]


class Settled(msgspec.Struct, frozen=True):
    """A `settled` frame: a person looked at an instrument, a transfer or an order, and what they
    found."""

    ts_ms: int
    name: str
    finding: Finding
    who: str


class Return(msgspec.Struct, frozen=True):
    """A deposit that may be a transfer's money, back where it left."""

    venue: str
    asset: str
    quanta: int
    why: str


Shipments = tuple[TransferSent, ...]
# A deposit that was no shipment by itself, and the shipments that were away when it came.
Part = tuple[int, frozenset[str]]
Parts = tuple[Part, ...]
# How many shipments or deposits may come together, and among how many of the largest or last.
TOGETHER, SEARCHED = 4, 12


class Doubts:
    """Instruments whose fills contradict what was sent, by venue, and transfers that may be back;
    the first reason of each stands."""

    def __init__(self) -> None:
        self._fills: dict[str, dict[InstrumentId, str]] = {}
        self._sent: dict[str, TransferSent] = {}
        # Of transfers whose money left against their venue's word: where, and why they are held.
        self._belied: dict[str, tuple[str, str]] = {}
        self.returns: dict[str, Return] = {}
        self._parts: dict[tuple[str, str], list[Part]] = {}

    def fills_at(self, venue: str) -> dict[InstrumentId, str]:
        """Instruments in doubt at a venue, and why."""
        return dict(self._fills.get(venue, {}))

    def returns_at(self, venue: str) -> dict[str, str]:
        """Transfers from a venue that may be back there, or left against its word, and why."""
        belied = {name: why for name, (where, why) in self._belied.items() if where == venue}
        back = {name: back.why for name, back in self.returns.items() if back.venue == venue}
        return belied | back

    @property
    def venues(self) -> frozenset[str]:
        """Venues at which anything is in doubt."""
        held = {venue for venue, fills in self._fills.items() if fills}
        held |= {back.venue for back in self.returns.values()}
        return frozenset(held | {venue for venue, _ in self._belied.values()})

    def holds(self, name: str) -> bool:
        """Whether an instrument or a transfer is in doubt."""
        named = name in self.returns or name in self._belied
        return named or any(name in fills for fills in self._fills.values())

    def take(self, event: Event, books: Books, venue: str) -> None:
        """An event of a venue that was booked; `books` knows it already."""
        match event:
            case Filled(order=name) if books.has_order(name):
                self.hold_order(name, books)
            case Filled(reason="order"):
                why = f"order {event.order} was not sent by this run"
                self._doubt(venue, event.instrument, why)
            case TransferSent():
                self._sent[event.id] = event
                if books.is_belied(event.id):
                    why = f"money of transfer {event.id} left after its venue had said it would not"
                    self._belied[event.id] = event.source, why
            case TransferLanded():
                self._forget(event.id)
                # The deposit was not that transfer, and may still be another one.
                if back := self.returns.pop(event.id, None):
                    self._doubt_return(back.venue, back.asset, back.quanta)
            case TransferReturned():
                self._forget(event.id)
                self.returns.pop(event.id, None)
            case Deposited():
                self._doubt_return(event.venue, event.asset, event.quanta)
            case _:
                """Nothing that can contradict what was sent."""

    def _forget(self, name: str) -> None:
        """A shipment is under way no more."""
        self._sent.pop(name, None)
        self._belied.pop(name, None)

    def hold_order(self, name: str, books: Books) -> None:
        """Doubt the instrument of an order that is overfilled."""
        record = books.order(name)
        if record.overfilled:
            self._doubt(record.venue, record.order.instrument, f"order {name} is overfilled")

    def settle(self, name: str) -> None:
        """Doubt an instrument or a transfer no more."""
        for fills in self._fills.values():
            fills.pop(name, None)
        self.returns.pop(name, None)
        self._belied.pop(name, None)

    def _doubt(self, venue: str, name: InstrumentId, why: str) -> None:
        self._fills.setdefault(venue, {}).setdefault(name, why)

    def _doubt_return(self, venue: str, asset: str, quanta: int) -> None:
        """A deposit is the largest shipment from there that it can be; else several that came in
        one; else, with deposits before it, one that came in parts. What came in parts is known by
        its last, and until then its parts are capital."""
        away = self._away(venue, asset)
        if quanta <= 0 or not away:
            return
        parts = self._parts.setdefault((venue, asset), [])
        group, before = _together(quanta, away) or _in_parts(quanta, away, parts) or ((), ())
        if not group:
            parts.append((quanta, frozenset(sent.id for sent in away)))
            del parts[:-SEARCHED]
            return
        for part in before:
            parts.remove(part)
        self._return(venue, asset, quanta + sum(part for part, _ in before), group)

    def _away(self, venue: str, asset: str) -> Shipments:
        """The largest shipments from there that are under way and not back already."""
        away = (sent for sent in self._sent.values() if sent.id not in self.returns)
        like = [sent for sent in away if (sent.source, sent.asset) == (venue, asset)]
        return tuple(sorted(like, key=lambda sent: -sent.quanta)[:SEARCHED])

    def _return(self, venue: str, asset: str, quanta: int, group: Shipments) -> None:
        """Doubt shipments that deposits of so much in all may be, each for its share."""
        names = ", ".join(sent.id for sent in group)
        why = f"a deposit of {quanta} quanta of {asset} may be transfer {names}, back"
        over = quanta - sum(_arriving(sent) for sent in group)
        for sent in group:
            part = max(-min(sent.fee_quanta, _arriving(sent)), min(sent.fee_quanta, over))
            over -= part
            self.returns[sent.id] = Return(venue, asset, _arriving(sent) + part, why)


def _arriving(sent: TransferSent) -> int:
    return sent.quanta - sent.fee_quanta


def _may_be(quanta: int, group: Shipments) -> bool:
    """Whether so much may be shipments that came back: what arrived, give or take the fees, which
    may be back with it or taken again."""
    over = quanta - sum(_arriving(sent) for sent in group)
    return abs(over) <= sum(sent.fee_quanta for sent in group)


def _together(quanta: int, away: Shipments) -> tuple[Shipments, Parts] | None:
    """The fewest and largest shipments that one deposit may be."""
    groups = (group for count in range(1, TOGETHER + 1) for group in combinations(away, count))
    return next(((group, ()) for group in groups if _may_be(quanta, group)), None)


def _in_parts(quanta: int, away: Shipments, parts: list[Part]) -> tuple[Shipments, Parts] | None:
    """A shipment that a deposit may be together with some before it, all since it left."""
    for count in range(1, TOGETHER):
        for before in combinations(parts, count):
            total = quanta + sum(part for part, _ in before)
            for sent in away:
                if all(sent.id in ids for _, ids in before) and _may_be(total, (sent,)):
                    return (sent,), before
    return None
