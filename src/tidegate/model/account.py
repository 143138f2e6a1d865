# SPDX-License-Identifier: Apache-2.0
"""What we hold at one venue, and money between venues, in exact integers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.model.instruments import InstrumentId


class Position(msgspec.Struct, frozen=True):
    """Signed lots (long +) and what they cost, in settlement quanta (signed like the lots)."""

    lots: int
    cost: int


FLAT = Position(0, 0)


class Account(msgspec.Struct, frozen=True):
    """One venue's account: wallet balances per asset in quanta, and open positions."""

    venue: str
    balances: Mapping[str, int]
    positions: Mapping[InstrumentId, Position]


class Shipment(msgspec.Struct, frozen=True):
    """Money between venues: margin nowhere until it lands."""

    id: str
    source: str
    destination: str
    asset: str
    quanta: int
    sent_ms: int


class Portfolio(msgspec.Struct, frozen=True):
    """All accounts and shipments at one time."""

    ts_ms: int
    accounts: Mapping[str, Account]
    shipments: tuple[Shipment, ...]


class Unsettled(msgspec.Struct, frozen=True):
    """How far the truth may lie from a portfolio: lots by which an instrument may differ (low,
    high), quanta per venue and asset that may be missing, venues that could not be compared, and
    quanta that may be on their way to a venue though they have not left in the ledger."""

    lots: Mapping[InstrumentId, tuple[int, int]] = {}
    missing: Mapping[str, Mapping[str, int]] = {}
    unseen: frozenset[str] = frozenset()
    arriving: Mapping[str, int] = {}

    def venues(self, venue_of: Mapping[InstrumentId, str]) -> frozenset[str]:
        """Venues at which anything is not certain."""
        held = {venue_of[name] for name in self.lots}
        return frozenset(held | set(self.missing) | self.unseen)

    def doubting(self, venues: frozenset[str]) -> Unsettled:
        """The same, with venues that are not understood, such as those whose margin is not ours:
        they may only be reduced, and no money leaves them."""
        return msgspec.structs.replace(self, unseen=self.unseen | venues)


SETTLED = Unsettled()


class FillOutcome(msgspec.Struct, frozen=True):
    """A position after a fill, and the profit that the closed part realised."""

    position: Position
    realised_quanta: int


def fill_position(position: Position, lots: int, cost: int) -> FillOutcome:
    """Average-cost accounting of a fill of signed `lots` that cost `cost` (signed alike).

    The closed part takes its share of either cost, rounded up, so realised profit is never too
    high; a fill through zero closes first and opens the rest. Sums are exact in every case.
    """
    before = position.lots
    if before == 0 or (before > 0) == (lots > 0):
        return FillOutcome(Position(before + lots, position.cost + cost), 0)
    closed = min(abs(lots), abs(before))
    cost_of_closing = -((-cost * closed) // abs(lots))
    cost_removed = -((-position.cost * closed) // abs(before))
    realised = -cost_of_closing - cost_removed
    rest_lots = before + lots
    if closed < abs(lots):
        return FillOutcome(Position(rest_lots, cost - cost_of_closing), realised)
    return FillOutcome(Position(rest_lots, position.cost - cost_removed), realised)
