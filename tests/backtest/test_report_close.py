# SPDX-License-Identifier: Apache-2.0
"""When an account was close to its end, and why it lived: judged again by the exact rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.made_outcomes import (
    LEFT,
    RIGHT,
    START_MS,
    USD,
    arrangement,
    deposit,
    fill,
    outcome,
)
from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import near_liquidations
from tidegate.backtest.report_close import LISTED, Approach, approaches, close_section, lowest
from tidegate.model.account import Account
from tidegate.model.events import Event, LiquidationStarted, TransferLanded, TransferSent
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.books import Extreme
from tidegate.simulation.tape import Tape, Track

HOURS = 60
LOW = 50  # The hour in which the price is at its worst.


class TenPercent:
    """A rule that asks for a tenth of notional."""

    def __init__(self, made: Arrangement) -> None:
        self._instruments = made.terms.instruments

    def health_at(self, account: Account, marks: dict[str, int]) -> tuple[int, int]:
        equity, needed = sum(account.balances.values()), 0
        for name, position in account.positions.items():
            contract = self._instruments[name]
            equity += contract.value(position.lots, marks[name]) - position.cost
            needed += contract.notional(position.lots, marks[name]) // 10
        return equity, needed


def made_arrangement() -> Arrangement:
    made = arrangement()
    rules = {venue: ((0, TenPercent(made)),) for venue in ("left", "right")}
    return replace(made, terms=replace(made.terms, rules=rules))


def tape(low: int) -> Tape:
    """The coin at 100, but for one hour in which its mark falls to `low` and comes back."""
    lows = [100] * HOURS
    lows[LOW] = low
    level, depth = [100] * HOURS, [1e9] * HOURS
    track = Track(level, level, lows, level, depth, [0.01] * HOURS)
    return Tape(START_MS, HOUR_MS, HOURS, {LEFT: track, RIGHT: track}, ())


def judged(events: Sequence[Event], low: int) -> Approach:
    """The approach of the account `left` in the worst hour, its extreme by the rule itself."""
    made, at = made_arrangement(), START_MS + LOW * HOUR_MS
    run = outcome([e for e in events if e.ts_ms <= at], HOURS)
    account = run.ledger.account("left")
    equity, needed = made.terms.rule("left", at).health_at(account, {LEFT: low, RIGHT: 100})
    calm = [Extreme(START_MS + h * HOUR_MS, "left", 100 * USD, USD) for h in (1, LOW - 2)]
    run = outcome(events, HOURS, extremes=[*calm, Extreme(at, "left", equity, needed)])
    found = approaches(run, made, tape(low))
    return next(a for a in found if a.ts_ms == at)


def landed(hour: int, usd: int) -> list[Event]:
    at = START_MS + hour * HOUR_MS
    return [
        TransferSent(at, "t", "right", "left", "USDT", usd * USD, 0),
        TransferLanded(at + 1, "t", "left", "USDT", usd * USD, "USDT", usd * USD, 0),
    ]


def test_account_that_would_have_lived_with_nothing_done_lived_by_its_buffer() -> None:
    found = judged([deposit(usd=600), fill(0, LEFT, 10)], 80)
    # 600 less a fee of 1 and a loss of 200, over a tenth of 800.
    assert (found.health, found.idle, found.moved) == (pytest.approx(399 / 80),) * 3
    assert found.before == 100.0
    assert found.why().startswith("buffer: 319 USD above maintenance")


def test_account_that_money_saved_says_so_and_what_it_would_have_been() -> None:
    events = [deposit(usd=300), deposit("right", 400), fill(0, LEFT, 10), *landed(LOW - 5, 300)]
    found = judged(events, 75)
    assert found.health == pytest.approx(349 / 75)
    assert found.idle == pytest.approx(49 / 75)
    assert found.moved == pytest.approx(349 / 75)
    assert found.landed_usd == 300
    assert found.why().startswith("the money that landed")


def test_account_that_cuts_saved_says_so_and_how_much_was_cut() -> None:
    found = judged([deposit(usd=300), fill(0, LEFT, 10), fill(LOW - 5, LEFT, -8)], 75)
    assert found.idle == found.moved == pytest.approx(49 / 75)
    assert found.health == pytest.approx((300 - 2 - 50) / 15)
    assert found.cut_usd == 800
    assert found.why().startswith("the cuts: without them")


def test_account_that_money_and_cuts_saved_only_together_says_both() -> None:
    events = [deposit(usd=250), deposit("right", 400), fill(0, LEFT, 10)]
    events += [*landed(LOW - 5, 50), fill(LOW - 4, LEFT, -5)]
    found = judged(events, 75)
    assert found.moved is not None
    assert found.moved == pytest.approx(49 / 75)
    assert found.idle == pytest.approx(-1 / 75)
    assert found.why().startswith("the cuts and the money together")


def test_account_that_was_taken_over_did_not_live() -> None:
    at = START_MS + LOW * HOUR_MS
    dead = LiquidationStarted(at, "left", 49 * USD, 75 * USD)
    found = judged([deposit(usd=300), fill(0, LEFT, 10), dead], 75)
    assert found.died
    assert found.why() == "it did not: the venue took it over"
    assert "1 near-liquidation, 1 of them to the end" in close_section([found], "made")


def test_account_opened_within_the_day_is_judged_as_it_was_first_margined() -> None:
    made, opened = made_arrangement(), LOW - 3
    at = START_MS + LOW * HOUR_MS
    events = [deposit(usd=300), deposit("right", 400), fill(opened, LEFT, 10), *landed(LOW - 1, 99)]
    points = [Extreme(START_MS + opened * HOUR_MS, "left", 299 * USD, 100 * USD)]
    points.append(Extreme(at, "left", 148 * USD, 75 * USD))
    found = approaches(outcome(events, HOURS, extremes=points), made, tape(75))
    assert [a.idle for a in found if a.ts_ms == at] == [pytest.approx(49 / 75)]


RATIOS = st.lists(st.tuples(st.sampled_from(("left", "right")), st.integers(1, 40)), max_size=60)


@given(RATIOS)
def test_lowest_points_hold_every_near_liquidation_and_the_least_of_all(
    ratios: list[tuple[str, int]],
) -> None:
    extremes = [
        Extreme(START_MS + i * HOUR_MS, venue, tenths * USD // 10, USD)
        for i, (venue, tenths) in enumerate(ratios)
    ]
    found = lowest(extremes)
    near = [e for e in found if e.equity / e.maintenance < 1.5]
    assert near_liquidations(extremes) <= len(near) <= max(LISTED, near_liquidations(extremes))
    assert list(found) == sorted(found, key=lambda e: (e.ts_ms, e.venue))
    if extremes:
        least = min(e.equity for e in extremes)
        assert min(e.equity for e in found) == least


def test_others_in_one_account_stand_a_day_apart() -> None:
    extremes = [Extreme(START_MS + h * HOUR_MS, "left", (9 * USD) + h, USD) for h in range(200)]
    found = lowest(extremes)
    assert len(found) == LISTED
    gaps = [b.ts_ms - a.ts_ms for a, b in pairwise(found)]
    assert min(gaps) >= DAY_MS


def test_point_that_only_cuts_made_harmless_is_listed_though_others_were_lower() -> None:
    made, at = made_arrangement(), START_MS + LOW * HOUR_MS
    low = [Extreme(START_MS + h * HOUR_MS, "right", 3 * USD, USD) for h in range(0, 24 * 6, 24)]
    safe = Extreme(at, "left", 248 * USD, 15 * USD)
    for cut, named in ((-8, True), (-1, True), (None, False)):
        # Without a cut the account is that of a day before, which 300 more keep alive.
        usd = 300 if named else 600
        events = [deposit(usd=usd), fill(0, LEFT, 10)]
        events += [fill(LOW - 5, LEFT, cut)] if cut else []
        run = outcome(events, HOURS, extremes=[*low[:5], safe])
        found = [a.ts_ms for a in approaches(run, made, tape(75)) if a.venue == "left"]
        assert (at in found) is named


def test_section_without_margin_or_without_prices_says_so() -> None:
    assert "No account was ever margined." in close_section((), "cash")
    assert "holds no prices" in close_section(None, "tidegate")
