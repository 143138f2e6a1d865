# SPDX-License-Identifier: Apache-2.0
"""What every margin rule answers, whatever the venue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.model.account import Account
from tidegate.model.instruments import InstrumentId

Marks = Mapping[InstrumentId, int]
# Convex pieces of a requirement, max_j (rate_j n - deduction_j), deductions in micro-units.
Lines = tuple[tuple[float, float], ...]


class MarginState(msgspec.Struct, frozen=True):
    """One account under its venue's rule, in quanta of the venue's collateral.

    `health = equity - maintenance`; the account is solvent when health >= 0. Initial margin gates
    opening, maintenance gates liquidation. `binding` is the instrument that requires most.
    """

    equity: int
    initial: int
    maintenance: int
    withdrawable: int
    binding: InstrumentId | None

    @property
    def health(self) -> int:
        """Equity less the maintenance requirement."""
        return self.equity - self.maintenance


class LiquidationStep(msgspec.Struct, frozen=True):
    """What the venue does next to an account that is below maintenance.

    `closes` are signed lots to trade at market; with `takeover` the venue takes all positions and
    what is left of the equity; `clearance_ppm` is charged on the closed notional.
    """

    closes: tuple[tuple[InstrumentId, int], ...]
    takeover: bool
    clearance_ppm: Mapping[InstrumentId, int]


class MarginRule(Protocol):
    """A venue's rule, chosen by name in the mandate; it knows no venue connection."""

    @property
    def collateral(self) -> str:
        """Asset in which the account is margined."""

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact requirement, equity and withdrawable amount at these marks (ticks)."""

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Equity and maintenance alone, for checks in a hot loop."""

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """Convex pieces never below one position's maintenance, for any price from the lowest on
        and any notional within the span; none where nothing is required."""

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """The venue's next step (`attempt` counts those before it), or None while solvent."""
