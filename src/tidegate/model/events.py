# SPDX-License-Identifier: Apache-2.0
"""What happened, in the past tense; a portfolio is the fold of these.

Every event says when (`ts_ms`, UTC) and carries integers only: ticks, lots, quanta. A cost is +.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.model.instruments import InstrumentId

FillReason = Literal["order", "liquidation", "deleveraging"]


class Deposited(msgspec.Struct, frozen=True, tag=True):
    """Capital arrived from outside the book."""

    ts_ms: int
    venue: str
    asset: str
    quanta: int


class Filled(msgspec.Struct, frozen=True, tag=True):
    """Lots (buy +) traded at `ticks` while the middle of the market stood at `mid_ticks`.

    `spread_quanta` and `impact_quanta` split the distance from the middle, in settlement quanta.
    """

    ts_ms: int
    instrument: InstrumentId
    lots: int
    ticks: int
    mid_ticks: int
    fee_quanta: int
    spread_quanta: int
    impact_quanta: int
    order: str
    reason: FillReason


class FundingPaid(msgspec.Struct, frozen=True, tag=True):
    """Funding at a stamp; `quanta` is what the holder paid (received when negative)."""

    ts_ms: int
    instrument: InstrumentId
    lots: int
    ticks: int
    rate_e12: int
    quanta: int


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """A future or option expired and is held no more; `ticks` is the delivery price in ticks of its
    index. `quanta` is what all of its lots were worth then (owed when negative)."""

    ts_ms: int
    instrument: InstrumentId
    lots: int
    ticks: int
    quanta: int
    fee_quanta: int


class Marked(msgspec.Struct, frozen=True, tag=True):
    """Positions were revalued at these marks; those of indices may be among them."""

    ts_ms: int
    ticks: dict[InstrumentId, int]


class Repriced(msgspec.Struct, frozen=True, tag=True):
    """A dollar coin has another price in the base currency, micro-dollars per unit."""

    ts_ms: int
    asset: str
    price_micro: int


class TransferSent(msgspec.Struct, frozen=True, tag=True):
    """Money left a venue; `fee_quanta` of it is the route's fee."""

    ts_ms: int
    id: str
    source: str
    destination: str
    asset: str
    quanta: int
    fee_quanta: int


class TransferLanded(msgspec.Struct, frozen=True, tag=True):
    """Money reached a venue, there as `asset`; what conversion cost is in `conversion_quanta`."""

    ts_ms: int
    id: str
    destination: str
    asset_sent: str
    quanta_sent: int
    asset: str
    quanta: int
    conversion_quanta: int


class TransferReturned(msgspec.Struct, frozen=True, tag=True):
    """Money that had left a venue is back there, and will not land; a fee may be back with it, or
    more may be gone."""

    ts_ms: int
    id: str
    venue: str
    asset: str
    quanta: int


class TransferRefused(msgspec.Struct, frozen=True, tag=True):
    """The venue did not let money go, and why; nothing moved."""

    ts_ms: int
    id: str
    source: str
    destination: str
    reason: str


class OrderRefused(msgspec.Struct, frozen=True, tag=True):
    """The venue did not take an order, and why; nothing traded."""

    ts_ms: int
    instrument: InstrumentId
    order: str
    reason: str


class YieldAccrued(msgspec.Struct, frozen=True, tag=True):
    """Interest on idle balances (paid when negative)."""

    ts_ms: int
    venue: str
    asset: str
    quanta: int


class LiquidationStarted(msgspec.Struct, frozen=True, tag=True):
    """An account's equity fell to its maintenance requirement; the venue took over."""

    ts_ms: int
    venue: str
    equity_quanta: int
    maintenance_quanta: int


class PenaltyCharged(msgspec.Struct, frozen=True, tag=True):
    """What a liquidation cost beyond the fill: clearance fee, or margin forfeited."""

    ts_ms: int
    venue: str
    asset: str
    quanta: int
    cause: Literal["clearance fee", "margin forfeited"]


class DeficitCovered(msgspec.Struct, frozen=True, tag=True):
    """The venue's insurance fund took an account that was worth less than nothing."""

    ts_ms: int
    venue: str
    asset: str
    quanta: int


class VenueFailed(msgspec.Struct, frozen=True, tag=True):
    """A venue is gone for good and pays nothing out: its positions are void at the marks in `ticks`
    (of all that was held there), and `lost` is what it owed of each asset, their unrealised profit
    included. Where it had lent, that is set off against what it owed of others."""

    ts_ms: int
    venue: str
    ticks: dict[InstrumentId, int]
    lost: dict[str, int]


Event = (
    Deposited
    | Filled
    | FundingPaid
    | Delivered
    | Marked
    | Repriced
    | TransferSent
    | TransferLanded
    | TransferReturned
    | TransferRefused
    | OrderRefused
    | YieldAccrued
    | LiquidationStarted
    | PenaltyCharged
    | DeficitCovered
    | VenueFailed
)
