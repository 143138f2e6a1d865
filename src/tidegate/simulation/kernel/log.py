# SPDX-License-Identifier: Apache-2.0
"""Rows of the kernel's log as the events that every exchange tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.model.events import (
    DeficitCovered,
    Filled,
    FundingPaid,
    LiquidationStarted,
    OrderRefused,
    PenaltyCharged,
    TransferLanded,
    TransferRefused,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.instruments import InstrumentId
from tidegate.simulation.books import Extreme
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.requests import OrderCancelled, OrderRested, Request, Told
from tidegate.simulation.terms import ExchangeTerms

Row = Sequence[int]


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in a log stand for; `asked` are the requests in the order of asking."""

    instruments: tuple[InstrumentId, ...]
    venues: tuple[str, ...]
    collateral: Mapping[str, str]
    terms: ExchangeTerms
    asked: Sequence[Request]

    def told(self, row: Row) -> Told | Extreme:
        """One row as its event."""
        return _READERS[row[at.LOG_KIND]](self, row)

    def asset(self, row: Row) -> tuple[str, str]:
        """A venue and its collateral."""
        venue = self.venues[row[at.LOG_WHO]]
        return venue, self.collateral[venue]

    def order(self, row: Row) -> str:
        """The name of the order of a row."""
        if row[at.LOG_REF] == at.LIQUIDATION_REF:
            return f"liquidation:{self.terms.instruments[self.name(row)].venue}"
        return self.asked[row[at.LOG_REF]].id

    def name(self, row: Row) -> InstrumentId:
        """The instrument of a row."""
        return self.instruments[row[at.LOG_WHO]]


def _filled(names: Names, row: Row) -> Filled:
    numbers = row[at.A : at.G]
    reason = "liquidation" if row[at.G] else "order"
    return Filled(row[0], names.name(row), *numbers, names.order(row), reason)  # type: ignore[arg-type,call-arg]


def _funded(names: Names, row: Row) -> FundingPaid:
    return FundingPaid(row[0], names.name(row), *row[at.A : at.E])


def _liquidated(names: Names, row: Row) -> LiquidationStarted:
    return LiquidationStarted(row[0], names.venues[row[at.LOG_WHO]], row[at.A], row[at.B])


def _penalty(names: Names, row: Row) -> PenaltyCharged:
    forfeited = row[at.B] == at.FORFEITED
    cause = "margin forfeited" if forfeited else "clearance fee"
    return PenaltyCharged(row[0], *names.asset(row), row[at.A], cause)  # type: ignore[arg-type]


def _deficit(names: Names, row: Row) -> DeficitCovered:
    return DeficitCovered(row[0], *names.asset(row), row[at.A])


def _yielded(names: Names, row: Row) -> YieldAccrued:
    return YieldAccrued(row[0], *names.asset(row), row[at.A])


def _order_refused(names: Names, row: Row) -> OrderRefused:
    return OrderRefused(row[0], names.name(row), names.order(row), at.REASONS[row[at.A]])


def _rested(names: Names, row: Row) -> OrderRested:
    return OrderRested(row[0], names.name(row), names.order(row), row[at.A], row[at.B])


def _cancelled(names: Names, row: Row) -> OrderCancelled:
    return OrderCancelled(row[0], names.name(row), names.order(row), row[at.A])


def _sent(names: Names, row: Row) -> TransferSent:
    sent = names.asked[row[at.LOG_REF]]
    ends = sent.source, sent.destination, sent.asset  # type: ignore[union-attr]
    return TransferSent(row[0], sent.id, *ends, row[at.A], row[at.B])


def _landed(names: Names, row: Row) -> TransferLanded:
    sent = names.asked[row[at.LOG_REF]]
    ends = sent.source, sent.destination  # type: ignore[union-attr]
    way = names.terms.passages[ends]
    travelled, received = row[at.A], row[at.B]
    money = way.asset_sent, travelled, way.asset_received, received, travelled - received
    return TransferLanded(row[0], sent.id, ends[1], *money)


def _transfer_refused(names: Names, row: Row) -> TransferRefused:
    sent = names.asked[row[at.LOG_REF]]
    ends = sent.source, sent.destination  # type: ignore[union-attr]
    return TransferRefused(row[0], sent.id, *ends, at.REASONS[row[at.A]])


def _extreme(names: Names, row: Row) -> Extreme:
    return Extreme(row[0], names.venues[row[at.LOG_WHO]], row[at.A], row[at.B])


_READERS: Mapping[int, Callable[[Names, Row], Told | Extreme]] = {
    at.FILLED: _filled,
    at.FUNDED: _funded,
    at.LIQUIDATED: _liquidated,
    at.PENALTY: _penalty,
    at.DEFICIT: _deficit,
    at.YIELDED: _yielded,
    at.ORDER_REFUSED: _order_refused,
    at.SENT: _sent,
    at.LANDED: _landed,
    at.TRANSFER_REFUSED: _transfer_refused,
    at.RESTED: _rested,
    at.CANCELLED: _cancelled,
    at.EXTREME: _extreme,
}
