# SPDX-License-Identifier: Apache-2.0
"""What plain rules are held against: the best absence in hindsight, the best coins, and cash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.backtest.policies.small_desk import BTC_LONG, BTC_SHORT, HOUR, Script, at
from tests.backtest.trial.contests import BOOK, held, made, staged
from tidegate.backtest import experiment
from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.measures import waterfall_check
from tidegate.backtest.policies import Absence, absences, best_pairs, paying_pairs
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.nearest_death import nearest_death
from tidegate.backtest.trial.score import score
from tidegate.forecast.funding import FundingPrints
from tidegate.model.events import Deposited, Filled, LiquidationStarted
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Tape

CRISIS, LEGS = 3 * HOUR, (BTC_LONG, BTC_SHORT)
RATE = float(BOOK.mandate.hurdle_rate_annual.value)
# One that holds through best, one that has to leave, and one that could not open.
LEVERAGES = (1.5, 6.0, 40.0)


def tape_with(spreads: Mapping[int, float], depths: Mapping[int, float]) -> Tape:
    """Spreads and depth of 1 but in the steps that are named."""
    made = Script({}, 8 * HOUR).tape()
    wide = [spreads.get(step, 1.0) for step in range(made.steps)]
    deep = [depths.get(step, 1.0) for step in range(made.steps)]
    tracks = {
        name: replace(track, half_spread=wide, volume_day_usd=deep)
        for name, track in made.tracks.items()
    }
    return replace(made, tracks=tracks)


@pytest.mark.parametrize(
    ("spreads", "depths", "back"),
    [
        ({CRISIS + 2: 4.0, CRISIS + 9: 1.6}, {}, CRISIS + 10),
        ({CRISIS + 2: 4.0}, {CRISIS + 20: 0.5}, CRISIS + 21),
        ({CRISIS + 2: 4.0, CRISIS + 9: 1.4}, {CRISIS + 20: 0.8}, CRISIS + 3),
    ],
)
def test_return_is_tried_once_spreads_and_depth_are_normal_for_good(
    spreads: dict[int, float], depths: dict[int, float], back: int
) -> None:
    tape = tape_with(spreads, depths)
    end = tape.end_ms
    tried = absences(tape, LEGS, at(CRISIS))
    assert tried == [(end, end), (at(CRISIS), end), (at(CRISIS), at(back))]


def test_no_return_is_tried_where_markets_stay_strained_or_never_were() -> None:
    end = tape_with({}, {}).end_ms
    strained = tape_with(dict.fromkeys(range(CRISIS, 8 * HOUR), 2.0), {})
    for tape in (tape_with({}, {}), strained):
        assert absences(tape, LEGS, at(CRISIS)) == [(end, end), (at(CRISIS), end)]
    assert absences(tape_with({}, {}), LEGS, None) == [(end, end)]


@cache
def crash() -> Contest:
    return staged(made("first", "crash"), "crash")


def only(contest: Contest, spec: Spec, absence: Absence) -> Outcome:
    """A fixed book that is absent at one time and not another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "absences", lambda *_: [absence])
        return run(contest.experiment, spec, None)


def lived(outcome: Outcome) -> bool:
    return not any(isinstance(event, LiquidationStarted) for event in outcome.events)


@pytest.mark.parametrize("leverage", LEVERAGES)
def test_foresight_ends_as_the_best_of_what_it_tries(leverage: float) -> None:
    contest, spec = crash(), Spec("foresight", leverage)
    tape, start = contest.experiment.tape, contest.crisis_start_ms
    tried = absences(tape, [n for pair in contest.pairs for n in pair], start)
    assert len(tried) >= 2
    each = [only(contest, spec, absence) for absence in tried]
    found = run(contest.experiment, spec, None)
    living = [one for one in each if lived(one)]
    assert lived(found) == bool(living)
    most = max(one.ledger.equity_micro for one in living or each)
    assert found.ledger.equity_micro == most
    assert found.journal_head in {one.journal_head for one in each}
    fixed = run(contest.experiment, Spec("fixed", leverage), None)
    assert each[0].ledger.equity_micro == fixed.ledger.equity_micro, "the first holds through"


def test_foresight_lives_where_holding_through_does_not() -> None:
    contest, (_, thin, _) = crash(), LEVERAGES
    assert not lived(run(contest.experiment, Spec("fixed", thin), None))
    assert lived(run(contest.experiment, Spec("foresight", thin), None))


def test_foresight_without_a_crisis_is_the_fixed_book_to_the_end() -> None:
    calm = staged(made("first", "calm"), "calm")
    outcomes = [run(calm.experiment, Spec(p, 3.0), None) for p in ("fixed", "foresight")]
    fills = [[e for e in o.events if isinstance(e, Filled)] for o in outcomes]
    assert fills[0] == fills[1] != []


def prints(rate: float) -> FundingPrints:
    """The same daily rate for thirty days."""
    stamps = np.arange(1, 31, dtype=np.int64) * DAY_MS
    return FundingPrints(stamps, np.full(30, rate), np.full(30, 24.0))


def test_best_pairs_are_the_two_that_paid_most_in_their_direction() -> None:
    contest = held("first")
    instruments = contest.experiment.arrangement.terms.instruments
    coins = sorted({i.base for i in instruments.values()})
    paid = dict(zip(coins, (1e-4, -5e-4, 3e-4, 0.0, 4e-4, 2e-4), strict=True))
    past: dict[InstrumentId, FundingPrints | None] = {
        name: prints(paid[i.base] if i.venue == "binance" else 0.0)
        for name, i in instruments.items()
    }
    best = best_pairs(instruments, past)
    assert [instruments[long].base for long, _ in best] == [coins[1], coins[4]]
    assert best[0][0] == f"binance:{coins[1]}"
    assert best[1][1] == f"binance:{coins[4]}"
    assert set(best) < set(paying_pairs(instruments, past))


@pytest.mark.parametrize("policy", ["fixed", "threshold"])
def test_rule_on_the_best_coins_trades_them_only_and_begins_where_its_legs_stand(
    policy: str,
) -> None:
    contest = held("first")
    instruments = contest.experiment.arrangement.terms.instruments
    start = contest.experiment.tape.start_ms
    past = {n: contest.experiment.feed.funding(n, start) for n in instruments}
    best = best_pairs(instruments, past)
    outcome = run(contest.experiment, Spec(f"{policy}-best", 2.0), None)
    legs = {name for pair in best for name in pair}
    assert {e.instrument for e in outcome.events if isinstance(e, Filled)} == legs
    paid = {e.venue: e.quanta for e in outcome.events if isinstance(e, Deposited)}
    venues = [instruments[name].venue for name in legs]
    capital = int(BOOK.capital_usd) * MICRO
    assert sum(paid.values()) == capital
    for venue, quanta in paid.items():
        assert quanta == pytest.approx(capital * venues.count(venue) / len(venues), abs=1)


@pytest.mark.parametrize("crisis", ["depeg", "insolvency"])
def test_cash_is_dollars_that_earn_the_hurdle_rate_over_the_time_that_passed(crisis: str) -> None:
    contest = staged(made("first", crisis), crisis)
    outcome = run(contest.experiment, Spec("cash"), None)
    tape, capital = contest.experiment.tape, outcome.start_micro
    assert capital == int(BOOK.capital_usd) * MICRO
    assert set(outcome.ledger.waterfall) == {"capital", "yield"}
    assert {e.asset for e in outcome.events if isinstance(e, Deposited)} == {"USD"}
    assert not set(BOOK.venue) & {e.venue for e in outcome.events if isinstance(e, Deposited)}
    earned = outcome.ledger.equity_micro / capital - 1
    assert earned == pytest.approx(RATE * (tape.end_ms - tape.start_ms) / YEAR_MS, rel=1e-3)
    waterfall_check(outcome)
    assert nearest_death(contest, outcome).move is None


def test_carry_of_cash_counts_the_calm_part_and_nothing_beyond_it() -> None:
    contest = staged(made("first", "depeg"), "depeg")
    spec, start = Spec("cash"), contest.crisis_start_ms
    found = score(contest, run(contest.experiment, spec, None), spec)
    assert start is not None
    span_ms = start - contest.experiment.tape.start_ms - DAY_MS
    assert found.calm_carry == pytest.approx(RATE * span_ms / YEAR_MS, rel=2e-2)
    assert (found.opening_cost, found.loss, found.left) == (0.0, 0.0, None)
    assert found.crisis_return > 0.0
