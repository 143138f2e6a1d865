# SPDX-License-Identifier: Apache-2.0
"""What the exchange keeps of us: an account per venue, and money on its way between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from tidegate.model.account import FLAT, Account, Position, fill_position
from tidegate.model.actions import Transfer
from tidegate.model.errors import ensure
from tidegate.model.events import Delivered, Filled
from tidegate.model.instruments import Instrument, InstrumentId, Option, Spot
from tidegate.simulation.tape import Failure, Tape


@dataclass(slots=True)
class Book:
    """One venue's account inside the exchange, in quanta and lots."""

    balances: dict[str, int] = field(default_factory=dict)
    positions: dict[InstrumentId, Position] = field(default_factory=dict)

    def pay(self, asset: str, quanta: int) -> None:
        """Credit quanta, or debit them where they are negative."""
        self.balances[asset] = self.balances.get(asset, 0) + quanta

    def fill(self, instrument: Instrument, filled: Filled) -> None:
        """Take lots at their fill's price and fee; a position that is closed is forgotten."""
        cost = instrument.entry_cost(filled.lots, filled.ticks)
        if isinstance(instrument, Spot):
            self.pay(instrument.base, instrument.base_quanta(filled.lots))
            self.pay(instrument.settle, -cost - filled.fee_quanta)
            return
        held = self.positions.get(instrument.id, FLAT)
        outcome = fill_position(held, filled.lots, cost)
        self.positions[instrument.id] = outcome.position
        if outcome.position.lots == 0:
            del self.positions[instrument.id]
        self.pay(instrument.settle, outcome.realised_quanta - filled.fee_quanta)

    def deliver(self, instrument: Instrument, delivered: Delivered) -> None:
        """Pay out a position that expired, less its fee, and forget it."""
        held = self.positions.pop(instrument.id)
        self.pay(instrument.settle, delivered.quanta - held.cost - delivered.fee_quanta)

    def write_off(
        self, instruments: Mapping[InstrumentId, Instrument], marks: Mapping[InstrumentId, int]
    ) -> tuple[dict[InstrumentId, int], dict[str, int]]:
        """Lose everything: the marks of what was held, and what is lost of each asset."""
        ticks = {name: marks[name] for name in self.positions}
        for name, position in self.positions.items():
            instrument = instruments[name]
            profit = instrument.value(position.lots, ticks[name]) - position.cost
            self.pay(instrument.settle, profit)
        # A coin that is held is priced by its own market.
        coins = {i.base: i.id for i in instruments.values() if isinstance(i, Spot)}
        ticks |= {coins[a]: marks[coins[a]] for a, q in self.balances.items() if q and a in coins}
        lost = {asset: quanta for asset, quanta in self.balances.items() if quanta}
        self.positions.clear()
        self.balances.clear()
        return ticks, lost

    def cash(self, asset: str, instruments: Mapping[InstrumentId, Instrument]) -> int:
        """Balance of an asset after the premiums of options still held, paid or received."""
        premiums = sum(
            position.cost
            for name, position in self.positions.items()
            if isinstance(held := instruments[name], Option) and held.settle == asset
        )
        return self.balances.get(asset, 0) - premiums


@dataclass(frozen=True, slots=True)
class Parcel:
    """A transfer's money less its fee, under way from `sent_ms` until `due_ms`."""

    transfer: Transfer
    quanta: int
    due_ms: int
    sent_ms: int = 0


@dataclass(frozen=True, slots=True)
class Extreme:
    """An account at a step's adverse extremes, in collateral quanta."""

    ts_ms: int
    venue: str
    equity: int
    maintenance: int


def counted(tape: Tape, venue: str, step: int, book: Book) -> Account:
    """Our account as a venue counts its collateral in a step."""
    return Account(venue, tape.counted(venue, step, book.balances), dict(book.positions))


def draw(seed: int, transfer: str) -> float:
    """A number in (0, 1) from a seed and a transfer's name, the same on every run."""
    digest = sha256(f"{seed}:{transfer}".encode()).digest()
    return (int.from_bytes(digest[:7]) + 1) / (2**56 + 2)


def in_order(parcels: Iterable[Parcel]) -> list[Parcel]:
    """Parcels by the time at which they land."""
    return sorted(parcels, key=lambda parcel: (parcel.due_ms, parcel.transfer.id))


def taken(parcels: Iterable[Parcel], transfer: str) -> tuple[Parcel, list[Parcel]]:
    """The parcel of one transfer, and the others; raises `InvariantError` where none is."""
    ordered = list(parcels)
    found = [parcel for parcel in ordered if parcel.transfer.id == transfer]
    ensure(len(found) == 1, f"transfer {transfer}: not under way")
    return found[0], [parcel for parcel in ordered if parcel is not found[0]]


def held_back(parcels: Iterable[Parcel], transfer: str, until_ms: int) -> list[Parcel]:
    """Parcels of which that of one transfer lands no sooner than at a time."""
    return in_order(
        replace(p, due_ms=max(p.due_ms, until_ms)) if p.transfer.id == transfer else p
        for p in parcels
    )


def caught_by(
    parcels: Iterable[Parcel], failure: Failure
) -> tuple[list[tuple[Transfer, int]], list[Parcel]]:
    """Transfers that a venue's failure ends, with the quanta that are back where they left, and the
    parcels that go on: what is under way to the venue is lost, what has not left it is back."""
    caught, left = list[tuple[Transfer, int]](), list[Parcel]()
    for parcel in parcels:
        held = failure.ts_ms - parcel.sent_ms <= failure.holds_ms
        if parcel.transfer.source == failure.venue and held:
            caught.append((parcel.transfer, parcel.quanta))
        elif parcel.transfer.destination == failure.venue:
            caught.append((parcel.transfer, 0))
        else:
            left.append(parcel)
    return caught, left
