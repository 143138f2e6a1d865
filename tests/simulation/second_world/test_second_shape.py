# SPDX-License-Identifier: Apache-2.0
"""The second world's arrays: same from the same seed, of one shape, without contradiction."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.simulation.second_world.worlds import (
    COINS,
    LONG_DAYS,
    PARAMETERS,
    STEP_MS,
    VENUES,
    calm,
    crisis,
    table,
)
from tidegate.model.errors import InputError
from tidegate.simulation.second_world import make_second_world
from tidegate.simulation.second_world.bars import halted_steps
from tidegate.simulation.second_world.grid import Grid

HOUR_MS = 3_600_000


def test_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    again = make_second_world(PARAMETERS, 0, 6, "crash", 3)
    assert again.digest() == crisis(0, "crash").digest()
    assert crisis(1, "crash").digest() != again.digest()


def test_parameters_have_one_name_and_each_change_another() -> None:
    assert PARAMETERS.digest() == type(PARAMETERS)().digest()
    assert len(PARAMETERS.digest()) == 64
    jumps = msgspec.structs.replace(PARAMETERS.jumps, children=0.4)
    assert msgspec.structs.replace(PARAMETERS, jumps=jumps).digest() != PARAMETERS.digest()


def test_arrays_cover_every_venue_and_coin_on_one_grid() -> None:
    world = calm(0, 2)
    assert (world.steps, world.step_ms, world.start_ms % 86_400_000) == (576, STEP_MS, 0)
    assert world.instruments == tuple((venue, coin) for venue in VENUES for coin in COINS)
    ids = {f"{venue}:{coin}" for venue, coin in world.instruments}
    for columns in (world.open, world.mark_low, world.volume_usd, world.depth, world.adl_scores):
        assert set(columns) == ids
    assert world.adl_scores["dydx:SOL"].shape == (48, 2, 4)


def test_bars_of_last_and_mark_prices_hold_their_closes() -> None:
    for world in (calm(0, LONG_DAYS), crisis(0, "gap")):
        opens, closes = table(world.open), table(world.close)
        assert (table(world.high) >= np.maximum(opens, closes)).all()
        assert (table(world.low) <= np.minimum(opens, closes)).all()
        assert (table(world.low) > 0.0).all()
        marks = table(world.mark_close)
        assert (table(world.mark_low) <= marks).all()
        assert (marks <= table(world.mark_high)).all()


def test_bar_opens_where_the_one_before_closed_unless_the_venue_was_out() -> None:
    world = calm(0, LONG_DAYS)
    jump = np.abs(table(world.open)[..., 1:] / table(world.close)[..., :-1] - 1.0)
    traded = table(world.volume_usd) > 0.0
    assert jump[traded[..., 1:] & traded[..., :-1]].max() < 1e-12


def test_marks_stay_nearer_to_each_other_than_their_clamps_allow() -> None:
    for world in (calm(0, LONG_DAYS), crisis(0, "gap"), crisis(0, "squeeze")):
        marks = np.log(table(world.mark_close))
        spread = marks.max(axis=0) - marks.min(axis=0)
        assert spread.max() <= 2.0 * PARAMETERS.liquidity.mark_clamp + 1e-12


def test_nothing_trades_in_an_outage_while_marks_go_on() -> None:
    world = calm(0, LONG_DAYS)
    assert world.outages
    grid = Grid(world.start_ms, LONG_DAYS, 0)
    halted = halted_steps(grid, PARAMETERS, world.outages) > 0.0
    assert ((table(world.volume_usd) == 0.0) == halted[:, None, :]).all()
    assert not (table(world.liquidated_usd) * halted[:, None, :]).any()
    venue, begin_ms, end_ms = world.outages[0]
    steps = slice((begin_ms - world.start_ms) // STEP_MS, -(-(end_ms - world.start_ms) // STEP_MS))
    assert np.ptp(world.close[f"{venue}:BTC"][steps]) == 0.0
    assert np.ptp(world.mark_close[f"{venue}:BTC"][steps]) > 0.0


def test_liquidations_are_part_of_volume_and_never_negative() -> None:
    world = crisis(0, "crash")
    forced = table(world.liquidated_usd)
    assert (forced >= 0.0).all()
    assert (forced <= table(world.volume_usd)).all()


def test_funding_rows_stand_in_order_at_the_ends_of_their_intervals() -> None:
    world = calm(0, 2)
    assert list(world.funding) == sorted(world.funding)
    for venue, hours in (("hyperliquid", 1), ("binance", 8), ("deribit", 1), ("dydx", 1)):
        times = [ts_ms for ts_ms, name, _ in world.funding if name == f"{venue}:ETH"]
        step = hours * HOUR_MS
        assert times == list(
            range(world.start_ms + step, world.start_ms + 2 * 86_400_000 + 1, step)
        )


def test_quantiles_of_ranking_scores_rise() -> None:
    for name, scores in calm(0, LONG_DAYS).adl_scores.items():
        assert (np.diff(scores, axis=2) >= 0.0).all(), name


def test_winners_of_a_crisis_rank_higher_than_before_and_than_losers() -> None:
    for name, winner, loser in (("crash", 1, 0), ("squeeze", 0, 1)):
        world = crisis(0, name)
        hour = (world.crisis_start_ms or 0) - world.start_ms
        before, after = hour // HOUR_MS, hour // HOUR_MS + 2
        for scores in (world.adl_scores["binance:ETH"], world.adl_scores["deribit:BTC"]):
            assert scores[after, winner, 1] > scores[before, winner, 1]
            assert scores[after, winner, 1] > scores[after, loser, 1]


@pytest.mark.parametrize(
    ("days", "name", "day", "complaint"),
    [
        (0, "calm", 0, "second world: days: expected at least 1, got 0"),
        (2, "flood", 0, "second world: crisis: expected one of calm, .*, got 'flood'"),
        (2, "gap", 2, "second world: crisis_day: expected 0 to 1, got 2"),
    ],
)
def test_window_that_cannot_be_made_is_refused_with_the_field(
    days: int, name: str, day: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        make_second_world(PARAMETERS, 0, days, name, day)
