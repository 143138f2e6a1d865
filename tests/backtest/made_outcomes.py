# SPDX-License-Identifier: Apache-2.0
"""Small runs made by hand: two venues with one contract each, a real ledger, and samples."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hypothesis import strategies as st

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.provenance import Provenance
from tidegate.backtest.run import Outcome, Series
from tidegate.ledger.book import Ledger
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    FundingPaid,
    LiquidationStarted,
    Marked,
    PenaltyCharged,
    TransferLanded,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.instruments import Perpetual
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import HOUR_MS
from tidegate.simulation.books import Extreme
from tidegate.simulation.terms import ExchangeTerms

START_MS = 1_730_419_200_000
USD = 1_000_000
CAPITAL = 1_000 * USD
LEFT, RIGHT = "left:COIN", "right:COIN"

MANDATE = """
[mandate]
name = "NAME"
capital_usd = "1000"
hurdle_rate_annual = { value = "0.05", as_of = "2024-01-01", source = "assumed: a bill" }
[stress]
outer = { COIN = 0.2 }
inner = { COIN = 0.1 }
[stable.USDT]
price_usd = { value = "1", as_of = "2024-01-01", source = "assumed: par" }
[stable.USDC]
price_usd = { value = "1", as_of = "2024-01-01", source = "assumed: par" }
[venue.left]
rule = "binance_usdm"
collateral = "USDT"
[venue.left.instruments.COIN]
kind = "perpetual"
base = "COIN"
bars = "15m"
mark = { value = "mark", as_of = "2024-01-01", source = "the venue's marks" }
[venue.right]
rule = "hyperliquid_cross"
collateral = "USDC"
[venue.right.instruments.COIN]
kind = "perpetual"
base = "COIN"
bars = "1h"
mark = { value = "last", as_of = "2024-01-01", source = "assumed: no marks" }
"""


def mandate(name: str = "made") -> Mandate:
    return read_mandate(MANDATE.replace('"NAME"', f"'{name}'"), "made.toml")


def arrangement(
    name: str = "made", price_micro: int = USD, source: str = "assumed: made"
) -> Arrangement:
    """One unit of the coin per lot, one dollar per tick; USDC may have another price."""
    contracts = {
        f"{venue}:COIN": Perpetual(venue, "COIN", "COIN", settle, Decimal(1), Decimal(1))
        for venue, settle in (("left", "USDT"), ("right", "USDC"))
    }
    terms = ExchangeTerms(contracts, {}, {}, {}, {})
    prices = {"USDT": USD, "USDC": price_micro}
    stated = (Provenance("venue.left.taker_fee", "0.0005", "2024-01-01", source, "mandate"),)
    return Arrangement(mandate(name), terms, prices, {}, stated)


def deposit(venue: str = "left", usd: int = 1_000) -> Deposited:
    asset = "USDT" if venue == "left" else "USDC"
    return Deposited(START_MS, venue, asset, usd * USD)


def fill(hour: int, name: str, lots: int, ticks: int = 100, liquidation: bool = False) -> Filled:
    """A fill at the middle for a fee of one dollar."""
    reason = "liquidation" if liquidation else "order"
    return Filled(START_MS + hour * HOUR_MS, name, lots, ticks, ticks, USD, 0, 0, "order", reason)


def taken_over(hour: int, venue: str = "right") -> LiquidationStarted:
    return LiquidationStarted(START_MS + hour * HOUR_MS, venue, 5 * USD, 6 * USD)


def outcome(
    events: Iterable[Event],
    hours: int = 4,
    name: str = "threshold 3",
    gross_usd: int = 0,
    extremes: Iterable[Extreme] = (),
) -> Outcome:
    """A finished run of some hours with level samples; the ledger is posted, not made up."""
    made = arrangement()
    ledger = Ledger(made.terms.instruments, made.stable_price_micro)
    events = (*events, Marked(START_MS + hours * HOUR_MS, {LEFT: 100, RIGHT: 100}))
    for event in events:
        ledger.post(event)
    count = hours + 1
    series = Series(
        [START_MS + hour * HOUR_MS for hour in range(count)],
        [CAPITAL] * count,
        [gross_usd * USD] * count,
        {"left": [CAPITAL // 2] * count, "right": [CAPITAL // 2] * count},
        {"left": [USD if gross_usd else 0] * count, "right": [0] * count},
    )
    start = ledger.waterfall["capital"]
    return Outcome(name, tuple(events), tuple(extremes), series, ledger, "ab" * 32, start, 4, 0, 0)


_LOTS = st.integers(-9, 9).filter(bool)
_QUANTA = st.integers(-3 * USD, 3 * USD)
_COSTS = st.integers(0, USD)
_PRICES = st.integers(50, 150)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of any kind in time order after the capital has come."""
    events: list[Event] = [deposit("left", 600), deposit("right", 400)]
    for index in range(draw(st.integers(0, 12))):
        at = START_MS + index * 900_000
        name = draw(st.sampled_from((LEFT, RIGHT)))
        price = draw(_PRICES)
        kind = draw(st.sampled_from("fill fund yield mark charge send".split()))
        if kind == "fill":
            costs = [draw(_COSTS) for _ in range(3)]
            events.append(Filled(at, name, draw(_LOTS), price, price, *costs, "o", "order"))
        elif kind == "fund":
            events.append(FundingPaid(at, name, 1, price, 1, draw(_QUANTA)))
        elif kind == "yield":
            events.append(YieldAccrued(at, "left", "USDT", draw(_QUANTA)))
        elif kind == "mark":
            events.append(Marked(at, {LEFT: price, RIGHT: draw(_PRICES)}))
        elif kind == "charge":
            charge = PenaltyCharged(at, "right", "USDC", draw(_COSTS), "margin forfeited")
            events.append(charge)
        else:
            sent, fee, lost = 10 * USD, draw(_COSTS), draw(_COSTS)
            ids = (f"t{index}", "left", "right")
            events.append(TransferSent(at, *ids, "USDT", sent, fee))
            left, rest = sent - fee, sent - fee - lost
            landing = (f"t{index}", "right", "USDT", left, "USDC", rest, lost)
            events.append(TransferLanded(at, *landing))
    return events
