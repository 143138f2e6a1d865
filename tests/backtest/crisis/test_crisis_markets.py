# SPDX-License-Identifier: Apache-2.0
"""Each crisis' generated market has the figures that its definition states."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tidegate.backtest.crisis.definitions import Definition, crises, one_crisis
from tidegate.backtest.crisis.markets import first_parameters, second_day, world_of
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.simulation.world import WorldPaths
from tidegate.simulation.world.arrays import stream
from tidegate.simulation.world.crises import CrisisPlan, draw_crisis

NAMES = tuple(crises())
SECOND = tuple(name for name, crisis in crises().items() if "second" in crisis.markets)
SEED, DAYS, DAY = 6, 2, 1
# Forced closing moves prices further than the event's own move, and marks follow it late.
BEYOND, SHORT = 0.10, 0.03
BOTH = [(name, "first") for name in NAMES] + [(name, "second") for name in SECOND]


@cache
def market(name: str, where: str) -> WorldPaths:
    maker, day = world_of(name, one_crisis(name), where)
    return maker.make(SEED, DAYS, day, DAY)


def plan(name: str) -> CrisisPlan:
    """What the seed draws of a crisis in the first world."""
    p = first_parameters(name, one_crisis(name))
    betas = np.array([coin.crisis_beta for coin in p.coins])
    place = (DAY * p.steps_per_day * p.substeps, p.steps_per_day * p.substeps)
    drawn = stream(SEED, "crisis")
    return draw_crisis(drawn, p.crisis(name), p.crisis_draw, betas, len(p.venues), place)


def first_step(paths: WorldPaths) -> int:
    assert paths.crisis_start_ms is not None
    return (paths.crisis_start_ms - paths.start_ms) // paths.step_ms


def worst_move(paths: WorldPaths, crisis: Definition, coin: str) -> float:
    """The lowest close of the median venue within the crisis' minutes (and a step), over what
    stood before them."""
    begin = first_step(paths)
    steps = int(crisis.minutes.value * MINUTE_MS / paths.step_ms) + 2
    rows = [prices for name, prices in paths.close.items() if name.endswith(f":{coin}")]
    middle = np.median(np.stack(rows), axis=0)
    return float(middle[begin : begin + steps].min() / middle[begin - 1] - 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_seed_draws_the_moves_the_minutes_and_the_rebound_that_are_stated(name: str) -> None:
    crisis, drawn = one_crisis(name), plan(name)
    coins = [coin.name for coin in first_parameters(name, crisis).coins]
    moves = dict(zip(coins, np.expm1(drawn.moves), strict=True))
    for coin, figure in {"BTC": crisis.move, **crisis.falls}.items():
        assert moves[coin] == pytest.approx(figure.value)
    assert drawn.length == crisis.minutes.value
    assert drawn.rebound == crisis.rebound.value


@pytest.mark.parametrize(("name", "where"), BOTH)
def test_coins_fall_by_the_figure_within_its_minutes(name: str, where: str) -> None:
    crisis, paths = one_crisis(name), market(name, where)
    for coin, figure in {"BTC": crisis.move, **crisis.falls}.items():
        fell = worst_move(paths, crisis, coin)
        assert figure.value - BEYOND < fell < figure.value + SHORT, coin


@pytest.mark.parametrize(("name", "where"), BOTH)
def test_depth_of_the_struck_venue_falls_to_the_figure(name: str, where: str) -> None:
    """The second world's depth has noise of its own over the crisis' ceiling."""
    crisis, paths = one_crisis(name), market(name, where)
    venue = paths.crisis_venue or "binance"
    begin = first_step(paths)
    during = paths.depth[f"{venue}:BTC"][begin : begin + int(crisis.minutes.value) // 5]
    over = 1.001 if where == "first" else 1.3
    assert 0.0 < during.min()
    assert during.max() <= crisis.depth.value * over


@pytest.mark.parametrize(("name", "where"), BOTH)
def test_money_of_the_struck_venue_is_held_for_the_hours_stated(name: str, where: str) -> None:
    crisis, paths = one_crisis(name), market(name, where)
    since = (paths.crisis_start_ms or 0) + int(crisis.rush_hours.value * HOUR_MS)
    held = [
        (end - start) / HOUR_MS
        for venue, start, end in paths.freezes
        if venue == paths.crisis_venue and abs(start - since) <= paths.step_ms
    ]
    until_end = (paths.start_ms + paths.steps * paths.step_ms - since) / HOUR_MS
    hours = crisis.freeze_hours.value
    if where == "second":  # which states no time after its own end
        hours = min(hours, until_end)
    assert held == ([] if not hours else [pytest.approx(hours, abs=1 / 12)])


@pytest.mark.parametrize(("name", "where"), BOTH)
def test_winners_are_closed_by_the_share_stated(name: str, where: str) -> None:
    crisis, paths = one_crisis(name), market(name, where)
    share = crisis.adl_share.value
    ordered = [e for e in paths.adl if e.share == share and e.side == "short"]
    if not share:
        return
    struck = {e.instrument for e in ordered}
    assert struck == {f"{paths.crisis_venue}:{coin}" for _, coin in paths.instruments}
    assert all(e.ts_ms >= (paths.crisis_start_ms or 0) for e in ordered)


def test_mark_of_the_stuck_oracle_stands_while_its_market_falls() -> None:
    crisis, paths = one_crisis("stuck-oracle"), market("stuck-oracle", "first")
    begin = first_step(paths)
    steps = int(crisis.stuck_mark_minutes.value) // 5
    name = f"{paths.crisis_venue}:BTC"
    mark = paths.mark_close[name]
    assert set(mark[begin : begin + steps]) == {mark[begin - 1]}
    assert mark[begin + steps] < mark[begin - 1] * 0.97
    assert paths.close[name][begin : begin + steps].min() < paths.close[name][begin - 1] * 0.90


def test_october_counts_collateral_at_the_worst_price_in_its_forty_minutes() -> None:
    paths = market("2025-10-10", "first")
    path = paths.counted[paths.crisis_venue or ""]
    assert path.min() == pytest.approx(0.65)
    assert int((path < 1.0).sum()) * paths.step_ms == 40 * MINUTE_MS


@pytest.mark.parametrize("where", ["first", "second"])
def test_dollar_coin_of_may_2022_loses_what_is_stated(where: str) -> None:
    lowest = min(float(path.min()) for path in market("2022-05", where).stable.values())
    assert lowest == pytest.approx(0.95, abs=0.006)


def test_venue_is_out_for_the_minutes_stated_of_march_2020() -> None:
    paths = market("2020-03-12", "first")
    begin = paths.crisis_start_ms or 0
    hour = range(begin, begin + HOUR_MS)
    out = [
        end - at for venue, at, end in paths.outages if venue == paths.crisis_venue and at in hour
    ]
    assert out == [25 * MINUTE_MS]


def test_drained_venue_pays_later_the_later_it_is_asked() -> None:
    ((venue, start, end, wait),) = market("drained", "first").rushes
    assert venue == market("drained", "first").crisis_venue
    assert (end - start, wait) == (2 * HOUR_MS, 8 * HOUR_MS)


def test_second_world_knows_a_day_for_each_kind_of_failure() -> None:
    days = {name: second_day(one_crisis(name)) for name in SECOND}
    assert days["2022-11"] == days["insolvency"] == "insolvency"
    assert (days["2022-05"], days["2021-05-19"]) == ("depeg", "freeze")
    assert days["2024-08-05"] == "crash"
