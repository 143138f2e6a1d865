# SPDX-License-Identifier: Apache-2.0
"""Random worlds of few venues in few events, made to hurt: thin accounts, jumps, full queues."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from tests.margin.books import ladder
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import TierTable
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.requests import Cancel, LimitOrder, Request
from tidegate.simulation.kernel.tape import EventTape, merged
from tidegate.simulation.tape import Freeze
from tidegate.simulation.terms import ExchangeTerms

START, HOUR = 1_704_067_200_000, 3_600_000
PRICE = 600_000
SIZES = ((Decimal("0.1"), Decimal("0.001")), (Decimal("0.00001"), Decimal("0.1")))
SIZES += ((Decimal("0.00003"), Decimal("7")), (Decimal("0.01"), Decimal("0.001")))
LADDERS = (
    [(0, 40), (100_000, 20), (1_000_000, 10), (5_000_000, 4)],
    [(0, 50), (3_000, 25), (9_000, 7), (40_000, 3)],
    [(0, 10)],
)


@dataclass(frozen=True)
class World:
    tape: EventTape
    terms: ExchangeTerms
    maker_ppm: dict[InstrumentId, int]
    deposits: tuple[tuple[str, str, int], ...]
    dollars_log: tuple[float, float]


def lot_usd(instrument: Instrument) -> float:
    return PRICE * instrument.unit_numerator / instrument.unit_denominator / MICRO


def made_terms(rng: np.random.Generator, impact: float) -> ExchangeTerms:
    """One to three venues of either rule, with one to four perpetuals each."""
    instruments: dict[InstrumentId, Instrument] = {}
    rules: dict[str, tuple[tuple[int, MarginRule], ...]] = {}
    for number in rng.permutation(int(rng.integers(1, 4))):
        venue, asset = f"v{number}", str(rng.choice(["USDC", "USDT"]))
        tables: dict[InstrumentId, TierTable] = {}
        for symbol in range(int(rng.integers(1, 5))):
            tick, lot = SIZES[int(rng.integers(len(SIZES)))]
            one = Perpetual(venue, f"C{symbol}", "C", asset, tick, lot)
            instruments[one.id], tables[one.id] = one, ladder(LADDERS[int(rng.integers(3))])
        leverage = int(rng.integers(4, 60))
        own = {name: int(rng.integers(1, 40)) for name in tables if rng.random() < 0.3}
        if rng.random() < 0.5:
            rule: MarginRule = HyperliquidCross(asset, instruments, tables, leverage, leverages=own)
        else:
            fees = {name: int(rng.integers(0, 20_000)) for name in tables if rng.random() < 0.8}
            rule = BinanceUsdm(asset, instruments, tables, leverage, fees, leverages=own)
        rules[venue] = ((START, rule),)
    costs = {
        name: TradingCosts(int(rng.integers(0, 900)), float(rng.uniform(0, 0.002)), impact)
        for name in instruments
    }
    yields = {v: Fraction(int(rng.integers(-3, 9)), 100) for v in rules if rng.random() < 0.6}
    return ExchangeTerms(instruments, rules, costs, yields, _passages(rng, rules))


def _passages(
    rng: np.random.Generator, rules: dict[str, tuple[tuple[int, MarginRule], ...]]
) -> dict[tuple[str, str], Passage]:
    made = {}
    assets = {venue: schedule[0][1].collateral for venue, schedule in rules.items()}
    for a in rules:
        for b in rules:
            if a != b and rng.random() < 0.9:
                share = Fraction(1) if assets[a] == assets[b] else Fraction(9_999, 10_000)
                fee = int(rng.integers(0, 3)) * MICRO
                latency = (1800.0, 7200.0) if rng.random() < 0.7 else (3600.0, 3600.0)
                made[a, b] = Passage(a, b, assets[a], assets[b], fee, 10 * MICRO, share, *latency)
    return made


def made_world(rng: np.random.Generator, events: int = 90) -> World:
    # Some worlds are so large that products come near to 64 bits.
    huge = bool(rng.random() < 0.2)
    terms = made_terms(rng, 0.0 if huge else 1.0)
    capital = (17.0, 18.4) if huge else (5.0, 10.5)
    names = tuple(sorted(terms.instruments))
    times = START + np.sort(rng.integers(0, 60 * HOUR, events))
    if rng.random() < 0.5:
        times = START + (times - START) // HOUR * HOUR
    prices = dict.fromkeys(range(len(names)), PRICE)
    rows: list[tuple[int, ...]] = []
    for who in prices:
        rows += [(START, 0, at.DEPTH, who, who % 3, 0), (START, 0, at.CLOSE, who, PRICE, 0)]
        rows.append((START, 0, at.QUOTE, who, PRICE, 0))
    for ts_ms in times.tolist():
        rows.append((ts_ms, int(rng.integers(3)), *_event(rng, prices)))
    rows += [(ts, 3, at.ACCRUE, 0, 0, 0) for ts in (START + DAY_MS, START + 2 * DAY_MS)]
    depth = np.array([[2e9, 0.03, np.nan], [1e7, 0.05, 0.0004], [3e5, 0.2, 0.01]])
    freezes, outages = (_windows(rng, list(terms.rules)) for _ in range(2))
    columns = merged(rows)
    tape = EventTape(names, START, 60_000, *columns, depth, freezes, outages)
    deposits = tuple(
        (venue, schedule[0][1].collateral, int(np.exp(rng.uniform(*capital))) * MICRO + 7)
        for venue, schedule in terms.rules.items()
    )
    makers = {name: int(rng.integers(-100, 300)) for name in names if rng.random() < 0.7}
    return World(tape, terms, makers, deposits, (14.0, 19.5) if huge else (5.0, 12.0))


def _event(rng: np.random.Generator, prices: dict[int, int]) -> tuple[int, int, int, int]:
    who = int(rng.integers(len(prices)))
    shock = 0.3 if rng.random() < 0.25 else 0.004
    price = max(1, int(prices[who] * np.exp(rng.normal(0.0, shock))))
    kinds = [at.MARK] * 8 + [at.QUOTE] * 4 + [at.TRADE] * 5 + [at.RANGE] * 2 + [at.JUDGE] * 2
    kind = int(rng.choice([*kinds, at.CLOSE, at.FUNDING, at.FUNDING, at.DEPTH]))
    if kind in (at.MARK, at.QUOTE, at.CLOSE):
        prices[who] = price
        return kind, who, price, 0
    if kind == at.TRADE:
        # Prices at which orders rest are few, so that trades meet them.
        return kind, who, _near(rng, prices[who]), int(rng.choice([-1, 1]) * rng.integers(1, 400))
    if kind == at.RANGE:
        return kind, who, min(price, prices[who]), max(price, prices[who]) + 5
    if kind == at.FUNDING:
        return kind, who, int(rng.integers(-3 * 10**9, 5 * 10**9)), 0
    return (kind, who, int(rng.integers(3)), 0) if kind == at.DEPTH else (kind, 0, 0, 0)


def _near(rng: np.random.Generator, price: int) -> int:
    step = max(1, price // 200)
    return max(1, (price // step + int(rng.integers(-3, 4))) * step)


def _windows(rng: np.random.Generator, venues: list[str]) -> tuple[Freeze, ...]:
    made = []
    for _ in range(int(rng.integers(0, 3))):
        begins = START + int(rng.integers(0, 50)) * HOUR
        ends = begins + int(rng.integers(1, 9)) * HOUR
        made.append(Freeze(str(rng.choice(venues)), begins, ends))
    return tuple(made)


def made_requests(
    rng: np.random.Generator, world: World, from_ms: int, first: int, count: int
) -> list[tuple[int, Request]]:
    """Requests from a time on, named by their number; times are sometimes those of events."""
    times = world.tape.ts_ms[world.tape.ts_ms >= from_ms]
    made = []
    for number in range(first, first + count):
        due_ms = int(rng.choice(times)) + int(rng.integers(0, 2)) * int(rng.integers(0, HOUR))
        made.append((due_ms, _request(rng, world, f"r{number:05d}", number)))
    return made


def _request(rng: np.random.Generator, world: World, name: str, number: int) -> Request:
    instrument = world.terms.instruments[str(rng.choice(world.tape.instruments))]
    dollars = float(np.exp(rng.uniform(*world.dollars_log)))
    sign = int(rng.choice([-1, 1]))
    highest = int(world.tape.highest_ticks().max())
    most = 2**53 * instrument.unit_denominator // (4 * highest * instrument.unit_numerator)
    lots = min(most, 2**31 - 1, max(1, int(dollars / lot_usd(instrument))))
    lots *= sign * int(rng.random() > 0.02)
    luck = rng.random()
    if luck < 0.45:
        return Order(name, instrument.id, lots, bool(rng.random() < 0.2), "test")
    if luck < 0.75:
        ticks = _near(rng, int(PRICE * (1 - 0.01 * sign)))
        few = sign * int(rng.integers(1, 300)) if rng.random() < 0.7 else lots
        return LimitOrder(name, instrument.id, few, ticks, int(rng.integers(0, 200)))
    if luck < 0.82:
        return Cancel(name, instrument.id, f"r{int(rng.integers(0, number + 1)):05d}")
    source, destination = rng.choice(list(world.terms.rules), 2).tolist()
    asset = world.terms.rules[source][0][1].collateral
    quanta = int(dollars * MICRO)
    # Of names that begin with a digit those of later requests come first.
    return Transfer(f"{9 - number % 10}{name}", source, destination, asset, quanta, "test")
