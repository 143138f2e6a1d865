# SPDX-License-Identifier: Apache-2.0
"""How one talks to venues' streams of an account's orders and trades, and of no book.

That a stream begins is news as well, since what came before it was missed. At Deribit a key is
shown by a signature, so that the secret itself does not leave; subscriptions are asked for once it
is accepted. Sources, read in November 2026 (those of the paper servers): docs.deribit.com,
`public/auth` (client_signature: HMAC-SHA256 under the secret of timestamp, line feed, nonce, line
feed, data), `user.orders` and `user.trades` (not `user.portfolio`, which comes with every price);
hyperliquid.gitbook.io, WebSocket subscriptions (`orderUpdates`, `userEvents`).
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping

import msgspec

from tidegate.model.parsing import UNREADABLE_JSON
from tidegate.venues.streams.talk import DeribitTalk, HyperliquidTalk, Route, Sort

ACCEPTED, SUBSCRIBED = 2, 3
CHANNELS = ("user.orders.any.any.100ms", "user.trades.any.any.100ms")


class _Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: object = None


class _Head(msgspec.Struct, frozen=True):
    channel: str = ""


class HyperliquidAccountTalk(HyperliquidTalk):
    """Orders and events of a user, which the venue tells whoever asks."""

    def __init__(self, user: str) -> None:
        super().__init__((), user)

    def route(self, content: bytes) -> Route:
        """That a subscription stands is news."""
        try:
            begins = msgspec.json.decode(content, type=_Head).channel == "subscriptionResponse"
        except UNREADABLE_JSON:
            begins = False
        return Route(Sort.NEWS) if begins else super().route(content)


class DeribitAccountTalk(DeribitTalk):
    """Orders and trades of the account whose key `sign` shows."""

    def __init__(self, sign: Callable[[], Mapping[str, object]]) -> None:
        super().__init__(())
        self._sign = sign

    def hello(self) -> list[str]:
        """A heartbeat, and who we are."""
        heartbeat = _said(1, "public/set_heartbeat", {"interval": self.HEARTBEAT_S})
        return [heartbeat, _said(ACCEPTED, "public/auth", self._sign())]

    def route(self, content: bytes) -> Route:
        """The key's acceptance is answered by what we want to hear; that we do is news."""
        try:
            said = msgspec.json.decode(content, type=_Answer)
        except UNREADABLE_JSON:
            said = _Answer()
        if said.id == ACCEPTED and said.result:
            wanted = _said(SUBSCRIBED, "private/subscribe", {"channels": CHANNELS})
            return Route(Sort.ANSWER, answer=wanted)
        if said.id == SUBSCRIBED and said.result:
            return Route(Sort.NEWS)
        return super().route(content)


def signature(key: str, secret: str) -> Mapping[str, object]:
    """What shows that one has a secret, at this moment alone."""
    stamp, nonce = time.time_ns() // 1_000_000, secrets.token_hex(8)
    signed = hmac.new(secret.encode(), f"{stamp}\n{nonce}\n".encode(), "sha256").hexdigest()
    return {
        "grant_type": "client_signature",
        "client_id": key,
        "timestamp": stamp,
        "nonce": nonce,
        "data": "",
        "signature": signed,
    }


def _said(number: int, method: str, params: Mapping[str, object]) -> str:
    body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return msgspec.json.encode(body).decode()
