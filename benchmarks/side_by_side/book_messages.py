# SPDX-License-Identifier: Apache-2.0
"""A walking book of 500 levels a side as five venues send it, in updates of some 650 bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidegate.venues.order_books.book import BookTerms
from tidegate.venues.order_books.keepers import (
    BinanceKeeper,
    BybitKeeper,
    DeribitKeeper,
    HyperliquidKeeper,
    Keeper,
    OkxKeeper,
)

NOW, BYTES, LEVELS = 1_700_000_000_000, 650, 500
Rows = list[tuple[str, str]]
Encode = Callable[[bool, int, Rows, Rows], bytes]


@dataclass(frozen=True, slots=True)
class Feed:
    """One venue's snapshot and updates, what keeps its book, and where its updates come whole."""

    venue: str
    keeper: Callable[[], Keeper]
    snapshot: bytes
    updates: tuple[bytes, ...]
    whole: bool

    @property
    def mean_bytes(self) -> float:
        return sum(map(len, self.updates)) / len(self.updates)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _binance(whole: bool, now: int, bids: Rows, asks: Rows) -> bytes:
    if whole:
        return _json({"lastUpdateId": now, "E": NOW, "T": NOW, "bids": bids, "asks": asks})
    head = {"e": "depthUpdate", "E": NOW, "T": NOW, "s": "BTCUSDT", "U": now, "u": now}
    return _json({**head, "pu": now - 1, "b": bids, "a": asks})


def _bybit(whole: bool, now: int, bids: Rows, asks: Rows) -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": now, "seq": now * 7}
    kind = "snapshot" if whole else "delta"
    return _json({"topic": "orderbook.500.BTCUSDT", "type": kind, "ts": NOW, "data": data})


def _okx(whole: bool, now: int, bids: Rows, asks: Rows) -> bytes:
    sides = {"asks": [[*row, "0", "3"] for row in asks], "bids": [[*row, "0", "3"] for row in bids]}
    ids = {"ts": str(NOW), "seqId": now, "prevSeqId": -1 if whole else now - 1}
    arg = {"channel": "books", "instId": "BTC-USDT-SWAP"}
    action = "snapshot" if whole else "update"
    return _json({"arg": arg, "action": action, "data": [{**sides, **ids}]})


def _deribit(whole: bool, now: int, bids: Rows, asks: Rows) -> bytes:
    def rows(side: Rows) -> list[list[Any]]:
        word = "new" if whole else "change"
        return [["delete" if not float(s) else word, float(p), float(s)] for p, s in side]

    ids = {"change_id": now, "instrument_name": "BTC-PERPETUAL", "timestamp": NOW}
    kind = {"type": "snapshot"} if whole else {"type": "change", "prev_change_id": now - 1}
    data = {**kind, **ids, "bids": rows(bids), "asks": rows(asks)}
    params = {"channel": "book.BTC-PERPETUAL.raw", "data": data}
    return _json({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _hyperliquid(whole: bool, now: int, bids: Rows, asks: Rows) -> bytes:
    levels = [[{"px": p, "sz": s, "n": 3} for p, s in side] for side in (bids, asks)]
    return _json({"channel": "l2Book", "data": {"coin": "BTC", "time": NOW, "levels": levels}})


VENUES: dict[str, tuple[Encode, Callable[[BookTerms], Keeper], str]] = {
    "Binance USD-M": (_binance, BinanceKeeper, "BTCUSDT"),
    "Bybit": (_bybit, BybitKeeper, "BTCUSDT"),
    "OKX": (_okx, OkxKeeper, "BTC-USDT-SWAP"),
    "Deribit": (_deribit, DeribitKeeper, "BTC-PERPETUAL"),
    "Hyperliquid": (_hyperliquid, HyperliquidKeeper, "BTC"),
}


class _Walk:
    """A mid that moves by a tick now and then; levels nearer to it change more often."""

    def __init__(self, seed: int) -> None:
        self.dice, self.mid = random.Random(seed), 600_000

    def row(self, side: int, away: int, size: int) -> tuple[str, str]:
        ticks = self.mid - away if side == 0 else self.mid + away
        return f"{ticks / 10:.1f}", f"{size / 1000:.3f}"

    def size(self) -> int:
        return self.dice.randint(1, 20_000)

    def whole(self, levels: int) -> tuple[Rows, Rows]:
        bids, asks = (
            [self.row(side, away + 1, self.size()) for away in range(levels)] for side in (0, 1)
        )
        return bids, asks

    def change(self, levels: int) -> tuple[Rows, Rows]:
        """Sizes that changed; where the mid moves, the side it runs into loses its best level."""
        moved = self.dice.choice((-1, 0, 0, 0, 1))
        self.mid += moved
        sides: list[dict[int, int]] = [{}, {}]
        if moved:
            sides[moved > 0][0], sides[moved < 0][1] = 0, self.size()
        while len(sides[0]) + len(sides[1]) < levels:
            away = 1 + min(int(self.dice.expovariate(1 / 40)), LEVELS - 2)
            gone = away > 3 and self.dice.random() < 0.25
            sides[self.dice.randrange(2)][away] = 0 if gone else self.size()
        bids, asks = (
            [self.row(n, away, s) for away, s in sorted(side.items())]
            for n, side in enumerate(sides)
        )
        return bids, asks


def feed(venue: str, updates: int, seed: int = 11) -> Feed:
    """A venue's snapshot and so many updates, of as many levels as make some 650 bytes."""
    encode, keeper, symbol = VENUES[venue]
    walk, whole = _Walk(seed), venue == "Hyperliquid"
    one, two = (len(encode(False, 10**6, *_Walk(1).change(n))) for n in (4, 14))
    levels = 4 + round((BYTES - one) / (two - one) * 10)
    terms = BookTerms(symbol, Decimal("0.1"), Decimal("0.001"))
    first = encode(True, 10**6, *walk.whole(20 if whole else LEVELS))
    changes = []
    for number in range(1, updates + 1):
        rows = walk.whole(20) if whole else walk.change(levels)
        walk.mid += walk.dice.choice((-1, 0, 1)) if whole else 0
        changes.append(encode(whole, 10**6 + number, *rows))
    return Feed(venue, lambda: keeper(terms), first, tuple(changes), whole)
