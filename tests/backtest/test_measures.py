# SPDX-License-Identifier: Apache-2.0
"""Each measure against its definition in docs/terminology.md."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations_with_replacement

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.made_outcomes import (
    CAPITAL,
    LEFT,
    RIGHT,
    START_MS,
    USD,
    arrangement,
    deposit,
    fill,
    histories,
    outcome,
    taken_over,
)
from tidegate.backtest.measures import (
    avg_collateral_usd,
    avg_leverage,
    carry_kept_micro,
    max_drawdown,
    measure,
    near_liquidations,
    policy_of,
    return_annual,
    time_average,
    turnover,
    waterfall_check,
    worst_health_ratio,
)
from tidegate.model.errors import InvariantError
from tidegate.model.events import (
    DeficitCovered,
    FundingPaid,
    Marked,
    PenaltyCharged,
    TransferLanded,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.times import HOUR_MS, YEAR_MS
from tidegate.simulation.books import Extreme

KEYS = """policy leverage liquidations near_liquidations return_on_capital return_annual
carry_kept_usd carry_kept avg_leverage avg_collateral_usd max_drawdown worst_health_ratio turnover
transfers fees_usd funding_usd solves decisions refusals journal_head waterfall_usd death_ms"""


def _hours(*hours: int) -> list[int]:
    return [START_MS + hour * HOUR_MS for hour in hours]


def test_measures_as_json_have_exactly_the_documented_keys() -> None:
    made = measure(outcome([deposit()]), arrangement())
    assert list(msgspec.json.decode(msgspec.json.encode(made))) == KEYS.split()


@given(histories())
def test_waterfall_of_any_history_explains_the_change_of_equity_exactly(events) -> None:
    run = outcome(events)
    waterfall_check(run)
    made = measure(run, arrangement())
    causes = {k: round(v * USD) for k, v in made.waterfall_usd.items() if k != "capital"}
    assert sum(causes.values()) == run.ledger.equity_micro - run.start_micro


@given(histories(), st.sampled_from(("fees", "funding:COIN", "price:COIN")))
def test_waterfall_that_is_off_by_one_is_refused_and_the_run_named(events, cause) -> None:
    run = outcome(events)
    run.ledger.waterfall[cause] = run.ledger.waterfall.get(cause, 0) + 1
    with pytest.raises(InvariantError, match="threshold 3: the waterfall explains"):
        measure(run, arrangement())


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(-50, 50)), min_size=1, max_size=8),
    st.integers(0, 60),
)
def test_time_average_equals_the_mean_over_every_millisecond(samples, length) -> None:
    times = [sum(gap for gap, _ in samples[:i]) for i in range(len(samples))]
    values = [value for _, value in samples]
    held = [
        values[max(i for i, at in enumerate(times) if at <= moment)]
        for moment in range(times[0], length)
    ]
    expected = sum(held) / len(held) if held else values[0]
    assert time_average(times, values, length) == pytest.approx(expected)


def test_avg_leverage_counts_samples_until_death_alone() -> None:
    run = outcome([deposit()], hours=3)
    series = replace(run.series, gross=[2 * CAPITAL, 4 * CAPITAL, 0, 0])
    assert avg_leverage(series, _hours(2)[0]) == pytest.approx(3.0)
    assert avg_leverage(series, _hours(3)[0]) == pytest.approx(2.0)
    assert avg_leverage(series, _hours(0)[0]) == pytest.approx(2.0)


def test_avg_leverage_of_a_book_without_equity_before_death_is_refused() -> None:
    run = outcome([deposit()], hours=3)
    series = replace(run.series, equity=[CAPITAL, 0, CAPITAL, CAPITAL])
    with pytest.raises(InvariantError, match="without equity"):
        avg_leverage(series, _hours(3)[0])
    assert avg_leverage(replace(series, gross=[CAPITAL] * 4), _hours(0)[0]) == 1.0


def test_avg_collateral_counts_accounts_with_positions_at_their_coins_price() -> None:
    run = outcome([deposit()], hours=4)
    left, right = [10 * USD] * 5, [30 * USD] * 5
    series = replace(
        run.series,
        venue_equity={"left": left, "right": right},
        venue_maintenance={"left": [1, 1, 0, 0, 0], "right": [0, 1, 1, 1, 1]},
    )
    made = arrangement(price_micro=USD // 2)
    assert avg_collateral_usd(series, made, _hours(4)[0]) == pytest.approx((10 + 25 + 15 + 15) / 4)
    assert avg_collateral_usd(series, made, _hours(1)[0]) == pytest.approx(10.0)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=12))
def test_max_drawdown_is_the_worst_pair_of_an_earlier_and_a_later_value(values) -> None:
    pairs = combinations_with_replacement(values, 2)
    assert max_drawdown(values) == pytest.approx(max(1 - late / early for early, late in pairs))


def test_max_drawdown_starts_from_the_capital_paid_in() -> None:
    run = outcome([deposit()])
    series = replace(run.series, equity=[CAPITAL * 9 // 10] * 5)
    assert measure(replace(run, series=series), arrangement()).max_drawdown == pytest.approx(0.1)


_RATIOS = st.sampled_from([(14, "L"), (15, "m"), (20, "m"), (21, "H"), (-1, "L")])


@given(st.lists(st.tuples(st.sampled_from(("left", "right")), _RATIOS), max_size=20))
def test_near_liquidations_are_falls_below_one_and_a_half_rearmed_above_two(path) -> None:
    extremes = [
        Extreme(START_MS + index, venue, ratio, 10)
        for index, (venue, (ratio, _)) in enumerate(path)
    ]
    expected = sum(
        len(re.findall("L[^H]*", "".join(mark for name, (_, mark) in path if name == venue)))
        for venue in ("left", "right")
    )
    assert near_liquidations(extremes) == expected


def test_health_of_accounts_without_requirement_is_not_defined_and_not_counted() -> None:
    idle = Extreme(START_MS, "left", 5, 0)
    assert worst_health_ratio([]) is None
    assert worst_health_ratio([idle]) is None
    assert near_liquidations([idle]) == 0
    assert worst_health_ratio([idle, Extreme(START_MS, "left", 3, 2)]) == 1.5


def test_return_annual_compounds_to_a_year_and_a_lost_book_has_lost_everything() -> None:
    assert return_annual(1.1, YEAR_MS // 2) == pytest.approx(0.21)
    assert return_annual(1.3, YEAR_MS) == pytest.approx(0.3)
    assert return_annual(-0.2, YEAR_MS) == -1.0
    assert return_annual(9.0, HOUR_MS) is None


def test_carry_kept_is_funding_and_yield_less_costs_and_leaves_prices_out() -> None:
    at = _hours(1)[0]
    events = [
        deposit("left", 1_000),
        fill(0, LEFT, 2),
        FundingPaid(at, LEFT, 2, 100, 1, -50 * USD),
        YieldAccrued(at, "left", "USDT", 7 * USD),
        Marked(at, {LEFT: 130}),
        PenaltyCharged(at, "left", "USDT", 9 * USD, "clearance fee"),
        DeficitCovered(at, "left", "USDT", 11 * USD),
        TransferSent(at, "t", "left", "right", "USDT", 100 * USD, 2 * USD),
        TransferLanded(at, "t", "right", "USDT", 98 * USD, "USDC", 95 * USD, 3 * USD),
    ]
    made = measure(outcome(events), arrangement())
    assert made.carry_kept_usd == pytest.approx(50 + 7 - 1 - 9 - 2 - 3)
    assert made.carry_kept == pytest.approx(0.042)
    assert made.funding_usd == pytest.approx(50)
    assert made.fees_usd == pytest.approx(1)
    assert made.transfers == 1
    assert made.return_on_capital == pytest.approx((42 + 11) / 1_000)


def test_money_lost_in_transit_is_a_cost_like_every_other() -> None:
    causes = {"capital": 100, "funding:BTC": 9, "lost in transit": -4}
    assert carry_kept_micro(causes) == 5


def test_cause_that_no_measure_places_is_refused_and_named() -> None:
    with pytest.raises(InvariantError, match="no measure places: gift"):
        carry_kept_micro({"capital": 1, "gift": 5})


def test_turnover_is_a_years_notional_over_equity_and_stops_at_death() -> None:
    quiet = [deposit(), fill(0, LEFT, 10), fill(1, RIGHT, -10)]
    alive = outcome(quiet, hours=4)
    until = alive.ledger.ts_ms
    a_year = YEAR_MS / (4 * HOUR_MS)
    assert turnover(alive, arrangement(), until) == pytest.approx(2 * a_year)
    dead = outcome([*quiet, taken_over(2), fill(2, RIGHT, 10, liquidation=True)], hours=4)
    assert turnover(dead, arrangement(), _hours(2)[0]) == pytest.approx(4 * a_year)
    half = arrangement(price_micro=USD // 2)
    assert turnover(alive, half, until) == pytest.approx(1.5 * a_year)


def test_turnover_of_a_book_that_died_at_once_is_unknown_not_zero() -> None:
    made = measure(outcome([deposit(), fill(0, LEFT, 1), taken_over(0)]), arrangement())
    assert made.turnover is None
    assert made.death_ms == START_MS


def test_death_is_the_first_of_all_liquidations() -> None:
    made = measure(outcome([deposit(), taken_over(1), taken_over(3, "left")]), arrangement())
    assert made.liquidations == 2
    assert made.death_ms == _hours(1)[0]
    assert measure(outcome([deposit()]), arrangement()).death_ms is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tidegate", ("tidegate", None)),
        ("threshold 2.5", ("threshold", 2.5)),
        ("cash", ("cash", None)),
    ],
)
def test_name_of_a_run_gives_policy_and_leverage_and_back(name, expected) -> None:
    assert policy_of(name) == expected
    assert measure(outcome([deposit()], name=name), arrangement()).label == name
