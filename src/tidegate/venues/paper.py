# SPDX-License-Identifier: Apache-2.0
"""A face on the simulated exchange that takes approvals only."""

from __future__ import annotations

from tidegate.model.account import Account
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event
from tidegate.model.instruments import InstrumentId
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.simulation.exchange import Exchange


class PaperVenues:
    """All simulated venues; `gate` is asked whether it made each approval."""

    def __init__(self, exchange: Exchange, gate: Gate) -> None:
        self._exchange = exchange
        self._gate = gate
        self._used: set[str] = set()

    def advance(self, until_ms: int) -> list[Event]:
        """Let time pass and report what happened."""
        return self._exchange.advance(until_ms)

    def submit(self, approval: Approval) -> list[Event]:
        """Send an approved order."""
        action = self._redeem(approval)
        if not isinstance(action, Order):
            raise ApprovalError(f"approval {approval.id}: not for an order")
        return self._exchange.trade(action)

    def transfer(self, approval: Approval) -> list[Event]:
        """Send an approved transfer."""
        action = self._redeem(approval)
        if not isinstance(action, Transfer):
            raise ApprovalError(f"approval {approval.id}: not for a transfer")
        return self._exchange.send(action)

    def account(self, venue: str) -> Account:
        """The venue's own statement of our account."""
        return self._exchange.account(venue)

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce a freeze."""
        return self._exchange.frozen_venues()

    def out_venues(self) -> tuple[str, ...]:
        """Venues where nothing trades."""
        return self._exchange.out_venues()

    def stable_micro(self) -> dict[str, int]:
        """What dollar coins are worth."""
        return self._exchange.stable_micro()

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place in the venue's deleveraging queue."""
        return self._exchange.adl_rank(instrument)

    def _redeem(self, approval: Approval) -> Order | Transfer:
        self._gate.verify(approval, self._exchange.now_ms)
        if approval.id in self._used:
            raise ApprovalError(f"approval {approval.id}: used before")
        self._used.add(approval.id)
        return approval.action
