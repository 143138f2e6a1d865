# SPDX-License-Identifier: Apache-2.0
"""A small hedged book for fault runs: two coins, each a perpetual at two venues.

It watches every minute and decides every three. Its markets take little at once, so that it
approaches its targets in many orders, and every midnight (UTC) the paying direction may turn.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np

from tidegate.costs.financing import Passage, passage
from tidegate.costs.trading import TradingCosts
from tidegate.engine.outlook import Outlook
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO
from tidegate.risk.plan import Terms
from tidegate.risk.scenarios import Scenarios
from tidegate.signals.carry import CarryEdge
from tidegate.simulation.terms import ExchangeTerms

COLLATERAL = {"alpha": "USDT", "beta": "USDC"}
PRICE = {"BTC": 60_000, "ETH": 3_000}
CONTRACTS: tuple[Instrument, ...] = (
    Perpetual("alpha", "BTCUSDT", "BTC", "USDT", Decimal("0.1"), Decimal("0.001")),
    Perpetual("alpha", "ETHUSDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.01")),
    Perpetual("beta", "BTC", "BTC", "USDC", Decimal("1"), Decimal("0.00001")),
    Perpetual("beta", "ETH", "ETH", "USDC", Decimal("0.1"), Decimal("0.0001")),
)
INSTRUMENTS: dict[InstrumentId, Instrument] = {i.id: i for i in CONTRACTS}
PAIRS = (("alpha:BTCUSDT", "beta:BTC"), ("alpha:ETHUSDT", "beta:ETH"))
STABLE_MICRO = {"USDT": MICRO, "USDC": MICRO}
OUTER, INNER = {"BTC": 0.11, "ETH": 0.20}, {"BTC": 0.08, "ETH": 0.13}
CAPITAL_USD = 1_000_000
CARRY_ANNUAL = 0.5

_SAID = 'value = "{}", as_of = "2024-01-01", source = "assumed: of a fault run"'
_HEAD = f"""
[mandate]
name = "fault run"
capital_usd = "{CAPITAL_USD}"
decision_interval_s = 180
hurdle_rate_annual = {{ {_SAID.format("0")} }}
[authority]
level = "act"
[limits]
gross_leverage = 3
naked_usd = 40_000
quote_age_s = 120
minimum_trade_usd = 500
minimum_transfer_usd = 1_000
loss_from_peak = 0.5
[stress]
outer = {{ BTC = 0.11, ETH = 0.20 }}
inner = {{ BTC = 0.08, ETH = 0.13 }}
[edge]
payback_days = 60
review_s = 180
[stable.USDT]
price_usd = {{ {_SAID.format("1")} }}
[stable.USDC]
price_usd = {{ {_SAID.format("1")} }}
"""
_VENUE = """
[venue.{venue}]
rule = "{rule}"
collateral = "{asset}"
leverage = 20
claim_cap = 0.9
volume_share = 0.001
"""
_CONTRACT = f"""
[venue.{{venue}}.instruments.{{symbol}}]
kind = "perpetual"
base = "{{base}}"
bars = "1h"
mark = {{{{ {_SAID.format("last")} }}}}
"""
_ROUTE = """
[[transfer]]
source = "{0}"
destination = "{1}"
fee = "1"
minimum = "10"
latency_median_s = 300
latency_p95_s = 900
conversion_cost = "0.0001"
conversion_rate = "1"
as_of = "2024-01-01"
provenance = "assumed: of a fault run"
"""


def _mandate() -> Mandate:
    text = _HEAD
    for venue, rule in (("alpha", "binance_usdm"), ("beta", "hyperliquid_cross")):
        text += _VENUE.format(venue=venue, rule=rule, asset=COLLATERAL[venue])
        for contract in (c for c in CONTRACTS if c.venue == venue):
            text += _CONTRACT.format(venue=venue, symbol=contract.symbol, base=contract.base)
    text += _ROUTE.format("alpha", "beta") + _ROUTE.format("beta", "alpha")
    return read_mandate(text, "fault run")


MANDATE = _mandate()
COSTS = dict.fromkeys(INSTRUMENTS, TradingCosts(500, 0.0001, 1.0))
PASSAGES: dict[tuple[str, str], Passage] = {
    (r.source, r.destination): passage(r, COLLATERAL[r.source], COLLATERAL[r.destination])
    for r in MANDATE.transfer
}


def _tiers(low: Fraction) -> TierTable:
    high, edge = low * 5 / 2, 1_000_000
    rows = [
        (Decimal(0), Decimal(edge), low, Fraction(0), 50),
        (Decimal(edge), None, high, edge * (high - low), 20),
    ]
    return tier_table(rows, "USDT", "2024-01-01", "of a fault run")


def rule_of(venue: str, low: Fraction = Fraction(1, 100)) -> MarginRule:
    """A venue's margin rule with `low` as the first tier's maintenance rate."""
    own = {name: i for name, i in INSTRUMENTS.items() if i.venue == venue}
    tiers = dict.fromkeys(own, _tiers(low))
    if venue == "alpha":
        return BinanceUsdm(COLLATERAL[venue], own, tiers, 20, dict.fromkeys(own, 10_000))
    return HyperliquidCross(COLLATERAL[venue], own, tiers, 20)


def exchange_terms(changes: tuple[tuple[int, str, Fraction], ...] = ()) -> ExchangeTerms:
    """What the venues charge and how they margin; `changes` of a venue's maintenance by time."""
    rules = {venue: [(0, rule_of(venue))] for venue in COLLATERAL}
    for effective_ms, venue, low in changes:
        rules[venue].append((effective_ms, rule_of(venue, low)))
    schedules = {venue: tuple(schedule) for venue, schedule in rules.items()}
    return ExchangeTerms(INSTRUMENTS, schedules, COSTS, {}, PASSAGES)


def terms_at(charged: ExchangeTerms) -> Callable[[int], Terms]:
    """What the engine is told of terms in force at a time."""

    def at(ts_ms: int) -> Terms:
        rules = {venue: charged.rule(venue, ts_ms) for venue in charged.rules}
        return Terms(MANDATE, INSTRUMENTS, rules, COSTS, PASSAGES)

    return at


class TurningOutlook:
    """A view in which each coin's pair pays in a direction that is drawn anew every day."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def at(self, ts_ms: int) -> Outlook:
        """The outlook of the day of a time."""
        rng = Random(f"{self._seed}:outlook:{ts_ms // DAY_MS}")
        carry, edges = dict.fromkeys(INSTRUMENTS, 0.0), list[CarryEdge]()
        for pair in PAIRS:
            long, short = pair if rng.random() < 0.5 else pair[::-1]
            if rng.random() < 0.85:
                coin = INSTRUMENTS[long].base
                carry |= {long: CARRY_ANNUAL / 2, short: -CARRY_ANNUAL / 2}
                edges.append(CarryEdge(coin, long, short, CARRY_ANNUAL, 0.05, 10.0, 1e12, 4.0))
        vol = {"BTC": 0.03, "ETH": 0.04}
        calm_low, calm_high = np.full((2, 2), 0.99), np.full((2, 2), 1.01)
        scenarios = Scenarios(calm_low, calm_high, calm_low, calm_high)
        return Outlook(ts_ms, tuple(edges), carry, vol, OUTER, INNER, scenarios, 1.0)
