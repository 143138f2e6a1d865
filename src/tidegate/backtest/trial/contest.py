# SPDX-License-Identifier: Apache-2.0
"""One contest: a generated market with a calm week and a crisis, ready for every policy.

Everybody starts with the same capital in the same places: at each venue in proportion to what the
plain rules' pairs hold there, so that no account begins thinner than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.experiment import Experiment, feed_of
from tidegate.backtest.policies import Pairs, paying_pairs
from tidegate.backtest.provenance import NoTables
from tidegate.backtest.trial.market import world_market, world_tape
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world import CRISES
from tidegate.simulation.world.paths import WorldPaths

WARMUP_DAYS = 30
CALM_DAYS = 7
CRISIS_DAYS = 1
# The mark of a crisis' end for who is told of it: the worst is over within this time.
CRISIS_HOURS = 6

Maker = Callable[[int, int, str, int], WorldPaths]


@dataclass(frozen=True, slots=True)
class World:
    """A maker of markets: (seed, days, crisis, day of the crisis) to paths, the digest of all its
    parameters, which journals state before any policy runs, and the crises it knows."""

    name: str
    digest: str
    make: Maker
    crises: tuple[str, ...] = tuple(CRISES)


@dataclass(frozen=True, slots=True)
class Contest:
    """A market and its book: `crisis_start_ms` is None for a calm one."""

    world: str
    crisis: str
    seed: int
    crisis_start_ms: int | None
    crisis_venue: str | None
    pairs: Pairs
    experiment: Experiment


def book() -> Mandate:
    """The mandate of the demo's book."""
    text = files("tidegate.backtest.trial").joinpath("book.toml").read_text(encoding="utf-8")
    return read_mandate(text, "book.toml")


def make_contest(
    world: World, mandate: Mandate, crisis: str, seed: int, calm_days: int | None = None
) -> Contest:
    """Make the market of a seed with a named crisis on its last day, after a month that only
    forecasts see and a calm week, or so many days; raises `InputError` for an unknown crisis."""
    if crisis not in world.crises:
        raise InputError("--crisis", crisis, f"expected one of {', '.join(world.crises)}")
    calm = CALM_DAYS if calm_days is None else calm_days
    days = WARMUP_DAYS + calm + CRISIS_DAYS
    paths = world.make(seed, days, crisis, days - CRISIS_DAYS)
    window = Window(
        paths.start_ms + WARMUP_DAYS * DAY_MS, paths.start_ms + paths.steps * paths.step_ms
    )
    arrangement = arrange(mandate, NoTables(), window, "book.toml")
    market = world_market(paths, arrangement, window)
    tape = world_tape(paths, market, arrangement)
    feed = feed_of(arrangement, market, tape)
    instruments = arrangement.terms.instruments
    pairs = paying_pairs(instruments, {n: feed.funding(n, window.start_ms) for n in instruments})
    origin = {
        "data": market.digest,
        "world": world.name,
        "world_parameters": world.digest,
        "crisis": crisis,
    }
    start = paths.crisis_start_ms
    told = None if start is None else (start, min(start + CRISIS_HOURS * HOUR_MS, tape.end_ms))
    experiment = Experiment(
        arrangement, market, tape, feed, seed, origin, _placement(arrangement, pairs), told
    )
    return Contest(world.name, crisis, seed, start, paths.crisis_venue, pairs, experiment)


def _placement(arrangement: Arrangement, pairs: Pairs) -> Mapping[str, float]:
    """Shares of capital per venue: each pair's two legs take equal parts."""
    legs = [arrangement.terms.instruments[name].venue for pair in pairs for name in pair]
    if not legs:
        return {}
    return {venue: legs.count(venue) / len(legs) for venue in arrangement.mandate.venue}
