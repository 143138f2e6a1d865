# SPDX-License-Identifier: Apache-2.0
"""Where the money is that is at no venue, and what left over each route within a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidegate.costs.financing import Passage
from tidegate.model.account import Portfolio, Shipment
from tidegate.model.events import Event, TransferSent
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.model.units import MICRO

# Money on its way is waited for until it is this late.
LOST_MS = DAY_MS


class Parcel(msgspec.Struct, frozen=True):
    """One shipment: where from and to, how much, since when, and when it is expected with a chance
    of a half and of 99 in 100 (None where the mandate does not know its route). `overdue` is what
    should have landed by the latter, or what has no expectation. It counts as margin nowhere."""

    id: str
    source: str
    destination: str
    asset: str
    quanta: int
    sent_ms: int
    p50_ms: int | None
    p99_ms: int | None
    overdue: bool
    margin_quanta: int = 0


def in_transit(
    portfolio: Portfolio, passages: Mapping[tuple[str, str], Passage], now_ms: int
) -> tuple[Parcel, ...]:
    """Every shipment of a book, the longest under way first."""
    ordered = sorted(portfolio.shipments, key=lambda shipment: (shipment.sent_ms, shipment.id))
    return tuple(
        _parcel(shipment, passages.get((shipment.source, shipment.destination)), now_ms)
        for shipment in ordered
    )


def lost(
    portfolio: Portfolio, passages: Mapping[tuple[str, str], Passage], now_ms: int
) -> frozenset[str]:
    """Shipments overdue for more than a day, or of which nobody knows when they should land. They
    may be gone, or back where they left, so that they count as nothing until they are proved."""
    late = in_transit(portfolio, passages, now_ms - LOST_MS)
    return frozenset(parcel.id for parcel in late if parcel.overdue)


def _parcel(shipment: Shipment, passage: Passage | None, now_ms: int) -> Parcel:
    p50_ms, p99_ms = (_expected_ms(shipment, passage, chance) for chance in (0.5, 0.99))
    overdue = p99_ms is None or now_ms > p99_ms
    return Parcel(
        shipment.id,
        shipment.source,
        shipment.destination,
        shipment.asset,
        shipment.quanta,
        shipment.sent_ms,
        p50_ms,
        p99_ms,
        overdue,
    )


def _expected_ms(shipment: Shipment, passage: Passage | None, chance: float) -> int | None:
    if passage is None:
        return None
    return shipment.sent_ms + round(passage.latency_quantile_s(chance) * SECOND_MS)


def sent_day_usd(events: Iterable[Event], now_ms: int) -> dict[tuple[str, str], float]:
    """Dollars that left over each route within the 24 hours before a time, fees included, a dollar
    coin counted as a dollar: what `Situation.sent_day_usd` wants.

    Events of the last 24 hours are enough; older ones and all but sendings are passed over. Hours
    that slide are never less than a venue's calendar day.
    """
    sent: dict[tuple[str, str], float] = {}
    for event in events:
        if isinstance(event, TransferSent) and now_ms - DAY_MS < event.ts_ms <= now_ms:
            route = (event.source, event.destination)
            sent[route] = sent.get(route, 0.0) + event.quanta / MICRO
    return sent
