# SPDX-License-Identifier: Apache-2.0
"""The search finds the smallest move that kills, and its crises are what their kinds say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import ceil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.trial.contests import CALM_DAYS, DAYS, WARMUP_DAYS
from tidegate.backtest.trial import contest, killer
from tidegate.backtest.trial.killer import (
    MILDEST,
    MINUTES,
    NAME,
    RESOLUTION,
    WORST,
    Finding,
    Kind,
    cheapest,
    killed_by,
    kinds,
    search,
)
from tidegate.backtest.trial.worlds import first_world
from tidegate.model.events import LiquidationStarted
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.paths import WorldPaths

FALL = Kind(-1, 15, False, False)
# Bisecting from 0.02 and 0.60 until the bounds are no more than 0.01 apart.
STEPS = 6
ROUNDING = 5e-5


def found_of(deaths: Sequence[float], venues: Sequence[str] = ()) -> Finding:
    """The search where each seed's Tidegate dies from a move of its own on, at its own venue."""

    def kills(kind: Kind, move: float, seed: int, leverage: float, fitted: object) -> str | None:
        assert (kind, leverage, fitted) == (FALL, 4.0, None)
        return ([*venues] or ["deribit"] * len(deaths))[seed] if move >= deaths[seed] else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(killer, "killed_by", kills)
        return search(FALL, range(len(deaths)), 4.0)


@given(st.lists(st.floats(0.0, 0.8), min_size=1, max_size=7))
def test_search_ends_at_the_move_from_which_half_of_the_seeds_die(deaths: list[float]) -> None:
    found = found_of(deaths)
    half = sorted(deaths)[ceil(len(deaths) / 2) - 1]
    assert found.kind == FALL
    if half > WORST:
        assert (found.move, found.venues, found.runs) == (None, {}, len(deaths))
        return
    assert found.move is not None
    assert found.move >= half - ROUNDING
    assert found.move - RESOLUTION <= max(half, MILDEST) + ROUNDING
    assert found.runs == len(deaths) * (2 if half <= MILDEST else 2 + STEPS)
    assert (found.move == MILDEST) == (half <= MILDEST)


@given(st.floats(0.0, WORST), st.floats(0.0, WORST))
def test_book_that_bears_more_is_never_found_to_die_sooner(one: float, other: float) -> None:
    weak, strong = (found_of([death]).move for death in sorted((one, other)))
    assert weak is not None
    assert strong is not None
    assert weak <= strong


def test_worst_move_alone_kills_and_is_found() -> None:
    assert found_of([WORST]).move == WORST


@pytest.mark.parametrize(("deaths", "killed"), [([0.1, 0.9], True), ([0.1, 0.9, 0.9], False)])
def test_half_of_the_seeds_is_enough_and_less_is_not(deaths: list[float], killed: bool) -> None:
    assert (found_of(deaths).move is not None) == killed


def test_venues_are_those_of_the_least_deadly_move() -> None:
    found = found_of([0.1, 0.3, 0.3, 0.5], ["dydx", "binance", "binance", "deribit"])
    assert found.move == pytest.approx(0.3, abs=RESOLUTION)
    assert found.venues == {"binance": 2, "dydx": 1}


def finding(move: float | None, frozen: bool = False, out: bool = False) -> Finding:
    return Finding(Kind(-1, 5, frozen, out), move, {}, 7)


def test_cheapest_is_the_smallest_move_and_of_equal_ones_the_one_that_needs_less() -> None:
    least = finding(0.2, frozen=True)
    others = [finding(0.3), finding(None), finding(0.2, frozen=True, out=True)]
    assert cheapest([*others, least]) is least
    assert cheapest([least, *others]) is least
    assert cheapest([finding(0.2), least]) == finding(0.2)


def test_nothing_is_cheapest_where_nothing_kills() -> None:
    assert cheapest([]) is None
    assert cheapest([finding(None), finding(None, frozen=True)]) is None


MOVES = st.one_of(st.none(), st.floats(MILDEST, WORST))


@given(st.lists(st.tuples(MOVES, st.booleans(), st.booleans()), max_size=9))
def test_nothing_that_was_found_is_cheaper_than_the_cheapest(
    drawn: list[tuple[float | None, bool, bool]],
) -> None:
    found = [finding(*one) for one in drawn]
    least = cheapest(found)
    for one in found:
        if one.move is None:
            continue
        assert least is not None
        assert least.move is not None
        assert (least.move, least.kind.failures) <= (one.move, one.kind.failures)


def test_kinds_are_falls_and_rises_at_every_pace_with_nothing_frozen_or_both_failing() -> None:
    found = kinds()
    assert len(set(found)) == len(found) == 2 * len(MINUTES) * 3
    assert {kind.direction for kind in found} == {-1, 1}
    assert {kind.minutes for kind in found} == set(MINUTES)
    assert {(k.frozen, k.out): k.failures for k in found} == {
        (False, False): 0,
        (True, False): 1,
        (True, True): 2,
    }


def test_killers_world_states_other_parameters_for_each_kind_and_move() -> None:
    plain = WorldParameters().digest()
    digests = {first_world(k.shape(move)).digest for k in kinds() for move in (0.1, 0.2)}
    assert len(digests) == 2 * len(kinds())
    assert plain not in digests


@cache
def crisis(kind: Kind, move: float) -> WorldPaths:
    return first_world(kind.shape(move)).make(4, DAYS, NAME, DAYS - 1)


def spans(found: Sequence[tuple[str, int, int]], paths: WorldPaths) -> list[tuple[str, int, int]]:
    """What begins with the crisis or later: venue, minutes from its begin to each end."""
    begin = paths.crisis_start_ms
    assert begin is not None
    return [
        (v, (a - begin) // MINUTE_MS, (b - begin) // MINUTE_MS) for v, a, b in found if a >= begin
    ]


def moved(paths: WorldPaths, minutes: int) -> float:
    """How far the first coin's marks have gone, median over venues, from before the crisis until
    so many minutes after its begin."""
    assert paths.crisis_start_ms is not None
    begin = (paths.crisis_start_ms - paths.start_ms) // paths.step_ms
    end = begin + ceil(minutes * MINUTE_MS / paths.step_ms)
    marks = [mark for name, mark in paths.mark_close.items() if name.endswith(":BTC")]
    return float(np.median([mark[end] / mark[begin - 1] - 1.0 for mark in marks]))


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("direction", [-1, 1])
def test_crisis_of_a_kind_moves_the_first_coin_its_way_within_its_minutes(
    direction: int, minutes: int
) -> None:
    paths = crisis(Kind(direction, minutes, False, False), 0.3)
    # Force varies by a twentieth, and forced closing adds to the move.
    assert direction * moved(paths, minutes) == pytest.approx(0.3, abs=0.06)
    if minutes == 60:
        early = direction * moved(paths, 5)
        assert early < 0.2


@pytest.mark.parametrize("kind", [k for k in kinds() if k.minutes == 15], ids=repr)
def test_crisis_of_a_kind_takes_away_what_it_says_at_the_struck_venue(kind: Kind) -> None:
    paths = crisis(kind, 0.2)
    half_day = 12 * HOUR_MS // MINUTE_MS
    expected = [(paths.crisis_venue, 0, half_day)] if kind.frozen else []
    assert spans(paths.freezes, paths) == expected
    outages = spans(paths.outages, paths)
    assert [venue for venue, *_ in outages] == ([paths.crisis_venue] if kind.out else [])
    assert all(begin <= kind.minutes for _, begin, _ in outages)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contests of one calm day, in bounds that are found in a few steps."""
    monkeypatch.setattr(contest, "WARMUP_DAYS", WARMUP_DAYS)
    monkeypatch.setattr(contest, "CALM_DAYS", CALM_DAYS)
    monkeypatch.setattr(killer, "RESOLUTION", 0.15)
    monkeypatch.setattr(killer, "killed_by", cache(killed_by))


@pytest.mark.parametrize(("late_ms", "expected"), [(-1, None), (0, "binance"), (1, "binance")])
def test_death_before_the_crisis_is_not_the_crisis_doing(
    late_ms: int, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = SimpleNamespace(crisis_start_ms=1_000, experiment=None)
    times = ((1_000 + late_ms, "binance"), (5_000, "dydx"))
    deaths = [LiquidationStarted(ts_ms, venue, 0, 0) for ts_ms, venue in times]
    monkeypatch.setattr(killer, "make_contest", lambda *_: held)
    monkeypatch.setattr(killer, "run", lambda *_: SimpleNamespace(events=deaths))
    assert killed_by(FALL, 0.3, 4, 4.0) == expected


@pytest.mark.usefixtures("short")
def test_search_of_one_seed_ends_between_a_move_that_is_survived_and_one_that_kills() -> None:
    kind = Kind(-1, 1, True, True)
    found = search(kind, (4,), 5.0)
    grid = [MILDEST + (WORST - MILDEST) * k / 4 for k in range(5)]
    assert found.runs == (2 if found.move == MILDEST else 4)
    assert found.move in [round(move, 4) for move in grid]
    place = [round(move, 4) for move in grid].index(found.move)
    (venue,) = found.venues
    assert found.venues == {venue: 1}
    assert killer.killed_by(kind, grid[place], 4, 5.0) == venue
    if place > 0:
        assert killer.killed_by(kind, grid[place - 1], 4, 5.0) is None
