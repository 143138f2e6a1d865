# SPDX-License-Identifier: Apache-2.0
"""What a venue says: of an order, of a transfer, of our account; or that nobody can tell.

A venue keeps one log of our account, numbered from 1 without a gap. Those lines alone move the
ledger, in the order of their numbers; all else that a venue says is news about orders.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.model.account import Account
from tidegate.model.events import Event

OrderState = Literal["working", "filled", "cancelled", "refused", "absent"]
TransferState = Literal["accepted", "refused", "absent"]


class OrderStatus(msgspec.Struct, frozen=True, tag=True):
    """A venue's word on one order, said at its own time `ts_ms`; `filled_lots` is signed and
    cumulative.

    `absent`: the venue knows no such order now. That proves that it will never come only where
    `ts_ms` lies beyond the order's expiry, after which the venue refuses it.
    """

    id: str
    state: OrderState
    filled_lots: int
    ts_ms: int
    reason: str = ""


class TransferStatus(msgspec.Struct, frozen=True, tag=True):
    """A venue's word on one withdrawal at its own time; `absent` as for an order."""

    id: str
    state: TransferState
    ts_ms: int
    reason: str = ""


class NotTaken(msgspec.Struct, frozen=True, tag=True):
    """The venue certainly did nothing: its limit on requests, or a form that it does not read."""

    reason: str


class Unclear(msgspec.Struct, frozen=True, tag=True):
    """No answer, or one that tells nothing: what was asked may be done, or be done yet."""

    reason: str


class Entry(msgspec.Struct, frozen=True, tag=True):
    """One line of a venue's log of our account, numbered from 1 without a gap."""

    venue: str
    number: int
    event: Event


class Statement(msgspec.Struct, frozen=True, tag=True):
    """A venue's own account of us, after the line `number` of its log, and our orders that work."""

    venue: str
    ts_ms: int
    number: int
    account: Account
    working: tuple[str, ...]


class Swept(msgspec.Struct, frozen=True, tag=True):
    """A venue cancelled every order of ours that worked: these."""

    venue: str
    orders: tuple[str, ...]
    ts_ms: int


class Device(msgspec.Struct, frozen=True, tag=True):
    """A venue's dead-man's switch: the seconds it may be armed for, and whether it also cancels
    orders that protect a position. It cancels orders; of positions it knows nothing."""

    venue: str
    least_s: int
    most_s: int
    cancels_protective: bool


class Armed(msgspec.Struct, frozen=True, tag=True):
    """A venue will cancel all orders of ours at `until_ms` of its time unless it is armed anew
    before; None when it is not armed."""

    venue: str
    until_ms: int | None
    ts_ms: int


class Leased(msgspec.Struct, frozen=True, tag=True):
    """A session serves one engine: that of the journal `holder`, under the number that it shows
    with all that it asks for as a trader."""

    number: int
    holder: str


OrderReply = OrderStatus | NotTaken | Unclear
SweepReply = Swept | NotTaken | Unclear
ArmReply = Armed | NotTaken | Unclear
TransferReply = TransferStatus | NotTaken | Unclear
Pushed = Entry | OrderStatus
