# SPDX-License-Identifier: Apache-2.0
"""Forced closing moves prices, empties insurance, and then takes from winners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulation.world.worlds import COINS, PARAMETERS, VENUES, crisis_step, world
from tidegate.simulation.world import WorldParameters, WorldPaths, leverage, make_world
from tidegate.simulation.world.arrays import stream
from tidegate.simulation.world.leverage import Market, run_cascade

SEEDS = range(10)


def without_impact() -> WorldParameters:
    return replace(PARAMETERS, leverage=replace(PARAMETERS.leverage, impact=0.0))


def flat_then(falls: float, steps: int = 96, depth: float = 0.1) -> Market:
    """A market that stands still and falls once, in logs, at its middle."""
    path = np.zeros((len(COINS), steps))
    path[:, steps // 2 :] = falls
    return Market(path, path, path, np.full(steps, depth))


def test_forced_closing_deepens_a_crash() -> None:
    deeper = []
    for seed in SEEDS:
        alone = make_world(without_impact(), seed, 3, "crash", 1)
        both = world("crash", seed)
        window = slice(crisis_step(both), crisis_step(both) + 13)
        deeper.append(
            np.log(both.mark_low["binance:BTC"][window].min())
            - np.log(alone.mark_low["binance:BTC"][window].min())
        )
    assert max(deeper) < 0.0
    assert -0.05 < np.mean(deeper) < -0.005


def test_nobody_is_closed_where_the_price_stands_still() -> None:
    cascade = run_cascade(stream(1, "test"), PARAMETERS, flat_then(0.0), frozenset())
    assert not cascade.closed.any()
    assert not cascade.offset.any()
    assert not cascade.losses


@pytest.mark.parametrize(("move", "loser"), [(-0.1, 0), (0.1, 1)])
def test_move_closes_the_losing_side_only_and_pushes_on_in_its_direction(
    move: float, loser: int
) -> None:
    cascade = run_cascade(stream(1, "test"), PARAMETERS, flat_then(move), frozenset())
    assert cascade.closed[:, loser].sum(axis=1).min() > 0.1
    assert not cascade.closed[:, 1 - loser, :49].any()
    assert (np.sign(cascade.offset[:, 48]) == np.sign(move)).all()
    assert not cascade.offset[:, :48].any()


def test_larger_moves_close_more_and_thinner_depth_moves_further() -> None:
    runs = [
        run_cascade(stream(1, "test"), PARAMETERS, flat_then(-0.1, depth=depth), frozenset())
        for depth in (1.0, 0.1)
    ]
    assert (runs[1].offset[:, 48] < runs[0].offset[:, 48]).all()
    deep = run_cascade(stream(1, "test"), PARAMETERS, flat_then(-0.2), frozenset())
    assert (deep.closed[:, 0].sum(axis=1) >= runs[1].closed[:, 0].sum(axis=1)).all()


def test_impact_fades_and_holders_come_back() -> None:
    cascade = run_cascade(stream(1, "test"), PARAMETERS, flat_then(-0.08, 600), frozenset())
    assert (np.abs(cascade.offset[:, 372]) < 0.1 * np.abs(cascade.offset[:, 300])).all()
    assert (cascade.held[:, 0, -1] > cascade.held[:, 0, 300]).all()


def test_walked_steps_and_blocks_passed_over_give_the_same_path() -> None:
    """A block is passed over only where walking it changes nothing: walk every step instead."""
    market = flat_then(-0.04, 240)
    noise = 0.002 * np.random.default_rng(5).standard_normal(market.close.shape)
    market = replace(market, low=market.low + noise - 0.001, high=market.high + noise + 0.001)
    passed = run_cascade(stream(1, "test"), PARAMETERS, market, frozenset())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leverage._Run, "is_quiet", lambda self, block: False)
        walked = run_cascade(stream(1, "test"), PARAMETERS, market, frozenset())
    assert np.allclose(walked.offset, passed.offset, rtol=1e-9, atol=1e-15)
    assert np.array_equal(walked.closed, passed.closed)
    assert np.allclose(walked.held, passed.held)


def shares(paths: WorldPaths, venue: str) -> float:
    return sum(event.share for event in paths.adl if event.instrument == f"{venue}:BTC")


@pytest.mark.parametrize(("crisis", "winner"), [("gap", "short"), ("squeeze", "long")])
def test_deleveraging_takes_shorts_in_a_fall_and_longs_in_a_rise(crisis: str, winner: str) -> None:
    taken = {"long": 0.0, "short": 0.0}
    for seed in SEEDS:
        for event in world(crisis, seed).adl:
            assert 0.0 < event.share <= 1.0
            assert event.rank_threshold > 0.0
            taken[event.side] += event.share
    assert taken[winner] > 10.0
    assert taken[winner] > 0.8 * sum(taken.values())


def test_venue_with_more_insurance_deleverages_less() -> None:
    taken = {venue: np.mean([shares(world("crash", s), venue) for s in SEEDS]) for venue in VENUES}
    assert taken["binance"] < 0.02 < taken["hyperliquid"] < 0.4
    rich = replace(
        PARAMETERS,
        venues=tuple(replace(venue, insurance_share=1.0) for venue in PARAMETERS.venues),
    )
    assert make_world(rich, 3, 3, "gap", 1).adl == ()
    assert world("gap", 3).adl != ()


def test_calm_worlds_hardly_deleverage() -> None:
    assert sum(len(world("calm", seed).adl) for seed in SEEDS) <= 10


def test_closed_open_interest_is_large_in_a_crash_and_small_in_calm() -> None:
    full = PARAMETERS.leverage.interest_share * PARAMETERS.coins[0].volume_day_usd
    for crisis, least, most in (("crash", 0.2, 1.0), ("calm", 0.0, 0.2)):
        closed = [world(crisis, s).liquidated_usd["binance:BTC"].sum() / full for s in SEEDS]
        assert least < np.mean(closed) < most
