# SPDX-License-Identifier: Apache-2.0
"""Slices over time: exact sums, the naked limit, and what aversion and urgency do to them."""

from __future__ import annotations

from itertools import accumulate, combinations
from math import inf, nan, sqrt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, VAULT_BTC
from tidegate.costs.trading import TradingCosts
from tidegate.execution.schedule import Hazard, Leg, Pace, Schedule, schedule
from tidegate.model.errors import InputError
from tidegate.model.times import MINUTE_MS, YEAR_MS

HAZARD = Hazard(basis_vol_annual=0.05, coin_vol_annual=0.6, leg_gap_s=2.0)
HOUR = Pace(interval_ms=MINUTE_MS, horizon_ms=59 * MINUTE_MS, naked_usd=25_000)
COSTS = TradingCosts(500, 0.0001, 1.0)


def leg(name: str, lots: int, costs: TradingCosts = COSTS) -> Leg:
    return Leg(desk.INSTRUMENTS[name], lots, costs, desk.quote(name))


def pair(lots: int) -> dict[str, Leg]:
    """So many thousandths of a bitcoin, of 60 USD each, long at alpha and short at beta."""
    return {ALPHA_BTC: leg(ALPHA_BTC, lots), BETA_BTC: leg(BETA_BTC, -100 * lots)}


def averse(aversion: float, pace: Pace = HOUR) -> Pace:
    return msgspec.structs.replace(pace, aversion_per_usd=aversion)


def traded(plan: Schedule, name: str) -> list[int]:
    return [part.lots.get(name, 0) for part in plan.slices]


def waiting_at(plan: Schedule, name: str, offset_ms: int) -> int:
    return sum(abs(p.lots.get(name, 0)) for p in plan.slices if p.offset_ms > offset_ms)


@st.composite
def orders(draw: st.DrawFn) -> tuple[dict[str, Leg], Pace]:
    lots = draw(st.integers(-5_000, 5_000).filter(bool))
    legs = pair(lots)
    if draw(st.booleans()):
        moved = draw(st.integers(0, abs(lots) - 1)) * (1 if lots > 0 else -1)
        legs = pair(lots - moved) | {VAULT_BTC: leg(VAULT_BTC, 100 * moved)} if moved else legs
        legs[BETA_BTC] = leg(BETA_BTC, -100 * lots)
    horizon = draw(st.integers(0, 40)) * MINUTE_MS
    aversion = draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0]))
    return legs, Pace(MINUTE_MS, horizon, draw(st.floats(61, 1e6)), aversion)


@settings(max_examples=50)
@given(orders(), st.booleans())
def test_slices_add_up_in_proportion_and_none_exceeds_the_naked_limit(
    order: tuple[dict[str, Leg], Pace], urgent: bool
) -> None:
    legs, pace = order
    plan = schedule(legs, HAZARD, pace, urgent=urgent)
    for name, own in legs.items():
        lots = traded(plan, name)
        assert sum(lots) == own.lots
        assert all(n * own.lots >= 0 for n in lots)
        assert all(own.size_usd(n) <= pace.naked_usd for n in lots)
    offsets = [part.offset_ms for part in plan.slices]
    assert offsets == sorted(set(offsets))
    assert all(offset % pace.interval_ms == 0 for offset in offsets)
    done = {name: list(accumulate(traded(plan, name))) for name in legs}
    for (name, own), (other, beside) in combinations(legs.items(), 2):
        for here, there in zip(done[name], done[other], strict=True):
            apart = abs(here / own.lots - there / beside.lots)
            assert apart <= 1 / min(abs(own.lots), abs(beside.lots)) + 1e-12


@settings(max_examples=30)
@given(st.integers(60, 20_000), st.integers(0, 59))
def test_slices_without_aversion_are_equal(lots: int, minutes: int) -> None:
    pace = Pace(MINUTE_MS, minutes * MINUTE_MS, 1e9)
    plan = schedule(pair(lots), HAZARD, pace)
    assert len(plan.slices) == minutes + 1
    sizes = traded(plan, ALPHA_BTC)
    assert max(sizes) - min(sizes) <= 1
    assert lots % len(sizes) or max(sizes) == min(sizes)


@settings(max_examples=15)
@given(
    st.integers(1_000, 20_000),
    st.lists(st.sampled_from([0.0, 1e-7, 1e-5, 1e-4, 1e-3, 1.0]), min_size=2, max_size=2),
)
def test_more_aversion_is_never_slower_nor_cheaper_nor_riskier(
    lots: int, aversions: list[float]
) -> None:
    calm, shy = (schedule(pair(lots), HAZARD, averse(a)) for a in sorted(aversions))
    for minute in range(60):
        now = minute * MINUTE_MS
        assert waiting_at(shy, ALPHA_BTC, now) <= waiting_at(calm, ALPHA_BTC, now) + 1
    assert shy.cost_usd >= calm.cost_usd * (1 - 1e-3)
    weighed = (plan.cost_usd + max(aversions) * plan.deviation_usd**2 for plan in (shy, calm))
    assert next(weighed) <= next(weighed) * (1 + 1e-3)


def test_urgent_order_within_the_limit_goes_at_once_and_a_larger_one_as_fast_as_it_allows() -> None:
    small = schedule(pair(400), HAZARD, HOUR, urgent=True)
    assert [part.offset_ms for part in small.slices] == [0]
    large = schedule(pair(1_000), HAZARD, HOUR, urgent=True)
    assert traded(large, ALPHA_BTC) == [416, 416, 168]
    assert [part.offset_ms for part in large.slices] == [0, MINUTE_MS, 2 * MINUTE_MS]


def test_horizon_that_the_naked_limit_cannot_keep_is_exceeded_and_not_the_limit() -> None:
    plan = schedule(pair(1_000), HAZARD, msgspec.structs.replace(HOUR, horizon_ms=0))
    assert traded(plan, ALPHA_BTC) == [333, 333, 334]


def test_order_of_few_lots_is_done_in_as_many_slices_and_no_leg_waits_for_a_lot() -> None:
    plan = schedule(pair(3), HAZARD, HOUR)
    assert [part.offset_ms for part in plan.slices] == [0, MINUTE_MS, 2 * MINUTE_MS]
    assert traded(plan, BETA_BTC) == [-100] * 3


def test_cost_and_deviation_are_those_worked_by_hand() -> None:
    """Four equal slices of 15,000 USD a leg, a minute apart; fee 5 bp, half spread 1 bp, daily
    volatility 3 %, a billion of volume."""
    plan = schedule(pair(1_000), HAZARD, msgspec.structs.replace(HOUR, horizon_ms=3 * MINUTE_MS))
    linear = 2 * 60_000 * 0.0006
    impact = 2 * 4 * 0.03 * 15_000**1.5 / sqrt(1e9)
    assert plan.cost_usd == pytest.approx(linear + impact)
    waits = (0.75**2 + 0.5**2 + 0.25**2) * (60_000 * 0.05) ** 2 * MINUTE_MS / YEAR_MS
    fills = 4 * 0.25**2 * (60_000 * 0.6) ** 2 * 2_000 / YEAR_MS
    assert plan.deviation_usd == pytest.approx(sqrt(waits + fills))


def test_hedged_pair_runs_the_basis_and_a_leg_alone_the_coin() -> None:
    pace = averse(1e-3, Pace(MINUTE_MS, 3 * MINUTE_MS, 1e6))
    still = Hazard(0.0, 0.6, 0.0)
    assert schedule(pair(1_000), still, pace).deviation_usd == 0.0
    single = {ALPHA_BTC: leg(ALPHA_BTC, 1_000)}
    assert schedule(single, Hazard(0.5, 0.0, 60.0), pace).deviation_usd == 0.0
    alone = schedule(single, still, pace)
    assert alone.deviation_usd > 0.0
    assert traded(alone, ALPHA_BTC)[0] > 250


def test_leg_that_may_wait_for_its_partner_longer_is_cut_more_evenly() -> None:
    """The size of a slice is a risk of its own; Almgren (2003), trading-enhanced risk."""
    pace = averse(1e-3, Pace(MINUTE_MS, 9 * MINUTE_MS, 1e6))
    quick, slow = (schedule(pair(5_000), Hazard(0.2, 0.6, gap), pace) for gap in (0.0, 60.0))
    assert max(traded(slow, ALPHA_BTC)) < max(traded(quick, ALPHA_BTC))


def test_order_without_impact_is_sliced_evenly() -> None:
    free = TradingCosts(0, 0.0, 0.0)
    legs = {ALPHA_BTC: leg(ALPHA_BTC, 1_000, free), BETA_BTC: leg(BETA_BTC, -100_000, free)}
    plan = schedule(legs, HAZARD, msgspec.structs.replace(HOUR, horizon_ms=4 * MINUTE_MS))
    assert traded(plan, ALPHA_BTC) == [200] * 5
    assert plan.cost_usd == 0.0


@pytest.mark.parametrize(
    ("legs", "hazard", "pace", "field"),
    [
        ({}, {}, {}, "legs"),
        (pair(10) | {ALPHA_ETH: leg(ALPHA_ETH, 10)}, {}, {}, "legs"),
        ({ALPHA_BTC: leg(ALPHA_BTC, 0)}, {}, {}, ALPHA_BTC),
        (pair(10), {"basis_vol_annual": nan}, {}, "basis_vol_annual"),
        (pair(10), {"coin_vol_annual": -0.1}, {}, "coin_vol_annual"),
        (pair(10), {"leg_gap_s": inf}, {}, "leg_gap_s"),
        (pair(10), {}, {"interval_ms": 0}, "interval_ms"),
        (pair(10), {}, {"horizon_ms": -1}, "horizon_ms"),
        (pair(10), {}, {"horizon_ms": 5_000 * MINUTE_MS}, "horizon_ms"),
        (pair(10), {}, {"naked_usd": 59.0}, "naked_usd"),
        (pair(10_000), {}, {"naked_usd": 61.0}, "naked_usd"),
        (pair(10), {}, {"naked_usd": inf}, "naked_usd"),
        (pair(10), {}, {"aversion_per_usd": -1e-9}, "aversion_per_usd"),
        (pair(10), {}, {"aversion_per_usd": nan}, "aversion_per_usd"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(
    legs: dict[str, Leg], hazard: dict[str, float], pace: dict[str, float], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        schedule(
            legs,
            msgspec.structs.replace(HAZARD, **hazard),
            msgspec.structs.replace(HOUR, **pace),
        )
    assert caught.value.field == field
