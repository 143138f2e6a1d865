# SPDX-License-Identifier: Apache-2.0
"""What a venue does next to an account of the float rules that is below maintenance."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.instruments import InstrumentId


@dataclass(frozen=True, slots=True)
class LiquidationAction:
    """One step: its name in the venue's order of steps, the signed sizes to trade at market (as of
    `Holding.size`), and the penalty in the rule's unit, at the present marks."""

    stage: str
    closes: tuple[tuple[InstrumentId, float], ...] = ()
    penalty: float = 0.0
