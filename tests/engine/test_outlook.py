# SPDX-License-Identifier: Apache-2.0
"""What is expected of a past that a test writes: which of it counts for what, and over how long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp, log

import msgspec
import numpy as np
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC
from tidegate.engine.outlook import SCENARIO_COUNT, Forecaster, Outlook
from tidegate.forecast.funding import FundingPrints
from tidegate.model.mandate import Mandate
from tidegate.model.market import MarketSnapshot
from tidegate.model.times import HOUR_MS
from tidegate.ports import PastBars
from tidegate.risk.settlement import adverse_path_maxima, empirical_buffer
from tidegate.signals.carry import CarryEdge, shrunk_carry

DAYS = 400
HOURS = DAYS * 24
END_MS = desk.NOW_MS
SURE = msgspec.structs.replace(desk.MANDATE.edge, minimum_t=2.0)
LOW_FLOORS = msgspec.structs.replace(
    desk.with_stress(outer={"BTC": 0.5, "ETH": 1e-3}, inner={"BTC": 0.4, "ETH": 1e-3}), edge=SURE
)


def written_bars() -> PastBars:
    """Hourly steps of a tenth of a percent, twice as large in ether, which jumped up by a quarter
    a hundred days ago and by a tenth ten days ago, and has never fallen as far."""
    chance = np.random.default_rng(7)
    steps = chance.standard_normal((HOURS, 2)) * [0.001, 0.002]
    steps[HOURS - 100 * 24, 1], steps[HOURS - 10 * 24, 1] = log(1.25), log(1.1)
    close = np.exp(steps.cumsum(axis=0)) * [60_000, 3_000]
    opened = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    open_ms = END_MS - HOUR_MS * np.arange(HOURS, 0, -1, dtype=np.int64)
    return PastBars(open_ms, HOUR_MS, high, low, close)


BARS = written_bars()
# What longs pay every eight hours: alpha's bitcoin twice what beta's does, ether a little more.
MEANS = {ALPHA_BTC: 4e-4, BETA_BTC: 2e-4, ALPHA_ETH: 2.02e-4, BETA_ETH: 2e-4}


def prints(name: str) -> FundingPrints:
    """Ninety days of prints around the mean."""
    count = 270
    chance = np.random.default_rng(sorted(MEANS).index(name))
    times = END_MS - 8 * HOUR_MS * np.arange(count, 0, -1, dtype=np.int64)
    rates = MEANS[name] + 5e-5 * chance.standard_normal(count)
    return FundingPrints(times, rates, np.full(count, 8.0))


@dataclass
class Past:
    """The past that was written, and what was asked of it."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    silent: tuple[str, ...] = ()

    def past(self, coins: tuple[str, ...], ts_ms: int, days: int) -> PastBars:
        self.asked.append((coins, ts_ms, days))
        return BARS

    def funding(self, instrument: str, ts_ms: int) -> FundingPrints | None:
        self.asked.append((instrument, ts_ms))
        return None if instrument in self.silent else prints(instrument)

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        raise NotImplementedError


def forecaster(
    mandate: Mandate = LOW_FLOORS, past: Past | None = None, p95_s: tuple[float, ...] = ()
) -> Forecaster:
    """One whose routes have these 95 % points, the first as the desk has it."""
    ways = dict(desk.PASSAGES)
    for ends, late in zip(tuple(ways)[1:], p95_s, strict=False):
        ways[ends] = replace(ways[ends], latency_p95_s=late)
    return Forecaster(past or Past(), mandate, desk.INSTRUMENTS, ways)


@pytest.fixture(scope="module")
def seen() -> tuple[Outlook, Past]:
    past = Past()
    return forecaster(past=past).at(END_MS), past


def test_nothing_is_asked_of_the_future_and_coins_have_no_funding(
    seen: tuple[Outlook, Past],
) -> None:
    outlook, past = seen
    assert outlook.ts_ms == END_MS
    assert past.asked[0] == (("BTC", "ETH"), END_MS, 400)
    assert sorted(past.asked[1:]) == [(name, END_MS) for name in sorted(MEANS)]


def test_volatility_is_each_coins_own_and_of_a_day(seen: tuple[Outlook, Past]) -> None:
    vol = seen[0].vol_daily
    assert vol["BTC"] == pytest.approx(0.001 * 24**0.5, rel=0.3)
    assert vol["ETH"] > 1.6 * vol["BTC"]


def test_only_sure_edges_are_acted_on_and_each_leg_has_half_of_its_carry(
    seen: tuple[Outlook, Past],
) -> None:
    """Beta's bitcoin is long, as it pays less; the coin itself pays nothing, and is longed best."""
    outlook = seen[0]
    every = forecaster().edges(END_MS)
    assert {e.coin for e in every} == {"BTC", "ETH"}
    assert outlook.edges == tuple(e for e in every if e.t_statistic >= 2.0)
    assert len(outlook.edges) < len(every)
    own = [e for e in outlook.edges if e.coin == "BTC"]
    best = max(own, key=shrunk_carry)
    carry = outlook.carry_annual
    assert carry[best.long_instrument] == shrunk_carry(best) / 2 == -carry[best.short_instrument]
    rest = set(desk.INSTRUMENTS) - {best.long_instrument, best.short_instrument}
    assert {carry[name] for name in rest if desk.INSTRUMENTS[name].base == "BTC"} == {0.0}


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_pairs_the_one_with_most_shrunk_carry_is_acted_on(order: int) -> None:
    """The larger carry is so uncertain that the smaller one is worth more."""
    wild = CarryEdge("BTC", VAULT_BTC, ALPHA_BTC, 0.20, 0.20, 5.0, 1e12, 1.0)
    sure = CarryEdge("BTC", BETA_BTC, ALPHA_BTC, 0.15, 0.01, 5.0, 1e12, 15.0)
    carry = forecaster()._carry((wild, sure)[::order])
    half = shrunk_carry(sure) / 2
    assert carry == {ALPHA_BTC: -half, BETA_BTC: half, VAULT_BTC: 0, ALPHA_ETH: 0, BETA_ETH: 0}


def test_contract_without_a_forecast_has_no_edge() -> None:
    found = forecaster(past=Past(silent=(BETA_ETH,))).edges(END_MS)
    assert {e.coin for e in found} == {"BTC"}


def test_stress_is_the_datas_own_tail_over_the_longest_and_the_shortest_wait_or_the_mandates(
    seen: tuple[Outlook, Past],
) -> None:
    """Over half a year, in either direction, as a share of the price; bitcoin's are the
    mandate's."""
    outlook, last = seen[0], slice(HOURS - 180 * 24, None)
    assert forecaster()._window_bars(HOUR_MS) == (1, 2)
    for bars, found in ((2, outlook.outer), (1, outlook.inner)):
        column = (BARS.high[last, 1], BARS.low[last, 1], BARS.close[last, 1])
        both = np.maximum(*adverse_path_maxima(*column, bars))
        tail = empirical_buffer(both, desk.MANDATE.limits.solvency_tail)
        assert found["ETH"] == pytest.approx(1 - exp(-tail))
    assert outlook.outer["ETH"] > outlook.inner["ETH"] > 1e-3
    assert (outlook.outer["BTC"], outlook.inner["BTC"]) == (0.5, 0.4)


def test_scenarios_are_of_their_own_days_and_end_with_a_jump(seen: tuple[Outlook, Past]) -> None:
    """The quarter of a hundred days ago is not among them, the tenth is, but for today's calm."""
    outlook, paths = seen[0], seen[0].scenarios
    assert paths.count == SCENARIO_COUNT + 1
    assert outlook.tail_windows == pytest.approx(0.01 * (60 * 24 - 2))
    others = np.log(paths.high_after[:-1]).max(axis=0)
    np.testing.assert_allclose(np.log(paths.high_after[-1]), 1.25 * others)
    assert (paths.high_before[:-1] <= paths.high_after[:-1]).all()
    vol = 0.002 * 24**0.5
    assert others[1] < log(1.2) * outlook.vol_daily["ETH"] / vol * 2


@pytest.mark.parametrize(
    ("decision_s", "p95_s", "bars"),
    [
        (3_600, (), (1, 2)),
        (3_600, (10_800.0,), (1, 2, 3, 4)),
        (3_600, (600.0, 10_801.0), (1, 2, 3, 4, 5)),
        (3_601, (1_800.0,), (2,)),
        (900, (600.0,), (1,)),
    ],
)
def test_windows_reach_from_one_decision_to_the_slowest_routes_landing_after_it(
    decision_s: int, p95_s: tuple[float, ...], bars: tuple[int, ...]
) -> None:
    purpose = msgspec.structs.replace(LOW_FLOORS.mandate, decision_interval_s=decision_s)
    mandate = msgspec.structs.replace(LOW_FLOORS, mandate=purpose)
    assert forecaster(mandate, p95_s=p95_s)._window_bars(HOUR_MS) == bars


def changed(part: str, **terms: object) -> Mandate:
    said = msgspec.structs.replace(getattr(LOW_FLOORS, part), **terms)
    return msgspec.structs.replace(LOW_FLOORS, **{part: said})


@pytest.mark.parametrize(
    ("mandate", "same"),
    [
        (changed("limits", gross_leverage=3.0), True),
        (changed("mandate", watch_interval_s=30), True),
        (changed("limits", solvency_tail=0.02), False),
        (changed("mandate", decision_interval_s=900), False),
        (changed("stress", jump_multiple=2.0), False),
        (changed("edge", minimum_t=3.0), False),
        (msgspec.structs.replace(LOW_FLOORS, transfer=LOW_FLOORS.transfer[:1]), False),
    ],
)
def test_books_of_one_basis_expect_the_same(mandate: Mandate, same: bool) -> None:
    assert (forecaster(mandate).basis == forecaster().basis) == same
