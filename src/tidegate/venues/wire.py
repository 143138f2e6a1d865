# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire between a gateway and the paper server: one JSON value each way.

A request is one of these structures, told apart by its `type`; fields that are not known are
refused. The reply to each is the value that the port of that name returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from tidegate.model.replies import (
    Armed,
    Device,
    Entry,
    Leased,
    NotTaken,
    OrderStatus,
    Pushed,
    Statement,
    Swept,
    TransferStatus,
    Unclear,
)
from tidegate.risk.gate import Approval

PATH = "/v1"
BODY_BYTES_MAX = 65_536
REPLY_BYTES_MAX = 16_000_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Request(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    pass


class _Trading(_Request, frozen=True, kw_only=True):
    """What one engine alone may ask for, which shows the number of its lease."""

    lease: Count = 0


class Hold(_Request, frozen=True):
    """Take the session's lease for the engine of a journal, from another's if `takes`."""

    holder: Name
    takes: bool = False


class Place(_Trading, frozen=True):
    """Send an approved order."""

    approval: Approval


class Send(_Trading, frozen=True):
    """Send an approved transfer."""

    approval: Approval


class Advance(_Trading, frozen=True):
    """Let time pass, where the server's clock is its caller's."""

    until_ms: Count


class AskPushed(_Trading, frozen=True):
    """What came of its own accord since the last request of this kind."""


class Cancel(_Request, frozen=True):
    """Cancel one order."""

    venue: Name
    order: Name


class CancelAll(_Request, frozen=True):
    """Cancel every order."""

    venue: Name


class Arm(_Trading, frozen=True):
    """Arm the dead-man's switch, or disarm it with 0."""

    venue: Name
    seconds: Count


class AskOrder(_Request, frozen=True):
    """An order's state."""

    venue: Name
    order: Name


class AskShipment(_Request, frozen=True):
    """A transfer's state."""

    venue: Name
    transfer: Name


class AskEntries(_Request, frozen=True):
    """Lines of a venue's log after a number."""

    venue: Name
    after: Count


class AskStatement(_Request, frozen=True):
    """A venue's account of us."""

    venue: Name


class AskDevice(_Request, frozen=True):
    """A venue's dead-man's switch."""

    venue: Name


class AskRank(_Request, frozen=True):
    """Our place in a deleveraging queue."""

    instrument: Name


class AskNews(_Request, frozen=True):
    """What venues announce."""


class AskHeard(_Request, frozen=True):
    """What streams of our accounts were heard to say, once it is more than a known total, or after
    some seconds."""

    known: Count
    longest_s: Annotated[float, msgspec.Meta(ge=0, le=10)]


# A session that may only look and cancel is refused these; what is pushed comes once.
LEASED = (Place, Send, Advance, AskPushed, Arm)
TRADING = (Hold, *LEASED)
Request = (
    Hold
    | Place
    | Send
    | Advance
    | AskPushed
    | Cancel
    | CancelAll
    | Arm
    | AskOrder
    | AskShipment
    | AskEntries
    | AskStatement
    | AskDevice
    | AskRank
    | AskNews
    | AskHeard
)


class PushedList(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskPushed`."""

    items: tuple[Pushed, ...]


class EntryList(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskEntries`."""

    items: tuple[Entry, ...]


class Rank(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskRank`."""

    rank: float | None


class NoDevice(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskDevice` at a venue without one."""


class News(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskNews` and `Advance`."""

    ts_ms: int
    frozen: tuple[str, ...]
    out: tuple[str, ...]
    stable_micro: Mapping[str, int]


class Heard(msgspec.Struct, frozen=True, tag=True):
    """Reply to `AskHeard`: a total that changes with each message and each end of a stream, and
    both by venue."""

    total: int
    told: Mapping[str, int]
    ends: Mapping[str, int]


Reply = (
    OrderStatus
    | TransferStatus
    | NotTaken
    | Unclear
    | Swept
    | Armed
    | Leased
    | Device
    | NoDevice
    | Statement
    | PushedList
    | EntryList
    | Rank
    | News
    | Heard
)
