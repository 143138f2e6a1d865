# SPDX-License-Identifier: Apache-2.0
"""The queue light: what a world shows holders of their place in the venue's order of winners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.world.worlds import COINS, CRISIS_DAY, DAYS, PARAMETERS, world
from tidegate.model.errors import InvariantError
from tidegate.model.times import HOUR_MS
from tidegate.simulation.world import (
    CRISES,
    AdlEvent,
    WorldParameters,
    WorldPaths,
    leverage,
    make_world,
)
from tidegate.simulation.world.arrays import FloatArray, stream
from tidegate.simulation.world.leverage import Cascade, Market, run_cascade
from tidegate.simulation.world.queues import (
    QUANTILES,
    held_quantiles,
    queue_lights,
    steps_before_hours,
)

PER_HOUR = HOUR_MS // PARAMETERS.step_ms
SEEDS = range(12)
SIDE = {"long": 0, "short": 1}


def with_blocks(hours: float) -> WorldParameters:
    return replace(PARAMETERS, leverage=replace(PARAMETERS.leverage, block_hours=hours))


def restless(hours: int) -> Market:
    """Quiet hours, and falls that force some to close in the midst of hours."""
    steps = hours * PER_HOUR
    path = np.zeros((len(COINS), steps))
    for begin in range(29, steps, 61):
        path[:, begin:] -= 0.03
    wobble = 1e-3 * np.random.default_rng(5).standard_normal(path.shape)
    return Market(path + wobble - 1e-3, path + wobble + 1e-3, path + wobble, np.full(steps, 0.3))


def hourly_cascade(parameters: WorldParameters, market: Market, walk: bool = False) -> Cascade:
    wanted = frozenset(steps_before_hours(parameters, market.close.shape[1]))
    with pytest.MonkeyPatch.context() as patch:
        if walk:
            patch.setattr(leverage._Run, "is_quiet", lambda self, block: False)
        return run_cascade(stream(1, "test"), parameters, market, wanted)


def marks(market: Market) -> FloatArray:
    ends = np.array(steps_before_hours(PARAMETERS, market.close.shape[1]))
    return np.asarray(market.close[:, np.maximum(ends, 0)])


def deleveragings() -> Iterator[tuple[WorldPaths, AdlEvent]]:
    for crisis in ("gap", "crash", "squeeze", "insolvency"):
        for seed in SEEDS:
            paths = world(crisis, seed)
            yield from ((paths, event) for event in paths.adl)


@pytest.mark.parametrize("crisis", CRISES)
def test_lights_have_their_shape_and_ascend_over_quantiles(crisis: str) -> None:
    for seed in SEEDS:
        paths = world(crisis, seed)
        assert list(paths.adl_scores) == list(paths.open)
        for scores in paths.adl_scores.values():
            assert scores.shape == (DAYS * 24, 2, 4)
            assert (np.diff(scores, axis=2) >= 0.0).all()
            assert scores[0].any()


@given(st.data())
def test_quantiles_are_those_of_the_holders_alone(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 50))
    values = st.lists(st.floats(-50.0, 50.0), min_size=count, max_size=count)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    scores, holding = np.array(data.draw(values)), np.array(data.draw(flags))
    found = held_quantiles(scores[None], holding[None])[0]
    if holding.any():
        expected = np.quantile(scores[holding], QUANTILES)
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert (np.diff(found) >= 0.0).all()
    else:
        assert found.tolist() == [0.0] * 4


@pytest.mark.parametrize("block_hours", [0.25, 1.0, 2.0, 2.5, 7.0])
def test_lights_in_blocks_passed_over_are_those_of_walked_ones(block_hours: float) -> None:
    parameters, market = with_blocks(block_hours), restless(48)
    passed = hourly_cascade(parameters, market)
    walked = hourly_cascade(parameters, market, walk=True)
    assert passed.closed.any()
    lights, again = (queue_lights(parameters, run, marks(market)) for run in (passed, walked))
    for name, scores in lights.items():
        assert np.allclose(scores, again[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("block_hours", [0.25, 2.0, 7.0])
def test_snapshots_hold_who_holds_at_their_step(block_hours: float) -> None:
    """In walked blocks they once stood as at the block's end, with later closings in them."""
    cascade = hourly_cascade(with_blocks(block_hours), restless(48))
    for step, holders in cascade.snapshots.items():
        if step >= 0:
            assert np.array_equal(holders.holding.mean(axis=2), cascade.held[:, :, step])


def test_light_of_each_venue_follows_its_own_formula() -> None:
    lights = world("crash", 1).adl_scores
    for coin in COINS:
        assert np.array_equal(lights[f"binance:{coin}"], lights[f"dydx:{coin}"])
        # Whoever holds at a price has a positive ratio of prices; profits have both signs.
        assert (lights[f"hyperliquid:{coin}"] > 0.0).all()
        assert lights[f"binance:{coin}"].min() < 0.0


def test_light_knows_nothing_of_the_hour_that_it_begins() -> None:
    on_the_hour = replace(PARAMETERS, crisis_draw=replace(PARAMETERS.crisis_draw, hours=(5.0, 5.0)))
    for seed in range(3):
        struck, calm = (make_world(on_the_hour, seed, 2, name, 1) for name in ("gap", "calm"))
        hour = 24 + 5
        assert struck.crisis_start_ms == struck.start_ms + hour * HOUR_MS
        for name, scores in struck.adl_scores.items():
            assert np.array_equal(scores[: hour + 1], calm.adl_scores[name][: hour + 1])
            assert not np.array_equal(scores[hour + 1], calm.adl_scores[name][hour + 1])


@pytest.mark.parametrize(("crisis", "winner"), [("gap", 1), ("squeeze", 0)])
def test_winners_stand_higher_after_a_crisis_where_profit_ranks(crisis: str, winner: int) -> None:
    """By ratio of prices they need not: profit lowers a winner's own leverage by more."""
    for seed in SEEDS:
        paths = world(crisis, seed)
        begin = ((paths.crisis_start_ms or 0) - paths.start_ms) // HOUR_MS
        for venue in ("binance", "deribit", "dydx"):
            scores = paths.adl_scores[f"{venue}:BTC"][:, winner, 2]
            assert scores[begin + 2] > scores[begin]


def test_threshold_of_a_deleveraging_on_the_hour_lies_where_the_light_says() -> None:
    seen = []
    for paths, event in deleveragings():
        hour, rest = divmod(event.ts_ms - paths.start_ms, HOUR_MS)
        if rest or hour >= paths.hours:
            continue
        light = paths.adl_scores[event.instrument][hour, SIDE[event.side]]
        place = 1.0 - event.share
        slack = 1e-9 * np.abs(light).max()
        assert (light[place <= QUANTILES] >= event.rank_threshold - slack).all()
        assert (light[place >= QUANTILES] <= event.rank_threshold + slack).all()
        seen.append((event.instrument.split(":")[0], 0.2 < event.share < 0.8))
    assert {venue for venue, _ in seen} >= {"hyperliquid", "deribit"}
    assert sum(inside for _, inside in seen) > 10


def test_threshold_of_a_deleveraging_near_the_hour_lies_near_the_light() -> None:
    """Within a step of the hour and a twentieth of its price: a gap between them moves scores."""
    apart = []
    for paths, event in deleveragings():
        since_ms = event.ts_ms - paths.start_ms
        hour = round(since_ms / HOUR_MS)
        if abs(since_ms - hour * HOUR_MS) == paths.step_ms and 0.2 < event.share < 0.8:
            close = paths.mark_close[event.instrument]
            moved = close[since_ms // paths.step_ms - 1] / close[hour * PER_HOUR - 1] - 1.0
            light = paths.adl_scores[event.instrument][hour, SIDE[event.side]]
            place = np.interp(event.rank_threshold, light, QUANTILES)
            if abs(moved) < 0.05:
                apart.append(abs(place - (1.0 - event.share)))
    assert len(apart) > 10
    assert max(apart) < 0.1


def test_lights_are_part_of_the_digest() -> None:
    paths = world("calm", 1)
    changed = {name: scores.copy() for name, scores in paths.adl_scores.items()}
    changed["binance:ETH"][7, 1, 2] += 1e-9
    assert replace(paths, adl_scores=changed).digest() != paths.digest()


@pytest.mark.parametrize("shape", [(DAYS * 288,), (DAYS * 24, 4), (DAYS * 24 + 1, 2, 4)])
def test_light_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvariantError, match="adl_scores dydx:BTC: wrong shape"):
        replace(world("calm", 1), adl_scores={"dydx:BTC": np.zeros(shape)})


def test_lights_cannot_be_written_and_a_price_of_their_shape_is_refused() -> None:
    paths = world("calm", 1)
    with pytest.raises(ValueError, match="read-only"):
        paths.adl_scores["dydx:BTC"][0, 0, 0] = 1.0
    with pytest.raises(InvariantError, match="open dydx:BTC: wrong shape"):
        replace(paths, open={"dydx:BTC": np.zeros((DAYS * 24, 2, 4))})


def test_crisis_day_is_inside_of_the_lights() -> None:
    assert world("crash", 1).hours == DAYS * 24 > (CRISIS_DAY + 1) * 24
