# SPDX-License-Identifier: Apache-2.0
"""Slices of legs that differ: by coarse lots, by price, by rounding, and to the last slot."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import inf, nan, sqrt
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.test_schedule import HAZARD, HOUR, averse, leg, pair, traded
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC
from tidegate.execution.schedule import MAX_SLICES, Hazard, Leg, Pace, Schedule, _reached, schedule
from tidegate.model.errors import InputError
from tidegate.model.times import MINUTE_MS, SECOND_MS, YEAR_MS


def deviation_usd(plan: Schedule, legs: dict[str, Leg], basis: float, coin: float) -> float:
    """Of what waits after each slice until the next, by the leg that is furthest behind, and of
    each slice while it fills, by the leg that trades most."""
    sizes = sorted(own.size_usd(abs(own.lots)) for own in legs.values())
    hedged, alone = sizes[0], sizes[1] - sizes[0]
    waiting = (hedged * basis) ** 2 + (alone * coin) ** 2
    waits = [0, *(part.offset_ms for part in plan.slices)]
    left = dict.fromkeys(legs, 1.0)
    total = waits[1] * waiting / YEAR_MS
    for part, now, later in zip(plan.slices, waits[1:], [*waits[2:], waits[-1]], strict=True):
        shares = [part.lots.get(name, 0) / own.lots for name, own in legs.items()]
        for name, share in zip(left, shares, strict=True):
            left[name] -= share
        behind = max(left.values())
        total += behind**2 * waiting * (later - now) / YEAR_MS
        gap_years = HAZARD.leg_gap_s * SECOND_MS / YEAR_MS
        total += (max(shares) * hedged * coin) ** 2 * gap_years
    return sqrt(total)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("lots", "fine"), [(7, 700), (7, 650), (1, 90), (30, 3_000)])
def test_deviation_is_that_of_the_slices_as_they_were_rounded(
    lots: int, fine: int, turned: bool
) -> None:
    legs = {ALPHA_BTC: leg(ALPHA_BTC, lots), BETA_BTC: leg(BETA_BTC, -fine)}
    legs = dict(reversed(legs.items())) if turned else legs
    plan = schedule(legs, HAZARD, msgspec.structs.replace(HOUR, horizon_ms=9 * MINUTE_MS))
    assert len(plan.slices) <= lots
    expected = deviation_usd(plan, legs, HAZARD.basis_vol_annual, HAZARD.coin_vol_annual)
    assert plan.deviation_usd == pytest.approx(expected)
    impact = sum(legs[n].impact_usd(k) for part in plan.slices for n, k in part.lots.items())
    linear = sum(own.size_usd(own.lots) * own.costs.linear_rate(own.quote) for own in legs.values())
    assert plan.cost_usd == pytest.approx(impact + linear)


def test_leg_that_is_dearer_leaves_no_hedge_open_and_prices_what_is_hedged() -> None:
    legs = pair(400)
    quote = msgspec.structs.replace(legs[BETA_BTC].quote, ticks=legs[BETA_BTC].quote.ticks * 2)
    dear = {**legs, BETA_BTC: Leg(legs[BETA_BTC].instrument, -40_000, legs[BETA_BTC].costs, quote)}
    plan = schedule(dear, HAZARD, averse(0.0))
    usual = schedule(legs, HAZARD, averse(0.0))
    assert traded(plan, ALPHA_BTC) == traded(usual, ALPHA_BTC)
    assert plan.deviation_usd == pytest.approx(2 * usual.deviation_usd)


@pytest.mark.parametrize(("naked_usd", "lots"), [(119.9, 1), (120.0, 2), (179.0, 2), (180.0, 3)])
def test_slice_has_as_many_whole_lots_as_the_naked_limit_takes(naked_usd: float, lots: int) -> None:
    """A lot is of 60 dollars, and the other leg's of 0.60."""
    pace = Pace(MINUTE_MS, 0, naked_usd)
    for urgent in (False, True):
        plan = schedule(pair(60), HAZARD, pace, urgent=urgent)
        assert max(traded(plan, ALPHA_BTC)) == lots
    fast = schedule(pair(61), HAZARD, Pace(MINUTE_MS, 0, 180.0), urgent=True)
    assert traded(fast, ALPHA_BTC) == [3] * 20 + [1]


def test_leg_with_the_tighter_limit_decides_in_whatever_order_they_stand() -> None:
    legs = {ALPHA_BTC: leg(ALPHA_BTC, 60), BETA_BTC: leg(BETA_BTC, -3_000)}
    for each in (legs, dict(reversed(legs.items()))):
        plan = schedule(each, HAZARD, Pace(MINUTE_MS, 0, 180.0), urgent=True)
        assert len(plan.slices) == 20


@pytest.mark.parametrize(("slots", "good"), [(MAX_SLICES - 1, True), (MAX_SLICES, False)])
def test_horizon_holds_at_most_so_many_slices(slots: int, good: bool) -> None:
    pace = Pace(MINUTE_MS, slots * MINUTE_MS, 1e9)
    if good:
        assert len(schedule(pair(3), HAZARD, pace).slices) == 3
        return
    with pytest.raises(InputError, match="horizon_ms: expected at most 5000 slices"):
        schedule(pair(3), HAZARD, pace)


@pytest.mark.parametrize(("lots", "good"), [(MAX_SLICES, True), (MAX_SLICES + 1, False)])
def test_naked_limit_of_one_lot_takes_as_many_lots_as_there_may_be_slices(
    lots: int, good: bool
) -> None:
    pace = Pace(MINUTE_MS, 0, 60.0)
    if good:
        assert len(schedule(pair(lots), HAZARD, pace, urgent=True).slices) == MAX_SLICES
        return
    with pytest.raises(InputError, match="naked_usd: expected a limit that 5000 slices can keep"):
        schedule(pair(lots), HAZARD, pace, urgent=True)


def test_longer_interval_weighs_waiting_more_and_a_longer_horizon_does_not() -> None:
    """So that of the same slots more is traded in the first."""
    first = [
        traded(schedule(pair(4_000), HAZARD, Pace(interval, 19 * interval, 1e9, 1e-3)), ALPHA_BTC)[
            0
        ]
        for interval in (MINUTE_MS, 10 * MINUTE_MS)
    ]
    assert first[1] > 1.2 * first[0]
    longer = Pace(MINUTE_MS, 400 * MINUTE_MS, 1e9, 1e-2)
    shorter = msgspec.structs.replace(longer, horizon_ms=200 * MINUTE_MS)
    paths = [
        traded(schedule(pair(4_000), HAZARD, pace), ALPHA_BTC)[:5] for pace in (longer, shorter)
    ]
    assert paths[0] == pytest.approx(paths[1], rel=0.1)


BITCOIN = desk.INSTRUMENTS[ALPHA_BTC]
COIN_SETTLED = replace(BITCOIN, settle="BTC")
INVERSE = replace(BITCOIN, inverse_face_usd=Decimal(1))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"instrument": COIN_SETTLED}, "expected an instrument that settles in dollars"),
        ({"instrument": INVERSE}, "expected an instrument that settles in dollars"),
        ({"lots": 0}, "expected lots to trade"),
        ({"ticks": 0}, "expected a price and a day's volume above zero"),
        ({"volume_day_usd": 0.0}, "expected a price and a day's volume above zero"),
        ({"volume_day_usd": inf}, "expected a price and a day's volume above zero"),
        ({"vol_daily": -0.1}, "vol_daily: expected a finite number of at least 0"),
        ({"vol_daily": nan}, "vol_daily: expected a finite number of at least 0"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_leg_that_cannot_be_sliced_is_refused_wherever_it_stands(
    changed: dict[str, Any], expected: str, place: int
) -> None:
    usual = leg(ALPHA_BTC, 10)
    market = {k: v for k, v in changed.items() if k in ("ticks", "volume_day_usd", "vol_daily")}
    own = {k: v for k, v in changed.items() if k not in market}
    odd = replace(usual, quote=msgspec.structs.replace(usual.quote, **market), **own)
    legs = [("usual", usual), (ALPHA_BTC, odd)]
    with pytest.raises(InputError, match=f"{ALPHA_BTC}.*{expected}"):
        schedule(dict(legs[::-1] if place else legs), HAZARD, HOUR)


def test_least_that_may_be_said_is_enough() -> None:
    still = Hazard(0.0, 0.0, 0.0)
    calm = replace(leg(ALPHA_BTC, 3), quote=msgspec.structs.replace(desk.quote(ALPHA_BTC),
                                                                  vol_daily=0.0))  # fmt: skip
    for aversion in (0.0, 1.0):
        plan = schedule({ALPHA_BTC: calm}, still, Pace(1, 2, 60.0, aversion))
        assert [(part.offset_ms, part.lots) for part in plan.slices] == [
            (n, {ALPHA_BTC: 1}) for n in range(3)
        ]
        assert plan.deviation_usd == 0.0


@settings(max_examples=40)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.floats(0.0, 1.0))
def test_shares_that_do_not_quite_add_up_are_made_up_within_the_cap(
    shares: list[float], spare: float
) -> None:
    """However few they are: what is still missing is spread so that no slice exceeds the cap."""
    least = Fraction(1, len(shares))
    cap = least + (1 - least) * Fraction(spare).limit_denominator(100)
    path = _reached([share / max(1.0, sum(shares)) for share in shares], cap)
    steps = [after - before for before, after in pairwise([Fraction(0), *path])]
    assert (len(path), path[-1]) == (len(shares), 1)
    assert all(0 <= step <= cap for step in steps)
