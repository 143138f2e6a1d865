# SPDX-License-Identifier: Apache-2.0
"""How one talks to a venue's stream: what is asked for, what must be answered, what came.

A contract's ticker (its mark and what stands beside it) comes under a name of its own, beside its
book's, so that neither waits for the other; each ticker is whole.

Sources, read 2026-11-30: docs.deribit.com (`public/subscribe`, `public/set_heartbeat`);
hyperliquid.gitbook.io (WebSocket subscriptions, `ping`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from tidegate.model.parsing import UNREADABLE_JSON


class Sort(Enum):
    """What a message is to its reader."""

    MARKET = "a book's message"
    NEWS = "of our orders or account"
    ANSWER = "it asks for an answer"
    OTHER = "an acknowledgement, or of a channel that nobody reads"


class Route(NamedTuple):
    """Where a message goes; `answer` is what must be sent back."""

    sort: Sort
    instrument: str = ""
    whole: bool = False
    answer: str = ""


class Talk(Protocol):
    """One venue's manners; `pulse` is sent where nothing has come for a while."""

    instruments: Sequence[str]
    pulse: str

    def hello(self) -> list[str]:
        """What is sent on a new connection."""
        ...

    def resync(self, instrument: str) -> list[str]:
        """What asks for a new snapshot of a book."""
        ...

    def route(self, content: bytes) -> Route:
        """Where a message goes; `OTHER` for what cannot be read."""
        ...


OTHER = Route(Sort.OTHER)
# Where a venue's stream is, and the path at which a paper server has it.
ADDRESSES = {
    "hyperliquid": ("wss://api.hyperliquid.xyz", "/ws"),
    "deribit": ("wss://www.deribit.com", "/ws/api/v2"),
}
TICKER = "ticker "


def stream_address(kind: str, url: str | None) -> str:
    """The address of a venue's stream, or of that of a server at `url`."""
    address, path = ADDRESSES[kind]
    return (url or address).replace("http://", "ws://").rstrip("/") + path


class _Channel(msgspec.Struct, frozen=True):
    channel: str = ""
    type: str = ""


class _DeribitHead(msgspec.Struct):
    method: str = ""
    params: _Channel = _Channel()


class DeribitTalk:
    """Books by `book.INSTRUMENT.INTERVAL` and tickers by `ticker.INSTRUMENT.INTERVAL`; a heartbeat
    that the server asks back for."""

    HEARTBEAT_S = 10

    def __init__(self, instruments: Sequence[str], interval: str = "100ms") -> None:
        self.instruments, self._interval = instruments, interval
        self.pulse = _deribit("public/test", {})
        self._decode = msgspec.json.Decoder(_DeribitHead).decode

    def hello(self) -> list[str]:
        """A heartbeat, then every book and ticker."""
        kinds = [(kind, name) for name in self.instruments for kind in ("book", "ticker")]
        channels = [f"{kind}.{name}.{self._interval}" for kind, name in kinds]
        return [
            _deribit("public/set_heartbeat", {"interval": self.HEARTBEAT_S}),
            _deribit("public/subscribe", {"channels": channels}),
        ]

    def resync(self, instrument: str) -> list[str]:
        """The channel is left and subscribed to anew, which begins with a snapshot."""
        channels = {"channels": [f"book.{instrument}.{self._interval}"]}
        return [_deribit(f"public/{verb}", channels) for verb in ("unsubscribe", "subscribe")]

    def route(self, content: bytes) -> Route:
        """By channel."""
        try:
            head = self._decode(content)
        except UNREADABLE_JSON:
            return OTHER
        if head.method == "heartbeat":
            asked = head.params.type == "test_request"
            return Route(Sort.ANSWER, answer=self.pulse) if asked else OTHER
        kind, _, rest = head.params.channel.partition(".")
        if kind == "user":
            return Route(Sort.NEWS)
        name = rest.rpartition(".")[0]
        if kind == "ticker":
            return Route(Sort.MARKET, TICKER + name, whole=True)
        return Route(Sort.MARKET, name) if kind == "book" else OTHER


def _deribit(method: str, params: Mapping[str, object]) -> str:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return msgspec.json.encode(body).decode()


class _Coin(msgspec.Struct, frozen=True):
    coin: str = ""


class _HyperliquidHead(msgspec.Struct):
    channel: str = ""


class _HyperliquidBook(msgspec.Struct):
    data: _Coin


NEWS_CHANNELS = frozenset({"orderUpdates", "userEvents", "user", "userFills", "userFundings"})


class HyperliquidTalk:
    """Books by `l2Book`, each of which is whole, and tickers by `activeAssetCtx`; orders and fills
    of a user where one is given."""

    def __init__(self, instruments: Sequence[str], user: str = "") -> None:
        self.instruments, self._user = instruments, user
        self.pulse = '{"method":"ping"}'
        self._decode = msgspec.json.Decoder(_HyperliquidHead).decode
        self._decode_book = msgspec.json.Decoder(_HyperliquidBook).decode

    def hello(self) -> list[str]:
        """Every book and ticker, and what happens to the user. Books come first, since tickers
        bear no time of their own."""
        kinds = ("l2Book", "activeAssetCtx")
        asked = [{"type": kind, "coin": coin} for kind in kinds for coin in self.instruments]
        if self._user:
            asked += [{"type": t, "user": self._user} for t in ("orderUpdates", "userEvents")]
        return [_hyperliquid("subscribe", each) for each in asked]

    def resync(self, instrument: str) -> list[str]:
        """Nothing: the next message is whole."""
        return []

    def route(self, content: bytes) -> Route:
        """By channel."""
        try:
            channel = self._decode(content).channel
            if channel == "l2Book":
                return Route(Sort.MARKET, self._decode_book(content).data.coin, whole=True)
            if channel == "activeAssetCtx":
                coin = self._decode_book(content).data.coin
                return Route(Sort.MARKET, TICKER + coin, whole=True)
        except UNREADABLE_JSON:
            return OTHER
        return Route(Sort.NEWS) if channel in NEWS_CHANNELS else OTHER


def _hyperliquid(method: str, subscription: dict[str, str]) -> str:
    return msgspec.json.encode({"method": method, "subscription": subscription}).decode()
