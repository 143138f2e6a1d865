# SPDX-License-Identifier: Apache-2.0
"""A random market as each venue would send it: its messages, and the true book after each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tidegate.venues.order_books.book import BookTerms, Outcome
from tidegate.venues.order_books.keepers import (
    BinanceKeeper,
    BybitKeeper,
    DeribitKeeper,
    DeriveKeeper,
    DydxKeeper,
    HyperliquidKeeper,
    Keeper,
    OkxKeeper,
)

NOW = 1_700_000_000_000
TERMS = BookTerms("BTC", Decimal("0.5"), Decimal("0.001"))
MID, DEPTH = 2_000, 12
Sides = tuple[dict[int, int], dict[int, int]]


@dataclass
class Sent:
    """One message, and whether it is a snapshot that was fetched and not streamed."""

    content: bytes
    sequence: int
    fetched: bool = False


@dataclass
class Stream:
    """A venue's messages, and the true book by the sequence that the venue gives it."""

    sent: list[Sent] = field(default_factory=list)
    truth: dict[int, Sides] = field(default_factory=dict)


def _price(ticks: int) -> Decimal:
    return ticks * TERMS.tick


def _rows(side: dict[int, int], best_last: bool) -> list[list[str]]:
    keys = sorted(side, reverse=best_last)
    return [[str(_price(t)), str(side[t] * TERMS.lot)] for t in keys]


def _moved(dice: random.Random, book: Sides) -> tuple[Sides, Sides]:
    """A later book, never crossed, and its levels that changed with 0 for those gone."""
    after = dict(book[0]), dict(book[1])
    for _ in range(dice.randint(0, 5)):
        side = dice.randrange(2)
        away = dice.randint(1, DEPTH)
        ticks = MID - away if side == 0 else MID + away
        size = dice.choice((0, dice.randint(1, 10**6)))
        after[side][ticks] = size
        if not size:
            del after[side][ticks]
    changed = tuple(
        {t: new.get(t, 0) for t in old.keys() | new.keys() if old.get(t) != new.get(t)}
        for old, new in zip(book, after, strict=True)
    )
    return after, (changed[0], changed[1])


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _deribit(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    def rows(side: dict[int, int]) -> list[list[Any]]:
        words = {0: "delete"}
        return [[words.get(s, "new"), float(_price(t)), s / 1000] for t, s in side.items()]

    data = {"type": "snapshot" if whole else "change", "instrument_name": "BTC"}
    ids = {
        "timestamp": NOW + now,
        "change_id": now,
        **({} if whole else {"prev_change_id": before}),
    }
    data |= ids | {"bids": rows(sides[0]), "asks": rows(sides[1])}  # type: ignore[dict-item]
    return _json({"jsonrpc": "2.0", "method": "subscription", "params": {"data": data}})


def _bybit(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    data = {"s": "BTC", "b": _rows(sides[0], True), "a": _rows(sides[1], False), "u": now}
    return _json({"type": "snapshot" if whole else "delta", "ts": NOW + now, "data": data})


def _okx(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    rows = [[[*row, "0", "1"] for row in _rows(side, False)] for side in sides]
    data = {"bids": rows[0], "asks": rows[1], "ts": str(NOW + now), "seqId": now}
    data["prevSeqId"] = -1 if whole else before
    action = "snapshot" if whole else "update"
    return _json({"arg": {"instId": "BTC"}, "action": action, "data": [data]})


def _binance(spot: bool) -> Callable[[bool, int, int, Sides], bytes]:
    def message(whole: bool, before: int, now: int, sides: Sides) -> bytes:
        rows = {"bids": _rows(sides[0], True), "asks": _rows(sides[1], False)}
        if whole:
            return _json({"lastUpdateId": now, **rows, **({} if spot else {"E": NOW + now})})
        ids = {"s": "BTC", "E": NOW + now, "U": before + 1, "u": now}
        return _json(
            {**ids, "b": rows["bids"], "a": rows["asks"], **({} if spot else {"pu": before})}
        )

    return message


def _dydx(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    rows = [_rows(side, False) for side in sides]
    named = [[{"price": p, "size": s} for p, s in side] for side in rows]
    head = {"type": "subscribed" if whole else "channel_data", "message_id": now}
    contents = dict(zip(("bids", "asks"), named if whole else rows, strict=True))
    return _json({**head, "channel": "v4_orderbook", "id": "BTC", "contents": contents})


def _derive(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    data = {"instrument_name": "BTC", "timestamp": now, "publish_id": now}
    rows = {"bids": _rows(sides[0], True), "asks": _rows(sides[1], False)}
    return _json({"method": "subscription", "params": {"channel": "", "data": {**data, **rows}}})


def _hyperliquid(whole: bool, before: int, now: int, sides: Sides) -> bytes:
    rows = [
        [{"px": p, "sz": s, "n": 7} for p, s in _rows(side, not n)] for n, side in enumerate(sides)
    ]
    return _json({"channel": "l2Book", "data": {"coin": "BTC", "time": now, "levels": rows}})


@dataclass(frozen=True)
class Venue:
    """How a venue sends, what keeps its books, and by how much its numbers grow at most."""

    keeper: Callable[[], Keeper]
    message: Callable[[bool, int, int, Sides], bytes]
    stride: int
    whole: bool = False
    fetched: bool = False


VENUES = {
    "deribit": Venue(lambda: DeribitKeeper(TERMS), _deribit, 3),
    "bybit": Venue(lambda: BybitKeeper(TERMS), _bybit, 1),
    "okx": Venue(lambda: OkxKeeper(TERMS), _okx, 3),
    "binance usd-m": Venue(lambda: BinanceKeeper(TERMS), _binance(False), 3, fetched=True),
    "binance spot": Venue(lambda: BinanceKeeper(TERMS, spot=True), _binance(True), 3, fetched=True),
    "dydx": Venue(lambda: DydxKeeper(TERMS), _dydx, 1),
    "derive": Venue(lambda: DeriveKeeper(TERMS), _derive, 3, whole=True),
    "hyperliquid": Venue(lambda: HyperliquidKeeper(TERMS), _hyperliquid, 3, whole=True),
}


def made_stream(name: str, dice: random.Random, steps: int, resyncs: float = 0.1) -> Stream:
    """Messages of so many steps, beginning with a snapshot; others come in between by chance."""
    venue, stream = VENUES[name], Stream()
    book: Sides = ({MID - 1: 5}, {MID + 1: 7})
    sequence = dice.randint(10, 1_000)
    for step in range(steps):
        after, changed = _moved(dice, book)
        before, sequence = sequence, sequence + dice.randint(1, venue.stride)
        book, stream.truth[sequence] = after, after
        anew = step == 0 or dice.random() < resyncs
        if venue.fetched:
            stream.sent.append(Sent(venue.message(False, before, sequence, changed), sequence))
            if anew:
                content = venue.message(True, before, sequence, after)
                stream.sent.append(Sent(content, sequence, fetched=True))
            continue
        whole = anew or venue.whole
        sides = after if whole else changed
        stream.sent.append(Sent(venue.message(whole, before, sequence, sides), sequence))
    return stream


def give(keeper: Keeper, sent: Sent, received_ms: int = NOW) -> Outcome:
    if sent.fetched:
        assert isinstance(keeper, BinanceKeeper)
        return keeper.start(sent.content, NOW, received_ms)
    return keeper.take(sent.content, received_ms)


def sides_of(keeper: Keeper) -> Sides:
    bids, asks = keeper.book.levels(10_000)
    return dict(bids), dict(asks)
