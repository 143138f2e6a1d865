# SPDX-License-Identifier: Apache-2.0
"""A tape of steps, played by the exchange as it is and by the kernel as events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.simulation.kernel.event_worlds import HOUR, PRICE, START, lot_usd, made_terms
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event, LiquidationStarted
from tidegate.model.units import MICRO
from tidegate.simulation.books import Extreme
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.kernel.compiled import CompiledExchange
from tidegate.simulation.kernel.requests import Request
from tidegate.simulation.kernel.tape import from_steps
from tidegate.simulation.tape import Freeze, FundingStamp, Tape, Track
from tidegate.simulation.terms import ExchangeTerms

STEPS, WORLDS = 30, 60


@dataclass(frozen=True)
class StepWorld:
    tape: Tape
    terms: ExchangeTerms
    asked: dict[int, list[Request]]
    deposits: list[tuple[str, str, int]]


def made(seed: int) -> StepWorld:
    rng = np.random.default_rng(seed)
    terms = made_terms(rng, 1.0)
    tracks = {name: _track(rng) for name in terms.instruments}
    stamps = [
        FundingStamp(START + int(t), name, int(rng.integers(-(10**9), 2 * 10**9)))
        for name in tracks
        for t in rng.integers(0, STEPS * 4, 6) * HOUR // 4
    ]
    windows = [
        (Freeze(str(rng.choice(list(terms.rules))), START + 3 * HOUR, START + 9 * HOUR),)
        for _ in range(2)
    ]
    tape = Tape(START, HOUR, STEPS, tracks, tuple(sorted(stamps)), *windows)
    asked: dict[int, list[Request]] = {}
    for number in range(60):
        step = int(rng.integers(0, STEPS))
        asked.setdefault(step, []).append(_request(rng, terms, f"r{number * 7 % 60:03d}"))
    deposits = [
        (venue, schedule[0][1].collateral, int(np.exp(rng.uniform(6, 10))) * MICRO)
        for venue, schedule in terms.rules.items()
    ]
    return StepWorld(tape, terms, asked, deposits)


def _track(rng: np.random.Generator) -> Track:
    close = (PRICE * np.exp(np.cumsum(rng.normal(0, 0.04, STEPS)))).astype(np.int64)
    begins = np.r_[PRICE, close[:-1]]
    wide = rng.exponential(0.02, STEPS)
    high = (np.maximum(begins, close) * (1 + wide)).astype(np.int64)
    low = (np.minimum(begins, close) * (1 - np.minimum(wide, 0.5))).astype(np.int64)
    prices = [column.tolist() for column in (begins, high, low, close)]
    spread = None if rng.random() < 0.5 else rng.uniform(0, 0.003, STEPS).tolist()
    volume = rng.uniform(1e6, 1e9, STEPS).tolist()
    return Track(*prices, volume, rng.uniform(0.01, 0.1, STEPS).tolist(), spread)


def _request(rng: np.random.Generator, terms: ExchangeTerms, name: str) -> Request:
    dollars = float(np.exp(rng.uniform(5, 12)))
    if rng.random() < 0.7:
        instrument = terms.instruments[str(rng.choice(list(terms.instruments)))]
        lots = int(rng.choice([-1, 1])) * max(1, int(dollars / lot_usd(instrument)))
        return Order(name, instrument.id, lots, bool(rng.random() < 0.2), "test")
    source, destination = rng.choice(list(terms.rules), 2).tolist()
    asset = terms.rules[source][0][1].collateral
    return Transfer(name, source, destination, asset, int(dollars * MICRO), "test")


def by_exchange(world: StepWorld, seed: int) -> tuple[list[Event], list[Extreme]]:
    exchange = Exchange(world.tape, world.terms, seed)
    for deposit in world.deposits:
        exchange.deposit(*deposit)
    events: list[Event] = []
    extremes: list[Extreme] = []
    for step in range(STEPS + 1):
        events += exchange.advance(START + step * HOUR)
        extremes += exchange.extremes
        for request in world.asked.get(step, []):
            ask = exchange.trade if isinstance(request, Order) else exchange.send
            events += ask(request)  # type: ignore[arg-type]
    return events, extremes


def by_kernel(world: StepWorld, seed: int) -> CompiledExchange:
    kernel = CompiledExchange(from_steps(world.tape), world.terms, seed, tell_extremes=True)
    for deposit in world.deposits:
        kernel.deposit(*deposit)
    kernel.ask((START + step * HOUR, r) for step in world.asked for r in world.asked[step])
    kernel.run()
    return kernel


def test_kernel_on_the_events_of_a_tape_of_steps_tells_what_the_exchange_tells() -> None:
    liquidations = 0
    for seed in range(WORLDS):
        world = made(seed)
        events, extremes = by_exchange(world, seed)
        kernel = by_kernel(world, seed)
        assert kernel.told() == events, f"seed {seed}"
        assert kernel.extremes() == extremes, f"seed {seed}"
        liquidations += sum(isinstance(event, LiquidationStarted) for event in events)
    assert liquidations >= 30
