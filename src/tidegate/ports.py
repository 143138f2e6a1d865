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
from tidegate.model.account import Account
from tidegate.model.events import Event
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import MarketSnapshot
from tidegate.risk.gate import Approval


@dataclass(frozen=True, slots=True)
class PastBars:
    """Joint closed bars of several coins on one grid: opening times (n), prices (n, coins)."""

    open_ms: NDArray[np.int64]
    interval_ms: int
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]


class Venues(Protocol):
    """All venues of a mandate behind one clock."""

    def advance(self, until_ms: int) -> list[Event]:
        """Let time pass and report what happened, in time order."""

    def submit(self, approval: Approval) -> list[Event]:
        """Send an approved order; refuses approvals that are changed, expired or used."""

    def transfer(self, approval: Approval) -> list[Event]:
        """Send an approved transfer; refuses approvals that are changed, expired or used."""

    def account(self, venue: str) -> Account:
        """The venue's own statement of our account."""

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce that money neither leaves nor is credited."""

    def out_venues(self) -> tuple[str, ...]:
        """Venues that announce that nothing trades there."""

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth now, where somebody says."""

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place of our position in its venue's deleveraging queue, 1 being first; None unknown."""


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
