# SPDX-License-Identifier: Apache-2.0
"""What keeps a book equal to a venue's: each venue's own rule of which message may follow which.

A keeper is fed every message of its channel as bytes. What does not follow makes the book stale and
asks for a resync; what is older or doubled is ignored. A sequence that starts anew at a venue is
thus met either as a gap, or as silence, which the book's age shows; never as a wrong book.

Sources, read 2026-11-30: docs.deribit.com (book.*: `change_id`, `prev_change_id`);
developers.binance.com (how to manage a local order book, USD-M and spot); okx.com/docs-v5 (order
book channel: `seqId`, `prevSeqId`); bybit-exchange.github.io/docs/v5 (orderbook: `u`);
docs.dydx.xyz (`message_id` counts a connection's messages); docs.derive.xyz and
hyperliquid.gitbook.io (whole books).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import msgspec
from msgspec import Raw

from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.venues.order_books.book import BookTerms, Cells, OrderBook, Outcome

PAIR, DELTA, QUADRUPLE = Cells(0, 1, 2), Cells(1, 2, 3), Cells(0, 1, 4)
MESSAGE_BYTES_MAX = 4_000_000
BUFFERED_MAX, BUFFERED_BYTES_MAX = 1_000, 16_000_000
GAP = "a gap in the sequence"


class Keeper(ABC):
    """A book, and the rule by which messages change it."""

    form: Any

    def __init__(self, terms: BookTerms) -> None:
        self.book = OrderBook(terms)
        self._decode = msgspec.json.Decoder(self.form).decode

    def take(self, content: bytes, received_ms: int) -> Outcome:
        """Take one message of the stream, with the time of our clock at which it came."""
        if len(content) > MESSAGE_BYTES_MAX:
            return self.book.distrust("a message that is too long")
        try:
            message = self._decode(content)
        except UNREADABLE_JSON:
            return self.book.distrust("a message of another form")
        return self._follow(message, received_ms)

    @abstractmethod
    def _follow(self, message: Any, received_ms: int) -> Outcome: ...

    def _put(
        self, levels: tuple[Raw, Raw, Cells], whole: bool, stamp: tuple[int, int, int]
    ) -> Outcome:
        """Put levels, whole or changed, and stamp the book where that went well."""
        bids, asks, cells = levels
        put = self.book.replace if whole else self.book.change
        outcome = put(bytes(bids), bytes(asks), cells)
        if outcome is Outcome.FRESH:
            self.book.stamp(*stamp)
        return outcome

    def _missing(self) -> Outcome:
        """A change that does not follow; asked for once, when the book goes stale."""
        return self.book.distrust(GAP) if self.book.live else Outcome.IGNORED


class _DeribitBook(msgspec.Struct):
    instrument_name: str
    timestamp: int
    change_id: int
    bids: Raw
    asks: Raw
    type: str = ""
    prev_change_id: int | None = None


class _DeribitParams(msgspec.Struct):
    data: _DeribitBook


class _DeribitMessage(msgspec.Struct):
    params: _DeribitParams


class DeribitKeeper(Keeper):
    """`book.INSTRUMENT.raw` or `.100ms`, and grouped books, each of which is whole."""

    form = _DeribitMessage

    def _follow(self, message: _DeribitMessage, received_ms: int) -> Outcome:
        data, book = message.params.data, self.book
        if data.instrument_name != book.terms.symbol:
            return Outcome.IGNORED
        stamp = (data.change_id, data.timestamp, received_ms)
        if data.type == "change":
            if book.live and data.prev_change_id == book.sequence:
                return self._put((data.bids, data.asks, DELTA), False, stamp)
            older = book.live and data.change_id <= book.sequence
            return Outcome.IGNORED if older else self._missing()
        if book.live and data.change_id < book.sequence:
            return Outcome.IGNORED
        return self._put((data.bids, data.asks, DELTA if data.type else PAIR), True, stamp)


class _BybitBook(msgspec.Struct):
    s: str
    b: Raw
    a: Raw
    u: int


class _BybitMessage(msgspec.Struct):
    type: str
    ts: int
    data: _BybitBook


class BybitKeeper(Keeper):
    """`orderbook.DEPTH.SYMBOL`; a snapshot comes anew when the venue starts anew, with `u` 1."""

    form = _BybitMessage

    def _follow(self, message: _BybitMessage, received_ms: int) -> Outcome:
        data, book = message.data, self.book
        if data.s != book.terms.symbol:
            return Outcome.IGNORED
        stamp, levels = (data.u, message.ts, received_ms), (data.b, data.a, PAIR)
        if message.type == "snapshot" or data.u == 1:
            older = book.live and 1 < data.u < book.sequence
            return Outcome.IGNORED if older else self._put(levels, True, stamp)
        if book.live and data.u == book.sequence + 1:
            return self._put(levels, False, stamp)
        return Outcome.IGNORED if book.live and data.u <= book.sequence else self._missing()


class _OkxArg(msgspec.Struct):
    inst_id: str = msgspec.field(name="instId", default="")


class _OkxBook(msgspec.Struct):
    asks: Raw
    bids: Raw
    ts: str
    seq_id: int = msgspec.field(name="seqId")
    prev_seq_id: int = msgspec.field(name="prevSeqId", default=-1)


class _OkxMessage(msgspec.Struct):
    arg: _OkxArg
    data: tuple[_OkxBook]
    action: str = "snapshot"


class OkxKeeper(Keeper):
    """`books`, `books-l2-tbt`, `books50-l2-tbt`, and `bbo-tbt`, each of which is whole.

    `seqId` may fall when the venue is maintained, so that only an exact double is ignored. The
    checksum is not held against the book: the venue's own recorded message does not meet it.
    """

    form = _OkxMessage

    def _follow(self, message: _OkxMessage, received_ms: int) -> Outcome:
        data, book = message.data[0], self.book
        if message.arg.inst_id != book.terms.symbol:
            return Outcome.IGNORED
        if not (data.ts.isascii() and data.ts.isdigit() and len(data.ts) <= 16):
            return book.distrust("a time that is none")
        stamp, levels = (data.seq_id, int(data.ts), received_ms), (data.bids, data.asks, QUADRUPLE)
        if message.action == "snapshot":
            older = book.live and data.seq_id < book.sequence
            return Outcome.IGNORED if older else self._put(levels, True, stamp)
        if book.live and data.prev_seq_id == book.sequence:
            return self._put(levels, False, stamp)
        return Outcome.IGNORED if book.live and data.seq_id == book.sequence else self._missing()


class _BinanceMessage(msgspec.Struct):
    s: str
    E: int
    U: int
    u: int
    b: Raw
    a: Raw
    pu: int = -1


class _BinanceSnapshot(msgspec.Struct):
    last_update_id: int = msgspec.field(name="lastUpdateId")
    bids: Raw
    asks: Raw
    E: int = 0


class BinanceKeeper(Keeper):
    """`SYMBOL@depth` of USD-M, or of spot; a snapshot is fetched and given to `start`.

    What comes while a snapshot is fetched is buffered up to `BUFFERED_MAX` messages and
    `BUFFERED_BYTES_MAX`. What is beyond that is let go, and the snapshot then meets a gap.
    """

    form = _BinanceMessage

    def __init__(self, terms: BookTerms, spot: bool = False) -> None:
        super().__init__(terms)
        self._spot, self._first = spot, True
        self._buffer: list[tuple[_BinanceMessage, int]] = []
        self._buffered_bytes = 0
        self._decode_snapshot = msgspec.json.Decoder(_BinanceSnapshot).decode

    def start(self, content: bytes, as_of_ms: int, received_ms: int) -> Outcome:
        """Take a snapshot that was fetched, then what was buffered; spot's bears no time."""
        if len(content) > MESSAGE_BYTES_MAX:
            return self.book.distrust("a snapshot that is too long")
        try:
            snapshot = self._decode_snapshot(content)
        except UNREADABLE_JSON:
            return self.book.distrust("a snapshot of another form")
        stamp = (snapshot.last_update_id, snapshot.E or as_of_ms, received_ms)
        outcome = self._put((snapshot.bids, snapshot.asks, PAIR), True, stamp)
        self._first, buffered = True, self._buffer
        self._buffer, self._buffered_bytes = [], 0
        for message, at_ms in buffered:
            if outcome is not Outcome.RESYNC:
                followed = self._follow(message, at_ms)
                outcome = outcome if followed is Outcome.IGNORED else followed
        return outcome

    def _follow(self, message: _BinanceMessage, received_ms: int) -> Outcome:
        book = self.book
        if message.s != book.terms.symbol:
            return Outcome.IGNORED
        if not book.live:
            return self._keep(message, received_ms)
        if message.u < book.sequence + self._spot or (
            not self._first and message.u <= book.sequence
        ):
            return Outcome.IGNORED
        if not self._follows(message):
            self._keep(message, received_ms)
            return self._missing()
        self._first = False
        stamp = (message.u, message.E, received_ms)
        return self._put((message.b, message.a, PAIR), False, stamp)

    def _keep(self, message: _BinanceMessage, received_ms: int) -> Outcome:
        self._buffered_bytes += len(bytes(message.b)) + len(bytes(message.a))
        if len(self._buffer) == BUFFERED_MAX or self._buffered_bytes > BUFFERED_BYTES_MAX:
            self._buffer, self._buffered_bytes = [], 0
        self._buffer.append((message, received_ms))
        return Outcome.IGNORED

    def _follows(self, message: _BinanceMessage) -> bool:
        if self._spot:
            return message.U <= self.book.sequence + 1
        joins = self._first and message.U <= self.book.sequence
        return joins or message.pu == self.book.sequence


class _DydxBook(msgspec.Struct):
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")


class _DydxMessage(msgspec.Struct):
    type: str
    message_id: int
    channel: str = ""
    id: str = ""
    contents: Raw = Raw(b"{}")


class DydxKeeper(Keeper):
    """`v4_orderbook`; every message of the connection must be given, since they count as one.

    The venue sends no time, so that a book is as of when it came. Its books may be crossed for a
    while; such a one is stale here, and a resync is asked for.
    """

    form = _DydxMessage

    def __init__(self, terms: BookTerms) -> None:
        super().__init__(terms)
        self._last = -1
        self._decode_book = msgspec.json.Decoder(_DydxBook).decode
        self._decode_batch = msgspec.json.Decoder(list[_DydxBook]).decode

    def connected(self) -> None:
        """A new connection counts anew, and its first snapshot is waited for."""
        self._last = -1
        self.book.distrust("a new connection")

    def _follow(self, message: _DydxMessage, received_ms: int) -> Outcome:
        if message.message_id <= self._last:
            return Outcome.IGNORED
        gap, self._last = 0 <= self._last < message.message_id - 1, message.message_id
        if gap and self.book.live:
            return self.book.distrust(GAP)
        if message.channel != "v4_orderbook" or message.id != self.book.terms.symbol:
            return Outcome.IGNORED
        whole = message.type == "subscribed"
        if not whole and not self.book.live:
            return Outcome.IGNORED
        stamp, outcome = (message.message_id, received_ms, received_ms), Outcome.IGNORED
        try:
            books = self._books(message)
        except UNREADABLE_JSON:
            return self.book.distrust("contents of another form")
        for each in books:
            outcome = self._put((each.bids, each.asks, PAIR), whole, stamp)
            if outcome is Outcome.RESYNC:
                break
        return outcome

    def _books(self, message: _DydxMessage) -> list[_DydxBook]:
        if message.type == "channel_batch_data":
            return self._decode_batch(message.contents)
        return [self._decode_book(message.contents)]


class _DeriveBook(msgspec.Struct):
    instrument_name: str
    timestamp: int
    bids: Raw
    asks: Raw
    publish_id: int = 0


class _DeriveParams(msgspec.Struct):
    data: _DeriveBook


class _DeriveMessage(msgspec.Struct):
    params: _DeriveParams


class DeriveKeeper(Keeper):
    """`orderbook.INSTRUMENT.GROUP.DEPTH`; each message is whole, and an older one is ignored."""

    form = _DeriveMessage

    def _follow(self, message: _DeriveMessage, received_ms: int) -> Outcome:
        data, book = message.params.data, self.book
        older = book.live and data.timestamp < book.sequence
        if data.instrument_name != book.terms.symbol or older:
            return Outcome.IGNORED
        stamp = (data.timestamp, data.timestamp, received_ms)
        return self._put((data.bids, data.asks, PAIR), True, stamp)


class _HyperliquidBook(msgspec.Struct):
    coin: str
    time: int
    levels: tuple[Raw, Raw]


class _HyperliquidMessage(msgspec.Struct):
    data: _HyperliquidBook


class HyperliquidKeeper(Keeper):
    """`l2Book`; each message is whole, and an older one is ignored."""

    form = _HyperliquidMessage

    def _follow(self, message: _HyperliquidMessage, received_ms: int) -> Outcome:
        data, book = message.data, self.book
        older = book.live and data.time < book.sequence
        if data.coin != book.terms.symbol or older:
            return Outcome.IGNORED
        bids, asks = data.levels
        return self._put((bids, asks, PAIR), True, (data.time, data.time, received_ms))
