# SPDX-License-Identifier: Apache-2.0
"""What we may ask a venue to do, in the imperative; nothing happens without an approval."""

from __future__ import annotations

import msgspec

from tidegate.model.instruments import InstrumentId


class Order(msgspec.Struct, frozen=True, tag=True):
    """Trade signed lots (buy +) at market; `reduce_only` never opens or flips."""

    id: str
    instrument: InstrumentId
    lots: int
    reduce_only: bool
    reason: str


class Transfer(msgspec.Struct, frozen=True, tag=True):
    """Send quanta of an asset from one venue to another."""

    id: str
    source: str
    destination: str
    asset: str
    quanta: int
    reason: str


Action = Order | Transfer
