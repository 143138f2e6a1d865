# SPDX-License-Identifier: Apache-2.0
"""The same market at a multiple of its costs and of the time that money travels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.provenance import Provenance
from tidegate.backtest.run_id import Strain
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts


def strained(arrangement: Arrangement, strain: Strain) -> Arrangement:
    """The arrangement with fees, spreads, impact, transfer fees and conversion costs times
    `costs`, and median and 95 % point of each route's latency times `latency`.

    Policies know it: costs have one truth, by which the exchange charges and the allocation plans.
    Funding, margin and clearance fees stay. Multiples of 1 change nothing.
    """
    if strain == Strain():
        return arrangement
    terms = arrangement.terms
    costs = {name: _dearer(one, strain.costs) for name, one in terms.costs.items()}
    passages = {ends: _slower(one, strain) for ends, one in terms.passages.items()}
    note = Provenance("strain", strain.label, "", "the sweep's grid", "strain")
    return replace(
        arrangement,
        terms=replace(terms, costs=costs, passages=passages),
        provenance=(*arrangement.provenance, note),
    )


def _dearer(costs: TradingCosts, factor: float) -> TradingCosts:
    return TradingCosts(
        round(costs.taker_ppm * factor),
        costs.half_spread * factor,
        costs.impact_coefficient * factor,
    )


def _slower(passage: Passage, strain: Strain) -> Passage:
    """A share s that survives conversion becomes 1 - factor (1 - s), and never less than nothing;
    a share above 1, which is a rate between coins of other worth, stays."""
    factor = Fraction(strain.costs)
    lost = max(Fraction(0), 1 - passage.received_share)
    return replace(
        passage,
        fee_quanta=round(passage.fee_quanta * factor),
        received_share=max(Fraction(0), passage.received_share - (factor - 1) * lost),
        latency_median_s=passage.latency_median_s * strain.latency,
        latency_p95_s=passage.latency_p95_s * strain.latency,
    )
