# SPDX-License-Identifier: Apache-2.0
"""Each named crisis of the second world brings what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulation.second_world.worlds import (
    CRISES,
    CRISIS_DAY,
    LONG_DAYS,
    PARAMETERS,
    VENUES,
    FloatArray,
    calm,
    crisis,
    first_step,
    moves,
    table,
)
from tidegate.simulation.world.paths import WorldPaths

SEEDS = range(4)
FALLS = ("crash", "freeze", "depeg")
HOUR_MS = 3_600_000


@pytest.mark.parametrize("name", CRISES)
def test_crisis_begins_on_its_day_and_a_calm_world_has_none(name: str) -> None:
    world = crisis(0, name)
    assert world.crisis == name
    assert first_step(world) // 288 == CRISIS_DAY
    assert calm(0, 2).crisis_start_ms is None
    assert calm(0, 2).crisis_venue is None


@pytest.mark.parametrize("name", FALLS)
def test_crash_takes_15_to_20_percent_of_btc_and_more_of_the_others(name: str) -> None:
    for seed in SEEDS:
        fall = table(crisis(seed, name).low)[VENUES.index("binance")]
        step = first_step(crisis(seed, name))
        begin = table(crisis(seed, name).close)[VENUES.index("binance"), :, step - 1]
        worst = fall[:, step : step + 18].min(axis=1) / begin - 1.0
        assert -0.24 < worst[0] < -0.14
        assert (worst[1:] < worst[0]).all()
        assert (worst > -0.6).all()


def test_gap_is_a_matter_of_one_minute() -> None:
    for seed in SEEDS:
        world = crisis(seed, "gap")
        assert -0.19 < moves(world, 5)[0] < -0.12
        before = table(world.close)[VENUES.index("binance"), 0]
        step = first_step(world)
        assert abs(before[step - 1] / before[step - 13] - 1.0) < 0.06


def test_squeeze_raises_btc_by_about_20_percent() -> None:
    for seed in SEEDS:
        world = crisis(seed, "squeeze")
        step = first_step(world)
        high = table(world.high)[VENUES.index("binance"), 0, step : step + 18].max()
        rise = high / world.close["binance:BTC"][step - 1] - 1.0
        assert 0.17 < rise < 0.27


def test_insolvency_takes_btc_down_15_percent_in_half_an_hour() -> None:
    for seed in SEEDS:
        assert -0.22 < moves(crisis(seed, "insolvency"), 30)[0] < -0.11


@pytest.mark.parametrize("name", CRISES)
def test_depth_is_gone_spreads_are_wide_and_venues_apart_in_a_crisis(name: str) -> None:
    for seed in SEEDS:
        world = crisis(seed, name)
        step = first_step(world)
        window = slice(step, step + 12)
        depth = table(world.depth)
        assert 0.04 < depth[..., window].mean() < 0.2
        spread = table(world.half_spread)
        wider = spread[..., window].mean(axis=2) / np.quantile(spread, 0.3, axis=2)
        assert 4.0 < wider.mean() < 12.0
        log_price = np.log(table(world.close))[..., step : step + 18]
        apart_bp = 1e4 * (log_price.max(axis=0) - log_price.min(axis=0)).max(axis=1)
        assert 50.0 < np.median(apart_bp) < 260.0
        assert world.stress[window].max() > 0.9


def test_depth_comes_back_slowly_after_a_crash() -> None:
    world = crisis(0, "crash")
    step = first_step(world)
    depth = table(world.depth).mean(axis=(0, 1))
    assert depth[step + 12 : step + 24].mean() < 0.5 * depth[: step - 12].mean()
    assert depth[step + 288 : step + 432].mean() > 2.0 * depth[step + 12 : step + 24].mean()


def hyperliquid_rates(world: WorldPaths) -> FloatArray:
    """Rows (ts_ms, mean hourly rate of all coins)."""
    rows = [(t, rate / 1e12) for t, name, rate in world.funding if name.startswith("hyperliquid:")]
    return np.array(rows).reshape(-1, len(PARAMETERS.coins), 2).mean(axis=1)


def test_funding_of_an_hour_in_a_crash_is_below_any_before() -> None:
    falls = [crisis(seed, "crash") for seed in SEEDS]
    for begin, rates in [(x.crisis_start_ms or 0, hyperliquid_rates(x)) for x in falls]:
        before = rates[rates[:, 0] <= begin, 1]
        during = rates[(rates[:, 0] > begin) & (rates[:, 0] <= begin + 2 * HOUR_MS), 1]
        assert during.min() < before.min()
        assert during.min() < np.median(before) - 2e-4


def test_frozen_venue_of_a_freeze_moves_no_money_for_3_to_12_hours() -> None:
    for seed in SEEDS:
        world = crisis(seed, "freeze")
        (span,) = [x for x in world.freezes if x[1] <= (world.crisis_start_ms or 0) < x[2]]
        assert span[0] == world.crisis_venue
        assert 3 * HOUR_MS <= span[2] - span[1] <= 13 * HOUR_MS


def test_only_one_stablecoin_loses_3_percent_in_a_depeg() -> None:
    for seed in SEEDS:
        lows = sorted(float(price.min()) for price in crisis(seed, "depeg").stable.values())
        assert 0.964 < lows[0] < 0.976
        assert lows[1] > 0.998


def test_insolvent_venue_is_frozen_a_day_and_closes_half_of_its_winners() -> None:
    share = PARAMETERS.crises.deleverage_share
    for seed in SEEDS:
        world = crisis(seed, "insolvency")
        begin = world.crisis_start_ms or 0
        assert any(
            venue == world.crisis_venue and first <= begin and last >= begin + 24 * HOUR_MS
            for venue, first, last in world.freezes
        )
        halves = [x for x in world.adl if x.share == share and x.side == "short"]
        mine = [x.instrument for x in halves if x.instrument.startswith(f"{world.crisis_venue}:")]
        assert len(set(mine)) == len(PARAMETERS.coins)


def test_threshold_of_a_closing_lies_between_the_quantiles_around_its_share() -> None:
    world = crisis(0, "insolvency")
    closings = [x for x in world.adl if x.share == PARAMETERS.crises.deleverage_share]
    assert closings
    for event in closings:
        hour = (event.ts_ms - world.start_ms) // HOUR_MS
        rows = world.adl_scores[event.instrument][hour : hour + 2, 1]
        assert rows[:, 0].min() <= event.rank_threshold <= rows[:, 3].max()


def test_winners_are_closed_by_losses_beyond_insurance_and_not_on_quiet_days() -> None:
    assert all(crisis(seed, "gap").adl for seed in SEEDS)
    quiet = [calm(seed, LONG_DAYS) for seed in range(4)]
    days = {(seed, x.ts_ms // 86_400_000) for seed, world in enumerate(quiet) for x in world.adl}
    assert len(days) < 0.02 * LONG_DAYS * len(quiet)
    for world in quiet:
        for event in world.adl:
            step = (event.ts_ms - world.start_ms) // 300_000
            close = world.mark_close[event.instrument]
            against = -1.0 if event.side == "short" else 1.0
            move = against * np.log(close[step - 1] / close[max(step - 2, 0)])
            assert move > PARAMETERS.cascade.shortfall_cushion
