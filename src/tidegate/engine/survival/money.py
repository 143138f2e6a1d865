# SPDX-License-Identifier: Apache-2.0
"""Money that could come to an account: how much, at what cost, and whether it lands before the
account dies, by a diffusion of its failure point's distance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.engine.plan.book import PlanAccount, PlanBook, Way
from tidegate.engine.survival.document import FailurePoint, Passing
from tidegate.engine.survival.failure import dies_before
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError


@dataclass(frozen=True, slots=True)
class Judged:
    """An account with its statement, and what its unit is worth in USD."""

    account: PlanAccount
    stated: Statement
    price_usd: float

    @property
    def free_usd(self) -> float | None:
        """What may leave it now; None where that is UNKNOWN."""
        free = self.stated.withdrawable
        return None if free is None else free * self.price_usd


def passings(
    book: PlanBook, judged: Mapping[str, Judged], point: FailurePoint, needed_usd: float | None
) -> Iterator[Passing]:
    """Every route to the account of a failure point; `needed_usd` is what it lacks."""
    for way in book.ways:
        if way.destination == point.venue:
            yield _passing(book, judged, point, way, needed_usd)


def _passing(
    book: PlanBook,
    judged: Mapping[str, Judged],
    point: FailurePoint,
    way: Way,
    needed_usd: float | None,
) -> Passing:
    free = judged[way.source].free_usd if way.source in judged else None
    sent = None if needed_usd is None else _sent_usd(book, way, needed_usd)
    cost = None if sent is None or needed_usd is None else sent - needed_usd
    covers = None if sent is None or free is None else sent <= free and not way.frozen
    return Passing(
        source=way.source,
        destination=way.destination,
        available_usd=free,
        median_s=way.latency_median_s,
        p95_s=way.latency_p95_s,
        blocked=way.frozen,
        dies_before=None if way.frozen else dies_before(point, way.latency_p95_s),
        cost_usd=cost,
        covers=covers,
    )


def _sent_usd(book: PlanBook, way: Way, needed_usd: float) -> float | None:
    """What must be sent so that so much arrives, at least the route's minimum; None where a price
    is UNKNOWN."""
    source, end = book.accounts[way.source], book.accounts[way.destination]
    try:
        price, arrives = source.price(source.asset), end.price(end.asset)
    except InputError:
        return None
    if needed_usd <= 0.0:
        return 0.0
    sent = needed_usd / arrives / way.received_share + way.fee
    return max(sent, way.minimum) * price
