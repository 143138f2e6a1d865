# SPDX-License-Identifier: Apache-2.0
"""What the exchange charges, and by which rules it margins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tidegate.costs.financing import Passage
from tidegate.costs.options import DeliveryFee
from tidegate.costs.trading import TradingCosts
from tidegate.margin.rule import MarginRule
from tidegate.model.instruments import Instrument, InstrumentId


@dataclass(frozen=True, slots=True)
class ExchangeTerms:
    """What the exchange charges and how it margins: rules per venue as (effective, rule) in time
    order, trading costs per instrument, idle yield per venue, passages between venues, and what is
    taken at the delivery of each instrument that expires."""

    instruments: Mapping[InstrumentId, Instrument]
    rules: Mapping[str, tuple[tuple[int, MarginRule], ...]]
    costs: Mapping[InstrumentId, TradingCosts]
    idle_yield_annual: Mapping[str, Fraction]
    passages: Mapping[tuple[str, str], Passage]
    delivery_fees: Mapping[InstrumentId, DeliveryFee] = field(default_factory=dict)

    def rule(self, venue: str, ts_ms: int) -> MarginRule:
        """The rule in force at a time."""
        schedule = self.rules[venue]
        held = schedule[0][1]
        for effective_ms, rule in schedule[1:]:
            if effective_ms <= ts_ms:
                held = rule
        return held
