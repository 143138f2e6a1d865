# SPDX-License-Identifier: Apache-2.0
"""What the engine needs from the world, as protocols.

They take approvals, so they stand below risk. A venue holds no margin rule; it reports accounts
and does what it has leave for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidegate.forecast.funding import FundingPrints
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import MarketSnapshot
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    OrderReply,
    Pushed,
    Statement,
    SweepReply,
    TransferReply,
    Unclear,
)
from tidegate.risk.gate import Approval


@dataclass(frozen=True, slots=True)
class PastBars:
    """Joint closed bars of several coins on one grid: opening times (n), prices (n, coins)."""

    open_ms: NDArray[np.int64]
    interval_ms: int
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]


class Announcements(Protocol):
    """What venues tell everybody, or us, without being asked to do anything."""

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce that money neither leaves nor is credited."""

    def out_venues(self) -> tuple[str, ...]:
        """Venues that announce that nothing trades there."""

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth now, where somebody says."""

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place of our position in its venue's deleveraging queue, 1 being first; None unknown."""


class Gateway(Announcements, Protocol):
    """A session with all venues of a mandate: requests and replies may be lost, reports may be
    late, come twice or out of order. Actions are known to venues by their own ids, and a venue does
    nothing twice under one id.

    A venue refuses what reaches it after the approval's expiry, so that what it does not know then
    will never come.
    """

    def place(self, approval: Approval) -> OrderReply:
        """Send an approved order; a changed, expired or used approval is refused."""

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Ask that an order be cancelled; the reply is its state thereafter."""

    def order(self, venue: str, order: str) -> OrderReply:
        """Ask for the state of an order."""

    def send(self, approval: Approval) -> TransferReply:
        """Send an approved transfer; a changed, expired or used approval is refused."""

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """Ask its source for the state of a transfer."""

    def pushed(self) -> tuple[Pushed, ...]:
        """What venues told of their own accord since this was last asked, as it came."""

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log beyond a number, in order; perhaps not all of them at once."""

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's own account of us."""


class Stops(Protocol):
    """A session that can see and cancel orders and can send nothing: a watchdog's."""

    def cancel_all(self, venue: str) -> SweepReply:
        """Ask a venue to cancel every order of ours."""

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Ask that an order be cancelled; the reply is its state thereafter."""

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's own account of us, with the orders that work."""


class DeadMan(Protocol):
    """A session at venues that cancel our orders by themselves when we fall silent."""

    def device(self, venue: str) -> Device | None:
        """What a venue has of this kind, as its adapter declares it; None where it has nothing."""

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """Have all our orders cancelled after some seconds unless armed anew; 0 disarms."""


class Quotes(Protocol):
    """The market at a time, which is all that a decision itself looks at."""

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        """What is known of all prices at a time; what venues announce is added by the caller."""


class Feed(Quotes, Protocol):
    """The market's past up to a time, and never beyond it."""

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        """Closed bars of each coin's reference market over at most the last days."""

    def funding(self, instrument: InstrumentId, ts_ms: int) -> FundingPrints | None:
        """Funding prints settled at or before a time; None for an instrument without funding."""
