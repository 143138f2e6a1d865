# SPDX-License-Identifier: Apache-2.0
"""Short contests that several tests look at, each made once: a month that only forecasts see is
25 days, the calm week is one day, and a policy may be stopped at any time to see what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tidegate.backtest import experiment
from tidegate.backtest import run as playing
from tidegate.backtest.experiment import Spec
from tidegate.backtest.run import Policy, Session
from tidegate.backtest.trial import contest
from tidegate.backtest.trial.contest import Contest, World
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.tape import Tape
from tidegate.simulation.world.paths import AdlEvent, WorldPaths

FloatArray = NDArray[np.float64]
Spans = tuple[tuple[str, int, int], ...]

WARMUP_DAYS, CALM_DAYS, CRISIS_DAYS = 25, 1, 1
DAYS = WARMUP_DAYS + CALM_DAYS + CRISIS_DAYS
SEED, CRISIS = 3, "insolvency"
BOOK = contest.book()
VENUES = tuple(BOOK.venue)
PRICES = ("high", "low", "close", "mark_high", "mark_low", "mark_close")
OTHERS = {"volume_usd": 2.0, "half_spread": 3.0, "depth": 0.5, "liquidated_usd": 5.0}


@cache
def made(world: str, crisis: str = CRISIS, seed: int = SEED) -> WorldPaths:
    return WORLDS[world]().make(seed, DAYS, crisis, DAYS - CRISIS_DAYS)


def staged(paths: WorldPaths, crisis: str = CRISIS, seed: int = SEED) -> Contest:
    """The contest on a market that is there already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "WARMUP_DAYS", WARMUP_DAYS)
        patch.setattr(contest, "CALM_DAYS", CALM_DAYS)
        given = World("given", "0" * 64, lambda *_: paths)
        return contest.make_contest(given, BOOK, crisis, seed)


@cache
def held(world: str) -> Contest:
    return staged(made(world))


def start_ms(paths: WorldPaths) -> int:
    """When the run begins."""
    return paths.start_ms + WARMUP_DAYS * DAY_MS


def first_step(paths: WorldPaths) -> int:
    return (start_ms(paths) - paths.start_ms) // paths.step_ms


class Halted(Exception):
    """The policy has acted at the time at which it is to be looked at."""


@dataclass(slots=True)
class Until:
    """A policy that is stopped once it has acted at a time."""

    policy: Policy
    ts_ms: int

    def act(self, ts_ms: int) -> None:
        self.policy.act(ts_ms)
        if ts_ms >= self.ts_ms:
            raise Halted


def played(held: Contest, spec: Spec, ts_ms: int) -> tuple[Session, Policy]:
    """A real run's session and policy as they stand after the policy has acted at a time."""
    seen: list[tuple[Session, Policy]] = []

    def play(session: Session, policy: Policy, tape: Tape, progress: object = None) -> None:
        seen.append((session, policy))
        playing.play(session, Until(policy, ts_ms), tape)

    with pytest.MonkeyPatch.context() as patch, suppress(Halted):
        patch.setattr(experiment, "play", play)
        experiment.run(held.experiment, spec, None)
    return seen[0]


def changed_after(paths: WorldPaths, ts_ms: int) -> WorldPaths:
    """The same market up to a time and another one after it. The first price of the step that
    begins at the time stays: it is the price of that moment, at which orders sent then fill."""
    step = (ts_ms - paths.start_ms) // paths.step_ms
    hour = (ts_ms - paths.start_ms) // HOUR_MS + 1
    columns = {name: bent(getattr(paths, name), step, by) for name, by in OTHERS.items()}
    return replace(
        paths,
        **other_prices(paths, step),
        **columns,
        funding=tuple((t, n, rate if t <= ts_ms else 10**9 - rate) for t, n, rate in paths.funding),
        stable=bent(paths.stable, step, 0.97),
        freezes=other_spans(paths.freezes, ts_ms),
        outages=other_spans(paths.outages, ts_ms),
        adl=other_closings(paths, ts_ms),
        adl_scores=bent(paths.adl_scores, hour, 0.0),
        stress=bent({"": paths.stress}, step, 0.5)[""],
        crisis_start_ms=None,
        crisis_venue=None,
    )


def bent(columns: Mapping[str, FloatArray], first: int, by: float) -> dict[str, FloatArray]:
    return {name: np.concatenate([c[:first], c[first:] * by]) for name, c in columns.items()}


def other_prices(paths: WorldPaths, step: int) -> dict[str, dict[str, FloatArray]]:
    """Prices that go elsewhere from a step on, each instrument by its own share."""
    share = {name: 0.8 + 0.4 * (k % 7) / 6.5 for k, name in enumerate(sorted(paths.close))}
    found: dict[str, dict[str, FloatArray]] = {"open": {}}
    for name, column in paths.open.items():
        later = column[step + 1 :] * share[name]
        found["open"][name] = np.concatenate([column[: step + 1], later])
    for kind in PRICES:
        columns = getattr(paths, kind)
        found[kind] = {n: bent({n: c}, step, share[n])[n] for n, c in columns.items()}
    for name, opened in found["open"].items():
        found["high"][name] = np.maximum(found["high"][name], opened)
        found["low"][name] = np.minimum(found["low"][name], opened)
    return found


def other_spans(spans: Spans, ts_ms: int) -> Spans:
    """What holds at the time ends elsewhere, nothing that came later comes, all venues stop soon
    after."""
    past = [(v, a, b if b <= ts_ms else b + HOUR_MS) for v, a, b in spans if a <= ts_ms]
    return (*past, *((venue, ts_ms + 1, ts_ms + 3 * HOUR_MS) for venue in VENUES))


def other_closings(paths: WorldPaths, ts_ms: int) -> tuple[AdlEvent, ...]:
    soon = ts_ms + paths.step_ms
    sides = ("long", "short")
    late = [AdlEvent(soon, name, side, 1.0, -1.0) for name in paths.close for side in sides]
    return (*(event for event in paths.adl if event.ts_ms <= ts_ms), *late)
