# SPDX-License-Identifier: Apache-2.0
"""Worlds are repeatable, their bars are bars, and each crisis has the shape of its name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.simulation.world.worlds import (
    COINS,
    CRISIS_DAY,
    DAYS,
    PARAMETERS,
    VENUES,
    crisis_step,
    plan,
    returns,
    world,
)
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world import CRISES, WorldPaths, make_world
from tidegate.simulation.world.arrays import FloatArray

SEEDS = range(12)
STRUCK = [name for name in CRISES if name != "calm"]
PAIRS = [f"{venue}:BTC" for venue in VENUES]
AGAIN = (
    "from tidegate.simulation.world import *;"
    "print(make_world(WorldParameters(), 1, 3, 'insolvency', 1).digest())"
)


def last_step(crisis: str, seed: int) -> int:
    """The step in which the crisis' last minute lies; after it prices come back."""
    drawn = plan(crisis, seed)
    return (drawn.start + drawn.length - 1) // PARAMETERS.substeps


def index_move(paths: WorldPaths, steps: tuple[int, int], coin: str = "BTC") -> float:
    """From one step's close to another's: median over venues, so that no venue's own gap
    decides."""
    begin, end = steps
    marks = [paths.mark_close[f"{venue}:{coin}"] for venue in VENUES]
    return float(np.median([mark[end] / mark[begin] - 1.0 for mark in marks]))


def crisis_move(crisis: str, seed: int, coin: str = "BTC") -> float:
    paths = world(crisis, seed)
    return index_move(paths, (crisis_step(paths) - 1, last_step(crisis, seed)), coin)


def gap_bp(paths: WorldPaths, column: str) -> float:
    """Largest distance between two venues' BTC prices within two hours of a crisis' begin."""
    begin = crisis_step(paths)
    prices = np.log([getattr(paths, column)[name][begin : begin + 24] for name in PAIRS])
    return float((prices.max(axis=0) - prices.min(axis=0)).max() * 1e4)


def test_world_of_the_same_arguments_is_the_same_in_another_process() -> None:
    other = subprocess.run(
        [sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True, timeout=60
    )
    assert other.stdout.strip() == world("insolvency", 1).digest()


def test_world_of_another_seed_or_crisis_is_another_world() -> None:
    digests = {world(name, seed).digest() for name in CRISES for seed in (1, 2)}
    assert len(digests) == 2 * len(CRISES)


@pytest.mark.parametrize("crisis", STRUCK)
def test_worlds_of_one_seed_agree_until_the_crisis_begins(crisis: str) -> None:
    struck, calm = world(crisis, 3), world("calm", 3)
    begin = crisis_step(struck)
    for column in ("open", "high", "low", "close", "mark_low", "depth", "half_spread"):
        for name, values in getattr(struck, column).items():
            assert np.array_equal(values[:begin], getattr(calm, column)[name][:begin]), column


@pytest.mark.parametrize("crisis", CRISES)
def test_bars_contain_their_open_and_close_and_join(crisis: str) -> None:
    paths = world(crisis, 1)
    assert paths.steps == DAYS * 288
    assert set(paths.open) == {f"{venue}:{coin}" for venue, coin in paths.instruments}
    for name, opened in paths.open.items():
        close = paths.close[name]
        assert (paths.high[name] >= np.maximum(opened, close)).all()
        assert (paths.low[name] <= np.minimum(opened, close)).all()
        assert (paths.mark_high[name] >= paths.mark_close[name]).all()
        assert (paths.mark_low[name] <= paths.mark_close[name]).all()
        assert (paths.mark_low[name] > 0.0).all()
        assert np.array_equal(opened[1:], close[:-1])


@pytest.mark.parametrize("crisis", CRISES)
def test_depth_spread_stress_and_volume_stay_in_their_ranges(crisis: str) -> None:
    paths = world(crisis, 2)
    assert ((paths.stress >= 0.0) & (paths.stress <= 1.0)).all()
    for name in paths.open:
        assert (paths.depth[name] > 0.01).all()
        assert (paths.depth[name] < 2.5).all()
        assert (paths.half_spread[name] > 0.0).all()
        assert (paths.half_spread[name] < 0.01).all()
        assert (paths.volume_usd[name] >= 0.0).all()


def test_arrays_of_a_world_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        world("calm", 1).open["binance:BTC"][0] = 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("crisis", "least", "most"),
    [
        ("crash", -0.22, -0.165),
        ("freeze", -0.22, -0.165),
        ("depeg", -0.22, -0.165),
        ("gap", -0.19, -0.13),
        ("squeeze", 0.18, 0.26),
        ("insolvency", -0.19, -0.135),
    ],
)
def test_crisis_moves_the_first_coin_as_named_and_forced_closing_adds(
    crisis: str, least: float, most: float, seed: int
) -> None:
    assert least <= crisis_move(crisis, seed) <= most


def taken_back(crisis: str, seed: int, hours: float) -> FloatArray:
    """Share (coins) of a crisis' move that a world has back after hours, before forced closing:
    against the same world without a rebound, so that the noise of both is one."""
    drawn = plan(crisis, seed)
    end = drawn.start + drawn.length
    later = slice(end, end + round(hours / PARAMETERS.substep_hours))
    with_it, without = (returns(p, seed) for p in (drawn, replace(drawn, rebound=0.0)))
    assert np.array_equal(with_it[:, :end], without[:, :end])
    return -(with_it - without)[:, later].sum(axis=1) / drawn.moves


@pytest.mark.parametrize("crisis", STRUCK)
def test_between_a_fifth_and_seven_tenths_of_a_crisis_comes_back_within_hours(crisis: str) -> None:
    # 2020-03-12, 2025-02-03 and 2025-10-10 took back a third to two thirds of their fall.
    shares = np.array([taken_back(crisis, seed, 6.0) for seed in SEEDS])
    assert ((shares > 0.2 * 0.999) & (shares < 0.7)).all()
    assert np.ptp(shares, axis=1).max() < 1e-9
    assert shares.min() < 0.35 < 0.55 < shares.max()


@pytest.mark.parametrize("crisis", STRUCK)
def test_what_comes_back_of_a_crisis_does_so_fast_at_first_and_then_fades(crisis: str) -> None:
    half, whole = (taken_back(crisis, 5, hours) for hours in (0.5, 12.0))
    np.testing.assert_allclose(half / whole, 0.5, rtol=1e-6)


def test_what_comes_back_is_drawn_by_the_seed_and_the_same_for_every_crisis() -> None:
    shares = {seed: {plan(crisis, seed).rebound for crisis in STRUCK} for seed in SEEDS}
    assert all(len(found) == 1 for found in shares.values())
    assert len(set().union(*shares.values())) == len(SEEDS)
    assert np.array_equal(returns(plan("crash", 2), 2), returns(plan("crash", 2), 2))


@pytest.mark.parametrize("crisis", STRUCK)
def test_marks_of_a_world_have_part_of_the_move_back_after_three_hours(crisis: str) -> None:
    """Forced closing and noise are in it, so that only the middle of the seeds is bounded."""
    shares = []
    for seed in SEEDS:
        end = last_step(crisis, seed)
        after = index_move(world(crisis, seed), (end, end + 36))
        shares.append(-np.log1p(after) / np.log1p(crisis_move(crisis, seed)))
    assert min(shares) > 0.1
    assert 0.3 < np.median(shares) < 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_gap_comes_within_one_step(seed: int) -> None:
    paths = world("gap", seed)
    begin = crisis_step(paths)
    assert paths.mark_low["binance:BTC"][begin] / paths.open["binance:BTC"][begin] - 1.0 < -0.12


@pytest.mark.parametrize("crisis", STRUCK)
def test_smaller_coins_move_further_on_average(crisis: str) -> None:
    first = np.mean([crisis_move(crisis, seed) for seed in SEEDS])
    last = np.mean([crisis_move(crisis, seed, COINS[-1]) for seed in SEEDS])
    assert abs(last) > 1.1 * abs(first)


@pytest.mark.parametrize("crisis", STRUCK)
def test_depth_collapses_and_spreads_widen_at_the_struck_venue(crisis: str) -> None:
    for seed in SEEDS:
        paths = world(crisis, seed)
        name, begin = f"{paths.crisis_venue}:BTC", crisis_step(paths)
        window = slice(begin, begin + max(1, CRISES[crisis].minutes // 5))
        assert 0.02 < paths.depth[name][window].mean() < 0.12
        calm = world("calm", seed)
        quiet = np.median(calm.half_spread[name][calm.stress < 0.05])
        assert 4.0 < paths.half_spread[name][window].mean() / quiet < 14.0


def test_insolvency_leaves_a_twentieth_of_depth_and_holds_money_for_a_day() -> None:
    for seed in SEEDS:
        paths = world("insolvency", seed)
        begin = crisis_step(paths)
        assert paths.depth[f"{paths.crisis_venue}:ETH"][begin : begin + 6].max() <= 0.05
        held = [(start, end) for venue, start, end in paths.freezes if venue == paths.crisis_venue]
        assert (paths.crisis_start_ms, (paths.crisis_start_ms or 0) + DAY_MS) in held


def test_insolvency_takes_half_of_the_winners_at_the_struck_venue_only() -> None:
    paths = world("insolvency", 4)
    step_ms = paths.step_ms
    ordered = [event for event in paths.adl if event.share == 0.5]
    assert {event.instrument for event in ordered} == {f"{paths.crisis_venue}:{c}" for c in COINS}
    assert {event.side for event in ordered} == {"short"}
    assert {event.ts_ms - (paths.crisis_start_ms or 0) for event in ordered} <= {
        6 * step_ms,
        7 * step_ms,
    }


def test_freeze_lasts_hours_that_the_seed_draws_at_a_venue_that_it_draws() -> None:
    lengths, venues = set(), set()
    for seed in SEEDS:
        paths = world("freeze", seed)
        (end,) = {
            end
            for venue, start, end in paths.freezes
            if (venue, start) == (paths.crisis_venue, paths.crisis_start_ms)
        }
        lengths.add(end - (paths.crisis_start_ms or 0))
        venues.add(paths.crisis_venue)
    assert 3 * HOUR_MS <= min(lengths) < max(lengths) <= 12 * HOUR_MS
    assert len(lengths) > 6
    assert len(venues) == 4


def test_crash_alone_holds_no_money() -> None:
    for seed in SEEDS:
        paths = world("crash", seed)
        assert all(start != paths.crisis_start_ms for _, start, _ in paths.freezes)


def test_depeg_takes_three_percent_off_one_stablecoin_and_heals() -> None:
    struck = set()
    for seed in SEEDS:
        paths = world("depeg", seed)
        lowest = {asset: float(prices.min()) for asset, prices in paths.stable.items()}
        (fallen,) = [asset for asset, price in lowest.items() if price < 0.985]
        struck.add(fallen)
        assert lowest[fallen] == pytest.approx(0.97, abs=0.006)
        assert paths.stable[fallen][-1] > lowest[fallen] + 0.004
    assert struck == {"USDT", "USDC"}


def test_stablecoins_wobble_by_some_basis_points_outside_of_a_depeg() -> None:
    prices = np.concatenate([world("calm", s).stable[a] for s in SEEDS for a in ("USDT", "USDC")])
    assert 1e-4 < prices.std() < 1e-3
    assert abs(prices.mean() - 1.0) < 1e-4


def test_crisis_begins_on_its_day_at_an_hour_that_the_seed_draws() -> None:
    begins = {(world("crash", s).crisis_start_ms or 0) - PARAMETERS.start_ms for s in SEEDS}
    assert len(begins) == len(SEEDS)
    assert CRISIS_DAY * DAY_MS <= min(begins)
    assert max(begins) < CRISIS_DAY * DAY_MS + 21 * HOUR_MS
    assert world("calm", 1).crisis_start_ms is None


def test_venues_gap_in_a_crisis_as_measured() -> None:
    # Measured between two venues: closes 53 bp apart and lows 187 bp, against 3 bp in calm.
    closes = [gap_bp(world("crash", seed), "close") for seed in SEEDS]
    lows = [gap_bp(world("crash", seed), "low") for seed in SEEDS]
    assert min(closes) < 80.0 < max(closes)
    assert np.mean(np.array(closes) >= 53.0) > 0.6
    assert 40.0 < np.median(closes) < np.median(lows) < 250.0
    assert max(lows) >= 187.0
    assert max(lows) < 1_000.0


def test_funding_spikes_after_a_crash_and_against_the_move() -> None:
    """An hour shows it; eight hours average it with the way back, and end below their usual
    0.01 %."""
    lowest: dict[bool, list[float]] = {True: [], False: []}
    for seed in SEEDS:
        paths = world("crash", seed)
        begin = paths.crisis_start_ms or 0
        averaged = paths.crisis_venue == "binance"
        name, hours = f"{paths.crisis_venue}:BTC", 8 if averaged else 1
        after = [r for ts, n, r in paths.funding if n == name and 0 < ts - begin <= 16 * HOUR_MS]
        lowest[averaged].append(min(after) / 1e12 * 8760 / hours)
    assert len(lowest[True]) > 1
    assert max(lowest[False]) < -0.5
    assert max(lowest[True]) < 0.5 * 1e-4 * 3 * 365
    assert min(lowest[True]) < -0.5


def test_outage_stops_volume_at_its_venue() -> None:
    seen = 0
    for seed in SEEDS:
        paths = world("crash", seed)
        for venue, start, end in paths.outages:
            first, last = ((ms - paths.start_ms) // paths.step_ms for ms in (start, end))
            seen += 1
            for coin in COINS:
                assert (paths.volume_usd[f"{venue}:{coin}"][first:last] == 0.0).all()
    assert seen > 3


def test_intervals_are_in_time_order_and_not_empty() -> None:
    for seed in SEEDS:
        for intervals in (world("freeze", seed).freezes, world("crash", seed).outages):
            assert all(start < end for _, start, end in intervals)
            assert all(a[1] <= b[1] for a, b in pairwise(intervals))


@pytest.mark.parametrize(
    ("seed", "days", "day", "complaint"),
    [(-1, 3, 0, "seed"), (1, 0, 0, "days"), (1, 401, 0, "days"), (1, 3, 3, "crisis_day")],
)
def test_arguments_out_of_range_are_refused_and_named(
    seed: int, days: int, day: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=f"world: {complaint}: expected"):
        make_world(PARAMETERS, seed, days, "calm", day)
