# SPDX-License-Identifier: Apache-2.0
"""Worlds and loops for measuring the exchange over events: ours, plain ones, and two peers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from benchmarks.side_by_side.timing import Run
from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import Perpetual
from tidegate.model.units import MICRO
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.compiled import CompiledExchange
from tidegate.simulation.kernel.plain import PlainExchange
from tidegate.simulation.kernel.requests import Cancel, LimitOrder, Request, Wake
from tidegate.simulation.kernel.tape import EventTape
from tidegate.simulation.terms import ExchangeTerms

VENUES, INSTRUMENTS, EVERY = 5, 10, 1000
START, PRICE = 1_704_067_200_000, 600_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A contestant whose preparation is not timed: `make` gives what is called."""

    name: str
    things: int
    make: Callable[[], Callable[[], object]]

    def timed(self, calls: int) -> Run:
        cpu = wall = 0.0
        for _ in range(calls):
            call = self.make()
            before_wall, before_cpu = time.perf_counter(), time.process_time()
            call()
            cpu += time.process_time() - before_cpu
            wall += time.perf_counter() - before_wall
        return Run(cpu, wall)


@dataclass(frozen=True, slots=True)
class World:
    tape: EventTape
    terms: ExchangeTerms
    requests: list[tuple[int, Request]]

    @property
    def things(self) -> int:
        return self.tape.ts_ms.size + len(self.requests)


def _tiers() -> TierTable:
    rows = []
    deduction, before = Fraction(0), Fraction(0)
    edges = [(0, 100_000), (100_000, 1_000_000), (1_000_000, 5_000_000), (5_000_000, None)]
    for (floor, cap), leverage in zip(edges, (40, 20, 10, 4), strict=True):
        rate = Fraction(1, 2 * leverage)
        deduction += floor * (rate - before) if floor else 0
        rows.append((Decimal(floor), Decimal(cap) if cap else None, rate, deduction, leverage))
        before = rate
    return tier_table(rows, "USDC", "2024-01-01", "benchmark")


def terms() -> ExchangeTerms:
    sizes = Decimal("0.1"), Decimal("0.001")
    listed = [
        Perpetual(f"v{venue}", f"C{n}", f"C{n}", "USDC", *sizes)
        for venue in range(VENUES)
        for n in range(INSTRUMENTS)
    ]
    instruments = {one.id: one for one in listed}
    rules: dict[str, Any] = {}
    for venue in range(VENUES):
        own = {one.id: _tiers() for one in listed if one.venue == f"v{venue}"}
        said: tuple[Any, ...] = "USDC", instruments, own, 10
        rule = BinanceUsdm(*said, dict.fromkeys(own, 5_000)) if venue % 2 else None
        rules[f"v{venue}"] = ((START, rule or HyperliquidCross(*said)),)
    ways = {
        (a, b): Passage(a, b, "USDC", "USDC", MICRO, MICRO, Fraction(1), 60.0, 180.0)
        for a in rules
        for b in rules
        if a != b
    }
    costs = dict.fromkeys(instruments, TradingCosts(450, 0.0001, 1.0))
    return ExchangeTerms(instruments, rules, costs, {}, ways)


def world(events: int, seed: int = 7) -> World:
    """Marks (55 %), quotes (30 %), trades (14 %), funding and depths over 50 instruments, each with
    a position and resting orders; every 1,000 events a market order, two limit orders and a
    cancel, every 20,000 a transfer."""
    rng, said = np.random.default_rng(seed), terms()
    names = tuple(sorted(said.instruments))
    count = len(names)
    kind = rng.choice(
        np.array([at.MARK, at.QUOTE, at.TRADE, at.FUNDING, at.DEPTH]),
        events,
        p=[0.55, 0.30, 0.14, 0.005, 0.005],
    )
    who = rng.integers(0, count, events)
    steps, a = rng.normal(0.0, 2e-5, events), np.empty(events, dtype=np.int64)
    for i in range(count):
        mine = who == i
        a[mine] = (PRICE * np.exp(np.cumsum(steps[mine]))).astype(np.int64)
    a[kind == at.FUNDING] = 10**8
    a[kind == at.DEPTH] = 0
    sides = rng.choice(np.array([-1, 1]), events) * rng.integers(1, 50, events)
    b = np.where(kind == at.TRADE, sides, 0)
    opening = np.repeat([at.DEPTH, at.CLOSE, at.QUOTE], count)
    ts_ms = START + np.r_[np.zeros(3 * count, dtype=np.int64), np.arange(1, events + 1)]
    columns = (
        ts_ms,
        np.r_[opening, kind],
        np.r_[np.tile(np.arange(count), 3), who],
        np.r_[np.where(opening == at.DEPTH, 0, PRICE), a],
        np.r_[np.zeros(3 * count, dtype=np.int64), b],
    )
    depth = np.array([[2e9, 0.03, np.nan]])
    tape = EventTape(names, START, 60_000, *columns, depth)
    return World(tape, said, _requests(rng, names, events))


def _requests(
    rng: np.random.Generator, names: tuple[str, ...], events: int
) -> list[tuple[int, Request]]:
    made: list[tuple[int, Request]] = [
        (START, Order(f"open{i}", name, 100 * (-1) ** i, False, "")) for i, name in enumerate(names)
    ]
    for turn in range(1, events // EVERY):
        due_ms, name = START + turn * EVERY, names[int(rng.integers(len(names)))]
        side = 1 if turn % 2 else -1
        made.append((due_ms, Order(f"m{turn}", name, 5 * side, False, "")))
        for away, sign in ((400, 1), (300, -1)):
            ticks = PRICE - sign * away
            made.append((due_ms, LimitOrder(f"l{turn}{sign}", name, sign * 3, ticks, 20)))
        made.append((due_ms, Cancel(f"c{turn}", name, f"l{turn - 1}1")))
        if turn % 20 == 0:
            ends = f"v{turn // 20 % 5}", f"v{(turn // 20 + 1) % 5}"
            made.append((due_ms, Transfer(f"t{turn}", *ends, "USDC", 1000 * MICRO, "")))
    return made


def opened(made: World, plain: bool = False) -> Any:
    kind: Any = PlainExchange if plain else CompiledExchange
    exchange = kind(made.tape, made.terms, 1)
    for venue in made.terms.rules:
        exchange.deposit(venue, "USDC", 200_000 * MICRO)
    return exchange


def played(made: World, plain: bool = False) -> Callable[[], Callable[[], object]]:
    """All requests are asked beforehand; the loop is left at the end alone."""

    def make() -> Callable[[], object]:
        exchange = opened(made, plain)
        exchange.ask(made.requests)
        return lambda: exchange.run()

    return make


def decided(made: World) -> Callable[[], Callable[[], object]]:
    """Python is asked every 1,000 events, hears what happened, and asks for what it wants."""
    by_time: dict[int, list[tuple[int, Request]]] = {}
    for due_ms, request in made.requests:
        by_time.setdefault(due_ms, []).append((due_ms, request))

    def make() -> Callable[[], object]:
        exchange = opened(made)

        def call() -> None:
            for due_ms, requests in by_time.items():
                exchange.run(due_ms)
                exchange.told()
                exchange.ask(requests)
            assert exchange.run().why & Wake.END

        return call

    return make


class _Held:
    __slots__ = ("balance", "cost", "equity", "lots", "maintenance", "required", "value")


def plain_loop(made: World) -> Callable[[], Callable[[], object]]:
    """Marks, quotes, funding and the test for liquidation over slots, with running sums; no
    resting orders, transfers or fills."""
    count, tiers = len(made.tape.instruments), _tiers().tiers
    events = made.tape.ts_ms.size
    columns = made.tape.kind, made.tape.who, made.tape.a
    rows = list(zip(*(column[:events].tolist() for column in columns), strict=True))
    caps = [t.cap or 2**62 for t in tiers]
    rates = [(t.rate_numerator, t.offset, t.denominator) for t in tiers]

    def call() -> None:
        held, venues, mids = [_Held() for _ in range(count)], [_Held() for _ in range(5)], [0] * 50
        for i, one in enumerate(held):
            one.lots = 100 * (-1) ** i
            one.value = one.cost = one.lots * PRICE * 100
            one.maintenance = 0
        for venue in venues:
            venue.balance, venue.equity, venue.required = 200_000 * MICRO, 200_000 * MICRO, 0
        for kind, who, a in rows:
            if kind == at.MARK:
                one, venue = held[who], venues[who // 10]
                value = one.lots * a * 100
                notional = abs(value)
                tier = 0
                while notional > caps[tier]:
                    tier += 1
                rate, offset, per = rates[tier]
                required = -((offset - notional * rate) // per)
                venue.equity += value - one.value
                venue.required += required - one.maintenance
                one.value, one.maintenance = value, required
                assert venue.equity >= venue.required
            elif kind == at.QUOTE:
                mids[who] = a
            elif kind == at.FUNDING:
                one, venue = held[who], venues[who // 10]
                paid = -((-one.value * a) // 10**12)
                venue.balance, venue.equity = venue.balance - paid, venue.equity - paid

    return lambda: call
