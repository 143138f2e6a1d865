# SPDX-License-Identifier: Apache-2.0
"""What stands behind a session's server: simulated venues, or sessions with real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tidegate.model.instruments import InstrumentId
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


class House(Protocol):
    """All venues behind one server; replies are those of `ports.Gateway`, `Stops` and `DeadMan`.

    A house does nothing twice under one id, and checks an approval itself before it acts on it.
    """

    @property
    def now_ms(self) -> int:
        """The venues' time."""

    @property
    def end_ms(self) -> int:
        """When the venues close for good."""

    def advance(self, until_ms: int) -> None:
        """Let time pass."""

    def has(self, venue: str) -> bool:
        """Whether there is such a venue."""

    def trades(self, instrument: InstrumentId) -> bool:
        """Whether there is such an instrument."""

    def place(self, approval: Approval) -> OrderReply:
        """Take an approved order."""

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Cancel an order if it works; its state thereafter."""

    def cancel_all(self, venue: str) -> SweepReply:
        """Cancel what works at a venue."""

    def order(self, venue: str, order: str) -> OrderReply:
        """An order's state now."""

    def send(self, approval: Approval) -> TransferReply:
        """Take an approved transfer."""

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """A transfer's state at its source now."""

    def pushed(self) -> tuple[Pushed, ...]:
        """Entries and states of orders since the last call."""

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log after a number."""

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's account of us."""

    def device(self, venue: str) -> Device | None:
        """The venue's dead-man's switch."""

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce a freeze."""

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades."""

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth, where somebody says."""

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Our place in the venue's deleveraging queue."""
