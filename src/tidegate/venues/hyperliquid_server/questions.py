# SPDX-License-Identifier: Apache-2.0
"""What may be posted to /info, and what may be subscribed to, read strictly where it counts.

Fields that are not known are let through, as the venue does.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(max_length=64)]
User = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}$")]
Time = Annotated[int, Meta(ge=0, le=2**53)]
Figures = Annotated[int, Meta(ge=2, le=5)]
Mantissa = Annotated[int, Meta(ge=1, le=5)]


class Candles(msgspec.Struct, frozen=True):
    """Which candles."""

    coin: Name
    interval: Name
    startTime: Time
    endTime: Time | None = None


class Question(msgspec.Struct, frozen=True):
    """A question of any type, with the fields that any of them needs."""

    type: Name
    user: User | None = None
    coin: Name | None = None
    dex: Name | None = None
    oid: Annotated[int, Meta(ge=0, le=2**62)] | Name | None = None
    startTime: Time | None = None
    endTime: Time | None = None
    req: Candles | None = None
    nSigFigs: Figures | None = None
    mantissa: Mantissa | None = None
    builder: User | None = None


class Subscription(msgspec.Struct, frozen=True):
    """What a client wants to be told."""

    type: Name
    user: User | None = None
    coin: Name | None = None
    dex: Name | None = None
    interval: Name | None = None
    nSigFigs: Figures | None = None
    mantissa: Mantissa | None = None

    def topic(self, *matter: str) -> Subscription:
        """The same for everybody who wants the same: the fields that matter to its type."""
        kept = {name: getattr(self, name) for name in matter}
        if kept.get("user") is not None:
            kept["user"] = kept["user"].lower()
        return Subscription(self.type, **kept)


class Asked(msgspec.Struct, frozen=True):
    """What a post over a WebSocket asks for."""

    type: Name
    payload: msgspec.Raw


class Message(msgspec.Struct, frozen=True):
    """What a client sends over a WebSocket."""

    method: Name
    subscription: msgspec.Raw = msgspec.Raw(b"null")
    id: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None
    request: Asked | None = None


questions = msgspec.json.Decoder(Question)
subscriptions = msgspec.json.Decoder(Subscription)
messages = msgspec.json.Decoder(Message)
