# SPDX-License-Identifier: Apache-2.0
"""What a venue does next to an account of the float rules that is below maintenance.

The one answer of every such rule; the rules of integers answer the exchange with `LiquidationStep`,
whose sizes are lots.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.instruments import InstrumentId


@dataclass(frozen=True, slots=True)
class LiquidationAction:
    """One step: its name in the venue's order of steps, the signed sizes to trade at market (as of
    `Holding.size`), the penalty in the rule's unit at the present marks, and by how much
    maintenance margin falls where the venue chooses by it."""

    stage: str
    closes: tuple[tuple[InstrumentId, float], ...] = ()
    penalty: float = 0.0
    relief: float | None = None
