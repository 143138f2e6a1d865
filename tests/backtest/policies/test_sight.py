# SPDX-License-Identifier: Apache-2.0
"""What rules measure before they act: distances, speeds, shares of money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.policies.small_desk import (
    BTC_LONG,
    INSTRUMENTS,
    PAIRS,
    Script,
    session,
)
from tidegate.backtest.policies.pace import Pace
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.sizing import SHIFT_SHARE, needs, shifts
from tidegate.backtest.policies.trading import Trader
from tidegate.margin.liquidation import liquidation_prices
from tidegate.model.times import HOUR_MS, MINUTE_MS

USD = st.floats(0.0, 1e6)


def with_lots(lots: int) -> Sight:
    made = session(Script({}, 2))
    Trader(made).order(BTC_LONG, lots)
    return Sight.of(made)


@pytest.mark.parametrize("lots", [8_000, 20_000, -8_000, -20_000])
def test_distance_of_one_position_is_that_of_the_exact_liquidation_price(lots: int) -> None:
    sight = with_lots(lots)
    account = sight.accounts["hyper"]
    prices = liquidation_prices(sight.rules["hyper"], account, sight.marks, BTC_LONG)
    ticks = prices.below_ticks if lots > 0 else prices.above_ticks
    assert ticks is not None
    exact = abs(ticks / sight.marks[BTC_LONG] - 1.0)
    assert sight.distance(account) == pytest.approx(exact, abs=3e-4)


def test_account_without_positions_is_as_far_as_is_asked() -> None:
    sight = with_lots(0)
    assert sight.distance(sight.accounts["hyper"]) == 1.0


@given(first=st.integers(-9_000, 9_000), second=st.integers(-9_000, 9_000))
def test_account_after_trades_at_the_mark_keeps_its_equity(first: int, second: int) -> None:
    sight = with_lots(1_000)
    account = sight.accounts["hyper"]
    rule = sight.rules["hyper"]
    after = sight.after(account, {BTC_LONG: first, "hyper:ETH": second})
    equities = [rule.health_at(a, sight.marks)[0] for a in (account, after)]
    assert abs(equities[0] - equities[1]) <= 4
    assert sight.held(after).get(BTC_LONG, 0) == 1_000 + first


def test_speed_is_the_faster_of_the_last_look_and_the_last_hour() -> None:
    pace = Pace()
    assert not pace._seen
    for minute, ticks in ((0, 1_000), (30, 1_100), (60, 1_100)):
        pace.see(minute * MINUTE_MS, {"x": ticks})
    assert pace.speed("x") == pytest.approx(0.1 / 3_600)
    assert pace.moved("x") == pytest.approx(0.1)
    pace.see(65 * MINUTE_MS, {"x": 1_045})
    assert pace.speed("x") == pytest.approx(0.05 / 300)


def test_speed_before_the_second_look_is_unknown() -> None:
    pace = Pace()
    pace.see(0, {"x": 1_000})
    pace.see(0, {"x": 1_001})
    assert pace.speed("x") is None
    pace.see(HOUR_MS, {"x": 1_001})
    assert pace.speed("x") == 0.0


@given(have=st.lists(USD, min_size=2, max_size=5), weights=st.lists(USD, min_size=5, max_size=5))
def test_shifts_keep_the_sum_overshoot_nothing_and_leave_only_small_gaps(
    have: list[float], weights: list[float]
) -> None:
    names = [f"v{k}" for k in range(len(have))]
    whole = sum(weights[: len(have)]) or 1.0
    total = sum(have)
    held = dict(zip(names, have, strict=True))
    wanted = {n: total * w / whole for n, w in zip(names, weights, strict=False)}
    after = dict(held)
    for source, destination, amount in shifts(held, wanted):
        assert amount >= min(SHIFT_SHARE * total, 1.0)
        after[source] -= amount
        after[destination] += amount
        assert after[source] >= wanted[source] - 1e-6
        assert after[destination] <= wanted[destination] + 1e-6
    over = max(after[n] - wanted[n] for n in names)
    under = max(wanted[n] - after[n] for n in names)
    assert min(over, under) <= max(1.0, SHIFT_SHARE * total) + 1e-6


def test_needs_are_in_proportion_to_legs_and_sum_to_one() -> None:
    found = needs(INSTRUMENTS, (*PAIRS, ("third:BTC", "bin:ETH")))
    assert found == pytest.approx({"hyper": 2 / 6, "bin": 3 / 6, "third": 1 / 6})
