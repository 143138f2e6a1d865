# SPDX-License-Identifier: Apache-2.0
"""What time and distance cost: idle yield, transfer fees, conversion between dollar coins."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import exp, log
from statistics import NormalDist

from tidegate.model.mandate import Route
from tidegate.model.times import ALWAYS, YEAR_MS, DayWindow, read_window
from tidegate.model.units import asset_decimals, cost_to_quanta

_P95 = NormalDist().inv_cdf(0.95)


def accrued_yield(quanta: int, rate_annual: Fraction, elapsed_ms: int) -> int:
    """Simple interest on a balance over a time, in quanta, rounded down."""
    return int((quanta * rate_annual * elapsed_ms / YEAR_MS).__floor__())


@dataclass(frozen=True, slots=True)
class Passage:
    """One route in integers: fee and minimum in quanta sent, and the share that survives
    conversion; latency is lognormal with the mandate's median and 95 % point. Money leaves in the
    hours of `window`, at most `cap_usd_day` of it within 24 hours (None: the mandate caps nothing).
    """

    source: str
    destination: str
    asset_sent: str
    asset_received: str
    fee_quanta: int
    minimum_quanta: int
    received_share: Fraction
    latency_median_s: float
    latency_p95_s: float
    cap_usd_day: float | None = None
    window: DayWindow = ALWAYS

    @property
    def latency_sigma_log(self) -> float:
        """Deviation of the latency's logarithm; 0 where the latency is fixed."""
        return log(self.latency_p95_s / self.latency_median_s) / _P95

    def received(self, quanta: int, parity: Fraction = Fraction(1)) -> int:
        """Quanta of the destination's asset out of quanta that travelled, rounded down; `parity`
        is what the asset sent is worth in the asset received beyond the mandate's rate."""
        shift = asset_decimals(self.asset_received) - asset_decimals(self.asset_sent)
        return int((quanta * self.received_share * parity * Fraction(10) ** shift).__floor__())

    def latency_quantile_s(self, probability: float) -> float:
        """Latency not exceeded with the given probability, in seconds."""
        deviations = NormalDist().inv_cdf(probability)
        return self.latency_median_s * exp(self.latency_sigma_log * deviations)


def passage(route: Route, asset_sent: str, asset_received: str) -> Passage:
    """The route between two venues' collateral assets."""
    same = asset_sent == asset_received
    survives = Fraction(Decimal(route.conversion_rate)) * (1 - Fraction(route.conversion_cost))
    return Passage(
        route.source,
        route.destination,
        asset_sent,
        asset_received,
        cost_to_quanta(Decimal(route.fee), asset_sent),
        cost_to_quanta(Decimal(route.minimum), asset_sent),
        Fraction(1) if same else survives,
        route.latency_median_s,
        route.latency_p95_s,
        route.cap_usd_day,
        read_window(route.window, "mandate", "transfer.window"),
    )
