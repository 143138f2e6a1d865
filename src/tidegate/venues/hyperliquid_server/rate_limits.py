# SPDX-License-Identifier: Apache-2.0
"""How much may be asked: by weight a minute for all together, and by volume for each address.

    weight      1200 a minute; /exchange 1 + n // 40, /info 2, 20 or 60 by its type, and one more
                for each 20 items of a list, 60 of candles
    address     10,000 requests and one more for each dollar ever traded; beyond that one in 10 s;
                cancels min(limit + 100,000, 2 limit)

Everyone here comes from one address of the internet, loopback. Source: hyperliquid.gitbook.io, Rate
limits and user limits (stored copy read in November 2026).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tidegate.model.times import MINUTE_MS, SECOND_MS

WEIGHT_A_MINUTE = 1200
LIGHT = frozenset(
    "l2Book allMids clearinghouseState orderStatus spotClearinghouseState exchangeStatus".split()
)
HEAVY = frozenset({"userRole"})
LISTS = dict.fromkeys(
    """
    recentTrades historicalOrders userFills userFillsByTime fundingHistory userFunding
    userNonFundingLedgerUpdates userTwapSliceFills delegatorHistory delegatorRewards
    """.split(),
    20,
) | {"candleSnapshot": 60}
BATCH_PER_WEIGHT = 40
BUFFER, CANCELS_BEYOND = 10_000, 100_000
PENALTY_MS = 10 * SECOND_MS
# An action that came after its own expiry counts so many times.
STALE_COUNTS = 5


def info_weight(kind: str, items: int) -> int:
    """What a question weighs, with as many items in its answer."""
    base = 2 if kind in LIGHT else 60 if kind in HEAVY else 20
    return base + (items // LISTS[kind] if kind in LISTS else 0)


def exchange_weight(batch: int) -> int:
    """What an action weighs."""
    return 1 + batch // BATCH_PER_WEIGHT


@dataclass(slots=True)
class Weights:
    """The weight of the last minute; a limit of 0 is none."""

    limit: int = WEIGHT_A_MINUTE
    _taken: deque[tuple[int, int]] = field(default_factory=deque)
    _sum: int = 0

    def full(self, now_ms: int) -> bool:
        """Whether nothing more may be asked now."""
        while self._taken and self._taken[0][0] <= now_ms - MINUTE_MS:
            self._sum -= self._taken.popleft()[1]
        return 0 < self.limit <= self._sum

    def take(self, weight: int, now_ms: int) -> None:
        """Count what was answered."""
        if self.limit:
            self._taken.append((now_ms, weight))
            self._sum += weight


@dataclass(slots=True)
class AddressLimit:
    """Requests of one address: `buffer` without trading (0: no limit at all)."""

    buffer: int = BUFFER
    used: int = 0
    cancels: int = 0
    _last_ms: int | None = None

    def cap(self, traded_micro: int) -> int:
        """How many requests the volume allows."""
        return self.buffer + traded_micro // 1_000_000

    def refusal(self, count: int, cancels: bool, traded_micro: int, now_ms: int) -> str | None:
        """Why as many requests may not come now, in the venue's words; counts them otherwise."""
        cap = self.cap(traded_micro)
        most = min(cap + CANCELS_BEYOND, 2 * cap) if cancels else cap
        spent = self.used + self.cancels if cancels else self.used
        if 0 < self.buffer and spent + count > most and self._soon(now_ms):
            return (
                f"Too many cumulative requests sent ({spent + count} > {most}) for cumulative"
                f" volume traded ${traded_micro // 10_000 / 100:.2f}. Place taker orders to free"
                " up 1 request per USDC traded."
            )
        self._count(count, cancels, now_ms)
        return None

    def _soon(self, now_ms: int) -> bool:
        return self._last_ms is not None and now_ms - self._last_ms < PENALTY_MS

    def _count(self, count: int, cancels: bool, now_ms: int) -> None:
        self._last_ms = now_ms
        if cancels:
            self.cancels += count
        else:
            self.used += count

    def stale(self) -> None:
        """Count an action that came too late."""
        self.used += STALE_COUNTS
