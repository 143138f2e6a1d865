# SPDX-License-Identifier: Apache-2.0
"""Deribit's rate limits: a pool of credits for ordinary requests, another for matching.

Source: docs.deribit.com, Rate Limits, read in November 2026: 50,000 credits that refill at 10,000 a
second, 500 a request; matching requests of the lowest tier 5 a second, in bursts of 20. A session
that has none left is told 10028 and dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.venues.deribit_server.refusals import TOO_MANY_REQUESTS, Refusal

CREDITS_MAX, CREDITS_A_S, REQUEST_COST = 50_000, 10_000, 500
MATCHING_BURST, MATCHING_A_S = 20, 5


@dataclass(slots=True)
class Pool:
    """Credits up to a most, which come back with time; `wall_ms` never goes back."""

    most: float
    a_second: float
    left: float = 0.0
    seen_ms: int | None = None

    def spend(self, cost: float, wall_ms: int) -> None:
        """Spend, or raise `Refusal`."""
        passed_ms = 0 if self.seen_ms is None else max(0, wall_ms - self.seen_ms)
        held = self.most if self.seen_ms is None else self.left + self.a_second * passed_ms / 1_000
        self.left, self.seen_ms = min(self.most, held), wall_ms
        if self.left < cost:
            raise Refusal(TOO_MANY_REQUESTS)
        self.left -= cost


class Limits:
    """Pools by who asks; with `on` false nothing is limited."""

    def __init__(self, on: bool = True) -> None:
        self._on = on
        self._ordinary: dict[str, Pool] = {}
        self._matching: dict[str, Pool] = {}

    def ordinary(self, who: str, wall_ms: int) -> None:
        """An ordinary request."""
        if self._on:
            pool = self._ordinary.setdefault(who, Pool(CREDITS_MAX, CREDITS_A_S))
            pool.spend(REQUEST_COST, wall_ms)

    def matching(self, who: str, wall_ms: int) -> None:
        """A request to the matching engine."""
        if self._on:
            pool = self._matching.setdefault(who, Pool(MATCHING_BURST, MATCHING_A_S))
            pool.spend(1.0, wall_ms)
