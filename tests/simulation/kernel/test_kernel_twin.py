# SPDX-License-Identifier: Apache-2.0
"""The kernel tells what the plain exchange tells, to the integer, event by event."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.simulation.kernel.event_worlds import World, made_requests, made_world
from tidegate.model.actions import Order
from tidegate.model.errors import InvariantError
from tidegate.model.events import Filled
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel.compiled import CompiledExchange
from tidegate.simulation.kernel.plain import PlainExchange
from tidegate.simulation.kernel.requests import LimitOrder, Request, Wake

WORLDS, SOAK_WORLDS = 300, 10_000
WAKES = (0, 0, Wake.FILL, Wake.LIQUIDATION, Wake.REFUSAL | Wake.LANDING, Wake.HEALTH)


def pair(world: World, seed: int) -> tuple[CompiledExchange, PlainExchange]:
    arguments = world.tape, world.terms, seed, world.maker_ppm
    both = CompiledExchange(*arguments, tell_extremes=True), PlainExchange(*arguments)
    for exchange in both:
        for deposit in world.deposits:
            exchange.deposit(*deposit)
    return both


def stopped_alike(seed: int, seen: Counter[str]) -> None:
    """Play one world in stretches that end at times or at happenings; compare at every stop."""
    rng = np.random.default_rng(seed)
    world = made_world(rng)
    fast, plain = pair(world, seed)
    asked, why = 0, Wake(0)
    while not why & Wake.END:
        requests = made_requests(rng, world, fast.now_ms, asked, int(rng.integers(0, 12)))
        asked += len(requests)
        until = None if rng.random() < 0.3 else int(fast.now_ms + rng.integers(0, 20 * 3_600_000))
        wake = WAKES[int(rng.integers(len(WAKES)))]
        venue, level = str(rng.choice(list(world.terms.rules))), int(rng.integers(0, 10**10))
        for exchange in (fast, plain):
            exchange.ask(requests)
            exchange.watch(venue, level)
        try:
            woken = fast.run(until, wake)
        except InvariantError:
            plain.run(until, wake)
            assert beyond(fast, plain, requests), f"seed {seed}"
            seen["stopped beyond the range"] += 1
            return
        assert woken == plain.run(until, wake), f"seed {seed}"
        told = fast.told()
        assert told == plain.told(), f"seed {seed} until {woken}"
        seen.update(type(event).__name__ for event in told)
        same_books(world, fast, plain, f"seed {seed} at {woken}")
        why = woken.why
    assert fast.extremes() == plain.judged, f"seed {seed}"


def beyond(
    fast: CompiledExchange, plain: PlainExchange, requests: list[tuple[int, Request]]
) -> bool:
    """Whether the twin, which has no range, leaves that of the kernel: by a fill's price, or by
    lots that are held and asked for."""
    limits = {
        name: (int(row[at.TICKS_MAX]), int(row[at.LOTS_MAX]))
        for name, row in zip(fast.marks(), fast._world.instruments, strict=True)
    }
    lots = dict.fromkeys(limits, 0)
    for _, request in (*requests, *plain._asked):
        if isinstance(request, Order | LimitOrder):
            lots[request.instrument] += abs(request.lots)
    for event in plain.told():
        if isinstance(event, Filled):
            lots[event.instrument] += abs(event.lots)
            if event.ticks > limits[event.instrument][0]:
                return True
    return any(lots[name] > limits[name][1] for name in limits)


def all_alike(seeds: range) -> Counter[str]:
    """Play worlds; how often each kind of event was told."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        stopped_alike(seed, seen)
    return seen


def same_books(world: World, fast: CompiledExchange, plain: PlainExchange, where: str) -> None:
    assert fast.marks() == plain.marks(), where
    for venue in world.terms.rules:
        account = fast.account(venue)
        assert account == plain.account(venue), where
        assert list(account.positions) == list(plain.account(venue).positions), where
        assert fast.health(venue) == plain.health(venue), where
        assert fast.margin(venue) == plain.margin(venue), where


def test_kernel_and_plain_twin_in_random_worlds_tell_the_same_to_the_integer() -> None:
    seen = all_alike(range(WORLDS))
    # All that can be told was told, or the worlds are too kind.
    told = "Filled FundingPaid LiquidationStarted PenaltyCharged DeficitCovered YieldAccrued "
    told += "OrderRefused TransferSent TransferLanded TransferRefused OrderRested OrderCancelled"
    assert all(seen[name] >= 30 for name in told.split()), seen


@pytest.mark.soak
def test_kernel_and_plain_twin_in_ten_thousand_worlds_tell_the_same_to_the_integer() -> None:
    all_alike(range(1_000_000, 1_000_000 + SOAK_WORLDS))
