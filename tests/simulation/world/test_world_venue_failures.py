# SPDX-License-Identifier: Apache-2.0
"""What fails at the struck venue alone: stuck marks, a local depeg, a rush for withdrawals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulation.world.worlds import CRISIS_DAY, DAYS, VENUES, crisis_step
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.simulation.world import CRISES, WorldParameters, WorldPaths, make_world

SEEDS = range(3)
PLAIN = replace(CRISES["crash"], name="struck")
# Digests of worlds and parameters made before any of this existed.
KNOWN_PARAMETERS = "1c8fe41c596f59a3af3a349b044a40ba3c5ef4751a9f82f60a408a460e01af27"
KNOWN_CRASH = "581540856b2b7c9222bd0550e3ab77cbf5858fd8bc4efad8a02503b09c31992f"


def struck(seed: int, **changes: object) -> WorldPaths:
    shape = replace(PLAIN, **changes)  # type: ignore[arg-type]
    return make_world(WorldParameters(crises=(shape,)), seed, DAYS, "struck", CRISIS_DAY)


@pytest.mark.parametrize("seed", SEEDS)
def test_stuck_marks_stand_while_the_market_goes_and_other_venues_marks_follow(seed: int) -> None:
    with_it, without = struck(seed, stuck_mark_minutes=60), struck(seed)
    first = crisis_step(with_it)
    while_stuck = slice(first, first + 12)
    for venue in VENUES:
        name = f"{venue}:BTC"
        mark = with_it.mark_close[name]
        if venue == with_it.crisis_venue:
            assert set(mark[while_stuck]) == {mark[first - 1]}
            assert set(with_it.mark_low[name][while_stuck]) == {mark[first - 1]}
            assert mark[first + 12] == without.mark_close[name][first + 12]
        else:
            assert np.array_equal(mark, without.mark_close[name])
        assert np.array_equal(with_it.close[name], without.close[name])
        assert with_it.close[name][first + 11] < 0.9 * with_it.close[name][first - 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_collateral_is_counted_at_its_worst_once_and_whole_outside_the_minutes(seed: int) -> None:
    paths = struck(seed, collateral_depeg=0.35, collateral_depeg_minutes=40)
    assert paths.crisis_venue is not None
    assert set(paths.counted) == {paths.crisis_venue}
    path, first = paths.counted[paths.crisis_venue], crisis_step(paths)
    assert path.min() == pytest.approx(0.65)
    assert (path[first : first + 8] < 1.0).all()
    assert (np.delete(path, np.s_[first : first + 8]) == 1.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_rush_begins_with_the_crisis_and_money_is_held_when_it_ends(seed: int) -> None:
    paths = struck(seed, rush_hours=2.0, drain_hours=10.0, freeze_hours=(24.0, 24.0))
    ((venue, start, end, wait),) = paths.rushes
    assert (venue, start) == (paths.crisis_venue, paths.crisis_start_ms)
    assert (end - start, wait) == (2 * HOUR_MS, 8 * HOUR_MS)
    freezes = [f for f in paths.freezes if f[0] == venue and f[2] - f[1] == 24 * HOUR_MS]
    (held,) = freezes
    assert 0 <= end - held[1] < 5 * MINUTE_MS


def test_worlds_without_any_of_it_are_what_they_were_to_the_byte() -> None:
    assert WorldParameters().digest() == KNOWN_PARAMETERS
    assert make_world(WorldParameters(), 7, 3, "crash", 2).digest() == KNOWN_CRASH
    assert struck(7, stuck_mark_minutes=5).digest() != struck(7).digest()


def test_parameters_with_a_failure_have_another_digest() -> None:
    plain, stuck = (
        WorldParameters(crises=(replace(PLAIN, stuck_mark_minutes=minutes),)).digest()
        for minutes in (0, 5)
    )
    assert plain != stuck


def test_depeg_of_more_than_everything_is_refused() -> None:
    with pytest.raises(InputError, match="collateral_depeg: expected at most 1"):
        struck(1, collateral_depeg=1.5)
